"""The map of a hub: which areas come, on which grid, told once per version, to whoever is signed in."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from services.adapters import city_book
from services.adapters.areas import Areas
from services.adapters.city_files import read_city, read_folder
from services.adapters.settings import PROJECT
from services.board.outlines import Outlines
from tests.integration.board_desk import COMMUNITY, DISTRICT, ELSEWHERE, SIBLING, TOWN, Desk, open_desk, until

WUZHONG = PROJECT / "deploy/city/wuzhong"


@pytest.fixture
async def desk(database_url: str, broker: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, broker, tmp_path) as one:
        yield one


def hubs_below(parent: str) -> list[str]:
    with (WUZHONG / "hubs.csv").open(encoding="utf-8", newline="") as rows:
        return sorted(row["code"] for row in csv.DictReader(rows) if row["parent"] == parent)


def rings(geometry: dict[str, Any]) -> list[list[list[float]]]:
    polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    return [ring for polygon in polygons for ring in polygon]


def square_degrees(geometry: dict[str, Any]) -> float:
    """By the shoelace formula; a hole runs the other way round."""
    return abs(sum(a[0] * b[1] - b[0] * a[1] for ring in rings(geometry) for a, b in pairwise(ring)) / 2)


async def test_a_community_is_shown_among_its_neighbours(desk: Desk) -> None:
    client = await desk.sign_in(COMMUNITY)
    answer = await client.get(f"/v1/hubs/{COMMUNITY}/areas")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/geo+json")
    assert answer.headers["cache-control"] == "private, no-cache"
    body = answer.json()
    assert (body["type"], body["city_version"]) == ("FeatureCollection", 1)
    frame, *cells = body["features"]
    assert frame["properties"] == {
        "code": TOWN, "name": "越溪街道", "level": 2, "centre": [120.58136, 31.21515],
    }  # fmt: skip
    assert [cell["properties"]["code"] for cell in cells] == hubs_below(TOWN)
    assert {COMMUNITY, SIBLING} <= {cell["properties"]["code"] for cell in cells}
    assert {cell["properties"]["level"] for cell in cells} == {3}
    # what is told is what the file draws, to the metre
    drawn = json.loads((WUZHONG / "areas.geojson").read_text("utf-8"))["features"]
    (original,) = (one["geometry"] for one in drawn if one["properties"]["code"] == COMMUNITY)
    (told,) = (cell["geometry"] for cell in cells if cell["properties"]["code"] == COMMUNITY)
    assert rings(told) == [[[round(n, 5) for n in point] for point in ring] for ring in rings(original)]
    # the town has no area of its own: it is the union of its communities, which do not overlap
    assert square_degrees(frame["geometry"]) == pytest.approx(
        sum(square_degrees(cell["geometry"]) for cell in cells), rel=0.001
    )
    assert len(answer.content) < 20_000


async def test_a_hub_with_hubs_below_is_shown_with_these(desk: Desk) -> None:
    client = await desk.sign_in(ELSEWHERE)
    town = await client.get(f"/v1/hubs/{TOWN}/areas")
    assert town.content == (await client.get(f"/v1/hubs/{SIBLING}/areas")).content
    district = await client.get(f"/v1/hubs/{DISTRICT}/areas")
    codes = [feature["properties"]["code"] for feature in district.json()["features"]]
    assert codes == [DISTRICT, *hubs_below(DISTRICT)]
    assert len(district.content) < 60_000
    for feature in district.json()["features"]:
        for ring in rings(feature["geometry"]):
            assert len(ring) >= 4
            assert ring[0] == ring[-1]
            assert all(a != b for a, b in pairwise(ring))
            assert all(round(n, 5) == n for point in ring for n in point)


async def test_what_is_known_is_not_sent_again_until_the_city_changes(desk: Desk, tmp_path: Path) -> None:
    client = await desk.sign_in(TOWN)
    path = f"/v1/hubs/{TOWN}/areas"
    first = await client.get(path)
    again = await client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    folder = tmp_path / "city"
    shutil.copytree(WUZHONG, folder)
    hubs = folder / "hubs.csv"
    hubs.write_text(hubs.read_text("utf-8").replace("莫舍社区", "新莫舍社区"), "utf-8")
    assert await city_book.load_folder(desk.database_url, folder) == 2
    await until(lambda: desk.app.state.parts.city.now.version == 2)
    changed = await client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]
    names = {feature["properties"]["name"] for feature in changed.json()["features"]}
    assert "新莫舍社区" in names
    assert changed.json()["city_version"] == 2


async def test_who_asks_wrongly_is_told_why(desk: Desk) -> None:
    stranger = await desk.client().get(f"/v1/hubs/{TOWN}/areas")
    assert (stranger.status_code, stranger.json()["code"]) == (401, "not_signed_in")
    client = await desk.sign_in(TOWN)
    unknown = await client.get("/v1/hubs/320506999999/areas")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    assert "320506999999" in unknown.json()["detail"]
    surplus = await client.get(f"/v1/hubs/{TOWN}/areas?simplify=10&level=3")
    assert (surplus.status_code, surplus.headers["content-type"]) == (422, "application/problem+json")
    assert [error["field"] for error in surplus.json()["errors"]] == ["simplify", "level"]
    described = (await client.get("/openapi.json")).json()["paths"]["/v1/hubs/{code}/areas"]["get"]
    assert "FeatureCollection" in described["description"]
    assert "application/geo+json" in described["responses"]["200"]["content"]


def test_without_polygons_the_hubs_are_still_told() -> None:
    files = {**read_folder(WUZHONG), "areas.geojson": '{"type": "FeatureCollection", "features": []}'}
    city = read_city(files, 7)
    drawn = Outlines(city, Areas.parse(files["areas.geojson"], city)).of(COMMUNITY)
    assert drawn is not None
    features = json.loads(drawn.body)["features"]
    assert len(features) == 1 + len(hubs_below(TOWN))
    assert {feature["geometry"] for feature in features} == {None}
    assert drawn.etag.startswith('"areas-7-')
