"""The city's sample reports: what they promise to be, against the files and the test's own slow code."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import Any

import pytest

from services.adapters.areas import Areas
from services.adapters.city_files import read_city, read_folder
from services.console.feed import read_lines
from services.domain.city import City
from services.domain.geo import distance_m, to_wgs84
from services.domain.place import Place, place
from services.domain.routing import route
from services.intake.report_body import BadShape, decode, faults
from tests.harness.slow_city import SlowCity
from tests.integration.test_city_files import WUZHONG

FILE = WUZHONG / "sample-reports.jsonl"
CLOSE = 0.8

Line = dict[str, Any]


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    return [json.loads(line) for line in FILE.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def valid(lines: list[Line]) -> list[Line]:
    return [line for line in lines if line["expect"]["status"] == 202]


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return read_folder(WUZHONG)


@pytest.fixture(scope="module")
def city(files: dict[str, str]) -> City:
    return read_city(files, 1)


@pytest.fixture(scope="module")
def areas(files: dict[str, str], city: City) -> Areas:
    return Areas.parse(files["areas.geojson"], city)


@pytest.fixture(scope="module")
def slow(files: dict[str, str]) -> SlowCity:
    return SlowCity(files)


def _placed(body: Line, city: City, areas: Areas, slow: SlowCity) -> Place:
    point, accuracy = slow.point_of(body), body.get("location", {}).get("accuracy_m")
    cell = areas.cells_at([point])[0] if point else None
    return place(city=city, cell=cell, hub_code=body.get("hub_code"), point=point, accuracy_m=accuracy)


def test_the_feed_reads_them_as_they_stand(lines: list[Line]) -> None:
    assert len(lines) >= 300
    assert [line.number for line in read_lines(FILE)] == [*range(1, len(lines) + 1)]
    assert 840 < lines[-1]["at_s"] < 960
    assert sum(line["at_s"] < 60 for line in lines) >= 20
    towns_at_once = {line["expect"]["hub_code"][:9] for line in lines[:30]}
    assert len(towns_at_once) >= 8


def test_everybody_reports_everything_from_everywhere_in_every_datum(
    valid: list[Line], city: City, slow: SlowCity
) -> None:
    bodies = [line["body"] for line in valid]
    assert {body.get("category", "other") for body in bodies} == set(city.categories)
    assert {body["channel"] for body in bodies} == {"resident", "courier", "grid_member", "representative"}
    for datum in ("WGS84", "GCJ02", "BD09", "CGCS2000"):
        assert sum(body.get("location", {}).get("datum") == datum for body in bodies) >= 30
    hubs = {slow.deepest_hub(body) for body in bodies}
    assert {hub.code for hub in city.hubs.values() if hub.level == 3} <= hubs
    assert {slow.at_level(hub, 2) for hub in hubs} >= {
        hub.code for hub in city.hubs.values() if hub.level == 2
    }


def test_each_goes_where_the_slow_way_says(
    valid: list[Line], city: City, areas: Areas, slow: SlowCity
) -> None:
    for line in valid:
        body = line["body"]
        assert line["expect"]["hub_code"] == slow.acting_hub(body)
        placed = _placed(body, city, areas, slow)
        assert placed.hub_code == slow.deepest_hub(body)
        confidential = body.get("visibility") == "confidential"
        routed = route(city=city, category=body.get("category"), place=placed, confidential=confidential)
        assert routed.hub_code == line["expect"]["hub_code"]


def test_only_a_doubtful_place_is_of_low_quality(
    valid: list[Line], city: City, areas: Areas, slow: SlowCity
) -> None:
    mislabelled, coarse, outside, nowhere = [], [], [], []
    for line in valid:
        body = line["body"]
        point, named = slow.point_of(body), body.get("hub_code")
        cell = slow.cell_at(*point) if point else None
        if cell and named and named not in slow.chain(cell):
            mislabelled.append(line)
        elif point and not cell:
            outside.append(line)
        elif point is None and named is None:
            nowhere.append(line)
        elif point and body["location"]["accuracy_m"] > 200:
            coarse.append(line)
        else:
            assert _placed(body, city, areas, slow).quality == "good"
            assert point is None or distance_m(point, slow.centre(slow.deepest_hub(body))) < 500
            continue
        assert _placed(body, city, areas, slow).quality == "low"
    assert len(mislabelled) >= 3
    assert len(coarse) >= 3
    assert (len(outside), len(nowhere)) == (1, 1)
    assert outside[0]["expect"]["hub_code"] == nowhere[0]["expect"]["hub_code"] == city.root
    for line in mislabelled:
        at, named = line["body"]["location"], line["body"]["hub_code"]
        assert at["datum"] == "WGS84"
        assert slow.cell_at(*to_wgs84(at["lon"], at["lat"], "GCJ02")) == named
        assert slow.at_level(named, 2) == slow.at_level(line["expect"]["hub_code"], 2) or (
            line["expect"]["hub_code"] == city.root
        )


def test_the_door_takes_all_but_three_and_names_what_is_wrong(lines: list[Line], city: City) -> None:
    refused: list[str] = []
    for line in lines:
        try:
            found = faults(decode(json.dumps(line["body"]).encode()), city, lambda _: False)
        except BadShape as error:
            found = [error.fault]
        assert line["expect"]["status"] == (422 if found else 202)
        refused.extend(field for field, _ in found)
    assert sorted(refused) == ["category", "location.datum", "location.lat"]
    (beyond,) = (line for line in lines if line["body"].get("location", {}).get("lat", 0) > 90)
    assert int(beyond["body"]["location"]["lat"]) == 131


def test_duplicates_are_marked_and_near_what_they_repeat(lines: list[Line], slow: SlowCity) -> None:
    marked = [line for line in lines if "duplicate_of" in line["expect"]]
    assert len(marked) >= 15
    for line in marked:
        first = lines[line["expect"]["duplicate_of"] - 1]
        assert "duplicate_of" not in first["expect"]
        assert first["at_s"] < line["at_s"]
        assert first["body"]["category"] == line["body"]["category"]
        here, there = slow.point_of(line["body"]), slow.point_of(first["body"])
        assert here is not None
        assert there is not None
        component = slow.categories[line["body"]["category"]]["kind"] == "component"
        assert distance_m(here, there) <= (30 if component else 60)


def test_some_arrive_late(valid: list[Line]) -> None:
    before_s = [line["captured_before_s"] for line in valid]
    assert sum(1800 < seconds <= 86_400 for seconds in before_s) >= 8
    assert sum(seconds > 86_400 for seconds in before_s) >= 3
    assert sum(seconds <= 1800 for seconds in before_s) > 0.9 * len(valid)


def test_no_text_repeats_another_but_the_marked_duplicates(lines: list[Line]) -> None:
    for (one, first), (other, second) in combinations(enumerate(lines, start=1), 2):
        problems = {first["expect"].get("duplicate_of", one), second["expect"].get("duplicate_of", other)}
        if len(problems) == 2:
            alike = _likeness(first["body"]["text"], second["body"]["text"])
            assert alike < CLOSE, (one, other)


def test_nobody_can_be_phoned_and_each_number_is_one_person(lines: list[Line]) -> None:
    phones = [contact["phone"] for line in lines if (contact := line["body"].get("contact"))]
    assert all(re.fullmatch(r"1380000\d{4}", phone) for phone in phones)
    assert len(phones) == len(set(phones))
    assert not [line for line in lines if re.search(r"\d{7}", line["body"]["text"])]


def _likeness(one: str, other: str) -> float:
    """Twice the longest common subsequence over both lengths: what rapidfuzz calls `ratio`.

    A row of the table is one number: a bit is 0 where the subsequence grows by that character of `one`.
    """
    where = {letter: sum(1 << at for at, it in enumerate(one) if it == letter) for letter in set(one)}
    full = (1 << len(one)) - 1
    row = full
    for letter in other:
        hit = row & where.get(letter, 0)
        row = ((row + hit) | (row - hit)) & full
    return 2 * (len(one) - row.bit_count()) / (len(one) + len(other))


@pytest.mark.parametrize(
    ("one", "other", "likeness"),
    [("井盖坏了", "井盖坏了", 1.0), ("abcd", "acbd", 0.75), ("路灯", "垃圾", 0.0), ("x", "axa", 0.5)],
)
def test_likeness_is_counted_by_hand(one: str, other: str, likeness: float) -> None:
    assert _likeness(one, other) == likeness
