"""What must hold of the calendars and of the days of each loaded year, which is official from then on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from services.domain.calendar_rows import CALENDARS, PREDICTED, year_file
from services.domain.calendars import DatedDay
from services.domain.city_problems import Lined, Problem, twice
from services.domain.city_rows import CityRows
from services.domain.limits import WALL_CLOCK

_SATURDAY: Final = 5
_DECEMBER: Final = 12


def check_calendars(rows: CityRows) -> Iterator[Problem]:
    yield from twice(CALENDARS, "code", ((row.line, row.value.code) for row in rows.calendars))
    wall = next((row for row in rows.calendars if row.value.code == WALL_CLOCK), None)
    if wall is None:
        yield Problem(CALENDARS, 1, f"`{WALL_CLOCK}` is missing: the wall clock, `every` day 00:00-24:00")
    elif not wall.value.always_open:
        yield Problem(CALENDARS, wall.line, f"`{WALL_CLOCK}` is the wall clock: `every` day 00:00-24:00")
    yield from twice(
        PREDICTED,
        "month_day",
        ((row.line, f"{row.value.month:02}-{row.value.day:02}") for row in rows.predicted),
    )
    named: dict[object, str] = {}
    for year, days in rows.years.items():
        yield from _year(year, days)
        for row in days:
            elsewhere = named.setdefault(row.value.on, year_file(year))
            if elsewhere != year_file(year):
                rule = f"date `{row.value.on}` stands already in {elsewhere}"
                yield Problem(year_file(year), row.line, rule)


def _year(year: int, days: tuple[Lined[DatedDay], ...]) -> Iterator[Problem]:
    file = year_file(year)
    yield from twice(file, "date", ((row.line, row.value.on) for row in days))
    if all(row.value.day != "holiday" for row in days):
        yield Problem(file, 1, "has no holiday: a year that is not known yet has no file, it is predicted")
    for row in days:
        on = row.value.on
        # the notice of a year also names days that it takes from the last weeks of the year before
        if on.year != year and (on.year, on.month) != (year - 1, _DECEMBER):
            yield Problem(file, row.line, f"date `{on}` is not of {year} or of the December before")
        elif row.value.day == "workday" and on.weekday() < _SATURDAY:
            rule = f"`{on}` is a {on:%A}, a working day already: only a Saturday or Sunday is made up for"
            yield Problem(file, row.line, rule)
