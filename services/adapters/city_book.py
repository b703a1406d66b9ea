"""The numbered versions of the city in the book: loading a folder makes one active, rooms read it by number.

A version is never changed; it keeps the texts of its files. Loading the same content again does nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import asyncpg

from services.adapters.areas import Areas
from services.adapters.city_files import read_city, read_folder
from services.adapters.clock import Clock
from services.adapters.postgres import LOST, connect, describe, load_sql
from services.adapters.settings import Settings
from services.domain.city import City
from services.domain.city_rows import AREAS

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]

SQL: Final = load_sql("city")
CLOSE_SECONDS: Final = 5.0
# A country's texts are some 70 MB: written within 5 s, read within 1 s, parsed within 15 s.
_LOAD_SECONDS: Final = 60.0
_READ_SECONDS: Final = 30.0


class BookUnusable(RuntimeError):
    """PostgreSQL cannot be reached or answers with an error; nothing was loaded."""


class NoCityLoaded(LookupError):
    """The book holds no city yet, or not this version of it."""


async def load_folder(database_url: str, folder: Path, *, now: datetime | None = None) -> int:
    """Check the folder and make it the active version; the number of the version that is active then."""
    files = read_folder(folder)
    read_city(files, 0)
    return await load_files(database_url, files, now=now)


async def load_files(database_url: str, files: Mapping[str, str], *, now: datetime | None = None) -> int:
    """For texts that read_city found whole: they become the active version."""
    loaded_at = now if now is not None else Clock(Settings().clock_offset_file).now()
    try:
        return await _load(database_url, files, now=loaded_at)
    except (*LOST, asyncpg.PostgresError) as error:
        raise BookUnusable(f"the city was not loaded: {describe(error)}") from error


async def _load(database_url: str, files: Mapping[str, str], *, now: datetime) -> int:
    wanted = content_hash(files)
    conn = await connect(database_url, room="city-load", command_timeout=_LOAD_SECONDS)
    try:
        async with conn.transaction():
            await conn.execute(SQL["lock_city"])
            active = await conn.fetchrow(SQL["active_city"])
            if active is not None and active["content_hash"] == wanted:
                return int(active["version"])
            texts = json.dumps(files, ensure_ascii=False)
            version = await conn.fetchval(SQL["insert_version"], now, wanted, texts)
            if await conn.fetchval(SQL["move_active"], version) is None:
                await conn.execute(SQL["first_active"], version)
            return int(version)
    finally:
        await conn.close(timeout=CLOSE_SECONDS)


async def load_hash(database_url: str) -> str | None:
    """What the active version holds, as content_hash; None before the first."""
    try:
        conn = await connect(database_url, room="city-load")
        try:
            active = await conn.fetchrow(SQL["active_city"])
        finally:
            await conn.close(timeout=CLOSE_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise BookUnusable(describe(error)) from error
    return None if active is None else str(active["content_hash"])


async def active_version(conn: Connection) -> int:
    version = await conn.fetchval(SQL["active_version"])
    if version is None:
        raise NoCityLoaded("no city is loaded: run `python -m services.console city load FOLDER`")
    return int(version)


async def read_version(conn: Connection, version: int) -> tuple[City, Areas]:
    """Parsed in a thread: who waits for a country goes on answering and beating meanwhile."""
    texts = await conn.fetchval(SQL["read_version"], version, timeout=_READ_SECONDS)
    if texts is None:
        raise NoCityLoaded(f"the book holds no city version {version}")
    return await asyncio.to_thread(_parse, texts, version)


def _parse(texts: str, version: int) -> tuple[City, Areas]:
    files: dict[str, str] = json.loads(texts)
    city = read_city(files, version)
    return city, Areas.parse(files[AREAS], city)


def content_hash(files: Mapping[str, str]) -> str:
    named = json.dumps(files, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(named.encode()).hexdigest()
