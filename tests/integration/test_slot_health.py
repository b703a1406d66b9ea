"""Slots held by advisory locks, and what a process asks of the database before it calls itself ready."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from services.adapters.clock import Clock
from services.adapters.health import DatabaseHealth
from services.adapters.migrations import read_migrations
from services.adapters.slot import ROUTER, TIMEKEEPER, Slot, SlotTaken
from tests.integration import one_database
from tests.integration.router_desk import Database, looking, wait_for

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def db(book_url: str) -> AsyncIterator[Database]:
    async with looking(book_url) as db:
        yield db
        await wait_for(lambda: no_slot_is_held(db), "every slot is given back")


async def no_slot_is_held(db: Database) -> bool:
    held = await db.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = "
                          "(SELECT oid FROM pg_database WHERE datname = current_database())")  # fmt: skip
    return bool(held == 0)


async def holder_of(db: Database, kind: int, number: int) -> int | None:
    pid: int | None = await db.value(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = $1::int::oid"
        " AND objid = $2::int::oid"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        kind,
        number,
    )
    return pid


async def end(db: Database, slot: Slot, kind: int) -> int:
    """The server ends the slot's session, and the slot's side has noticed."""
    pid = await holder_of(db, kind, slot.number)
    assert pid is not None
    assert await db.value("SELECT pg_terminate_backend($1)", pid)

    async def noticed() -> bool:
        return slot._conn.is_closed() and await holder_of(db, kind, slot.number) is None

    await wait_for(noticed, "the session is gone")
    return pid


async def test_two_workers_get_two_slots_and_a_free_one_is_taken_first(book_url: str, db: Database) -> None:
    first, second = await Slot.take(book_url, ROUTER), await Slot.take(book_url, ROUTER)
    assert (first.number, second.number) == (0, 1)
    keeper = await Slot.take(book_url, TIMEKEEPER, most=1)
    assert keeper.number == 0, "the kinds do not know each other"
    first.release()

    async def is_free() -> bool:
        return await holder_of(db, ROUTER, 0) is None

    await wait_for(is_free, "slot 0 is free")
    third = await Slot.take(book_url, ROUTER)
    assert third.number == 0
    for one in (second, keeper, third):
        one.release()


async def test_many_at_once_get_a_slot_each(book_url: str, db: Database) -> None:
    slots = await asyncio.gather(*(Slot.take(book_url, ROUTER) for _ in range(6)))
    assert sorted(slot.number for slot in slots) == list(range(6))
    for slot in slots:
        slot.release()


async def test_when_all_are_held_it_is_said(book_url: str, db: Database) -> None:
    keeper = await Slot.take(book_url, TIMEKEEPER, most=1)
    with pytest.raises(SlotTaken, match="all 1 slots"):
        await Slot.take(book_url, TIMEKEEPER, most=1)
    keeper.release()


async def test_a_session_that_ended_is_taken_again(book_url: str, db: Database) -> None:
    slot = await Slot.take(book_url, ROUTER)
    before = await holder_of(db, ROUTER, 0)
    await slot.hold()
    assert await holder_of(db, ROUTER, 0) == before, "while it holds, nothing is done"
    ended = await end(db, slot, ROUTER)
    assert ended == before
    await slot.hold()
    assert await holder_of(db, ROUTER, 0) not in (None, ended)
    slot.release()


async def test_a_slot_that_another_took_meanwhile_is_not_held(book_url: str, db: Database) -> None:
    slot = await Slot.take(book_url, ROUTER)
    await end(db, slot, ROUTER)
    successor = await Slot.take(book_url, ROUTER)
    assert successor.number == slot.number
    with pytest.raises(SlotTaken, match="slot 0 is held by another"):
        await slot.hold()
    successor.release()


class Line:
    """A line to the server, of the test's own. It can fall silent: it stays open and carries nothing more."""

    def __init__(self, host: str, port: int) -> None:
        self.accepted = 0
        self._server = host, port
        self._carrying: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        to_server, of_server = await asyncio.open_connection(*self._server)
        self._writers += [writer, of_server]
        for source, target in ((reader, of_server), (to_server, writer)):
            self._carrying.append(asyncio.create_task(self._carry(source, target)))

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                target.write(data)
            target.close()

    async def fall_silent(self) -> None:
        """Connections made from now on carry again."""
        for task in self._carrying:
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)
        self._carrying.clear()

    async def close(self) -> None:
        await self.fall_silent()
        for writer in self._writers:
            writer.close()


@contextlib.asynccontextmanager
async def line_to(url: str) -> AsyncIterator[tuple[str, Line]]:
    """The address of the database over such a line."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    line = Line(parts.hostname, parts.port)
    server = await asyncio.start_server(line.accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield url.replace(f"{parts.hostname}:{parts.port}", f"127.0.0.1:{port}"), line
    finally:
        server.close()
        await line.close()


async def test_the_server_soon_lets_go_of_a_slot_whose_host_vanished(book_url: str, db: Database) -> None:
    """A host without power says no good-bye: the server asks after 5 s, and gives it up within 11."""
    slot = await Slot.take(book_url, TIMEKEEPER, most=1)
    in_force = {
        name: await slot._conn.fetchval(f"SHOW {name}")
        for name in (
            "tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout",
        )
    }  # fmt: skip
    assert in_force == {
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "2",
        "tcp_keepalives_count": "3",
        "tcp_user_timeout": "10000",
    }
    slot.release()


async def test_a_line_that_fell_silent_is_noticed_and_the_slot_taken_again(
    book_url: str, db: Database
) -> None:
    async with line_to(book_url) as (url, line):
        slot = await Slot.take(url, ROUTER)
        ghost = await holder_of(db, ROUTER, slot.number)
        await line.fall_silent()
        holding = asyncio.create_task(slot.hold())

        async def asks_again() -> bool:
            return line.accepted > 2

        await wait_for(asks_again, "it has asked for the slot over another connection, and more than once")
        assert not holding.done(), "the server still holds the slot for the old one"
        assert await holder_of(db, ROUTER, slot.number) == ghost
        # As the server does by itself when nobody answers its questions.
        assert await db.value("SELECT pg_terminate_backend($1)", ghost)
        await asyncio.wait_for(holding, 10.0)
        assert await holder_of(db, ROUTER, slot.number) not in (None, ghost)
        slot.release()


async def test_a_taking_that_is_given_up_leaves_no_session(
    book_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def no_answer(*_: object) -> bool:
        asked.set()
        await asyncio.Event().wait()
        return False

    monkeypatch.setattr("services.adapters.slot._try_lock", no_answer)
    async with looking(book_url) as db:
        taking = asyncio.create_task(Slot.take(book_url, TIMEKEEPER))
        await asyncio.wait_for(asked.wait(), 10)
        question = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE application_name = 'slot' AND datname = current_database()"
        )
        assert await db.value(question) == 1
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)

        async def gone() -> bool:
            return bool(await db.value(question) == 0)

        await wait_for(gone, "its session has ended")


class SkewedClock(Clock):
    """This machine's clock runs wrong, which no offset file says."""

    def __init__(self, skew: timedelta) -> None:
        super().__init__()
        self._skew = skew

    def now(self) -> datetime:
        return super().now() + self._skew


async def said(url: str, clock: Clock) -> str | None:
    health = DatabaseHealth(url, clock)
    try:
        return await health.check()
    finally:
        await health.close()


async def test_a_whole_database_and_a_true_clock_are_well(book_url: str) -> None:
    health = DatabaseHealth(book_url, Clock())
    assert [await health.check() for _ in range(3)] == [None, None, None]
    await health.close()


async def test_missing_migrations_are_named(postgres_url: str) -> None:
    async with one_database.made(postgres_url, migrated=False) as url:
        answer = await said(url, Clock())
    assert answer == "migrations are missing: " + ", ".join(one.name for one in read_migrations())


async def test_a_migration_that_was_edited_is_named(postgres_url: str) -> None:
    async with one_database.made(postgres_url) as url:
        async with looking(url) as db:
            await db.conn.execute("UPDATE schema_migrations SET sha256 = 'other' WHERE number = 1")
        answer = await said(url, Clock())
    assert answer is not None
    assert "0001_book.sql was edited" in answer


@pytest.mark.parametrize("seconds", [5, -90])
async def test_a_clock_that_is_off_is_told_by_how_much(book_url: str, seconds: int) -> None:
    answer = await said(book_url, SkewedClock(timedelta(seconds=seconds)))
    told = re.fullmatch(r"this clock is ([+-]\d+\.\d) s off the database's", answer or "")
    assert told is not None, answer
    assert abs(float(told[1]) - seconds) <= 0.5, "half of what the question took"


async def test_half_a_second_is_no_skew(book_url: str) -> None:
    assert await said(book_url, SkewedClock(timedelta(seconds=0.5))) is None


async def test_a_slow_answer_is_no_skew(book_url: str) -> None:
    """The database read its clock between the question and the answer, three seconds later."""

    class Slow(Clock):
        asked = False

        def now(self) -> datetime:
            moved = timedelta(seconds=1.5 if self.asked else -1.5)
            self.asked = True
            return super().now() + moved

    assert await said(book_url, Slow()) is None


async def test_a_clock_moved_for_all_is_no_skew(
    book_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("clock") / "offset"
    file.write_text("86400")
    assert await said(book_url, Clock(file)) is None


async def test_years_that_run_out_are_told(book_url: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("clock") / "offset"
    years = datetime(2040, 3, 1) - datetime.now()  # noqa: DTZ001, DTZ005
    file.write_text(str(years.total_seconds()))
    assert await said(book_url, Clock(file)) == "partitions of cases end on 2041-01-01: migrate to make more"


async def test_a_database_that_is_away_is_an_answer_and_so_is_its_return(
    book_url: str, unused_tcp_port: int
) -> None:
    nowhere = f"postgresql://postgres@127.0.0.1:{unused_tcp_port}/none"
    answer = await said(nowhere, Clock())
    assert answer is not None
    assert "Connect" in answer
    health = DatabaseHealth(book_url, Clock())
    assert await health.check() is None
    async with looking(book_url) as db:
        assert await db.value(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'health' AND datname = current_database()"
        )

    async def is_well() -> bool:
        return await health.check() is None

    await wait_for(is_well, "it asks again")
    await health.close()
