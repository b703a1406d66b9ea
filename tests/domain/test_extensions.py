"""More time (domain.md 6.5): asked for before the due, once, at most 48 hours of P3; it moves both clocks.

A pothole of P3 from T0: resolve 10 h, warned at 80 %; its hub decides within 1 hour.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.domain.case import Case
from tests.domain.small_case import WORKS, at, dispatcher, under_way
from tests.domain.small_town import Town, open_dues, reporter_of, row, rows, told, told_at, types

DESK = dispatcher("T1")


def at_work(category: str = "pothole") -> tuple[Town, Case]:
    case = under_way(category)
    return Town(case), case


def extended(asked: float = 5, decided: float = 5.5, limit: str = "24h C24") -> tuple[Town, Case]:
    town, case = at_work()
    town.do(case, "request_extension", WORKS, at(asked), limit=limit)
    return town, town.do(case, "decide_extension", DESK, at(decided), approve=True)


def test_a_question_moves_nothing_but_the_hubs_own_clock() -> None:
    town, case = at_work()
    asked = town.do(case, "request_extension", WORKS, at(5), limit="24h C24")
    assert (asked.state, asked.side.extended) == ("in_progress", False)
    assert open_dues(asked) == {"on_site": at(6), "resolve": at(10), "decision": at(6)}
    assert open_dues(asked, "citizen") == {"resolve": at(10)}


def test_an_extension_moves_both_clocks_and_keeps_what_was_due() -> None:
    _, case = extended()
    assert (case.side.extended, case.side.request) == (True, None)
    for clock in ("owner", "citizen"):
        first, second = rows(case, "resolve", clock)
        assert (first.due_at, first.closed_at, first.met_at) == (at(10), at(5.5), None)
        assert (second.due_at, second.original_due_at, second.extended_by) == (at(34), at(10), "24h C24")
        assert (second.start_at, second.set_seq) == (first.start_at, case.seq)
    assert row(case, "on_site").due_at == at(6), "no milestone moves"
    assert [d.met_at for d in rows(case, "decision")] == [at(5.5)]


def test_the_ladder_is_climbed_towards_the_new_due() -> None:
    """34 hours in all: 80 % are 27 h 12, half of it again 51, twice 68."""
    town, case = extended()
    town.do(case, "reach_milestone", WORKS, at(5.6), stage="on_site")
    events = town.wait(at(100))
    assert told_at(events) == [
        ("SlaWarning", "resolve", at(27, 12)),
        ("SlaBreached", "resolve", at(34)),
        ("SlaBreached", "resolve", at(34)),
        ("CaseEscalated", "resolve", at(51)),
        ("DutyLeaderAlerted", "resolve", at(68)),
    ]


def test_extended_and_still_unsolved_goes_on_the_list_once_until_it_ends() -> None:
    town, case = extended()
    town.do(case, "reach_milestone", WORKS, at(5.6), stage="on_site")
    assert types(town.wait(at(60))) == [
        "SlaWarning", "SlaBreached", "SlaBreached", "CaseBacklogged", "CaseEscalated",
    ]  # fmt: skip
    assert town[case].side.backlogged
    town.do(case, "submit_resolution", WORKS, at(61), outcome="fixed")
    assert town[case].side.backlogged, "claimed is not solved"
    assert not town.do(case, "verify_pass", dispatcher("V11"), at(62)).side.backlogged


def test_what_was_never_extended_is_overdue_and_on_no_list() -> None:
    town, _ = at_work()
    assert "CaseBacklogged" not in types(town.wait(at(100)))


def test_a_refusal_moves_nothing_and_the_unit_may_ask_again() -> None:
    town, case = at_work()
    town.do(case, "request_extension", WORKS, at(1), limit="24h C24")
    refused = town.do(case, "decide_extension", DESK, at(1.5), approve=False)
    assert (refused.side.request, refused.side.extended) == (None, False)
    assert open_dues(refused) == {"on_site": at(6), "resolve": at(10)}
    assert town.act(case, "request_extension", WORKS, at(2), limit="12h C24").refusal is None


def test_a_case_is_extended_once() -> None:
    town, case = extended()
    assert told(town.act(case, "request_extension", WORKS, at(6), limit="12h C24")) == ("not_allowed", None)


def test_one_question_at_a_time() -> None:
    town, case = at_work()
    town.do(case, "request_extension", WORKS, at(1), limit="24h C24")
    assert told(town.act(case, "request_extension", WORKS, at(1), limit="12h C24")) == ("not_allowed", None)
    assert told(town.act(case, "suspend", WORKS, at(1), reason="weather")) == ("not_allowed", None)
    assert told(town.act(case, "decide_suspension", DESK, at(1), approve=True)) == ("not_allowed", None)


@pytest.mark.parametrize(
    ("limit", "due"),
    [
        ("48h C24", at(58)),
        ("48h", at(58)),
        ("1h C24", at(11)),
        ("49h C24", None),
        ("1WD OFF", None),
        ("soon", None),
    ],
)
def test_an_extension_is_like_the_longest_and_no_longer(limit: str, due: object) -> None:
    town, case = at_work()
    settled = town.act(case, "request_extension", WORKS, at(1), limit=limit)
    if due is None:
        assert told(settled) == ("invalid", "limit")
    else:
        assert row(town.do(case, "decide_extension", DESK, at(1), approve=True), "resolve").due_at == due


@pytest.mark.parametrize("category", ["leak", "slow_danger"])
def test_what_is_urgent_has_no_extension(category: str) -> None:
    town, case = at_work(category)
    assert told(town.act(case, "request_extension", WORKS, limit="1h C24")) == ("not_allowed", None)


def test_what_became_urgent_meanwhile_is_not_extended_any_more() -> None:
    town, case = at_work()
    town.do(case, "request_extension", WORKS, at(1), limit="24h C24")
    town.do(case, "raise_priority", DESK, at(1), reason="injury")
    assert told(town.act(case, "decide_extension", DESK, at(1.5), approve=True)) == ("not_allowed", None)
    assert town.do(case, "decide_extension", DESK, at(1.5), approve=False).side.request is None


def test_it_is_asked_for_before_the_due() -> None:
    town, case = at_work()
    assert (
        town.act(case, "request_extension", WORKS, at(10) - timedelta(seconds=1), limit="1h").refusal is None
    )
    town, case = at_work()
    late = town.act(case, "request_extension", WORKS, at(10), limit="1h")
    assert told(late) == ("not_allowed", None)
    assert types(late.events)[-1] == "SlaBreached", "what had come is told all the same"


def test_a_hub_that_does_not_decide_in_its_hour_is_supervised() -> None:
    town, case = at_work()
    town.do(case, "request_extension", WORKS, at(1), limit="24h C24")
    events = town.wait(at(3))
    assert types(events) == ["WaitEnded", "CaseSupervised"]
    assert (events[0].payload.step_at, events[1].payload.reason) == (at(2), "undecided")
    assert town[case].side.request is not None


def test_after_the_due_nothing_is_granted_any_more() -> None:
    """Asked in time at 9.5 h: the breach of 10 h is not mended by who was slow to decide."""
    town, case = at_work()
    town.do(case, "request_extension", WORKS, at(9.5), limit="24h C24")
    assert town.act(case, "decide_extension", DESK, at(9.9), approve=True).refusal is None
    town, case = at_work()
    town.do(case, "request_extension", WORKS, at(9.5), limit="24h C24")
    late = town.act(case, "decide_extension", DESK, at(10), approve=True)
    assert told(late) == ("not_allowed", None)
    assert (open_dues(town[case])["resolve"], open_dues(town[case], "citizen")) == (
        at(10),
        {"resolve": at(10)},
    )
    assert town.do(case, "decide_extension", DESK, at(10.1), approve=False).side.request is None


def test_a_promise_that_was_broken_is_not_put_off_with_the_owners_due() -> None:
    """Standing still from 2 to 5 h has moved the owner's due alone, to 13."""
    town, case = at_work()
    town.do(case, "suspend", DESK, at(2), reason="weather")
    town.do(case, "resume", WORKS, at(5))
    town.do(case, "request_extension", WORKS, at(11), limit="24h C24")
    granted = town.do(case, "decide_extension", DESK, at(11.5), approve=True)
    assert (open_dues(granted)["resolve"], open_dues(granted, "citizen")) == (at(37), {"resolve": at(10)})


def test_another_cycle_may_have_another_extension() -> None:
    town, case = extended()
    town.do(case, "submit_resolution", WORKS, at(6), outcome="fixed")
    town.do(case, "verify_pass", dispatcher("V11"), at(7))
    again = town.do(case, "reopen", reporter_of(case), at(8))
    assert not again.side.extended
    assert row(again, "resolve", "citizen").due_at == at(34), "the promise stays as extended"
