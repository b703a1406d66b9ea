"""The city's lists, and the door that follows the book's active version and lives without it."""

from __future__ import annotations

import json
from pathlib import Path

from services.adapters.city_book import load_folder
from services.adapters.city_files import read_city, read_folder
from services.intake.lists import CityLists
from tests.harness.country import Country
from tests.integration.intake_door import NOWHERE, eventually, fields, open_door, problem


async def test_categories_and_hubs(broker: str, database_url: str, tmp_path: Path) -> None:
    async with open_door(broker, database_url, tmp_path) as door:
        categories = (await door.http.get("/v1/categories")).json()
        assert (categories["total"], categories["next_cursor"]) == (6, None)
        assert [item["code"] for item in categories["items"]] == [
            *("pothole", "ads", "gas", "secret", "fire", "other"),
        ]
        assert {i["code"]: (i["hotline"], i["redirect"]) for i in categories["items"]}["fire"] == (
            None,
            "119",
        )

        async def codes(query: str) -> list[str]:
            answer = (await door.http.get(f"/v1/hubs{query}")).json()
            assert answer["total"] == len(answer["items"])
            assert answer["next_cursor"] is None
            return [item["code"] for item in answer["items"]]

        assert await codes("") == ["C", "T1", "T2", "V11", "V12", "V21"]
        assert await codes("?parent=") == ["C"]
        assert await codes("?parent=C") == ["T1", "T2"]
        assert await codes("?parent=T1") == ["V11", "V12"]
        assert await codes("?parent=V11") == []
        # Below a community its grids, below a grid its rows.
        assert await codes("?parent=V12") == ["V12001", "V12002"]
        rows = [f"V12001-R0{number}" for number in (1, 2, 3, 5)]
        assert await codes("?parent=V12001") == rows
        assert await codes("?parent=V12001-R05") == await codes("?parent=V12002") == []
        (grid, _) = (await door.http.get("/v1/hubs?parent=V12")).json()["items"]
        assert grid == {
            "code": "V12001",
            "parent": "V12",
            "level": 4,
            "kind": "grid",
            "name": "东二一格",
            "lon": None,
            "lat": None,
        }
        for unknown in ("X", "V12009", "V12001-R04", "V12001-R05-"):
            assert fields(await door.http.get(f"/v1/hubs?parent={unknown}")) == ["parent"]
        assert fields(await door.http.get("/v1/hubs?cursor=next")) == ["cursor"]


async def test_another_version_of_the_city_is_taken_up(
    broker: str, database_url: str, tmp_path: Path
) -> None:
    async with open_door(broker, database_url, tmp_path) as door:
        body = {"channel": "resident", "category": "hole"}
        assert fields(await door.http.post("/v1/reports", json=body)) == ["category"]
        for name in ("categories.csv", "tiles.csv"):
            file = tmp_path / "city" / name
            file.write_text(file.read_text("utf-8").replace("pothole,", "hole,"), "utf-8")
        settings = tmp_path / "city" / "city.toml"
        settings.write_text(settings.read_text("utf-8").replace('"pothole"', '"hole"'), "utf-8")
        await load_folder(database_url, tmp_path / "city")

        async def taken() -> bool:
            return (await door.http.post("/v1/reports", json=body)).status_code == 202

        await eventually(taken)


async def test_without_the_database_the_door_accepts_and_only_status_says_503(
    broker: str, tmp_path: Path
) -> None:
    async with open_door(broker, NOWHERE, tmp_path) as door:
        answer = await door.http.post("/v1/reports", json={"channel": "resident", "category": "pothole"})
        assert answer.status_code == 202
        status = await door.http.get(answer.json()["status_url"])
        assert problem(status, 503)["code"] == "unavailable"
        assert int(status.headers["retry-after"]) >= 1


def test_all_hubs_of_a_country_are_read_page_by_page(tmp_path: Path) -> None:
    country = Country(towns=200, communities=2_400, cells=0)
    city = read_city(read_folder(country.write(tmp_path)), 1)
    lists = CityLists(city)
    pages = []
    cursor: str | None = "0"
    while cursor is not None:
        pages.append(json.loads(lists.hubs(int(cursor))))
        cursor = pages[-1]["next_cursor"]
    # 1 country, 31 provinces, 13 counties of 16 towns
    assert [len(page["items"]) for page in pages] == [1000, 1000, 645]
    assert {page["total"] for page in pages} == {1 + 31 + 13 + 200 + 2_400}
    assert [item["code"] for page in pages for item in page["items"]] == list(city.hubs)
    assert json.loads(lists.hubs(2_645)) == {"items": [], "next_cursor": None, "total": 2_645}
