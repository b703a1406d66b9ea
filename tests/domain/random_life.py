"""Random lives with a fixed seed: a report and then commands of anybody, right or wrong, early or late."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from services.domain import clocks
from services.domain.case import Case
from services.domain.city import City
from services.domain.events import Event, Likeness
from services.domain.filing import Known, add_report, file_report
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
    """A report and what came after it, told message by message; `family` holds its parts as well.

    With newcomers, other reports came meanwhile: as cases of their own, or joined to one that is known.
    """

    report: SubmitReport
    family: dict[str, Case]
    family_events: list[Event]
    all_taken: list[tuple[CaseCommand, datetime, Settled]] = field(default_factory=list)

    @property
    def case_id(self) -> str:
        return self.family_events[0].case_id

    @property
    def case(self) -> Case:
        return self.family[self.case_id]

    @property
    def events(self) -> list[Event]:
        return self.events_of(self.case_id)

    def events_of(self, case_id: str) -> list[Event]:
        return [event for event in self.family_events if event.case_id == case_id]

    def take(self, settled: Settled) -> None:
        self.family |= {**settled.others, settled.case.case_id: settled.case}
        self.family_events += settled.events


def walk(seed: int, length: int = 70, later: City = IN_OFFICIAL_YEARS, *, newcomers: bool = False) -> Walk:
    chance = random.Random(seed)
    first = report(chance.choice(CATEGORIES), hub_code="V11")
    begun = filing(first, place=IN_V11)
    life = Walk(first, {begun.case.case_id: begun.case}, list(begun.events))
    now = T0
    for _ in range(length):
        now += timedelta(minutes=chance.choice((0, 0, 0, 0, 1, 1, 5, 5, 20, 45, 90, 240, 600, 1500)))
        if newcomers and chance.random() < 0.15:
            life.take(newcomer(chance, life, now))
            continue
        open_ones = sorted(key for key, one in life.family.items() if one.open)
        whose = chance.choice((life.case_id, *open_ones, *open_ones))
        case = life.family[whose]
        others = {key: one for key, one in life.family.items() if key != whose}
        kind = likely(chance, case)
        command = CaseCommand(
            command_id=some_id(),
            case_id=whose,
            type=kind,
            actor=SYSTEM_ACTOR if kind in OF_THE_SYSTEM else someone(chance, case, kind),
            received_at=now,
            payload=WIRE_TYPES[kind](**values(chance, kind, case, sorted(others))),
            expected_seq=chance.choice((None, None, None, None, case.seq, case.seq, case.seq, case.seq - 2)),
        )
        settled = settle(case, command, now=now, city=city_at(command, later), others=others)
        life.take(settled)
        life.all_taken.append((command, now, settled))
    return life


def newcomer(chance: random.Random, life: Walk, now: datetime) -> Settled:
    """Another report: the router found the case that it is about, or one that it may be about."""
    case = life.family[chance.choice((life.case_id, *sorted(life.family)))]
    one = report(chance.choice(CATEGORIES), hub_code="V11")
    like = Likeness(case_id=case.case_id, score=0.9, distance_m=12.5)
    joins = case.open or case.state == "closed"
    if joins and not case.confidential and case.side.parent_case_id is None and chance.random() < 0.7:
        return add_report(
            one,
            case,
            likeness=like,
            same_reporter=chance.random() < 0.2,
            anonymous=chance.random() < 0.1,
            now=now,
            city=CITY,
            others={key: other for key, other in life.family.items() if key != case.case_id},
        )
    known = Known(danger=chance.random() < 0.2, like=(like,))
    return file_report(one, place=IN_V11, city=CITY, now=now, known=known)


AHEAD = {
    "triaging": (
        "file_case", "file_case", "request_info", "decline", "redirect", "attach", "attach", "keep_apart",
        "raise_priority",
    ),
    "need_info": ("supply_info", "supply_info", "raise_priority", "pass_deadline", "decline"),
    "declined": ("appeal",),
    "filed": ("reassign", "pass_deadline"),
    "dispatched": (
        "accept", "accept", "accept", "accept", "reassign", "force_assign", "request_return", "decide_return",
        "decide_return", "set_variant", "set_category", "attach", "attach", "keep_apart", "detach",
    ),
    "accepted": (
        "start_work", "start_work", "start_work", "split", "whistle", "reassign", "request_extension",
        "decide_extension", "detach", "report_in",
    ),
    "in_progress": (
        *("submit_resolution",) * 6, "reach_milestone", "reassign", "split",
        "whistle", "request_extension", "decide_extension", "suspend", "decide_suspension",
        "decide_suspension", "detach", "report_in", "set_variant", "set_category", "urge",
    ),
    "suspended": ("resume", "resume", "pass_deadline"),
    "verifying": ("verify_fail", "verify_fail", "verify_fail", "verify_pass", "verify_pass", "detach"),
    "rework": ("restart", "restart", "restart", "raise_priority"),
    "closed": ("reopen", "record_callback", "pass_deadline"),
}  # fmt: skip


def likely(chance: random.Random, case: Case) -> str:
    """Mostly what leads on, so that walks get far; now and then anything."""
    if case.side.request is not None and chance.random() < 0.4:
        return f"decide_{case.side.request.kind}"
    if any(one.from_case_id for one in case.side.attached) and chance.random() < 0.2:
        return "detach"
    if chance.random() < 0.8 and case.state in AHEAD:
        return chance.choice(AHEAD[case.state])
    return chance.choice(tuple(WIRE_TYPES))


BY_REPORTER = {"supply_info", "appeal", "withdraw", "urge"}


def someone(chance: random.Random, case: Case, kind: str) -> Actor:
    """Mostly whoever does such things; else anybody of the town; now and then a stranger."""
    own = [Actor(ref=f"report:{one}", roles=("reporter",)) for one in case.reports]
    guests = [
        Actor(ref="guest", roles=("partner" if i.partner else "unit",), hubs=(i.hub_code,), unit=i.unit)
        for i in case.side.invited
    ]
    draw = chance.random()
    if draw > 0.9:
        return chance.choice(STRANGERS)
    if draw < 0.6 and kind in BY_REPORTER and own:
        return chance.choice(own)
    if draw < 0.6 and kind == "report_in" and guests:
        return chance.choice(guests)
    if draw < 0.3 and kind in ("suspend", "submit_resolution"):
        return Actor(ref="owner", roles=("unit",), hubs=(case.owner_hub_code,), unit=case.owner)
    if draw < 0.6 and kind not in BY_REPORTER:
        return dispatcher("V11" if kind.startswith("verify") else "C")
    return chance.choice((*ACTORS, *own, *guests))


def values(chance: random.Random, kind: str, case: Case, others: Sequence[str] = ()) -> dict[str, Any]:
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
            return {"to_case_id": chance.choice((*others, some_id()))}
        case "keep_apart":
            suggested = [one.case_id for one in case.side.suggested]
            return {"case_id": chance.choice((*suggested, *suggested, some_id()))}
        case "detach":
            came = [one.report_id for one in case.side.attached]
            merged = [one.report_id for one in case.side.attached if one.from_case_id is not None]
            return {"report_id": chance.choice((*came, *merged, *merged, *merged, some_id()))}
        case "file_case":
            category = chance.choice(("pothole", "pothole", "leak", "ads", "danger", "none"))
            return {"category": category, "hub_code": chance.choice((None, "V11", "V12"))}
        case "set_variant":
            return {"variant": chance.choice((None, "deep", "none"))}
        case "set_category":
            return {"category": chance.choice(("pothole", "pothole", "ads", "leak", "plan", "secret"))}
        case "raise_priority":
            return {"reason": "injury"}
        case "split":
            part = WantedPart(owner=owner, hub_code=hub, required=chance.random() < 0.7)
            return {"parts": (part,) * chance.choice((0, 1, 2, 2)), "ordered": chance.random() < 0.5}
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
