"""How PostgreSQL runs the statements of router, timekeeper and health: prepared all, and planned well.

Planned on fresh tables as after a migration, and again once they are filled and analysed.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from services.adapters import book, case_history, due_rows, health, rebuilding, recount_rows, replay_rows
from services.adapters.postgres import connect
from services.domain import ids
from tests.domain.small_case import T0, at
from tests.integration import one_database

pytestmark = pytest.mark.asyncio(loop_scope="module")

CASES = sorted(ids.case_id(at(minutes=number), f"report {number}") for number in range(500))
BOUNDS = CASES[0], CASES[-1]
YEAR = str(T0.year)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fresh_url(postgres_url: str) -> AsyncIterator[str]:
    async with one_database.made(postgres_url) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled_url(postgres_url: str) -> AsyncIterator[str]:
    """20,000 cases of this year, 2,000 of last year; two events and two deadlines each."""
    async with one_database.made(postgres_url) as url:
        conn = await connect(url, room="tests", command_timeout=60)
        await conn.execute(_FILL)
        await conn.execute("ANALYZE")
        await conn.close()
        yield url


_FILL = """
CREATE TABLE made AS SELECT
    (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7000' || '8000'
     || lpad(to_hex(n), 12, '0'))::uuid AS id, at
FROM (SELECT n, CASE WHEN n % 11 = 0 THEN timestamptz '2025-06-01Z' ELSE timestamptz '2026-09-01Z' END
      + n * interval '6 minutes' AS at FROM generate_series(1, 22000) n);
INSERT INTO cases (case_id, root_case_id, number, seq, stale_seq, state, lane, category, priority, hub_code,
    level, owner, owner_hub_code, location_quality, unrouted, confidential, report_count, rework_count,
    received_at, unverified, handler_hubs, due_at, last_event_at, city_version, changed_at)
SELECT id, id, '1', 2, 1, 'dispatched', 'fast', 'pothole', 'P3', 'T1', 2, 'works', 'T1', 'good', false, false,
    1, 0, at, false, '{}', at, at, 1, at FROM made;
INSERT INTO events SELECT id, seq, 'CaseFiled', at, 'a', id, 1, 1, '{}' FROM made, generate_series(1, 2) seq;
INSERT INTO deadlines
SELECT id, 'owner', stage, 1, '4h', at, at, false, 'due', CASE WHEN stage = 'accept' THEN at END, NULL, NULL,
    '{}'
FROM made, unnest('{accept,resolve}'::text[]) stage;
INSERT INTO outcomes SELECT id, id, 'applied', NULL, NULL, NULL, '[]', at FROM made;
INSERT INTO private.erased SELECT id, at FROM made;
DROP TABLE made;
"""


OF_LONG_AGO = [ids.case_id(at(-4 * number), f"old {number}") for number in range(500)]
"""Cases begun over three months, changed in one batch."""


@pytest.fixture(params=["fresh", "filled"])
def url(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@pytest_asyncio.fixture(loop_scope="module")
async def router(url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A session as the router's book opens it."""
    conn = await asyncpg.connect(url, timeout=5, command_timeout=15, server_settings=book._SESSION)
    yield conn
    await conn.close()


@pytest_asyncio.fixture(loop_scope="module")
async def timekeeper(url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    conn = await connect(url, room="timekeeper")
    yield conn
    await conn.close()


@pytest.mark.parametrize("file", ["book", "timekeeper", "health", "recount", "history"])
async def test_every_statement_is_prepared(fresh_url: str, file: str) -> None:
    statements = {
        "book": book.SQL,
        "timekeeper": due_rows.SQL,
        "health": health.SQL,
        "recount": recount_rows.SQL,
        "history": case_history.SQL,
    }[file]
    assert len(statements) >= 2
    conn = await connect(fresh_url, room="tests")
    try:
        for name, statement in statements.items():
            try:
                await conn.prepare(statement)
            except asyncpg.PostgresError as error:
                pytest.fail(f"{file}.sql, {name}: {error}")
    finally:
        await conn.close()


@dataclass(frozen=True)
class Whole:
    """Rows of a table's own type, one for each of these cases."""

    table: str
    case_ids: tuple[str, ...]

    async def text(self, conn: asyncpg.Connection[asyncpg.Record]) -> str:
        said = "jsonb_build_object('case_id', id, 'clock', 'owner', 'stage', 'accept', 'set_seq', 1)"
        row = f"jsonb_populate_record(NULL::{self.table}, {said})"
        found: str = await conn.fetchval(
            f"SELECT array_agg({row})::text FROM unnest($1::uuid[]) id", [*self.case_ids]
        )
        return found


def literal(value: Any) -> str:
    """As EXECUTE wants it: text that takes the type of its parameter."""
    if value is None:
        return "NULL"
    if isinstance(value, list):
        return literal("{" + ",".join("NULL" if one is None else f'"{one}"' for one in value) + "}")
    return "'" + str(value).replace("'", "''") + "'"


async def plans(conn: asyncpg.Connection[asyncpg.Record], statement: str, *values: Any) -> list[str]:
    """The plan made for these values and, if the session keeps any, the one kept for all values."""
    found = []
    keeps = await conn.fetchval("SHOW plan_cache_mode") == "auto"
    values = tuple([await one.text(conn) if isinstance(one, Whole) else one for one in values])
    given = f"({', '.join(map(literal, values))})" if values else ""
    for mode in ("force_custom_plan", "force_generic_plan") if keeps else ("force_custom_plan",):
        await conn.execute(f"SET plan_cache_mode = {mode}")
        await conn.execute(f"PREPARE looked AS {statement}")
        transaction = conn.transaction()
        await transaction.start()
        try:
            rows = await conn.fetch(
                f"EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off, BUFFERS off) EXECUTE looked{given}"
            )
        finally:
            await transaction.rollback()
            await conn.execute("DEALLOCATE looked")
            await conn.execute("RESET plan_cache_mode")
        found.append("\n".join(row[0] for row in rows))
    return found


def years_touched(plan: str, table: str) -> set[str]:
    """Of every node that was run: a node never executed opened nothing."""
    run = [line for line in plan.splitlines() if "(never executed)" not in line]
    return set(re.findall(rf"\b{table}_(\d{{4}})(?:_\d+)?\b", "\n".join(run)))


def assert_never_scans(plan: str) -> None:
    assert "Seq Scan" not in plan, plan
    assert not re.search(r"Hash Join|Merge Join", plan), plan


BY_CASE: dict[str, tuple[str, Sequence[Any]]] = {
    "cases": ("cases", ([*CASES], *BOUNDS)),
    "deadlines": ("deadlines", ([*CASES], *BOUNDS)),
    "lock_families": ("cases", ([*CASES], *BOUNDS)),
    "update_cases": ("cases", (Whole("cases", tuple(CASES)), CASES)),
    "update_deadlines": ("deadlines", (Whole("deadlines", tuple(CASES)), CASES)),
}


@pytest.mark.parametrize("name", BY_CASE)
async def test_cases_of_this_year_touch_the_partition_of_this_year(
    router: asyncpg.Connection[asyncpg.Record], name: str
) -> None:
    table, values = BY_CASE[name]
    for plan in await plans(router, book.SQL[name], *values):
        assert years_touched(plan, table) <= {YEAR}, plan
        assert years_touched(plan, table) or "never executed" in plan, plan
        assert_never_scans(plan)


@pytest.mark.parametrize("name", ["update_cases", "update_deadlines"])
async def test_cases_of_many_weeks_are_changed_by_their_keys(filled_url: str, name: str) -> None:
    table, _ = BY_CASE[name]
    given = (Whole(table, tuple(OF_LONG_AGO)), OF_LONG_AGO)
    conn = await asyncpg.connect(filled_url, timeout=5, server_settings=book._SESSION)
    try:
        await conn.execute(book.SQL["change_by_keys"].replace("LOCAL ", ""))
        for plan in await plans(conn, book.SQL[name], *given):
            assert years_touched(plan, table) == {YEAR}, plan
            assert re.search(r"Index Cond: \(+case_id = (t\.case_id|ANY)", plan), plan
            assert "Rows Removed by Join Filter" not in plan, plan
    finally:
        await conn.close()


async def test_one_case_is_found_by_its_key(router: asyncpg.Connection[asyncpg.Record]) -> None:
    one = CASES[0]
    for plan in await plans(router, book.SQL["cases"], [one], one, one):
        assert years_touched(plan, "cases") == {YEAR}
        assert f"cases_{YEAR}_pkey" in plan


async def test_cases_around_new_year_touch_two_partitions(router: asyncpg.Connection[asyncpg.Record]) -> None:
    old = ids.case_id(datetime.fromisoformat("2025-12-31T23:59:59Z"), "old")
    new = ids.case_id(datetime.fromisoformat("2026-01-01T00:00:00Z"), "new")
    for plan in await plans(router, book.SQL["cases"], [old, new], old, new):
        assert years_touched(plan, "cases") == {"2025", "2026"}


async def test_outcomes_are_found_by_their_keys(router: asyncpg.Connection[asyncpg.Record]) -> None:
    for plan in await plans(router, book.SQL["outcomes"], [*CASES]):
        assert set(re.findall(r"using (outcomes_\d_pkey)", plan)) == {f"outcomes_{n}_pkey" for n in range(8)}
        assert_never_scans(plan)


async def test_events_are_found_by_their_ranges(router: asyncpg.Connection[asyncpg.Record]) -> None:
    for plan in await plans(
        router, book.SQL["events_of_ranges"], [*CASES], [1] * len(CASES), [2] * len(CASES)
    ):
        assert years_touched(plan, "events") == {YEAR}, plan
        assert re.search(rf"Index Scan using events_{YEAR}_pkey", plan), plan
        assert re.search(r"Index Cond: \(\(case_id = r\.case_id\) AND \(seq >=", plan), plan
        assert_never_scans(plan)


async def test_what_was_erased_is_found_by_its_key(router: asyncpg.Connection[asyncpg.Record]) -> None:
    for plan in await plans(router, book.SQL["erased"], [*CASES]):
        assert "erased_pkey" in plan
        assert_never_scans(plan)


async def test_what_is_due_comes_from_its_index(timekeeper: asyncpg.Connection[asyncpg.Record]) -> None:
    whole_range = (T0, *due_rows.BEGINNING, 500)
    for plan in await plans(timekeeper, due_rows.SQL["due"], *whole_range):
        assert "Seq Scan" not in plan, plan
        assert f"deadlines_{YEAR}_next_at_case_id_idx" in plan, plan
        assert "Merge Append" in plan
        assert not re.search(r"-> +(Incremental )?Sort", plan), plan
    above_the_mark = (T0, at(minutes=-1), CASES[0], 500)
    for plan in await plans(timekeeper, due_rows.SQL["due"], *above_the_mark):
        # Partitions that hold nothing may be read as they are, and a handful of rows sorted.
        assert f"Seq Scan on deadlines_{YEAR}" not in plan, plan
        assert f"deadlines_{YEAR}_next_at_case_id_idx" in plan, plan


async def test_the_oldest_due_comes_from_its_index(timekeeper: asyncpg.Connection[asyncpg.Record]) -> None:
    for plan in await plans(timekeeper, due_rows.SQL["oldest_due"]):
        assert "Seq Scan" not in plan, plan
        assert f"deadlines_{YEAR}_next_at_case_id_idx" in plan, plan


@pytest.mark.parametrize("table", replay_rows.TABLES)
async def test_a_replay_reads_by_keys_and_sorts_nothing(url: str, table: str) -> None:
    """However large the book: what is sorted is read whole before the first row is given."""
    conn = await asyncpg.connect(url, timeout=5, server_settings=rebuilding._SESSION)
    try:
        for plan in await plans(conn, replay_rows.SQL[table]):
            assert not re.search(r"(^|-> +)(Incremental )?Sort\b(?! Key)", plan, re.M), plan
            assert re.search(rf"Index (Only )?Scan using {table}_\d+_\w+", plan), plan
    finally:
        await conn.close()


async def test_the_partitions_last_until_the_end_of_2040(
    timekeeper: asyncpg.Connection[asyncpg.Record],
) -> None:
    until = await timekeeper.fetchval(health.SQL["partitions_last_until"])
    assert until == datetime.fromisoformat("2041-01-01T00:00:00Z")
