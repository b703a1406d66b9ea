"""Every column of every row is falsified once, by SQL: `console rebuild --check` names it and both values."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.book_at_rest import case_at, differences, lived, restore, undone
from tests.integration.router_desk import Database

pytestmark = pytest.mark.asyncio(loop_scope="module")

# How a value of each type becomes another one; NULL becomes some value.
OTHER = {
    "text": "coalesce({0}, '') || 'x'",
    "integer": "coalesce({0}, 0) + 1",
    "boolean": "NOT coalesce({0}, false)",
    "timestamp with time zone": "coalesce({0} + interval '1 microsecond', '2026-01-01Z')",
    "uuid": "'01a20fff-0000-7000-8000-000000000000'",
    "jsonb": "coalesce({0}, '{{}}') || '{{\"x\": 1}}'",
    "text[]": "array_append({0}, 'x')",
    "timestamp with time zone[]": "array_append(array_append({0}, '2026-01-01Z'), '2026-01-02Z')",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def book_url(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with lived(postgres_url, tmp_path_factory.mktemp("city")) as url:
        yield url


@pytest_asyncio.fixture(loop_scope="module")
async def db(book_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    monkeypatch.setenv("DATABASE_URL", book_url)
    async with undone(book_url) as db:
        yield db


async def columns(db: Database, table: str) -> list[tuple[str, str]]:
    return [
        (row[0], row[1])
        for row in await db.conn.fetch(
            "SELECT attname::text, format_type(atttypid, NULL) FROM pg_attribute"
            " WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped",
            table,
        )
    ]


async def test_every_column_of_cases_but_the_time_of_writing(db: Database) -> None:
    case_id = await case_at(db, where="due_at < 'infinity'")
    for name, kind in await columns(db, "cases"):
        before, after = await falsify(db, "cases", name, kind, "case_id = $1", case_id)
        told = await differences()
        if name == "changed_at":
            assert told == []
        elif name == "case_id":
            assert told == [
                f"{case_id}  cases: in the book nothing, replayed a row",
                f"{after}  cases: in the book a row, replayed nothing",
            ]
        else:
            (one,) = told
            found = re.fullmatch(rf"{case_id}  cases\.(\w+): in the book (.*), replayed (.*)", one)
            assert found is not None, one
            assert found[1] == name
            assert same(kind, found[2], after)
            assert same(kind, found[3], before)
        await restore(db, "cases")


async def test_every_column_of_deadlines(db: Database) -> None:
    case_id, clock, stage, set_seq = await db.conn.fetchrow(  # type: ignore[misc]
        "SELECT case_id::text, clock, stage, set_seq FROM deadlines WHERE pauses <> '{}' ORDER BY 1, 2, 3, 4"
    )
    key = f"deadlines {clock} {stage} {set_seq}"
    where = "case_id = $1 AND clock = $2 AND stage = $3 AND set_seq = $4"
    for name, kind in await columns(db, "deadlines"):
        before, after = await falsify(db, "deadlines", name, kind, where, case_id, clock, stage, set_seq)
        told = await differences()
        if name in ("case_id", "clock", "stage", "set_seq"):
            assert f"{case_id}  {key}: in the book nothing, replayed a row" in told
            assert len(told) == 2
            assert sum(line.endswith("in the book a row, replayed nothing") for line in told) == 1
        else:
            (one,) = told
            found = re.fullmatch(rf"{case_id}  {key} (\w+): in the book (.*), replayed (.*)", one)
            assert found is not None, one
            assert found[1] == name
            assert same(kind, found[2], after)
            assert same(kind, found[3], before)
        await restore(db, "deadlines")


async def falsify(
    db: Database, table: str, name: str, kind: str, where: str, *values: Any
) -> tuple[Any, Any]:
    """The value before and after."""
    before = await db.value(f"SELECT {name} FROM {table} WHERE {where}", *values)
    after = await db.value(
        f"UPDATE {table} SET {name} = {OTHER[kind].format(name)} WHERE {where} RETURNING {name}", *values
    )
    assert before != after
    return before, after


def same(kind: str, said: str, value: Any) -> bool:
    if value is None:
        return said == "null"
    if kind.endswith("[]"):
        parts = said[1:-1].split(", ") if said != "{}" else []
        return len(parts) == len(value) and all(
            same(kind[:-2], part, one) for part, one in zip(parts, value, strict=True)
        )
    if kind == "jsonb":
        return bool(json.loads(said) == json.loads(value))
    if kind == "timestamp with time zone":
        return bool(said == value.isoformat())
    return said == str(value)


async def test_never_is_not_just_a_far_day(db: Database) -> None:
    case_id = await case_at(db, where="due_at = 'infinity'")
    await db.conn.execute(
        "UPDATE cases SET due_at = '9999-12-31 23:59:59.999999Z' WHERE case_id = $1", case_id
    )
    far = "9999-12-31T23:59:59.999999+00:00"
    assert await differences() == [f"{case_id}  cases.due_at: in the book {far}, replayed infinity"]
    await restore(db, "cases")
    case_id = await case_at(db, where="due_at < 'infinity'")
    await db.conn.execute("UPDATE cases SET due_at = 'infinity' WHERE case_id = $1", case_id)
    (told,) = await differences()
    assert told.startswith(f"{case_id}  cases.due_at: in the book infinity, replayed 20")
