"""`console rebuild`: the event log replayed beside the book, to check its rows or to write them anew."""

from __future__ import annotations

import asyncio
from typing import Annotated, NoReturn

import typer

from services.adapters import rebuilding
from services.adapters.city_book import BookUnusable
from services.adapters.clock import Clock
from services.adapters.rebuilding import Found, RouterWorks
from services.adapters.replayed import NotComparable
from services.adapters.settings import EXIT_CONFIGURATION, Settings, SettingsError

Check = Annotated[bool, typer.Option("--check", help="write nothing; exit code 1 if anything differs")]


def rebuild(check: Check = False) -> None:
    """Replay every event: each row of cases and deadlines and the case of each report must come out again.

    With --check beside everything that works. Without it what differs is written as the events make it, in
    one transaction that stands only if nothing differs afterwards; no router may work meanwhile.
    """
    try:
        settings = Settings()
        url = settings.require("database_url")
        if check:
            found = asyncio.run(rebuilding.check(url))
            _say(found)
            raise typer.Exit(1 if found.differing else 0)
        now = Clock(settings.clock_offset_file).now()
        before, after = asyncio.run(rebuilding.rebuild(url, now=now))
    except SettingsError as wrong:
        _refuse(str(wrong), EXIT_CONFIGURATION)
    except RouterWorks as wrong:
        _refuse(f"a router works ({wrong}): stop it first; nothing was written")
    except NotComparable as wrong:
        _refuse(str(wrong))
    except BookUnusable as wrong:
        _refuse(f"{wrong}; is the database up, and DATABASE_URL that of the book?")
    _say(before)
    if after.differing:
        typer.echo("nothing was written, for this no event can mend:")
        _say(after)
        raise typer.Exit(1)
    if before.differing:
        typer.echo("written as the events make it; nothing differs now")


def _say(found: Found) -> None:
    for one in found.first:
        typer.echo(
            f"{one.case_id}  {one.what}: in the book {_said(one.in_book)}, replayed {_said(one.replayed)}"
        )
    if found.differing > len(found.first):
        typer.echo(f"… and {found.differing - len(found.first):,} more")
    rate = found.events / found.seconds if found.seconds else 0.0
    end = f"{found.differing:,} differ" if found.differing else "nothing differs"
    typer.echo(
        f"{found.cases:,} cases, {found.events:,} events replayed in {found.seconds:.1f} s"
        f" ({rate:,.0f} events a second): {end}"
    )


def _said(value: str | None) -> str:
    return "nothing" if value is None else value


def _refuse(why: str, code: int = 1) -> NoReturn:
    typer.echo(f"pioneer-hub: {why}", err=True)
    raise typer.Exit(code)
