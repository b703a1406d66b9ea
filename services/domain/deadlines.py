"""What an event makes of a case's deadlines: rows are set, met, closed, stand still and run on."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from services.domain.case import Case, Deadline
from services.domain.events import CategoryChanged, Due, DueAgain, Event, ReopenedDue, VariantSet


def rows_of(dues: tuple[Due, ...], seq: int) -> tuple[Deadline, ...]:
    return tuple([_row(due, seq) for due in dues])


def _row(due: Due, seq: int) -> Deadline:
    row = Deadline(
        clock=due.clock,
        stage=due.stage,
        set_seq=seq,
        limit=due.limit,
        start_at=due.start_at,
        due_at=due.due_at,
        official=due.official,
        step=due.step,
        next_at=due.next_at,
    )
    if not isinstance(due, DueAgain):
        return row
    return replace(row, pauses=due.pauses, extended_by=due.extended_by, original_due_at=due.original_due_at)


def met(row: Deadline, at: datetime) -> Deadline:
    return replace(row, met_at=at, next_at=None)


def set_anew(case: Case, event: Event, dues: tuple[Due, ...]) -> tuple[Deadline, ...]:
    """A due that is set takes the place of an open one of its clock and stage."""
    anew = {(due.clock, due.stage) for due in dues}
    kept = tuple(
        replace(d, closed_at=event.occurred_at, next_at=None) if d.open and (d.clock, d.stage) in anew else d
        for d in case.deadlines
    )
    return kept + rows_of(dues, event.seq)


def reopened(case: Case, event: Event, running: tuple[ReopenedDue, ...]) -> Case:
    """What runs on runs on; nothing else is open any more."""
    at, running_on = event.occurred_at, {(r.clock, r.stage, r.set_seq): r for r in running}
    rows = tuple(
        again(d, running_on[d.key], at)
        if d.key in running_on
        else (replace(d, closed_at=at, next_at=None) if d.open else d)
        for d in case.deadlines
    )
    return replace(case, deadlines=rows)


def paused(case: Case) -> tuple[Deadline, ...]:
    """The owner's clock stands; the citizen's never does."""
    return tuple(
        replace(d, next_at=None) if d.clock == "owner" and d.open and d.next_at is not None else d
        for d in case.deadlines
    )


def again(row: Deadline, due: ReopenedDue, at: datetime) -> Deadline:
    pauses = row.pauses if due.paused_at is None else (*row.pauses, (due.paused_at, at))
    return replace(
        row,
        met_at=None,
        closed_at=None,
        due_at=due.due_at,
        official=row.official if due.official is None else due.official,
        next_at=due.next_at,
        pauses=pauses,
    )


def meet(case: Case, stage: str, at: datetime) -> tuple[Deadline, ...]:
    return tuple(
        met(d, at) if d.clock == "owner" and d.stage == stage and d.open else d for d in case.deadlines
    )


def dropped(case: Case, event: Event, body: VariantSet | CategoryChanged) -> Case:
    """Milestones that are none under the other limits fall away."""
    kept = tuple(
        replace(d, closed_at=event.occurred_at, next_at=None)
        if d.open and d.clock == "owner" and d.stage in body.dropped
        else d
        for d in case.deadlines
    )
    return replace(case, deadlines=kept)
