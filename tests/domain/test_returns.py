"""Whose case it is (domain.md 6.4): a unit may return it within 3 hours, its hub decides within 1.

A pothole of P3: accept 4 h, on_site 6 h, resolve 10 h from the dispatch at T0.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.domain.case import Case
from tests.domain.small_case import WORKS, at, dispatcher
from tests.domain.small_town import Town, open_dues, row, rows, told, told_at, types, unit, with_role

DESK = dispatcher("T1")
GAS = unit("gas", "C")


def given() -> tuple[Town, Case]:
    town = Town()
    return town, town.report()


def returned(hours: float = 1, **values: Any) -> tuple[Town, Case]:
    town, case = given()
    town.do(case, "request_return", WORKS, at(hours), **(values or {"owner": "gas"}))
    return town, case


# Asking.


def test_a_unit_that_is_not_the_right_one_says_whose_it_is_and_waits_to_hear() -> None:
    town, case = given()
    settled = town.act(case, "request_return", WORKS, at(1), owner="gas", clause="7.2")
    assert types(settled.events) == ["ReturnRequested"]
    asked = settled.case
    assert (asked.state, asked.owner) == ("dispatched", "works"), "until then it is theirs"
    assert asked.side.request is not None
    assert (asked.side.request.kind, asked.side.request.owner) == ("return", "gas")
    assert open_dues(asked) == {"accept": at(4), "on_site": at(6), "resolve": at(10), "decision": at(2)}
    assert open_dues(asked, "citizen") == {"resolve": at(10)}


@pytest.mark.parametrize(
    ("late", "refused"), [(timedelta(0), None), (timedelta(microseconds=1), ("not_allowed", None))]
)
def test_a_return_is_asked_for_in_time(late: timedelta, refused: Any) -> None:
    town, case = given()
    settled = town.act(case, "request_return", WORKS, at(3) + late, owner="gas")
    assert (told(settled) if settled.refusal else None) == refused


def test_a_return_names_the_owner_or_the_clause() -> None:
    town, case = given()
    assert told(town.act(case, "request_return", WORKS)) == ("invalid", "owner")
    assert told(town.act(case, "request_return", WORKS, owner="dragons")) == ("invalid", "owner")
    assert town.act(case, "request_return", WORKS, clause="7.2").refusal is None


def test_a_unit_asks_once() -> None:
    town, case = returned()
    assert told(town.act(case, "request_return", WORKS, at(1), owner="gas")) == ("not_allowed", None)
    town.do(case, "decide_return", DESK, at(1.5), approve=False)
    assert told(town.act(case, "request_return", WORKS, at(1.6), owner="gas")) == ("not_allowed", None)


# Deciding.


def test_an_approved_return_starts_the_other_units_clock_and_nobody_elses() -> None:
    town, case = returned()
    settled = town.act(case, "decide_return", DESK, at(1.5), approve=True)
    (event,) = settled.events
    assert (event.type, event.payload.from_owner, event.payload.from_hub_code) == (
        "ReturnApproved",
        "works",
        "T1",
    )
    theirs = settled.case
    assert (theirs.state, theirs.owner, theirs.owner_hub_code, theirs.hub_code) == (
        "dispatched",
        "gas",
        "C",
        "T1",
    )
    assert open_dues(theirs) == {"accept": at(5.5), "on_site": at(7.5), "resolve": at(10)}
    assert open_dues(theirs, "citizen") == {"resolve": at(10)}
    first, _ = rows(theirs, "accept")
    assert (first.due_at, first.met_at, first.closed_at) == (at(4), None, at(1.5))
    assert [d.met_at for d in rows(theirs, "decision")] == [at(1.5)]
    assert theirs.side.request is None
    assert town.do(case, "accept", GAS, at(2)).state == "accepted"


def test_the_hub_may_know_better_whose_it_is() -> None:
    town, case = returned()
    approved = town.do(case, "decide_return", DESK, at(1.5), approve=True, owner="guard", hub_code="V12")
    assert (approved.owner, approved.owner_hub_code, approved.hub_code) == ("guard", "V12", "V12")


def test_a_clause_names_nobody_so_the_hub_must() -> None:
    town, case = returned(clause="7.2")
    assert told(town.act(case, "decide_return", DESK, at(1.5), approve=True)) == ("invalid", "owner")
    assert town.do(case, "decide_return", DESK, at(1.5), approve=True, owner="gas").owner == "gas"


def test_a_return_to_whoever_has_it_is_none() -> None:
    town, case = returned()
    refused = town.act(case, "decide_return", DESK, at(1.5), approve=True, owner="works", hub_code="T1")
    assert told(refused) == ("invalid", "owner")


def test_a_rejected_return_leaves_the_case_and_its_clocks_where_they_were() -> None:
    town, case = returned()
    kept = town.do(case, "decide_return", DESK, at(1.5), approve=False)
    assert (kept.state, kept.owner, kept.side.request) == ("dispatched", "works", None)
    assert open_dues(kept) == {"accept": at(4), "on_site": at(6), "resolve": at(10)}


def test_a_hub_that_does_not_decide_in_its_hour_is_supervised_and_may_still_decide() -> None:
    town, case = returned()
    events = town.wait(at(2.5))
    assert told_at(events) == [("SlaWarning", "accept", at(2)), ("WaitEnded", "decision", at(2))]
    assert (events[-1].type, events[-1].payload.reason, events[-1].payload.to_level) == (
        "CaseSupervised", "undecided", 1,
    )  # fmt: skip
    assert town.do(case, "decide_return", DESK, at(2.6), approve=True).owner == "gas"


# Again and again.


def test_the_second_return_is_for_the_tier_above_and_a_third_for_nobody() -> None:
    town, case = returned()
    town.do(case, "decide_return", DESK, at(1.5), approve=True)
    town.do(case, "request_return", GAS, at(2), owner="guard", hub_code="V12")
    assert told(town.act(case, "decide_return", DESK, at(2.1), approve=True)) == ("not_allowed", None)
    settled = town.act(case, "decide_return", dispatcher("C"), at(2.2), approve=True)
    assert types(settled.events) == ["ReturnApproved", "ProblemTicketOpened"], "three have had it"
    ticket = settled.events[1].payload
    assert (ticket.reason, ticket.hub_code, ticket.level) == ("owners", "T1", 2)
    led = settled.case
    assert (led.hub_code, led.level, led.owner, led.owner_hub_code) == ("T1", 2, "guard", "V12"), (
        "one above V12"
    )
    assert (led.side.problem_ticket, led.supervised_level) == (True, 2)
    guard = unit("guard", "V12")
    assert told(town.act(case, "request_return", guard, at(2.3), owner="works")) == ("not_allowed", None)
    assert open_dues(led, "citizen") == {"resolve": at(10)}


def test_a_rejected_return_counts_as_one_too() -> None:
    town, case = returned()
    town.do(case, "decide_return", DESK, at(1.5), approve=False)
    town.do(case, "reassign", DESK, at(2), owner="gas")
    town.do(case, "request_return", GAS, at(2.5), owner="works")
    assert told(town.act(case, "decide_return", DESK, at(2.6), approve=False)) == ("not_allowed", None)
    assert town.do(case, "decide_return", dispatcher("C"), at(2.7), approve=False).owner == "gas"


def test_what_the_tier_above_assigns_stays_assigned() -> None:
    """Also to the unit that has it."""
    town, case = returned()
    town.do(case, "decide_return", DESK, at(1.5), approve=False)
    assert told(town.act(case, "force_assign", DESK, at(2), owner="works")) == ("forbidden", None)
    forced = town.do(case, "force_assign", with_role("supervisor", "T1"), at(2), owner="works")
    assert (forced.owner, forced.side.forced, open_dues(forced)["accept"]) == ("works", True, at(6))
    assert told(town.act(case, "request_return", WORKS, at(2), owner="gas")) == ("not_allowed", None)
    assert town.do(case, "accept", WORKS, at(3)).state == "accepted"


def test_ping_pong_ends_with_the_citizens_clock_intact() -> None:
    """Golden scenario 7: two returns, a forced assignment; nobody has moved the 10 hours."""
    town, case = returned(0.5)
    town.do(case, "decide_return", DESK, at(1), approve=True)
    town.do(case, "request_return", GAS, at(1.5), owner="works")
    town.do(case, "decide_return", dispatcher("C"), at(2), approve=True)
    town.do(case, "force_assign", dispatcher("C"), at(2.5), owner="works", hub_code="T1")
    last = town[case]
    assert (row(last, "resolve", "citizen").due_at, row(last, "resolve", "citizen").set_seq) == (at(10), 2)
    assert (row(last, "resolve").due_at, row(last, "resolve").set_seq) == (at(10), 2)
    assert [d.due_at for d in rows(last, "accept")] == [at(4), at(5), at(6), at(6.5)]


# Giving it to somebody else.


def test_giving_it_on_just_before_the_limit_does_not_make_the_miss_a_success() -> None:
    """Not breached, and not met either: it counts as not accepted in time by the first."""
    town, case = given()
    town.do(case, "reassign", DESK, at(4) - timedelta(seconds=1), owner="gas")
    first, second = rows(town[case], "accept")
    assert (first.due_at, first.met_at, first.closed_at) == (at(4), None, at(4) - timedelta(seconds=1))
    assert (first.step, first.next_at) == ("due", None), "its breach never came, and never will"
    assert second.due_at == at(8) - timedelta(seconds=1)


def test_giving_it_on_at_the_limit_records_the_breach_first() -> None:
    town, case = given()
    settled = town.act(case, "reassign", DESK, at(4), owner="gas")
    assert types(settled.events) == ["SlaWarning", "SlaBreached", "CaseReassigned"]


def test_three_owners_make_one_problem_ticket() -> None:
    town, case = given()
    for hours, owner, hub in ((1, "gas", None), (2, "guard", "V12"), (3, "works", "T1"), (3.5, "gas", "C")):
        town.do(case, "reassign", dispatcher("C"), at(hours), owner=owner, hub_code=hub)
    given_on = [event for event in town.events if event.type in ("CaseReassigned", "ProblemTicketOpened")]
    assert types(given_on) == [
        "CaseReassigned", "CaseReassigned", "ProblemTicketOpened", "CaseReassigned", "CaseReassigned",
    ]  # fmt: skip


def test_a_case_that_is_given_on_leaves_no_question_behind() -> None:
    town, case = returned()
    given_on = town.do(case, "reassign", DESK, at(1.5), owner="guard", hub_code="V12")
    assert given_on.side.request is None
    assert [d.met_at for d in rows(given_on, "decision")] == [at(1.5)]
    assert told(town.act(case, "decide_return", DESK, at(1.6), approve=True)) == ("not_allowed", None)
