"""`console rebuild` over a real book of random lives: what was written replays, and nothing else passes.

Every column of every row is falsified once, by SQL, and so is all that can be missing or too much.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from services.adapters import replay_rows
from tests.integration.book_at_rest import LIVES, case_at, live, lived, rebuild, restore, undone
from tests.integration.router_desk import Database, looking

pytestmark = pytest.mark.asyncio(loop_scope="module")

# How a value of each type becomes another one; NULL becomes some value.
OTHER = {
    "text": "coalesce({0}, '') || 'x'",
    "integer": "coalesce({0}, 0) + 1",
    "boolean": "NOT coalesce({0}, false)",
    "timestamp with time zone": "coalesce({0} + interval '1 microsecond', '2026-01-01Z')",
    "uuid": "'01a20fff-0000-7000-8000-000000000000'",
    "jsonb": "coalesce({0}, '{{}}') || '{{\"x\": 1}}'",
    "text[]": "array_append({0}, 'x')",
    "timestamp with time zone[]": "array_append(array_append({0}, '2026-01-01Z'), '2026-01-02Z')",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def book_url(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with lived(postgres_url, tmp_path_factory.mktemp("city")) as url:
        yield url


@pytest_asyncio.fixture(loop_scope="module")
async def db(book_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    monkeypatch.setenv("DATABASE_URL", book_url)
    async with undone(book_url) as db:
        yield db


async def differences() -> list[str]:
    """What --check complains of, less its last line."""
    code, lines, _ = await rebuild("--check")
    assert code == (1 if len(lines) > 1 else 0), lines
    assert re.search(r"events replayed in [\d.]+ s \([\d,]+ events a second\): ", lines[-1])
    return lines[:-1]


async def columns(db: Database, table: str) -> list[tuple[str, str]]:
    return [
        (row[0], row[1])
        for row in await db.conn.fetch(
            "SELECT attname::text, format_type(atttypid, NULL) FROM pg_attribute"
            " WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped",
            table,
        )
    ]


async def test_what_was_written_replays_to_the_byte(db: Database) -> None:
    counts = await db.counts()
    code, lines, _ = await rebuild("--check")
    assert code == 0
    (line,) = lines
    assert line.startswith(f"{LIVES} cases, {counts['events']} events replayed in ")
    assert line.endswith(": nothing differs")
    assert counts["events"] > LIVES * 10


@pytest.mark.parametrize("at_once", [1, 2, 7, 50])
async def test_however_few_rows_are_read_together(
    db: Database, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """A case of sixty events goes over many reads."""
    monkeypatch.setattr(replay_rows, "AT_ONCE", at_once)
    code, (line,), _ = await rebuild("--check")
    counts = await db.counts()
    assert (code, line.split(" replayed")[0]) == (0, f"{LIVES} cases, {counts['events']} events")
    case_id = await case_at(db)
    await db.conn.execute("UPDATE cases SET owner = 'x' WHERE case_id = $1", case_id)
    (told,) = await differences()
    assert told.startswith(f"{case_id}  cases.owner: in the book x, replayed ")


async def test_an_empty_book_replays(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    code, (line,), _ = await rebuild("--check")
    assert code == 0
    assert line.startswith("0 cases, 0 events replayed")


async def test_every_column_of_cases_but_the_time_of_writing(db: Database) -> None:
    case_id = await case_at(db, where="due_at < 'infinity'")
    for name, kind in await columns(db, "cases"):
        before, after = await falsify(db, "cases", name, kind, "case_id = $1", case_id)
        told = await differences()
        if name == "changed_at":
            assert told == []
        elif name == "case_id":
            assert told == [
                f"{case_id}  cases: in the book nothing, replayed a row",
                f"{after}  cases: in the book a row, replayed nothing",
            ]
        else:
            (one,) = told
            found = re.fullmatch(rf"{case_id}  cases\.(\w+): in the book (.*), replayed (.*)", one)
            assert found is not None, one
            assert found[1] == name
            assert same(kind, found[2], after)
            assert same(kind, found[3], before)
        await restore(db, "cases")


async def test_every_column_of_deadlines(db: Database) -> None:
    case_id, clock, stage, set_seq = await db.conn.fetchrow(  # type: ignore[misc]
        "SELECT case_id::text, clock, stage, set_seq FROM deadlines WHERE pauses <> '{}' ORDER BY 1, 2, 3, 4"
    )
    key = f"deadlines {clock} {stage} {set_seq}"
    where = "case_id = $1 AND clock = $2 AND stage = $3 AND set_seq = $4"
    for name, kind in await columns(db, "deadlines"):
        before, after = await falsify(db, "deadlines", name, kind, where, case_id, clock, stage, set_seq)
        told = await differences()
        if name in ("case_id", "clock", "stage", "set_seq"):
            assert f"{case_id}  {key}: in the book nothing, replayed a row" in told
            assert len(told) == 2
            assert sum(line.endswith("in the book a row, replayed nothing") for line in told) == 1
        else:
            (one,) = told
            found = re.fullmatch(rf"{case_id}  {key} (\w+): in the book (.*), replayed (.*)", one)
            assert found is not None, one
            assert found[1] == name
            assert same(kind, found[2], after)
            assert same(kind, found[3], before)
        await restore(db, "deadlines")


async def falsify(
    db: Database, table: str, name: str, kind: str, where: str, *values: Any
) -> tuple[Any, Any]:
    """The value before and after."""
    before = await db.value(f"SELECT {name} FROM {table} WHERE {where}", *values)
    after = await db.value(
        f"UPDATE {table} SET {name} = {OTHER[kind].format(name)} WHERE {where} RETURNING {name}", *values
    )
    assert before != after
    return before, after


def same(kind: str, said: str, value: Any) -> bool:
    if value is None:
        return said == "null"
    if kind.endswith("[]"):
        parts = said[1:-1].split(", ") if said != "{}" else []
        return len(parts) == len(value) and all(
            same(kind[:-2], part, one) for part, one in zip(parts, value, strict=True)
        )
    if kind == "timestamp with time zone":
        return bool(said == value.isoformat())
    return said == str(value)


async def test_never_is_not_just_a_far_day(db: Database) -> None:
    case_id = await case_at(db, where="due_at = 'infinity'")
    await db.conn.execute(
        "UPDATE cases SET due_at = '9999-12-31 23:59:59.999999Z' WHERE case_id = $1", case_id
    )
    far = "9999-12-31T23:59:59.999999+00:00"
    assert await differences() == [f"{case_id}  cases.due_at: in the book {far}, replayed infinity"]
    await restore(db, "cases")
    case_id = await case_at(db, where="due_at < 'infinity'")
    await db.conn.execute("UPDATE cases SET due_at = 'infinity' WHERE case_id = $1", case_id)
    (told,) = await differences()
    assert told.startswith(f"{case_id}  cases.due_at: in the book infinity, replayed 20")


async def test_rows_that_are_missing_or_too_many(db: Database) -> None:
    case_id = await case_at(db)
    await db.conn.execute("DELETE FROM cases WHERE case_id = $1", case_id)
    assert await differences() == [f"{case_id}  cases: in the book nothing, replayed a row"]
    await restore(db, "cases")

    clock, stage, set_seq = await db.conn.fetchrow(  # type: ignore[misc]
        "DELETE FROM deadlines WHERE case_id = $1 AND clock = 'citizen' RETURNING clock, stage, set_seq",
        case_id,
    )
    key = f"deadlines {clock} {stage} {set_seq}"
    assert await differences() == [f"{case_id}  {key}: in the book nothing, replayed a row"]
    await restore(db, "deadlines")

    await db.conn.execute(
        "INSERT INTO deadlines SELECT (jsonb_populate_record(d, '{\"set_seq\": 99}')).* FROM deadlines d"
        " WHERE case_id = $1 AND clock = 'citizen'",
        case_id,
    )
    assert await differences() == [
        f"{case_id}  deadlines citizen {stage} 99: in the book a row, replayed nothing"
    ]


async def test_rows_without_events_and_events_without_rows(db: Database) -> None:
    case_id = await case_at(db)
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
    first, other = await case_at(db), await case_at(db, 3)
    report_id = await db.value("SELECT report_id::text FROM reports WHERE case_id = $1", first)
    await db.conn.execute("UPDATE reports SET case_id = $1 WHERE report_id = $2", other, report_id)
    assert await differences() == [
        f"{first}  reports {report_id} case_id: in the book {other}, replayed {first}"
    ]


async def test_of_many_differences_twenty_are_shown_and_all_are_counted(db: Database) -> None:
    await db.conn.execute("UPDATE cases SET owner = 'x', lane = 'x'")
    code, lines, _ = await rebuild("--check")
    assert code == 1
    assert lines[20] == f"… and {2 * LIVES - 20} more"
    assert lines[21].endswith(f": {2 * LIVES} differ")


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
