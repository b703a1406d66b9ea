"""Random lives with a fixed seed: a report and then commands of anybody, right or wrong, early or late."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from services.domain import clocks
from services.domain.case import Case
from services.domain.city import City
from services.domain.events import Event
from services.domain.messages import (
    OF_THE_SYSTEM,
    SYSTEM_ACTOR,
    WIRE_TYPES,
    Actor,
    CaseCommand,
    SubmitReport,
)
from services.domain.settling import Settled, settle
from tests.domain.small_case import (
    CITY,
    GUARD_OF_V11,
    IN_OFFICIAL_YEARS,
    IN_V11,
    NOBODY,
    REPORTER,
    T0,
    WORKS,
    WORKS_OF_T2,
    dispatcher,
    filing,
    report,
    some_id,
)

CATEGORIES = (
    "pothole",
    "ads",
    "lost",
    "leak",
    "danger",
    "slow_danger",
    "gas",
    "secret",
    "fire",
    "plan",
    "other",
    None,
)
ACTORS = (WORKS, *(dispatcher(hub) for hub in ("C", "C", "T1", "T1", "V11", "V12", "T2")), GUARD_OF_V11)
STRANGERS = (WORKS_OF_T2, REPORTER, NOBODY)


def city_at(command: CaseCommand, later: City = IN_OFFICIAL_YEARS) -> City:
    """Each recount finds two years official that nobody else knows of."""
    return later if command.type == "recompute_dues" else CITY


@dataclass
class Walk:
    """One life: every message, what it made, and the case at its end."""

    report: SubmitReport
    case: Case
    events: list[Event]
    taken: list[tuple[CaseCommand, datetime, Settled]] = field(default_factory=list)


def walk(seed: int, length: int = 45, later: City = IN_OFFICIAL_YEARS) -> Walk:
    chance = random.Random(seed)
    first = report(chance.choice(CATEGORIES), hub_code="V11")
    begun = filing(first, place=IN_V11)
    life = Walk(first, begun.case, list(begun.events))
    now = T0
    for _ in range(length):
        now += timedelta(minutes=chance.choice((0, 0, 1, 5, 20, 45, 90, 240, 600, 1500)))
        kind = likely(chance, life.case)
        command = CaseCommand(
            command_id=some_id(),
            case_id=life.case.case_id,
            type=kind,
            actor=SYSTEM_ACTOR if kind in OF_THE_SYSTEM else someone(chance),
            received_at=now,
            payload=WIRE_TYPES[kind](**values(chance, kind, life.case)),
            expected_seq=chance.choice((None, None, life.case.seq, life.case.seq, life.case.seq - 2)),
        )
        settled = settle(life.case, command, now=now, city=city_at(command, later))
        life.taken.append((command, now, settled))
        life.events += settled.events
        life.case = settled.case
    return life


def likely(chance: random.Random, case: Case) -> str:
    """Mostly what leads on, so that walks get far; now and then anything."""
    ahead = {
        "dispatched": ("accept", "accept", "reassign"),
        "accepted": ("start_work", "start_work", "reassign"),
        "in_progress": ("submit_resolution", "submit_resolution", "reach_milestone", "reassign"),
        "verifying": ("verify_fail", "verify_fail", "verify_pass", "comment"),
        "rework": ("restart",),
    }
    if chance.random() < 0.7 and case.state in ahead:
        return chance.choice(ahead[case.state])
    return chance.choice(tuple(WIRE_TYPES))


def someone(chance: random.Random) -> Actor:
    return chance.choice(ACTORS if chance.random() < 0.9 else STRANGERS)


def values(chance: random.Random, kind: str, case: Case) -> dict[str, Any]:
    match kind:
        case "reach_milestone":
            return {"stage": chance.choice(("on_site", "on_site", "resolve")), "photos": ("a" * 32,)}
        case "submit_resolution":
            return {"outcome": chance.choice(("fixed", "gone_on_arrival", "unfounded", "not_feasible"))}
        case "reassign":
            owner, hub = chance.choice(
                (("works", "T1"), ("guard", "V11"), ("guard", "V12"), ("works", None), ("gas", "C"))
            )
            return {"owner": owner, "hub_code": hub}
        case "add_photos":
            return {"photos": ("b" * 32, "c" * 32), "kind": chance.choice(("before", "after"))}
        case "pass_deadline":
            waiting = [d for d in case.deadlines if d.next_at is not None]
            if not waiting:
                return {"deadline_id": some_id(), "step_at": T0}
            due = chance.choice(waiting)
            return {"deadline_id": clocks.step_id(case.case_id, due), "step_at": due.next_at}
        case "recompute_dues":
            return {"years": (2026, 2027)}
        case _:
            return {}
