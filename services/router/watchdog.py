"""Ends a worker that stands still although it could go on, and exports how far behind the router is.

A consumer can stay assigned and fetch nothing (streaming.md 2.2). Counted only while broker and database
answer and the worker itself does not say that it waits for something.
"""

from __future__ import annotations

import asyncio
import os
from typing import Final

import structlog

from services.adapters import metrics
from services.adapters.backlog import BacklogReader, age
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
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        look += 1
        try:
            now = await asyncio.to_thread(backlog.look)
            for (topic, partition), lag in now.lag.items():
                metrics.consumer_lag.labels(topic, str(partition)).set(lag)
            if look % _AGE_EVERY == 0:
                oldest = await asyncio.to_thread(backlog.oldest_unread, now)
                for topic, _ in now.lag:
                    seconds = age(oldest[topic]) if topic in oldest else 0
                    metrics.oldest_unread_seconds.labels(topic).set(seconds)
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
