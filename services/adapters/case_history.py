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


class SeveralCases(Exception):
    """The number is that of more than one case."""

    def __init__(self, number: str, case_ids: list[str]) -> None:
        super().__init__(
            f"{len(case_ids)} cases have the number {number}: {', '.join(case_ids)}; name one by its case_id"
        )


async def read_history(database_url: str, case: str) -> tuple[list[Event], dict[int, City]]:
    """By case_id or number; no events if there is none, SeveralCases if a number says too little.

    A version that cannot be read today is left out.
    """
    try:
        conn = await connect(database_url, room="console-explain")
        try:
            case_ids = [case] if UUID.fullmatch(case) else await _of_number(conn, case)
            if len(case_ids) > 1:
                raise SeveralCases(case, case_ids)
            events = [
                event_from_row(row) for one in case_ids for row in await conn.fetch(SQL["events_of"], one)
            ]
            return events, await _cities(conn, {event.city_version for event in events})
        finally:
            conn.terminate()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise BookUnusable(describe(error)) from error


async def _of_number(conn: asyncpg.Connection[asyncpg.Record], number: str) -> list[str]:
    return [row["case_id"] for row in await conn.fetch(SQL["cases_of_number"], number)]


async def _cities(conn: asyncpg.Connection[asyncpg.Record], versions: Iterable[int]) -> dict[int, City]:
    cities: dict[int, City] = {}
    for version in sorted(versions):
        try:
            cities[version], _ = await read_version(conn, version)
        except (CityProblems, NoCityLoaded):
            continue
    return cities
