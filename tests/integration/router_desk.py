"""A router's worker over a real database, without a broker: batches in by hand, what it publishes kept.

The city is the small one of tests/domain/small_case.py; everything is received at T0 unless said otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.adapters import city_book, codec
from services.adapters.book import Book
from services.adapters.clock import Clock
from services.adapters.faust_app import NotPublished
from services.adapters.postgres import connect
from services.adapters.rows import case_from_row, deadline_from_row, event_from_row
from services.adapters.seal import SealKeys
from services.domain import ids
from services.domain.case import Case
from services.domain.events import Event
from services.domain.messages import (
    WIRE_TYPES,
    Actor,
    CaseCommand,
    Content,
    DeadLetter,
    Outcome,
    SubmitReport,
)
from services.router.reading import Incoming
from services.router.worker import Worker
from tests.domain.random_life import Walk
from tests.domain.small_case import COUNTABLE, T0

SECRET = b"x" * 32
KEYS = SealKeys("one:" + "QUFB" * 10 + "QUE=")
OTHER_KEYS = SealKeys("one:" + "QkJC" * 10 + "QkI=")

_numbers = itertools.count(1)


def fresh_id() -> str:
    return ids.report_id(SECRET, "test", str(next(_numbers)))


class Inbox:
    """Gives each message the next offset of its partition, as a broker would."""

    def __init__(self) -> None:
        self._offsets: dict[tuple[str, int], int] = {}

    def put(
        self, topic: str, record: codec.Record, *, partition: int = 0, appended_at: datetime | None = None
    ) -> Incoming:
        key, value, headers = record
        return self.put_raw(
            topic, key, value, tuple(headers), partition=partition, appended_at=appended_at or T0
        )

    def put_raw(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: tuple[tuple[str, bytes], ...],
        *,
        partition: int = 0,
        appended_at: datetime = T0,
    ) -> Incoming:
        offset = self._offsets.get((topic, partition), 0)
        self._offsets[topic, partition] = offset + 1
        return Incoming(topic, partition, offset, key, value, headers, appended_at)

    def report(
        self,
        category: str | None = "pothole",
        *,
        partition: int = 0,
        appended_at: datetime | None = None,
        content: Content | None = None,
        **values: Any,
    ) -> Incoming:
        given: dict[str, Any] = {
            "report_id": fresh_id(),
            "received_at": T0,
            "channel": "resident",
            "hub_code": "V11",
            **values,
        }
        if content is not None:
            given["sealed"] = KEYS.seal(content, command_id=given["report_id"], topic=codec.REPORTS)
        report = SubmitReport(category=category, **given)
        return self.put(
            codec.REPORTS,
            codec.report_record(report),
            partition=partition,
            appended_at=appended_at or report.received_at,
        )

    def command(
        self,
        case_id: str,
        kind: str,
        actor: Actor,
        *,
        received_at: datetime = T0,
        partition: int = 0,
        appended_at: datetime | None = None,
        expected_seq: int | None = None,
        words: str | None = None,
        command_id: str | None = None,
        **values: Any,
    ) -> Incoming:
        command = CaseCommand(
            command_id=command_id or fresh_id(),
            case_id=case_id,
            type=kind,
            actor=actor,
            received_at=received_at,
            payload=WIRE_TYPES[kind](**values),
            expected_seq=expected_seq,
        )
        if words is not None:
            sealed = KEYS.seal(Content(text=words), command_id=command.command_id, topic=codec.CASE_COMMANDS)
            command = replace(command, sealed=sealed)
        return self.put(
            codec.CASE_COMMANDS,
            codec.command_record(command, "board"),
            partition=partition,
            appended_at=appended_at or received_at,
        )


def message_of(incoming: Incoming) -> Any:
    return codec.decode(incoming.headers, incoming.value)


def messages_of(life: Walk, inbox: Inbox) -> list[Incoming]:
    """Its report and every command, on one partition."""
    partition = int(life.case.case_id[-2:], 16) % 8
    return [
        inbox.put(codec.REPORTS, codec.report_record(life.report), partition=partition),
        *(
            inbox.put(
                codec.CASE_COMMANDS,
                codec.command_record(command, "board"),
                partition=partition,
                appended_at=now,
            )
            for command, now, _ in life.all_taken
        ),
    ]


def case_of(report: Incoming) -> str:
    """The case that a report begins."""
    message: SubmitReport = message_of(report)
    return ids.case_id(message.received_at, message.report_id)


class Desk:
    """One worker, its book, and the topics it writes to."""

    def __init__(self, database_url: str, clock: Clock) -> None:
        self.url = database_url
        self.published: list[tuple[str, codec.Record]] = []
        self.failures: list[Exception] = []
        self.book = Book(database_url)
        self.worker = Worker(
            book=self.book,
            clock=clock,
            keys=KEYS,
            secret=SECRET,
            publish=self._publish,
            hold_slot=self._hold,
        )

    async def _publish(self, records: list[tuple[str, codec.Record]]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.published += records

    async def _hold(self) -> None:
        return None

    async def handle(self, *batch: Incoming) -> Published:
        """What this batch, and it alone, had published."""
        before = len(self.published)
        await self.worker.handle(batch)
        return Published(self.published[before:])


class Published:
    def __init__(self, records: Iterable[tuple[str, codec.Record]]) -> None:
        self.records = list(records)
        self.events: list[Event] = []
        self.outcomes: list[Outcome] = []
        self.letters: list[DeadLetter] = []
        kinds: dict[str, list[Any]] = {
            codec.CASE_EVENTS: self.events,
            codec.COMMAND_OUTCOMES: self.outcomes,
            codec.DEAD_LETTERS: self.letters,
        }
        for topic, (_, value, headers) in self.records:
            kinds[topic].append(codec.decode(headers, value))

    def outcome(self, incoming: Incoming) -> Outcome:
        (found,) = (o for o in self.outcomes if o.command_id == message_of(incoming).command_id)
        return found


class Database:
    """What is in the book, read by somebody else."""

    def __init__(self, conn: asyncpg.Connection[asyncpg.Record]) -> None:
        self.conn = conn

    async def value(self, query: str, *values: Any) -> Any:
        return await self.conn.fetchval(query, *values)

    async def empty(self) -> None:
        """All but the city: small tables are emptied faster than databases are made."""
        for table in (
            "reports",
            "cases",
            "events",
            "outcomes",
            "deadlines",
            "progress",
            "private.report_contents",
            "private.command_words",
            "private.erased",
        ):
            await self.conn.execute(f"DELETE FROM {table}")

    async def counts(self) -> dict[str, int]:
        tables = ("reports", "cases", "events", "outcomes", "deadlines")
        return {table: await self.value(f"SELECT count(*) FROM {table}") for table in tables}

    async def case(self, case_id: str) -> Case:
        rows = await self.conn.fetch("SELECT * FROM deadlines WHERE case_id = $1", case_id)
        row = await self.conn.fetchrow("SELECT * FROM cases WHERE case_id = $1", case_id)
        assert row is not None, f"no case {case_id}"
        return in_order(case_from_row(row, [deadline_from_row(one) for one in rows]))

    async def events(self, case_id: str) -> list[Event]:
        rows = await self.conn.fetch("SELECT * FROM events WHERE case_id = $1 ORDER BY seq", case_id)
        return [event_from_row(row) for row in rows]

    async def progress(self) -> dict[tuple[str, int], int]:
        rows = await self.conn.fetch('SELECT topic, "partition", next_offset FROM progress')
        return {(row[0], row[1]): row[2] for row in rows}


def in_order(case: Case) -> Case:
    """A case whose deadlines stand in the order of their keys: the book keeps no other."""
    return replace(case, deadlines=tuple(sorted(case.deadlines, key=lambda d: d.key)))


async def load_city(database_url: str, folder: Path, files: dict[str, str] = COUNTABLE) -> int:
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    return await city_book.load_folder(database_url, folder, now=T0)


@contextlib.asynccontextmanager
async def looking(database_url: str) -> AsyncIterator[Database]:
    conn = await connect(database_url, room="test")
    try:
        yield Database(conn)
    finally:
        await conn.close(timeout=5)


async def wait_for(condition: Callable[[], Awaitable[Any]], what: str, *, seconds: float = 10.0) -> Any:
    """The first true answer; looks again and again until the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := await condition():
            return found
        await asyncio.sleep(0.005)
    pytest.fail(f"not within {seconds:.0f} s: {what}")


async def waiting_for_a_lock(db: Database) -> int | None:
    """The process id of a router's session that waits for a lock."""
    pid: int | None = await db.value(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'router' AND wait_event_type = 'Lock'"
        " AND datname = current_database()"
    )
    return pid


def not_published() -> Exception:
    return NotPublished("the broker is away")


def made(count: int, make: Callable[[int], Incoming]) -> Sequence[Incoming]:
    return [make(number) for number in range(count)]


def some_bytes(count: int) -> bytes:
    return os.urandom(count)
