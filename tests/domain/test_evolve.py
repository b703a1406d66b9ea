"""Long random lives: whatever people and clocks do, the invariants of domain.md 6.6 hold."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from services.adapters import codec
from services.domain.case import ARCHIVE, ENDED, NEVER, Case
from services.domain.events import EVENT_TYPES, Event
from services.domain.evolve import evolve, replay
from services.domain.settling import Settled, settle
from tests.domain.random_life import Walk, city_at, walk
from tests.domain.small_case import WORKS, at

LIVES = [walk(seed) for seed in range(200)]


def test_the_walks_see_the_whole_life() -> None:
    seen = {event.type for life in LIVES for event in life.events}
    assert seen == set(EVENT_TYPES)
    refused = {s.refusal.code for life in LIVES for _, _, s in life.taken if s.refusal}
    assert refused >= {"stale", "not_allowed", "forbidden", "verifier_is_handler", "invalid"}
    assert max(life.case.rework_count for life in LIVES) >= 3


def test_the_stream_replays_to_the_same_case() -> None:
    for life in LIVES:
        assert replay(life.events) == life.case


def test_seq_runs_without_a_gap_and_time_never_goes_back() -> None:
    for life in LIVES:
        assert [event.seq for event in life.events] == list(range(1, len(life.events) + 1))
        times = [event.occurred_at for event in life.events]
        assert times == sorted(times)
        assert life.case.seq == len(life.events)
        assert life.case.last_event_at == times[-1]


def test_the_same_message_makes_the_same_of_the_same_case() -> None:
    for life in LIVES:
        case = evolve(evolve(None, life.events[0]), life.events[1])
        for command, now, settled in life.taken:
            again = settle(case, command, now=now, city=city_at(command))
            assert (again.case, again.events) == (settled.case, settled.events)
            assert told(again) == told(settled)
            case = settled.case


def told(settled: Settled) -> tuple[str, str, str | None] | None:
    refusal = settled.refusal
    return (refusal.code, refusal.detail, refusal.field) if refusal else None


def test_a_refusal_leaves_nothing_but_the_steps_that_came_before_it() -> None:
    for life in LIVES:
        for command, _, settled in life.taken:
            if settled.refusal is not None:
                assert all(e.actor_ref == "system" for e in settled.events), command.type
                assert all(hasattr(e.payload, "step_at") for e in settled.events)


def test_a_step_happens_once_in_order_and_never_early() -> None:
    for life in LIVES:
        steps = [event for event in life.events if hasattr(event.payload, "step_at")]
        ids = [event.payload.deadline_id for event in steps]
        assert len(set(ids)) == len(ids)
        assert all(event.payload.step_at <= event.occurred_at for event in steps)
        breached = [
            (e.payload.clock, e.payload.stage, e.payload.set_seq) for e in steps if e.payload.percent == 100
        ]
        assert len(set(breached)) == len(breached), "a breach fires once per setting"
        for _, _, settled in life.taken:
            before = []
            for event in settled.events:
                if not hasattr(event.payload, "step_at"):
                    break
                before.append(event.payload.step_at)
            assert before == sorted(before)


def test_after_a_message_nothing_that_has_come_is_left_open() -> None:
    for life in LIVES:
        for _, now, settled in life.taken:
            left = [d.next_at for d in settled.case.deadlines if d.next_at is not None and d.next_at <= now]
            assert left == []


def test_the_citizens_due_moves_by_an_official_year_alone() -> None:
    for life in LIVES:
        dues: set[object] = set()
        for event, case in states(life):
            if event.type == "DuesRecomputed":
                dues.clear()
            dues |= {(d.set_seq, d.due_at, d.pauses) for d in case.deadlines if d.clock == "citizen"}
        assert len(dues) <= 1


def test_there_is_one_owner_and_one_open_row_of_each_clock_and_stage() -> None:
    for life in LIVES:
        for _, _, settled in life.taken:
            rows = [(d.clock, d.stage) for d in settled.case.deadlines if d.open]
            assert len(set(rows)) == len(rows)
            assert settled.case.owner
            assert settled.case.owner_hub_code


def test_a_case_that_is_over_has_no_living_clock_and_takes_photos_alone() -> None:
    over = [life for life in LIVES if life.case.state in ENDED]
    assert len(over) > 20
    for life in over:
        assert life.case.closed_at is not None
        assert all(
            not d.open or (life.case.state, d.stage) == ("closed", ARCHIVE) for d in life.case.deadlines
        )
        closing = next(
            i for i, e in enumerate(life.events) if e.type in ("VerificationPassed", "VerificationLapsed")
        )
        assert {event.type for event in life.events[closing + 1 :]} <= {"PhotosAdded"}
        assert life.case.due_at == NEVER


def test_who_verified_was_never_who_handled() -> None:
    for life in LIVES:
        handler = None
        for event in life.events:
            if event.type == "ResolutionSubmitted":
                handler = event
            if event.type in ("VerificationPassed", "VerificationFailed"):
                assert handler is not None
                assert event.actor_ref != handler.actor_ref
                assert event.actor_ref != WORKS.ref or handler.payload.handler_unit != "works"


def slow_sort_value(case: Case) -> datetime:
    """What the contract says in words: the earliest unmet owner due, else the citizen's, else never."""
    best = None
    for clock in ("owner", "citizen"):
        for d in case.deadlines:
            unmet = d.met_at is None and d.closed_at is None
            if d.clock == clock and unmet and (best is None or d.due_at < best):
                best = d.due_at
        if best is not None:
            return best
    return NEVER


def test_the_sort_value_is_the_one_in_words() -> None:
    for life in LIVES:
        for _, _, settled in life.taken:
            assert settled.case.due_at == slow_sort_value(settled.case)


def test_the_owners_resolve_due_moves_by_what_it_stood_and_only_before_its_breach() -> None:
    """Slow and plain: add up, event by event, how long the claims stood (by the wall clock)."""
    for life in (life for life in LIVES if life.case.category != "plan"):
        due = claimed_at = None
        breached = False
        for event in life.events:
            body = event.payload
            if event.type == "CaseDispatched":
                due = next((d.due_at for d in body.dues if (d.clock, d.stage) == ("owner", "resolve")), None)
            elif event.type == "ResolutionSubmitted":
                claimed_at = event.occurred_at
            elif event.type == "VerificationFailed" and due is not None:
                assert claimed_at is not None
                due += timedelta(0) if breached else event.occurred_at - claimed_at
            elif event.type == "SlaBreached" and (body.clock, body.stage) == ("owner", "resolve"):
                breached = True
                assert body.step_at == due
        stands = [d.due_at for d in life.case.deadlines if (d.clock, d.stage) == ("owner", "resolve")]
        assert stands == ([] if due is None else [due])


# On the wire and in the book.


def test_every_body_comes_back_from_json_as_it_was() -> None:
    for life in LIVES:
        for event in life.events:
            assert codec.decode_body(event.type, codec.encode(event.payload)) == event.payload


def test_every_event_comes_back_from_its_message_as_it_was() -> None:
    for life in LIVES[:20]:
        for event in life.events:
            key, value, headers = codec.event_record(event)
            assert key == event.case_id.encode()
            assert codec.decode(headers, value) == event


def test_every_command_comes_back_from_its_message_as_it_was() -> None:
    for life in LIVES[:20]:
        for command, _, _ in life.taken:
            _, value, headers = codec.command_record(command, "board")
            assert codec.decode(headers, value) == command


def test_a_case_needs_an_event() -> None:
    with pytest.raises(ValueError, match="at least one event"):
        replay([])


def test_an_escalation_to_a_lower_tier_does_not_lower_the_supervision() -> None:
    for life in LIVES:
        highest: int | None = None
        for event, after in states(life):
            if event.type == "CaseEscalated":
                to = event.payload.to_level
                highest = to if highest is None or to < highest else highest
            assert after.supervised_level == highest


def states(life: Walk) -> Iterator[tuple[Event, Case]]:
    case = None
    for event in life.events:
        case = evolve(case, event)
        yield event, case


def test_the_end_of_time_is_later_than_any_due() -> None:
    assert at(10**6) < NEVER
