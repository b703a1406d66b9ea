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
    Invited,
    SubmitReport,
    WantedPart,
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
    """One life: every message, what it made, and the case at its end; `family` holds its parts as well.

    `taken` are the messages to the case itself, `all_taken` those to its parts too.
    """

    report: SubmitReport
    case: Case
    events: list[Event]
    taken: list[tuple[CaseCommand, datetime, Settled]] = field(default_factory=list)
    all_taken: list[tuple[CaseCommand, datetime, Settled]] = field(default_factory=list)
    family: dict[str, Case] = field(default_factory=dict)
    family_events: list[Event] = field(default_factory=list)


def walk(seed: int, length: int = 45, later: City = IN_OFFICIAL_YEARS) -> Walk:
    chance = random.Random(seed)
    first = report(chance.choice(CATEGORIES), hub_code="V11")
    begun = filing(first, place=IN_V11)
    life = Walk(first, begun.case, list(begun.events))
    life.family = {begun.case.case_id: begun.case}
    life.family_events = list(begun.events)
    now = T0
    for _ in range(length):
        now += timedelta(minutes=chance.choice((0, 0, 1, 5, 20, 45, 90, 240, 600, 1500)))
        whose = life.case.case_id if chance.random() < 0.75 else chance.choice(sorted(life.family))
        case = life.family[whose]
        kind = likely(chance, case)
        command = CaseCommand(
            command_id=some_id(),
            case_id=whose,
            type=kind,
            actor=SYSTEM_ACTOR if kind in OF_THE_SYSTEM else someone(chance, case),
            received_at=now,
            payload=WIRE_TYPES[kind](**values(chance, kind, case)),
            expected_seq=chance.choice((None, None, case.seq, case.seq, case.seq - 2)),
        )
        others = {key: one for key, one in life.family.items() if key != whose}
        settled = settle(case, command, now=now, city=city_at(command, later), others=others)
        life.family |= {**settled.others, whose: settled.case}
        life.family_events += settled.events
        life.events += [one for one in settled.events if one.case_id == life.case.case_id]
        life.all_taken.append((command, now, settled))
        if whose == life.case.case_id:
            life.taken.append((command, now, settled))
        life.case = life.family[life.case.case_id]
    return life


AHEAD = {
    "triaging": ("file_case", "file_case", "request_info", "decline", "redirect"),
    "need_info": ("supply_info", "pass_deadline"),
    "declined": ("appeal",),
    "dispatched": ("accept", "accept", "reassign", "request_return", "decide_return", "set_variant"),
    "accepted": ("start_work", "start_work", "split", "whistle", "reassign"),
    "in_progress": (
        "submit_resolution", "submit_resolution", "reach_milestone", "reassign", "split", "whistle",
        "request_extension", "decide_extension", "suspend", "decide_suspension",
    ),
    "suspended": ("resume", "pass_deadline"),
    "verifying": ("verify_fail", "verify_fail", "verify_pass", "comment"),
    "rework": ("restart",),
    "closed": ("reopen", "record_callback"),
}  # fmt: skip


def likely(chance: random.Random, case: Case) -> str:
    """Mostly what leads on, so that walks get far; now and then anything."""
    if chance.random() < 0.7 and case.state in AHEAD:
        return chance.choice(AHEAD[case.state])
    return chance.choice(tuple(WIRE_TYPES))


def someone(chance: random.Random, case: Case) -> Actor:
    """Anybody of the town, its reporter or a unit that was asked to come; now and then a stranger."""
    if chance.random() > 0.9:
        return chance.choice(STRANGERS)
    own = [Actor(ref=f"report:{one}", roles=("reporter",)) for one in case.reports]
    guests = [
        Actor(ref="guest", roles=("partner" if i.partner else "unit",), hubs=(i.hub_code,), unit=i.unit)
        for i in case.side.invited
    ]
    return chance.choice((*ACTORS, *own, *own, *guests))


def values(chance: random.Random, kind: str, case: Case) -> dict[str, Any]:
    owner, hub = chance.choice(
        (("works", "T1"), ("guard", "V11"), ("guard", "V12"), ("works", None), ("gas", "C"))
    )
    match kind:
        case "reach_milestone":
            return {"stage": chance.choice(("on_site", "on_site", "resolve")), "photos": ("a" * 32,)}
        case "submit_resolution":
            outcome = chance.choice(("fixed", "gone_on_arrival", "unfounded", "not_feasible"))
            return {"outcome": outcome, "photos": ("a" * 32,)}
        case "reassign" | "force_assign":
            return {"owner": owner, "hub_code": hub}
        case "request_return":
            return {"owner": owner, "hub_code": hub, "clause": "7.2"}
        case "decide_return":
            return {"approve": chance.random() < 0.6, "owner": owner, "hub_code": hub}
        case "decide_extension" | "decide_suspension":
            return {"approve": chance.random() < 0.7}
        case "add_photos":
            return {"photos": ("b" * 32, "c" * 32), "kind": chance.choice(("before", "after"))}
        case "decline":
            return {"reason": chance.choice(("outside", "no_response", "nonsense"))}
        case "redirect":
            return {"to": chance.choice(("119", "119", "12345")), "receipt": "A-17"}
        case "attach":
            return {"to_case_id": some_id()}
        case "detach":
            return {"report_id": some_id()}
        case "file_case":
            return {"category": chance.choice(("pothole", "ads", "danger", "none")), "hub_code": "V12"}
        case "set_variant":
            return {"variant": chance.choice((None, "deep", "none"))}
        case "set_category":
            return {"category": chance.choice(("pothole", "ads", "leak", "plan", "secret"))}
        case "raise_priority":
            return {"reason": "injury"}
        case "split":
            part = WantedPart(owner=owner, hub_code=hub, required=chance.random() < 0.7)
            return {"parts": (part,) * chance.choice((0, 1, 2)), "ordered": chance.random() < 0.5}
        case "whistle":
            unit, at = chance.choice((("bank", None), ("guard", "V11"), ("gas", None)))
            return {"invite": (Invited(unit=unit, hub_code=at),)}
        case "request_extension":
            return {"limit": chance.choice(("24h C24", "48h C24", "99h C24"))}
        case "suspend":
            return {"reason": chance.choice(("weather", "waiting_for_reporter", "mood"))}
        case "record_callback":
            return {"resolved": chance.choice(("yes", "partly", "no")), "satisfaction": 4}
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
