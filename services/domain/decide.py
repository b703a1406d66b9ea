"""Decisions. `file_report` begins a case, `decide` answers a command, `settle` is what the router calls:
it passes every step that has come before the command is looked at, so no late command can hide a breach.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from services.domain import clocks, events, ids, life, messages
from services.domain.case import Case, Deadline
from services.domain.city import LAST_STAGE, NO_CATEGORY, City
from services.domain.errors import NotAllowed
from services.domain.evolve import evolve
from services.domain.limits import Limit
from services.domain.messages import OF_THE_SYSTEM, SYSTEM, CaseCommand, SubmitReport
from services.domain.moved_dues import recomputed, run_on
from services.domain.place import Place
from services.domain.routing import find_owner, route

ACCEPT = "accept"
VERIFY = "verify"


@dataclass(frozen=True, slots=True)
class Settled:
    """What a message made of a case. `refusal` may come with events: the steps passed before it."""

    case: Case
    events: tuple[events.Event, ...]
    refusal: NotAllowed | None = None


def file_report(report: SubmitReport, *, place: Place, city: City, zone: ZoneInfo, now: datetime) -> Settled:
    """One valid report is one case, filed and dispatched at once (lane fast)."""
    case_id = ids.case_id(now, report.report_id)
    way = route(
        city=city,
        category=report.category,
        place=place,
        confidential=report.visibility == "confidential",
    )
    filed = events.CaseFiled(
        report_id=report.report_id,
        root_case_id=case_id,
        number=ids.case_number(case_id, now, zone),
        channel=report.channel,
        category=way.category.code,
        priority=way.category.priority,
        lane="fast",
        place_code=place.place_code,
        location_quality=place.quality,
        unrouted=way.unrouted,
        confidential=way.confidential,
        received_at=now,
    )
    dues = [
        clocks.set_due(
            city=city, priority=filed.priority, clock="owner", stage=stage, limit=limit, start_at=now
        )
        for stage, limit in _owner_limits(city, way.category.code)
    ]
    if way.category.resolve is not None:
        dues.append(
            clocks.set_due(
                city=city,
                priority=filed.priority,
                clock="citizen",
                stage=LAST_STAGE,
                limit=way.category.resolve,
                start_at=now,
            )
        )
    dispatched = events.CaseDispatched(
        hub_code=way.hub_code,
        level=way.level,
        owner=way.owner,
        owner_hub_code=way.owner_hub_code,
        dues=tuple(dues),
    )
    written = tuple(
        events.Event(
            case_id=case_id,
            seq=seq,
            type=type(body).__name__,
            occurred_at=now,
            actor_ref=actor,
            command_id=report.report_id,
            cycle=1,
            city_version=city.version,
            payload=body,
        )
        for seq, actor, body in ((1, f"report:{report.report_id}", filed), (2, SYSTEM, dispatched))
    )
    return Settled(evolve(evolve(None, written[0]), written[1]), written)


def settle(case: Case, command: CaseCommand, *, now: datetime, city: City) -> Settled:
    """Pass what has come, decide the command, pass what it made due. `now` is never before the last event."""
    by_system = "system" in command.actor.roles
    passing = command.payload if isinstance(command.payload, messages.PassDeadline) else None
    if passing and by_system:
        # nobody else moves the clock
        now = max(now, passing.step_at)
    now = max(now, case.last_event_at)
    writer = _Writer(case, command, now, city)
    writer.pass_steps()
    if command.type in OF_THE_SYSTEM:
        if not by_system:
            return writer.settled(NotAllowed("forbidden", "only the system does this"))
        if isinstance(command.payload, messages.RecomputeDues):
            writer.recompute(command.payload.years)
        return writer.settled()
    try:
        bodies = decide(writer.case, command, now=now, city=city)
    except NotAllowed as refusal:
        return writer.settled(refusal)
    for body in bodies:
        writer.write(body, command.actor.ref)
    writer.pass_steps()
    return writer.settled()


def decide(case: Case, command: CaseCommand, *, now: datetime, city: City) -> tuple[Any, ...]:
    """The bodies of the events that a command makes; raises NotAllowed."""
    life.check_move(case, command.type, command.actor, command.expected_seq, city)
    return _DECIDE[command.type](case, command, now, city)


class _Writer:
    """Numbers the events of one message and keeps the case they lead to."""

    def __init__(self, case: Case, command: CaseCommand, now: datetime, city: City) -> None:
        self.case = case
        self._command = command
        self._now = now
        self._city = city
        self._events: list[events.Event] = []

    def write(self, body: Any, actor_ref: str) -> None:
        event = events.Event(
            case_id=self.case.case_id,
            seq=self.case.seq + 1,
            type=type(body).__name__,
            occurred_at=self._now,
            actor_ref=actor_ref,
            command_id=self._command.command_id,
            cycle=self.case.cycle,
            city_version=self._city.version,
            payload=body,
        )
        self._events.append(event)
        self.case = evolve(self.case, event)

    def pass_steps(self) -> None:
        """Every step that has come, in order of time, each once."""
        while (deadline := _next_due(self.case, self._now)) is not None:
            self.write(_step_event(self.case, deadline, self._city), SYSTEM)

    def recompute(self, years: tuple[int, ...]) -> None:
        dues = recomputed(self.case, years, now=self._now, city=self._city)
        if dues:
            self.write(events.DuesRecomputed(years=years, dues=dues), SYSTEM)
            self.pass_steps()

    def settled(self, refusal: NotAllowed | None = None) -> Settled:
        return Settled(self.case, tuple(self._events), refusal)


def _next_due(case: Case, now: datetime) -> Deadline | None:
    due = [d for d in case.deadlines if d.next_at is not None and d.next_at <= now]
    return min(due, key=lambda d: (d.next_at, d.clock, d.stage, d.set_seq), default=None)


def _step_event(case: Case, deadline: Deadline, city: City) -> events.StepPassed:
    assert deadline.step is not None
    assert deadline.next_at is not None
    rung = clocks.rung(city, deadline)
    after = clocks.following(city=city, priority=case.priority, deadline=deadline, step=deadline.step)
    passed: dict[str, Any] = {
        "deadline_id": clocks.step_id(case.case_id, deadline),
        "clock": deadline.clock,
        "stage": deadline.stage,
        "set_seq": deadline.set_seq,
        "step": deadline.step,
        "percent": rung.percent if rung else 0,
        "step_at": deadline.next_at,
        "next_step": after[0] if after else None,
        "next_at": after[1] if after else None,
    }
    if rung is None:
        # a later version of the city has dropped this step: somebody must look
        return events.DutyLeaderAlerted(**passed)
    if rung.event == "CaseEscalated":
        to_level = case.level - rung.levels_up
        if to_level < 1:
            return events.DutyLeaderAlerted(**passed)
        return events.CaseEscalated(**passed, to_level=to_level)
    return {
        "SlaWarning": events.SlaWarning,
        "SlaBreached": events.SlaBreached,
        "VerificationLapsed": events.VerificationLapsed,
    }[rung.event](**passed)


def _owner_limits(city: City, category: str) -> list[tuple[str, Any]]:
    rules = city.categories.get(category) or city.categories[NO_CATEGORY]
    accept = [(ACCEPT, rules.accept)] if rules.accept is not None else []
    return accept + [(m.stage, m.limit) for m in rules.milestones]


def _bare(body: type[Any]) -> Callable[[Case, CaseCommand, datetime, City], tuple[Any, ...]]:
    return lambda case, command, now, city: (body(),)


def _reach_milestone(case: Case, command: CaseCommand, now: datetime, city: City) -> tuple[Any, ...]:
    wanted: messages.ReachMilestone = command.payload  # type: ignore[assignment]
    reachable = [
        d.stage
        for d in case.deadlines
        if d.clock == "owner" and d.open and d.stage not in (ACCEPT, LAST_STAGE, VERIFY)
    ]
    if wanted.stage not in reachable:
        open_ones = ", ".join(reachable) or "none"
        raise NotAllowed("invalid", f"no such open milestone; open are: {open_ones}", "stage")
    return (events.MilestoneReached(stage=wanted.stage, photos=wanted.photos),)


def _submit_resolution(case: Case, command: CaseCommand, now: datetime, city: City) -> tuple[Any, ...]:
    claim: messages.SubmitResolution = command.payload  # type: ignore[assignment]
    verify = clocks.set_due(
        city=city,
        priority=case.priority,
        clock="owner",
        stage=VERIFY,
        limit=_verify_limit(case.priority, city),
        start_at=now,
    )
    return (
        events.ResolutionSubmitted(
            outcome=claim.outcome,
            photos=claim.photos,
            handler_unit=command.actor.unit,
            handler_hubs=command.actor.hubs,
        ),
        events.VerificationAssigned(dues=(verify,)),
    )


def _verify_limit(priority: str, city: City) -> Limit:
    known = city.priorities.get(priority)
    if known is not None:
        return known.verify
    # a later version has dropped the priority: the most patient one's
    return max((one.verify for one in city.priorities.values()), key=lambda limit: limit.length)


def _verify_fail(case: Case, command: CaseCommand, now: datetime, city: City) -> tuple[Any, ...]:
    reopened = tuple(
        run_on(d, case, now, city)
        for d in case.deadlines
        if d.stage == LAST_STAGE and d.met_at is not None and d.closed_at is None
    )
    return (events.VerificationFailed(reopened=reopened),)


def _reassign(case: Case, command: CaseCommand, now: datetime, city: City) -> tuple[Any, ...]:
    wanted: messages.ReassignCase = command.payload  # type: ignore[assignment]
    hub_code = wanted.hub_code or case.hub_code
    if hub_code not in city.hubs:
        raise NotAllowed("invalid", "no hub has this code", "hub_code")
    if not any(city.in_subtree(hub_code, own) for own in command.actor.hubs):
        raise NotAllowed(
            "forbidden", "a case is given within your own hub and below; ask the tier above", "hub_code"
        )
    if wanted.owner not in city.units:
        raise NotAllowed(
            "invalid", f"no unit is called so; known are {', '.join(sorted(city.units))}", "owner"
        )
    found = find_owner(city, (wanted.owner,), hub_code)
    if found is None:
        raise NotAllowed("invalid", "no such unit sits at that hub or above it", "owner")
    unmet = {d.stage for d in case.deadlines if d.clock == "owner" and d.open}
    anew = [
        (stage, limit)
        for stage, limit in _owner_limits(city, case.category)
        if stage == ACCEPT or (stage != LAST_STAGE and stage in unmet)
    ]
    return (
        events.CaseReassigned(
            from_hub_code=case.hub_code,
            from_owner=case.owner,
            hub_code=hub_code,
            level=city.hubs[hub_code].level,
            owner=found[0],
            owner_hub_code=found[1],
            dues=tuple(
                clocks.set_due(
                    city=city, priority=case.priority, clock="owner", stage=stage, limit=limit, start_at=now
                )
                for stage, limit in anew
            ),
        ),
    )


def _add_photos(case: Case, command: CaseCommand, now: datetime, city: City) -> tuple[Any, ...]:
    added: messages.AddPhotos = command.payload  # type: ignore[assignment]
    return (events.PhotosAdded(photos=added.photos, kind=added.kind),)


_DECIDE: dict[str, Callable[[Case, CaseCommand, datetime, City], tuple[Any, ...]]] = {
    "accept": _bare(events.CaseAccepted),
    "start_work": _bare(events.WorkStarted),
    "reach_milestone": _reach_milestone,
    "submit_resolution": _submit_resolution,
    "verify_pass": _bare(events.VerificationPassed),
    "verify_fail": _verify_fail,
    "restart": _bare(events.WorkRestarted),
    "reassign": _reassign,
    "comment": _bare(events.CommentAdded),
    "add_photos": _add_photos,
}
