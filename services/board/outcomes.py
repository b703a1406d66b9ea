"""Who waits for which command: outcomes come from the topic and wake the request that sent the command.

Rules: a wait is registered before its command is sent; the number of waits is bounded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from services.adapters.problems import unavailable
from services.domain.messages import Outcome

MAX_WAITS: Final = 5_000


class OutcomeWaits:
    def __init__(self) -> None:
        self._waits: dict[str, list[asyncio.Future[Outcome]]] = {}
        self._count = 0

    @contextmanager
    def expect(self, command_id: str) -> Iterator[asyncio.Future[Outcome]]:
        if self._count >= MAX_WAITS:
            raise unavailable("Too many commands are under way: try again.", retry_after=2)
        arrived: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waits.setdefault(command_id, []).append(arrived)
        self._count += 1
        try:
            yield arrived
        finally:
            self._count -= 1
            waiting = self._waits[command_id]
            waiting.remove(arrived)
            if not waiting:
                del self._waits[command_id]

    def arrived(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            for waiting in self._waits.get(outcome.command_id, ()):
                if not waiting.done():
                    waiting.set_result(outcome)
