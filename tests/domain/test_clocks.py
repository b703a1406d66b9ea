"""The ladder, step by step, worked out by hand (domain.md 6.5). `at(4)` is four hours after the start.

Every limit here runs by the wall clock; test_office_ladder.py climbs over weekends and holidays.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from services.domain import clocks, ids
from services.domain.case import Case
from services.domain.city import City
from services.domain.messages import SYSTEM_ACTOR
from services.domain.working_time import WALL
from tests.domain.small_case import (
    CITY,
    T0,
    WORKS,
    act,
    at,
    changed,
    claimed,
    dispatcher,
    done,
    filed,
    time_passes,
    under_way,
)

Step = tuple[str, str, str, str, datetime]


def steps(events: tuple[Any, ...]) -> list[Step]:
    return [
        (event.type, event.payload.clock, event.payload.stage, event.payload.step, event.payload.step_at)
        for event in events
        if hasattr(event.payload, "step_at")
    ]


def climbed(case: Case, until: datetime, city: City = CITY) -> list[Step]:
    return steps(time_passes(case, until, city=city).events)


# A case that nobody touches climbs every ladder.


def test_a_pothole_that_nobody_accepts_climbs_every_step_in_order_of_time() -> None:
    """P3 at T1 (level 2): accept 4 h, on_site 6 h, resolve 10 h; one tier up is the root, two is above it."""
    assert climbed(filed().case, at(100)) == [
        ("SlaWarning", "owner", "accept", "warning", at(2)),
        ("SlaBreached", "owner", "accept", "due", at(4)),
        ("CaseEscalated", "owner", "accept", "supervise", at(6)),
        ("SlaBreached", "owner", "on_site", "due", at(6)),
        ("DutyLeaderAlerted", "owner", "accept", "supervise_2", at(8)),
        ("SlaWarning", "owner", "resolve", "warning", at(8)),
        ("SlaBreached", "citizen", "resolve", "due", at(10)),
        ("SlaBreached", "owner", "resolve", "due", at(10)),
        ("CaseEscalated", "owner", "resolve", "supervise", at(15)),
        ("DutyLeaderAlerted", "owner", "resolve", "supervise_2", at(20)),
    ]


def test_each_step_says_how_far_it_is_and_whom_it_tells() -> None:
    settled = time_passes(filed().case, at(100))
    told = [(e.payload.percent, getattr(e.payload, "to_level", None)) for e in settled.events]
    assert told == [
        (50, None),
        (100, None),
        (150, 1),
        (100, None),
        (200, None),
        (80, None),
        (100, None),
        (100, None),
        (150, 1),
        (200, None),
    ]
    assert {(e.actor_ref, e.occurred_at) for e in settled.events} == {("system", at(100))}
    assert settled.case.supervised_level == 1


def test_from_a_village_two_tiers_can_supervise_and_the_level_only_rises() -> None:
    """`ads` at V11 (level 3): accept 4 h, resolve 10 h."""
    settled = time_passes(filed("ads").case, at(100))
    climbs = [
        (e.type, e.payload.stage, e.payload.to_level) for e in settled.events if e.type == "CaseEscalated"
    ]
    assert climbs == [
        ("CaseEscalated", "accept", 2),
        ("CaseEscalated", "accept", 1),
        ("CaseEscalated", "resolve", 2),
        ("CaseEscalated", "resolve", 1),
    ], "each once, also when that tier already supervises"
    assert settled.case.supervised_level == 1
    assert time_passes(filed("ads").case, at(7)).case.supervised_level == 2
    assert time_passes(filed("ads").case, at(15)).case.supervised_level == 1, "it only rises"


def test_p2_is_supervised_two_hours_after_the_due_by_the_wall_clock() -> None:
    """`leak`: accept 1 h (+50 % is sooner than + 2 h), resolve 24 h (+ 2 h is sooner than +50 %)."""
    assert climbed(filed("leak").case, at(1000)) == [
        ("SlaWarning", "owner", "accept", "warning", at(minutes=30)),
        ("SlaBreached", "owner", "accept", "due", at(1)),
        ("CaseEscalated", "owner", "accept", "supervise", at(minutes=90)),
        ("DutyLeaderAlerted", "owner", "accept", "supervise_2", at(2)),
        ("SlaWarning", "owner", "resolve", "warning", at(19, 12)),
        ("SlaBreached", "citizen", "resolve", "due", at(24)),
        ("SlaBreached", "owner", "resolve", "due", at(24)),
        ("CaseEscalated", "owner", "resolve", "supervise", at(26)),
        ("DutyLeaderAlerted", "owner", "resolve", "supervise_2", at(48)),
    ]


def test_p1_is_supervised_half_an_hour_after_the_due() -> None:
    """`danger` at V11: accept 15 min, resolve 6 h."""
    settled = time_passes(filed("danger").case, at(1000))
    assert steps(settled.events) == [
        ("SlaWarning", "owner", "accept", "warning", at(minutes=7.5)),
        ("SlaBreached", "owner", "accept", "due", at(minutes=15)),
        ("CaseEscalated", "owner", "accept", "supervise", at(minutes=22.5)),
        ("CaseEscalated", "owner", "accept", "supervise_2", at(minutes=30)),
        ("SlaWarning", "owner", "resolve", "warning", at(4, 48)),
        ("SlaBreached", "citizen", "resolve", "due", at(6)),
        ("SlaBreached", "owner", "resolve", "due", at(6)),
        ("CaseEscalated", "owner", "resolve", "supervise", at(6, 30)),
        ("CaseEscalated", "owner", "resolve", "supervise_2", at(12)),
    ]


def test_the_prioritys_own_delay_holds_for_the_accept_too() -> None:
    """`slow_danger`, P1: accept 4 h: + 30 min is sooner than +50 %."""
    climbs = {(s[2], s[3]): s[4] for s in climbed(filed("slow_danger").case, at(1000))}
    assert climbs["accept", "supervise"] == at(4, 30)
    assert climbs["accept", "supervise_2"] == at(8)
    assert climbs["resolve", "supervise"] == at(10, 30)
    assert climbs["resolve", "supervise_2"] == at(20)


def test_above_the_top_tier_the_duty_leader_is_told() -> None:
    """`gas` stands at the root: accept 5 min, resolve 2 h, P1."""
    settled = time_passes(filed("gas").case, at(1000))
    assert [s[0] for s in steps(settled.events)] == [
        "SlaWarning",
        "SlaBreached",
        "DutyLeaderAlerted",
        "DutyLeaderAlerted",
        "SlaWarning",
        "SlaBreached",
        "SlaBreached",
        "DutyLeaderAlerted",
        "DutyLeaderAlerted",
    ]
    assert settled.case.supervised_level is None


def test_a_report_to_be_redirected_has_no_due_but_that_of_the_look_people_take() -> None:
    """`fire`, P1: triage within 5 minutes; nothing was promised, for nobody here works on it."""
    triage = ("SlaBreached", "owner", "triage", "due", at(minutes=5))
    assert climbed(filed("fire").case, at(10000)) == [triage]


# Once each, never early.


def test_each_step_comes_once_however_often_the_timekeeper_asks() -> None:
    case = filed().case
    seen: list[Step] = []
    for minute in range(0, 25 * 60, 7):
        settled = time_passes(case, at(minutes=minute))
        case = settled.case
        seen += steps(settled.events)
        assert time_passes(case, at(minutes=minute)).events == ()
    assert seen == climbed(filed().case, at(100))


@pytest.mark.parametrize("hours", [2, 4, 6, 8, 10, 15, 20])
def test_a_step_comes_at_its_instant_and_not_a_microsecond_before(hours: int) -> None:
    case = time_passes(filed().case, at(hours) - timedelta(microseconds=1)).case
    assert all(step[4] == at(hours) for step in climbed(case, at(hours)))
    assert climbed(case, at(hours)) != []


def test_every_step_has_an_id_of_its_own_and_says_what_comes_next() -> None:
    case = filed().case
    settled = time_passes(case, at(100))
    found = [event.payload.deadline_id for event in settled.events]
    assert len(set(found)) == len(found) == 10
    assert found[0] == ids.deadline_id(case.case_id, "owner", "accept", "warning", 2)
    accept = [event.payload for event in settled.events if event.payload.stage == "accept"]
    assert [(p.next_step, p.next_at) for p in accept] == [
        ("due", at(4)),
        ("supervise", at(6)),
        ("supervise_2", at(8)),
        (None, None),
    ]
    assert all(d.step is None and d.next_at is None for d in settled.case.deadlines)


def named(case: Case, stage: str) -> dict[str, Any]:
    deadline = case.open_deadline("owner", stage)
    assert deadline is not None
    return {"deadline_id": clocks.step_id(case.case_id, deadline), "step_at": deadline.next_at}


def test_the_step_that_is_named_passes_even_if_the_message_is_stamped_before_it() -> None:
    case = filed().case
    settled = act(case, "pass_deadline", SYSTEM_ACTOR, at(1), **named(case, "accept"))
    assert steps(settled.events) == [("SlaWarning", "owner", "accept", "warning", at(2))]
    assert settled.events[0].occurred_at == at(2)
    assert settled.case.last_event_at == at(2)


def test_a_step_that_is_no_longer_open_is_applied_without_events() -> None:
    case = filed().case
    wanted = named(case, "accept")
    accepted = done(case, "accept", WORKS, at(1))
    settled = act(accepted, "pass_deadline", SYSTEM_ACTOR, at(2), **wanted)
    assert (settled.refusal, settled.events, settled.case) == (None, (), accepted)
    again = act(case, "pass_deadline", SYSTEM_ACTOR, at(2), **wanted).case
    settled = act(again, "pass_deadline", SYSTEM_ACTOR, at(3), **wanted)
    assert (settled.refusal, settled.events, settled.case) == (None, (), again)


def test_a_closed_case_answers_the_timekeeper_without_events() -> None:
    case = claimed(at(1))
    wanted = named(case, "verify")
    closed = done(case, "verify_pass", dispatcher("V11"), at(2))
    settled = act(closed, "pass_deadline", SYSTEM_ACTOR, at(100), **wanted)
    assert (settled.refusal, settled.events, settled.case) == (None, (), closed)


def test_what_came_before_a_late_command_is_passed_before_it() -> None:
    settled = act(filed().case, "accept", WORKS, at(4))
    assert [event.type for event in settled.events] == ["SlaWarning", "SlaBreached", "CaseAccepted"]
    assert [event.seq for event in settled.events] == [3, 4, 5]
    assert {event.occurred_at for event in settled.events} == {at(4)}


def test_a_refused_command_still_passes_what_has_come() -> None:
    settled = act(filed().case, "accept", dispatcher("T2"), at(3))
    assert settled.refusal is not None
    assert [event.type for event in settled.events] == ["SlaWarning"]


def test_a_command_stamped_before_the_last_event_is_decided_at_that_event() -> None:
    case = done(filed().case, "accept", WORKS, at(1))
    settled = act(case, "start_work", WORKS, at(0.5))
    assert settled.events[0].occurred_at == at(1)


# Where the clock stood still, slow and plain: count the minutes in which it ran.


def slow_after_pauses(nominal: datetime, pauses: list[tuple[datetime, datetime]]) -> datetime:
    left, now = nominal - T0, T0
    while left > timedelta(0):
        if not any(paused <= now < resumed for paused, resumed in pauses):
            left -= timedelta(minutes=1)
        now += timedelta(minutes=1)
    return now


@pytest.mark.parametrize(
    "pauses",
    [
        [],
        [(at(1), at(2))],
        [(at(1), at(2)), (at(3), at(7))],
        [(at(1), at(2)), (at(2), at(3))],
        [(at(5), at(6))],
        [(at(0.5), at(20)), (at(21), at(22)), (at(23), at(40))],
    ],
)
def test_what_was_left_at_a_pause_is_left_at_its_end(pauses: list[tuple[datetime, datetime]]) -> None:
    for minutes in (1, 29, 30, 31, 60, 61, 90, 119, 120, 121, 180, 181, 300, 301, 1000):
        nominal = at(minutes=minutes)
        assert clocks.after_pauses(nominal, tuple(pauses), WALL) == slow_after_pauses(nominal, pauses), (
            minutes
        )


# A verification that fails: the owner's resolve clock stood still, the citizen's ran on.


def resolve(case: Case, clock: str) -> Any:
    (found,) = (d for d in case.deadlines if d.clock == clock and d.stage == "resolve")
    return found


def test_nothing_comes_while_a_claim_is_verified() -> None:
    assert climbed(claimed(at(7)), at(54)) == []


def test_after_a_failed_verification_as_much_is_left_as_at_the_claim() -> None:
    """Claimed at 7 h with 1 h to the warning; stood 2 h."""
    case = done(claimed(at(7)), "verify_fail", dispatcher("V11"), at(9))
    assert climbed(case, at(100)) == [
        ("SlaBreached", "citizen", "resolve", "due", at(10)),
        ("SlaWarning", "owner", "resolve", "warning", at(10)),
        ("SlaBreached", "owner", "resolve", "due", at(12)),
        ("CaseEscalated", "owner", "resolve", "supervise", at(17)),
        ("DutyLeaderAlerted", "owner", "resolve", "supervise_2", at(22)),
    ]
    assert (resolve(case, "owner").due_at, resolve(case, "citizen").due_at) == (at(12), at(10))
    assert resolve(case, "owner").set_seq == resolve(case, "citizen").set_seq == 2, "no new setting"
    assert resolve(case, "owner").pauses == ((at(7), at(9)),)
    assert resolve(case, "citizen").pauses == ()


def test_several_reworks_stand_still_several_times() -> None:
    case = done(claimed(at(7)), "verify_fail", dispatcher("V11"), at(9))  # due 12
    case = done(case, "restart", WORKS, at(9.5))
    case = done(case, "submit_resolution", WORKS, at(11), outcome="fixed")  # 1 h left
    case = done(case, "verify_fail", dispatcher("V11"), at(14))
    assert case.rework_count == 2
    assert resolve(case, "owner").due_at == at(15)
    assert resolve(case, "citizen").due_at == at(10)
    assert climbed(case, at(100)) == [
        ("SlaBreached", "owner", "resolve", "due", at(15)),
        ("CaseEscalated", "owner", "resolve", "supervise", at(20)),
        ("DutyLeaderAlerted", "owner", "resolve", "supervise_2", at(25)),
    ]


def test_a_recorded_breach_is_not_repeated_and_its_due_stays() -> None:
    """Claimed at 11 h, an hour after the due; the ladder goes on from there."""
    case = done(claimed(at(11)), "verify_fail", dispatcher("V11"), at(14))
    assert resolve(case, "owner").due_at == at(10)
    assert climbed(case, at(100)) == [
        ("CaseEscalated", "owner", "resolve", "supervise", at(18)),
        ("DutyLeaderAlerted", "owner", "resolve", "supervise_2", at(23)),
    ]


def test_a_ladder_that_was_climbed_to_the_top_stays_so() -> None:
    case = done(claimed(at(30)), "verify_fail", dispatcher("V11"), at(31))
    assert climbed(case, at(1000)) == []
    assert resolve(case, "owner").open
    assert (resolve(case, "owner").step, resolve(case, "owner").next_at) == (None, None)


def test_the_citizens_due_that_passed_meanwhile_comes_at_once() -> None:
    settled = act(claimed(at(9)), "verify_fail", dispatcher("V11"), at(11))
    assert [event.type for event in settled.events] == ["VerificationFailed", "SlaBreached"]
    assert steps(settled.events) == [("SlaBreached", "citizen", "resolve", "due", at(10))]
    assert settled.events[1].occurred_at == at(11)
    assert climbed(settled.case, at(12)) == [("SlaBreached", "owner", "resolve", "due", at(12))]


def test_p1s_half_hour_stands_still_too() -> None:
    """`slow_danger`: due 10 h; claimed at 10 h 10 with 20 minutes left to the supervision, stood 5 h."""
    case = done(claimed(at(10, 10), category="slow_danger"), "verify_fail", dispatcher("V11"), at(13, 10))
    assert climbed(case, at(14))[:1] == [("CaseEscalated", "owner", "resolve", "supervise", at(13, 30))]


def test_a_step_that_comes_at_the_instant_of_the_claim_is_passed_before_it() -> None:
    settled = act(under_way(), "submit_resolution", WORKS, at(10), outcome="fixed")
    assert [event.type for event in settled.events][-3:] == [
        "SlaBreached",
        "ResolutionSubmitted",
        "VerificationAssigned",
    ]


def test_a_verification_that_fails_at_the_instant_of_the_claim_costs_nothing() -> None:
    case = done(claimed(at(7)), "verify_fail", dispatcher("V11"), at(7))
    assert resolve(case, "owner").due_at == at(10)
    assert climbed(case, at(8)) == [("SlaWarning", "owner", "resolve", "warning", at(8))]


# Nobody verifies in time.


def test_a_verification_that_nobody_makes_closes_the_case_flagged() -> None:
    """P3: 48 hours in this city."""
    case = claimed(at(5))
    assert climbed(case, at(53) - timedelta(microseconds=1)) == []
    settled = time_passes(case, at(60))
    assert steps(settled.events) == [("VerificationLapsed", "owner", "verify", "due", at(53))]
    assert settled.events[0].payload.unverified is True
    closed = settled.case
    assert (closed.state, closed.unverified, closed.closed_at) == ("closed", True, at(60))
    assert [(d.stage, d.next_at) for d in closed.deadlines if d.open or d.next_at] == [
        ("archive", at(60 + 30 * 24))
    ]


def test_p1_and_p2_are_verified_in_four_hours() -> None:
    for category in ("leak", "slow_danger"):
        case = claimed(at(0.1), category=category)
        assert climbed(case, at(100)) == [("VerificationLapsed", "owner", "verify", "due", at(4.1))]


def test_a_verification_in_time_is_not_flagged() -> None:
    case = done(claimed(at(5)), "verify_pass", dispatcher("V11"), at(52))
    assert (case.state, case.unverified, case.closed_at) == ("closed", False, at(52))


def test_a_second_claim_has_a_verification_of_its_own() -> None:
    case = done(claimed(at(5)), "verify_fail", dispatcher("V11"), at(6))
    case = done(done(case, "restart", WORKS, at(6)), "submit_resolution", WORKS, at(7), outcome="fixed")
    assert climbed(case, at(100)) == [("VerificationLapsed", "owner", "verify", "due", at(55))]
    rows = [d for d in case.deadlines if d.stage == "verify"]
    assert [(d.met_at, d.open) for d in rows] == [(at(6), False), (None, True)]


# A later version of the city.


def test_a_step_that_a_later_version_dropped_tells_the_duty_leader() -> None:
    city = changed("ladder.csv", "owner,accept,warning,50,SlaWarning,\n", "")
    settled = time_passes(filed().case, at(3), city=city)
    assert steps(settled.events) == [("DutyLeaderAlerted", "owner", "accept", "warning", at(2))]
    assert settled.events[0].city_version == 8


def test_a_priority_that_a_later_version_dropped_keeps_the_ladder_going() -> None:
    city = changed("priorities.csv", "P3,常,Ordinary,4h C24,48h C24,1h C24,2h C24,48h C24,no,\n", "")
    assert [step[4] for step in climbed(filed().case, at(100), city)] == [
        step[4] for step in climbed(filed().case, at(100))
    ]
    assert (
        done(under_way(), "submit_resolution", WORKS, at(1), city=city, outcome="fixed").state == "verifying"
    )
