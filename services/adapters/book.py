"""The book of record as the router writes it: one connection, one transaction per batch.

Errors are told apart by who must act: Conflict starts the transaction again, BadData is one message's fault,
World is everything else and is waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any, Final

import asyncpg

from services.adapters import city_book
from services.adapters.areas import Areas
from services.adapters.duplicate_rows import Sightings
from services.adapters.postgres import CONNECT_SECONDS, LOST, describe, load_sql
from services.adapters.rows import (
    CASES,
    DEADLINES,
    EVENTS,
    OUTCOMES,
    case_from_row,
    case_row,
    columns,
    deadline_from_row,
    deadline_row,
    event_from_row,
    event_row,
    outcome_from_row,
    outcome_row,
)
from services.domain.case import Case, Deadline
from services.domain.city import City
from services.domain.city_problems import CityProblems
from services.domain.events import Event
from services.domain.messages import Outcome

SQL: Final = load_sql("book")
_SESSION: Final = {
    "application_name": "router",
    "transaction_timeout": "12s",
    "idle_in_transaction_session_timeout": "10s",
    # Fresh tables have no statistics: a plan made now must still be right at a million rows.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    # A plan kept for all batches compares each changed case with every case between the bounds.
    "plan_cache_mode": "force_custom_plan",
    "jit": "off",
}
_DATA_CLASSES: Final = ("22", "23", "54")
_RETRY_AT_ONCE: Final = ("40001", "40P01")

Range = tuple[str, int, int]
"""case_id, first_seq, last_seq"""


class Conflict(Exception):
    """Another worker was first, or the database asks to try again."""


class BadData(Exception):
    """PostgreSQL refuses a value: one message of the batch is at fault."""


class CityRead(Exception):
    """A new version of the city was read meanwhile: begin again with it."""


class World(Exception):
    """The database is away, full, or in a state that no message causes."""


class Book:
    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._conn: asyncpg.Connection[asyncpg.Record] | None = None
        self._cities: dict[int, tuple[City, Areas]] = {}

    async def close(self) -> None:
        if self._conn is not None:
            self._conn.terminate()
            self._conn = None

    async def prepare(self) -> None:
        """Connect and read the city, if that can be done now: the first batch need not wait for either."""
        with suppress(CityRead, Conflict, World):
            async with self.transaction() as tx:
                await tx.active_city()

    async def _read_city(self, version: int) -> None:
        """Outside a transaction, and in the place of the one before: a country is half a gigabyte."""
        assert self._conn is not None
        try:
            self._cities = {version: await city_book.read_version(self._conn, version)}
        except (city_book.NoCityLoaded, CityProblems) as error:
            raise _unusable(error) from error
        except asyncpg.PostgresError as error:
            raise _translated(error) from error
        except LOST as error:
            await self.close()
            raise World(describe(error)) from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        try:
            if self._conn is None or self._conn.is_closed():
                self._conn = await asyncpg.connect(
                    self._url, timeout=CONNECT_SECONDS, command_timeout=15, server_settings=_SESSION
                )
            async with self._conn.transaction():
                yield Transaction(self._conn, self._cities)
        except _UnreadCity as unread:
            await self._read_city(unread.version)
            raise CityRead from unread
        except asyncpg.PostgresError as error:
            raise _translated(error) from error
        except (*LOST, asyncio.IncompleteReadError) as error:
            await self.close()
            # Where the server ended the session, the rollback fails after it: its word is the reason.
            ended = error.__context__ if isinstance(error.__context__, asyncpg.PostgresError) else error
            raise World(describe(ended)) from error


class _UnreadCity(Exception):
    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version


def _unusable(error: Exception) -> World:
    return World(f"the active city cannot be used: {str(error).splitlines()[0]}")


def _translated(error: asyncpg.PostgresError) -> Exception:
    state = error.sqlstate or ""
    constraint = getattr(error, "constraint_name", None) or ""
    if state in _RETRY_AT_ONCE or (state == "23505" and constraint.startswith("outcomes_")):
        return Conflict(describe(error))
    missing_partition = state == "23514" and not constraint
    if state[:2] in _DATA_CLASSES and not missing_partition:
        # the server's text may quote the value, which must not leave the private schema
        return BadData(f"{type(error).__name__} {state} {constraint}".rstrip())
    return World(describe(error))


class Transaction:
    def __init__(
        self, conn: asyncpg.Connection[asyncpg.Record], cities: dict[int, tuple[City, Areas]]
    ) -> None:
        self._conn = conn
        self._cities = cities
        self.sightings = Sightings(conn)

    async def lock_progress(self, partitions: Sequence[tuple[str, int]]) -> None:
        topics, numbers = columns(sorted(partitions), 2)
        locked = await self._conn.fetch(SQL["lock_progress"], topics, numbers)
        if len(locked) < len(partitions):
            await self._conn.execute(SQL["ensure_progress"], topics, numbers)
            await self._conn.fetch(SQL["lock_progress"], topics, numbers)

    async def raise_progress(self, next_offsets: dict[tuple[str, int], int]) -> None:
        rows = [(topic, partition, offset) for (topic, partition), offset in sorted(next_offsets.items())]
        await self._conn.execute(SQL["raise_progress"], *columns(rows, 3))

    async def active_city(self) -> tuple[City, Areas]:
        """The city that is active now. One not read yet ends the transaction: a country takes long."""
        try:
            version = await city_book.active_version(self._conn)
        except city_book.NoCityLoaded as error:
            raise _unusable(error) from error
        known = self._cities.get(version)
        if known is None:
            raise _UnreadCity(version)
        return known

    async def lock_families(self, case_ids: Sequence[str]) -> None:
        await self._conn.fetch(SQL["lock_families"], case_ids, min(case_ids), max(case_ids))

    async def outcomes(self, command_ids: Sequence[str]) -> dict[str, Outcome]:
        rows = await self._conn.fetch(SQL["outcomes"], command_ids)
        return {outcome.command_id: outcome for outcome in map(outcome_from_row, rows)}

    async def cases(self, case_ids: Sequence[str]) -> dict[str, Case]:
        """Cases with their deadlines; read after the families are locked."""
        bounds = case_ids, min(case_ids), max(case_ids)
        deadlines: dict[str, list[Deadline]] = {}
        for row in await self._conn.fetch(SQL["deadlines"], *bounds):
            deadlines.setdefault(str(row["case_id"]), []).append(deadline_from_row(row))
        rows = await self._conn.fetch(SQL["cases"], *bounds)
        return {
            case.case_id: case
            for case in (case_from_row(row, deadlines.get(str(row["case_id"]), ())) for row in rows)
        }

    async def events_of(self, ranges: Iterable[Range]) -> list[Event]:
        rows = await self._conn.fetch(SQL["events_of_ranges"], *columns(sorted(set(ranges)), 3))
        return [event_from_row(row) for row in rows]

    async def erased(self, ids: Sequence[str]) -> set[str]:
        return {str(row["id"]) for row in await self._conn.fetch(SQL["erased"], ids)}

    async def insert(
        self, table: str, names: Sequence[str], rows: Sequence[tuple[Any, ...]], *, schema: str = "public"
    ) -> None:
        """New rows by COPY, if there are any: a fifth faster than INSERT … SELECT unnest."""
        if not rows:
            return
        try:
            await self._conn.copy_records_to_table(table, schema_name=schema, columns=names, records=rows)
        except (OverflowError, TypeError, ValueError) as error:
            if isinstance(error, asyncpg.InterfaceError):
                raise
            # the driver cannot write a value, e.g. an instant that UTC has not; its text would quote it
            raise BadData(type(error).__name__) from error

    async def move_reports(self, homes: Mapping[str, str]) -> None:
        """Reports by id, with the case each stands with now."""
        if homes:
            await self._conn.execute(SQL["move_reports"], list(homes), list(homes.values()))

    async def write(
        self,
        *,
        before: dict[str, Case],
        after: dict[str, Case],
        events: Sequence[Event],
        outcomes: Sequence[Outcome],
        changed_at: datetime,
    ) -> None:
        """One final row per case that changed, every deadline that is new or changed, events and outcomes."""
        await self.insert("outcomes", OUTCOMES, [outcome_row(outcome) for outcome in outcomes])
        new = [case for case_id, case in after.items() if case_id not in before]
        changed = [case for case_id, case in after.items() if before.get(case_id, case) is not case]
        await self.insert("cases", CASES, [case_row(case, changed_at) for case in new])
        if changed:
            await self._conn.execute(SQL["change_by_keys"])
            ids = [case.case_id for case in changed]
            rows = [case_row(case, changed_at) for case in changed]
            await self._conn.execute(SQL["update_cases"], rows, ids)
        await self.insert("events", EVENTS, [event_row(event) for event in events])
        await self._write_deadlines(before, new, changed)

    async def _write_deadlines(self, before: dict[str, Case], new: list[Case], changed: list[Case]) -> None:
        added = [deadline_row(case.case_id, d) for case in new for d in case.deadlines]
        altered = []
        for case in changed:
            known = {d.key: d for d in before[case.case_id].deadlines}
            for d in case.deadlines:
                if d.key not in known:
                    added.append(deadline_row(case.case_id, d))
                elif known[d.key] is not d:
                    altered.append(deadline_row(case.case_id, d))
        await self.insert("deadlines", DEADLINES, added)
        if altered:
            ids = [row[0] for row in altered]
            await self._conn.execute(SQL["update_deadlines"], altered, ids)
