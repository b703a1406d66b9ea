"""The city's lists, and the door that follows the book's active version and lives without it."""

from __future__ import annotations

from pathlib import Path

from services.adapters.city_book import load_folder
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
        assert fields(await door.http.get("/v1/hubs?parent=X")) == ["parent"]


async def test_another_version_of_the_city_is_taken_up(
    broker: str, database_url: str, tmp_path: Path
) -> None:
    async with open_door(broker, database_url, tmp_path) as door:
        body = {"channel": "resident", "category": "hole"}
        assert fields(await door.http.post("/v1/reports", json=body)) == ["category"]
        for name in ("categories.csv", "tiles.csv"):
            file = tmp_path / "city" / name
            file.write_text(file.read_text("utf-8").replace("pothole,", "hole,"), "utf-8")
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
