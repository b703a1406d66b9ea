"""The real folder, read as the router reads it; cells agree with the test's own slow ray casting."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from services.adapters.areas import Areas
from services.adapters.city_files import read_city, read_folder
from services.domain.city import City
from services.domain.city_problems import CityProblems, Problem
from tests.domain.small_city import FILES
from tests.harness.slow_city import SlowCity

WUZHONG = Path(__file__).parents[2] / "deploy" / "city" / "wuzhong"


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return read_folder(WUZHONG)


@pytest.fixture(scope="module")
def city(files: dict[str, str]) -> City:
    return read_city(files, 3)


@pytest.fixture(scope="module")
def areas(files: dict[str, str], city: City) -> Areas:
    return Areas.parse(files["areas.geojson"], city)


@pytest.fixture(scope="module")
def slow(files: dict[str, str]) -> SlowCity:
    return SlowCity(files)


def test_the_folder_is_whole(city: City) -> None:
    by_level = [sum(hub.level == level for hub in city.hubs.values()) for level in (1, 2, 3)]
    assert by_level == [1, 14, 209]
    assert len(city.categories) == 41
    assert (city.version, city.root, city.place_level) == (3, "320506000000", 3)
    assert city.at_level("320506003004", 2) == "320506003000"
    assert city.timezone == "Asia/Shanghai"


def test_every_desk_and_owner_is_known_and_redirects_have_no_limits(city: City) -> None:
    assert [city.desk(level) for level in (1, 2, 3)] == [
        "district_joint_center",
        "town_joint_center",
        "community_office",
    ]
    redirected = {code for code, category in city.categories.items() if category.redirect}
    assert redirected == {"fire_smoke", "person_in_danger"}
    assert all(city.categories[code].resolve is None for code in redirected)


def test_the_centre_of_every_community_lies_in_its_own_cell(city: City, areas: Areas) -> None:
    communities = [hub for hub in city.hubs.values() if hub.level == 3]
    assert areas.cells_at([(hub.lon, hub.lat) for hub in communities]) == [hub.code for hub in communities]


def test_2000_points_lie_where_a_slow_ray_casting_says(areas: Areas, slow: SlowCity) -> None:
    chance = random.Random(20221008)
    points = [(chance.uniform(119.91, 120.91), chance.uniform(30.92, 31.34)) for _ in range(2000)]
    found = areas.cells_at(points)
    assert found == [slow.cell_at(*point) for point in points]
    assert 500 < sum(code is not None for code in found) < 1500


def test_a_point_on_a_shared_edge_goes_to_the_smaller_code_whatever_the_order_of_the_file() -> None:
    on_edge, corner = (120.60, 31.0), (120.60, 30.98)
    whole = json.loads(FILES["areas.geojson"])
    for features in (whole["features"], whole["features"][::-1]):
        text = json.dumps({**whole, "features": features})
        areas = Areas.parse(text, read_city({**FILES, "areas.geojson": text}, 1))
        assert areas.cells_at([on_edge, corner]) == ["V11", "V11"]
        assert areas.cells_at([(120.601, 31.0), (120.7, 31.0), (120.599, 31.0)]) == ["V12", None, "V11"]
        assert areas.cells_at([]) == []


def test_a_towns_outline_is_the_union_of_its_cells() -> None:
    areas = Areas.parse(FILES["areas.geojson"], read_city(FILES, 1))
    outline: Any = areas.outline("T1")
    assert outline["type"] == "Polygon"
    corners = {tuple(point) for ring in outline["coordinates"] for point in ring}
    assert {(120.56, 30.98), (120.64, 30.98), (120.64, 31.02), (120.56, 31.02)} <= corners
    assert all(point[0] in (120.56, 120.6, 120.64) for point in corners)
    assert areas.outline("V21") is not None


@pytest.mark.parametrize("damage", ["\ufeff", "crlf"])
def test_a_byte_order_mark_and_windows_line_ends_are_no_matter(damage: str) -> None:
    spoilt = {
        name: text.replace("\n", "\r\n") if damage == "crlf" else damage + text
        for name, text in FILES.items()
    }
    assert read_city(spoilt, 1) == read_city(FILES, 1)


def test_a_quoted_cell_may_hold_commas_and_line_ends_and_lines_are_still_counted() -> None:
    hubs = FILES["hubs.csv"].replace("东镇", '"东\n镇, 新"').replace("V21,T2", "V21,T9")
    assert _problems({**FILES, "hubs.csv": hubs}) == [
        Problem("hubs.csv", 8, "parent `T9` is not a hub of this file")
    ]


@pytest.mark.parametrize(
    ("file", "text", "line", "rule"),
    [
        ("city.toml", 'name_zh = "x"\nname_en = \n', 2, "is not TOML: Invalid value"),
        (
            "city.toml",
            FILES["city.toml"].replace("Asia/Shanghai", "Asia/Wuzhong"),
            3,
            "`timezone` Asia/Wuzhong is not",
        ),
        ("hubs.csv", FILES["hubs.csv"].replace("东镇", '"东"镇'), 3, "is not CSV: "),
        ("hubs.csv", FILES["hubs.csv"].replace("东镇", "东\0镇"), 3, "holds the character U+0000"),
        ("hubs.csv", "", 1, "the header must be `code,parent,level,"),
        ("areas.geojson", FILES["areas.geojson"].replace('"V12"', "V12"), 3, "is not JSON: Expecting value"),
        ("areas.geojson", '{"type": "Feature"}', 1, "is not a GeoJSON FeatureCollection"),
        ("areas.geojson", "[" * 100_000, 1, "is not GeoJSON: it is nested too deeply"),
        (
            "areas.geojson",
            FILES["areas.geojson"].replace('"V21"', '"V2"'),
            4,
            "the area's code 'V2' is not a hub",
        ),
        (
            "areas.geojson",
            FILES["areas.geojson"].replace(
                "[120.60, 31.02], [120.56, 31.02]", "[120.56, 31.02], [120.60, 31.02]"
            ),
            2,
            "area 'V11': Self-intersection",
        ),
    ],
)
def test_a_spoilt_file_is_named_with_its_line(file: str, text: str, line: int, rule: str) -> None:
    (found,) = _problems({**FILES, file: text})[:1]
    assert (found.file, found.line) == (file, line)
    assert found.rule.startswith(rule)


def test_missing_and_badly_encoded_files_are_named(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, "utf-8")
    assert read_folder(tmp_path) == FILES
    (tmp_path / "ladder.csv").unlink()
    (tmp_path / "hubs.csv").write_bytes(FILES["hubs.csv"].encode("gbk"))
    with pytest.raises(CityProblems) as caught:
        read_folder(tmp_path)
    assert caught.value.problems == (
        Problem("hubs.csv", 2, "is not UTF-8: byte 0xb3; save it as UTF-8"),
        Problem("ladder.csv", 1, f"is missing in {tmp_path}"),
    )


def _problems(files: dict[str, str]) -> list[Problem]:
    with pytest.raises(CityProblems) as caught:
        read_city(files, 1)
    return [*caught.value.problems]
