"""`console staff`: who may sign in at the board. A password made here is shown once, kept nowhere."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, TypeVar

import typer

from services.adapters.city_book import NoCityLoaded, active_version, read_version
from services.adapters.clock import Clock
from services.adapters.postgres import open_pool
from services.adapters.settings import EXIT_CONFIGURATION, Settings, SettingsError
from services.adapters.staff import (
    MAX_PASSWORD,
    ROLES,
    NoSuchAccount,
    Role,
    Staff,
    UsernameTaken,
    readable_password,
)
from services.domain.city import City

app = typer.Typer(help="Accounts of everybody who works at the board.", no_args_is_help=True)

MIN_PASSWORD: Final = 12
Name = Annotated[str, typer.Argument(metavar="NAME", help="as `staff list` shows it")]
Prompt = Annotated[
    bool, typer.Option("--prompt", help="type the password; without it, one is made and shown once")
]
T = TypeVar("T")
_USERNAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{2,63}")


class Unfit(ValueError):
    """What was asked for cannot be an account here; the text says why."""


@app.command()
def add(
    username: Annotated[str, typer.Argument(help="lower case letters, digits, . _ -")],
    hub: Annotated[str, typer.Option("--hub", metavar="CODE", help="12-digit code of the account's hub")],
    unit: Annotated[
        str | None,
        typer.Option("--unit", metavar="KIND", help="account of this unit; without it, a dispatcher"),
    ] = None,
    role: Annotated[
        str | None,
        typer.Option("--role", metavar="ROLE", help=f"one of {', '.join(ROLES)}; default: see --unit"),
    ] = None,
    prompt: Prompt = False,
) -> None:
    """Add an account."""
    password, made = _chosen(prompt)

    async def work(pool: Any, staff: Staff) -> None:
        async with pool.acquire() as connection:
            city, _areas = await read_version(connection, await active_version(connection))
        _check_seat(city, hub, unit)
        await staff.add(
            username=username, password=password, hub_code=hub, unit=unit, role=_role_of(role, unit)
        )

    if not _USERNAME.fullmatch(username):
        raise _refused(
            "a username has 3 to 64 lower case letters, digits or . _ - and begins with a letter or digit"
        )
    _do(work)
    typer.echo(f"{username} can sign in{made}")


@app.command("list")
def list_accounts() -> None:
    """Every account with its hub and unit, and since when it is disabled."""
    for account in _do(lambda _pool, staff: staff.list()):
        shut = f"  disabled since {at:%Y-%m-%d %H:%M} UTC" if (at := account.disabled_at) else ""
        typer.echo(f"{account.hub_code}  {account.unit or account.role:<24}  {account.username}{shut}")


@app.command()
def disable(username: Name) -> None:
    """Shut an account: signed out everywhere, not let in again. What it did stays its own."""
    _do(lambda _pool, staff: staff.disable(username))
    typer.echo(f"{username} cannot sign in any more, and is signed out everywhere")


@app.command()
def enable(username: Name) -> None:
    """Open an account again that was disabled."""
    _do(lambda _pool, staff: staff.enable(username))
    typer.echo(f"{username} can sign in again, with the password as before")


@app.command()
def password(username: Name, prompt: Prompt = False) -> None:
    """Give an account another password; it is signed out everywhere."""
    chosen, made = _chosen(prompt)
    _do(lambda _pool, staff: staff.set_password(username, chosen))
    typer.echo(f"{username} is signed out everywhere and can sign in{made or ' with what was typed'}")


def _chosen(prompt: bool) -> tuple[str, str]:
    """A password, and what to say of it: one that was typed is not shown."""
    if not prompt:
        made = readable_password()
        return made, f" with the password {made}"
    typed: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    if not MIN_PASSWORD <= len(typed) <= MAX_PASSWORD:
        raise _refused(f"a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters")
    return typed, ""


def _do(work: Callable[[Any, Staff], Awaitable[T]]) -> T:
    """On the book's staff; what cannot be is said in one sentence."""

    async def on_the_book() -> T:
        settings = Settings()
        pool = await open_pool(settings.require("database_url"), room="console-staff", max_size=1)
        try:
            return await work(pool, Staff(pool, Clock(settings.clock_offset_file)))
        finally:
            await pool.close()

    try:
        return asyncio.run(on_the_book())
    except (NoCityLoaded, UsernameTaken, NoSuchAccount, Unfit, OSError) as wrong:
        raise _refused(str(wrong)) from None
    except SettingsError as wrong:
        raise _refused(str(wrong), EXIT_CONFIGURATION) from None


def _check_seat(city: City, hub: str, unit: str | None) -> None:
    if hub not in city.hubs:
        raise Unfit(f"the city has no hub {hub}")
    if unit is not None and unit not in city.units:
        raise Unfit(f"the city has no unit {unit}; known are {', '.join(sorted(city.units))}")
    if unit is not None and not city.sits(unit, hub):
        raise Unfit(f"no {unit} sits at a hub of level {city.hubs[hub].level}")


def _role_of(role: str | None, unit: str | None) -> Role:
    if role is None:
        return "dispatcher" if unit is None else "unit"
    if role not in ROLES:
        raise Unfit(f"there is no role {role}; known are {', '.join(ROLES)}")
    if (role == "unit") != (unit is not None):
        raise Unfit("the role unit, and no other, goes with --unit")
    return role


def _refused(why: str, code: int = 1) -> typer.Exit:
    typer.echo(f"pioneer-hub: {why}", err=True)
    return typer.Exit(code)
