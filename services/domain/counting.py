"""How a due was counted, day by day: what `console due --explain` says in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal

from services.domain.limits import Limit
from services.domain.working_time import WorkingTime

Reason = Literal["start", "working", "made_up", "holiday", "weekend"]
_SATURDAY: Final = 5
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class CountedDay:
    """A local day: `length` of it was counted, `used` of the limit is used up at its end.

    `number` is set when days are counted; `name` is the holiday that closes it, or that it is made up for.
    """

    on: date
    reason: Reason
    name: str | None
    official: bool
    spans: tuple[tuple[datetime, datetime], ...] = ()
    length: timedelta = timedelta(0)
    used: timedelta = timedelta(0)
    number: int | None = None


def counted(limit: Limit, start: datetime, time: WorkingTime) -> list[CountedDay]:
    """Every day from the start to the due; of a limit by the wall clock there is nothing to tell."""
    if limit.unit == "Cd" or (limit.unit != "WD" and time.always_open):
        return []
    due, _ = time.due(limit, start)
    first = start.astimezone(time.zone).date()
    last = (due - timedelta(microseconds=1)).astimezone(time.zone).date()
    days: list[CountedDay] = []
    used, number = timedelta(0), 0
    for n in range((last - first).days + 1):
        on = first + n * _DAY
        official = not time.predictable or time.days.is_official(on, on)
        reason, name = _reason(on, time)
        spans = time.spans_of(on)
        if limit.unit == "WD":
            if on == first:
                days.append(CountedDay(on, "start", None, True))
                continue
            number += bool(spans)
            in_zone = tuple((_in(opens, time), _in(closes, time)) for opens, closes in spans)
            days.append(CountedDay(on, reason, name, official, in_zone, number=number if spans else None))
            continue
        clipped = tuple(
            (_in(max(opens, start), time), _in(min(closes, due), time))
            for opens, closes in spans
            if opens < due and closes > start
        )
        # a span may cross a change of the clocks: its length is counted, not read off the wall
        length = sum((b.astimezone(UTC) - a.astimezone(UTC) for a, b in clipped), timedelta(0))
        used += length
        days.append(CountedDay(on, reason, name, official, clipped, length, used))
    return days


def _reason(on: date, time: WorkingTime) -> tuple[Reason, str | None]:
    if not time.predictable:
        return "working", None
    known = time.days.dated.get(on)
    if time.days.is_working(on):
        return ("made_up", known.name) if known is not None else ("working", None)
    holiday = time.days.holiday(on)
    if holiday is not None:
        return "holiday", holiday
    assert on.weekday() >= _SATURDAY
    return "weekend", None


def _in(at: datetime, time: WorkingTime) -> datetime:
    return at.astimezone(time.zone)
