"""Numbered versions of the city in a real PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from services.adapters.city_book import NoCityLoaded, active_version, load_folder, read_version
from services.adapters.city_files import read_city
from services.domain.city_problems import CityProblems
from tests.domain.small_city import FILES

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


async def test_loading_numbers_versions_and_the_same_content_is_loaded_once(
    database_url: str, folder: Path
) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        with pytest.raises(NoCityLoaded, match="city load FOLDER"):
            await active_version(connection)
        assert await load_folder(database_url, folder, now=NOW) == 1
        assert await load_folder(database_url, folder, now=NOW) == 1
        (folder / "city.toml").write_text(FILES["city.toml"].replace("小城", "大城"), "utf-8")
        assert await load_folder(database_url, folder) == 2
        (folder / "city.toml").write_text(FILES["city.toml"], "utf-8")
        assert await load_folder(database_url, folder, now=NOW) == 3
        assert await active_version(connection) == 3
        assert await connection.fetchval("SELECT loaded_at FROM city_versions WHERE version = 1") == NOW
        first, areas = await read_version(connection, 1)
        second, _ = await read_version(connection, 2)
        assert first == read_city(FILES, 1)
        assert (second.version, second.name_zh) == (2, "大城")
        assert areas.cells_at([(120.58, 31.0)]) == ["V11"]
        with pytest.raises(NoCityLoaded, match="no city version 4"):
            await read_version(connection, 4)
    finally:
        await connection.close()


async def test_a_folder_with_a_problem_changes_nothing(database_url: str, folder: Path) -> None:
    assert await load_folder(database_url, folder, now=NOW) == 1
    (folder / "hubs.csv").write_text(FILES["hubs.csv"].replace("V21,T2", "V21,T9"), "utf-8")
    with pytest.raises(CityProblems, match=r"^hubs.csv:7: parent `T9` is not a hub of this file$"):
        await load_folder(database_url, folder, now=NOW)
    connection = await asyncpg.connect(database_url)
    try:
        assert await active_version(connection) == 1
        assert await connection.fetchval("SELECT count(*) FROM city_versions") == 1
    finally:
        await connection.close()


async def test_two_who_load_at_once_make_one_version(database_url: str, folder: Path) -> None:
    assert await asyncio.gather(*(load_folder(database_url, folder, now=NOW) for _ in range(4))) == [
        1,
        1,
        1,
        1,
    ]
