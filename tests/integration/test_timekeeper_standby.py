"""One timekeeper works, others stand by: over a real database, with the sends kept instead of a broker."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from services.adapters import codec, metrics
from services.adapters.clock import Clock
from services.adapters.kafka_producer import NotConfirmed
from services.adapters.postgres import connect
from services.adapters.settings import PROJECT
from services.domain import ids
from services.domain.messages import CaseCommand, PassDeadline
from services.timekeeper.app import _keep_time
from tests.domain.small_case import T0
from tests.integration.router_desk import Database, fresh_id, looking, wait_for

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("emptied")]


class Sends:
    """In the producer's place; `fails` as many sends first."""

    def __init__(self, fails: int = 0) -> None:
        self.commands: list[CaseCommand] = []
        self.fails = fails

    async def send(self, topic: str, record: codec.Record) -> None:
        if self.fails:
            self.fails -= 1
            raise NotConfirmed("the broker has not answered yet")
        assert topic == codec.CASE_COMMANDS
        self.commands.append(codec.decode(record[2], record[1]))

    async def any(self) -> bool:
        return bool(self.commands)


@contextlib.asynccontextmanager
async def timekeeper(database_url: str, sends: Sends) -> AsyncIterator[asyncio.Task[None]]:
    producer: Any = sends
    working = asyncio.create_task(_keep_time(database_url, Clock(), producer))
    try:
        yield working
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def due_step(db: Database, *, ago: timedelta = timedelta(0)) -> str:
    """A step that is due since `ago`; the id of its case."""
    case_id = ids.case_id(T0, fresh_id())
    await db.conn.execute(
        "INSERT INTO deadlines (case_id, clock, stage, set_seq, limit_text, start_at, due_at, official, step,"
        " next_at, pauses) VALUES ($1, 'owner', 'accept', 2, '4h C24', $2, $2, true, 'warning', $2, '{}')",
        case_id,
        datetime.now(UTC) - ago,
    )
    return case_id


def alarm() -> float:
    """The age of the oldest due step, as it is exported; NaN while nobody knows."""
    (metric,) = metrics.oldest_due_not_passed_seconds.collect()
    return metric.samples[0].value


async def alarm_tells_an_hour() -> bool:
    return 3600 <= alarm() < 3700


async def alarm_tells_nothing() -> bool:
    return math.isnan(alarm())


async def sessions(db: Database, room: str) -> int:
    count: int = await db.value(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database()",
        room,
    )
    return count


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def _nobody_works_yet(db: Database) -> None:
    """The server notices a moment later that the timekeeper of the test before has gone."""

    async def gone() -> bool:
        return not await sessions(db, "timekeeper") and not await sessions(db, "slot")

    await wait_for(gone, "the timekeeper of the test before is gone")


async def test_a_due_step_becomes_an_ordinary_command_of_the_system(book_url: str, db: Database) -> None:
    case_id = await due_step(db)
    sends = Sends()
    async with timekeeper(book_url, sends):
        await wait_for(sends.any, "the command")
    (command,) = sends.commands
    assert (command.case_id, command.type, command.actor.roles) == (case_id, "pass_deadline", ("system",))
    assert isinstance(command.payload, PassDeadline)
    assert command.payload.deadline_id == ids.deadline_id(case_id, "owner", "accept", "warning", 2)
    assert command.payload.step_at <= command.received_at
    assert command.expected_seq is None


async def test_the_one_that_stands_by_takes_over_when_the_other_ends(book_url: str, db: Database) -> None:
    first, second = Sends(), Sends()
    async with timekeeper(book_url, second) as standing_by:
        # whoever was first works; the other one sends nothing
        await wait_for(lambda: works(db), "one works")
        async with timekeeper(book_url, first):
            await due_step(db)
            await wait_for(second.any, "the one that works sends")
        assert first.commands == []
        assert not standing_by.done()
    async with timekeeper(book_url, first):
        await wait_for(first.any, "a successor sends what is still open")


async def works(db: Database) -> bool:
    return bool(await sessions(db, "timekeeper"))


async def test_a_worker_that_lost_its_lock_stands_by_and_leaves_nothing_open(
    book_url: str, db: Database
) -> None:
    sends = Sends()
    async with timekeeper(book_url, sends) as working:
        await wait_for(lambda: works(db), "it works")
        # the server ends its lock's session; a rival has the lock before it looks again
        async with looking(book_url) as rival:
            waiting = asyncio.create_task(rival.conn.execute("SELECT pg_advisory_lock($1, $2)", 0x71ED, 0))
            await wait_for(lambda: waits(db), "the rival waits")
            await db.value(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'slot' AND datname = current_database()"
            )
            await waiting

            async def idle() -> bool:
                return not await works(db)

            await wait_for(idle, "it stands by, without a session of its rounds")
            assert math.isnan(alarm()), "another one knows it now"
            await due_step(db)
            assert not working.done()
            assert sends.commands == []
        await wait_for(sends.any, "it works again once the rival is gone")


async def waits(db: Database) -> bool:
    return bool(await db.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))


async def test_a_broker_that_is_away_is_asked_again(book_url: str, db: Database) -> None:
    case_id = await due_step(db)
    sends = Sends(fails=2)
    async with timekeeper(book_url, sends) as working:
        await wait_for(sends.any, "sent at the third look")
        assert not working.done()
    assert [command.case_id for command in sends.commands] == [case_id]


# The alarm: the age of the oldest due step.


async def test_the_alarm_rises_while_the_broker_takes_no_command(book_url: str, db: Database) -> None:
    await due_step(db, ago=timedelta(hours=1))
    async with timekeeper(book_url, Sends(fails=10**9)):
        await wait_for(alarm_tells_an_hour, "the age of the step that cannot be sent")


async def test_the_alarm_tells_nothing_while_the_database_is_away(book_url: str, db: Database) -> None:
    await due_step(db, ago=timedelta(hours=1))
    async with timekeeper(book_url, Sends()):
        await wait_for(alarm_tells_an_hour, "the age of the step")
        async with away(book_url):
            await wait_for(alarm_tells_nothing, "the age is not known any more")
        await wait_for(alarm_tells_an_hour, "the age is known again")


@contextlib.asynccontextmanager
async def away(database_url: str) -> AsyncIterator[None]:
    """Every session of the database ends and none begins."""
    server, _, name = database_url.rpartition("/")
    conn = await connect(f"{server}/postgres", room="test")
    try:
        await conn.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        yield
    finally:
        await conn.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await conn.close(timeout=5)


# The whole process.


async def test_a_timekeeper_whose_broker_went_away_is_not_ready(
    database_url: str, broker: str, unused_tcp_port_factory: Any
) -> None:
    port, between = unused_tcp_port_factory(), unused_tcp_port_factory()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.timekeeper",
        cwd=PROJECT,
        env={
            **os.environ,
            "DATABASE_URL": database_url,
            "KAFKA_BOOTSTRAP": f"127.0.0.1:{between}",
            "TIMEKEEPER_PORT": str(port),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:

            async def answers(status: int) -> bool:
                try:
                    return (await http.get("/readyz")).status_code == status
                except httpx.TransportError:
                    return False

            async with passed_on(between, broker):
                await wait_for(lambda: answers(200), "it is ready", seconds=30)
            await wait_for(lambda: answers(503), "its broker is away")
            assert list((await http.get("/readyz")).json()["failing"]) == ["broker"]
    finally:
        process.terminate()
        await asyncio.wait_for(process.communicate(), 15)


@contextlib.asynccontextmanager
async def passed_on(port: int, to: str) -> AsyncIterator[None]:
    """Whoever connects to `port` speaks with `to`, until the end of the block."""
    host, _, there = to.rpartition(":")
    open_ones: list[asyncio.StreamWriter] = []

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while some := await reader.read(65536):
                writer.write(some)
                await writer.drain()
        writer.close()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(host, int(there))
        open_ones.extend((writer, far_writer))
        await asyncio.gather(pipe(reader, far_writer), pipe(far_reader, writer))

    server = await asyncio.start_server(carry, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()
        for writer in open_ones:
            writer.close()
