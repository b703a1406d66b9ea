"""What an event makes of a case. No rule is decided here: bodies carry the facts (dues, next steps)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from services.domain import deadlines
from services.domain import events as e
from services.domain.case import ENDED, NOTHING_ASIDE, AttachedReport, Case, Deadline, Request, Side
from services.domain.events import Event
from services.domain.life import move_of
from services.domain.value import changed

Changes = dict[str, Any]


def evolve(case: Case | None, event: Event) -> Case:
    """`event.seq` must be the case's seq + 1; the first event is a Birth."""
    if case is None:
        return _born(event)
    move = move_of(event.type)
    at = event.occurred_at
    state = move.target or case.state
    changes: Changes = {
        "seq": event.seq,
        "stale_seq": event.seq if move.stales else case.stale_seq,
        "cycle": event.cycle,
        "state": state,
        "last_event_at": at,
        "city_version": event.city_version,
    }
    body = event.payload
    apply = _APPLY.get(event.type)
    if apply is not None:
        changes |= apply(case, event, body)
    if state in ENDED and state != case.state:
        if case.state not in ENDED:
            changes["closed_at"] = at
        kept = tuple(
            replace(d, closed_at=at, next_at=None) if d.open else d
            for d in changes.get("deadlines", case.deadlines)
        )
        changes["deadlines"] = kept + deadlines.rows_of(getattr(body, "dues", ()), event.seq)
        side = changes.get("side", case.side)
        if side.request is not None or side.backlogged:
            changes["side"] = replace(side, request=None, backlogged=False)
    elif case.state in ENDED and state not in ENDED:
        changes["closed_at"] = None
    return changed(case, changes)


def replay(events: Iterable[Event]) -> Case:
    case: Case | None = None
    for event in events:
        case = evolve(case, event)
    if case is None:
        raise ValueError("a case has at least one event")
    return case


def _born(event: Event) -> Case:
    body: e.TriageStarted | e.CaseFiled | e.PartFiled = event.payload
    triage = body if isinstance(body, e.TriageStarted) else None
    part = body if isinstance(body, e.PartFiled) else None
    seat = triage or part
    side = NOTHING_ASIDE
    if seat or body.recurrence_of or body.surge:
        side = Side(
            triage=triage.reason if triage else None,
            parent_case_id=part.parent_case_id if part else None,
            recurrence_of=body.recurrence_of,
            surge=body.surge,
            aid_hub_code=body.aid_hub_code,
        )
    return Case(
        case_id=event.case_id,
        root_case_id=body.root_case_id,
        number=body.number,
        seq=event.seq,
        stale_seq=event.seq,
        cycle=event.cycle,
        state="triaging" if triage else "filed",
        lane=getattr(body, "lane", "fast"),
        category=body.category,
        priority=body.priority,
        place_code=body.place_code,
        hub_code=seat.hub_code if seat else "",
        level=seat.level if seat else 0,
        supervised_level=None,
        owner=seat.owner if seat else "",
        owner_hub_code=seat.owner_hub_code if seat else "",
        location_quality=body.location_quality,
        unrouted=body.unrouted,
        confidential=body.confidential,
        report_count=0 if body.report_id is None else 1,
        rework_count=0,
        received_at=body.received_at,
        last_event_at=event.occurred_at,
        city_version=event.city_version,
        report_id=body.report_id,
        grid_code=body.grid_code,
        side=side,
        deadlines=deadlines.rows_of(triage.dues, event.seq) if triage else (),
    )


def _filed(case: Case, event: Event, body: e.CaseFiled) -> Changes:
    """People have looked: it is what they found."""
    return {
        "lane": body.lane,
        "category": body.category,
        "priority": body.priority,
        "place_code": body.place_code,
        "grid_code": body.grid_code,
        "location_quality": body.location_quality,
        "unrouted": body.unrouted,
        "confidential": body.confidential,
        "side": replace(
            case.side,
            triage=None,
            suggested=(),
            surge=body.surge,
            aid_hub_code=body.aid_hub_code,
        ),
        "deadlines": deadlines.meet(case, "triage", event.occurred_at),
    }


def _assigned(case: Case, event: Event, body: e.Assigned) -> Changes:
    return {
        "hub_code": body.hub_code,
        "level": body.level,
        "owner": body.owner,
        "owner_hub_code": body.owner_hub_code,
        "deadlines": deadlines.set_anew(case, event, body.dues),
    }


def _dispatched(case: Case, event: Event, body: e.CaseDispatched) -> Changes:
    return {"dispatched_at": event.occurred_at, **_assigned(case, event, body)}


def _appealed(case: Case, event: Event, body: e.DeclineAppealed) -> Changes:
    side = replace(case.side, triage="appeal", appealed=True, reason=None)
    return {"side": side, **_assigned(deadlines.reopened(case, event, body.reopened), event, body)}


def _detached(case: Case, event: Event, body: e.ReportDetached) -> Changes:
    gone = tuple(one for one in case.side.gone if one != body.report_id)
    side = replace(case.side, triage="detached", attached_to=None, ran=(), gone=gone, paused_at=None)
    again = deadlines.reopened(case, event, body.reopened)
    return {"side": side, "report_count": 1, **_assigned(again, event, body)}


def _stands_again(case: Case, event: Event, body: e.CaseDetached) -> Changes:
    gone = tuple(one for one in case.side.gone if one != body.report_id)
    return {
        "side": replace(case.side, attached_to=None, ran=(), gone=gone),
        "report_count": 1,
        "deadlines": deadlines.reopened(case, event, body.reopened).deadlines,
    }


def _attached(case: Case, event: Event, body: e.ReportAttached) -> Changes:
    gone = (*case.side.gone, *case.reports)
    ran = tuple(sorted(d.key for d in case.deadlines if d.open))
    side = replace(case.side, attached_to=body.to_case_id, ran=ran, gone=gone, suggested=())
    return {"side": side, "report_count": 0}


def _report_added(case: Case, event: Event, body: e.ReportAdded) -> Changes:
    came = AttachedReport(
        report_id=body.report_id,
        from_case_id=body.from_case_id,
        same_reporter=body.same_reporter,
        added_at=event.occurred_at,
        anonymous=body.anonymous,
    )
    others = tuple(one for one in case.side.attached if one.report_id != body.report_id)
    gone = tuple(one for one in case.side.gone if one != body.report_id)
    side = replace(
        case.side,
        attached=others if body.report_id == case.report_id else (*others, came),
        gone=gone,
        suggested=_others(case, body.from_case_id),
    )
    return {
        "side": side,
        "report_count": case.report_count + 1,
        "deadlines": deadlines.set_anew(case, event, body.dues) if body.dues else case.deadlines,
    }


def _likeness_dismissed(case: Case, event: Event, body: e.LikenessDismissed) -> Changes:
    return {"side": replace(case.side, suggested=_others(case, body.case_id))}


def _others(case: Case, case_id: str | None) -> tuple[e.Likeness, ...]:
    return tuple(one for one in case.side.suggested if one.case_id != case_id)


def _report_removed(case: Case, event: Event, body: e.ReportRemoved) -> Changes:
    left = tuple(one for one in case.side.attached if one.report_id != body.report_id)
    return {"side": replace(case.side, attached=left), "report_count": case.report_count - 1}


def _withdrawn(case: Case, event: Event, body: e.ReportWithdrawn) -> Changes:
    side = replace(case.side, gone=(*case.side.gone, body.report_id))
    return {"side": side, "report_count": case.report_count - 1}


def _info_requested(case: Case, event: Event, body: e.InfoRequested) -> Changes:
    return {
        "side": replace(case.side, paused_at=event.occurred_at),
        "deadlines": deadlines.paused(case) + deadlines.rows_of(body.dues, event.seq),
    }


def _suspended(case: Case, event: Event, body: e.CaseSuspended) -> Changes:
    side = replace(case.side, paused_at=event.occurred_at, suspension=body.reason, request=None)
    side = replace(side, suspended_for=(*side.suspended_for, body.reason))
    decided = replace(case, deadlines=deadlines.meet(case, "decision", event.occurred_at))
    return {
        "side": side,
        "deadlines": deadlines.paused(decided) + deadlines.rows_of(body.dues, event.seq),
    }


def _runs_on(case: Case, event: Event, body: e.InfoSupplied | e.CaseResumed) -> Changes:
    """What was waited for is met; what stood goes on."""
    at = event.occurred_at
    reopened = {(r.clock, r.stage, r.set_seq): r for r in body.reopened}
    rows = tuple(
        deadlines.again(d, reopened[d.key], at)
        if d.key in reopened
        else (deadlines.met(d, at) if d.open and d.stage in ("info", "suspension") else d)
        for d in case.deadlines
    )
    return {"side": replace(case.side, paused_at=None, suspension=None), "deadlines": rows}


def _accepted(case: Case, event: Event, body: e.CaseAccepted) -> Changes:
    """Who accepts does not return it any more: nothing waits for a decision that could not be given."""
    at = event.occurred_at
    taken = replace(case, deadlines=deadlines.meet(case, "accept", at))
    changes = {"accepted_at": at, **_in_hand(case, event)}
    if case.side.request is None:
        return {**changes, "deadlines": taken.deadlines}
    changes["side"] = replace(changes["side"], request=None)
    return {**changes, "deadlines": deadlines.meet(taken, "decision", at)}


def _in_hand(case: Case, event: Event, body: Any = None) -> Changes:
    """Who does something on a case has a hand in it, whoever claims later that it is done."""
    before, side = case.handler_ref, case.side
    if before is not None and before not in (event.actor_ref, *side.past_hands):
        side = replace(side, past_hands=(*side.past_hands, before))
    return {"handler_ref": event.actor_ref, "side": side}


def _milestone(case: Case, event: Event, body: e.MilestoneReached) -> Changes:
    return {**_in_hand(case, event), "deadlines": deadlines.meet(case, body.stage, event.occurred_at)}


def _return_requested(case: Case, event: Event, body: e.ReturnRequested) -> Changes:
    asked = Request(kind="return", owner=body.owner, hub_code=body.hub_code, reason=body.clause)
    side = replace(case.side, request=asked, return_asked=True, returns=case.side.returns + 1)
    return {"side": side, "deadlines": deadlines.set_anew(case, event, body.dues)}


def _extension_requested(case: Case, event: Event, body: e.ExtensionRequested) -> Changes:
    asked = Request(kind="extension", limit=body.limit)
    return {
        "side": replace(case.side, request=asked),
        "deadlines": deadlines.set_anew(case, event, body.dues),
    }


def _suspension_requested(case: Case, event: Event, body: e.SuspensionRequested) -> Changes:
    asked = Request(kind="suspension", reason=body.reason)
    return {
        "side": replace(case.side, request=asked),
        "deadlines": deadlines.set_anew(case, event, body.dues),
    }


def _refused(case: Case, event: Event, body: Any) -> Changes:
    return {
        "side": replace(case.side, request=None),
        "deadlines": deadlines.meet(case, "decision", event.occurred_at),
    }


def _extended(case: Case, event: Event, body: e.ExtensionGranted) -> Changes:
    decided = replace(case, deadlines=deadlines.meet(case, "decision", event.occurred_at))
    return {
        "side": replace(case.side, request=None, extended=True),
        "deadlines": deadlines.set_anew(decided, event, body.dues),
    }


def _reassigned(case: Case, event: Event, body: e.CaseReassigned | e.ReturnApproved) -> Changes:
    forced = isinstance(body, e.CaseReassigned) and body.forced
    side = replace(
        case.side,
        in_hand_since=case.side.in_hand_since or case.accepted_at,
        request=None,
        return_asked=False,
        assignments=case.side.assignments + 1,
        forced=case.side.forced or forced,
    )
    decided = replace(case, deadlines=deadlines.meet(case, "decision", event.occurred_at))
    # a person has found its way
    return {
        "side": side,
        "unrouted": False,
        "dispatched_at": case.dispatched_at or event.occurred_at,
        "accepted_at": None,
        **_assigned(decided, event, body),
    }


def _variant(case: Case, event: Event, body: e.VariantSet) -> Changes:
    side = replace(case.side, variant=body.variant)
    return {
        "side": side,
        "deadlines": deadlines.set_anew(deadlines.dropped(case, event, body), event, body.dues),
    }


def _category(case: Case, event: Event, body: e.CategoryChanged) -> Changes:
    return {
        "category": body.category,
        "priority": body.priority,
        "side": replace(case.side, variant=None),
        "deadlines": deadlines.set_anew(deadlines.dropped(case, event, body), event, body.dues),
    }


def _raised(case: Case, event: Event, body: e.PriorityRaised) -> Changes:
    changes: Changes = {"priority": body.priority, "deadlines": deadlines.set_anew(case, event, body.dues)}
    if body.reason == "many_reporters":
        changes["side"] = replace(case.side, raised_for_many=True)
    return changes


def _decomposed(case: Case, event: Event, body: e.CaseDecomposed) -> Changes:
    side = replace(
        case.side,
        parts=(*case.side.parts, *body.parts),
        ordered=body.ordered,
        put_off_by_parts=case.side.put_off_by_parts or bool(body.dues),
    )
    lane = "joint" if case.lane == "joint" else "decomposed"
    return {"lane": lane, "side": side, "deadlines": deadlines.set_anew(case, event, body.dues)}


def _child(case: Case, event: Event, body: e.ChildChanged | e.ChildResolved) -> Changes:
    parts = tuple(body.part if one.case_id == body.part.case_id else one for one in case.side.parts)
    hands = case.side.past_hands
    if isinstance(body, e.ChildResolved):
        hands = (*hands, *(one for one in body.hands if one not in hands))
    return {"side": replace(case.side, parts=parts, past_hands=hands)}


def _joint(case: Case, event: Event, body: e.JointRequested) -> Changes:
    side = replace(case.side, invited=(*case.side.invited, *body.invited))
    return {"lane": "joint", "side": side, "deadlines": deadlines.set_anew(case, event, body.dues)}


def _reported_in(case: Case, event: Event, body: e.UnitReportedIn) -> Changes:
    invited = tuple(
        replace(one, reported_in=True) if (one.unit, one.hub_code) == (body.unit, body.hub_code) else one
        for one in case.side.invited
    )
    return {
        "side": replace(case.side, invited=invited),
        "deadlines": deadlines.meet(case, f"report_in:{body.unit}@{body.hub_code}", event.occurred_at),
    }


def _resolved(case: Case, event: Event, body: e.ResolutionSubmitted) -> Changes:
    at, hand = event.occurred_at, _in_hand(case, event)
    return {
        "resolved_at": at,
        "outcome": body.outcome,
        "handler_ref": hand["handler_ref"],
        "handler_unit": body.handler_unit,
        "handler_hubs": body.handler_hubs,
        "side": replace(hand["side"], request=None) if case.side.request else hand["side"],
        "deadlines": tuple(deadlines.met(d, at) if d.open else d for d in case.deadlines),
    }


def _verification_assigned(case: Case, event: Event, body: e.VerificationAssigned) -> Changes:
    return {"deadlines": case.deadlines + deadlines.rows_of(body.dues, event.seq)}


def _verified(case: Case, event: Event, body: Any) -> Changes:
    return {"deadlines": deadlines.meet(case, "verify", event.occurred_at)}


def _failed(case: Case, event: Event, body: e.VerificationFailed) -> Changes:
    at = event.occurred_at
    reopened = {(r.clock, r.stage, r.set_seq): r for r in body.reopened}
    rows = tuple(
        deadlines.again(d, reopened[d.key], at)
        if d.key in reopened
        else (deadlines.met(d, at) if d.open else d)
        for d in case.deadlines
    )
    return {"rework_count": case.rework_count + 1, "deadlines": rows}


def _reopened(case: Case, event: Event, body: e.CaseReopened) -> Changes:
    side = replace(
        case.side,
        return_asked=False,
        extended=False,
        answer=None,
        satisfaction=None,
        assignments=1,
        answered_by_reporter=False,
        suspended_for=(),
        past_hands=(),
        in_hand_since=None,
        late_reports=(*case.side.late_reports, *case.joined_in_hand(case.closed_at)),
        put_off_by_parts=False,
    )
    return {
        "priority": body.priority,
        "dispatched_at": event.occurred_at,
        "accepted_at": None,
        "resolved_at": None,
        "outcome": None,
        "unverified": False,
        "handler_ref": None,
        "rework_count": 0,
        "side": side,
        **_assigned(deadlines.reopened(case, event, body.reopened), event, body),
    }


def _recomputed(case: Case, event: Event, body: e.DuesRecomputed) -> Changes:
    moved = {(r.clock, r.stage, r.set_seq): r for r in body.dues}

    def move(deadline: Deadline) -> Deadline:
        row = moved.get(deadline.key)
        if row is None:
            return deadline
        return replace(deadline, due_at=row.due_at, official=row.official, step=row.step, next_at=row.next_at)

    return {"deadlines": tuple(move(d) for d in case.deadlines)}


def _step_passed(case: Case, event: Event, body: e.StepPassed) -> Changes:
    key = (body.clock, body.stage, body.set_seq)
    return {
        "deadlines": tuple(
            replace(d, step=body.next_step, next_at=body.next_at) if d.key == key else d
            for d in case.deadlines
        )
    }


def _raised_to(case: Case, level: int) -> int:
    """It only rises towards 1."""
    return level if case.supervised_level is None else min(case.supervised_level, level)


def _escalated(case: Case, event: Event, body: e.CaseEscalated) -> Changes:
    return {"supervised_level": _raised_to(case, body.to_level), **_step_passed(case, event, body)}


def _supervised(case: Case, event: Event, body: e.CaseSupervised | e.GroupIssueDeclared) -> Changes:
    changes: Changes = {"supervised_level": _raised_to(case, body.to_level)}
    if isinstance(body, e.GroupIssueDeclared):
        changes["side"] = replace(case.side, group_issue=True)
    return changes


def _problem_ticket(case: Case, event: Event, body: e.ProblemTicketOpened) -> Changes:
    return {
        "hub_code": body.hub_code,
        "level": body.level,
        "supervised_level": _raised_to(case, body.level),
        "side": replace(case.side, problem_ticket=True),
    }


def _lapsed(case: Case, event: Event, body: e.VerificationLapsed) -> Changes:
    return {"unverified": True, **_step_passed(case, event, body)}


def _unanswered(case: Case, event: Event, body: Any) -> Changes:
    return {"outcome": "no_response", "side": replace(case.side, paused_at=None, suspension=None)}


def _aside(**named: Callable[[Event, Any], Any]) -> Callable[[Case, Event, Any], Changes]:
    """Only these fields beside the row change."""
    return lambda case, event, body: {
        "side": replace(case.side, **{name: of(event, body) for name, of in named.items()})
    }


_APPLY: dict[str, Callable[[Case, Event, Any], Changes]] = {
    "CaseFiled": _filed,
    "CaseDispatched": _dispatched,
    "InfoRequested": _info_requested,
    "InfoSupplied": _runs_on,
    "ReportDeclined": _aside(reason=lambda event, body: body.reason, paused_at=lambda event, body: None),
    "DeclineAppealed": _appealed,
    "ReportRedirected": _aside(reason=lambda event, body: body.to),
    "ReportAttached": _attached,
    "ReportDetached": _detached,
    "CaseDetached": _stands_again,
    "ReportAdded": _report_added,
    "ReportRemoved": _report_removed,
    "DuplicatesSuggested": _aside(suggested=lambda event, body: body.candidates),
    "LikenessDismissed": _likeness_dismissed,
    "CaseAccepted": _accepted,
    "ReturnRequested": _return_requested,
    "ReturnApproved": _reassigned,
    "ReturnRejected": _refused,
    "CaseReassigned": _reassigned,
    "VariantSet": _variant,
    "CategoryChanged": _category,
    "PriorityRaised": _raised,
    "WorkStarted": _in_hand,
    "MilestoneReached": _milestone,
    "CaseDecomposed": _decomposed,
    "ChildChanged": _child,
    "ChildResolved": _child,
    "JointRequested": _joint,
    "UnitReportedIn": _reported_in,
    "ExtensionRequested": _extension_requested,
    "ExtensionGranted": _extended,
    "ExtensionRefused": _refused,
    "SuspensionRequested": _suspension_requested,
    "SuspensionRefused": _refused,
    "CaseSuspended": _suspended,
    "CaseResumed": _runs_on,
    "ResolutionSubmitted": _resolved,
    "VerificationAssigned": _verification_assigned,
    "VerificationPassed": _verified,
    "VerificationFailed": _failed,
    "WorkRestarted": _in_hand,
    "NoResponseClosed": _unanswered,
    "CallbackRecorded": _aside(
        answer=lambda event, body: body.resolved,
        satisfaction=lambda event, body: body.satisfaction,
        answered_by_reporter=lambda event, body: body.by_reporter,
    ),
    "CaseReopened": _reopened,
    "ReportWithdrawn": _withdrawn,
    "CaseUrged": _aside(urged_at=lambda event, body: event.occurred_at),
    "CaseSupervised": _supervised,
    "CaseBacklogged": _aside(backlogged=lambda event, body: True),
    "ProblemTicketOpened": _problem_ticket,
    "GroupIssueDeclared": _supervised,
    "DuesRecomputed": _recomputed,
    "SlaWarning": _step_passed,
    "SlaBreached": _step_passed,
    "CaseEscalated": _escalated,
    "DutyLeaderAlerted": _step_passed,
    "WaitEnded": _step_passed,
    "VerificationLapsed": _lapsed,
    "CaseArchived": _step_passed,
}
