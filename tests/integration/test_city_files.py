"""The real folder, read as the router reads it; cells agree with the test's own slow ray casting."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from services.adapters.areas import Areas
from services.adapters.city_files import read_city, read_folder
from services.domain.city import City
from services.domain.city_problems import CityProblems, Problem
from tests.domain.small_city import FILES, GRIDS, with_grids
from tests.harness.slow_city import SlowCity

MOSHE = "320506003004"
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


def test_the_grids_split_moshe_and_are_numbered_west_to_east_and_north_to_south(
    city: City, areas: Areas, slow: SlowCity
) -> None:
    grids = [*city.grids.values()]
    assert [grid.code for grid in grids] == [f"{MOSHE}{number:03}" for number in range(1, 14)]
    assert all(grid.sample and "示例" in grid.name and grid.rows[0] == "R01" for grid in grids)
    outlines: list[Any] = [areas.outline(grid.code) for grid in grids]
    rings = [outline["coordinates"][0] for outline in outlines]
    bands = [rings[:3], rings[3:7], rings[7:10], rings[10:]]
    for northern, southern in pairwise(bands):
        assert min(lat for ring in northern for _, lat in ring) >= max(lat for r in southern for _, lat in r)
    for band in bands:
        for western, eastern in pairwise(band):
            assert max(lon for lon, _ in western) <= min(lon for lon, _ in eastern)
    chance = random.Random(13)
    points = [(chance.uniform(120.571, 120.582), chance.uniform(31.199, 31.211)) for _ in range(3000)]
    found = areas.grids_at(points)
    assert found == [slow.grid_at(*point) for point in points]
    assert {code for code in found if code} == set(city.grids)
    # Whatever lies in the community lies in one of its grids, and nothing else does.
    for cell, grid in zip(areas.cells_at(points), found, strict=True):
        assert (grid is not None) == (cell == MOSHE)


def test_a_point_on_a_shared_edge_goes_to_the_smaller_code_whatever_the_order_of_the_file() -> None:
    on_edge, corner = (120.60, 31.0), (120.60, 30.98)
    whole = json.loads(FILES["areas.geojson"])
    for features in (whole["features"], whole["features"][::-1]):
        text = json.dumps({**whole, "features": features})
        areas = Areas.parse(text, read_city({**FILES, "areas.geojson": text}, 1))
        assert areas.cells_at([on_edge, corner]) == ["V11", "V11"]
        assert areas.cells_at([(120.601, 31.0), (120.7, 31.0), (120.599, 31.0)]) == ["V12", None, "V11"]
        assert areas.cells_at([]) == []


def test_a_grid_lies_within_its_community_and_may_do_without_an_area() -> None:
    files = with_grids()
    city = read_city(files, 1)
    areas = Areas.parse(files["areas.geojson"], city)
    points = [(120.61, 31.0), (120.63, 31.0), (120.59, 31.0), (120.60, 31.0), (120.3, 31.0)]
    assert areas.grids_at(points) == ["V12001", None, None, "V12001", None]
    # Grids change nothing above them.
    assert areas.cells_at(points) == ["V12", "V12", "V11", "V11", None]
    # A third of this one lies in V11.
    assert _problems(with_grids(west="120.59")) == [
        Problem("areas.geojson", 5, "area 'V12001': 33% of it lies outside the area of its hub `V12`")
    ]
    beneath = files["areas.geojson"].replace('"level": 4', '"level": 3')
    assert _problems({**files, "areas.geojson": beneath}) == [
        Problem("areas.geojson", 5, "level 3 is not the level 4 of grid `V12001`")
    ]
    unknown = files["areas.geojson"].replace("V12001", "V12009")
    assert _problems({**files, "areas.geojson": unknown}) == [
        Problem(
            "areas.geojson", 5, "the area's code 'V12009' is not a hub of hubs.csv or a grid of grids.csv"
        )
    ]
    assert read_city({**FILES, "grids.csv": GRIDS}, 1).grids.keys() == {"V12001", "V12002", "V21001"}


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
