"""What each command writes into a case, worked out by hand. The ladder is in test_clocks.py."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from services.domain.case import NEVER, Case
from services.domain.messages import Actor
from services.domain.place import Place
from tests.domain.small_case import (
    COUNTABLE,
    IN_V11,
    T0,
    WORKS,
    act,
    at,
    city_of,
    claimed,
    dispatcher,
    done,
    filed,
    report,
    time_passes,
    under_way,
)
from tests.domain.small_town import reporter_of

Row = tuple[str, str, str, int, datetime, datetime]


def open_rows(case: Case) -> list[Row]:
    return [(d.clock, d.stage, d.limit, d.set_seq, d.start_at, d.due_at) for d in case.deadlines if d.open]


# A report is filed and dispatched at once.


def test_a_report_becomes_a_case_that_is_filed_and_dispatched() -> None:
    settled = filed("pothole")
    case = settled.case
    assert [(e.seq, e.type, e.occurred_at) for e in settled.events] == [
        (1, "CaseFiled", T0),
        (2, "CaseDispatched", T0),
    ]
    report_id = settled.events[0].payload.report_id
    assert [(e.actor_ref, e.command_id) for e in settled.events] == [
        (f"report:{report_id}", report_id),
        ("system", report_id),
    ]
    assert {(e.case_id, e.cycle, e.city_version) for e in settled.events} == {(case.case_id, 1, 7)}
    assert (case.state, case.lane, case.seq, case.cycle) == ("dispatched", "fast", 2, 1)
    assert (case.category, case.priority, case.unrouted, case.confidential) == ("pothole", "P3", False, False)
    assert (case.place_code, case.hub_code, case.level) == ("V11", "T1", 2)
    assert (case.owner, case.owner_hub_code) == ("works", "T1")
    assert (case.received_at, case.dispatched_at, case.last_event_at) == (T0, T0, T0)
    assert (case.report_count, case.rework_count, case.supervised_level) == (1, 0, None)
    assert case.root_case_id == case.case_id


def test_a_pothole_has_four_clocks() -> None:
    assert open_rows(filed("pothole").case) == [
        ("owner", "accept", "4h C24", 2, T0, at(4)),
        ("owner", "on_site", "6h C24", 2, T0, at(6)),
        ("owner", "resolve", "10h C24", 2, T0, at(10)),
        ("citizen", "resolve", "10h C24", 2, T0, at(10)),
    ]


def test_a_report_to_be_redirected_waits_at_the_root_for_people_to_pass_it_on() -> None:
    case = filed("fire").case
    assert (case.hub_code, case.level, case.owner, case.owner_hub_code) == ("C", 1, "city_desk", "C")
    assert (case.state, case.side.triage) == ("triaging", "life_safety")
    assert (case.priority, case.place_code, case.unrouted) == ("P1", "V11", False)
    assert open_rows(case) == [("owner", "triage", "5m C24", 1, T0, at(minutes=5))]


def test_a_report_without_a_category_waits_at_the_town_for_people_to_give_it_one() -> None:
    case = filed(None).case
    assert (case.state, case.side.triage) == ("triaging", "no_category")
    assert (case.category, case.unrouted, case.owner, case.hub_code) == ("other", False, "town_desk", "T1")
    assert open_rows(case) == [("owner", "triage", "1h C24", 1, T0, at(1))], "nothing is promised yet"


def test_an_unknown_category_is_other_and_unrouted_and_looked_at() -> None:
    case = filed("dragons").case
    assert (case.state, case.side.triage) == ("triaging", "no_category")
    assert (case.category, case.unrouted, case.owner, case.hub_code) == ("other", True, "town_desk", "T1")
    assert open_rows(case) == [("owner", "triage", "1h C24", 1, T0, at(1))]


def test_the_place_is_kept_as_it_was_found() -> None:
    case = filed(place=Place("T2", None, "low")).case
    assert (case.place_code, case.hub_code, case.location_quality) == (None, "T2", "low")


def test_a_confidential_report_skips_the_place_tier() -> None:
    case = filed("ads", visibility="confidential").case
    assert (case.confidential, case.hub_code, case.place_code) == (True, "T1", "V11")
    assert filed("ads", visibility="named").case.hub_code == "V11"


def test_what_was_received_counts_not_what_was_written_in_the_message() -> None:
    settled = filed(received_at=at(99), now=T0)
    assert settled.case.received_at == T0


def test_the_same_report_becomes_the_same_case() -> None:
    same = report().report_id
    one, two = filed(report_id=same), filed(report_id=same)
    assert one == two
    assert filed().case.case_id != one.case.case_id


# Moves.


def test_accepting_meets_the_accept_row_alone() -> None:
    case = done(filed().case, "accept", WORKS, at(1))
    assert case.accepted_at == at(1)
    assert [d.stage for d in case.deadlines if d.met_at == at(1)] == ["accept"]
    assert case.due_at == at(6)


def test_a_missed_accept_is_met_late_and_stays_recorded() -> None:
    case = done(filed().case, "accept", WORKS, at(5))
    (row,) = (d for d in case.deadlines if d.stage == "accept")
    assert (row.met_at, row.due_at, row.step, row.next_at) == (at(5), at(4), "supervise", None)


def test_a_milestone_is_reached_once_and_by_its_name() -> None:
    case = done(under_way(), "reach_milestone", WORKS, at(1), stage="on_site", photos=("a", "b"))
    assert [d.met_at for d in case.deadlines if d.stage == "on_site"] == [at(1)]
    assert case.due_at == at(10)
    again = act(case, "reach_milestone", WORKS, at(2), stage="on_site")
    assert again.refusal is not None
    assert (again.refusal.code, again.refusal.field) == ("invalid", "stage")


@pytest.mark.parametrize("stage", ["resolve", "accept", "verify", "dragons", ""])
def test_other_stages_are_not_reached_by_hand(stage: str) -> None:
    settled = act(under_way(), "reach_milestone", WORKS, stage=stage)
    assert settled.refusal is not None
    assert (settled.refusal.code, settled.refusal.field) == ("invalid", "stage")
    assert "on_site" in settled.refusal.detail


def test_a_claim_meets_every_clock_and_sets_the_verifiers() -> None:
    settled = act(under_way(), "submit_resolution", WORKS, at(3), outcome="not_feasible", photos=("p",))
    case = settled.case
    assert (case.state, case.resolved_at, case.outcome) == ("verifying", at(3), "not_feasible")
    assert (case.handler_ref, case.handler_unit, case.handler_hubs) == ("works-1", "works", ("T1",))
    assert settled.events[0].payload.photos == ("p",)
    assert {d.stage: d.met_at for d in case.deadlines if d.clock == "owner"} == {
        "accept": T0,
        "on_site": at(3),
        "resolve": at(3),
        "verify": None,
    }
    assert [d.met_at for d in case.deadlines if d.clock == "citizen"] == [at(3)]
    assert open_rows(case) == [("owner", "verify", "48h C24", case.seq, at(3), at(51))]
    assert case.due_at == at(51)


def test_a_dispatchers_claim_speaks_for_no_unit() -> None:
    case = claimed(T0, by=dispatcher("T1"))
    assert (case.handler_ref, case.handler_unit, case.handler_hubs) == ("dispatcher-T1", None, ("T1",))


def test_a_pass_closes_and_meets_the_verifiers_clock() -> None:
    case = done(claimed(at(3)), "verify_pass", dispatcher("V11"), at(5))
    assert (case.state, case.closed_at, case.unverified) == ("closed", at(5), False)
    assert [d.met_at for d in case.deadlines if d.stage == "verify"] == [at(5)]
    assert open_rows(case) == [("owner", "archive", "30Cd C24", case.seq, at(5), at(5 + 30 * 24))]
    assert case.due_at == NEVER, "the archive is nobody's work"


def test_a_fail_counts_a_rework_and_opens_the_resolve_clocks_again() -> None:
    case = done(claimed(at(3)), "verify_fail", dispatcher("V11"), at(5))
    assert (case.state, case.rework_count, case.closed_at) == ("rework", 1, None)
    assert open_rows(case) == [
        ("owner", "resolve", "10h C24", 2, T0, at(12)),
        ("citizen", "resolve", "10h C24", 2, T0, at(10)),
    ]
    assert case.due_at == at(12), "the owner's due, though the citizen's is earlier"
    assert [d.met_at for d in case.deadlines if d.stage == "on_site"] == [at(3)], "met stays met"


def test_a_closed_case_takes_a_photo_and_stays_closed() -> None:
    closed = done(claimed(at(3)), "verify_pass", dispatcher("V11"), at(5))
    case = done(closed, "add_photos", reporter_of(closed), at(90), photos=("late",))
    assert (case.state, case.closed_at, case.seq) == ("closed", at(5), closed.seq + 1)


# Reassigning.


def reassigned_at(hours: float, case: Case) -> Case:
    return done(case, "reassign", dispatcher("T1"), at(hours), owner="guard", hub_code="V12")


def test_a_new_owner_has_a_new_accept_and_the_milestones_not_yet_met() -> None:
    before = done(filed().case, "accept", WORKS, at(1))
    case = reassigned_at(3, before)
    assert (case.state, case.accepted_at) == ("dispatched", None)
    assert (case.hub_code, case.level, case.owner, case.owner_hub_code) == ("V12", 3, "guard", "V12")
    assert open_rows(case) == [
        ("owner", "resolve", "10h C24", 2, T0, at(10)),
        ("citizen", "resolve", "10h C24", 2, T0, at(10)),
        ("owner", "accept", "4h C24", case.seq, at(3), at(7)),
        ("owner", "on_site", "6h C24", case.seq, at(3), at(9)),
    ]
    closed = [(d.stage, d.met_at, d.closed_at) for d in case.deadlines if not d.open]
    assert closed == [("accept", at(1), None), ("on_site", None, at(3))]
    assert case.dispatched_at == T0


def test_a_milestone_that_was_met_is_not_set_anew() -> None:
    before = done(under_way(), "reach_milestone", WORKS, at(1), stage="on_site")
    case = reassigned_at(3, before)
    assert [d.stage for d in case.deadlines if d.set_seq == case.seq] == ["accept"]


def test_a_missed_accept_of_the_old_owner_stays_recorded() -> None:
    case = reassigned_at(5, filed().case)
    old, new = (d for d in case.deadlines if d.stage == "accept")
    assert (old.due_at, old.met_at, old.closed_at) == (at(4), None, at(5))
    assert (old.step, old.next_at) == ("supervise", None), "breached, and it climbs no further"
    assert (new.due_at, new.step, new.next_at) == (at(9), "warning", at(7))


def test_the_owners_resolve_row_keeps_its_due_and_its_passed_steps() -> None:
    """Warned at 8 h; given on at 9 h; the due comes at 10 h all the same, and the warning not again."""
    case = reassigned_at(9, time_passes(under_way(), at(8)).case)
    (row,) = (d for d in case.deadlines if d.stage == "resolve" and d.clock == "owner")
    assert (row.set_seq, row.step, row.next_at) == (2, "due", at(10))
    settled = time_passes(case, at(11))
    assert [(e.type, e.payload.clock) for e in settled.events] == [
        ("SlaBreached", "citizen"),
        ("SlaBreached", "owner"),
        ("SlaWarning", "owner"),
    ]
    assert [e.payload.stage for e in settled.events] == ["resolve", "resolve", "accept"]


def test_escalation_goes_up_from_where_the_case_stands_now() -> None:
    case = reassigned_at(1, filed().case)
    climbs = [e.payload.to_level for e in time_passes(case, at(15)).events if e.type == "CaseEscalated"]
    assert climbs == [2, 1, 2], "accept at 7 and 9 h, resolve at 15 h, each from level 3"


def test_a_second_reassign_sets_rows_that_cannot_be_mistaken_for_the_first() -> None:
    case = reassigned_at(1, filed().case)
    case = done(case, "reassign", dispatcher("T1"), at(2), owner="works", hub_code="T1")
    accepts = [d for d in case.deadlines if d.stage == "accept"]
    assert [d.set_seq for d in accepts] == [2, 3, 4]
    assert [d.open for d in accepts] == [False, False, True]
    assert len({d.key for d in case.deadlines}) == len(case.deadlines)


def test_giving_a_case_to_whoever_has_it_gives_no_fresh_accept() -> None:
    danger = filed("danger").case
    assert (danger.owner, danger.owner_hub_code, danger.hub_code) == ("guard", "V11", "V11")
    just_before = at(minutes=14.9)
    for hub_code in (None, "V11"):
        settled = act(danger, "reassign", dispatcher("V11"), just_before, owner="guard", hub_code=hub_code)
        assert settled.refusal is not None
        assert (settled.refusal.code, settled.refusal.field) == ("invalid", "owner")
        assert settled.refusal.detail == (
            "the case is already with guard of V11: name another unit or hub, or let this one go on"
        )
        (accept,) = (d for d in settled.case.deadlines if d.stage == "accept")
        assert (accept.open, accept.due_at) == (True, at(minutes=15))
    # the same unit under another hub, and the same kind of unit elsewhere, are changes
    case = filed().case
    assert done(case, "reassign", dispatcher("T1"), owner="works", hub_code="V12").hub_code == "V12"
    assert done(case, "reassign", dispatcher("C"), owner="works", hub_code="T2").owner_hub_code == "T2"


def test_a_case_that_somebody_gave_to_a_unit_is_no_longer_unrouted() -> None:
    nowhere = filed(place=Place("C", None, "low", unrouted=True)).case
    assert (nowhere.state, nowhere.unrouted, nowhere.owner, nowhere.hub_code) == (
        "triaging", True, "city_desk", "C",
    )  # fmt: skip
    case = done(nowhere, "file_case", dispatcher("C"), at(1), category="pothole", hub_code="T1")
    assert (case.state, case.unrouted, case.owner, case.hub_code) == ("dispatched", False, "works", "T1")
    # of before there was triage
    case = done(replace(filed().case, unrouted=True), "reassign", dispatcher("T1"), owner="gas")
    assert (case.unrouted, case.owner) == (False, "gas")


def without_dues() -> Case:
    """Filed as a fire before that was refused: nobody here works on fires, so no clock was set."""
    at_the_root = replace(filed().case, hub_code="C", level=1, owner="city_desk", owner_hub_code="C")
    return replace(at_the_root, category="fire", priority="P1", deadlines=())


def test_a_reassigned_case_without_dues_sets_none() -> None:
    case = done(without_dues(), "reassign", dispatcher("C"), at(1), owner="gas")
    assert (case.owner, open_rows(case)) == ("gas", [])


def test_a_case_without_dues_can_be_worked_to_its_end() -> None:
    case = without_dues()
    desk = dispatcher("C")
    for kind in ("accept", "start_work"):
        case = done(case, kind, desk, at(1))
    case = done(case, "submit_resolution", desk, at(2), outcome="fixed")
    assert case.due_at == at(6), "P1: verified within 4 h"
    case = done(case, "verify_fail", dispatcher("T1"), at(3))
    assert (case.state, case.due_at) == ("rework", NEVER)
    case = done(done(case, "restart", desk, at(4)), "submit_resolution", desk, at(5), outcome="fixed")
    assert done(case, "verify_pass", dispatcher("V11"), at(6)).state == "closed"


def test_a_category_that_a_later_version_dropped_is_timed_as_other() -> None:
    row = "pothole,坑,Pothole,thing,2,works,,,P3,4h C24,on_site=6h C24;resolve=10h C24,,S,,\n"
    assert row in COUNTABLE["categories.csv"]
    city = city_of(
        {
            **COUNTABLE,
            "categories.csv": COUNTABLE["categories.csv"].replace(row, ""),
            "city.toml": COUNTABLE["city.toml"].replace('["pothole"]', '["ads"]'),
        },
        version=8,
    )
    case = done(filed().case, "reassign", dispatcher("T1"), at(1), city=city, owner="guard", hub_code="V12")
    assert [(d.stage, d.due_at) for d in case.deadlines if d.set_seq == case.seq] == [("accept", at(5))]
    assert ("owner", "on_site", "6h C24", 2, T0, at(6)) in open_rows(case), "what was set stays"


# The queue's sort value.


def test_what_queues_sort_by_through_a_whole_life() -> None:
    case = filed().case
    seen = [case.due_at]
    moves: list[tuple[str, Actor, float, dict[str, Any]]] = [
        ("accept", WORKS, 1, {}),
        ("start_work", WORKS, 1, {}),
        ("reach_milestone", WORKS, 2, {"stage": "on_site"}),
        ("submit_resolution", WORKS, 3, {"outcome": "fixed"}),
        ("verify_fail", dispatcher("V11"), 4, {}),
        ("restart", WORKS, 5, {}),
        ("submit_resolution", WORKS, 6, {"outcome": "fixed"}),
        ("verify_pass", dispatcher("V11"), 7, {}),
    ]
    for kind, actor, hours, values in moves:
        case = done(case, kind, actor, at(hours), **values)
        seen.append(case.due_at)
    assert seen == [at(4), at(6), at(6), at(10), at(51), at(11), at(11), at(54), NEVER]


def test_a_breached_due_still_sorts_until_it_is_met() -> None:
    case = time_passes(filed().case, at(9)).case
    assert case.due_at == at(4)


def test_place_and_reports_never_change_by_a_command() -> None:
    case = reassigned_at(1, filed(place=IN_V11).case)
    assert (case.place_code, case.report_count, case.received_at) == ("V11", 1, T0)
