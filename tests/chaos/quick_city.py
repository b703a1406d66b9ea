"""A city in a hurry: the small city with limits of 2 to 20 seconds by the wall clock, and the whole ladder.

`write` makes its folder; `plan` reads the same texts back with plain code, to check the router's sums.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from tests.domain.small_city import FILES

PRIORITIES = """\
priority,name_zh,name_en,accept,verify,triage,report_in,extension,urgent,supervise_after
P1,急,Urgent,2s C24,5s C24,3s C24,4s C24,,yes,1s
P2,中,Middling,3s C24,7s C24,4s C24,4s C24,,yes,2s
P3,常,Ordinary,4s C24,6s C24,5s C24,4s C24,20s C24,no,
"""
CATEGORIES = """\
code,name_zh,name_en,kind,tier,owner,else_owner,assist,priority,accept,milestones,variants,verify,flags,basis
pothole,坑,Pothole,thing,2,works,,,P2,3s C24,on_site=6s C24;resolve=10s C24,deep:resolve=20s C24,S,,
ads,广告,Ads,thing,3,guard,village_desk,works,P3,4s C24,resolve=8s C24,,P,transient,
gas,燃气,Gas,safety,1,gas,,,P1,2s C24,make_safe=3s C24;resolve=5s C24,,S,hotline:119,
secret,密,Secret,safety,2,works,,,P2,5s C24,resolve=12s C24,,R,confidential,
fire,火,Fire,safety,1,,,,P1,,,,,redirect:119,
other,其他,Other,thing,2,town_desk,,,P3,10s C24,resolve=20s C24,,P,,
"""
LADDER = """\
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
"""
SETTINGS = FILES["city.toml"].replace('street = ["pothole"]', "")
"""Nothing is compared: each report of a storm is a case of its own, or the sums must judge likeness too."""
TEXTS = {
    **FILES,
    "city.toml": SETTINGS,
    "priorities.csv": PRIORITIES,
    "categories.csv": CATEGORIES,
    "ladder.csv": LADDER,
}

HUBS = ("C", "T1", "T2", "V11", "V12", "V21")
POINTS = {"V11": (120.58, 31.0), "V12": (120.62, 31.0), "V21": (120.41, 30.99)}
"""A point inside each village."""


def write(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, text in TEXTS.items():
        (folder / name).write_text(text, "utf-8")
    return folder


@dataclass(frozen=True)
class Rung:
    step: str
    percent: int
    event: str
    levels_up: int


@dataclass(frozen=True)
class Plan:
    """Seconds, and rungs from the lowest percent up."""

    accept: dict[str, int]
    """category → seconds; a redirected category is not there"""
    milestones: dict[str, list[tuple[str, int]]]
    verify: dict[str, int]
    triage: dict[str, int]
    supervise_after: dict[str, int]
    ladder: dict[tuple[str, str], list[Rung]]

    def rungs(self, clock: str, stage: str) -> list[Rung]:
        return self.ladder.get((clock, stage)) or self.ladder[clock, "*"]


def plan() -> Plan:
    categories, priorities = _rows(CATEGORIES), _rows(PRIORITIES)
    ladder: dict[tuple[str, str], list[Rung]] = {}
    for row in _rows(LADDER):
        rung = Rung(row["step"], int(row["percent"]), row["event"], int(row["levels_up"] or 0))
        ladder.setdefault((row["clock"], row["stage"]), []).append(rung)
    for rungs in ladder.values():
        rungs.sort(key=lambda rung: rung.percent)
    return Plan(
        accept={row["code"]: _seconds(row["accept"]) for row in categories if row["accept"]},
        milestones={
            row["code"]: [
                (stage, _seconds(limit))
                for stage, _, limit in (one.partition("=") for one in row["milestones"].split(";") if one)
            ]
            for row in categories
        },
        verify={row["priority"]: _seconds(row["verify"]) for row in priorities},
        triage={row["priority"]: _seconds(row["triage"]) for row in priorities},
        supervise_after={
            row["priority"]: _seconds(row["supervise_after"]) for row in priorities if row["supervise_after"]
        },
        ladder=ladder,
    )


def level(hub: str) -> int:
    return {"C": 1, "T": 2, "V": 3}[hub[0]]


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def _seconds(limit: str) -> int:
    number = limit.split(" ")[0]
    assert number.endswith("s"), limit
    return int(number[:-1])
