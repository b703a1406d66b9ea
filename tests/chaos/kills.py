"""Who is killed when: a seeded schedule, each kill at a moment when the killed one has something in flight.

What was in flight is proven afterwards (`met`), from the ledger for the doors and the broker, from the
broker's own times for those behind them; a kill that met nothing fails the test.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from tests.chaos.ledger import Attempt, Ledger
from tests.chaos.load import Load
from tests.harness import book, topics
from tests.harness.stack import Stack, until

BEHIND_A_DOOR = 0.003
"""Seconds after a request was sent at which its door is killed: before it can have been answered."""
_PREY_SECONDS = 20.0
ALL_BACK_SECONDS = 60.0


@dataclass(slots=True)
class Kill:
    name: str
    at: float
    alone: bool
    """Everything else was ready at that moment."""
    back_s: float | None = None

    def __str__(self) -> str:
        back = (
            "killed again before it was back"
            if self.back_s is None
            else f"all ready {self.back_s:.1f} s later"
        )
        return f"{self.name:<12}{'' if self.alone else '(while another was down) '}{back}"


def schedule(seed: int, names: Sequence[str], times: int) -> list[tuple[str, bool]]:
    """(whom, whether to wait until all are back before the next), each name `times` times."""
    pick = random.Random(f"kills {seed}")
    order = [name for name in names for _ in range(times)]
    pick.shuffle(order)
    # The broker's own start takes most of the 15 s after the last kill on two busy cores: it is not the last.
    last = next(index for index in reversed(range(len(order))) if order[index] != "kafka")
    order[last], order[-1] = order[-1], order[last]
    # Two at once, now and then; never the same one, which would only test the supervisor's patience.
    return [
        (name, index + 1 == len(order) or order[index + 1] == name or pick.random() > 0.25)
        for index, name in enumerate(order)
    ]


class Killer:
    def __init__(self, stack: Stack, load: Load, rooms: Sequence[str]) -> None:
        self._stack = stack
        self._load = load
        self._all = ("kafka", "postgres", *rooms)
        self.kills: list[Kill] = []

    async def carry_out(self, plan: Sequence[tuple[str, bool]]) -> None:
        for name, wait in plan:
            kill = await self._kill(name)
            self.kills.append(kill)
            if wait:
                kill.back_s = await self.all_back()
                await self._more_acks(30)
            else:
                await self._more_acks(0, seconds=0.5)

    async def all_back(self) -> float:
        """How long it took until everybody was ready: several looks in a row, or one is a lucky moment."""
        started = time.monotonic()
        in_a_row = 0
        waiting: list[str] = []

        async def all_ready() -> bool:
            nonlocal in_a_row, waiting
            waiting = await asyncio.to_thread(self._stack.not_ready, self._all)
            in_a_row = 0 if waiting else in_a_row + 1
            return in_a_row >= 3

        await until(all_ready, ALL_BACK_SECONDS, lambda: f"all are ready again; not yet {waiting}", every=0.1)
        return time.monotonic() - started

    async def _more_acks(self, number: int, seconds: float = 30.0) -> None:
        """The load runs again: so many more reports are confirmed."""
        wanted = self._load.ledger.count("report", "ok") + number
        if number:
            await until(
                lambda: self._load.ledger.count("report", "ok") >= wanted, seconds, "reports confirmed again"
            )
        else:
            await asyncio.sleep(seconds)  # the pace of the schedule: two faults close together

    async def _kill(self, name: str) -> Kill:
        alone = not await asyncio.to_thread(self._stack.not_ready, self._all)
        room = name.split("-")[0]
        match room:
            case "intake":
                at = await self._behind_a_request("report", name)
            case "board":
                at = await self._behind_a_request("command", name)
            case "kafka":
                at = await self._behind_a_request(None, name)
            case "timekeeper":
                at = await self._when_a_step_is_due(name)
            case _:
                at = await self._upon_an_ack(name)
        return Kill(name, at, alone)

    def _strike(self, name: str, done: asyncio.Future[float]) -> None:
        if done.done():
            return
        try:
            at = time.time()
            self._stack.kill(name)
            done.set_result(at)
        except ProcessLookupError:
            pass  # just ended, or not yet up: the next chance comes soon

    async def _behind_a_request(self, kind: str | None, name: str) -> float:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[float] = loop.create_future()

        def begun(attempt: Attempt) -> None:
            if kind in (None, attempt.kind):
                loop.call_later(BEHIND_A_DOOR, still_open, attempt)

        def still_open(attempt: Attempt) -> None:
            if attempt.end == "open":
                self._strike(name, done)

        self._load.on_begin = begun
        try:
            return await asyncio.wait_for(done, _PREY_SECONDS)
        finally:
            self._load.on_begin = lambda _attempt: None

    async def _upon_an_ack(self, name: str) -> float:
        """What the broker has just confirmed cannot be in the book yet."""
        done: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._load.on_ok = lambda attempt: self._strike(name, done) if attempt.kind == "report" else None
        try:
            return await asyncio.wait_for(done, _PREY_SECONDS)
        finally:
            self._load.on_ok = lambda _attempt: None

    async def _when_a_step_is_due(self, name: str) -> float:
        done: asyncio.Future[float] = asyncio.get_running_loop().create_future()

        async def due() -> bool:
            try:
                number = await book.value(
                    self._stack.database_url,
                    "SELECT count(*) AS n FROM deadlines WHERE next_at <= clock_timestamp()",
                )
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                return False
            if number:
                self._strike(name, done)
            return done.done()

        await until(due, _PREY_SECONDS, "a step that is due and not passed", every=0.02)
        return done.result()


def met(kill: Kill, ledger: Ledger, records: Sequence[topics.Record]) -> int:
    """How much was in flight at the one killed, at the moment of the kill."""
    room = kill.name.split("-")[0]
    if room in ("intake", "board"):
        kind = "report" if room == "intake" else "command"
        return sum(a.kind == kind and a.end == "unknown" for a in ledger.under_way(kill.at))
    if room == "kafka":
        return len(ledger.under_way(kill.at))
    if room == "timekeeper":
        return _steps_due(kill.at, records)
    return _undecided(kill.at, records)


def _undecided(at: float, records: Sequence[topics.Record]) -> int:
    """Messages that the broker had at that moment, whose outcome came onto its topic only later."""
    came: dict[str, float] = {}
    told: dict[str, float] = {}
    for record in records:
        body = record.body() or {}
        if record.topic in ("reports", "case-commands"):
            command_id = body.get("command_id") or body.get("report_id") or ""
            came[command_id] = min(came.get(command_id, record.at), record.at)
        elif record.topic == "command-outcomes":
            command_id = body["command_id"]
            told[command_id] = min(told.get(command_id, record.at), record.at)
    return sum(first <= at < told.get(command_id, at) for command_id, first in came.items())


def _steps_due(at: float, records: Sequence[topics.Record]) -> int:
    """Steps whose instant had come at that moment, whose event came onto its topic only later."""
    told: dict[tuple[str, int], tuple[float, float]] = {}
    for record in records:
        if record.topic != "case-events":
            continue
        body = record.body() or {}
        step_at = body.get("payload", {}).get("step_at")
        if step_at is not None:
            key = body["case_id"], body["seq"]
            due = datetime.fromisoformat(step_at).timestamp()
            told[key] = due, min(told.get(key, (due, record.at))[1], record.at)
    return sum(due <= at < heard for due, heard in told.values())
