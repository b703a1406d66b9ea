"""The sample city's calendars and days as the tests read them: plain code over the shipped files."""

from __future__ import annotations

import csv
from datetime import date, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from services.domain.calendars import Calendar, DatedDay, Days, YearlyDay
from services.domain.limits import parse_limit
from services.domain.working_time import WorkingTime

FOLDER: Final = Path(__file__).parents[2] / "deploy" / "city" / "wuzhong"
ZONE: Final = ZoneInfo("Asia/Shanghai")
YEARS: Final = (2022, 2023, 2024, 2025, 2026)

OFF: Final = Calendar("OFF", "机关", "Office", "workdays", ((540, 720), (780, 1020)))
OPS: Final = Calendar("OPS", "一线", "Field", "every", ((480, 1200),))
C24: Final = Calendar("C24", "全天", "Clock", "every", ((0, 1440),))
HALF: Final = Calendar("HALF", "上午", "Mornings and late", "workdays", ((0, 720), (1380, 1440)))


def dated(year: int) -> list[DatedDay]:
    with (FOLDER / f"calendar-days/{year}.csv").open(encoding="utf-8", newline="") as rows:
        return [
            DatedDay(
                date.fromisoformat(row["date"]),
                "holiday" if row["day"] == "holiday" else "workday",
                row["name"],
                row["source"],
            )
            for row in csv.DictReader(rows)
        ]


YEARLY: Final = [YearlyDay(m, d, "x") for m, d in ((1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3))]
DAYS: Final = Days.of(YEARS, [day for year in YEARS for day in dated(year)], YEARLY)

MADE_UP_2027: Final = [
    *(DatedDay(date(2027, 1, day), "holiday", "元旦", "made up") for day in (1, 2, 3, 4)),
    DatedDay(date(2027, 1, 10), "workday", "元旦", "made up"),
    *(DatedDay(date(2027, 10, day), "holiday", "国庆节", "made up") for day in range(1, 8)),
]
WITH_2027: Final = Days.of((*YEARS, 2027), [*DAYS.dated.values(), *MADE_UP_2027], YEARLY)
YEAR_2027: Final = "date,day,name,source\n" + "".join(
    f"{one.on},{one.day},{one.name},{one.source}\n" for one in MADE_UP_2027
)

TIMES: Final = {c.code: WorkingTime(c, DAYS, ZONE) for c in (OFF, OPS, C24, HALF)}
TIMES_2027: Final = {c.code: WorkingTime(c, WITH_2027, ZONE) for c in (OFF, OPS, C24, HALF)}


def local(text: str) -> datetime:
    """`2026-10-08 10:00` in the city."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


def due(start: str, limit: str, times: dict[str, WorkingTime] = TIMES) -> tuple[str, bool]:
    one = parse_limit(limit)
    at, official = times[one.calendar].due(one, local(start))
    return at.astimezone(ZONE).strftime("%Y-%m-%d %H:%M"), official
