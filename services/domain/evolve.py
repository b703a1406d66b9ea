"""What an event makes of a case. No rule is decided here: bodies carry the facts (dues, next steps)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from services.domain.case import TERMINAL, Case, Deadline
from services.domain.events import (
    CaseDispatched,
    CaseEscalated,
    CaseFiled,
    CaseReassigned,
    Due,
    DuesRecomputed,
    Event,
    MilestoneReached,
    ResolutionSubmitted,
    StepPassed,
    VerificationAssigned,
    VerificationFailed,
    VerificationLapsed,
)
from services.domain.life import move_of


def evolve(case: Case | None, event: Event) -> Case:
    """`event.seq` must be the case's seq + 1; the first event is CaseFiled."""
    if case is None:
        return _filed(event)
    move = move_of(event.type)
    at = event.occurred_at
    state = move.target or case.state
    changes: dict[str, Any] = {
        "seq": event.seq,
        "stale_seq": event.seq if move.stales else case.stale_seq,
        "state": state,
        "last_event_at": at,
        "city_version": event.city_version,
    }
    body = event.payload
    apply = _APPLY.get(event.type)
    if apply is not None:
        changes |= apply(case, event, body)
    if state in TERMINAL and case.state not in TERMINAL:
        changes["closed_at"] = at
        changes["deadlines"] = tuple(
            replace(d, closed_at=at, next_at=None) if d.open else d
            for d in changes.get("deadlines", case.deadlines)
        )
    return replace(case, **changes)


def replay(events: Iterable[Event]) -> Case:
    case: Case | None = None
    for event in events:
        case = evolve(case, event)
    if case is None:
        raise ValueError("a case has at least one event")
    return case


def _filed(event: Event) -> Case:
    body: CaseFiled = event.payload
    return Case(
        case_id=event.case_id,
        root_case_id=body.root_case_id,
        number=body.number,
        seq=event.seq,
        stale_seq=event.seq,
        cycle=event.cycle,
        state="filed",
        lane=body.lane,
        category=body.category,
        priority=body.priority,
        place_code=body.place_code,
        hub_code="",
        level=0,
        supervised_level=None,
        owner="",
        owner_hub_code="",
        location_quality=body.location_quality,
        unrouted=body.unrouted,
        confidential=body.confidential,
        report_count=1,
        rework_count=0,
        received_at=body.received_at,
        last_event_at=event.occurred_at,
        city_version=event.city_version,
    )


def set_deadlines(dues: tuple[Due, ...], seq: int) -> tuple[Deadline, ...]:
    return tuple(
        Deadline(
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
        for due in dues
    )


def _met(deadline: Deadline, at: datetime) -> Deadline:
    return replace(deadline, met_at=at, next_at=None)


def _dispatched(case: Case, event: Event, body: CaseDispatched) -> dict[str, Any]:
    return {
        "hub_code": body.hub_code,
        "level": body.level,
        "owner": body.owner,
        "owner_hub_code": body.owner_hub_code,
        "dispatched_at": event.occurred_at,
        "deadlines": case.deadlines + set_deadlines(body.dues, event.seq),
    }


def _accepted(case: Case, event: Event, body: Any) -> dict[str, Any]:
    return {"accepted_at": event.occurred_at, "deadlines": _meet(case, "accept", event.occurred_at)}


def _milestone(case: Case, event: Event, body: MilestoneReached) -> dict[str, Any]:
    return {"deadlines": _meet(case, body.stage, event.occurred_at)}


def _meet(case: Case, stage: str, at: datetime) -> tuple[Deadline, ...]:
    return tuple(
        _met(d, at) if d.clock == "owner" and d.stage == stage and d.open else d for d in case.deadlines
    )


def _resolved(case: Case, event: Event, body: ResolutionSubmitted) -> dict[str, Any]:
    at = event.occurred_at
    return {
        "resolved_at": at,
        "outcome": body.outcome,
        "handler_ref": event.actor_ref,
        "handler_unit": body.handler_unit,
        "handler_hubs": body.handler_hubs,
        "deadlines": tuple(_met(d, at) if d.open else d for d in case.deadlines),
    }


def _verification_assigned(case: Case, event: Event, body: VerificationAssigned) -> dict[str, Any]:
    return {"deadlines": case.deadlines + set_deadlines(body.dues, event.seq)}


def _verified(case: Case, event: Event, body: Any) -> dict[str, Any]:
    return {"deadlines": _meet(case, "verify", event.occurred_at)}


def _failed(case: Case, event: Event, body: VerificationFailed) -> dict[str, Any]:
    at = event.occurred_at
    reopened = {(r.clock, r.stage, r.set_seq): r for r in body.reopened}

    def run_on(deadline: Deadline) -> Deadline:
        again = reopened.get(deadline.key)
        if again is None:
            return _met(deadline, at) if deadline.open else deadline
        pauses = deadline.pauses if again.paused_at is None else (*deadline.pauses, (again.paused_at, at))
        return replace(
            deadline,
            met_at=None,
            due_at=again.due_at,
            official=deadline.official if again.official is None else again.official,
            next_at=again.next_at,
            pauses=pauses,
        )

    return {"rework_count": case.rework_count + 1, "deadlines": tuple(run_on(d) for d in case.deadlines)}


def _reassigned(case: Case, event: Event, body: CaseReassigned) -> dict[str, Any]:
    at = event.occurred_at
    anew = {(due.clock, due.stage) for due in body.dues}
    kept = tuple(
        replace(d, closed_at=at, next_at=None) if d.open and (d.clock, d.stage) in anew else d
        for d in case.deadlines
    )
    return {
        "hub_code": body.hub_code,
        "level": body.level,
        "owner": body.owner,
        "owner_hub_code": body.owner_hub_code,
        # a person has found its way
        "unrouted": False,
        "accepted_at": None,
        "deadlines": kept + set_deadlines(body.dues, event.seq),
    }


def _recomputed(case: Case, event: Event, body: DuesRecomputed) -> dict[str, Any]:
    moved = {(r.clock, r.stage, r.set_seq): r for r in body.dues}

    def move(deadline: Deadline) -> Deadline:
        row = moved.get(deadline.key)
        if row is None:
            return deadline
        return replace(deadline, due_at=row.due_at, official=row.official, step=row.step, next_at=row.next_at)

    return {"deadlines": tuple(move(d) for d in case.deadlines)}


def _step_passed(case: Case, event: Event, body: StepPassed) -> dict[str, Any]:
    key = (body.clock, body.stage, body.set_seq)
    return {
        "deadlines": tuple(
            replace(d, step=body.next_step, next_at=body.next_at) if d.key == key else d
            for d in case.deadlines
        )
    }


def _escalated(case: Case, event: Event, body: CaseEscalated) -> dict[str, Any]:
    # it only rises towards 1
    level = body.to_level if case.supervised_level is None else min(case.supervised_level, body.to_level)
    return {"supervised_level": level, **_step_passed(case, event, body)}


def _lapsed(case: Case, event: Event, body: VerificationLapsed) -> dict[str, Any]:
    return {"unverified": True, **_step_passed(case, event, body)}


_APPLY: dict[str, Callable[[Case, Event, Any], dict[str, Any]]] = {
    "CaseDispatched": _dispatched,
    "CaseAccepted": _accepted,
    "MilestoneReached": _milestone,
    "ResolutionSubmitted": _resolved,
    "VerificationAssigned": _verification_assigned,
    "VerificationPassed": _verified,
    "VerificationFailed": _failed,
    "CaseReassigned": _reassigned,
    "DuesRecomputed": _recomputed,
    "SlaWarning": _step_passed,
    "SlaBreached": _step_passed,
    "CaseEscalated": _escalated,
    "DutyLeaderAlerted": _step_passed,
    "VerificationLapsed": _lapsed,
}
