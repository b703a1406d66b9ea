"""What must follow from an event in the same decision, whoever made it: nobody has to think of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from services.domain import clocks, events
from services.domain.case import ENDED, Case
from services.domain.city import LAST_STAGE, NO_RESPONSE, WAITING_FOR_REPORTER, City
from services.domain.deciding import INFO, SUSPENSION, TRIAGE, On, above, archive_due
from services.domain.events import Part
from services.domain.moved_dues import run_on

_A_DAY = timedelta(days=1)


def follow(case: Case, body: Any, *, now: datetime, city: City) -> Iterable[Any]:
    """Bodies for the same case, in order; `case` is as the event left it."""
    after = _AFTER.get(type(body))
    return after(case, body, now, city) if after else ()


def _reworked(case: Case, body: Any, now: datetime, city: City) -> Iterator[Any]:
    if case.rework_count >= city.policy.most_reworks and not case.side.problem_ticket:
        yield _problem_ticket(case, "reworks", city)


def _handed_over(case: Case, body: Any, now: datetime, city: City) -> Iterator[Any]:
    if case.side.assignments >= city.policy.most_owners and not case.side.problem_ticket:
        yield _problem_ticket(case, "owners", city)


def _breached(case: Case, body: events.SlaBreached, now: datetime, city: City) -> Iterator[Any]:
    if body.stage.startswith("report_in:"):
        yield events.CaseSupervised(to_level=max(1, case.level - 1), reason="not_reported_in")
    yield from _unsolved(case, body, now, city)


def _unsolved(case: Case, body: events.StepPassed, now: datetime, city: City) -> Iterator[Any]:
    """Extended, and past the due all the same; a breach from before the extension is not told again."""
    late = (body.clock, body.stage) == ("owner", LAST_STAGE) and body.percent >= 100
    if late and case.side.extended and not case.side.backlogged:
        yield events.CaseBacklogged()


def _waited(case: Case, body: events.WaitEnded, now: datetime, city: City) -> Iterator[Any]:
    if body.stage == INFO and case.state == "need_info":
        reason = city.policy.declines.get(NO_RESPONSE)
        yield events.ReportDeclined(reason=NO_RESPONSE, channel=reason.channel if reason else None)
    elif body.stage == SUSPENSION and case.state == "suspended":
        waited = case.side.suspension == WAITING_FOR_REPORTER and not _joined_since(case, case.side.paused_at)
        if waited and case.reports and not case.open_parts:
            yield events.NoResponseClosed(dues=archive_due(case, city, now))
        else:
            stood = (d for d in case.deadlines if d.open and d.clock == "owner" and d.step is not None)
            yield events.CaseResumed(
                reopened=tuple(
                    run_on(d, case, now, city, stood_since=case.side.paused_at)
                    for d in stood
                    if d.next_at is None
                )
            )
    else:
        yield events.CaseSupervised(to_level=max(1, case.level - 1), reason="undecided")


def _joined_since(case: Case, since: datetime | None) -> bool:
    """Whoever joined meanwhile was asked nothing."""
    came = (one.added_at for one in case.side.attached)
    return any(since is not None and at is not None and at >= since for at in came)


def _escalated(case: Case, body: events.CaseEscalated, now: datetime, city: City) -> Iterator[Any]:
    """Territorial fallback: where nobody sits at the desk that must supervise, the next above is called."""
    yield from _unsolved(case, body, now, city)
    hub = city.at_level(case.hub_code if case.hub_code in city.hubs else city.root, body.to_level)
    chain = city.ancestors(hub)
    on_duty = next((one for one in chain if city.on_duty(one, now)), city.root)
    if on_duty != hub:
        yield events.DutyDeskPaged(hub_code=on_duty, reason="off_duty")


def _problem_ticket(case: Case, reason: Any, city: City) -> events.ProblemTicketOpened:
    hub = above(city, case.hub_code)
    return events.ProblemTicketOpened(reason=reason, hub_code=hub, level=city.hubs[hub].level)


def _many_reporters(case: Case, body: events.ReportAdded, now: datetime, city: City) -> Iterator[Any]:
    """Several people within a day: it matters more; many: the tier above must know."""
    reporters = case.reporters
    if body.same_reporter or body.anonymous or not case.open or now - case.received_at > _A_DAY:
        return
    many = reporters == city.policy.many_reporters and not case.side.raised_for_many
    if many and city.higher(case.priority) != case.priority:
        yield raised(case, "many_reporters", now=now, city=city)
    if reporters == city.policy.group_reporters and not case.side.group_issue:
        level = max(1, case.level - 1)
        yield events.GroupIssueDeclared(reporters=reporters, to_level=level)
        hub = city.at_level(case.hub_code if case.hub_code in city.hubs else city.root, level)
        yield events.DutyDeskPaged(hub_code=hub, reason="group_issue")


def raised(case: Case, reason: Any, *, now: datetime, city: City) -> events.PriorityRaised:
    """One up; what waits for acceptance or for people is due sooner, never later, and stands if it stood."""
    priority = city.higher(case.priority)
    rules = city.priorities[priority]
    sooner = []
    for stage, limit in ((clocks.ACCEPT, rules.accept), (TRIAGE, rules.triage)):
        before = case.open_deadline("owner", stage)
        if before is None or clocks.is_breached(city, before):
            continue
        stands = before.next_at is None
        due = clocks.set_due(
            city=city,
            priority=priority,
            clock="owner",
            stage=stage,
            limit=limit,
            start_at=(case.side.paused_at or now) if stands else now,
        )
        if due.due_at < before.due_at:
            sooner.append(replace(due, next_at=None) if stands else due)
    return events.PriorityRaised(priority=priority, reason=reason, dues=tuple(sooner))


def child_events(
    parent: Case, child: Case, cases: Mapping[str, Case], *, now: datetime, city: City
) -> Iterator[On]:
    """A child's change shows on its parent; when one of an ordered row has ended, the next begins."""
    known = next(part for part in parent.side.parts if part.case_id == child.case_id)
    part = Part(
        case_id=child.case_id,
        number=child.number,
        required=known.required,
        confidential=known.confidential,
        state=child.state,
        hub_code=child.hub_code,
        owner=child.owner,
        owner_hub_code=child.owner_hub_code,
    )
    if child.state in ENDED and known.state not in ENDED:
        hands = tuple(one for one in (*child.side.past_hands, child.handler_ref) if one is not None)
        yield On(parent.case_id, events.ChildResolved(part=part, outcome=child.outcome, hands=hands))
        yield from _next_parts(parent, child, cases, now, city)
    else:
        yield On(parent.case_id, events.ChildChanged(part=part))


def _next_parts(
    parent: Case, ended: Case, cases: Mapping[str, Case], now: datetime, city: City
) -> Iterator[On]:
    """What waits begins once nothing before it is open; what must be done, once nothing such is."""
    before: list[Part] = []
    for part in parent.side.parts:
        if part.state == "filed" and not any(one.required or not part.required for one in before):
            yield On(part.case_id, begin_part(cases[part.case_id], now=now, city=city))
        if part.case_id != ended.case_id and part.state not in ENDED:
            before.append(part)


def begin_part(part: Case, *, now: datetime, city: City) -> events.CaseDispatched:
    """A part that waited for its turn is dispatched: its owner's clock starts now."""
    return events.CaseDispatched(
        hub_code=part.hub_code,
        level=part.level,
        owner=part.owner,
        owner_hub_code=part.owner_hub_code,
        dues=clocks.owner_dues(city, part.category, priority=part.priority, start_at=now),
    )


_AFTER: dict[type[Any], Callable[[Case, Any, datetime, City], Iterator[Any]]] = {
    events.SlaBreached: _breached,
    events.WaitEnded: _waited,
    events.CaseEscalated: _escalated,
    events.DutyLeaderAlerted: _unsolved,
    events.VerificationFailed: _reworked,
    events.CaseReassigned: _handed_over,
    events.ReturnApproved: _handed_over,
    events.ReportAdded: _many_reporters,
}
