"""Long random lives: whatever people and clocks do, the invariants of domain.md 6.6 hold.

In LIVES a case goes its way with its parts; in CROWDS other reports come and go meanwhile.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from services.adapters import codec
from services.domain.case import ARCHIVE, NEVER, Case
from services.domain.events import EVENT_TYPES
from services.domain.evolve import replay
from services.domain.settling import Settled, settle
from tests.domain import invariants
from tests.domain.random_life import city_at, walk
from tests.domain.small_case import at

LIVES = [walk(seed) for seed in range(150)]
CROWDS = [walk(seed, newcomers=True) for seed in range(150, 230)]
ALL = LIVES + CROWDS
HISTORIES = [history for life in ALL for history in invariants.histories(life.family_events).values()]


def test_the_walks_see_the_whole_life() -> None:
    seen = {event.type for life in ALL for event in life.family_events}
    assert seen == set(EVENT_TYPES)
    refused = {s.refusal.code for life in ALL for _, _, s in life.all_taken if s.refusal}
    assert refused >= {"stale", "not_allowed", "forbidden", "verifier_is_handler", "invalid"}
    assert max(case.rework_count for life in ALL for case in life.family.values()) >= 3
    assert max(case.cycle for life in ALL for case in life.family.values()) >= 3


def test_the_stream_replays_to_the_same_cases() -> None:
    for life in ALL:
        for case_id, case in life.family.items():
            assert replay(life.events_of(case_id)) == case


@pytest.mark.parametrize("holds", invariants.OF_A_CASE, ids=lambda holds: str(holds.__name__))
def test_of_every_case(holds: Any) -> None:
    for history in HISTORIES:
        holds(history)


def test_of_all_cases_together() -> None:
    for life in ALL:
        invariants.every_report_stands_with_one_case(life.family_events, life.family)
        invariants.a_parent_whose_work_is_done_has_no_required_part_open(life.family)
        invariants.parts_in_order_wait_for_each_other(life.family)


def test_the_same_message_makes_the_same_of_the_same_cases() -> None:
    for life in LIVES:
        cases = {
            life.case_id: replay(event for event in life.events if event.command_id == life.report.report_id)
        }
        for command, now, settled in life.all_taken:
            case = cases[command.case_id]
            again = settle(case, command, now=now, city=city_at(command), others=cases)
            assert (again.case, again.events, again.others) == (settled.case, settled.events, settled.others)
            assert told(again) == told(settled)
            cases |= {**settled.others, command.case_id: settled.case}
        assert cases == life.family


def told(settled: Settled) -> tuple[str, str, str | None] | None:
    refusal = settled.refusal
    return (refusal.code, refusal.detail, refusal.field) if refusal else None


FOLLOWS_A_STEP = {
    "CaseBacklogged", "CaseSupervised", "CaseResumed", "NoResponseClosed", "ReportDeclined", "ChildChanged",
    "ChildResolved", "CaseDispatched",
}  # fmt: skip


def test_a_refusal_leaves_nothing_but_the_steps_that_came_before_it() -> None:
    for life in ALL:
        for command, _, settled in life.all_taken:
            if settled.refusal is not None:
                assert all(e.actor_ref == "system" for e in settled.events), command.type
                assert all(hasattr(e.payload, "step_at") or e.type in FOLLOWS_A_STEP for e in settled.events)


def test_what_has_come_is_passed_before_the_command_in_order_of_time() -> None:
    for life in ALL:
        for command, now, settled in life.all_taken:
            invariants.nothing_that_has_come_is_left(settled.case, now)
            own = [event for event in settled.events if event.case_id == command.case_id]
            before = []
            for event in own:
                if hasattr(event.payload, "step_at"):
                    before.append(event.payload.step_at)
                elif event.type not in FOLLOWS_A_STEP:
                    break
            assert before == sorted(before)


def test_a_consumer_that_gets_events_twice_and_in_any_order_ends_with_the_same_cases() -> None:
    """It applies n after n-1 and knows what it has seen by (case_id, seq)."""
    for number, life in enumerate(ALL):
        sent = life.family_events + life.family_events[:: 2 + number % 3]
        sent = sorted(sent, key=lambda event: (event.seq * 7919 + number) % 101)
        assert invariants.consumed(sent) == life.family


def slow_sort_value(case: Case) -> datetime:
    """What the contract says in words: the earliest unmet owner due, else the citizen's, else never."""
    best = None
    for clock in ("owner", "citizen"):
        for d in case.deadlines:
            unmet = d.met_at is None and d.closed_at is None and d.stage != ARCHIVE
            if d.clock == clock and unmet and (best is None or d.due_at < best):
                best = d.due_at
        if best is not None:
            return best
    return NEVER


def test_the_sort_value_is_the_one_in_words() -> None:
    for history in HISTORIES:
        for _, case in history:
            assert case.due_at == slow_sort_value(case)


SETS_ANOTHER_DUE = {"VariantSet", "CategoryChanged", "CaseDecomposed", "ExtensionGranted", "CaseReopened"}


def test_the_owners_resolve_due_moves_by_what_it_stood_and_only_before_its_breach() -> None:
    """Slow and plain: add up, event by event, how long it stood (by the wall clock), until it is set anew."""
    seen = 0
    for history in HISTORIES:
        due = stood_since = None
        breached = False
        for event, case in history:
            body = event.payload
            if event.type in SETS_ANOTHER_DUE or case.category == "plan":
                break
            match event.type:
                case "CaseDispatched":
                    due, breached = resolve_of(body), False
                case "CaseReassigned" if due is None:
                    due = resolve_of(body)
                case "ResolutionSubmitted" | "CaseSuspended":
                    stood_since = event.occurred_at
                case "VerificationFailed" | "CaseResumed" if due is not None:
                    assert stood_since is not None
                    due += timedelta(0) if breached else event.occurred_at - stood_since
                    seen += 1
                case "SlaBreached" if (body.clock, body.stage) == ("owner", "resolve"):
                    breached = True
                    assert body.step_at == due
            stands = [d.due_at for d in case.deadlines if (d.clock, d.stage) == ("owner", "resolve")]
            assert stands[-1:] == ([] if due is None else [due])
    assert seen > 20


def resolve_of(body: Any) -> datetime | None:
    return next((d.due_at for d in body.dues if (d.clock, d.stage) == ("owner", "resolve")), None)


# On the wire and in the book.


def test_every_body_comes_back_from_json_as_it_was() -> None:
    for life in ALL:
        for event in life.family_events:
            assert codec.decode_body(event.type, codec.encode(event.payload)) == event.payload


def test_every_event_comes_back_from_its_message_as_it_was() -> None:
    for life in ALL[::10]:
        for event in life.family_events:
            key, value, headers = codec.event_record(event)
            assert key == event.case_id.encode()
            assert codec.decode(headers, value) == event


def test_every_command_comes_back_from_its_message_as_it_was() -> None:
    for life in ALL[::10]:
        for command, _, _ in life.all_taken:
            _, value, headers = codec.command_record(command, "board")
            assert codec.decode(headers, value) == command


def test_a_case_needs_an_event() -> None:
    with pytest.raises(ValueError, match="at least one event"):
        replay([])


def test_the_end_of_time_is_later_than_any_due() -> None:
    assert at(10**6) < NEVER
