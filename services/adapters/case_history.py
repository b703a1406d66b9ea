"""A case's events as the book keeps them, and the city versions they were decided by."""

from __future__ import annotations

from collections.abc import Iterable

import asyncpg

from services.adapters.city_book import BookUnusable, NoCityLoaded, read_version
from services.adapters.codec import UUID
from services.adapters.postgres import connect, describe, load_sql
from services.adapters.rows import event_from_row
from services.domain.city import City
from services.domain.city_problems import CityProblems
from services.domain.events import Event

SQL = load_sql("history")


async def read_history(database_url: str, case: str) -> tuple[list[Event], dict[int, City]]:
    """By case_id or number; no events if there is none. A version that cannot be read today is left out."""
    try:
        conn = await connect(database_url, room="console-explain")
        try:
            case_id = case if UUID.fullmatch(case) else await conn.fetchval(SQL["case_of_number"], case)
            rows = await conn.fetch(SQL["events_of"], case_id) if case_id is not None else []
            events = [event_from_row(row) for row in rows]
            return events, await _cities(conn, {event.city_version for event in events})
        finally:
            conn.terminate()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise BookUnusable(describe(error)) from error


async def _cities(conn: asyncpg.Connection[asyncpg.Record], versions: Iterable[int]) -> dict[int, City]:
    cities: dict[int, City] = {}
    for version in sorted(versions):
        try:
            cities[version], _ = await read_version(conn, version)
        except (CityProblems, NoCityLoaded):
            continue
    return cities
