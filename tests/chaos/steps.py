"""Which steps of the ladder each case must have passed: reckoned from its events and the city's files alone.

Slow and plain on purpose, after the words of domain.md 6.5; a case is at rest, so no step is still to come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.chaos.quick_city import Plan, Rung, level, plan
from tests.chaos.seen import Seen

TIMER_EVENTS = ("SlaWarning", "SlaBreached", "CaseEscalated", "DutyLeaderAlerted", "VerificationLapsed")
_CLOSING = ("VerificationPassed", "VerificationLapsed")
Name = tuple[str, str, int, str]
"""clock, stage, seq of the event that set it, step"""


@dataclass
class Clock:
    """A limit that was set: from `start` on, standing during `pauses`, over when `met` or `closed`."""

    clock: str
    stage: str
    set_seq: int
    start: datetime
    limit: int
    met: datetime | None = None
    closed: bool = False
    pauses: list[tuple[datetime, datetime]] = field(default_factory=list)

    @property
    def runs(self) -> bool:
        return self.met is None and not self.closed

    def instant(self, rung: Rung, after_due: int | None) -> datetime:
        at = self.start + timedelta(milliseconds=self.limit * 10 * rung.percent)
        if rung.levels_up == 1 and after_due is not None:
            at = min(at, self.start + timedelta(seconds=self.limit + after_due))
        for stood, ran_on in self.pauses:
            if at > stood:
                at = ran_on + (at - stood)
        return at


@dataclass
class Story:
    """One case, told again event by event. `wrong` is what an event did that it should not have done."""

    city: Plan
    case_id: str
    clocks: list[Clock] = field(default_factory=list)
    passed: set[Name] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    category: str = ""
    priority: str = ""
    level: int = 0

    def tell(self, event: dict[str, Any]) -> None:
        now, seq, kind, body = event["occurred_at"], event["seq"], event["type"], event["payload"]
        if kind in TIMER_EVENTS:
            self._step(event)
        else:
            # Before anything else is decided on a case, what has come is passed.
            self.wrong += (f"{name} should have been passed before {kind} ({seq})" for name in self._due(now))
        match kind:
            case "TriageStarted":
                self.category, self.priority = body["category"], body["priority"]
                self.level = level(body["hub_code"])
                self._set("owner", "triage", seq, now)
            case "ProblemTicketOpened":
                self.level = body["level"]
            case "CaseFiled":
                self.category, self.priority = body["category"], body["priority"]
            case "CaseDispatched":
                self.level = level(body["hub_code"])
                self._set("owner", "accept", seq, now)
                for stage, _ in self.city.milestones[self.category]:
                    self._set("owner", stage, seq, now)
                self._set("citizen", "resolve", seq, now)
            case "CaseReassigned":
                self.level = level(body["hub_code"])
                anew = {
                    c.stage for c in self.clocks if c.runs and c.clock == "owner" and c.stage != "resolve"
                }
                for clock in self.clocks:
                    clock.closed |= clock.runs and clock.clock == "owner" and clock.stage in anew
                for stage in {"accept", *anew}:
                    self._set("owner", stage, seq, now)
            case "CaseAccepted":
                self._meet(now, "accept")
            case "MilestoneReached":
                self._meet(now, body["stage"])
            case "ResolutionSubmitted":
                for clock in self.clocks:
                    clock.met = now if clock.runs else clock.met
            case "VerificationAssigned":
                self._set("owner", "verify", seq, now)
            case "VerificationFailed":
                self._meet(now, "verify")
                self._run_on(now)
        if kind in _CLOSING:
            for clock in self.clocks:
                clock.closed |= clock.runs
            # the archive is a month away: none of its steps comes in a storm
            self.clocks.append(Clock("owner", "archive", seq, now, limit=0, closed=True))

    def _set(self, clock: str, stage: str, seq: int, now: datetime) -> None:
        limits = {
            **dict(self.city.milestones[self.category]),
            "verify": self.city.verify[self.priority],
            "triage": self.city.triage[self.priority],
        }
        if self.category in self.city.accept:
            limits["accept"] = self.city.accept[self.category]
        if stage in limits:
            self.clocks.append(Clock(clock, stage, seq, now, limits[stage]))

    def _meet(self, now: datetime, stage: str) -> None:
        for clock in self.clocks:
            if clock.runs and clock.clock == "owner" and clock.stage == stage:
                clock.met = now

    def _run_on(self, now: datetime) -> None:
        """A failed verification: the owner's resolve stood still since the claim, the citizen's never did."""
        for clock in self.clocks:
            if clock.stage == "resolve" and clock.met is not None and not clock.closed:
                if clock.clock == "owner":
                    clock.pauses.append((clock.met, now))
                clock.met = None

    def _instants(self, clock: Clock) -> Iterator[tuple[Name, datetime, Rung]]:
        for rung in self.city.rungs(clock.clock, clock.stage):
            name = clock.clock, clock.stage, clock.set_seq, rung.step
            yield name, clock.instant(rung, self.city.supervise_after.get(self.priority)), rung

    def _due(self, now: datetime) -> list[Name]:
        """Steps of running clocks that have come and were not passed, in order of time."""
        found = [
            (at, name)
            for clock in self.clocks
            if clock.runs
            for name, at, _ in self._instants(clock)
            if at <= now and name not in self.passed
        ]
        return [name for _, name in sorted(found)]

    def _step(self, event: dict[str, Any]) -> None:
        body, now = event["payload"], event["occurred_at"]
        name = body["clock"], body["stage"], body["set_seq"], body["step"]
        due = self._due(now)
        if name not in due:
            self.wrong.append(f"{event['type']} {name} ({event['seq']}) was not due at {now}")
            return
        expected = {found: (at, rung) for clock in self.clocks for found, at, rung in self._instants(clock)}
        at, rung = expected[name]
        if datetime.fromisoformat(body["step_at"]) != at:
            self.wrong.append(f"{name} ({event['seq']}) says step_at {body['step_at']}, reckoned is {at}")
        if any(expected[other][0] < at for other in due):
            self.wrong.append(f"{name} ({event['seq']}) was passed before an earlier step")
        told, to_level = self._event_of(rung)
        if (event["type"], body.get("to_level")) != (told, to_level):
            self.wrong.append(f"{name} ({event['seq']}) is {event['type']}, reckoned is {told} {to_level}")
        self.passed.add(name)

    def _event_of(self, rung: Rung) -> tuple[str, int | None]:
        if rung.event != "CaseEscalated":
            return rung.event, None
        above = self.level - rung.levels_up
        return ("CaseEscalated", above) if above >= 1 else ("DutyLeaderAlerted", None)

    def missing(self) -> list[Name]:
        """Steps of clocks that still run: of a case at rest every one of them has been passed."""
        return self._due(datetime.max.replace(tzinfo=self.clocks[0].start.tzinfo)) if self.clocks else []


def every_step_once(seen: Seen) -> Iterator[str]:
    """No warning, breach or escalation twice, none missing, none early, none out of order."""
    city = plan()
    ids: Counter[str] = Counter()
    for case_id, events in seen.events.items():
        story = Story(city, case_id)
        for event in events:
            story.tell(event)
            if event["type"] in TIMER_EVENTS:
                ids[event["payload"]["deadline_id"]] += 1
        yield from (f"{case_id}: {what}" for what in story.wrong)
        yield from (f"{case_id}: {name} is missing" for name in story.missing())
        rows = {(d["clock"], d["stage"], d["set_seq"]) for d in seen.deadlines.get(case_id, [])}
        reckoned = {(c.clock, c.stage, c.set_seq) for c in story.clocks}
        if rows != reckoned:
            yield f"{case_id}: the deadlines are {sorted(rows)}, reckoned are {sorted(reckoned)}"
    yield from (f"deadline_id {one} came {number} times" for one, number in ids.items() if number > 1)


def steps_passed(seen: Seen) -> Counter[str]:
    """How many of each timer event there are."""
    return Counter(e["type"] for events in seen.events.values() for e in events if e["type"] in TIMER_EVENTS)


def dues_passed(seen: Seen) -> int:
    """How many deadlines fell due: the steps at 100 percent."""
    return sum(
        event["payload"].get("step") == "due"
        for events in seen.events.values()
        for event in events
        if event["type"] in TIMER_EVENTS
    )
