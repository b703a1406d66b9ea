"""Migrations: sql/migrations/NNNN_name.sql, forward only, each in one transaction, under one advisory lock.

Rules: what was applied is remembered with the SHA-256 of its content, so an edited or renamed file is an
error that names it; a file waits at most 5 s for a lock; `pending` is what readiness asks.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from services.adapters.postgres import SQL_FOLDER, connect

FOLDER: Final = SQL_FOLDER / "migrations"

_NAME: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_LOCK: Final = int.from_bytes(hashlib.sha256(b"pioneer-hub migrations").digest()[:8], "big", signed=True)
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS public.schema_migrations"
    " (number integer PRIMARY KEY, name text NOT NULL UNIQUE, sha256 text NOT NULL)"
)
_FILE_SECONDS: Final = 600.0


class MigrationError(RuntimeError):
    """Files and database disagree, or a file failed. The text names the file."""


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    sql: str
    sha256: str


def read_migrations(folder: Path = FOLDER) -> list[Migration]:
    found: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path.name}: a migration is named NNNN_name.sql in lower case")
        content = path.read_bytes()
        found.append(
            Migration(int(match[1]), path.name, content.decode("utf-8"), hashlib.sha256(content).hexdigest())
        )
    for expected, migration in enumerate(found, start=1):
        if migration.number != expected:
            raise MigrationError(f"{migration.name}: expected number {expected:04}: no gap, no twin")
    return found


async def migrate(database_url: str, *, folder: Path = FOLDER) -> list[str]:
    """Bring the database up to the files. Returns the names applied now; two runners wait for each other."""
    connection = await connect(database_url, room="migrations", command_timeout=_FILE_SECONDS)
    try:
        await connection.execute("SET lock_timeout = '60s'")
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await connection.execute(_TABLE)
        applied = []
        for migration in await _missing(connection, folder):
            await _apply(connection, migration)
            applied.append(migration.name)
        return applied
    finally:
        await connection.close(timeout=5.0)


async def pending(connection: asyncpg.Connection[asyncpg.Record], *, folder: Path = FOLDER) -> list[str]:
    """Names of the files that this database lacks. Empty means ready."""
    if await connection.fetchval("SELECT to_regclass('public.schema_migrations')") is None:
        return [migration.name for migration in read_migrations(folder)]
    return [migration.name for migration in await _missing(connection, folder)]


async def _missing(connection: asyncpg.Connection[asyncpg.Record], folder: Path) -> list[Migration]:
    rows = await connection.fetch("SELECT number, name, sha256 FROM public.schema_migrations ORDER BY number")
    files = read_migrations(folder)
    # A newer program may have migrated further while this one still runs: more rows than files is no error.
    for row, migration in zip(rows, files, strict=False):
        if row["name"] != migration.name:
            raise MigrationError(f"{migration.name}: the database has {row['name']} in this place")
        if row["sha256"] != migration.sha256:
            raise MigrationError(
                f"{migration.name} was edited after it was applied: restore it, add a new file"
            )
    return files[len(rows) :]


async def _apply(connection: asyncpg.Connection[asyncpg.Record], migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '5s'")
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO public.schema_migrations (number, name, sha256) VALUES ($1, $2, $3)",
                migration.number,
                migration.name,
                migration.sha256,
            )
    except asyncpg.PostgresError as problem:
        raise MigrationError(f"{migration.name}: {problem}") from problem
