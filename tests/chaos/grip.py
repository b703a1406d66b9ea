"""What somebody has in hand: asked while the process stands frozen, so that the answer stays true.

A frozen process that is then killed never learns that it was frozen; one that has nothing in hand runs on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterator

import asyncpg
from kafka.errors import KafkaError

from tests.chaos.ledger import Kind, Ledger
from tests.chaos.seen import GROUP, INBOX
from tests.harness import book, topics
from tests.harness.stack import Stack

ANSWERS_ARRIVE_SECONDS = 0.15
"""What was answered before the freeze has reached its caller by then."""
AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, KafkaError, AssertionError)


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[float]:
    """The instant of the freeze; afterwards it runs on, if it still lives."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield time.time()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


class Grip:
    def __init__(self, stack: Stack, ledger: Ledger) -> None:
        self._stack = stack
        self._ledger = ledger

    async def of_door(self, kind: Kind | None, at: float) -> int:
        """Requests that were sent before the freeze and have no answer."""
        await asyncio.sleep(ANSWERS_ARRIVE_SECONDS)
        return sum(
            attempt.end == "open" and attempt.begun_at < at and kind in (None, attempt.kind)
            for attempt in self._ledger.attempts[-5_000:]
        )

    async def of_timekeeper(self, at: float) -> int:
        """Steps that were due before the freeze and are not passed."""
        await asyncio.sleep(ANSWERS_ARRIVE_SECONDS)
        question = "SELECT count(*) AS n FROM deadlines WHERE next_at <= to_timestamp($1)"
        return int(await book.value(self._stack.database_url, question, at))

    async def of_database(self) -> int:
        """Transactions of the routers that are open; with their routers frozen they stay so."""
        question = (
            "SELECT count(*) AS n FROM pg_stat_activity"
            " WHERE application_name = 'router' AND xact_start IS NOT NULL"
        )
        return int(await book.value(self._stack.database_url, question))

    async def ends(self) -> dict[tuple[str, int], int]:
        return await asyncio.to_thread(topics.ends, self._stack.bootstrap, *INBOX)

    async def of_router(self, ends: dict[tuple[str, int], int]) -> int:
        """Messages that were there before the freeze and are not acknowledged."""
        read = await asyncio.to_thread(topics.committed, self._stack.bootstrap, GROUP, *INBOX)
        return sum(max(0, end - read[place]) for place, end in ends.items())
