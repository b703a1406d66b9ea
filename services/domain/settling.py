"""How the router settles a command: pass what has come, decide, pass what that made due.

So no late command can hide a breach, and no clock depends on somebody's asking in time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.domain import clocks, events, messages
from services.domain.case import Case, Deadline
from services.domain.city import City
from services.domain.decide import decide, payload_free
from services.domain.deciding import Desk, On, archive_due
from services.domain.errors import NotAllowed
from services.domain.evolve import evolve
from services.domain.following import child_events, follow
from services.domain.messages import OF_THE_SYSTEM, SYSTEM, Actor, CaseCommand
from services.domain.moved_dues import recomputed


@dataclass(frozen=True, slots=True)
class Settled:
    """What a message made of a case. `refusal` may come with events: the steps passed before it.

    `others` are the near cases that it changed or began as well.
    """

    case: Case
    events: tuple[events.Event, ...]
    refusal: NotAllowed | None = None
    others: Mapping[str, Case] = field(default_factory=dict)


def settle(
    case: Case, command: CaseCommand, *, now: datetime, city: City, others: Mapping[str, Case] | None = None
) -> Settled:
    """Pass what has come, decide the command, pass what it made due. `now` is never before the last event.

    `others` are the cases of `Case.relatives` and those the command names, as far as there are any.
    """
    by_system = "system" in command.actor.roles
    passing = command.payload if isinstance(command.payload, messages.PassDeadline) else None
    if passing and by_system:
        # nobody else moves the clock
        now = max(now, passing.step_at)
    now = max(now, case.last_event_at)
    writer = Writer({**(others or {}), case.case_id: case}, command.command_id, now, city)
    writer.pass_steps(case.case_id)
    if command.type in OF_THE_SYSTEM:
        if not by_system:
            return writer.settled(case.case_id, NotAllowed("forbidden", "only the system does this"))
        if isinstance(command.payload, messages.RecomputeDues):
            writer.recompute(case.case_id, command.payload.years)
        return writer.settled(case.case_id)
    refusal = writer.decide(case.case_id, command)
    if refusal is None:
        writer.pass_steps(case.case_id)
    return writer.settled(case.case_id, refusal)


class Writer:
    """Numbers the events of one message and keeps the cases they lead to."""

    def __init__(self, cases: Mapping[str, Case], command_id: str, now: datetime, city: City) -> None:
        self.cases = dict(cases)
        self._command_id = command_id
        self._now = now
        self._city = city
        self._events: list[events.Event] = []
        self._touched: set[str] = set()

    def decide(self, case_id: str, command: CaseCommand) -> NotAllowed | None:
        case = self.cases[case_id]
        others = {key: one for key, one in self.cases.items() if key != case_id}
        desk = Desk(case=case, command=command, now=self._now, city=self._city, others=others)
        try:
            bodies = decide(desk)
        except NotAllowed as refusal:
            return refusal
        for body in bodies:
            if isinstance(body, On):
                self.write(body.case_id, body.body, command.actor.ref)
            else:
                self.write(case_id, body, command.actor.ref)
        return None

    def decide_more(self, case_id: str, kind: str, actor: Actor) -> NotAllowed | None:
        """What follows of itself if it may: a command that nobody sent."""
        return self.decide(case_id, payload_free(case_id, kind, actor, self._command_id, self._now))

    def copy(self) -> Writer:
        """To try what may be refused."""
        copied = Writer(self.cases, self._command_id, self._now, self._city)
        copied._events, copied._touched = list(self._events), set(self._touched)
        return copied

    def write(self, case_id: str, body: Any, actor_ref: str) -> None:
        """One event, and at once whatever the life of a case says must follow from it."""
        before = self.cases.get(case_id)
        cycle = before.cycle if before is not None else 1
        event = events.Event(
            case_id=case_id,
            seq=before.seq + 1 if before is not None else 1,
            type=type(body).__name__,
            occurred_at=max(self._now, before.last_event_at) if before is not None else self._now,
            actor_ref=actor_ref,
            command_id=self._command_id,
            cycle=cycle + 1 if isinstance(body, events.CaseReopened) else cycle,
            city_version=self._city.version,
            payload=body,
        )
        self._events.append(event)
        after = self.cases[case_id] = evolve(before, event)
        self._touched.add(case_id)
        if after.side.parent_case_id is not None and _shows(before) != _shows(after):
            self._tell_parent(after)
        for more in follow(after, body, now=self._now, city=self._city):
            self.write(case_id, more, SYSTEM)

    def _tell_parent(self, child: Case) -> None:
        parent = self.cases.get(child.side.parent_case_id or "")
        if parent is None or all(part.case_id != child.case_id for part in parent.side.parts):
            # not yet: the parent's own event comes after its children's beginnings
            return
        for on in child_events(parent, child, self.cases, now=self._now, city=self._city):
            self.write(on.case_id, on.body, SYSTEM)

    def pass_steps(self, case_id: str) -> None:
        """Every step that has come, in order of time, each once."""
        while (deadline := _next_due(self.cases[case_id], self._now)) is not None:
            case = self.cases[case_id]
            self.write(case_id, _step_event(case, deadline, self._city, self._now), SYSTEM)

    def recompute(self, case_id: str, years: tuple[int, ...]) -> None:
        dues = recomputed(self.cases[case_id], years, now=self._now, city=self._city)
        if dues:
            self.write(case_id, events.DuesRecomputed(years=years, dues=dues), SYSTEM)
            self.pass_steps(case_id)

    def settled(self, case_id: str, refusal: NotAllowed | None = None) -> Settled:
        others = {key: self.cases[key] for key in self._touched if key != case_id}
        return Settled(self.cases[case_id], tuple(self._events), refusal, others)


def _shows(case: Case | None) -> tuple[str, ...] | None:
    """What a parent knows of its part."""
    return None if case is None else (case.state, case.hub_code, case.owner, case.owner_hub_code)


def _next_due(case: Case, now: datetime) -> Deadline | None:
    due = [d for d in case.deadlines if d.next_at is not None and d.next_at <= now]
    return min(due, key=lambda d: (d.next_at, d.clock, d.stage, d.set_seq), default=None)


def _step_event(case: Case, deadline: Deadline, city: City, now: datetime) -> events.StepPassed:
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
    if rung.event == "VerificationLapsed":
        return events.VerificationLapsed(**passed, dues=archive_due(case, city, now))
    return _STEPS[rung.event](**passed)


_STEPS: dict[str, type[events.StepPassed]] = {
    "SlaWarning": events.SlaWarning,
    "SlaBreached": events.SlaBreached,
    "WaitEnded": events.WaitEnded,
    "CaseArchived": events.CaseArchived,
}
