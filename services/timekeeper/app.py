"""The timekeeper, wired: one works, others stand by for its lock; deadlines become ordinary commands."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import time
from typing import Final

import structlog

from services.adapters import codec, logs, metrics, slot
from services.adapters.clock import Clock
from services.adapters.due_rows import BookAway, DueRows, DueStep
from services.adapters.health import DatabaseHealth
from services.adapters.kafka_producer import NotConfirmed, Producer, TooManyUnconfirmed
from services.adapters.ops_http import serve_ops
from services.adapters.settings import Settings
from services.domain import ids
from services.domain.calendars import Days
from services.domain.messages import SYSTEM_ACTOR, CaseCommand, PassDeadline
from services.timekeeper.rounds import Rounds

TICK_SECONDS: Final = 0.1
STANDBY_SECONDS: Final = 1.0
_AGE_SECONDS: Final = 1.0
_HORIZON_SECONDS: Final = 60.0

log = structlog.get_logger()


async def serve(settings: Settings) -> int:
    database_url = settings.require("database_url")
    clock = Clock(settings.clock_offset_file)
    health = DatabaseHealth(database_url, clock)
    producer = Producer(settings.require("kafka_bootstrap"), client_id="timekeeper")
    await producer.start()
    checks = {"database": health.check, "broker": producer.check}
    ops = await serve_ops(settings.host, settings.timekeeper_port, checks, room="timekeeper")
    working = asyncio.create_task(_keep_time(database_url, clock, producer))
    stopping = asyncio.Event()
    for sig in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sig, stopping.set)
    told = asyncio.create_task(stopping.wait())
    await asyncio.wait({told, working}, return_when=asyncio.FIRST_COMPLETED)
    failed = working.done()
    if failed:
        log.error("rounds_ended", error=repr(working.exception()))
    working.cancel()
    told.cancel()
    await asyncio.gather(producer.stop(), health.close(), ops.close())
    return 1 if failed else 0


async def _keep_time(database_url: str, clock: Clock, producer: Producer) -> None:
    _know_nothing()
    while True:
        try:
            mine = await slot.Slot.take(database_url, slot.TIMEKEEPER, most=1)
        except slot.SlotTaken:
            await asyncio.sleep(STANDBY_SECONDS)
            continue
        log.info("leading")
        metrics.timekeeper_leading.set(1)
        rows = DueRows(database_url)
        try:
            await _rounds(rows, clock, producer, mine)
        except slot.SlotTaken:
            log.warning("standby", reason="another timekeeper works now")
        finally:
            metrics.timekeeper_leading.set(0)
            _know_nothing()
            mine.release()
            await rows.close()


async def _rounds(rows: DueRows, clock: Clock, producer: Producer, mine: slot.Slot) -> None:
    async def send(step: DueStep) -> None:
        now = clock.now()
        command = CaseCommand(
            command_id=ids.uuid7(now, os.urandom(10)),
            case_id=step.case_id,
            type="pass_deadline",
            actor=SYSTEM_ACTOR,
            received_at=now,
            payload=PassDeadline(deadline_id=step.deadline_id, step_at=step.step_at),
        )
        await producer.send(codec.CASE_COMMANDS, codec.command_record(command, "timekeeper"))
        metrics.deadlines_emitted_total.inc()

    rounds = Rounds(rows, send)
    pause = TICK_SECONDS
    age_at = horizon_at = time.monotonic()
    while True:
        if not mine.held:
            _know_nothing()
        await mine.hold()
        try:
            # before the look: the alarm rises while the broker takes no command
            if time.monotonic() >= age_at:
                await _tell_age(rows, clock)
                age_at = time.monotonic() + _AGE_SECONDS
            if time.monotonic() >= horizon_at:
                await _tell_horizon(rows, clock)
                horizon_at = time.monotonic() + _HORIZON_SECONDS
            await rounds.look(now=clock.now())
            pause = TICK_SECONDS
        except (BookAway, NotConfirmed, TooManyUnconfirmed) as error:
            log.warning("look_failed", error=str(error))
            if isinstance(error, BookAway):
                _know_nothing()
                age_at = horizon_at = time.monotonic()
            pause = min(pause * 2, 5.0)
        await asyncio.sleep(pause)


async def _tell_age(rows: DueRows, clock: Clock) -> None:
    oldest = await rows.oldest()
    late = (clock.now() - oldest).total_seconds() if oldest else 0.0
    metrics.oldest_due_not_passed_seconds.set(max(0.0, late))


async def _tell_horizon(rows: DueRows, clock: Clock) -> None:
    today = clock.now().date()
    until = Days.of(await rows.official_years(), (), ()).official_until(today)
    metrics.calendar_official_horizon_days.set((until - today).days)


def _know_nothing() -> None:
    """A gauge that kept its last value would say that all is well."""
    metrics.oldest_due_not_passed_seconds.set(math.nan)
    metrics.calendar_official_horizon_days.set(math.nan)


def main() -> int:
    settings = Settings()
    logs.configure("timekeeper", settings)
    return asyncio.run(serve(settings))
