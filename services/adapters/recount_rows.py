"""What the book says of a recount: the official years, the cases they reach, what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from services.adapters.city_book import BookUnusable
from services.adapters.codec import decode_body
from services.adapters.postgres import connect, describe, load_sql
from services.domain.calendar_rows import YEAR
from services.domain.city import City
from services.domain.events import DuesRecomputed

SQL: Final = load_sql("recount")
# It looks at every open row of some years, once a year.
_COMMAND_SECONDS: Final = 60.0
# A router's transaction ends within 12 s.
_OLDER_SECONDS: Final = 20.0
_LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Recounted:
    """One case's dues that are other than before."""

    number: str
    body: DuesRecomputed


class RecountRows:
    def __init__(self, conn: asyncpg.Connection[asyncpg.Record]) -> None:
        self._conn = conn

    async def active_years(self) -> tuple[int, frozenset[int]] | None:
        """Number and official years of the active version; None before the first."""
        row = await self._conn.fetchrow(SQL["active_files"])
        if row is None:
            return None
        return row["version"], _years(row["files"])

    async def recounted_years(self) -> frozenset[int]:
        """Official when every case was last asked to count again, and all had answered."""
        return _years(await self._conn.fetchval(SQL["recounted_files"]) or ())

    async def mark_recounted(self, version: int) -> None:
        await self._conn.execute(SQL["mark_recounted"], version)

    async def older_have_ended(self) -> bool:
        """Waits until nobody can still be deciding by the version before; False if that takes too long."""
        until = await self._conn.fetchval(SQL["running_until"])
        for _ in range(int(_OLDER_SECONDS / _LOOK_SECONDS)):
            if await self._conn.fetchval(SQL["have_ended"], until):
                return True
            await asyncio.sleep(_LOOK_SECONDS)
        return False

    async def reached(self, years: Iterable[int], city: City) -> list[str]:
        known = sorted(years)
        first = datetime(known[0], 1, 1, tzinfo=city.zone)
        last = datetime(known[-1] + 1, 1, 1, tzinfo=city.zone)
        predictable = [code for code, one in city.calendars.items() if one.kind == "workdays"]
        rows = await self._conn.fetch(SQL["reached"], first, last, predictable)
        return [str(row["case_id"]) for row in rows]

    async def decided(self, command_ids: Sequence[str]) -> int:
        return len(await self._conn.fetch(SQL["decided"], command_ids))

    async def recounted(self, case_ids: Sequence[str], command_ids: Sequence[str]) -> list[Recounted]:
        rows = await self._conn.fetch(SQL["recounted"], case_ids, command_ids)
        return [Recounted(row["number"], decode_body("DuesRecomputed", row["payload"])) for row in rows]


def _years(files: Iterable[str]) -> frozenset[int]:
    found = (YEAR.fullmatch(name) for name in files)
    return frozenset(int(year[1]) for year in found if year is not None)


@asynccontextmanager
async def recount_rows(database_url: str) -> AsyncIterator[RecountRows]:
    """Raises BookUnusable, whatever the database answers with."""
    try:
        conn = await connect(database_url, room="console-recount", command_timeout=_COMMAND_SECONDS)
        try:
            yield RecountRows(conn)
        finally:
            conn.terminate()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise BookUnusable(describe(error)) from error
