"""`console due`: when a limit falls due, and with --explain every span that was counted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Annotated, NoReturn, cast

import typer

from services.adapters.city_files import read_city, read_folder
from services.adapters.settings import Settings
from services.console.words import Language, Words
from services.domain.city_problems import CityProblems
from services.domain.counting import CountedDay, counted
from services.domain.limits import Limit, parse_limit
from services.domain.working_time import WorkingTime

_COLUMN = 16


def due(
    start: Annotated[str, typer.Option(help="with offset, such as 2026-09-30T16:00+08:00")],
    limit: Annotated[str, typer.Option(help="such as 15m, 4h, 5WD or 3Cd")],
    calendar: Annotated[
        str | None, typer.Option(metavar="CODE", help="of the city's calendars, such as C24, OFF or OPS")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="show every span that was counted")] = False,
    lang: Annotated[str, typer.Option(metavar="en|zh", help="the language of --explain")] = "en",
    city: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="the city's folder; else CITY_FOLDER")
    ] = None,
) -> None:
    """The due instant and `official` or `provisional` (counted over a day that is only predicted)."""
    language = language_of(lang)
    begin = _instant(start)
    try:
        wanted = parse_limit(limit, calendar=calendar)
    except ValueError as wrong:
        _refuse(f"{wrong}" if calendar else f"{wrong}, or give --calendar")
    if calendar is not None and wanted.calendar != calendar:
        _refuse(f"--limit {limit} names another calendar than --calendar {calendar}: give one of them")
    folder = city if city is not None else Settings().city_folder
    try:
        known = read_city(read_folder(folder), 0)
    except CityProblems as wrong:
        _refuse(f"the city {folder} cannot be read: {wrong.problems[0]}; `console city check {folder}`")
    if wanted.calendar not in known.calendars:
        _refuse(f"no calendar is called {wanted.calendar}; known are {', '.join(known.calendars)}")
    time = known.working_time(wanted.calendar)
    try:
        at, official = time.due(wanted, begin)
    except OverflowError as wrong:
        _refuse(f"--start {start} and --limit {limit}: {wrong}")
    typer.echo(f"{at.astimezone(known.zone).isoformat()} {'official' if official else 'provisional'}")
    if explain:
        words = Words(language, known.zone)
        for line in explained(wanted, begin, time, words, zone=known.timezone):
            typer.echo(line)


def language_of(lang: str) -> Language:
    if lang not in ("en", "zh"):
        raise typer.BadParameter(f"{lang} is not en or zh", param_hint="--lang")
    return cast("Language", lang)


def explained(limit: Limit, start: datetime, time: WorkingTime, words: Words, *, zone: str) -> Iterator[str]:
    at, official = time.due(limit, start)
    yield words.say(
        "due.head",
        limit=words.limit(limit),
        calendar=words.calendar(time.calendar),
        start=words.instant(start),
        zone=zone,
    )
    days = counted(limit, start, time)
    if not days:
        yield f"  {words.say('due.clock', due=words.instant(at))}"
    for reason, alike in groupby(days, lambda day: (day.reason, day.name, day.official, bool(day.spans))):
        if reason[-1] or reason[0] == "start":
            for day in alike:
                yield _line(words.day(day.on), words.spans(day.spans), _told(day, limit, words))
        else:
            run = list(alike)
            first, last = words.day(run[0].on), words.day(run[-1].on)
            yield _line(first if first == last else f"{first} - {last}", "", _told(run[0], limit, words))
    yield words.say("due.end", due=words.instant(at), official=words.official(official))


def _line(when: str, spans: str, told: str) -> str:
    return "  " + "  ".join(part for part in (f"{when:<{_COLUMN}}", spans, told) if part)


def _told(day: CountedDay, limit: Limit, words: Words) -> str:
    parts: list[str] = []
    if day.number is not None:
        parts.append(words.say("day.number", n=day.number, of=limit.amount))
    elif day.spans:
        of = words.length(limit.length)
        parts.append(
            words.say("day.used", length=words.length(day.length), used=words.length(day.used), of=of)
        )
    elif day.reason in ("working", "made_up"):
        parts.append(words.say("day.closed"))
    if day.reason not in ("working",):
        parts.append(words.say(f"day.{day.reason}", name=day.name))
    if not day.official:
        parts.append(words.say("day.predicted", year=day.on.year))
    return words.list(parts)


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        _refuse(f"--start {text} is not an instant such as 2026-09-30T16:00+08:00")
    if at.tzinfo is None:
        _refuse(f"--start {text} has no offset: write it such as 2026-09-30T16:00+08:00")
    return at


def _refuse(why: str) -> NoReturn:
    typer.echo(f"pioneer-hub: {why}", err=True)
    raise typer.Exit(2)
