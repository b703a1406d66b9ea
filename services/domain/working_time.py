"""Working time of one calendar in one time zone: between instants, after an instant, and a limit's due.

Local spans become instants once, in a table of some years (holidays and daylight saving are settled there);
every sum is then a bisection. By the wall clock it stays plain addition. Instants are aware or refused.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

from services.domain.calendars import WHOLE_DAY, Calendar, Days
from services.domain.limits import WALL_CLOCK, Limit

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NOTHING: Final = timedelta(0)
_DAY: Final = timedelta(days=1)


def _number(at: datetime) -> int:
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _instant(number: int) -> datetime:
    return _EPOCH + timedelta(0, number // 1_000_000, number % 1_000_000)


@dataclass(frozen=True, slots=True)
class _Table:
    """Spans in order, as microseconds since 1970; `worked` is what was worked up to each close."""

    first_year: int
    last_year: int
    begins: int
    ends: int
    opens: list[int]
    closes: list[int]
    worked: list[int]
    days: list[int]
    """Ordinals of the working days, and their last closings."""
    closings: list[int]

    def worked_until(self, at: int) -> int:
        i = bisect_right(self.opens, at) - 1
        if i < 0:
            return 0
        left = self.closes[i] - at
        return self.worked[i] - left if left > 0 else self.worked[i]

    def instant_of(self, worked: int) -> datetime | None:
        """The first instant at which so much has been worked; None beyond the table."""
        i = bisect_left(self.worked, worked)
        return _instant(self.closes[i] - self.worked[i] + worked) if i < len(self.worked) else None


class WorkingTime:
    def __init__(self, calendar: Calendar, days: Days, zone: tzinfo) -> None:
        self.calendar = calendar
        self.days = days
        self.zone = zone
        self.always_open = calendar.always_open
        self.predictable = calendar.kind == "workdays"
        """Whether a day of this calendar can be merely predicted."""
        self._table: _Table | None = None
        self._official = self._official_ranges()

    def due(self, limit: Limit, start: datetime) -> tuple[datetime, bool]:
        """The instant at which the limit is used up, and whether no predicted day was counted."""
        if limit.unit == "WD":
            due = self.closing(start, limit.amount)
        elif limit.unit == "Cd":
            return start + limit.length, True
        else:
            due = self.after(start, limit.length)
        return due, self.is_official(start, due, from_next_day=limit.unit == "WD")

    def between(self, start: datetime, end: datetime) -> timedelta:
        """The working time from start to end; nothing if the end is not after the start."""
        if end <= start:
            return _NOTHING
        if self.always_open:
            return end - start
        first, last = _number(start), _number(end)
        table = self._cover(first, last)
        return timedelta(microseconds=table.worked_until(last) - table.worked_until(first))

    def after(self, start: datetime, amount: timedelta) -> datetime:
        """The instant at which so much has been worked; used up exactly at a closing, it is that closing."""
        if self.always_open or amount <= _NOTHING:
            return start + max(amount, _NOTHING)
        at = _number(start)
        table = self._cover(at, at)
        while True:
            end = table.instant_of(table.worked_until(at) + amount // _MICROSECOND)
            if end is not None:
                return end
            table = self._grow(table.first_year, 2 * table.last_year - table.first_year + 1)

    def share(self, start: datetime, end: datetime, percent: int) -> datetime | None:
        """When so many percent of the working time from start to end have passed; None if there is none."""
        if self.always_open:
            return start + (end - start) * percent / 100
        first, last = _number(start), _number(end)
        table = self._cover(first, last)
        while True:
            before = table.worked_until(first)
            whole = table.worked_until(last) - before
            if whole <= 0:
                return None
            at = table.instant_of(before + whole * percent // 100)
            if at is not None:
                return at
            table = self._grow(table.first_year, 2 * table.last_year - table.first_year + 1)

    def closing(self, start: datetime, count: int) -> datetime:
        """The last closing of the count-th working day after the local date of the start."""
        at = _number(start)
        table = self._cover(at, at)
        today = start.astimezone(self.zone).toordinal()
        while True:
            i = bisect_right(table.days, today) + count - 1
            if i < len(table.days):
                return _instant(table.closings[i])
            table = self._grow(table.first_year, 2 * table.last_year - table.first_year + 1)

    def is_open(self, at: datetime) -> bool:
        """Whether the instant lies within working time."""
        if self.always_open:
            return True
        on = at.astimezone(self.zone).date()
        return any(opens <= at < closes for opens, closes in self.spans_of(on))

    def is_official(self, start: datetime, end: datetime, *, from_next_day: bool = False) -> bool:
        """Whether every day on which something was counted from start to end is official."""
        if not self.predictable or any(first <= start and end <= last for first, last in self._official):
            return True
        local = start.astimezone(self.zone)
        first = local.date()
        if from_next_day or local.hour * 60 + local.minute >= self.calendar.spans[-1][1]:
            first += _DAY
        return self.days.is_official(first, (end - _MICROSECOND).astimezone(self.zone).date())

    def spans_of(self, on: date) -> list[tuple[datetime, datetime]]:
        """Opening and closing instants of a local date; none on a day that is not worked."""
        if self.predictable and not self.days.is_working(on):
            return []
        return [(_instant(opens), _instant(closes)) for opens, closes in self._spans(on)]

    def _spans(self, on: date) -> list[tuple[int, int]]:
        midnight = datetime(on.year, on.month, on.day)  # noqa: DTZ001 (a wall time, given its zone below)
        walls = [
            tuple(_number((midnight + timedelta(minutes=m)).replace(tzinfo=self.zone)) for m in span)
            for span in self.calendar.spans
        ]
        # a span that daylight saving swallows whole is not there
        return [(opens, closes) for opens, closes in walls if opens < closes]

    def _official_ranges(self) -> list[tuple[datetime, datetime]]:
        """From and to of the official years, neighbours joined."""
        ranges: list[tuple[datetime, datetime]] = []
        for year in sorted(self.days.years):
            first, last = self._new_year(year), self._new_year(year + 1)
            if ranges and ranges[-1][1] == first:
                first = ranges.pop()[0]
            ranges.append((first, last))
        return ranges

    def _new_year(self, year: int) -> datetime:
        return datetime(year, 1, 1, tzinfo=self.zone).astimezone(UTC)

    def _cover(self, first: int, last: int) -> _Table:
        table = self._table
        if table is not None and table.begins <= first and last < table.ends:
            return table
        first_year, last_year = _instant(first).year - 1, _instant(last).year + 1
        if table is not None:
            first_year, last_year = min(first_year, table.first_year), max(last_year, table.last_year)
        return self._grow(first_year, last_year)

    def _grow(self, first_year: int, last_year: int) -> _Table:
        if first_year < 1 or last_year > 9997:
            raise OverflowError("the calendar ends with the year 9997")
        on, last = date(first_year, 1, 1), date(last_year, 12, 31)
        opens, closes, days, closings = [], [], [], []
        while on <= last:
            if not self.predictable or self.days.is_working(on):
                spans = self._spans(on)
                opens += [span[0] for span in spans]
                closes += [span[1] for span in spans]
                if spans:
                    days.append(on.toordinal())
                    closings.append(spans[-1][1])
            on += _DAY
        worked, total = [], 0
        for opened, closed in zip(opens, closes, strict=True):
            total += closed - opened
            worked.append(total)
        self._table = _Table(
            first_year=first_year,
            last_year=last_year,
            begins=_number(self._new_year(first_year)),
            ends=_number(self._new_year(last_year + 1)),
            opens=opens,
            closes=closes,
            worked=worked,
            days=days,
            closings=closings,
        )
        return self._table


WALL: Final = WorkingTime(Calendar(WALL_CLOCK, "全天候", "Around the clock", "every", WHOLE_DAY), Days(), UTC)
"""For a calendar that a later version of the city has dropped: what was set runs on."""
