"""Each definition of the rates, on histories worked out by hand: who accepted in time, what counts as closed.

A pothole is accepted within 4 h and resolved within 10 h, both by the wall clock; verified within 48 h.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.domain.case import Case
from services.domain.events import Event
from services.domain.filing import Known, file_report
from services.domain.messages import SYSTEM_ACTOR, Actor, WantedPart
from services.domain.rate_facts import Assignment, CaseFacts, Cycle, is_sampled, read_case, with_recurrences
from services.domain.rates import (
    COUNTED,
    RATES,
    By,
    Figures,
    Rate,
    Took,
    counted,
    peer,
    ranks,
    rates_of,
    stood_still,
    wilson,
)
from services.domain.settling import Settled, settle
from tests.domain.small_case import (
    CITY,
    GUARD_OF_V11,
    IN_V11,
    T0,
    WORKS,
    at,
    command,
    dispatcher,
    filing,
    report,
    some_id,
)

T1, C, V11 = dispatcher("T1"), dispatcher("C"), dispatcher("V11")
AGENT = Actor(ref="agent-1", roles=("callback_agent",), hubs=("T1",))
ALWAYS = (T0 - timedelta(days=1), T0 + timedelta(days=400))


class Life:
    """One case and those near it, by commands that must all be applied."""

    def __init__(self, category: str = "pothole", *, now: datetime = T0, known: Known | None = None) -> None:
        first = report(category, received_at=now)
        begun = (
            filing(first, place=IN_V11, now=now)
            if known is None
            else file_report(first, place=IN_V11, city=CITY, now=now, known=known)
        )
        self.cases: dict[str, Case] = {}
        self.events: list[Event] = []
        self._take(begun)
        self.case_id = begun.case.case_id
        self.reporter = Actor(ref=f"report:{first.report_id}", roles=("reporter",))

    def _take(self, settled: Settled) -> None:
        self.cases |= {**settled.others, settled.case.case_id: settled.case}
        self.events += settled.events

    @property
    def case(self) -> Case:
        return self.cases[self.case_id]

    def do(self, kind: str, actor: Actor, hours: float, *, of: str | None = None, **values: Any) -> Life:
        case = self.cases[of or self.case_id]
        wanted = command(case, kind, actor, received_at=at(hours), **values)
        others = {key: one for key, one in self.cases.items() if key != case.case_id}
        settled = settle(case, wanted, now=at(hours), city=CITY, others=others)
        assert settled.refusal is None, f"{kind}: {settled.refusal.code} {settled.refusal.detail}"
        self._take(settled)
        return self

    def time_passes(self, hours: float) -> Life:
        return self.do("pass_deadline", SYSTEM_ACTOR, hours, deadline_id=some_id(), step_at=T0)

    def worked(self, accepted: float, claimed: float) -> Life:
        self.do("accept", WORKS, accepted).do("start_work", WORKS, accepted)
        return self.do("submit_resolution", WORKS, claimed, outcome="fixed")

    def closed(self, accepted: float = 1, claimed: float = 5, verified: float = 6) -> Life:
        return self.worked(accepted, claimed).do("verify_pass", V11, verified)

    def facts(self, case_id: str | None = None) -> CaseFacts:
        wanted = case_id or self.case_id
        return read_case([event for event in self.events if event.case_id == wanted])

    @property
    def assignments(self) -> list[Assignment]:
        return list(self.facts().assignments)

    @property
    def cycle(self) -> Cycle:
        (one,) = self.facts().cycles
        return one


def figures(
    *lives: Life, by: By = "hub", since: datetime = ALWAYS[0], until: datetime = ALWAYS[1]
) -> dict[str | None, Figures]:
    facts = [life.facts(case_id) for life in lives for case_id in life.cases]
    again: dict[str, list[datetime]] = {}
    for fact in facts:
        if fact.recurrence is not None:
            again.setdefault(fact.recurrence[0], []).append(fact.recurrence[1])
    cycles = with_recurrences((one for fact in facts for one in fact.cycles), again)
    assignments = [one for fact in facts for one in fact.assignments]
    return counted(assignments, cycles, since=since, until=until, by=by)


def shares(*lives: Life, **period: Any) -> dict[str, Any]:
    """hits of n, by name, of all together."""
    return {name: (rate.hits, rate.n) for name, rate in rates_of(figures(*lives, **period)[None]).items()}


def test_a_case_that_went_well() -> None:
    life = Life().closed(accepted=1, claimed=5, verified=6)
    (given,) = life.assignments
    assert (given.owner, given.hub_code, given.level, given.category) == ("works", "T1", 2, "pothole")
    assert (given.assigned_at, given.due_at, given.accepted_at) == (T0, at(4), at(1))
    cycle = life.cycle
    assert (cycle.dispatched_at, cycle.due_at, cycle.original_due_at) == (T0, at(10), at(10))
    assert (cycle.resolved_at, cycle.closed_at, cycle.outcome, cycle.verified) == (
        at(5),
        at(6),
        "fixed",
        True,
    )
    told = shares(life)
    assert told["response_rate"] == told["on_time_close_rate"] == told["strict_on_time"] == (1, 1)
    assert told["closure_rate"] == (1, 1)
    assert told["resolution_rate"] == told["satisfaction_rate"] == (0, 0)
    assert told["callback_coverage"] == told["rework_rate"] == told["extension_rate"] == (0, 1)
    assert told["return_rate"] == told["reopen_rate"] == told["recurrence_30d_rate"] == (0, 1)
    assert told["unverified_rate"] == (0, 1)


def test_exactly_at_the_due_is_in_time_and_a_minute_later_is_not() -> None:
    assert shares(Life().closed(accepted=4, claimed=10, verified=30))["response_rate"] == (1, 1)
    assert shares(Life().closed(accepted=4, claimed=10, verified=30))["on_time_close_rate"] == (1, 1)
    late = shares(Life().closed(accepted=4 + 1 / 60, claimed=10 + 1 / 60, verified=30))
    assert (late["response_rate"], late["on_time_close_rate"]) == ((0, 1), (0, 1))
    assert late["closure_rate"] == (1, 1)


def test_the_cohort_is_what_fell_due_not_what_was_closed() -> None:
    unsolved, solved_early = Life(), Life().closed()
    in_period: dict[str, Any] = {"since": at(9), "until": at(11)}
    told = shares(unsolved, solved_early, **in_period)
    assert told["on_time_close_rate"] == (1, 2), "nobody touched the first: it counts all the same"
    assert told["response_rate"] == (0, 0), "those dues were at 4 h"
    assert figures(unsolved, solved_early, **in_period)[None].counts["overdue_open"] == 1
    assert shares(unsolved, until=at(10))["on_time_close_rate"] == (0, 0), "until is not included"
    assert shares(unsolved, since=at(10), until=at(11))["on_time_close_rate"] == (0, 1)


def test_a_reassignment_does_not_erase_a_missed_accept() -> None:
    life = Life().do("reassign", T1, 5, owner="guard", hub_code="V11").do("accept", GUARD_OF_V11, 6)
    first, second = life.assignments
    assert (first.owner, first.due_at, first.accepted_at, first.taken_back) == ("works", at(4), None, False)
    assert (second.owner, second.hub_code, second.due_at, second.accepted_at) == (
        "guard",
        "V11",
        at(9),
        at(6),
    )
    assert shares(life)["response_rate"] == (1, 2)
    groups = figures(life, by="owner")
    assert groups["works@T1"].counts["accepted_in_time"] == 0
    assert groups["guard@V11"].counts["accepted_in_time"] == 1
    assert life.cycle.owner == "guard", "a cycle belongs to whom it was with at its end"
    assert groups["works@T1"].counts["cycles"] == 0


def test_what_is_taken_back_before_its_accept_is_due_was_not_missed() -> None:
    life = Life().do("reassign", T1, 1, owner="guard", hub_code="V11")
    first, second = life.assignments
    assert (first.taken_back, second.taken_back) == (True, False)
    assert shares(life)["response_rate"] == (0, 1)


def test_an_approved_return_moves_the_accept_to_the_next_owner() -> None:
    life = Life().do("request_return", WORKS, 1, clause="7.2")
    life.do("decide_return", T1, 1.5, approve=True, owner="guard", hub_code="V11")
    assert [one.taken_back for one in life.assignments] == [True, False]
    assert shares(life)["return_rate"] == (1, 1)
    rejected = Life().do("request_return", WORKS, 1, clause="7.2").do("decide_return", T1, 1.5, approve=False)
    assert len(rejected.assignments) == 1
    assert shares(rejected)["return_rate"] == (1, 1), "it was asked for"


def test_an_extension_helps_on_time_and_never_strictly() -> None:
    life = Life().do("accept", WORKS, 1).do("start_work", WORKS, 1)
    life.do("request_extension", WORKS, 2, limit="24h C24").do("decide_extension", T1, 2.5, approve=True)
    life.do("submit_resolution", WORKS, 20, outcome="fixed").do("verify_pass", V11, 21)
    assert (life.cycle.due_at, life.cycle.original_due_at) == (at(34), at(10))
    told = shares(life)
    assert (told["on_time_close_rate"], told["strict_on_time"]) == ((1, 1), (0, 1))
    assert told["extension_rate"] == (1, 1)
    promised = shares(life, since=at(9), until=at(11))
    assert (promised["on_time_close_rate"], promised["strict_on_time"]) == ((0, 0), (0, 1))


def test_a_failed_verification_is_a_rework_and_the_time_to_verify_is_not_the_owners() -> None:
    life = Life().worked(1, 5).do("verify_fail", V11, 8)
    life.do("restart", WORKS, 8).do("submit_resolution", WORKS, 12.5, outcome="fixed").do(
        "verify_pass", V11, 14
    )
    cycle = life.cycle
    assert (cycle.reworks, cycle.due_at, cycle.original_due_at) == (1, at(13), at(13))
    assert (cycle.resolved_at, cycle.closed_at) == (at(12.5), at(14))
    told = shares(life)
    assert told["rework_rate"] == (1, 1)
    assert told["on_time_close_rate"] == (1, 1)
    assert figures(life)[None].to_resolve == Took(
        n=1, median=timedelta(hours=12.5), p90=timedelta(hours=12.5)
    )


def test_what_nobody_verified_is_counted_apart_and_is_not_on_time() -> None:
    life = Life().worked(1, 5).time_passes(5 + 48)
    cycle = life.cycle
    assert (cycle.verified, cycle.unverified, cycle.closed_at) == (False, True, at(53))
    told = shares(life)
    assert (told["unverified_rate"], told["closure_rate"]) == ((1, 1), (1, 1))
    assert told["on_time_close_rate"] == (0, 1)


def test_one_in_ten_unverified_cycles_is_sampled() -> None:
    sampled = sum(is_sampled(some_id(), 1) for _ in range(5_000))
    assert 400 < sampled < 600


def test_a_reopening_begins_a_cycle_and_says_that_the_first_did_not_help() -> None:
    life = Life().closed(1, 5, 6)
    life.do("reopen", life.reporter, 20)
    first, second = life.facts().cycles
    assert (first.cycle, second.cycle) == (1, 2)
    assert (first.reopened_at, first.closed_at, first.answer) == (at(20), at(6), "no")
    assert (second.dispatched_at, second.due_at, second.open, second.answer) == (at(20), at(30), True, None)
    assert [(one.cycle, one.due_at) for one in life.assignments] == [(1, at(4)), (2, at(21))], (
        "raised to P2: an hour"
    )
    told = shares(life)
    assert told["reopen_rate"] == (1, 1)
    assert told["on_time_close_rate"] == (1, 2)
    assert told["resolution_rate"] == (0, 1)
    assert told["callback_coverage"] == (1, 1)


def test_a_reopening_from_above_is_no_answer_of_the_reporter() -> None:
    life = Life().closed(1, 5, 6).do("reopen", C, 20)
    assert life.facts().cycles[0].answer is None


def test_the_last_answer_counts_and_partly_counts_as_much_as_is_said() -> None:
    life = Life().closed(1, 5, 6)
    life.do("record_callback", AGENT, 7, resolved="no", satisfaction=1)
    life.do("record_callback", AGENT, 8, resolved="partly", satisfaction=4)
    cycle = life.cycle
    assert (cycle.answer, cycle.satisfaction, cycle.answered_by) == ("partly", 4, "agent")
    told = shares(life)
    assert (told["resolution_rate"], told["satisfaction_rate"]) == ((0, 1), (1, 1))
    assert told["callback_coverage"] == (1, 1)
    half = rates_of(figures(life)[None], partly=0.5)["resolution_rate"]
    assert (half.hits, half.n, half.rate) == (0.5, 1, 0.5)


def test_a_grade_of_three_is_not_satisfied_and_no_grade_is_no_answer_to_that() -> None:
    lives = [Life().closed() for _ in range(3)]
    for life, grade in zip(lives, (3, 5, None), strict=True):
        life.do("record_callback", life.reporter, 7, resolved="yes", satisfaction=grade)
    told = shares(*lives)
    assert (told["resolution_rate"], told["satisfaction_rate"]) == ((3, 3), (1, 2))


def test_a_reporter_who_verifies_has_answered() -> None:
    life = Life().worked(1, 5)
    life.do("verify_pass", life.reporter, 6)
    assert (life.cycle.answer, life.cycle.answered_by) == ("yes", "reporter")
    other = Life().worked(1, 5)
    other.do("verify_fail", other.reporter, 6).do("restart", WORKS, 6)
    other.do("submit_resolution", WORKS, 7, outcome="fixed")
    assert other.cycle.answer is None, "not closed yet"
    assert other.time_passes(7 + 48).cycle.answer == "no", "the last that was said"


def test_what_a_handler_entered_never_counts() -> None:
    """Nobody may, but a handler of an earlier claim could sit in the callback room by now."""
    life = Life().closed()
    life.do("record_callback", AGENT, 7, resolved="yes", satisfaction=5)
    history = [
        replace(event, actor_ref=AGENT.ref) if event.type == "ResolutionSubmitted" else event
        for event in life.events
    ]
    (cycle,) = read_case(history).cycles
    assert (cycle.answer, cycle.satisfaction) == (None, None)


@pytest.mark.parametrize("passed", [5.0, 15.0])
def test_a_withdrawn_case_is_in_no_rate(passed: float) -> None:
    life = Life()
    life.do("withdraw", life.reporter, passed)
    assert life.facts() == CaseFacts(assignments=(), cycles=(), recurrence=None)
    assert set(shares(life).values()) == {(0, 0)}


def test_a_second_cycle_that_was_merged_leaves_the_first() -> None:
    life = Life().closed()
    other = filing(report(), place=IN_V11)
    life.cases[other.case.case_id] = other.case
    life.do("raise_priority", T1, 1, of=other.case.case_id, reason="child")
    life.do("reopen", life.reporter, 8).do("attach", T1, 8.5, to_case_id=other.case.case_id)
    (cycle,) = life.facts().cycles
    assert (cycle.cycle, cycle.reopened_at) == (1, at(8))
    assert [one.cycle for one in life.assignments] == [1]


def _merged() -> tuple[Life, str]:
    """Two cases, both missed by their owner; then the second is attached to the first."""
    life = Life().time_passes(5)
    other = filing(report(), place=IN_V11)
    life.cases[other.case.case_id] = other.case
    life.events += other.events
    life.do("attach", T1, 5, of=other.case.case_id, to_case_id=life.case_id)
    return life, other.case.case_id


def test_a_merged_case_is_in_no_rate() -> None:
    life, other = _merged()
    assert life.facts(other) == CaseFacts(assignments=(), cycles=(), recurrence=None)


def test_a_case_that_was_merged_by_mistake_counts_again() -> None:
    life, other = _merged()
    life.do("detach", T1, 6, report_id=life.cases[other].report_id)
    (given,), (cycle,) = life.facts(other).assignments, life.facts(other).cycles
    assert (given.due_at, given.taken_back) == (at(4), False), "missed at 4 h, merged at 5 h"
    assert (cycle.dispatched_at, cycle.due_at, cycle.open) == (T0, at(10), True)


def test_a_merge_that_was_a_mistake_takes_no_assignment_back() -> None:
    """Merged at 2 h, two hours before it was to be accepted."""
    life = Life()
    other = filing(report(), place=IN_V11)
    life.cases[other.case.case_id] = other.case
    life.events += other.events
    life.do("attach", T1, 2, of=other.case.case_id, to_case_id=life.case_id)
    life.do("detach", T1, 3, report_id=other.case.report_id)
    (given,) = life.facts(other.case.case_id).assignments
    assert (given.due_at, given.taken_back) == (at(4), False)


def test_declined_and_redirected_were_never_dispatched() -> None:
    life = Life("other")
    life.do("decline", T1, 0.5, reason="outside")
    assert life.facts() == CaseFacts(assignments=(), cycles=(), recurrence=None)


def test_a_suspended_case_is_not_due_and_its_time_is_shown() -> None:
    life = Life().do("accept", WORKS, 1).do("start_work", WORKS, 1).do("suspend", T1, 2, reason="weather")
    life.time_passes(30)
    cycle = life.cycle
    assert (cycle.standing, cycle.open, cycle.suspensions) == (True, True, (at(2),))
    counts = figures(life)[None].counts
    assert (counts["standing"], counts["due"], counts["overdue_open"]) == (1, 0, 0)
    assert stood_still(figures(life)[None], now=at(30), city=CITY) == (timedelta(hours=28),) * 2
    life.do("resume", WORKS, 32).do("submit_resolution", WORKS, 39, outcome="fixed").do(
        "verify_pass", V11, 40
    )
    assert (life.cycle.due_at, life.cycle.suspensions) == (at(40), (at(2), at(32)))
    assert shares(life)["on_time_close_rate"] == (1, 1)
    assert figures(life)[None].counts["suspended"] == 1
    assert stood_still(figures(life)[None], now=at(99), city=CITY) == (timedelta(hours=30),) * 2


def test_a_due_that_passed_before_the_suspension_stays_passed() -> None:
    life = Life().do("accept", WORKS, 1).do("start_work", WORKS, 1).do("suspend", T1, 12, reason="weather")
    assert life.cycle.standing is False
    assert shares(life)["on_time_close_rate"] == (0, 1)
    assert figures(life)[None].counts["overdue_open"] == 1


def test_suspended_time_is_told_in_the_working_time_of_the_limit() -> None:
    """`plan` has 30WD OFF; T0 is a Tuesday, 09:00 in the city; 24 h later 7 office hours have passed."""
    life = Life("plan").do("accept", WORKS, 1).do("start_work", WORKS, 1)
    life.do("suspend", T1, 1, reason="weather").do("resume", WORKS, 25)
    assert stood_still(figures(life)[None], now=at(99), city=CITY) == (
        timedelta(hours=24),
        timedelta(hours=7),
    )


def test_who_did_not_get_an_answer_is_not_late() -> None:
    life = Life().do("accept", WORKS, 1).do("start_work", WORKS, 1)
    life.do("suspend", T1, 2, reason="waiting_for_reporter").time_passes(2 + 72)
    cycle = life.cycle
    assert (cycle.outcome, cycle.closed_at, cycle.suspensions) == ("no_response", at(74), (at(2), at(74)))
    told = shares(life)
    assert told["on_time_close_rate"] == told["strict_on_time"] == (0, 0), (
        "its clock stood: it never fell due"
    )
    assert told["closure_rate"] == (1, 1)
    assert figures(life)[None].counts["no_response"] == 1


def test_parts_are_cycles_of_their_owners_and_have_no_reporter() -> None:
    life = Life().do("accept", WORKS, 1)
    life.do("split", WORKS, 2, parts=(WantedPart(owner="guard", hub_code="V11"),))
    (part_id,) = [case_id for case_id in life.cases if case_id != life.case_id]
    for kind, actor, values in (
        ("accept", GUARD_OF_V11, {}),
        ("start_work", GUARD_OF_V11, {}),
        ("submit_resolution", GUARD_OF_V11, {"outcome": "fixed"}),
        ("verify_pass", V11, {}),
    ):
        life.do(kind, actor, 5, of=part_id, **values)
    (part,) = life.facts(part_id).cycles
    assert (part.part, part.owner, part.dispatched_at, part.due_at) == (True, "guard", at(2), at(12))
    parent = life.cycle
    # the part's due and 24 h, but not after the citizen's due and the longest extension: 10 h + 48 h
    assert (parent.part, parent.owner, parent.due_at, parent.original_due_at) == (
        False,
        "works",
        at(36),
        at(10),
    )
    groups = figures(life, by="owner")
    assert rates_of(groups["guard@V11"])["on_time_close_rate"].rate == 1
    assert groups["guard@V11"].counts["answerable"] == 0
    assert groups["works@T1"].counts["cycles"] == 1


@pytest.mark.parametrize(("days", "recurred"), [(0, 1), (29.9, 1), (30, 0)])
def test_a_recurrence_within_30_days_counts_on_the_case_that_was_closed(days: float, recurred: int) -> None:
    life = Life().closed(1, 5, 6)
    again = Life(now=at(6 + 24 * days), known=Known(recurrence_of=life.case_id))
    assert shares(life, again)["recurrence_30d_rate"] == (recurred, 1)


def test_a_recurrence_that_was_none_does_not_count() -> None:
    life = Life().closed(1, 5, 6)
    again = Life(now=at(30), known=Known(recurrence_of=life.case_id))
    again.do("withdraw", again.reporter, 31)
    assert shares(life, again)["recurrence_30d_rate"] == (0, 1)


def test_a_category_found_wrong_counts_as_what_it_was() -> None:
    life = Life().do("set_category", T1, 1, category="leak")
    assert [one.category for one in life.assignments] == ["leak"]
    assert (life.cycle.category, life.cycle.due_at) == ("leak", at(24))
    # a leak is accepted within an hour
    assert [one.due_at for one in life.assignments] == [at(1)]


def test_groups_and_the_whole() -> None:
    lives = (Life().closed(), Life("ads"), Life("ads"))
    assert set(figures(*lives, by="hub")) == {None, "T1", "V11"}
    assert set(figures(*lives, by="tier")) == {None, "2", "3"}
    assert set(figures(*lives, by="category")) == {None, "pothole", "ads"}
    by_hub = figures(*lives, by="hub")
    assert (by_hub["T1"].level, by_hub["V11"].level) == (2, 3)
    assert by_hub[None].counts["cycles"] == 3
    assert set(by_hub[None].counts) == set(COUNTED)


def test_the_times_are_times_that_somebody_had() -> None:
    lives = [Life().closed(accepted=hours / 10, claimed=5) for hours in range(1, 11)]
    took = figures(*lives)[None].to_accept
    assert took == Took(n=10, median=timedelta(minutes=30), p90=timedelta(minutes=54))


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    # Newcombe 1998, table I: method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson(hits: int, n: int, low: float, high: float) -> None:
    assert list(wilson(hits, n)) == pytest.approx([low, high], abs=5e-5)
    assert list(wilson(n - hits, n)) == pytest.approx([1 - high, 1 - low], abs=5e-5)


def _rate(rate: float | None, n: int) -> Rate:
    return Rate(n=n, hits=0, rate=rate, low=None, high=None)


def test_under_thirty_there_is_no_rank() -> None:
    rates = [_rate(0.9, 30), _rate(1.0, 29), _rate(0.95, 500), _rate(0.9, 31), _rate(None, 0)]
    assert ranks(rates, "high") == [2, None, 1, 2, None]
    assert ranks(rates, "low") == [1, None, 3, 1, None]


def test_like_is_ranked_with_like() -> None:
    assert peer("T1", "hub", 2) == peer("T2", "hub", 2) != peer("C", "hub", 1)
    assert peer("works@T1", "owner", 2) == peer("works@T2", "owner", 2) != peer("guard@V11", "owner", 3)
    assert {one.best for one in RATES if one.name.endswith(("rework_rate", "reopen_rate"))} == {"low"}
