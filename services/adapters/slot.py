"""Slots: a number that one process at a time holds, by an advisory lock that ends with its connection.

A router worker's slot is its Kafka group instance id: two workers with one id would rebalance for ever
without an error. The timekeeper that works holds the one slot of its kind.
"""

from __future__ import annotations

import asyncio
from typing import Final

import asyncpg
import structlog

from services.adapters.postgres import LOST, connect, describe

ROUTER: Final = 0x5107
TIMEKEEPER: Final = 0x71ED
"""First keys of the advisory locks."""

_MOST: Final = 64
_AWAY = (*LOST, asyncpg.PostgresError)

log = structlog.get_logger()


class SlotTaken(Exception):
    """Another process holds it."""


class Slot:
    def __init__(
        self, database_url: str, kind: int, number: int, conn: asyncpg.Connection[asyncpg.Record]
    ) -> None:
        self._url = database_url
        self._kind = kind
        self.number = number
        self._conn = conn

    @classmethod
    async def take(cls, database_url: str, kind: int, *, most: int = _MOST) -> Slot:
        """The lowest free slot, or SlotTaken; waits with back-off while the database is away."""
        pause = 0.1
        while True:
            try:
                conn = await connect(database_url, room="slot")
                for number in range(most):
                    if await _try_lock(conn, kind, number):
                        return cls(database_url, kind, number, conn)
                await conn.close()
                raise SlotTaken(f"all {most} slots are held")
            except _AWAY as error:
                log.warning("slot_wait", error=describe(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)

    @property
    def held(self) -> bool:
        """False from when the connection is known to be broken: the lock may be another's by now."""
        return not self._conn.is_closed()

    async def hold(self) -> None:
        """Before each piece of work: takes the same slot again if its connection broke, or SlotTaken."""
        pause = 0.1
        while self._conn.is_closed():
            try:
                conn = await connect(self._url, room="slot")
                if not await _try_lock(conn, self._kind, self.number):
                    await conn.close()
                    raise SlotTaken(f"slot {self.number} is held by another process")
                self._conn = conn
            except _AWAY:
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)

    def release(self) -> None:
        self._conn.terminate()


async def _try_lock(conn: asyncpg.Connection[asyncpg.Record], kind: int, number: int) -> bool:
    return bool(await conn.fetchval("SELECT pg_try_advisory_lock($1, $2)", kind, number))
