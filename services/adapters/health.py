"""What every process asks of the database before it calls itself ready: an answer, the files' schema,
room for next year's cases, and a clock that agrees with this machine's.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from services.adapters import metrics
from services.adapters.clock import Clock
from services.adapters.migrations import MigrationError, pending
from services.adapters.postgres import LOST, connect, describe, load_sql

MOST_SKEW: Final = timedelta(seconds=1)
_LEAST_ROOM: Final = timedelta(days=365)
SQL: Final = load_sql("health")


class DatabaseHealth:
    """`check` is a readiness check: None, or what is wrong. It keeps one connection of its own."""

    def __init__(self, database_url: str, clock: Clock) -> None:
        self._url = database_url
        self._clock = clock
        self._conn: asyncpg.Connection[asyncpg.Record] | None = None
        self._schema_checked = False
        self._one_at_a_time = asyncio.Lock()

    async def check(self) -> str | None:
        # a balancer, the supervisor and the watchdog may all ask at once
        async with self._one_at_a_time:
            return await self._check()

    async def _check(self) -> str | None:
        try:
            if self._conn is None or self._conn.is_closed():
                self._conn = await connect(self._url, room="health", command_timeout=1)
            if not self._schema_checked:
                missing = await pending(self._conn)
                if missing:
                    return f"migrations are missing: {', '.join(missing)}"
                self._schema_checked = True
            asked_at = self._clock.now()
            database_now: datetime = await self._conn.fetchval(SQL["database_now"])
            answered_at = self._clock.now()
            lasts_until: datetime = await self._conn.fetchval(SQL["partitions_last_until"])
        except (*LOST, asyncpg.PostgresError) as error:
            await self.close()
            return describe(error)
        except MigrationError as error:
            return str(error)
        # The database read its clock between the two.
        skew = asked_at + (answered_at - asked_at) / 2 - (database_now + self._clock.offset)
        metrics.clock_skew_seconds.set(skew.total_seconds())
        if abs(skew) > MOST_SKEW:
            return f"this clock is {skew.total_seconds():+.1f} s off the database's"
        if lasts_until - self._clock.now() < _LEAST_ROOM:
            return f"partitions of cases end on {lasts_until:%Y-%m-%d}: migrate to make more"
        return None

    async def close(self) -> None:
        if self._conn is not None:
            self._conn.terminate()
            self._conn = None
