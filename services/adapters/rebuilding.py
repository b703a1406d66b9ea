"""Replaying the whole event log beside the book: to say what differs, or to write it as the events make it.

Private words are in no event. Of a report only its `case_id` is compared.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import asyncpg

from services.adapters import slot
from services.adapters.city_book import BookUnusable
from services.adapters.postgres import connect, describe
from services.adapters.replay_rows import SQL, ReplayRows
from services.adapters.replayed import Difference, Judge, Judged
from services.adapters.rows import CASES, DEADLINES, case_row, columns, deadline_row

SHOWN: Final = 20
_PAIRED: Final = 100_000
"""So many reports that stand elsewhere are remembered until the other case has been read."""
_COMMAND_SECONDS: Final = 600.0
_SESSION: Final = {
    # Rows come by their keys from the first on: to be sorted, a large book would go to disk whole.
    "enable_sort": "off",
    "jit": "off",
    # A router's transaction ends within 12 s.
    "lock_timeout": "20s",
}


class RouterWorks(Exception):
    """Nobody may write the book beside a router."""


@dataclass
class Found:
    """What a whole reading has seen; `first` are the first differences of `differing`."""

    cases: int = 0
    events: int = 0
    seconds: float = 0.0
    differing: int = 0
    first: list[Difference] = field(default_factory=list)

    def take(self, difference: Difference) -> None:
        self.differing += 1
        if len(self.first) < SHOWN:
            self.first.append(difference)


class _Strays:
    """Reports that are not where their events bring them: two cases know it, and it is told once."""

    def __init__(self) -> None:
        self._wanted: dict[str, str] = {}
        self._kept: dict[str, str] = {}

    def note(self, judged: Judged, found: Found) -> None:
        for report_id in judged.reports - judged.reports_in_book:
            self._wanted[report_id] = judged.case_id
        for report_id in judged.reports_in_book - judged.reports:
            self._kept[report_id] = judged.case_id
        if len(self._wanted) + len(self._kept) > _PAIRED:
            self.tell(found)

    def tell(self, found: Found) -> None:
        for report_id in sorted(self._wanted.keys() | self._kept.keys()):
            wanted, kept = self._wanted.get(report_id), self._kept.get(report_id)
            found.take(Difference(wanted or kept or "", f"reports {report_id} case_id", kept, wanted))
        self._wanted.clear()
        self._kept.clear()


async def check(database_url: str) -> Found:
    """Raises BookUnusable and NotComparable."""
    async with _connected(database_url) as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        return await _read(conn)


async def rebuild(database_url: str, *, now: datetime) -> tuple[Found, Found]:
    """Write the rows that differ as the events make them; what differed, and what differs still.

    If anything does, nothing was written. Raises BookUnusable, NotComparable and RouterWorks.
    """
    async with _connected(database_url) as conn:
        try:
            await slot.hold_all(conn, slot.ROUTER)
        except slot.SlotTaken as taken:
            raise RouterWorks(str(taken)) from None
        transaction = conn.transaction(isolation="repeatable_read")
        await transaction.start()
        # before anything is read: then this transaction sees all that was written
        await conn.execute(SQL["lock_book"])
        before = await _read(conn, changed_at=now)
        after = await _read(conn)
        await (transaction.rollback() if after.differing else transaction.commit())
        return before, after


@asynccontextmanager
async def _connected(database_url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    try:
        conn = await connect(
            database_url, room="console-rebuild", command_timeout=_COMMAND_SECONDS, session=_SESSION
        )
        try:
            yield conn
        finally:
            conn.terminate()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise BookUnusable(describe(error)) from error


async def _read(conn: asyncpg.Connection[asyncpg.Record], *, changed_at: datetime | None = None) -> Found:
    """All cases; what differs is written where `changed_at` is given."""
    begun = time.perf_counter()
    found, strays = Found(), _Strays()
    rows = await ReplayRows.open(conn)
    judge = Judge(rows.columns)
    async for some in rows.cases():
        judged = [judge.judge(one) for one in some]
        for one in judged:
            for difference in one.differences:
                found.take(difference)
            strays.note(one, found)
        found.cases += len(some)
        found.events += sum(len(one.events) for one in some)
        if changed_at is not None:
            await _write(conn, judged, changed_at)
    strays.tell(found)
    found.seconds = time.perf_counter() - begun
    return found


async def _write(
    conn: asyncpg.Connection[asyncpg.Record], judged: list[Judged], changed_at: datetime
) -> None:
    cases = [one.case for one in judged if one.case is not None and one.differences]
    if cases:
        ids = [case.case_id for case in cases]
        for table in ("cases", "deadlines"):
            await conn.execute(SQL[f"delete_{table}"], ids, ids[0], ids[-1])
        rows = [case_row(case, changed_at) for case in cases]
        await conn.copy_records_to_table("cases", columns=CASES, records=rows)
        rows = [deadline_row(case.case_id, deadline) for case in cases for deadline in case.deadlines]
        await conn.copy_records_to_table("deadlines", columns=DEADLINES, records=rows)
    moved = [(report, one.case_id) for one in judged for report in one.reports - one.reports_in_book]
    if moved:
        await conn.execute(SQL["move_reports"], *columns(moved, 2))
