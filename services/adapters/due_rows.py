"""The timekeeper's look at the deadlines: what is due, oldest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import asyncpg

from services.adapters.postgres import LOST, connect, describe, load_sql
from services.domain import ids
from services.domain.calendar_rows import YEAR

SQL: Final = load_sql("timekeeper")
Mark = tuple[datetime, str]
BEGINNING: Final[Mark] = (datetime(1970, 1, 1, tzinfo=UTC), "00000000-0000-0000-0000-000000000000")


class BookAway(Exception):
    """The database did not answer."""


@dataclass(frozen=True, slots=True)
class DueStep:
    """A step whose instant has come. Equal steps set anew, or moved, are different."""

    case_id: str
    deadline_id: str
    step_at: datetime

    @property
    def mark(self) -> Mark:
        return self.step_at, self.case_id


class DueRows:
    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._conn: asyncpg.Connection[asyncpg.Record] | None = None

    async def due(self, *, now: datetime, after: Mark, limit: int) -> list[DueStep]:
        """Steps with `after` < (instant, case) and instant ≤ `now`, oldest first."""
        return [
            DueStep(
                case_id=str(row["case_id"]),
                deadline_id=ids.deadline_id(
                    str(row["case_id"]), row["clock"], row["stage"], row["step"], row["set_seq"]
                ),
                step_at=row["next_at"],
            )
            for row in await self._fetch("due", now, *after, limit)
        ]

    async def oldest(self) -> datetime | None:
        """The instant of the earliest step not yet passed, due or not."""
        rows = await self._fetch("oldest_due")
        return rows[0]["next_at"] if rows else None

    async def official_years(self) -> frozenset[int]:
        """The years whose days the active city knows from an official notice."""
        found = (YEAR.fullmatch(row["file"]) for row in await self._fetch("active_files"))
        return frozenset(int(year[1]) for year in found if year is not None)

    async def _fetch(self, statement: str, *values: object) -> list[asyncpg.Record]:
        try:
            if self._conn is None or self._conn.is_closed():
                self._conn = await connect(self._url, room="timekeeper")
            return await self._conn.fetch(SQL[statement], *values)
        except (*LOST, asyncpg.PostgresError) as error:
            await self.close()
            raise BookAway(describe(error)) from error

    async def close(self) -> None:
        if self._conn is not None:
            self._conn.terminate()
            self._conn = None
