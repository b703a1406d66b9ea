"""What the book counts of a period, as figures of the domain; and the same from the events alone.

Rules: reads only, at most `AT_ONCE` questions at a time per pool and `STATEMENT_SECONDS` for each, so that
statistics never stand in the way of the board's own work.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, tzinfo
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import msgspec

from services.adapters.board_views import Scope
from services.adapters.city_book import BookUnusable, NoCityLoaded, active_version, read_version
from services.adapters.postgres import connect, describe, load_sql
from services.adapters.rows import event_from_row
from services.domain.events import Event
from services.domain.rate_facts import Assignment, Cycle, read_case, with_recurrences
from services.domain.rates import COUNTED, By, Figures, Took, counted

if TYPE_CHECKING:
    from services.adapters.board_views import Pool

SQL: Final = load_sql("statistics")
AT_ONCE: Final = 2
STATEMENT_SECONDS: Final = 60
"""A year of a district with 1,600 cases a day takes half of it, on one core."""
_TURN_SECONDS: Final = 10.0
_ACQUIRE_SECONDS: Final = 3.0
_CHECK_SECONDS: Final = 3_600.0
_EVENTS_AT_ONCE: Final = 2_000

TOO_SLOW: Final[tuple[type[Exception], ...]] = (asyncpg.QueryCanceledError, TimeoutError)
"""The period holds more than can be counted in the time there is."""

Table = Mapping[str | None, Figures]
"""Figures by the key of their group; None: of all together."""

_stood = msgspec.json.Decoder(tuple[tuple[str, tuple[datetime, ...]], ...]).decode


class Statistics:
    """For the board, as far as somebody may read."""

    def __init__(self, pool: Pool) -> None:
        self._pool: Any = pool
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def table(self, scope: Scope, *, since: datetime, until: datetime, by: By) -> Table:
        """Raises one of TOO_SLOW; `until` is not included."""
        async with asyncio.timeout(_TURN_SECONDS):
            await self._turn.acquire()
        try:
            return await self._table(scope, since, until, by)
        finally:
            self._turn.release()

    async def _table(self, scope: Scope, since: datetime, until: datetime, by: By) -> Table:
        async with (
            self._pool.acquire(timeout=_ACQUIRE_SECONDS) as connection,
            _moment(connection),
        ):
            await connection.execute(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'")
            codes = None if scope.codes is None else sorted(scope.codes)
            readers = (codes, scope.own, list(scope.below_own), scope.known, scope.unit)
            values = (*readers, since, until, by, False)
            return await _table(connection, values, STATEMENT_SECONDS + 2.0)


async def _table(connection: Any, values: tuple[Any, ...], seconds: float) -> Table:
    given = await connection.fetch(SQL.assignments, *values, timeout=seconds)
    due = await connection.fetch(SQL.cycles, *values, timeout=seconds)
    rows: dict[str | None, dict[str, Any]] = defaultdict(dict)
    for row in chain(given, due):
        known = rows[None if row["whole"] else row["key"]]
        levels = [level for level in (known.get("level"), row["level"]) if level is not None]
        known |= dict(row) | {"level": min(levels, default=None)}
    return {key: _figures(row) for key, row in rows.items()}


def _figures(row: Mapping[str, Any]) -> Figures:
    return Figures(
        level=row["level"],
        counts={name: row.get(name, 0) for name in COUNTED},
        to_accept=Took(
            n=row.get("accepted_ever", 0), median=row.get("accept_median"), p90=row.get("accept_p90")
        ),
        to_resolve=Took(
            n=row.get("resolved_ever", 0), median=row.get("resolve_median"), p90=row.get("resolve_p90")
        ),
        stood=_stood(row.get("stood", "[]")),
    )


@asynccontextmanager
async def _moment(connection: Any) -> AsyncIterator[None]:
    """All statements see the same moment."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        yield


class Books:
    """The whole city, for the console: the views and the events of one moment."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def zone(self) -> tzinfo:
        city, _ = await read_version(self._connection, await active_version(self._connection))
        return city.zone

    async def table(self, *, since: datetime, until: datetime, by: By) -> Table:
        values: tuple[Any, ...] = (None, "", [], None, None, since, until, by, True)
        return await _table(self._connection, values, _CHECK_SECONDS)

    async def table_from_events(self, *, since: datetime, until: datetime, by: By) -> Table:
        """One case after the other; only what falls due in the period is kept."""
        assignments: list[Assignment] = []
        cycles: list[Cycle] = []
        recurrences: dict[str, list[datetime]] = defaultdict(list)
        async for history in self._histories():
            facts = read_case(history)
            assignments += [one for one in facts.assignments if since <= one.due_at < until]
            cycles += [
                one
                for one in facts.cycles
                if since <= one.due_at < until or since <= one.original_due_at < until
            ]
            if facts.recurrence is not None:
                recurrences[facts.recurrence[0]].append(facts.recurrence[1])
        return counted(assignments, with_recurrences(cycles, recurrences), since=since, until=until, by=by)

    async def _histories(self) -> AsyncIterator[list[Event]]:
        history: list[Event] = []
        async for row in self._connection.cursor(SQL.histories, prefetch=_EVENTS_AT_ONCE):
            event = event_from_row(row)
            if history and history[0].case_id != event.case_id:
                yield history
                history = []
            history.append(event)
        if history:
            yield history


@asynccontextmanager
async def open_books(database_url: str) -> AsyncIterator[Books]:
    """Raises BookUnusable, whatever the database answers with."""
    try:
        connection = await connect(
            database_url, room="console-statistics", command_timeout=_CHECK_SECONDS, session={"jit": "off"}
        )
        try:
            async with _moment(connection):
                yield Books(connection)
        finally:
            connection.terminate()
    except (NoCityLoaded, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise BookUnusable(describe(error)) from error


def differences(book: Table, events: Table) -> Iterable[str]:
    """What the two say otherwise, one line each."""
    for key in sorted({*book, *events}, key=lambda one: (one is not None, one or "")):
        of_book, of_events = (_said(table.get(key)) for table in (book, events))
        for name in of_book:
            if of_book[name] != of_events[name]:
                yield f"{key or 'all'}: {name}: {of_book[name]} by the views, {of_events[name]} by the events"


def _said(figures: Figures | None) -> dict[str, Any]:
    known = figures or _figures({"level": None})
    times = {"time_to_accept": known.to_accept, "time_to_resolve": known.to_resolve}
    return {"level": known.level, **known.counts, **times, "suspensions": sorted(known.stood)}
