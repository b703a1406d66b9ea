"""A book of random lives at rest for `console rebuild`: what a test does to its rows is undone.

There is a copy of each table beside it, and no rule that would keep a false value out.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from services.adapters.clock import Clock
from services.console.app import app
from tests.domain.random_life import walk
from tests.domain.small_case import CITY
from tests.integration import one_database
from tests.integration.router_desk import Database, Desk, Inbox, load_city, looking, messages_of

TABLES = ("cases", "deadlines", "events", "reports")
LIVES = 15
WITH_REPORT = "case_id IN (SELECT case_id FROM reports)"


@contextlib.asynccontextmanager
async def lived(postgres_url: str, city: Path) -> AsyncIterator[str]:
    """The address of the book."""
    async with one_database.made(postgres_url) as url:
        await load_city(url, city)
        await live(url, seeds=range(5000, 5000 + LIVES))
        async with looking(url) as db:
            for table in TABLES:
                await db.conn.execute(f"CREATE TABLE kept_{table} AS TABLE {table}")
            rules = await db.conn.fetch(
                "SELECT conrelid::regclass::text, conname FROM pg_constraint"
                " WHERE contype = 'c' AND conrelid::regclass::text = ANY ($1)",
                [*TABLES],
            )
            for table, name in rules:
                await db.conn.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        yield url


async def live(url: str, seeds: range) -> None:
    """These lives, message by message in batches, through a router's worker."""
    desk, inbox = Desk(url, Clock()), Inbox()
    waiting = [messages_of(walk(seed, later=CITY), inbox) for seed in seeds]
    chance = random.Random(seeds.start)
    while any(waiting):
        batch = []
        for one in waiting:
            taken = chance.randrange(1, 9)
            batch += one[:taken]
            del one[:taken]
        await desk.handle(*batch)
    await desk.book.close()


@contextlib.asynccontextmanager
async def undone(url: str) -> AsyncIterator[Database]:
    async with looking(url) as db:
        yield db
        for table in TABLES:
            await restore(db, table)


async def restore(db: Database, table: str) -> None:
    await db.conn.execute(f"DELETE FROM {table}")
    await db.conn.execute(f"INSERT INTO {table} SELECT * FROM kept_{table}")


FILED_AT_ONCE = """place_code <> 'V12' AND ARRAY['CaseFiled', 'CaseDispatched'] = ARRAY (
    SELECT e.type FROM events e
    WHERE e.case_id = cases.case_id AND (e.seq <= 2 OR e.type = 'CaseFiled') ORDER BY e.seq)"""
"""Which case comes first depends on the ids that were made before: so it is said what it must be like."""


async def case_at(db: Database, number: int = 0, where: str = FILED_AT_ONCE) -> str:
    """The id of a case with that; there must be one."""
    found = await db.value(
        f"SELECT case_id::text FROM cases WHERE {where} ORDER BY case_id OFFSET {number} LIMIT 1"
    )
    assert found is not None, where
    return str(found)


async def rebuild(*words: str) -> tuple[int, list[str], str]:
    """Exit code, lines said, and what went to standard error."""
    result = await asyncio.to_thread(CliRunner().invoke, app, ["rebuild", *words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout.splitlines(), result.stderr


async def differences() -> list[str]:
    """What --check complains of, less its last line."""
    code, lines, _ = await rebuild("--check")
    assert code == (1 if len(lines) > 1 else 0), lines
    assert re.search(r"events replayed in [\d.]+ s \([\d,]+ events a second\): ", lines[-1])
    return lines[:-1]


async def contents(db: Database) -> dict[str, list[Any]]:
    """All that a replay must give again."""
    return {
        table: [
            row[0]
            for row in await db.conn.fetch(
                f"SELECT to_jsonb(t) - 'changed_at' FROM {table} t ORDER BY to_jsonb(t) - 'changed_at'"
            )
        ]
        for table in TABLES
    }
