"""Slots: a number that one process at a time holds, by an advisory lock that ends with its connection.

A router worker's slot is its Kafka group instance id: two workers with one id would rebalance for ever
without an error. The timekeeper that works holds the one slot of its kind.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final

import asyncpg
import structlog

from services.adapters.postgres import LOST, connect, describe

ROUTER: Final = 0x5107
TIMEKEEPER: Final = 0x71ED
"""First keys of the advisory locks."""

_MOST: Final = 64
_SESSION: Final = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
"""A host that vanishes closes no connection. The server would hold its lock for two hours and nobody could
take over; so it asks after 5 s of silence, and lets go within 11 s (the last: 10 s without a receipt)."""
_ANSWER_SECONDS: Final = 3.0
_LETS_GO_SECONDS: Final = 15.0
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
                conn = await connect(database_url, room="slot", session=_SESSION)
                async with _closed_unless_kept(conn) as keep:
                    for number in range(most):
                        if await _try_lock(conn, kind, number):
                            keep()
                            return cls(database_url, kind, number, conn)
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
        cut_by_us = not self._conn.is_closed() and not await self._answers()
        if cut_by_us:
            self._conn.terminate()
        pause, refused_at = 0.1, None
        while self._conn.is_closed():
            try:
                conn = await connect(self._url, room="slot", session=_SESSION)
                async with _closed_unless_kept(conn) as keep:
                    if await _try_lock(conn, self._kind, self.number):
                        keep()
                        self._conn = conn
                        return
                now = asyncio.get_running_loop().time()
                refused_at = now if refused_at is None else refused_at
                # The server may not know yet that the session it holds the slot for is the one we cut.
                if not cut_by_us or now - refused_at > _LETS_GO_SECONDS:
                    raise SlotTaken(f"slot {self.number} is held by another process")
            except _AWAY:
                pass
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2.0)

    async def _answers(self) -> bool:
        """A connection can be open on this side alone: whoever cannot ask must not work on."""
        try:
            return await self._conn.fetchval("SELECT true", timeout=_ANSWER_SECONDS) is True
        except _AWAY:
            return False

    def release(self) -> None:
        self._conn.terminate()


async def hold_all(conn: asyncpg.Connection[asyncpg.Record], kind: int) -> None:
    """Take every slot of the kind as long as `conn` lives, or SlotTaken."""
    for number in range(_MOST):
        if not await _try_lock(conn, kind, number):
            raise SlotTaken(f"slot {number} is held")


@contextlib.asynccontextmanager
async def _closed_unless_kept(
    conn: asyncpg.Connection[asyncpg.Record],
) -> AsyncIterator[Callable[[], None]]:
    """Also when who waits for the answer is cancelled: a session left open holds what it was given."""
    kept: list[bool] = []
    try:
        yield lambda: kept.append(True)
    except BaseException:
        conn.terminate()
        raise
    if not kept:
        await conn.close()


async def _try_lock(conn: asyncpg.Connection[asyncpg.Record], kind: int, number: int) -> bool:
    return bool(await conn.fetchval("SELECT pg_try_advisory_lock($1, $2)", kind, number))
