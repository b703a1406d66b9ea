"""What holds of every life, however odd (domain.md 6.6), in plain code over events.

Each takes the events of one world in the order in which they were written, or the cases that they led to.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from services.domain.case import ENDED, NEVER, Case, Deadline
from services.domain.events import Event
from services.domain.evolve import evolve
from services.domain.life import LIFE
from tests.domain.small_case import GUARD_OF_V11, WORKS, WORKS_COLLEAGUE, WORKS_OF_T2

MOVES_THE_PROMISE = {"ExtensionGranted", "CategoryChanged", "DuesRecomputed"}
IN_HAND = {"CaseAccepted", "WorkStarted", "MilestoneReached", "WorkRestarted", "ResolutionSubmitted"}
RUNS_ON = {"VerificationFailed", "CaseReopened", "DeclineAppealed", "ReportDetached", "CaseDetached"}
UNITS = {one.ref: (one.unit, one.hubs[0]) for one in (WORKS, WORKS_COLLEAGUE, WORKS_OF_T2, GUARD_OF_V11)}
WORK_IS_DONE = {"closed", "archived"}
"""Where a parent's work was judged done. Its reporter may withdraw while an optional part goes on."""


def histories(events: Iterable[Event]) -> dict[str, list[tuple[Event, Case]]]:
    """Each case's events, and the case after each."""
    told: dict[str, list[tuple[Event, Case]]] = {}
    for event in events:
        past = told.setdefault(event.case_id, [])
        past.append((event, evolve(past[-1][1] if past else None, event)))
    return told


def steps_of(history: list[tuple[Event, Case]]) -> Iterator[tuple[Case, Event, Case]]:
    """Before, event, after; without the first, which has no before."""
    for (_, before), (event, after) in itertools.pairwise(history):
        yield before, event, after


def every_event_is_a_row_of_the_table(history: list[tuple[Event, Case]]) -> None:
    for before, event, after in steps_of(history):
        rows = [move for move in LIFE if move.event == event.type]
        assert any(before.state in m.sources and after.state == (m.target or before.state) for m in rows), (
            f"{event.type} from {before.state} to {after.state}"
        )


def seq_has_no_gap_and_time_never_goes_back(history: list[tuple[Event, Case]]) -> None:
    assert [event.seq for event, _ in history] == list(range(1, len(history) + 1))
    times = [event.occurred_at for event, _ in history]
    assert times == sorted(times)
    last = history[-1][1]
    assert (last.seq, last.last_event_at) == (len(history), times[-1])


def the_promise_moves_by_what_may_move_it(history: list[tuple[Event, Case]]) -> None:
    """By an extension, another category, an official year or an older promise that joins, and no more."""
    for before, event, after in steps_of(history):
        old, new = promise(before), promise(after)
        if old is None or new is None or (old.due_at, old.start_at) == (new.due_at, new.start_at):
            assert not (old and new is None), "a promise does not go away"
            continue
        if event.type == "ReportAdded":
            assert new.due_at < old.due_at
            continue
        if event.type == "CaseDispatched":
            assert new.due_at < old.due_at, "whatever people found it to be, a promise is kept or bettered"
            continue
        assert old.start_at == new.start_at
        if event.type in RUNS_ON:
            assert (old.official, new.official) == (False, True), "a year became official while it was met"
        else:
            # a claim or an end was between, and the official year reaches the row only now
            late = new.official and not old.official
            assert event.type in MOVES_THE_PROMISE or late, event.type
            assert event.type != "ExtensionGranted" or new.original_due_at == old.due_at


def promise(case: Case) -> Deadline | None:
    rows = [d for d in case.deadlines if d.clock == "citizen"]
    return max(rows, key=lambda d: d.set_seq, default=None)


def a_step_comes_once_and_never_early(history: list[tuple[Event, Case]]) -> None:
    steps = [event for event, _ in history if hasattr(event.payload, "step_at")]
    ids = [event.payload.deadline_id for event in steps]
    assert len(set(ids)) == len(ids), "once per deadline_id"
    assert all(event.payload.step_at <= event.occurred_at for event in steps)


def a_case_has_one_owner_and_one_open_row_of_each_stage(history: list[tuple[Event, Case]]) -> None:
    for _, case in history:
        rows = [(d.clock, d.stage) for d in case.deadlines if d.met_at is None and d.closed_at is None]
        assert len(set(rows)) == len(rows), rows
        assert case.state == "filed" or (case.owner and case.owner_hub_code and case.hub_code)


def nothing_lives_in_a_case_that_is_over(history: list[tuple[Event, Case]]) -> None:
    for _, case in history:
        if case.state not in ENDED:
            assert case.closed_at is None
            continue
        assert case.closed_at is not None
        living = [d.stage for d in case.deadlines if d.next_at is not None or d.open]
        assert living == (["archive"] if case.state == "closed" else [])
        assert case.due_at == NEVER
        assert case.side.request is None


def what_is_at_work_has_its_limits(history: list[tuple[Event, Case]]) -> None:
    """Whoever has a case has until when to take it and, if anything was promised, to solve it."""
    for _, case in history:
        stages = {d.stage for d in case.deadlines if d.clock == "owner" and d.open}
        if case.state == "triaging":
            assert "triage" in stages
        if case.state in ("accepted", "in_progress", "suspended", "rework") and promise(case) is not None:
            assert "resolve" in stages
        if case.state == "dispatched" and case.category != "fire":
            assert {"accept", "resolve"} <= stages


def clocks_stand_only_while_something_is_waited_for(history: list[tuple[Event, Case]]) -> None:
    for _, case in history:
        stands = [d for d in case.deadlines if d.open and d.step is not None and d.next_at is None]
        runs = [d.stage for d in case.deadlines if d.clock == "owner" and d.open and d.next_at is not None]
        if case.state in ("need_info", "suspended"):
            waits = "info" if case.state == "need_info" else "suspension"
            assert set(runs) <= {waits}, f"{runs} run while {case.state}"
        else:
            assert stands == []


def who_verified_had_no_hand_in_it(history: list[tuple[Event, Case]]) -> None:
    """No account that had it in hand in this cycle; if a unit claimed it, no other account of that unit."""
    claim: Event | None = None
    hands: set[str] = set()
    for event, _ in history:
        if event.type == "CaseReopened":
            hands = set()
        if event.type in IN_HAND:
            hands.add(event.actor_ref)
        if event.type == "ResolutionSubmitted":
            claim = event
        if event.type in ("VerificationPassed", "VerificationFailed"):
            assert claim is not None
            assert event.actor_ref not in hands
            unit, hub = UNITS.get(event.actor_ref, (None, None))
            assert unit is None or claim.payload.handler_unit != unit or hub not in claim.payload.handler_hubs


def supervision_only_rises(history: list[tuple[Event, Case]]) -> None:
    highest: int | None = None
    for event, after in history:
        to = getattr(event.payload, "to_level", None)
        if event.type == "ProblemTicketOpened":
            to = event.payload.level
        if to is not None:
            highest = to if highest is None or to < highest else highest
        assert after.supervised_level == highest


OF_A_CASE = (
    every_event_is_a_row_of_the_table,
    seq_has_no_gap_and_time_never_goes_back,
    the_promise_moves_by_what_may_move_it,
    a_step_comes_once_and_never_early,
    a_case_has_one_owner_and_one_open_row_of_each_stage,
    nothing_lives_in_a_case_that_is_over,
    what_is_at_work_has_its_limits,
    clocks_stand_only_while_something_is_waited_for,
    who_verified_had_no_hand_in_it,
    supervision_only_rises,
)


# Of several cases together.


def every_report_stands_with_one_case(events: Sequence[Event], cases: Mapping[str, Case]) -> None:
    """The events alone say with which; who withdrew stands with none."""
    home: dict[str, str] = {}
    for event in events:
        body = event.payload
        match event.type:
            case "TriageStarted" | "CaseFiled" if event.seq == 1 and body.report_id is not None:
                assert body.report_id not in home or home[body.report_id] != event.case_id
                home[body.report_id] = event.case_id
            case "ReportAdded" | "ReportDetached" | "CaseDetached":
                home[body.report_id] = event.case_id
            case "ReportRemoved":
                assert home.get(body.report_id) == event.case_id, "it does not stand here"
            case "ReportWithdrawn":
                assert home.pop(body.report_id, None) == event.case_id, "it does not stand here"
    for case_id, case in cases.items():
        mine = sorted(one for one, at in home.items() if at == case_id)
        assert sorted(case.reports) == mine, case_id
        assert case.report_count == len(mine)


def a_parent_whose_work_is_done_has_no_required_part_open(cases: Mapping[str, Case]) -> None:
    for case in cases.values():
        parent = cases.get(case.side.parent_case_id or "")
        if parent is None:
            continue
        (known,) = (part for part in parent.side.parts if part.case_id == case.case_id)
        assert (known.state, known.hub_code, known.owner, known.owner_hub_code) == (
            case.state, case.hub_code, case.owner, case.owner_hub_code,
        ), "a part's change shows on its parent"  # fmt: skip
        if parent.state in ("resolved", "verifying", *WORK_IS_DONE) and known.required:
            assert case.state in ENDED


def parts_in_order_wait_for_each_other(cases: Mapping[str, Case]) -> None:
    """A part that waits has one before it that is not over; what must be done waits for such alone."""
    for case in cases.values():
        for index, part in enumerate(case.side.parts):
            if cases[part.case_id].state == "filed":
                before = ((one.required, cases[one.case_id]) for one in case.side.parts[:index])
                held_up = (
                    one for required, one in before if required or one.state == "filed" or not part.required
                )
                assert any(one.open for one in held_up)


def nothing_that_has_come_is_left(case: Case, now: datetime) -> None:
    assert [d for d in case.deadlines if d.next_at is not None and d.next_at <= now] == []


def consumed(sent: Iterable[Event]) -> dict[str, Case]:
    """What a consumer keeps that applies n after n-1 and knows what it has seen by (case_id, seq)."""
    kept: dict[str, Case] = {}
    waiting: dict[tuple[str, int], Event] = {}
    for event in sent:
        waiting[event.case_id, event.seq] = event
        case = kept.get(event.case_id)
        seq = case.seq + 1 if case else 1
        while (after := waiting.get((event.case_id, seq))) is not None:
            case = kept[event.case_id] = evolve(case, after)
            seq += 1
    return kept
