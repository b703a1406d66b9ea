"""How the router settles a command: pass what has come, decide, pass what that made due.

So no late command can hide a breach, and no clock depends on somebody's asking in time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.domain import clocks, events, messages
from services.domain.case import Case, Deadline
from services.domain.city import City
from services.domain.decide import decide
from services.domain.errors import NotAllowed
from services.domain.evolve import evolve
from services.domain.messages import OF_THE_SYSTEM, SYSTEM, CaseCommand
from services.domain.moved_dues import recomputed


@dataclass(frozen=True, slots=True)
class Settled:
    """What a message made of a case. `refusal` may come with events: the steps passed before it."""

    case: Case
    events: tuple[events.Event, ...]
    refusal: NotAllowed | None = None


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
