"""A whole other city is data: one with two tiers in another time zone, one with four, made of texts alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.adapters.city_files import read_city, read_folder
from services.domain.case import Case
from services.domain.city import City
from services.domain.filing import file_report
from services.domain.messages import SYSTEM_ACTOR, WIRE_TYPES, Actor, CaseCommand, SubmitReport
from services.domain.place import Place
from services.domain.settling import Settled, settle
from tests.domain.small_city import FILES
from tests.domain.wuzhong import FOLDER

SETTINGS = FILES["city.toml"].replace('hub_code = "T1"', "").replace("[partners.bank]", "[declines.bank]")
"""Without the partner, whose hub is none of theirs."""


def comparing(category: str) -> str:
    return SETTINGS.replace('["pothole"]', f'["{category}"]')


TWO_TIERS = {
    **FILES,
    "city.toml": comparing("bench").replace("Asia/Shanghai", "Europe/Berlin").replace("Small City", "Zwei"),
    "tiers.csv": """\
level,code,name_zh,name_en,desk,duty,place
1,stadt,城,City,hall,RATHAUS,no
2,viertel,区,Quarter,office,C24,yes
""",
    "units.csv": """\
unit,level,name_zh,name_en
hall,1,厅,Town hall
office,2,所,Quarter office
parks,1,园,Parks
""",
    "hubs.csv": """\
code,parent,level,kind,name,lon,lat,position
S,,1,city,Stadt,13.4,52.5,centre
Q1,S,2,quarter,Mitte,13.4,52.5,centre
Q2,S,2,quarter,Nord,13.4,52.6,centre
""",
    "categories.csv": """\
code,name_zh,name_en,kind,tier,owner,else_owner,assist,priority,accept,milestones,variants,verify,flags,basis
bench,椅,Bench,thing,2,parks,,,P2,2h RATHAUS,resolve=3WD RATHAUS,,P,,
other,其他,Other,thing,1,hall,,,P2,1WD RATHAUS,resolve=5WD RATHAUS,,P,,
""",
    "priorities.csv": """\
priority,name_zh,name_en,accept,verify,triage,report_in,extension,urgent,supervise_after
P2,常,Ordinary,4h RATHAUS,1WD RATHAUS,1h RATHAUS,2h RATHAUS,5WD RATHAUS,no,
""",
    "calendars.csv": """\
code,name_zh,name_en,kind,spans
C24,全天,Wall clock,every,00:00-24:00
RATHAUS,市政厅,Town hall hours,workdays,08:00-16:00
""",
    "calendar-days/2027.csv": "date,day,name,source\n2027-05-06,holiday,Himmelfahrt,Feiertagsgesetz\n",
    "calendar-days/predicted.csv": "month_day,name\n01-01,Neujahr\n12-25,Weihnachten\n12-26,Weihnachten\n",
    "tiles.csv": """\
tile,name_zh,name_en,icon,category,alternatives,hotlines
park,园,Park,M3 3h18,bench,other,
""",
    "areas.geojson": '{"type": "FeatureCollection", "features": []}',
}
FOUR_TIERS = {
    **FILES,
    "city.toml": comparing("leaf"),
    "tiers.csv": """\
level,code,name_zh,name_en,desk,duty,place
1,province,省,Province,desk1,C24,no
2,city,市,City,desk2,C24,no
3,town,镇,Town,desk3,C24,no
4,grid,格,Grid,desk4,C24,yes
""",
    "units.csv": "unit,level,name_zh,name_en\n" + "".join(f"desk{n},{n},台,Desk {n}\n" for n in range(1, 5)),
    "hubs.csv": """\
code,parent,level,kind,name,lon,lat,position
P,,1,p,省,120.5,31.0,centre
P-C,P,2,c,市,120.5,31.0,centre
P-C-T,P-C,3,t,镇,120.5,31.0,centre
P-C-T-G,P-C-T,4,g,格,120.5,31.0,centre
""",
    "categories.csv": """\
code,name_zh,name_en,kind,tier,owner,else_owner,assist,priority,accept,milestones,variants,verify,flags,basis
leaf,叶,Leaf,thing,4,desk4,,,P2,1h OFF,resolve=1WD OFF,,P,,
other,其他,Other,thing,4,desk4,,,P2,1h OFF,resolve=1WD OFF,,P,,
""",
    "tiles.csv": """\
tile,name_zh,name_en,icon,category,alternatives,hotlines
leaf,叶,Leaf,M3 3h18,leaf,,
""",
    "ladder.csv": FILES["ladder.csv"].replace(
        "owner,accept,supervise,150,CaseEscalated,1\n",
        "".join(f"owner,accept,up_{n},{100 + 50 * n},CaseEscalated,{n}\n" for n in range(1, 5)),
    ),
    "areas.geojson": '{"type": "FeatureCollection", "features": []}',
}


def filed(files: dict[str, str], category: str, place: str, now: datetime) -> tuple[Case, City]:
    city = read_city(files, 1)
    report = SubmitReport(
        report_id="00000000-0000-8000-8000-000000000000",
        received_at=now,
        channel="resident",
        category=category,
    )
    return file_report(report, place=Place(place, place, "good"), city=city, now=now).case, city


def act(case: Case, city: City, kind: str, actor: Actor, now: datetime, **values: Any) -> Settled:
    command = CaseCommand(
        command_id=f"00000000-0000-8000-9000-{case.seq:012x}",
        case_id=case.case_id,
        type=kind,
        actor=actor,
        received_at=now,
        payload=WIRE_TYPES[kind](**values),
    )
    return settle(case, command, now=now, city=city)


def test_a_city_of_two_tiers_in_another_zone() -> None:
    """Wednesday 5 May 2027 15:00 in Berlin; Thursday is Ascension Day there, and 2 h end on Friday 09:00."""
    case, city = filed(TWO_TIERS, "bench", "Q1", datetime(2027, 5, 5, 13, 0, tzinfo=UTC))
    assert (case.hub_code, case.owner, case.owner_hub_code) == ("Q1", "parks", "S")
    dues = {(d.clock, d.stage): (d.due_at, d.official) for d in case.deadlines}
    assert dues["owner", "accept"] == (datetime(2027, 5, 7, 7, 0, tzinfo=UTC), True)
    assert dues["citizen", "resolve"] == (datetime(2027, 5, 11, 14, 0, tzinfo=UTC), True)
    climbed = act(
        case, city, "pass_deadline", SYSTEM_ACTOR, datetime(2027, 6, 1, tzinfo=UTC),
        deadline_id=case.case_id, step_at=datetime(2027, 6, 1, tzinfo=UTC),
    )  # fmt: skip
    assert [e.payload.to_level for e in climbed.events if e.type == "CaseEscalated"] == [1]


def test_a_city_of_two_tiers_goes_its_whole_way() -> None:
    now = datetime(2027, 5, 5, 8, 0, tzinfo=UTC)
    case, city = filed(TWO_TIERS, "bench", "Q2", now)
    parks = Actor(ref="a", roles=("unit",), hubs=("S",), unit="parks")
    quarter = Actor(ref="b", roles=("dispatcher",), hubs=("Q2",))
    moves: list[tuple[str, Actor, dict[str, Any]]] = [
        ("accept", parks, {}),
        ("start_work", parks, {}),
        ("submit_resolution", parks, {"outcome": "fixed", "photos": ("after",)}),
        ("verify_pass", quarter, {}),
    ]
    for kind, actor, values in moves:
        settled = act(case, city, kind, actor, now, **values)
        assert settled.refusal is None
        case = settled.case
    assert case.state == "closed"


def test_a_city_of_four_tiers_climbs_every_one_of_them() -> None:
    now = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
    case, city = filed(FOUR_TIERS, "leaf", "P-C-T-G", now)
    later = datetime(2026, 12, 1, tzinfo=UTC)
    climbed = act(case, city, "pass_deadline", SYSTEM_ACTOR, later, deadline_id=case.case_id, step_at=later)
    ups = [
        (e.type, getattr(e.payload, "to_level", None))
        for e in climbed.events
        if e.payload.step.startswith("up_")
    ]
    assert ups == [
        ("CaseEscalated", 3),
        ("CaseEscalated", 2),
        ("CaseEscalated", 1),
        ("DutyLeaderAlerted", None),
    ]
    assert climbed.case.supervised_level == 1


@pytest.mark.parametrize("files", [TWO_TIERS, FOUR_TIERS], ids=["two", "four"])
def test_its_files_are_whole(files: dict[str, str]) -> None:
    assert read_city(files, 3) == read_city(files, 3)


def test_every_category_of_the_real_city_can_be_reached_by_some_tile() -> None:
    city = read_city(read_folder(FOLDER), 0)
    offered = {code for tile in city.tiles for code in (tile.category, *tile.alternatives)}
    assert set(city.categories) - offered == set()
    danger = [tile for tile in city.tiles if tile.hotlines]
    assert [(tile.name_zh, tile.hotlines) for tile in danger] == [("老人/安全", ("119", "120", "110"))]
