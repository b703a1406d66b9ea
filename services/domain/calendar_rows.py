"""The cells of a city's calendars and of its days: a file per official year, and what is predicted."""

from __future__ import annotations

import re
from typing import Final, get_args

from services.domain.calendars import Calendar, CalendarKind, DatedDay, DayKind, YearlyDay
from services.domain.city_cells import Cells
from services.domain.limits import CALENDAR_CODE

CALENDARS: Final = "calendars.csv"
CALENDAR_HEADER: Final = ("code", "name_zh", "name_en", "kind", "spans")
PREDICTED: Final = "calendar-days/predicted.csv"
YEAR: Final = re.compile(r"calendar-days/([0-9]{4})\.csv", re.ASCII)


def year_file(year: int) -> str:
    return f"calendar-days/{year:04}.csv"


def days_header_of(file: str) -> tuple[str, ...] | None:
    if file == PREDICTED:
        return ("month_day", "name")
    return ("date", "day", "name", "source") if YEAR.fullmatch(file) else None


def read_calendar(cells: Cells) -> Calendar:
    return Calendar(
        code=cells.matching("code", CALENDAR_CODE, "a capital letter, then up to 15 capitals, digits or _"),
        name_zh=cells.words("name_zh"),
        name_en=cells.words("name_en"),
        kind=cells.one_of("kind", get_args(CalendarKind)),
        spans=cells.spans("spans"),
    )


def read_dated_day(cells: Cells) -> DatedDay:
    return DatedDay(
        on=cells.dated("date"),
        day=cells.one_of("day", get_args(DayKind)),
        name=cells.words("name"),
        source=cells.words("source"),
    )


def read_yearly_day(cells: Cells) -> YearlyDay:
    month, day = cells.month_day("month_day")
    return YearlyDay(month, day, cells.words("name"))
