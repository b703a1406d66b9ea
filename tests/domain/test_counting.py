"""The days and spans that a due was counted over, as `console due --explain` tells them."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given

from services.domain.counting import CountedDay, counted
from services.domain.limits import Limit, parse_limit
from tests.domain.test_calendars import LIMITS, MINUTES
from tests.domain.wuzhong import TIMES, local


def told(start: str, limit: str) -> list[tuple[str, str, str, int | None, bool]]:
    one = parse_limit(limit)
    return [
        (f"{day.on:%m-%d}", day.reason, _spans(day), day.number, day.official)
        for day in counted(one, local(start), TIMES[one.calendar])
    ]


def _spans(day: CountedDay) -> str:
    return " ".join(f"{a:%H:%M}-{b:%H:%M}" for a, b in day.spans)


def test_working_days_over_a_holiday_and_a_made_up_saturday() -> None:
    whole = "09:00-12:00 13:00-17:00"
    assert told("2026-09-30 16:00", "3WD OFF") == [
        ("09-30", "start", "", None, True),
        *((f"10-0{day}", "holiday", "", None, True) for day in range(1, 8)),
        ("10-08", "working", whole, 1, True),
        ("10-09", "working", whole, 2, True),
        ("10-10", "made_up", whole, 3, True),
    ]


def test_hours_show_what_was_used_of_each_day() -> None:
    days = counted(parse_limit("4WH OFF"), local("2026-02-13 15:30"), TIMES["OFF"])
    assert [(_spans(day), day.length, day.used, day.name) for day in days] == [
        ("15:30-17:00", timedelta(minutes=90), timedelta(minutes=90), None),
        ("09:00-11:30", timedelta(minutes=150), timedelta(hours=4), "春节"),
    ]


def test_predicted_days_are_told_apart() -> None:
    assert [(day, official) for day, _, _, _, official in told("2026-12-31 10:00", "1WD OFF")] == [
        ("12-31", True),
        ("01-01", False),
        ("01-02", False),
        ("01-03", False),
        ("01-04", False),
    ]


def test_by_the_wall_clock_there_is_nothing_to_tell() -> None:
    assert told("2026-10-01 10:00", "15m C24") == []
    assert told("2026-10-01 10:00", "3Cd C24") == []
    assert [row[0] for row in told("2026-10-01 10:00", "1WD C24")] == ["10-01", "10-02"]


@given(MINUTES, LIMITS)
def test_the_days_add_up_to_the_limit_and_say_whether_it_is_official(start: datetime, limit: Limit) -> None:
    counter = TIMES[limit.calendar]
    days = counted(limit, start, counter)
    due, official = counter.due(limit, start)
    if not days:
        assert counter.always_open
        return
    assert days[-1].spans[-1][1] == due
    if limit.unit == "WD":
        assert [day.number for day in days if day.number] == list(range(1, limit.amount + 1))
        assert official == all(day.official for day in days)
    else:
        assert days[-1].used == limit.length == sum((day.length for day in days), timedelta(0))
