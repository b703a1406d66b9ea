"""Ends a worker that stands still although it could go on, and exports how far behind the router is.

A consumer can stay assigned and fetch nothing (streaming.md 2.2). Counted only while broker and database
answer and the worker itself does not say that it waits for something.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Mapping
from typing import Final

import structlog

from services.adapters import metrics
from services.adapters.backlog import Backlog, BacklogReader
from services.adapters.health import DatabaseHealth
from services.router.worker import Worker

EVERY_SECONDS: Final = 5.0
STILL_SECONDS: Final = 60.0
_AGE_EVERY: Final = 2  # looks

log = structlog.get_logger()


async def watch(backlog: BacklogReader, health: DatabaseHealth, worker: Worker) -> None:
    still = 0.0
    last: dict[tuple[str, int], int] = {}
    look = 0
    ages = Ages()
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        look += 1
        try:
            now = await asyncio.to_thread(backlog.look)
            for (topic, partition), lag in now.lag.items():
                metrics.consumer_lag.labels(topic, str(partition)).set(lag)
            if look % _AGE_EVERY == 0:
                ages.tell(now, await asyncio.to_thread(backlog.oldest_unread, now), now=time.time())
        except Exception as error:
            log.warning("watchdog_blind", error=str(error))
            still = 0.0
            continue
        behind = {place for place, lag in now.lag.items() if lag}
        moving = any(now.committed[place] != last.get(place) for place in behind)
        last = now.committed
        if not behind or moving or worker.trouble is not None or await health.check() is not None:
            still = 0.0
            continue
        still += EVERY_SECONDS
        if still >= STILL_SECONDS:
            log.error("watchdog_exit", reason="the worker stands still", lag=sum(now.lag.values()))
            os._exit(1)


class Ages:
    """Exports how old the oldest unread message of each topic is: 0 only where nothing waits."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def tell(self, backlog: Backlog, oldest: Mapping[str, float | None], *, now: float) -> None:
        for topic in {topic for topic, _ in backlog.lag}:
            gauge = metrics.oldest_unread_seconds.labels(topic)
            at = oldest.get(topic)
            if at is not None:
                gauge.set(max(0.0, now - at))
                self._told.add(topic)
            elif topic not in oldest:
                gauge.set(0)
                self._told.discard(topic)
            elif topic not in self._told:
                gauge.set(math.nan)
