"""Calendars as the city writes them, and which days are working days (domain.md 2.6).

A year that is loaded is official; any other is predicted: Monday to Friday less the holidays that come each
year. Only calendars of workdays can be wrong about a day, so only they make a due provisional.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final, Literal

CalendarKind = Literal["every", "workdays"]
DayKind = Literal["holiday", "workday"]
Span = tuple[int, int]
"""From, to: minutes of the local day."""

WHOLE_DAY: Final[tuple[Span, ...]] = ((0, 1440),)
_SATURDAY: Final = 5


@dataclass(frozen=True, slots=True)
class Calendar:
    """Open in `spans` of every day, or of every working day."""

    code: str
    name_zh: str
    name_en: str
    kind: CalendarKind
    spans: tuple[Span, ...]

    @property
    def always_open(self) -> bool:
        return self.kind == "every" and self.spans == WHOLE_DAY


@dataclass(frozen=True, slots=True)
class DatedDay:
    """A day that is not what its weekday says, or a weekend inside a holiday; `source` is the notice."""

    on: date
    day: DayKind
    name: str
    source: str


@dataclass(frozen=True, slots=True)
class YearlyDay:
    """A holiday that a predicted year is taken to have."""

    month: int
    day: int
    name: str


@dataclass(frozen=True)
class Days:
    """Every day of the city: those of the official years, and what is predicted of the others."""

    years: frozenset[int] = frozenset()
    dated: Mapping[date, DatedDay] = field(default_factory=dict)
    predicted: Mapping[tuple[int, int], str] = field(default_factory=dict)

    @classmethod
    def of(cls, years: Iterable[int], dated: Iterable[DatedDay], yearly: Iterable[YearlyDay]) -> Days:
        return cls(
            frozenset(years),
            {one.on: one for one in dated},
            {(one.month, one.day): one.name for one in yearly},
        )

    def is_working(self, on: date) -> bool:
        known = self.dated.get(on)
        if known is not None:
            return known.day == "workday"
        if on.weekday() >= _SATURDAY:
            return False
        return on.year in self.years or (on.month, on.day) not in self.predicted

    def is_official(self, first: date, last: date) -> bool:
        """Whether no day from first to last is only predicted."""
        return all(year in self.years for year in range(first.year, last.year + 1))

    def holiday(self, on: date) -> str | None:
        """The name of the holiday that makes the day free, if one does."""
        known = self.dated.get(on)
        if known is not None:
            return known.name if known.day == "holiday" else None
        return None if on.year in self.years else self.predicted.get((on.month, on.day))

    def official_until(self, today: date) -> date:
        """The last official day from today on without a gap; the day before today's year if there is none."""
        year = today.year
        while year in self.years:
            year += 1
        return date(year, 1, 1) - timedelta(days=1)
