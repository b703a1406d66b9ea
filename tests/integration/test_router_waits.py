"""What no message causes is waited for, in place: the worker says what for, loses nothing and goes on.

The tests share one database without a city: each puts back what it took away.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from services.adapters.book import Book
from tests.domain.small_case import T0, WORKS
from tests.integration.router_desk import (
    Database,
    Desk,
    Inbox,
    case_of,
    load_city,
    looking,
    wait_for,
)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("emptied")]


async def trouble_of(desk: Desk, word: str) -> None:
    async def says() -> bool:
        return word in (desk.worker.trouble or "")

    await wait_for(says, f"the worker says {word}")


async def test_a_book_is_prepared_before_the_first_batch_if_it_can_be(
    database_url: str, tmp_path: Path, unused_tcp_port: int
) -> None:
    """The first deadline after a start would wait for a connection and for the whole city to be read."""
    away, book = Book(f"postgresql://postgres@127.0.0.1:{unused_tcp_port}/none"), Book(database_url)
    await away.prepare()
    await book.prepare()
    await load_city(database_url, tmp_path)
    await book.prepare()
    async with book.transaction() as tx:
        city, _ = await tx.active_city()
    assert city.version == 1
    await book.close()


async def test_a_city_that_is_not_yet_loaded(desk: Desk, db: Database, tmp_path: Path) -> None:
    await db.conn.execute("DELETE FROM active_city")
    handling = asyncio.create_task(desk.handle(Inbox().report()))
    await trouble_of(desk, "city load")
    assert not handling.done()
    await load_city(desk.url, tmp_path)
    said = await handling
    assert (len(said.events), said.letters, desk.worker.trouble) == (2, [], None)


async def test_a_city_that_this_program_cannot_read(desk: Desk, db: Database, tmp_path: Path) -> None:
    """Written by another release; the active number is moved back by hand."""
    sound = await load_city(desk.url, tmp_path)
    await db.conn.execute(
        "INSERT INTO city_versions (version, loaded_at, content_hash, files) VALUES (99, $1, 'x', $2)",
        T0,
        '{"city.toml": "name_zh = 1"}',
    )
    await db.conn.execute("UPDATE active_city SET version = 99")
    handling = asyncio.create_task(desk.handle(Inbox().report()))
    await trouble_of(desk, "city")
    assert not handling.done()
    await db.conn.execute("UPDATE active_city SET version = $1", sound)
    assert (await handling).letters == []


async def test_a_partition_that_is_missing(desk: Desk, db: Database, tmp_path: Path) -> None:
    await load_city(desk.url, tmp_path)
    bounds = await db.value(
        "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'events_2026'"
    )
    await db.conn.execute("ALTER TABLE events DETACH PARTITION events_2026")
    inbox = Inbox()
    batch = [inbox.report() for _ in range(3)]
    handling = asyncio.create_task(desk.handle(*batch))
    await trouble_of(desk, "no partition")
    assert (await db.counts())["reports"] == 0
    await db.conn.execute(f"ALTER TABLE events ATTACH PARTITION events_2026 {bounds}")
    said = await handling
    assert (said.letters, len(said.events)) == ([], 6)


async def test_a_table_that_a_migration_has_not_made(desk: Desk, db: Database, tmp_path: Path) -> None:
    await load_city(desk.url, tmp_path)
    await db.conn.execute("ALTER TABLE private.erased RENAME TO later")
    inbox = Inbox()
    report = inbox.report()
    comment = inbox.command(case_of(report), "comment", WORKS, words="好")
    handling = asyncio.create_task(desk.handle(report, comment))
    await trouble_of(desk, "erased")
    await db.conn.execute("ALTER TABLE private.later RENAME TO erased")
    assert (await handling).letters == []
    assert (await db.counts())["outcomes"] == 2


async def test_a_database_that_may_only_be_read(desk: Desk, db: Database, tmp_path: Path) -> None:
    await load_city(desk.url, tmp_path)
    name = await db.value("SELECT current_database()")
    await db.conn.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    handling = asyncio.create_task(desk.handle(Inbox().report()))
    await trouble_of(desk, "read-only")
    await db.conn.execute("SET default_transaction_read_only = off")
    await db.conn.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = off")
    # a session keeps the setting it began with
    await db.value(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'router' AND datname = current_database()"
    )
    assert (await handling).letters == []


async def test_a_slot_that_was_lost_while_the_batch_waited_ends_it(
    desk: Desk, db: Database, tmp_path: Path
) -> None:
    """Who may no longer go on must not decide when the database comes back."""
    await load_city(desk.url, tmp_path)
    lost = False

    async def hold() -> None:
        if lost:
            raise PermissionError("slot 0 is held by another process")

    desk.worker._hold_slot = hold
    await db.conn.execute("ALTER TABLE outcomes RENAME TO later")
    handling = asyncio.create_task(desk.handle(Inbox().report()))
    await trouble_of(desk, "outcomes")
    lost = True
    await db.conn.execute("ALTER TABLE later RENAME TO outcomes")
    with pytest.raises(PermissionError):
        await handling
    assert (await db.counts())["reports"] == 0


async def test_a_transaction_that_takes_too_long_is_cut_and_tried_again(
    desk: Desk, db: Database, tmp_path: Path
) -> None:
    await load_city(desk.url, tmp_path)
    await desk.handle(Inbox().report())
    assert desk.book._conn is not None
    settings = {
        name: await desk.book._conn.fetchval(f"SHOW {name}")
        for name in ("transaction_timeout", "idle_in_transaction_session_timeout", "application_name")
    }
    assert settings == {
        "transaction_timeout": "12s",
        "idle_in_transaction_session_timeout": "10s",
        "application_name": "router",
    }
    await desk.book._conn.execute("SET transaction_timeout = '200ms'")
    async with looking(desk.url) as holder:
        transaction = holder.conn.transaction()
        await transaction.start()
        await holder.conn.execute("LOCK TABLE events IN EXCLUSIVE MODE")
        inbox = Inbox()
        handling = asyncio.create_task(desk.handle(inbox.report()))
        await trouble_of(desk, "transaction timeout")
        await transaction.rollback()
    said = await handling
    assert (said.letters, len(said.events)) == ([], 2)
