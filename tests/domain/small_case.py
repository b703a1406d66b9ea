"""One made-up case after another: the small city with a ladder and limits that can be counted in the head.

T0 is the start; `at(4)` is four hours later. Hubs: C; towns T1 (V11, V12) and T2 (V21). Units: works at
towns, guard at villages, gas at the city; desks at every tier.
"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from services.domain import ids
from services.domain.case import Case
from services.domain.city import City
from services.domain.city_problems import Lined
from services.domain.city_rows import Table, header_of, read_rows
from services.domain.filing import file_report
from services.domain.messages import SYSTEM_ACTOR, WIRE_TYPES, Actor, CaseCommand, SubmitReport
from services.domain.place import Place
from services.domain.settling import Settled, settle
from tests.domain.small_city import FILES

T0: Final = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
ZONE: Final = ZoneInfo("Asia/Shanghai")

COUNTABLE: Final = {
    **FILES,
    "priorities.csv": """\
priority,name_zh,name_en,accept,verify,triage,report_in,extension,urgent,supervise_after
P1,急,Danger,15m C24,4h C24,5m C24,30m C24,,yes,30m
P2,紧,Urgent,1h C24,4h C24,15m C24,30m C24,,yes,2h
P3,常,Ordinary,4h C24,48h C24,1h C24,2h C24,48h C24,no,
""",
    "categories.csv": """\
code,name_zh,name_en,kind,tier,owner,else_owner,assist,priority,accept,milestones,variants,verify,flags,basis
pothole,坑,Pothole,thing,2,works,,,P3,4h C24,on_site=6h C24;resolve=10h C24,,S,,
ads,广告,Ads,thing,3,guard,village_desk,,P3,4h C24,resolve=10h C24,,P,,
lost,失,Lost,thing,3,nobody_yet,works,,P3,4h C24,resolve=10h C24,,P,,
nobody,无,Nobody,thing,3,nobody_yet,,,P3,4h C24,resolve=10h C24,,P,,
leak,漏,Leak,thing,2,works,,,P2,1h C24,resolve=24h C24,deep:fence=2h C24;resolve=48h C24,S,,
danger,险,Danger,safety,3,guard,,,P1,15m C24,resolve=6h C24,,S,,
slow_danger,慢险,Slow danger,safety,2,works,,,P1,4h C24,resolve=10h C24,,S,,
gas,燃气,Gas,safety,1,gas,,,P1,5m C24,resolve=2h C24,,S,hotline:119,
secret,密,Secret,safety,2,works,,,P3,4h C24,resolve=10h C24,,R,confidential,
fire,火,Fire,safety,1,,,,P1,,,,,redirect:119,
plan,划,Plan,thing,2,works,,,P3,4h C24,resolve=30WD OFF,,P,,
other,其他,Other,thing,2,town_desk,,,P3,4h C24,resolve=10h C24,,P,,
""",
    "ladder.csv": """\
clock,stage,step,percent,event,levels_up
owner,accept,warning,50,SlaWarning,
owner,accept,due,100,SlaBreached,
owner,accept,supervise,150,CaseEscalated,1
owner,accept,supervise_2,200,CaseEscalated,2
owner,resolve,warning,80,SlaWarning,
owner,resolve,due,100,SlaBreached,
owner,resolve,supervise,150,CaseEscalated,1
owner,resolve,supervise_2,200,CaseEscalated,2
owner,*,due,100,SlaBreached,
owner,verify,due,100,VerificationLapsed,
citizen,resolve,due,100,SlaBreached,
""",
}


def city_of(files: Mapping[str, str], version: int = 7) -> City:
    """The city in texts that are known to be whole."""
    tables = {}
    for name in (name for name in files if header_of(name)):
        header, *lines = files[name].splitlines()
        rows = (Lined(number, tuple(line.split(","))) for number, line in enumerate(lines, start=2))
        tables[name] = Table(name, tuple(header.split(",")), tuple(rows))
    settings: dict[str, Lined[Any]] = {
        name: Lined(1, value) for name, value in tomllib.loads(files["city.toml"]).items()
    }
    rows_read, unread = read_rows(tables=tables, settings=settings, areas=())
    assert not unread
    return rows_read.city(version, ZoneInfo(settings["timezone"].value))


def changed(file: str, old: str, new: str) -> City:
    """The next version of the city, with one text replaced in one file."""
    assert COUNTABLE[file].count(old) == 1, f"{file} has not exactly one {old!r}"
    return city_of({**COUNTABLE, file: COUNTABLE[file].replace(old, new)}, version=8)


CITY: Final = city_of(COUNTABLE)
YEARS: Final = {
    f"calendar-days/{year}.csv": f"date,day,name,source\n{year}-01-01,holiday,元旦,made up\n"
    for year in (2026, 2027)
}
IN_OFFICIAL_YEARS: Final = city_of({**COUNTABLE, **YEARS}, version=8)
"""The next version: in CITY every year is predicted."""

IN_V11: Final = Place("V11", "V11", "good")

WORKS: Final = Actor(ref="works-1", roles=("unit",), hubs=("T1",), unit="works")
WORKS_COLLEAGUE: Final = Actor(ref="works-2", roles=("unit",), hubs=("T1",), unit="works")
WORKS_OF_T2: Final = Actor(ref="works-3", roles=("unit",), hubs=("T2",), unit="works")
GUARD_OF_V11: Final = Actor(ref="guard-1", roles=("unit",), hubs=("V11",), unit="guard")
GUARD_OF_V21: Final = Actor(ref="guard-2", roles=("unit",), hubs=("V21",), unit="guard")
REPORTER: Final = Actor(ref="report:r", roles=("reporter",))
NOBODY: Final = Actor(ref="nobody")


def dispatcher(hub: str, ref: str | None = None) -> Actor:
    return Actor(ref=ref or f"dispatcher-{hub}", roles=("dispatcher",), hubs=(hub,))


def at(hours: float = 0, minutes: float = 0) -> datetime:
    return T0 + timedelta(hours=hours, minutes=minutes)


_numbers = itertools.count(1)


def ids_begin_again() -> None:
    """For a story that is told anew and must be the same."""
    global _numbers
    _numbers = itertools.count(1)


def some_id() -> str:
    return f"00000000-0000-8000-8000-{next(_numbers):012x}"


def report(category: str | None = "pothole", **values: Any) -> SubmitReport:
    given: dict[str, Any] = {"report_id": some_id(), "received_at": T0, "channel": "resident"}
    return SubmitReport(category=category, **{**given, **values})


def filed(
    category: str | None = "pothole",
    *,
    place: Place = IN_V11,
    city: City = CITY,
    now: datetime = T0,
    **values: Any,
) -> Settled:
    return filing(report(category, **values), place=place, city=city, now=now)


def filing(one: SubmitReport, *, place: Place, city: City = CITY, now: datetime = T0) -> Settled:
    return file_report(one, place=place, city=city, now=now)


def command(
    case: Case,
    kind: str,
    actor: Actor,
    /,
    *,
    received_at: datetime = T0,
    expected_seq: int | None = None,
    **values: Any,
) -> CaseCommand:
    return CaseCommand(
        command_id=some_id(),
        case_id=case.case_id,
        type=kind,
        actor=actor,
        received_at=received_at,
        payload=WIRE_TYPES[kind](**values),
        expected_seq=expected_seq,
    )


def act(
    case: Case,
    kind: str,
    actor: Actor,
    now: datetime = T0,
    /,
    *,
    city: City = CITY,
    expected_seq: int | None = None,
    **values: Any,
) -> Settled:
    return settle(
        case,
        command(case, kind, actor, received_at=now, expected_seq=expected_seq, **values),
        now=now,
        city=city,
    )


def done(
    case: Case,
    kind: str,
    actor: Actor,
    now: datetime = T0,
    /,
    *,
    city: City = CITY,
    expected_seq: int | None = None,
    **values: Any,
) -> Case:
    """What a command that is applied leaves."""
    settled = act(case, kind, actor, now, city=city, expected_seq=expected_seq, **values)
    assert settled.refusal is None, f"{kind}: {settled.refusal.code} {settled.refusal.detail}"
    return settled.case


def time_passes(case: Case, now: datetime, *, city: City = CITY) -> Settled:
    """The timekeeper's command with an instant of its own and a step that nobody knows."""
    wanted: dict[str, Any] = {"deadline_id": ids.deadline_id("x", "owner", "x", "x", 1), "step_at": T0}
    return act(case, "pass_deadline", SYSTEM_ACTOR, now, city=city, **wanted)


def under_way(category: str = "pothole", now: datetime = T0, **values: Any) -> Case:
    """A case accepted and in progress at `now` by the works of T1."""
    case = done(filed(category, **values).case, "accept", WORKS, now)
    return done(case, "start_work", WORKS, now)


def claimed(now: datetime, by: Actor = WORKS, **values: Any) -> Case:
    """In progress from T0 and handled by `by` at `now`: verifying."""
    return done(under_way(**values), "submit_resolution", by, now, outcome="fixed")
