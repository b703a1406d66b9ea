"""`console statistics`: the rates of a period from the views; with --check, held against the events alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import date, datetime, time, tzinfo
from typing import Annotated, Final, NoReturn

import typer

from services.adapters.city_book import BookUnusable
from services.adapters.clock import Clock
from services.adapters.settings import EXIT_CONFIGURATION, Settings, SettingsError
from services.adapters.statistics import Table, differences, open_books
from services.domain.rates import BYS, FEWEST_RANKED, RATES, By, Figures, Rate, rates_of

_WIDTH: Final = 13
_SHORT: Final = {
    "response_rate": "response",
    "on_time_close_rate": "on_time_close",
    "closure_rate": "closure",
    "resolution_rate": "resolution",
    "satisfaction_rate": "satisfaction",
    "callback_coverage": "coverage",
    "rework_rate": "rework",
    "extension_rate": "extension",
    "return_rate": "return",
    "reopen_rate": "reopen",
    "recurrence_30d_rate": "recurrence",
    "unverified_rate": "unverified",
}


def statistics(
    since: Annotated[str, typer.Option("--from", help="a date, or an instant with offset")],
    until: Annotated[str, typer.Option("--to", help="not included; what lies ahead is left out")],
    by: Annotated[str, typer.Option(metavar="|".join(BYS))] = "tier",
    check: Annotated[bool, typer.Option("--check", help="count again from the events alone")] = False,
) -> None:
    """The rates of domain.md 2.3 of the whole city; under n = 30 the interval, not the rate."""
    if by not in BYS:
        _refuse(f"--by {by} is not one of {', '.join(BYS)}", 2)
    try:
        settings = Settings()
        url, now = settings.require("database_url"), Clock(settings.clock_offset_file).now()
        same = asyncio.run(_tell(url, since, until, by, now, check=check))
    except SettingsError as wrong:
        _refuse(str(wrong), EXIT_CONFIGURATION)
    except BookUnusable as wrong:
        _refuse(f"{wrong}; is `make run` running, and DATABASE_URL that of its book?", 1)
    if not same:
        raise typer.Exit(1)


async def _tell(url: str, since: str, until: str, by: By, now: datetime, *, check: bool) -> bool:
    async with open_books(url) as books:
        zone = await books.zone()
        first, last = _when("--from", since, zone), min(_when("--to", until, zone), now)
        table = await books.table(since=first, until=last, by=by)
        for line in printed(table, by):
            typer.echo(line)
        if not check:
            return True
        found = list(differences(table, await books.table_from_events(since=first, until=last, by=by)))
    for line in found:
        typer.echo(line, err=True)
    said = f"{len(found)} counts differ" if found else "the events say the same"
    typer.echo(f"\ncounted again from the events alone: {said}")
    return not found


def printed(table: Table, by: By) -> Iterator[str]:
    keys = [*sorted(key for key in table if key is not None), None]
    first = max(len(key or "all") for key in keys)
    heads = [_SHORT.get(one.name, one.name) for one in RATES]
    yield "  ".join(
        [f"{by:<{max(first, len(by))}}", *(f"{head:>{_WIDTH}}" for head in [*heads, "overdue_open"])]
    )
    for key in keys:
        yield _line(f"{key or 'all':<{max(first, len(by))}}", table[key])


def _line(name: str, figures: Figures) -> str:
    rates = rates_of(figures)
    cells = [*(_cell(rates[one.name]) for one in RATES), str(figures.counts["overdue_open"])]
    return "  ".join([name, *(f"{cell:>{_WIDTH}}" for cell in cells)])


def _cell(rate: Rate) -> str:
    if rate.rate is None or rate.low is None or rate.high is None:
        return "-"
    if rate.n < FEWEST_RANKED:
        return f"{rate.low:.0%}-{rate.high:.0%} {rate.n}"
    return f"{rate.rate:.1%} {rate.n}"


def _when(option: str, text: str, zone: tzinfo) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), time(), zone)
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        _refuse(f"{option} {text} is neither a date nor an instant such as 2026-11-01T00:00+08:00", 2)
    return at


def _refuse(why: str, code: int) -> NoReturn:
    typer.echo(f"pioneer-hub: {why}", err=True)
    raise typer.Exit(code)
