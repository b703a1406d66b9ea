"""Many cases whose next step, an escalation, comes at chosen instants, and what became of them.

They are laid before their time: until the clock of the stack gets there, nothing of them is due.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from services.domain.city import City
from services.domain.messages import SYSTEM_ACTOR, SubmitReport
from tests.harness import book, topics
from tests.harness.laid import Laying, case_of, command, report

CATEGORY: Final = "manhole_damaged"
"""Accepted within 15 minutes by the wall clock, supervised at 150 percent of that."""
_NO_STEP: Final = "00000000-0000-8000-8000-000000000000"
_AGAIN_AFTER: Final = timedelta(seconds=10)


async def lay(laying: Laying, city: City, instants: Sequence[datetime], name: str) -> dict[str, datetime]:
    """A case for each instant, warned and breached, that is to escalate then: case_id → instant."""
    accept = city.categories[CATEGORY].accept
    assert accept is not None
    reports = [
        report(f"{name} {number}", CATEGORY, hub, at - accept.length * 1.5)
        for (number, at), hub in zip(enumerate(instants), hubs_in_turn(city), strict=False)
    ]
    await laying.lay(reports)
    await laying.lay(_until_due(one, one.received_at + accept.length) for one in reports)
    return {case_of(one): at for one, at in zip(reports, instants, strict=True)}


def hubs_in_turn(city: City) -> Iterator[str]:
    """Every hub of the place tier in turn, for ever."""
    hubs = sorted(code for code, hub in city.hubs.items() if hub.level == city.place_level)
    while True:
        yield from hubs


def _until_due(one: SubmitReport, due_at: datetime) -> Any:
    return command(case_of(one), "pass_deadline", SYSTEM_ACTOR, due_at, deadline_id=_NO_STEP, step_at=due_at)


async def next_steps(database_url: str, cases: dict[str, datetime]) -> dict[str, tuple[str, datetime]]:
    """The next step of each of these cases and its instant, as the book has it."""
    rows = await book.rows(
        database_url,
        "SELECT DISTINCT ON (case_id) case_id, step, next_at FROM deadlines"
        " WHERE case_id = ANY ($1::uuid[]) AND next_at IS NOT NULL ORDER BY case_id, next_at",
        list(cases),
    )
    return {row["case_id"]: (row["step"], row["next_at"]) for row in rows}


async def not_escalated(database_url: str, cases: dict[str, datetime]) -> int:
    """How many of them nobody supervises yet."""
    found: int = await book.value(
        database_url,
        "SELECT count(*) AS n FROM cases WHERE case_id = ANY ($1::uuid[]) AND supervised_level IS NULL",
        list(cases),
    )
    return found


@dataclass(frozen=True, slots=True)
class Escalation:
    """`appended_at` is the broker's own time."""

    case_id: str
    seq: int
    deadline_id: str
    step_at: datetime
    appended_at: float


@dataclass(frozen=True, slots=True)
class Asked:
    """A command of the timekeeper as it lies on its topic."""

    case_id: str
    deadline_id: str
    partition: int
    offset: int
    received_at: datetime
    step_at: datetime
    appended_at: float


def escalations(bootstrap: str, cases: dict[str, datetime]) -> list[Escalation]:
    """Of these cases, each event once, as it was first published."""
    found: dict[tuple[str, int], Escalation] = {}
    for record in topics.read(bootstrap, "case-events"):
        body = record.body() or {}
        if body["type"] == "CaseEscalated" and body["case_id"] in cases:
            one = Escalation(
                body["case_id"],
                body["seq"],
                body["payload"]["deadline_id"],
                datetime.fromisoformat(body["payload"]["step_at"]),
                record.at,
            )
            before = found.get((one.case_id, one.seq))
            if before is None or one.appended_at < before.appended_at:
                found[one.case_id, one.seq] = one
    return list(found.values())


def asked(bootstrap: str, cases: dict[str, datetime]) -> list[Asked]:
    """What the timekeeper sent of these cases, in the order in which it sent it."""
    found = []
    for record in topics.read(bootstrap, "case-commands"):
        body = record.body() or {}
        if body["type"] == "pass_deadline" and body["case_id"] in cases:
            found.append(
                Asked(
                    body["case_id"],
                    body["payload"]["deadline_id"],
                    record.partition,
                    record.offset,
                    datetime.fromisoformat(body["received_at"]),
                    datetime.fromisoformat(body["payload"]["step_at"]),
                    record.at,
                )
            )
    return sorted(found, key=lambda one: one.received_at)


def complaints(seen: Sequence[Escalation], sent: Sequence[Asked], cases: dict[str, datetime]) -> list[str]:
    """All escalate, each once, at their instants; the timekeeper asked each once, and the oldest first.

    Asking again what is still open 10 s later is its duty, and asking for a step that came after it asked.
    """
    wrong = []
    times = Counter(one.case_id for one in seen)
    wrong += [f"{case_id} escalated {times[case_id]} times" for case_id in cases if times[case_id] != 1]
    wrong += [
        f"{one.case_id}: step_at is {one.step_at}, it was to be {cases[one.case_id]}"
        for one in seen
        if abs(one.step_at - cases[one.case_id]) > timedelta(microseconds=2)
    ]
    first: dict[str, Asked] = {}
    for one in sent:
        before = first.setdefault(one.case_id, one)
        # Of an older case the next step may come while the others are passed: that is another question.
        again = before is not one and one.step_at <= before.received_at
        if again and one.received_at - before.received_at < _AGAIN_AFTER:
            wrong.append(f"{one.case_id} was asked {one.received_at - before.received_at} after it was asked")
    wrong += [f"{case_id} was never asked" for case_id in cases if case_id not in first]
    wrong += _not_oldest_first([*first.values()], "all")
    for partition in sorted({one.partition for one in sent}):
        lane = sorted(
            (one for one in first.values() if one.partition == partition), key=lambda one: one.offset
        )
        wrong += _not_oldest_first(lane, f"partition {partition}")
    return wrong


def _not_oldest_first(sent: Sequence[Asked], where: str) -> list[str]:
    return [
        f"{where}: {later.case_id} of {later.step_at} was sent after {early.case_id} of {early.step_at}"
        for early, later in pairwise(sent)
        if later.step_at < early.step_at
    ]
