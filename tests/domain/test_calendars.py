"""Working time, rule by rule (domain.md 2.6), against the shipped calendars and a slow counter of minutes."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.calendars import Calendar, Days
from services.domain.limits import Limit, parse_limit
from services.domain.working_time import WALL, WorkingTime
from tests.domain.wuzhong import DAYS, OFF, OPS, TIMES, TIMES_2027, WITH_2027, YEARS, ZONE, dated, due, local

MINUTE = timedelta(minutes=1)

# The golden table.


@pytest.mark.parametrize(
    ("start", "limit", "expected", "official"),
    [
        ("2022-09-30 16:00", "5WD OFF", "2022-10-12 17:00", True),
        ("2022-10-08 10:00", "4WH OFF", "2022-10-08 15:00", True),
        ("2026-02-13 15:30", "4WH OFF", "2026-02-14 11:30", True),
        ("2026-02-14 16:00", "1WH OFF", "2026-02-14 17:00", True),
        ("2026-10-01 19:00", "4h OPS", "2026-10-02 11:00", True),
        ("2026-12-24 10:00", "5WD OFF", "2026-12-31 17:00", True),
        ("2026-12-28 10:00", "5WD OFF", "2027-01-05 17:00", False),
    ],
)
def test_a_golden_row(start: str, limit: str, expected: str, official: bool) -> None:
    assert due(start, limit) == (expected, official)


# The days.


def test_the_shipped_years_have_the_days_that_are_known() -> None:
    def made_up(year: int) -> list[str]:
        return [f"{one.on:%m-%d}" for one in dated(year) if one.day == "workday"]

    assert made_up(2022) == ["01-29", "01-30", "04-02", "04-24", "05-07", "10-08", "10-09"]
    assert made_up(2023) == ["01-28", "01-29", "04-23", "05-06", "06-25", "10-07", "10-08"]
    assert made_up(2024) == ["02-04", "02-18", "04-07", "04-28", "05-11", "09-14", "09-29", "10-12"]
    assert made_up(2025) == ["01-26", "02-08", "04-27", "09-28", "10-11"]
    assert made_up(2026) == ["01-04", "02-14", "02-28", "05-09", "09-20", "10-10"]
    working = {
        year: sum(DAYS.is_working(date(year, 1, 1) + timedelta(days=n)) for n in range(365 + (year == 2024)))
        for year in YEARS
    }
    # weekdays of the year less its statutory holidays: 11 until 2024, 13 from 2025 (make-up days even out)
    assert working == {2022: 249, 2023: 249, 2024: 251, 2025: 248, 2026: 248}
    assert all(one.source.startswith("国办发明电〔") for year in YEARS for one in dated(year))


def test_a_year_that_is_not_loaded_is_monday_to_friday_less_six_days() -> None:
    free = [
        date(2027, 1, 1) + timedelta(days=n)
        for n in range(365)
        if not DAYS.is_working(date(2027, 1, 1) + timedelta(days=n))
    ]
    assert [f"{on:%m-%d}" for on in free if on.weekday() < 5] == ["01-01", "10-01"]
    assert all(not DAYS.is_working(date(2028, m, d)) for m, d in ((1, 1), (5, 1), (5, 2), (10, 2), (10, 3)))
    assert len(free) == 2 + 104


def test_the_official_horizon_ends_with_the_last_loaded_year() -> None:
    assert DAYS.official_until(date(2026, 11, 24)) == date(2026, 12, 31)
    assert WITH_2027.official_until(date(2026, 11, 24)) == date(2027, 12, 31)
    assert DAYS.official_until(date(2028, 3, 1)) == date(2027, 12, 31)
    gap = Days.of((2026, 2028), (), ())
    assert gap.official_until(date(2026, 1, 1)) == date(2026, 12, 31)


# Minutes and hours.


def test_hours_are_counted_at_once_and_outside_a_span_from_the_next_opening() -> None:
    assert due("2026-11-24 09:00", "1h OFF") == ("2026-11-24 10:00", True)
    assert due("2026-11-24 11:30", "1h OFF") == ("2026-11-24 13:30", True)
    assert due("2026-11-24 12:10", "1h OFF") == ("2026-11-24 14:00", True)
    assert due("2026-11-24 06:00", "30m OFF") == ("2026-11-24 09:30", True)
    assert due("2026-11-24 18:00", "30m OFF") == ("2026-11-25 09:30", True)
    assert due("2026-11-27 16:45", "30m OFF") == ("2026-11-30 09:15", True)
    assert due("2026-11-24 07:00", "15m OPS") == ("2026-11-24 08:15", True)


def test_a_limit_used_up_exactly_at_a_closing_is_due_at_that_closing() -> None:
    assert due("2026-11-24 09:00", "3h OFF") == ("2026-11-24 12:00", True)
    assert due("2026-11-24 09:00", "7h OFF") == ("2026-11-24 17:00", True)
    assert due("2026-11-23 18:00", "7h OFF") == ("2026-11-24 17:00", True)
    assert due("2026-11-24 08:00", "12h OPS") == ("2026-11-24 20:00", True)


def test_working_hours_are_hours_of_the_office() -> None:
    assert (
        due("2026-11-24 16:00", "4WH OFF") == due("2026-11-24 16:00", "4h OFF") == ("2026-11-25 12:00", True)
    )


def test_seconds_are_counted_as_well() -> None:
    assert TIMES["OFF"].due(Limit(90, "s", "OFF"), local("2026-11-24 16:59")) == (
        local("2026-11-25 09:00") + timedelta(seconds=30),
        True,
    )


def test_by_the_wall_clock_an_hour_is_an_hour() -> None:
    start = local("2026-10-01 23:59")
    assert TIMES["C24"].due(parse_limit("15m C24"), start) == (start + 15 * MINUTE, True)
    assert TIMES["C24"].due(parse_limit("36h C24"), start) == (start + timedelta(hours=36), True)


# Working days.


@pytest.mark.parametrize("hour", ["00:00", "08:59", "12:30", "17:00", "23:59"])
def test_working_days_count_from_the_next_day_whatever_the_hour(hour: str) -> None:
    assert due(f"2026-11-24 {hour}", "1WD OFF") == ("2026-11-25 17:00", True)
    assert due(f"2026-11-24 {hour}", "3d OFF") == ("2026-11-27 17:00", True)


def test_working_days_end_at_the_days_last_closing() -> None:
    assert due("2026-11-24 10:00", "1WD OFF") == ("2026-11-25 17:00", True)
    assert due("2026-11-24 10:00", "1WD OPS") == ("2026-11-25 20:00", True)
    assert due("2026-11-24 10:00", "1WD C24") == ("2026-11-26 00:00", True)


def test_every_day_is_a_working_day_of_ops_and_of_the_wall_clock() -> None:
    assert due("2026-09-30 10:00", "3WD OPS") == ("2026-10-03 20:00", True)
    assert due("2026-09-30 10:00", "3WD C24") == ("2026-10-04 00:00", True)


def test_the_local_date_counts_not_that_of_utc() -> None:
    late = datetime(2026, 11, 24, 16, 30, tzinfo=UTC)  # the 25th in the city
    assert TIMES["OFF"].due(parse_limit("1WD OFF"), late)[0] == local("2026-11-26 17:00")


def test_holidays_are_skipped_and_made_up_days_are_worked() -> None:
    assert due("2026-09-30 10:00", "1WD OFF") == ("2026-10-08 17:00", True)
    assert due("2026-09-30 10:00", "3WD OFF") == ("2026-10-10 17:00", True)
    assert due("2026-10-10 16:30", "1h OFF") == ("2026-10-12 09:30", True)
    assert due("2026-02-13 10:00", "2WD OFF") == ("2026-02-24 17:00", True)


# Calendar days.


def test_calendar_days_are_24_hours_each() -> None:
    assert due("2026-09-30 10:00", "3Cd C24") == ("2026-10-03 10:00", True)
    assert due("2026-12-30 10:00", "3Cd C24") == ("2027-01-02 10:00", True)
    with pytest.raises(ValueError, match="Cd run by the wall clock"):
        parse_limit("3Cd OFF")


# Official and provisional.


def test_only_a_predicted_day_makes_a_due_provisional() -> None:
    assert due("2026-12-31 16:00", "1h OFF") == ("2026-12-31 17:00", True)
    assert due("2026-12-31 16:00", "61m OFF") == ("2027-01-04 09:01", False)
    assert due("2026-12-30 10:00", "1WD OFF") == ("2026-12-31 17:00", True)
    assert due("2026-12-31 10:00", "1WD OFF") == ("2027-01-04 17:00", False)
    assert due("2021-12-31 10:00", "1h OFF") == ("2021-12-31 11:00", False)


def test_the_day_of_the_start_is_not_counted_when_nothing_of_it_is() -> None:
    """2021 is not loaded, 2022 is: working days begin on the next day, hours after the last closing too."""
    assert due("2021-12-31 10:00", "1WD OFF") == ("2022-01-04 17:00", True)
    assert due("2021-12-31 17:00", "1h OFF") == ("2022-01-04 10:00", True)
    assert due("2021-12-31 16:59", "1h OFF") == ("2022-01-04 09:59", False)


def test_calendars_of_every_day_are_never_provisional() -> None:
    assert due("2031-01-01 10:00", "3WD OPS")[1]
    assert due("2031-01-01 10:00", "30h OPS")[1]
    assert due("2031-01-01 10:00", "9WD C24")[1]


def test_loading_a_year_makes_exactly_those_official_and_moves_those_that_differ() -> None:
    rows = [
        (start, limit)
        for start in ("2026-12-24 10:00", "2026-12-28 10:00", "2026-12-31 16:30", "2027-12-20 09:00")
        for limit in ("5WD OFF", "1h OFF", "20WD OFF", "6h OPS", "2h C24")
    ]
    for start, limit in rows:
        before, after = due(start, limit), due(start, limit, TIMES_2027)
        assert after[1] == (before[1] or after[0] < "2028")
        assert before[1] is False or before == after, "what was official stays"
    assert due("2026-12-28 10:00", "5WD OFF", TIMES_2027) == ("2027-01-06 17:00", True)
    assert due("2026-12-31 16:30", "1h OFF", TIMES_2027) == ("2027-01-05 09:30", True)


# Steps: shares of working time.


@pytest.mark.parametrize(
    ("start", "limit", "shares"),
    [
        (
            "2026-11-27 16:00",
            "1WD OFF",
            {50: "11-30 12:00", 100: "11-30 17:00", 150: "12-01 14:00", 200: "12-02 10:00"},
        ),
        (
            "2026-11-27 19:00",
            "4h OPS",
            {80: "11-28 10:12", 100: "11-28 11:00", 150: "11-28 13:00", 200: "11-28 15:00"},
        ),
        ("2026-11-28 10:00", "5WD OFF", {80: "12-03 17:00", 100: "12-04 17:00"}),
    ],
)
def test_the_worked_shares(start: str, limit: str, shares: dict[int, str]) -> None:
    one = parse_limit(limit)
    counter = TIMES[one.calendar]
    end, _ = counter.due(one, local(start))
    for percent, expected in shares.items():
        at = counter.share(local(start), end, percent)
        assert at is not None
        assert at.astimezone(ZONE).strftime("%m-%d %H:%M") == expected


def test_steps_between_dues_need_not_be_monotone() -> None:
    """+50 % of 1WD from Friday 09:00 falls later than from Friday 16:00."""

    def later(start: str) -> datetime:
        end, _ = TIMES["OFF"].due(parse_limit("1WD OFF"), local(start))
        at = TIMES["OFF"].share(local(start), end, 150)
        assert at is not None
        return at

    assert later("2026-11-27 09:00") > later("2026-11-27 16:00")


def test_a_share_of_nothing_is_none() -> None:
    assert TIMES["OFF"].share(local("2026-11-28 09:00"), local("2026-11-28 20:00"), 50) is None


# Against a slow counter: minute by minute, by the local wall clock.


def is_open(calendar: Calendar, days: Days, at: datetime, zone: ZoneInfo = ZONE) -> bool:
    wall = at.astimezone(zone)
    minute = wall.hour * 60 + wall.minute
    in_span = any(opens <= minute < closes for opens, closes in calendar.spans)
    return in_span and (calendar.kind == "every" or days.is_working(wall.date()))


def slow_due(calendar: Calendar, limit: Limit, start: datetime) -> tuple[datetime, bool]:
    """`start` is a whole minute."""
    days, now = DAYS, start
    in_spans = Calendar("", "", "", "every", calendar.spans)
    predicted = False
    if limit.unit == "WD":
        last, found, on = calendar.spans[-1][1], 0, start.astimezone(ZONE).date()
        while found < limit.amount:
            on += timedelta(days=1)
            predicted |= on.year not in YEARS
            found += calendar.kind == "every" or days.is_working(on)
        midnight = datetime(on.year, on.month, on.day, tzinfo=ZONE)
        return midnight + timedelta(minutes=last), calendar.kind == "every" or not predicted
    left = limit.length
    while left > timedelta(0):
        if is_open(in_spans, days, now):
            predicted |= now.astimezone(ZONE).year not in YEARS
        if is_open(calendar, days, now):
            left -= MINUTE
        now += MINUTE
    return now, calendar.kind == "every" or not predicted


def slow_between(calendar: Calendar, start: datetime, end: datetime) -> timedelta:
    count = 0
    while start < end:
        count += is_open(calendar, DAYS, start)
        start += MINUTE
    return count * MINUTE


# the turns of all years and both long holidays of several, loaded and predicted
BEGINNINGS = (
    "2021-12-27",
    "2022-09-28",
    "2024-02-05",
    "2026-02-10",
    "2026-09-17",
    "2026-12-20",
    "2027-09-28",
)
MINUTES = st.builds(
    lambda day, minutes: local(f"{day} 00:00") + minutes * MINUTE,
    st.sampled_from(BEGINNINGS),
    st.integers(0, 30_000),
)
CALENDARS = st.sampled_from(sorted(TIMES))
LIMITS = st.one_of(
    st.builds(Limit, st.integers(1, 1500), st.just("m"), CALENDARS),
    st.builds(Limit, st.integers(1, 40), st.just("h"), CALENDARS),
    st.builds(Limit, st.integers(1, 9), st.just("WD"), CALENDARS),
)


@settings(max_examples=150, deadline=None)
@given(MINUTES, LIMITS)
def test_a_due_is_what_the_slow_counter_says(start: datetime, limit: Limit) -> None:
    counter = TIMES[limit.calendar]
    assert counter.due(limit, start) == slow_due(counter.calendar, limit, start)


@settings(max_examples=60, deadline=None)
@given(MINUTES, st.integers(0, 15_000), CALENDARS)
def test_the_time_between_is_what_the_slow_counter_says(start: datetime, minutes: int, code: str) -> None:
    end = start + minutes * MINUTE
    worked = TIMES[code].between(start, end)
    assert worked == slow_between(TIMES[code].calendar, start, end)
    assert TIMES[code].between(end, start) == timedelta(0)


@given(MINUTES, st.integers(0, 3_000_000), LIMITS, st.integers(0, 5))
def test_dues_are_monotone_in_start_and_in_limit(
    start: datetime, seconds: int, limit: Limit, more: int
) -> None:
    counter = TIMES[limit.calendar]
    first, _ = counter.due(limit, start)
    assert counter.due(limit, start + timedelta(seconds=seconds))[0] >= first
    assert counter.due(Limit(limit.amount + more, limit.unit, limit.calendar), start)[0] >= first


@given(MINUTES, st.integers(0, 59_999_999), LIMITS)
def test_a_due_is_never_inside_closed_time(start: datetime, microseconds: int, limit: Limit) -> None:
    """At its instant the calendar is open, or has closed just then."""
    counter = TIMES[limit.calendar]
    at, _ = counter.due(limit, start + timedelta(microseconds=microseconds))
    assert is_open(counter.calendar, DAYS, at - timedelta(microseconds=1))


@given(MINUTES, st.integers(0, 59_999_999), st.integers(1, 2_000_000), CALENDARS)
def test_after_and_between_undo_each_other(start: datetime, offset: int, seconds: int, code: str) -> None:
    start += timedelta(microseconds=offset)
    amount = timedelta(seconds=seconds)
    assert TIMES[code].between(start, TIMES[code].after(start, amount)) == amount


@given(MINUTES, LIMITS, st.integers(1, 300))
def test_a_share_is_that_share_of_the_working_time(start: datetime, limit: Limit, percent: int) -> None:
    counter = TIMES[limit.calendar]
    end, _ = counter.due(limit, start)
    at = counter.share(start, end, percent)
    assert at is not None
    difference = counter.between(start, at) - counter.between(start, end) * percent / 100
    assert abs(difference) <= timedelta(microseconds=1)


# Other places.


def test_hours_across_a_change_to_summer_time_are_real_hours() -> None:
    """Berlin, 28 March 2027: the clock springs from 02:00 to 03:00; a night shift is an hour shorter."""
    berlin = ZoneInfo("Europe/Berlin")
    night = WorkingTime(Calendar("N", "夜", "Night", "every", ((0, 360),)), Days(), berlin)
    start = datetime(2027, 3, 28, 0, 0, tzinfo=berlin)
    assert night.between(start, start.replace(day=29)) == timedelta(hours=5)
    assert night.after(start, timedelta(hours=5)) == datetime(2027, 3, 28, 6, 0, tzinfo=berlin)
    day = WorkingTime(Calendar("D", "日", "Day", "every", ((480, 1200),)), Days(), berlin)
    assert day.closing(start, 1) == datetime(2027, 3, 29, 20, 0, tzinfo=berlin)


def test_a_calendar_that_is_gone_is_the_wall_clock() -> None:
    start = local("2026-10-01 10:00")
    assert WALL.after(start, timedelta(hours=1)) == start + timedelta(hours=1)
    assert WALL.share(start, start + timedelta(hours=4), 150) == start + timedelta(hours=6)


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(TypeError):
        TIMES["OFF"].due(parse_limit("1h OFF"), datetime(2026, 1, 5, 9, 0))  # noqa: DTZ001


def test_the_calendar_has_an_end() -> None:
    with pytest.raises(OverflowError, match="the calendar ends"):
        WorkingTime(OFF, DAYS, ZONE).due(parse_limit("2000WD OFF"), local("9995-01-05 09:00"))


def test_far_years_are_counted_from_a_fresh_table_too() -> None:
    fresh = WorkingTime(OFF, DAYS, ZONE)
    assert fresh.closing(local("2040-01-02 10:00"), 1) == local("2040-01-03 17:00")
    assert fresh.closing(local("2019-12-31 10:00"), 1) == local("2020-01-02 17:00")
    assert fresh.after(local("2026-01-05 09:00"), timedelta(hours=7 * 2000)).astimezone(ZONE).year == 2033
    assert WorkingTime(OPS, DAYS, ZONE).after(local("2026-01-05 20:00"), timedelta(hours=12 * 5000)) == local(
        "2039-09-14 20:00"
    )


def test_a_step_costs_no_more_than_some_microseconds() -> None:
    """A filing sets four dues with their first steps, thousands of times a second; ten times the aim."""
    counter, limit, start = TIMES["OFF"], parse_limit("5WD OFF"), local("2026-09-30 16:00")
    best = 1.0
    for _ in range(20):
        begun = time.process_time()
        for _ in range(200):
            end, _ = counter.due(limit, start)
            counter.share(start, end, 80)
        best = min(best, (time.process_time() - begun) / 400)
    assert best < 50e-6
