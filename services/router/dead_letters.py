"""A cap on dead letters per minute: a bad deploy stands still and is seen, instead of emptying a topic."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Final, Protocol

import structlog

PER_MINUTE: Final = 120

log = structlog.get_logger()


class Troubled(Protocol):
    trouble: str | None


class DeadLetterCap:
    def __init__(self, per_minute: int = PER_MINUTE) -> None:
        self._per_minute = per_minute
        self._spent: deque[float] = deque()

    async def spend(self, worker: Troubled) -> None:
        """Waits while the last minute has had its share; meanwhile the worker says that it is in trouble."""
        while not self._may_spend():
            if worker.trouble is None:
                worker.trouble = f"over {self._per_minute} dead letters a minute: look at the last deploy"
                log.error("dead_letter_cap", per_minute=self._per_minute)
            await asyncio.sleep(0.5)
        worker.trouble = None

    def _may_spend(self) -> bool:
        now = time.monotonic()
        while self._spent and now - self._spent[0] > 60:
            self._spent.popleft()
        if len(self._spent) >= self._per_minute:
            return False
        self._spent.append(now)
        return True
