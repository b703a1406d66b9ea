"""The ladder on working calendars, worked out by hand: over a weekend, the October holiday and pauses."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.domain.case import Case
from services.domain.city import City
from tests.domain.office_city import (
    CITY,
    FILES,
    WITH_2027,
    climbed,
    filed_at,
    local,
    said,
    steps,
    time_passes,
)
from tests.domain.small_case import WORKS, act, city_of, dispatcher, done, filed


def test_a_case_that_nobody_accepts_climbs_over_a_weekend() -> None:
    """`ads` in a village, filed Friday 27 Nov 2026 15:00: accept 4 h, resolve Tuesday's closing."""
    settled = climbed(filed_at("ads", "2026-11-27 15:00"), "2027-01-01 00:00")
    assert steps(settled) == [
        ("SlaWarning", "owner accept", "warning", "2026-11-27 17:00"),
        ("SlaBreached", "owner accept", "due", "2026-11-30 11:00"),
        ("CaseEscalated", "owner accept", "supervise", "2026-11-30 14:00"),
        ("CaseEscalated", "owner accept", "supervise_2", "2026-11-30 16:00"),
        # 2 h of Friday, 7 of Monday, 7 of Tuesday are 16 h: 80 % are 12 h 48 min
        ("SlaWarning", "owner resolve", "warning", "2026-12-01 13:48"),
        ("SlaBreached", "citizen resolve", "due", "2026-12-01 17:00"),
        ("SlaBreached", "owner resolve", "due", "2026-12-01 17:00"),
        ("CaseEscalated", "owner resolve", "supervise", "2026-12-03 10:00"),
        ("CaseEscalated", "owner resolve", "supervise_2", "2026-12-04 11:00"),
    ]
    assert [e.payload.to_level for e in settled.events if e.type == "CaseEscalated"] == [2, 1, 2, 1]


def test_a_case_that_nobody_accepts_climbs_over_the_october_holiday() -> None:
    """Filed Wednesday 30 Sep 2026 16:00; the office opens on Thursday the 8th, and on Saturday the 10th."""
    settled = climbed(filed_at("ads", "2026-09-30 16:00"), "2027-01-01 00:00")
    assert steps(settled) == [
        ("SlaWarning", "owner accept", "warning", "2026-10-08 10:00"),
        ("SlaBreached", "owner accept", "due", "2026-10-08 12:00"),
        ("CaseEscalated", "owner accept", "supervise", "2026-10-08 15:00"),
        ("CaseEscalated", "owner accept", "supervise_2", "2026-10-08 17:00"),
        # 1 h, 7 h, 7 h: 80 % of 15 h are 12 h
        ("SlaWarning", "owner resolve", "warning", "2026-10-09 14:00"),
        ("SlaBreached", "citizen resolve", "due", "2026-10-09 17:00"),
        ("SlaBreached", "owner resolve", "due", "2026-10-09 17:00"),
        ("CaseEscalated", "owner resolve", "supervise", "2026-10-12 09:30"),
        ("CaseEscalated", "owner resolve", "supervise_2", "2026-10-13 10:00"),
    ]


@pytest.mark.parametrize("start", ["2026-11-27 15:00", "2026-09-30 16:00"])
def test_each_step_comes_once_however_often_the_timekeeper_asks(start: str) -> None:
    whole = steps(climbed(filed_at("ads", start), "2026-12-31 00:00"))
    case, now, seen = filed_at("ads", start), local(start), []
    while now < local(start) + timedelta(days=16):
        settled = time_passes(case, now, CITY)
        case = settled.case
        seen += steps(settled)
        for event in settled.events:
            assert now - timedelta(hours=5) < event.payload.step_at <= now
        now += timedelta(hours=5)
    assert seen == whole


def test_nothing_comes_at_night_or_on_a_free_day_that_is_counted_by_the_office() -> None:
    for step in steps(climbed(filed_at("pothole", "2026-09-29 11:00"), "2027-02-01 00:00")):
        day, clock = (step[3] or "").split()
        assert "09:00" <= clock <= "17:00"
        assert not "2026-10-01" <= day <= "2026-10-07"


def test_field_services_work_through_the_holiday() -> None:
    assert steps(climbed(filed_at("sweep", "2026-10-01 18:30"), "2026-10-04 00:00"))[:3] == [
        ("SlaWarning", "owner accept", "warning", "2026-10-01 19:00"),
        ("SlaBreached", "owner accept", "due", "2026-10-01 19:30"),
        ("CaseEscalated", "owner accept", "supervise", "2026-10-01 20:00"),
    ]


def test_p1s_half_hour_runs_by_the_wall_clock_from_the_due() -> None:
    """`urgent`: due 16:45; +50 % would be tomorrow at 09:15, half an hour after the due is sooner."""
    found = {
        step[1:3]: step[3]
        for step in steps(climbed(filed_at("urgent", "2026-11-24 15:45"), "2027-01-01 00:00"))
    }
    assert found["owner accept", "due"] == "2026-11-24 16:45"
    assert found["owner accept", "supervise"] == "2026-11-24 17:15", (
        "closed, but half an hour is half an hour"
    )
    assert found["owner accept", "supervise_2"] == "2026-11-25 09:45"


def test_two_clocks_are_official_or_not_each_for_itself() -> None:
    case = filed_at("slow", "2026-12-28 10:00")
    assert [(d.clock, d.stage, said(d.due_at), d.official) for d in case.deadlines] == [
        ("owner", "accept", "2026-12-29 17:00", True),
        ("owner", "resolve", "2027-01-26 17:00", False),
        ("citizen", "resolve", "2027-01-26 17:00", False),
    ]


# Pauses count working time on the calendar.


def claimed(case: Case, text: str) -> Case:
    case = done(case, "accept", WORKS, local(text) - timedelta(minutes=2), city=CITY)
    case = done(case, "start_work", WORKS, local(text) - timedelta(minutes=1), city=CITY)
    return done(case, "submit_resolution", WORKS, local(text), city=CITY, outcome="fixed")


def resolve(case: Case, clock: str = "owner") -> tuple[str | None, str | None]:
    (row,) = (d for d in case.deadlines if d.clock == clock and d.stage == "resolve")
    return said(row.due_at), said(row.next_at)


def test_what_was_left_at_the_claim_is_left_after_it_failed() -> None:
    """Filed Tuesday 24 Nov 10:00, due Tuesday 1 Dec 17:00: 6 + 35 h. Claimed Friday 16:00: 15 h left."""
    case = claimed(filed_at("pothole", "2026-11-24 10:00"), "2026-11-27 16:00")
    failed = done(case, "verify_fail", dispatcher("V11"), local("2026-12-01 11:00"), city=CITY)
    # from Tuesday 11:00: 5 h, then Wednesday 7 h, then 3 h of Thursday
    assert resolve(failed) == ("2026-12-03 12:00", "2026-12-02 10:48")
    assert resolve(failed, "citizen") == ("2026-12-01 17:00", "2026-12-01 17:00")
    later = steps(climbed(failed, "2027-01-01 00:00"))
    assert ("SlaBreached", "owner resolve", "due", "2026-12-03 12:00") in later
    # half of 41 h more
    assert ("CaseEscalated", "owner resolve", "supervise", "2026-12-08 11:30") in later


def test_a_claim_and_a_failure_outside_working_hours_cost_nothing() -> None:
    case = claimed(filed_at("pothole", "2026-11-24 10:00"), "2026-11-27 18:00")
    failed = done(case, "verify_fail", dispatcher("V11"), local("2026-11-29 23:00"), city=CITY)
    assert resolve(failed)[0] == "2026-12-01 17:00"


def test_verification_has_two_working_days() -> None:
    case = claimed(filed_at("pothole", "2026-09-28 10:00"), "2026-09-30 09:30")
    (row,) = (d for d in case.deadlines if d.stage == "verify")
    assert (said(row.due_at), row.official) == ("2026-10-09 17:00", True)
    assert steps(climbed(case, "2026-10-09 17:00"))[0][:1] == ("VerificationLapsed",)


def test_two_pauses_add_up() -> None:
    case = claimed(filed_at("pothole", "2026-11-24 10:00"), "2026-11-25 10:00")
    case = done(case, "verify_fail", dispatcher("V11"), local("2026-11-25 14:00"), city=CITY)  # 3 h stood
    case = done(case, "restart", WORKS, local("2026-11-25 15:00"), city=CITY)
    case = done(case, "submit_resolution", WORKS, local("2026-11-26 16:00"), city=CITY, outcome="fixed")
    case = done(case, "verify_fail", dispatcher("V11"), local("2026-11-27 09:00"), city=CITY)  # 1 h stood
    assert resolve(case)[0] == "2026-12-02 14:00"


# Later versions of the city.


def test_a_due_that_was_set_stays_when_hours_change() -> None:
    early = FILES["calendars.csv"].replace("09:00-12:00;13:00-17:00", "07:00-11:00")
    city = city_of({**FILES, "calendars.csv": early}, version=9)
    case = filed_at("ads", "2026-11-24 09:00")
    found = {step[1:3]: step[3] for step in steps(climbed(case, "2027-01-01 00:00", city))}
    assert found["owner accept", "due"] == "2026-11-24 14:00"
    assert found["owner resolve", "due"] == "2026-11-26 17:00"


def test_a_calendar_that_is_dropped_becomes_the_wall_clock() -> None:
    files = {
        **FILES,
        "calendars.csv": FILES["calendars.csv"].replace("OPS,", "FIELD,"),
        "categories.csv": FILES["categories.csv"].replace("OPS", "FIELD"),
    }
    case = filed_at("sweep", "2026-11-24 19:30")
    found = {step[1:3]: step[3] for step in steps(climbed(case, "2027-01-01 00:00", city_of(files, 9)))}
    assert found["owner accept", "due"] == "2026-11-25 08:30"
    assert found["owner accept", "supervise"] == "2026-11-25 15:00", "half of 13 hours more"


def test_a_due_set_in_hours_that_are_closed_now_is_shared_by_the_wall_clock() -> None:
    late = city_of(
        {**FILES, "calendars.csv": FILES["calendars.csv"].replace("09:00-12:00;13:00-17:00", "18:00-22:00")}
    )
    case = filed("ads", city=late, now=local("2026-11-24 18:00")).case
    found = {step[1:3]: step[3] for step in steps(climbed(case, "2026-11-26 00:00"))}
    assert found["owner accept", "due"] == "2026-11-24 22:00"
    assert found["owner accept", "supervise"] == "2026-11-25 00:00"


def test_a_new_owner_starts_on_the_calendar() -> None:
    case = filed_at("pothole", "2026-09-29 10:00")
    given = act(
        case,
        "reassign",
        dispatcher("T1"),
        local("2026-09-30 16:00"),
        city=CITY,
        owner="guard",
        hub_code="V12",
    ).case
    dues = {d.stage: said(d.due_at) for d in given.deadlines if d.set_seq == given.seq}
    assert dues == {"accept": "2026-10-08 12:00", "on_site": "2026-10-08 17:00"}


@pytest.mark.parametrize("city", [CITY, WITH_2027], ids=["predicted", "official"])
def test_the_same_report_gives_the_same_dues(city: City) -> None:
    now = local("2026-12-28 10:00")
    assert filed("slow", city=city, now=now, report_id="0" * 8 + "-0000-8000-8000-" + "0" * 12) == filed(
        "slow", city=city, now=now, report_id="0" * 8 + "-0000-8000-8000-" + "0" * 12
    )
