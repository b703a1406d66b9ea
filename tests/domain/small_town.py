"""Several cases of the small city at once: reports that join and leave them, parts, and what each is told."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from services.domain import ids
from services.domain.case import Case, Deadline
from services.domain.city import City
from services.domain.events import Event, Likeness
from services.domain.filing import NOTHING_KNOWN, Known, add_report, file_report
from services.domain.messages import SYSTEM_ACTOR, Actor, WantedPart
from services.domain.settling import Settled, settle
from tests.domain.small_case import CITY, IN_V11, T0, command, report

SOMETHING: Final[dict[str, Any]] = {
    "deadline_id": ids.deadline_id("x", "owner", "x", "x", 1),
    "step_at": T0,
}
"""A step that nobody knows: the timekeeper only says what time it is."""


def reporter_of(case: Case) -> Actor:
    return by_report(case.reports[0])


def by_report(report_id: str) -> Actor:
    return Actor(ref=f"report:{report_id}", roles=("reporter",))


def unit(name: str, hub: str, ref: str | None = None) -> Actor:
    return Actor(ref=ref or f"{name}-of-{hub}", roles=("unit",), hubs=(hub,), unit=name)


def partner(name: str, hub: str) -> Actor:
    return Actor(ref=f"{name}-of-{hub}", roles=("partner",), hubs=(hub,), unit=name)


def with_role(role: str, hub: str) -> Actor:
    return Actor(ref=f"{role}-{hub}", roles=(role,), hubs=(hub,))


class Town:
    """Every command is decided with all the cases there are, and what it wrote is kept."""

    def __init__(self, *cases: Case, city: City = CITY) -> None:
        self.city = city
        self.cases = {case.case_id: case for case in cases}
        self.events: list[Event] = []

    def __getitem__(self, case: Case | str) -> Case:
        """As it stands now."""
        return self.cases[case if isinstance(case, str) else case.case_id]

    def keep(self, settled: Settled) -> Settled:
        self.cases |= {**settled.others, settled.case.case_id: settled.case}
        self.events += settled.events
        return settled

    def report(
        self,
        category: str | None = "pothole",
        now: datetime = T0,
        known: Known = NOTHING_KNOWN,
        **values: Any,
    ) -> Case:
        one = report(category, **values)
        return self.keep(file_report(one, place=IN_V11, city=self.city, now=now, known=known)).case

    def join(
        self,
        case: Case,
        now: datetime = T0,
        *,
        same_reporter: bool = False,
        anonymous: bool = False,
        **values: Any,
    ) -> Settled:
        """Another report of what this case is about: the router has found it."""
        known = self[case]
        return self.keep(
            add_report(
                report(**values),
                known,
                likeness=Likeness(case_id=known.case_id, score=0.9, distance_m=12.0),
                same_reporter=same_reporter,
                anonymous=anonymous,
                now=now,
                city=self.city,
                others=self._others(known),
            )
        )

    def act(
        self,
        case: Case,
        kind: str,
        actor: Actor,
        now: datetime = T0,
        /,
        *,
        seen: int | None = None,
        **values: Any,
    ) -> Settled:
        known = self[case]
        wanted = command(known, kind, actor, received_at=now, expected_seq=seen, **values)
        return self.keep(settle(known, wanted, now=now, city=self.city, others=self._others(known)))

    def do(self, case: Case, kind: str, actor: Actor, now: datetime = T0, /, **values: Any) -> Case:
        """What a command that is applied leaves."""
        settled = self.act(case, kind, actor, now, **values)
        assert settled.refusal is None, f"{kind}: {settled.refusal.code} {settled.refusal.detail}"
        return settled.case

    def split(
        self, case: Case, actor: Actor, now: datetime = T0, *parts: WantedPart, ordered: bool = False
    ) -> list[Case]:
        """The new parts in order; the parent stands in the town."""
        known = len(self[case].side.parts)
        parent = self.do(case, "split", actor, now, parts=parts, ordered=ordered)
        return [self.cases[part.case_id] for part in parent.side.parts[known:]]

    def wait(self, now: datetime) -> list[Event]:
        """Time passes for everybody, case by case in the order of their ids."""
        before = len(self.events)
        for case_id in sorted(self.cases):
            self.act(self.cases[case_id], "pass_deadline", SYSTEM_ACTOR, now, **SOMETHING)
        return self.events[before:]

    def _others(self, case: Case) -> dict[str, Case]:
        return {key: one for key, one in self.cases.items() if key != case.case_id}


def told(settled: Settled) -> tuple[str, str | None]:
    """Code and field of a refusal."""
    assert settled.refusal is not None, [event.type for event in settled.events]
    return settled.refusal.code, settled.refusal.field


def types(events: list[Event] | tuple[Event, ...]) -> list[str]:
    return [event.type for event in events]


def told_at(events: Iterable[Event]) -> list[tuple[str, str, datetime]]:
    """The steps among them: what, of which stage, and when it had come."""
    return [(e.type, e.payload.stage, e.payload.step_at) for e in events if hasattr(e.payload, "step_at")]


def row(case: Case, stage: str, clock: str = "owner") -> Deadline:
    """The open row of this stage."""
    (found,) = (d for d in case.deadlines if (d.clock, d.stage) == (clock, stage) and d.open)
    return found


def rows(case: Case, stage: str, clock: str = "owner") -> list[Deadline]:
    return [d for d in case.deadlines if (d.clock, d.stage) == (clock, stage)]


def open_dues(case: Case, clock: str = "owner") -> dict[str, datetime]:
    return {d.stage: d.due_at for d in case.deadlines if d.clock == clock and d.open}
