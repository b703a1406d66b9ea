"""`console rebuild` over a real book of random lives: what was written replays, and nothing else passes.

All that can be missing or too much is so once, by SQL; columns are falsified in test_rebuild_columns.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from services.adapters import replay_rows
from services.adapters.clock import Clock
from tests.domain.small_case import dispatcher
from tests.integration.book_at_rest import (
    WITH_REPORT,
    case_at,
    differences,
    live,
    lived,
    rebuild,
    restore,
    undone,
)
from tests.integration.router_desk import Database, Desk, Inbox, case_of, looking, message_of

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


async def test_what_was_written_replays_to_the_byte(db: Database) -> None:
    counts = await db.counts()
    code, lines, _ = await rebuild("--check")
    assert code == 0
    (line,) = lines
    assert line.startswith(f"{counts['cases']} cases, {counts['events']} events replayed in ")
    assert line.endswith(": nothing differs")
    assert counts["events"] > counts["cases"] * 10


@pytest.mark.parametrize("at_once", [1, 2, 7, 50])
async def test_however_few_rows_are_read_together(
    db: Database, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """A case of sixty events goes over many reads."""
    monkeypatch.setattr(replay_rows, "AT_ONCE", at_once)
    code, (line,), _ = await rebuild("--check")
    counts = await db.counts()
    assert (code, line.split(" replayed")[0]) == (0, f"{counts['cases']} cases, {counts['events']} events")
    case_id = await case_at(db)
    await db.conn.execute("UPDATE cases SET owner = 'x' WHERE case_id = $1", case_id)
    (told,) = await differences()
    assert told.startswith(f"{case_id}  cases.owner: in the book x, replayed ")


async def test_an_empty_book_replays(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    code, (line,), _ = await rebuild("--check")
    assert code == 0
    assert line.startswith("0 cases, 0 events replayed")


async def test_rows_that_are_missing_or_too_many(db: Database) -> None:
    case_id = await case_at(db)
    await db.conn.execute("DELETE FROM cases WHERE case_id = $1", case_id)
    assert await differences() == [f"{case_id}  cases: in the book nothing, replayed a row"]
    await restore(db, "cases")

    clock, stage, set_seq = await db.conn.fetchrow(  # type: ignore[misc]
        "DELETE FROM deadlines WHERE ctid = ("
        "SELECT ctid FROM deadlines WHERE case_id = $1 AND clock = 'citizen' ORDER BY set_seq LIMIT 1)"
        " RETURNING clock, stage, set_seq",
        case_id,
    )
    key = f"deadlines {clock} {stage} {set_seq}"
    assert await differences() == [f"{case_id}  {key}: in the book nothing, replayed a row"]
    await restore(db, "deadlines")

    await db.conn.execute(
        "INSERT INTO deadlines SELECT (jsonb_populate_record(d, '{\"set_seq\": 99}')).* FROM deadlines d"
        " WHERE (case_id, clock, stage, set_seq) = ($1, $2, $3, $4)",
        case_id,
        clock,
        stage,
        set_seq,
    )
    assert await differences() == [
        f"{case_id}  deadlines {clock} {stage} 99: in the book a row, replayed nothing"
    ]


async def test_rows_without_events_and_events_without_rows(db: Database) -> None:
    case_id = await case_at(db, where=WITH_REPORT)
    report_id = await db.value("SELECT report_id::text FROM reports WHERE case_id = $1", case_id)
    number = await db.value("SELECT count(*) FROM deadlines WHERE case_id = $1", case_id)
    await db.conn.execute("DELETE FROM events WHERE case_id = $1", case_id)
    assert await differences() == [
        f"{case_id}  cases: in the book a row, replayed nothing",
        f"{case_id}  deadlines: in the book {number} rows, replayed nothing",
        f"{case_id}  reports {report_id} case_id: in the book {case_id}, replayed nothing",
    ]
    await restore(db, "events")
    for table in ("cases", "deadlines", "reports"):
        await db.conn.execute(f"DELETE FROM {table} WHERE case_id = $1", case_id)
    told = await differences()
    assert told[0] == f"{case_id}  cases: in the book nothing, replayed a row"
    assert told[-1] == f"{case_id}  reports {report_id} case_id: in the book nothing, replayed {case_id}"
    assert len(told) == 2 + number


@pytest.mark.parametrize(("gone", "seq", "expected"), [(1, 2, 1), (5, 6, 5)])
async def test_a_gap_in_the_numbers_of_events(db: Database, gone: int, seq: int, expected: int) -> None:
    case_id = await case_at(db, where="seq > 8")
    await db.conn.execute("DELETE FROM events WHERE case_id = $1 AND seq = $2", case_id, gone)
    assert await differences() == [f"{case_id}  events.seq: in the book {seq}, replayed {expected}"]


async def test_a_last_event_that_is_missing_leaves_the_row_ahead(db: Database) -> None:
    case_id = await case_at(db, where="seq > 8")
    last = await db.value("SELECT seq FROM cases WHERE case_id = $1", case_id)
    await db.conn.execute("DELETE FROM events WHERE case_id = $1 AND seq = $2", case_id, last)
    assert f"{case_id}  cases.seq: in the book {last}, replayed {last - 1}" in await differences()


@pytest.mark.parametrize(
    ("falsified", "said"),
    [
        ("type = 'CaseForgotten'", "2 CaseForgotten: in the book not to be replayed: type: unknown event"),
        ("payload = payload - 'dues'", "2 CaseDispatched: in the book not to be replayed: payload.dues"),
        ("payload = '[]'", "2 CaseDispatched: in the book not to be replayed: payload: Expected"),
    ],
)
async def test_an_event_that_cannot_be_read(db: Database, falsified: str, said: str) -> None:
    case_id = await case_at(db)
    await db.conn.execute(f"UPDATE events SET {falsified} WHERE case_id = $1 AND seq = 2", case_id)
    (told,) = await differences()
    assert told.startswith(f"{case_id}  events {said}")


async def test_an_event_that_says_something_else(db: Database) -> None:
    case_id = await case_at(db)
    hub = await db.value(
        "UPDATE events SET payload = jsonb_set(payload, '{place_code}', '\"V12\"')"
        " WHERE case_id = $1 AND seq = 1 RETURNING (SELECT place_code FROM cases WHERE case_id = $1)",
        case_id,
    )
    assert await differences() == [f"{case_id}  cases.place_code: in the book {hub}, replayed V12"]


async def test_a_report_that_stands_elsewhere_is_told_once_with_both_cases(db: Database) -> None:
    first, other = await case_at(db, where=WITH_REPORT), await case_at(db, 3)
    report_id = await db.value("SELECT report_id::text FROM reports WHERE case_id = $1", first)
    await db.conn.execute("UPDATE reports SET case_id = $1 WHERE report_id = $2", other, report_id)
    assert await differences() == [
        f"{first}  reports {report_id} case_id: in the book {other}, replayed {first}"
    ]


async def test_a_report_that_was_attached_and_one_that_left_again(db: Database, book_url: str) -> None:
    desk, inbox = Desk(book_url, Clock()), Inbox()
    reports = [inbox.report() for _ in range(3)]
    await desk.handle(*reports)
    own, stays, leaves = map(case_of, reports)
    said = await desk.handle(
        *(
            inbox.command(one, "attach", dispatcher("T1"), expected_seq=2, to_case_id=own)
            for one in (stays, leaves)
        )
    )
    assert {outcome.outcome for outcome in said.outcomes} == {"applied"}
    report_id = message_of(reports[2]).report_id
    assert await db.value("SELECT case_id::text FROM reports WHERE report_id = $1", report_id) == own
    assert await differences() == []
    said = await desk.handle(
        inbox.command(own, "detach", dispatcher("T1"), expected_seq=4, report_id=report_id)
    )
    assert {outcome.outcome for outcome in said.outcomes} == {"applied"}
    assert await differences() == []
    await desk.book.close()
    await db.conn.execute("UPDATE reports SET case_id = $1 WHERE report_id = $2", own, report_id)
    assert await differences() == [
        f"{leaves}  reports {report_id} case_id: in the book {own}, replayed {leaves}"
    ]


async def test_of_many_differences_twenty_are_shown_and_all_are_counted(db: Database) -> None:
    await db.conn.execute("UPDATE cases SET owner = 'x', lane = 'x'")
    number = 2 * (await db.counts())["cases"]
    code, lines, _ = await rebuild("--check")
    assert code == 1
    assert lines[20] == f"… and {number - 20} more"
    assert lines[21].endswith(f": {number} differ")


async def test_a_check_beside_a_router_at_work_sees_one_moment(
    db: Database, book_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small steps, so that a reading lasts while cases go on."""
    monkeypatch.setattr(replay_rows, "AT_ONCE", 20)
    working = asyncio.create_task(live(book_url, range(6000, 6040)))
    seen = []
    while not working.done():
        code, (line,), _ = await rebuild("--check")
        assert code == 0
        seen.append(line.split(" replayed")[0])
    await working
    assert len(set(seen)) > 1


async def test_a_column_that_no_event_makes_is_no_success(database_url: str, monkeypatch: Any) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    async with looking(database_url) as db:
        await db.conn.execute("ALTER TABLE deadlines ADD COLUMN colour text")
    code, lines, said = await rebuild("--check")
    assert (code, lines) == (1, [])
    assert "cannot replay into deadlines.colour" in said


async def test_a_database_that_is_away_is_said_so(
    unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://postgres@127.0.0.1:{unused_tcp_port}/none")
    code, lines, said = await rebuild("--check")
    assert (code, lines) == (1, [])
    assert said.startswith("pioneer-hub: ")
    assert "is the database up" in said
