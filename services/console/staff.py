"""`console staff`: accounts of dispatchers and units. A password made here is shown once, kept nowhere."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Final

import typer

from services.adapters.city_book import NoCityLoaded, active_version, read_version
from services.adapters.clock import Clock
from services.adapters.postgres import open_pool
from services.adapters.settings import EXIT_CONFIGURATION, Settings, SettingsError
from services.adapters.staff import MAX_PASSWORD, Account, Staff, UsernameTaken, readable_password
from services.domain.city import City

app = typer.Typer(help="Accounts of dispatchers and units.", no_args_is_help=True)

MIN_PASSWORD: Final = 12
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
    prompt: Annotated[
        bool, typer.Option("--prompt", help="type the password; without it, one is made and shown once")
    ] = False,
) -> None:
    """Add an account."""
    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True) if prompt else None
    try:
        made = asyncio.run(_add(username, hub, unit, password))
    except (NoCityLoaded, UsernameTaken, Unfit, OSError) as wrong:
        raise _refused(wrong, 1) from None
    except SettingsError as wrong:
        raise _refused(wrong, EXIT_CONFIGURATION) from None
    typer.echo(f"{username} can sign in" + (f" with the password {made}" if made else ""))


@app.command("list")
def list_accounts() -> None:
    """Every account with its hub and unit."""
    try:
        accounts = asyncio.run(_list())
    except OSError as wrong:
        raise _refused(wrong, 1) from None
    except SettingsError as wrong:
        raise _refused(wrong, EXIT_CONFIGURATION) from None
    for account in accounts:
        typer.echo(f"{account.hub_code}  {account.unit or account.role:<24}  {account.username}")


async def _add(username: str, hub: str, unit: str | None, password: str | None) -> str | None:
    if not _USERNAME.fullmatch(username):
        raise Unfit(
            "a username has 3 to 64 lower case letters, digits or . _ - and begins with a letter or digit"
        )
    if password is not None and not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise Unfit(f"a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters")
    settings = Settings()
    pool = await open_pool(settings.require("database_url"), room="console-staff", max_size=1)
    try:
        async with pool.acquire() as connection:
            city, _areas = await read_version(connection, await active_version(connection))
        _check_seat(city, hub, unit)
        made = readable_password() if password is None else None
        staff = Staff(pool, Clock(settings.clock_offset_file))
        await staff.add(username=username, password=password or made or "", hub_code=hub, unit=unit)
        return made
    finally:
        await pool.close()


def _check_seat(city: City, hub: str, unit: str | None) -> None:
    if hub not in city.hubs:
        raise Unfit(f"the city has no hub {hub}")
    if unit is not None and unit not in city.units:
        raise Unfit(f"the city has no unit {unit}; known are {', '.join(sorted(city.units))}")
    if unit is not None and not city.sits(unit, hub):
        raise Unfit(f"no {unit} sits at a hub of level {city.hubs[hub].level}")


async def _list() -> list[Account]:
    pool = await open_pool(Settings().require("database_url"), room="console-staff", max_size=1)
    try:
        return await Staff(pool, Clock()).list()
    finally:
        await pool.close()


def _refused(wrong: Exception, code: int) -> typer.Exit:
    typer.echo(f"pioneer-hub: {wrong}", err=True)
    return typer.Exit(code)
