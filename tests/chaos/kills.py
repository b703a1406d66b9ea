"""Who is killed when: a seeded schedule, each kill at a moment when the killed one has something in hand.

That is proven before the blow (grip.py), and a kill that met nothing fails the test.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.chaos.grip import AWAY, Grip, frozen
from tests.chaos.load import Load
from tests.harness.stack import Stack, until

PREY_SECONDS = 30.0
ALL_BACK_SECONDS = 60.0


@dataclass(slots=True)
class Kill:
    name: str
    held: int
    what: str
    alone: bool
    """Everything else was ready at that moment."""
    back_s: float | None = None

    def __str__(self) -> str:
        beside = "" if self.alone else "while another was down, "
        back = "not awaited" if self.back_s is None else f"all ready {self.back_s:.1f} s later"
        return f"{self.name:<11}killed {beside}with {self.held} {self.what}; {back}"


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
    def __init__(self, stack: Stack, load: Load, rooms: Sequence[str], seed: int) -> None:
        self._stack = stack
        self._load = load
        self._grip = Grip(stack, load.ledger)
        self._routers = [room for room in rooms if room.startswith("router")]
        self._all = ("kafka", "postgres", *rooms)
        self._pick = random.Random(f"moments {seed}")
        self.kills: list[Kill] = []

    async def carry_out(self, plan: Sequence[tuple[str, bool]]) -> None:
        for name, wait in plan:
            kill = await self._kill(name)
            self.kills.append(kill)
            if wait:
                kill.back_s = await self.all_back()
                await self._load_runs_again()
            else:
                await asyncio.sleep(self._pick.uniform(0.1, 1.0))  # the pace of the schedule

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

    async def _load_runs_again(self) -> None:
        wanted = self._load.ledger.count("report", "ok") + 30
        await until(
            lambda: self._load.ledger.count("report", "ok") >= wanted, 30.0, "reports confirmed again"
        )

    async def _kill(self, name: str) -> Kill:
        alone = not await asyncio.to_thread(self._stack.not_ready, self._all)
        killed: list[Kill] = []

        async def struck() -> bool:
            await asyncio.sleep(self._pick.uniform(0.0, 0.08))  # any moment of its work is as good as another
            with contextlib.suppress(ProcessLookupError, *AWAY):
                held, what = await self._strike(name)
                if held:
                    killed.append(Kill(name, held, what, alone))
            return bool(killed)

        await until(struck, PREY_SECONDS, f"a moment at which {name} has something in hand", every=0.0)
        return killed[0]

    async def _strike(self, name: str) -> tuple[int, str]:
        """Freeze, look, and kill if there is something in hand: how much, and what it is."""
        match name.split("-")[0]:
            case "postgres":
                return await self._strike_database()
            case "router":
                ends = await self._grip.ends()
                with frozen(self._pid(name)):
                    held, what = await self._grip.of_router(ends), "messages read or unread, not acknowledged"
                    self._kill_if(held, name)
            case "timekeeper":
                with frozen(self._pid(name)) as at:
                    held, what = await self._grip.of_timekeeper(at), "steps due and not passed"
                    self._kill_if(held, name)
            case room:
                kind = {"intake": "report", "board": "command"}.get(room)
                with frozen(self._pid(name)) as at:
                    held = await self._grip.of_door(kind, at)  # type: ignore[arg-type]
                    what = f"{kind or 'request'}s unanswered"
                    self._kill_if(held, name)
        return held, what

    async def _strike_database(self) -> tuple[int, str]:
        """Its sessions cannot be frozen with it; with the routers frozen their transactions stay open."""
        with contextlib.ExitStack() as routers:
            for router in self._routers:
                routers.enter_context(frozen(self._pid(router)))
            held = await self._grip.of_database()
            self._kill_if(held, "postgres")
        return held, "transactions of routers open"

    def _pid(self, name: str) -> int:
        pid = self._stack.pid(name)
        if pid is None:
            raise ProcessLookupError(f"{name} is not running")
        return pid

    def _kill_if(self, held: int, name: str) -> None:
        if held:
            os.kill(self._pid(name), signal.SIGKILL)
