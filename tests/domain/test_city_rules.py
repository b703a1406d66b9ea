"""Every rule is broken once, by a change to one line of a sound small city, and named with file and line."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import pytest

from services.domain.city import City, Milestone
from services.domain.city_problems import Lined, Problem
from services.domain.city_rows import Area, Table, header_of, read_rows
from services.domain.city_rules import check
from services.domain.limits import Limit
from tests.domain.small_city import FILES


def judged(files: Mapping[str, str]) -> City | list[Problem]:
    tables = {}
    for name in (name for name in files if header_of(name)):
        header, *lines = files[name].splitlines()
        cells = (Lined(number, tuple(line.split(","))) for number, line in enumerate(lines, start=2))
        tables[name] = Table(name, tuple(header.split(",")), tuple(cells))
    settings: dict[str, Lined[Any]] = {}
    lines = files["city.toml"].splitlines()
    for name, value in tomllib.loads(files["city.toml"]).items():
        at = next(n for n, line in enumerate(lines, start=1) if line.lstrip("[").startswith(name))
        settings[name] = Lined(at, value)
    areas = []
    for number, line in enumerate(files["areas.geojson"].splitlines()[1:-1], start=2):
        feature = json.loads(line.removesuffix(","))
        said = feature["properties"]
        areas.append(Area(number, said.get("code"), said.get("level"), feature["geometry"]))
    rows, found = read_rows(tables=tables, settings=settings, areas=tuple(areas))
    return found or check(rows) or rows.city(7, UTC)


def problems(files: Mapping[str, str]) -> list[Problem]:
    found = judged(files)
    assert isinstance(found, list), "nothing is wrong with this city"
    return found


def changed(file: str, line: int, old: str, new: str) -> dict[str, str]:
    lines = FILES[file].splitlines(keepends=True)
    assert lines[line - 1].count(old) >= 1, f"{file}:{line} has no {old!r}"
    lines[line - 1] = lines[line - 1].replace(old, new, 1)
    return {**FILES, file: "".join(lines)}


def test_the_small_city_is_sound() -> None:
    city = judged(FILES)
    assert isinstance(city, City)
    assert (city.version, city.root, city.place_level, len(city.hubs)) == (7, "C", 3, 6)
    assert [step.step for step in city.steps("owner", "accept")] == ["warning", "due", "supervise"]
    assert [step.step for step in city.steps("owner", "on_site")] == ["due"]
    assert city.steps("citizen", "on_site") == ()
    assert city.unit_at("works", "V11") == "T1"
    assert city.unit_at("gas", "V11") == "C"
    assert city.unit_at("guard", "T1") is None
    assert city.unit_at("nobody_yet", "V11") is None
    assert city.sits("guard", "V11")
    assert not city.sits("guard", "T1")
    assert city.priorities["P1"].supervise_after == Limit(30, "m", "C24")
    assert city.categories["gas"].hotline == "119"
    assert city.categories["fire"].redirect == "119"
    assert city.categories["fire"].resolve is None


def test_a_variant_keeps_the_milestones_it_does_not_name() -> None:
    city = judged(changed("categories.csv", 2, "deep:resolve=9WD OFF", "deep:fence=1h C24;resolve=9WD OFF"))
    assert isinstance(city, City)
    assert city.categories["pothole"].variants == {
        "deep": (
            Milestone("on_site", Limit(6, "h", "OFF")),
            Milestone("fence", Limit(1, "h", "C24")),
            Milestone("resolve", Limit(9, "WD", "OFF")),
        )
    }


BROKEN = [
    # The shape of a row
    (
        "hubs.csv",
        1,
        "code,parent",
        "parent,code",
        "the header must be `code,parent,level,kind,name,lon,lat,position`",
    ),
    ("hubs.csv", 4, ",centre", ",centre,", "has 9 cells where the header has 8"),
    ("hubs.csv", 4, "T2,C", ",C", "code is empty"),
    ("hubs.csv", 5, "V11", "V 11", "code `V 11` is not 1 to 32 letters, digits, _ or -"),
    ("hubs.csv", 5, "东一", "", "name is empty"),
    ("hubs.csv", 5, ",3,", ",three,", "level `three` is not a whole number"),
    ("hubs.csv", 5, "120.58", "120,58", "has 9 cells where the header has 8"),
    ("hubs.csv", 5, "120.58", "1e2", "lon `1e2` is not a number of degrees such as 120.628125"),
    ("hubs.csv", 5, "120.58", "1200.58", "lon 1200.58 is not within -180 and 180 degrees"),
    ("hubs.csv", 5, "31.0", "131.0", "lat 131.0 is not within -90 and 90 degrees"),
    ("hubs.csv", 5, "centre", "about", "position `about` is not one of centre, approximate"),
    ("tiers.csv", 2, ",no", ",", "place `` is not one of yes, no"),
    (
        "units.csv",
        6,
        "works",
        "the works",
        "unit `the works` is not a letter and then up to 39 letters, digits or _",
    ),
    (
        "categories.csv",
        2,
        "4h OFF",
        "4 hours",
        "accept: limit `4 hours` is not understood: allowed is a whole number",
    ),
    (
        "categories.csv",
        2,
        "5WD OFF",
        "5WD",
        "milestones resolve: limit `5WD` names no calendar: allowed is a whole",
    ),
    (
        "categories.csv",
        2,
        "9WD OFF",
        "9W OFF",
        "variant deep resolve: limit `9W OFF` is not understood: allowed is",
    ),
    ("categories.csv", 2, "on_site=6h OFF", "6h OFF", "milestones `6h OFF` is not `stage=limit`, such as"),
    ("categories.csv", 2, "on_site", "resolve", "milestones names the stage `resolve` twice"),
    ("categories.csv", 2, "deep:", "", "variants `resolve=9WD OFF` is not `name:stage=limit`, such as"),
    ("categories.csv", 2, "9WD OFF", "9WD OFF|deep:resolve=1h OFF", "variants name `deep` twice"),
    ("categories.csv", 2, ",S,", ",X,", "verify `X` is not one of P, S, R"),
    (
        "categories.csv",
        3,
        "transient",
        "passing",
        "flag `passing` is not one of confidential, restricted, transient",
    ),
    ("categories.csv", 3, "transient", "transient;transient", "flag `transient` stands twice"),
    (
        "categories.csv",
        4,
        "hotline:119",
        "hotline",
        "flag `hotline` is not one of confidential, restricted, transient",
    ),
    ("priorities.csv", 2, "4h C24", "", "verify: limit `` is not understood: allowed is a whole number"),
    ("ladder.csv", 2, "owner", "handler", "clock `handler` is not one of citizen, owner"),
    (
        "ladder.csv",
        2,
        "SlaWarning",
        "Alarm",
        "event `Alarm` is not one of SlaWarning, SlaBreached, CaseEscalated",
    ),
    # The city as a whole
    ("city.toml", 3, "timezone", "zone", "`zone` is not a setting: allowed are name_zh, name_en, timezone"),
    ("city.toml", 3, '"Asia/Shanghai"', "8", "`timezone` must be a text"),
    ("city.toml", 4, "5", "0", "`nearest_centre_km` must be a number above 0"),
    # Tiers and units
    ("tiers.csv", 3, "part", "whole", "code `whole` stands already on line 2"),
    ("tiers.csv", 4, "yes", "yes\n2,more,镇,Town,town_desk,C24,no", "level `2` stands already on line 3"),
    ("tiers.csv", 4, "village_desk", "guards", "desk `guards` is not a unit of level 3 in units.csv"),
    ("tiers.csv", 4, "village_desk", "gas", "desk `gas` is not a unit of level 3 in units.csv"),
    ("tiers.csv", 3, ",no", ",yes", "exactly one tier has place `yes`, not 2"),
    ("units.csv", 8, "nobody_yet", "gas", "unit `gas` stands already on line 5"),
    ("units.csv", 7, "guard,3", "guard,4", "level 4 is not a tier of tiers.csv"),
    # Hubs
    (
        "hubs.csv",
        6,
        "ximate",
        "ximate\nV11,T1,3,v,v,120.6,31.0,centre",
        "code `V11` stands already on line 5",
    ),
    ("hubs.csv", 6, "T1", "T7", "parent `T7` is not a hub of this file"),
    ("hubs.csv", 6, ",3,", ",2,", "level 2 is not one below the level 2 of its parent `T1`"),
    ("hubs.csv", 6, ",3,", ",4,", "level 4 is not a tier of tiers.csv"),
    ("hubs.csv", 2, "C,,1", "C,T1,1", "parents go in a circle: "),
    # Priorities
    (
        "priorities.csv",
        3,
        "no,",
        "no,\nP1,急,Urgent,15m C24,4h C24,5m C24,30m C24,,yes,30m",
        "priority `P1` stands already on line 2",
    ),
    (
        "priorities.csv",
        2,
        "yes,30m",
        "yes,30m OFF",
        "supervise_after `30m OFF` must run by the wall clock, C24",
    ),
    (
        "priorities.csv",
        3,
        "2WD OFF",
        "2WD OPS",
        "calendar of `2WD OPS` is not one of calendars.csv",
    ),
    # Categories
    ("categories.csv", 3, "ads", "pothole", "code `pothole` stands already on line 2"),
    (
        "categories.csv",
        7,
        "other",
        "others",
        "`other` is missing: a report without a category is filed under it",
    ),
    ("categories.csv", 3, ",3,guard", ",4,guard", "tier 4 is not a tier of tiers.csv"),
    ("categories.csv", 3, "P2", "P9", "priority `P9` is not in priorities.csv"),
    ("categories.csv", 3, "guard", "gard", "owner `gard` is not a unit of units.csv"),
    ("categories.csv", 3, "village_desk", "village", "else_owner `village` is not a unit of units.csv"),
    ("categories.csv", 3, "works", "work", "assist `work` is not a unit of units.csv"),
    ("categories.csv", 3, "guard,", ",", "owner is missing: only a redirected category goes without"),
    ("categories.csv", 3, "4h OFF", "", "accept is missing: only a redirected category goes without"),
    ("categories.csv", 3, ",P,", ",,", "verify is missing: only a redirected category goes without"),
    ("categories.csv", 3, "resolve=2WD OFF", "", "the last milestone must be `resolve`"),
    ("categories.csv", 3, "2WD OFF", "2WD OFF;clean=3WD OFF", "the last milestone must be `resolve`"),
    (
        "categories.csv",
        3,
        "resolve",
        "accept=1h OFF;resolve",
        "`accept` is not a milestone: it has its own limit",
    ),
    (
        "categories.csv",
        2,
        "9WD OFF",
        "9WD OPS",
        "calendar of `9WD OPS` is not one of calendars.csv",
    ),
    (
        "categories.csv",
        3,
        "transient",
        "confidential",
        "a confidential category is not dispatched to the place tier",
    ),
    ("categories.csv", 6, ",1,,", ",1,gas,", "a redirected category has no owner: nobody here works on it"),
    ("categories.csv", 6, "P1,", "P1,1h C24", "a redirected category has no accept: nobody here works on it"),
    ("categories.csv", 6, ",1,,", ",2,,", "a redirected category stands at tier 1"),
    # The ladder
    ("ladder.csv", 4, "supervise", "warning", "step `owner,accept,warning` stands already on line 2"),
    (
        "ladder.csv",
        2,
        "50,SlaWarning,",
        "150,CaseEscalated,1",
        "percent `owner,accept,150` stands already on line 2",
    ),
    ("ladder.csv", 8, "citizen,resolve", "citizen,accept", "the steps of citizen,resolve are missing"),
    ("ladder.csv", 6, "owner,*", "owner,on_site", "the steps of owner,* are missing"),
    ("ladder.csv", 5, "due", "end", "the step at 100 percent, and no other, is called `due`"),
    (
        "ladder.csv",
        7,
        "VerificationLapsed",
        "SlaBreached",
        "event `SlaBreached` cannot come at 100 percent of verify",
    ),
    (
        "ladder.csv",
        2,
        "50",
        "120",
        "event `SlaWarning` cannot come at 120 percent of accept: there `CaseEscalated`",
    ),
    (
        "ladder.csv",
        4,
        "Escalated,1",
        "Escalated,",
        "levels_up is 1 or more for CaseEscalated and empty for others",
    ),
    (
        "ladder.csv",
        2,
        "Warning,",
        "Warning,1",
        "levels_up is 1 or more for CaseEscalated and empty for others",
    ),
    ("ladder.csv", 2, "50", "0", "percent must be above 0 and at most 1000"),
    ("ladder.csv", 4, "150", "1001", "percent must be above 0 and at most 1000"),
    # Calendars
    ("calendars.csv", 3, "OFF", "off", "code `off` is not a capital letter, then up to 15 capitals"),
    ("calendars.csv", 3, "workdays", "weekdays", "kind `weekdays` is not one of every, workdays"),
    ("calendars.csv", 3, ";13:00-17:00", ",13:00-17:00", "has 6 cells where the header has 5"),
    ("calendars.csv", 3, "13:00", "1 pm", "spans `1 pm-17:00` is not `from-to`, such as `09:00-12:00`"),
    ("calendars.csv", 3, "17:00", "24:30", "spans `13:00-24:30` is not `from-to`, such as `09:00-12:00`"),
    ("calendars.csv", 3, "17:00", "13:00", "spans `13:00-13:00` does not end after it begins"),
    ("calendars.csv", 3, "13:00", "11:00", "spans `11:00-17:00` does not begin after the span before it"),
    ("calendars.csv", 3, "OFF", "C24", "code `C24` stands already on line 2"),
    ("calendars.csv", 2, "C24", "D24", "`C24` is missing: the wall clock, `every` day 00:00-24:00"),
    ("calendars.csv", 2, "24:00", "23:00", "`C24` is the wall clock: `every` day 00:00-24:00"),
    # Tiles and hotlines
    ("tiles.csv", 2, "M3 3h18", "3 3h18", "icon `3 3h18` is not an SVG path that begins with M"),
    ("tiles.csv", 2, "M3 3h18", "M3 3<b>", "icon `M3 3<b>` is not an SVG path that begins with M"),
    ("tiles.csv", 2, "pothole", "potholes", "category `potholes` is not in categories.csv"),
    ("tiles.csv", 2, "secret", "secret;none", "category `none` is not in categories.csv"),
    ("tiles.csv", 2, "secret", "secret;pothole", "category `pothole` is offered twice"),
    ("tiles.csv", 3, "danger", "road", "tile `road` stands already on line 2"),
    ("tiles.csv", 3, "119", "119;120", "hotline `120` is not in hotlines.csv"),
    ("hotlines.csv", 2, "119", "one", "number `one` is not a telephone number of 2 to 15 digits"),
    ("categories.csv", 4, "hotline:119", "hotline:96777", "hotline `96777` is not in hotlines.csv"),
    # Areas
    ("areas.geojson", 3, '"V12"', '"V99"', "the area's code 'V99' is not a hub of hubs.csv"),
    ("areas.geojson", 3, '"V12"', "12", "the area's code 12 is not a hub of hubs.csv"),
    ("areas.geojson", 3, '"V12"', '"V11"', "area of hub `V11` stands already on line 2"),
    ("areas.geojson", 3, '"level": 3', '"level": 2', "level 2 is not the level 3 of hub `V12`"),
    (
        "areas.geojson",
        3,
        "Polygon",
        "Point",
        "area 'V12': its geometry is not a Polygon or MultiPolygon with",
    ),
    (
        "areas.geojson",
        3,
        "[[[120.60, 30.98], ",
        "[[[120.61, 30.98], ",
        "area 'V12': a ring needs 4 points or more",
    ),
    (
        "areas.geojson",
        3,
        "[120.64, 30.98]",
        "[120.64, 300.98]",
        "area 'V12': lat 300.98 is not within -90 and 90",
    ),
    (
        "areas.geojson",
        3,
        "[120.64, 30.98]",
        '[120.64, "x"]',
        "area 'V12': a point must be [lon, lat], not [120.64,",
    ),
]
ELSEWHERE = {
    # What is named stands on another line than what was changed.
    "exactly one tier has place `yes`, not 2": 4,
    "level `2` stands already on line 3": 5,
    "code `V11` stands already on line 5": 7,
    "priority `P1` stands already on line 2": 4,
    "`other` is missing: a report without a category is filed under it": 1,
    "percent `owner,accept,150` stands already on line 2": 4,
    "the steps of citizen,resolve are missing": 1,
    "the steps of owner,* are missing": 1,
    "`C24` is missing: the wall clock, `every` day 00:00-24:00": 1,
}


FOLLOWING = {
    # One change that breaks more than one rule: how many others.
    ("city.toml", 3, "zone"): 1,
    ("hubs.csv", 6, ",2,"): 1,
    ("hubs.csv", 6, ",4,"): 1,
    # the limits that name the calendar, and for a second C24 the OFF that is gone
    ("calendars.csv", 3, "off"): 0,
    # of categories 4 + 2 + 2 + 2, of priorities 3
    ("calendars.csv", 3, "C24"): 13,
    # of categories 2, of priorities 4 + 2, of tiers 3, of [life] 9, of [suspensions] 2
    ("calendars.csv", 2, "D24"): 22,
}

YEAR = """\
date,day,name,source
2027-01-01,holiday,元旦,made up
2027-01-02,holiday,元旦,made up
2027-01-09,workday,元旦,made up
"""
BROKEN_YEARS = [
    ("2027-01-02,h", "2027-02-30,h", 3, "date `2027-02-30` is not a date such as 2026-10-08"),
    ("2027-01-02,h", "2.1.2027,h", 3, "date `2.1.2027` is not a date such as 2026-10-08"),
    ("02,holiday", "02,free", 3, "day `free` is not one of holiday, workday"),
    ("元旦,made up\n2027-01-02", "元旦,\n2027-01-02", 2, "source is empty"),
    ("2027-01-02", "2027-01-01", 3, "date `2027-01-01` stands already on line 2"),
    ("2027-01-02", "2028-01-02", 3, "date `2028-01-02` is not of 2027 or of the December before"),
    ("2027-01-02", "2026-11-30", 3, "date `2026-11-30` is not of 2027 or of the December before"),
    ("2027-01-09", "2027-01-08", 4, "`2027-01-08` is a Friday, a working day already"),
    ("holiday", "workday", 1, "has no holiday: a year that is not known yet has no file, it is predicted"),
]


@pytest.mark.parametrize(("file", "line", "old", "new", "rule"), BROKEN)
def test_a_broken_rule_is_named_with_file_and_line(
    file: str, line: int, old: str, new: str, rule: str
) -> None:
    found = problems(changed(file, line, old, new))
    first = next((problem for problem in found if problem.rule.startswith(rule)), None)
    assert first is not None, found
    assert (first.file, first.line) == (file, ELSEWHERE.get(rule, line))
    assert len(found) == 1 + FOLLOWING.get((file, line, new), 0), found


def test_a_missing_setting_is_named() -> None:
    assert judged({**FILES, "city.toml": FILES["city.toml"].replace("coarse_accuracy_m = 200\n", "")}) == [
        Problem("city.toml", 1, "`coarse_accuracy_m` is missing: a number above 0")
    ]


@pytest.mark.parametrize(("percent", "event", "up"), [(150, "CaseEscalated", "1"), (50, "SlaWarning", "")])
def test_a_stage_without_a_due_is_named(percent: int, event: str, up: str) -> None:
    files = {**FILES, "ladder.csv": FILES["ladder.csv"].replace("citizen,resolve,due,100,SlaBreached,", "")}
    files["ladder.csv"] = files["ladder.csv"].rstrip("\n") + f"\ncitizen,resolve,x,{percent},{event},{up}\n"
    assert judged(files) == [Problem("ladder.csv", 8, "citizen,resolve has no step `due` at 100 percent")]


def test_no_root_and_two_roots_are_named() -> None:
    rows = FILES["hubs.csv"].replace("T2,C,2,", "T2,,1,").replace("V21,T2,3,", "V21,T2,2,")
    assert Problem("hubs.csv", 4, "exactly one hub has no parent, not 2") in problems(
        {**FILES, "hubs.csv": rows}
    )
    rows = "".join(line for line in FILES["hubs.csv"].splitlines(keepends=True) if not line.startswith("C,"))
    assert Problem("hubs.csv", 1, "exactly one hub has no parent, not 0") in problems(
        {**FILES, "hubs.csv": rows}
    )


@pytest.mark.parametrize(("old", "new", "line", "rule"), BROKEN_YEARS)
def test_a_broken_year_is_named_with_file_and_line(old: str, new: str, line: int, rule: str) -> None:
    found = problems({**FILES, "calendar-days/2027.csv": YEAR.replace(old, new)})
    assert any(
        (p.file, p.line) == ("calendar-days/2027.csv", line) and p.rule.startswith(rule) for p in found
    ), found


def test_a_year_is_official_once_its_file_is_there_and_may_name_days_of_the_december_before() -> None:
    city = judged({**FILES, "calendar-days/2027.csv": YEAR + "2026-12-31,holiday,元旦,made up\n"})
    assert isinstance(city, City)
    assert city.days.years == {2027}
    assert not city.days.is_working(date(2026, 12, 31))
    assert city.days.is_working(date(2027, 1, 9))


def test_a_day_of_two_years_files_is_named() -> None:
    last = "date,day,name,source\n2026-12-31,holiday,元旦,a\n"
    files = {"calendar-days/2026.csv": last, "calendar-days/2027.csv": YEAR + "2026-12-31,holiday,元旦,b\n"}
    assert problems({**FILES, **files}) == [
        Problem("calendar-days/2027.csv", 5, "date `2026-12-31` stands already in calendar-days/2026.csv")
    ]


def test_a_predicted_day_is_a_month_and_a_day() -> None:
    text = "month_day,name\n10-01,国庆节\n13-01,x\n"
    assert problems({**FILES, "calendar-days/predicted.csv": text}) == [
        Problem("calendar-days/predicted.csv", 3, "month_day `13-01` is not a month and day such as 10-01")
    ]
    text = "month_day,name\n10-01,国庆节\n10-01,国庆节\n"
    assert problems({**FILES, "calendar-days/predicted.csv": text}) == [
        Problem("calendar-days/predicted.csv", 3, "month_day `10-01` stands already on line 2")
    ]


def test_adding_a_calendar_touches_data_only() -> None:
    night = FILES["calendars.csv"] + "NIGHT,夜班,Night shift,every,00:00-06:00;22:00-24:00\n"
    files = {**FILES, "calendars.csv": night}
    files["categories.csv"] = FILES["categories.csv"].replace(
        "resolve=2WD OFF,,P,transient", "resolve=3h NIGHT,,P,"
    )
    city = judged(files)
    assert isinstance(city, City)
    limit = city.categories["ads"].resolve
    assert limit is not None
    due = city.working_time(limit.calendar).due(limit, datetime(2026, 11, 24, 5, 0, tzinfo=UTC))
    assert due == (datetime(2026, 11, 25, 0, 0, tzinfo=UTC), True)
