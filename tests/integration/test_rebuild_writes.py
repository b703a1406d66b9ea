"""`console rebuild` without --check: what differs is written as the events make it, or nothing is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from services.adapters import slot
from services.adapters.postgres import connect
from tests.integration.book_at_rest import WITH_REPORT, case_at, contents, lived, rebuild, undone
from tests.integration.router_desk import Database

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def book_url(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with lived(postgres_url, tmp_path_factory.mktemp("city")) as url:
        yield url


@pytest_asyncio.fixture(loop_scope="module")
async def db(book_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    monkeypatch.setenv("DATABASE_URL", book_url)
    async with undone(book_url) as db:
        yield db


async def test_rows_that_differ_are_written_as_the_events_make_them(db: Database) -> None:
    before = await contents(db)
    untouched = await case_at(db, 5)
    changed_at = await db.value("SELECT changed_at FROM cases WHERE case_id = $1", untouched)
    first, second, third = [await case_at(db, number, WITH_REPORT) for number in range(3)]
    report_id = await db.value("SELECT report_id::text FROM reports WHERE case_id = $1", first)
    await db.conn.execute("UPDATE cases SET owner = 'x', seq = 1000 WHERE case_id = $1", first)
    await db.conn.execute("UPDATE reports SET case_id = $1 WHERE case_id = $2", third, first)
    await db.conn.execute("DELETE FROM cases WHERE case_id = $1", second)
    await db.conn.execute("DELETE FROM deadlines WHERE case_id = $1 AND clock = 'citizen'", second)
    await db.conn.execute(
        "UPDATE deadlines SET set_seq = set_seq + 100 WHERE case_id = $1 AND clock = 'citizen'", third
    )
    begun = datetime.now(UTC)
    code, lines, _ = await rebuild()
    assert code == 0
    assert lines[0].startswith(f"{first}  cases.seq: in the book 1000, replayed ")
    assert f"{first}  reports {report_id} case_id: in the book {third}, replayed {first}" in lines
    assert lines[-1] == "written as the events make it; nothing differs now"
    assert await contents(db) == before
    assert (await rebuild("--check"))[0] == 0
    assert await db.value("SELECT changed_at FROM cases WHERE case_id = $1", untouched) == changed_at
    assert await db.value("SELECT changed_at FROM cases WHERE case_id = $1", first) >= begun


async def test_where_the_log_itself_is_broken_nothing_is_written(db: Database) -> None:
    first, second = await case_at(db), await case_at(db, 1)
    await db.conn.execute("UPDATE cases SET owner = 'x' WHERE case_id = $1", first)
    await db.conn.execute("DELETE FROM events WHERE case_id = $1 AND seq = 1", second)
    before = await contents(db)
    code, lines, _ = await rebuild()
    assert code == 1
    assert lines[3] == "nothing was written, for this no event can mend:"
    assert lines[4] == f"{second}  events.seq: in the book 2, replayed 1"
    assert len(lines) == 6
    assert await contents(db) == before


async def test_beside_a_router_nothing_is_written(db: Database, book_url: str) -> None:
    await db.conn.execute("UPDATE cases SET owner = 'x'")
    before = await contents(db)
    router = await slot.Slot.take(book_url, slot.ROUTER)
    try:
        code, lines, said = await rebuild()
        assert (code, lines) == (1, [])
        assert "a router works" in said
        assert await contents(db) == before
    finally:
        router.release()


async def test_no_router_begins_while_rows_are_written(book_url: str, db: Database) -> None:
    conn = await connect(book_url, room="test")
    try:
        await slot.hold_all(conn, slot.ROUTER)
        with pytest.raises(slot.SlotTaken):
            await slot.Slot.take(book_url, slot.ROUTER)
    finally:
        await conn.close()
