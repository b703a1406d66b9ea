"""The migration runner on the real database, with small migrations of the test's own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from services.adapters.migrations import MigrationError, migrate, pending
from services.adapters.postgres import connect


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE one (a int);", "utf-8")
    (tmp_path / "0002_second.sql").write_text(
        "CREATE TABLE two (a int); INSERT INTO two VALUES (1);", "utf-8"
    )
    return tmp_path


@pytest.fixture
async def empty_url(database_url: str) -> str:
    connection = await connect(database_url)
    await connection.execute("DROP TABLE public.schema_migrations")
    await connection.close()
    return database_url


async def test_each_is_applied_once_in_order(empty_url: str, folder: Path) -> None:
    assert await waiting(empty_url, folder) == ["0001_first.sql", "0002_second.sql"]
    assert await migrate(empty_url, folder=folder) == ["0001_first.sql", "0002_second.sql"]
    assert await migrate(empty_url, folder=folder) == []
    assert await waiting(empty_url, folder) == []
    (folder / "0003_third.sql").write_text("ALTER TABLE one ADD b int;", "utf-8")
    assert await waiting(empty_url, folder) == ["0003_third.sql"]
    assert await migrate(empty_url, folder=folder) == ["0003_third.sql"]


async def test_one_that_fails_leaves_nothing_and_is_named(empty_url: str, folder: Path) -> None:
    (folder / "0002_second.sql").write_text("CREATE TABLE two (a int); SELECT 1/0;", "utf-8")
    with pytest.raises(MigrationError, match=r"0002_second.sql: division by zero"):
        await migrate(empty_url, folder=folder)
    connection = await connect(empty_url)
    assert await connection.fetchval("SELECT to_regclass('one') IS NOT NULL")
    assert await connection.fetchval("SELECT to_regclass('two') IS NULL")
    await connection.close()


async def test_one_that_was_edited_is_named_by_both(empty_url: str, folder: Path) -> None:
    await migrate(empty_url, folder=folder)
    (folder / "0001_first.sql").write_text("CREATE TABLE one (a bigint);", "utf-8")
    with pytest.raises(MigrationError, match=r"0001_first.sql was edited"):
        await migrate(empty_url, folder=folder)
    with pytest.raises(MigrationError, match=r"0001_first.sql was edited"):
        await waiting(empty_url, folder)


async def test_one_that_was_renamed_is_named(empty_url: str, folder: Path) -> None:
    await migrate(empty_url, folder=folder)
    (folder / "0002_second.sql").rename(folder / "0002_other.sql")
    with pytest.raises(MigrationError, match=r"0002_other.sql: the database has 0002_second.sql"):
        await migrate(empty_url, folder=folder)


async def test_a_database_that_is_ahead_is_ready(empty_url: str, folder: Path) -> None:
    await migrate(empty_url, folder=folder)
    (folder / "0002_second.sql").unlink()
    assert await waiting(empty_url, folder) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("0004_gap.sql", "expected number 0003"),
        ("0002_twin.sql", "expected number 0003"),
        ("3_short.sql", "NNNN"),
    ],
)
async def test_numbers_and_names_are_demanded(empty_url: str, folder: Path, name: str, said: str) -> None:
    (folder / name).write_text("SELECT 1;", "utf-8")
    with pytest.raises(MigrationError, match=said):
        await migrate(empty_url, folder=folder)


async def test_two_runners_at_once_apply_each_once(empty_url: str, folder: Path) -> None:
    done = await asyncio.gather(*(migrate(empty_url, folder=folder) for _ in range(3)))
    assert sorted(done, key=len) == [[], [], ["0001_first.sql", "0002_second.sql"]]


async def test_a_lock_held_by_somebody_stops_the_file_not_the_house(empty_url: str, folder: Path) -> None:
    await migrate(empty_url, folder=folder)
    (folder / "0003_third.sql").write_text("ALTER TABLE one ADD b int;", "utf-8")
    holder = await connect(empty_url)
    async with holder.transaction():
        await holder.execute("LOCK TABLE one")
        with pytest.raises(MigrationError, match=r"0003_third.sql: canceling statement due to lock timeout"):
            await migrate(empty_url, folder=folder)
    await holder.close()


async def waiting(url: str, folder: Path) -> list[str]:
    connection = await connect(url)
    try:
        return await pending(connection, folder=folder)
    finally:
        await connection.close()
