"""The rounds: look for steps whose instant has come, ask their cases to pass them, and ask again only later.

A step is passed by the router's decision, never here; sending one twice is harmless.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.adapters import metrics
from services.adapters.due_rows import BEGINNING, DueRows, DueStep

AT_MOST: Final = 500
WHOLE_RANGE_EVERY: Final = timedelta(seconds=30)
# A row may be committed a little after its instant: once a second a look goes this far back.
_OVERLAP: Final = timedelta(seconds=5)
_BACK_EVERY: Final = timedelta(seconds=1)
_AGAIN_AFTER: Final = (10, 20, 40, 80, 160, 300)
"""Seconds until the same step is sent again."""

Send = Callable[[DueStep], Awaitable[None]]


@dataclass(slots=True)
class _Sent:
    at: datetime
    times: int
    seen_in: int


class Rounds:
    def __init__(self, rows: DueRows, send: Send) -> None:
        self._rows = rows
        self._send = send
        self._sent: dict[DueStep, _Sent] = {}
        self._looked_at = self._back_at = BEGINNING[0]
        self._whole_at: datetime | None = None
        self._round = 0

    async def look(self, *, now: datetime) -> int:
        """One look: every step that came since the last one, page by page. Returns how many cases were asked.

        What `send` raises makes the next look begin at the beginning, so nothing is left out.
        """
        whole = self._whole_at is None or not now - WHOLE_RANGE_EVERY < self._whole_at <= now
        back = whole or not now - _BACK_EVERY < self._back_at <= now
        after = BEGINNING if whole else (self._looked_at - _OVERLAP * back, BEGINNING[1])
        self._round += whole
        asked: set[str] = set()
        try:
            while True:
                page = await self._rows.due(now=now, after=after, limit=AT_MOST)
                await self._send_page(page, now, asked)
                if len(page) < AT_MOST:
                    break
                after = page[-1].mark
        except BaseException:
            self._whole_at = None
            raise
        if whole:
            self._whole_at = now
            self._sent = {step: sent for step, sent in self._sent.items() if sent.seen_in == self._round}
        self._looked_at = now
        self._back_at = now if back else self._back_at
        return len(asked)

    async def _send_page(self, page: list[DueStep], now: datetime, asked: set[str]) -> None:
        """`asked` are the cases of this look: one command passes everything that is due on its case."""
        wanted = [step for step in page if self._is_wanted(step, now)]
        first = {step.case_id: step for step in reversed(wanted) if step.case_id not in asked}
        await asyncio.gather(
            *(self._send(step) for step in sorted(first.values(), key=lambda step: step.mark))
        )
        asked.update(first)
        for step in wanted:
            before = self._sent.get(step)
            if before is None:
                metrics.deadline_lateness_seconds.observe((now - step.step_at).total_seconds())
            self._sent[step] = _Sent(now, before.times + 1 if before else 1, self._round)

    def _is_wanted(self, step: DueStep, now: datetime) -> bool:
        sent = self._sent.get(step)
        if sent is None:
            return True
        sent.seen_in = self._round
        pause = _AGAIN_AFTER[min(sent.times, len(_AGAIN_AFTER)) - 1]
        return now - sent.at >= timedelta(seconds=pause)
