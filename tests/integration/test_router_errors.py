"""What goes wrong in a batch: a message, the world, or another worker. Each report is filed exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from services.adapters import codec
from services.adapters.clock import Clock
from services.domain.evolve import replay
from services.domain.messages import Content, DeadLetter
from services.router.dead_letters import DeadLetterCap
from services.router.reading import Incoming
from tests.domain.small_case import T0, WORKS, at
from tests.integration.router_desk import (
    OTHER_KEYS,
    Database,
    Desk,
    Inbox,
    Published,
    case_of,
    fresh_id,
    in_order,
    looking,
    message_of,
    wait_for,
    waiting_for_a_lock,
)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("with_city")]

_END_ROUTERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = 'router' AND datname = current_database()"
)


@pytest_asyncio.fixture(loop_scope="module")
async def other(book_url: str) -> AsyncIterator[Desk]:
    """A second worker on the same book."""
    desk = Desk(book_url, Clock())
    yield desk
    await desk.book.close()


async def assert_filed_once(db: Database, reports: Iterable[Incoming]) -> None:
    """Each is one report, one case whose events run 1, 2, and one outcome."""
    for report in reports:
        report_id, case_id = message_of(report).report_id, case_of(report)
        found = await db.conn.fetchrow(
            "SELECT (SELECT count(*) FROM reports WHERE report_id = $1) AS reports,"
            " (SELECT count(*) FROM outcomes WHERE command_id = $1) AS outcomes,"
            " (SELECT count(*) FROM cases WHERE case_id = $2) AS cases,"
            " (SELECT array_agg(seq ORDER BY seq) FROM events WHERE case_id = $2 AND seq < 3) AS seqs",
            report_id,
            case_id,
        )
        assert found is not None
        assert tuple(found) == (1, 1, 1, [1, 2]), report.name


async def is_in_the_book(db: Database, report: Incoming) -> bool:
    ids = message_of(report).report_id, case_of(report)
    return bool(
        await db.value(
            "SELECT EXISTS (SELECT FROM reports WHERE report_id = $1)"
            " OR EXISTS (SELECT FROM outcomes WHERE command_id = $1)"
            " OR EXISTS (SELECT FROM cases WHERE case_id = $2)"
            " OR EXISTS (SELECT FROM events WHERE case_id = $2)"
            " OR EXISTS (SELECT FROM private.report_contents WHERE report_id = $1)",
            *ids,
        )
    )


def the_letter(said: Published) -> DeadLetter:
    (letter,) = said.letters
    return letter


def kept_whole(letter: DeadLetter, incoming: Incoming) -> bool:
    """The letter has what it takes to put the message back."""
    return (letter.topic, letter.partition, letter.offset, letter.key, letter.value) == (
        incoming.topic,
        incoming.partition,
        incoming.offset,
        incoming.key,
        incoming.value,
    ) and tuple(letter.headers) == incoming.headers


# --- one message is at fault ---------------------------------------------------------------------------


async def test_one_undecodable_and_one_refused_by_the_database_among_500(desk: Desk, db: Database) -> None:
    inbox = Inbox()
    batch = [inbox.report(partition=number % 8) for number in range(400)]
    batch.insert(123, inbox.put_raw("reports", b"?", b"{not json", batch[0].headers))
    nul = inbox.report(partition=5, content=Content(text="坑\u0000坑"))
    batch.insert(321, nul)
    batch += [inbox.command(case_of(batch[0]), "comment", WORKS, partition=n % 8) for n in range(98)]
    assert len(batch) == 500
    said = await desk.handle(*batch)
    letters = {letter.id: letter for letter in said.letters}
    assert len(said.letters) == 2
    unread, refused = letters[batch[123].name], letters[nul.name]
    assert (unread.kind, refused.kind) == ("message", "data")
    assert kept_whole(unread, batch[123])
    assert kept_whole(refused, nul)
    assert "坑" not in refused.reason, "what was sealed stays sealed"
    assert not await is_in_the_book(db, nul)
    good = [one for one in batch[:402] if one not in (batch[123], nul)]
    await assert_filed_once(db, good)
    assert len(said.outcomes) == 498
    assert len({outcome.command_id for outcome in said.outcomes}) == 498
    case = await db.case(case_of(batch[0]))
    assert case.seq == 100
    assert case == in_order(replay(await db.events(case.case_id)))


async def test_what_cannot_be_read_becomes_a_letter_that_says_why(desk: Desk, db: Database) -> None:
    inbox = Inbox()

    def typed(kind: str) -> Incoming:
        key, value, headers = codec.report_record(message_of(inbox.report()))
        changed = [(name, kind.encode() if name == "ce_type" else text) for name, text in headers]
        return inbox.put("reports", (key, value, changed))

    def sealed_for(topic: str) -> Incoming:
        report = message_of(inbox.report())
        box = desk.worker._keys.seal(Content(text="坑"), command_id=report.report_id, topic=topic)
        return inbox.put("reports", codec.report_record(replace(report, sealed=box)))

    def sealed_by_a_stranger() -> Incoming:
        report = message_of(inbox.report())
        box = OTHER_KEYS.seal(Content(text="坑"), command_id=report.report_id, topic="reports")
        return inbox.put("reports", codec.report_record(replace(report, sealed=box)))

    raw = inbox.report()
    assert raw.value is not None
    command = inbox.command(case_of(raw), "accept", WORKS)
    cases = {
        "ce_type: unknown message or version 'pioneer.submit_report.v9'": typed("pioneer.submit_report.v9"),
        "ce_type: unknown message or version 'pioneer.gossip.v1'": typed("pioneer.gossip.v1"),
        "ce_type: the header is missing": inbox.put_raw("reports", raw.key, raw.value, ()),
        "value: is empty": inbox.put_raw("reports", raw.key, None, raw.headers),
        "ce_type: CaseCommand does not belong": replace(command, topic="reports", partition=1),
        "ce_type: SubmitReport does not belong": replace(raw, topic="case-commands", partition=1),
        "sealed.box": sealed_for("case-commands"),
        "received_at: 1999": inbox.report(received_at=datetime(1999, 12, 31, tzinfo=UTC), appended_at=T0),
        "received_at: 2041": inbox.report(received_at=datetime(2041, 1, 1, tzinfo=UTC), appended_at=T0),
    }
    stranger = sealed_by_a_stranger()
    good = inbox.report()
    said = await desk.handle(*cases.values(), stranger, good)
    letters = {letter.id: letter for letter in said.letters}
    assert len(letters) == len(said.letters) == len(cases) + 1
    for reason, incoming in cases.items():
        letter = letters[incoming.name]
        assert letter.reason.startswith(reason), letter.reason
        assert letter.kind == "message"
        assert letter.value == (incoming.value or b"")
    assert letters[stranger.name].reason.startswith("sealed.box")
    await assert_filed_once(db, [good])
    assert len(said.outcomes) == 1


@pytest.mark.parametrize(
    ("field", "instant"),
    [
        # In its own zone inside the years of the book, in UTC outside them.
        ("received_at", "2020-01-01T00:00:00+14:00"),
        ("received_at", "2040-12-31T23:00:00-05:00"),
        # No instant of UTC at all.
        ("received_at", "0001-01-01T00:00:00+14:00"),
        ("captured_at", "0001-01-01T00:00:00+14:00"),
        ("captured_at", "9999-12-31T23:59:59-14:00"),
    ],
)
async def test_an_instant_at_the_edge_of_the_calendar_stops_nobody(
    desk: Desk, db: Database, field: str, instant: str
) -> None:
    inbox = Inbox()
    key, value, headers = codec.report_record(message_of(inbox.report()))
    good = [inbox.report() for _ in range(3)]
    body = value.decode()
    written = '"received_at":"2026-11-24T01:00:00Z"'
    unset = '"captured_at":null'
    assert written in body
    assert unset in body
    body = body.replace(written if field == "received_at" else unset, f'"{field}":"{instant}"')
    edge = inbox.put_raw("reports", key, body.encode(), tuple(headers))
    async with asyncio.timeout(20):
        said = await desk.handle(good[0], edge, *good[1:])
    assert the_letter(said).id == edge.name
    await assert_filed_once(db, good)


async def test_a_lone_surrogate_and_endless_nesting_are_letters(desk: Desk, db: Database) -> None:
    inbox = Inbox()
    headers = inbox.report().headers
    odd = [
        inbox.put_raw("reports", b"k", b'{"report_id":"\\ud800"}', headers),
        inbox.put_raw("reports", b"k", b"[" * 200_000, headers),
        inbox.put_raw("reports", b"k", b'{"report_id":"\xff"}', headers),
        inbox.put_raw("reports", b"k", b'{"x":' * 50_000 + b"1" + b"}" * 50_000, headers),
        inbox.put_raw("reports", None, b"", headers),
    ]
    good = inbox.report()
    said = await desk.handle(*odd, good)
    assert {letter.id for letter in said.letters} == {one.name for one in odd}
    await assert_filed_once(db, [good])


async def test_two_that_the_database_refuses_side_by_side(desk: Desk, db: Database) -> None:
    """Halving goes down to each of them; a command on the bad report's case is refused, not lost."""
    inbox = Inbox()
    nul = [inbox.report(content=Content(name="\u0000")) for _ in range(2)]
    lost = inbox.command(case_of(nul[0]), "accept", WORKS)
    good = [inbox.report() for _ in range(5)]
    said = await desk.handle(*good[:2], *nul, lost, *good[2:])
    assert {letter.id for letter in said.letters} == {one.name for one in nul}
    assert said.outcome(lost).code == "not_found"
    await assert_filed_once(db, good)


# --- the world, and other workers ----------------------------------------------------------------------


async def test_a_session_ended_between_two_batches_is_opened_again(desk: Desk, db: Database) -> None:
    inbox = Inbox()
    first, second = inbox.report(), inbox.report()
    await desk.handle(first)
    assert await db.value(_END_ROUTERS)
    await desk.handle(second)
    await assert_filed_once(db, [first, second])
    assert desk.worker.trouble is None


async def test_a_session_ended_within_its_transaction_is_tried_again(desk: Desk, db: Database) -> None:
    inbox = Inbox()
    await desk.handle(inbox.report())
    batch = [inbox.report(content=Content(text="坑")) for _ in range(20)]
    # The insert of outcomes waits for this one, so the transaction is cut when half of it is done.
    async with looking(desk.url) as holder:
        transaction = holder.conn.transaction()
        await transaction.start()
        await holder.conn.execute("LOCK TABLE events IN EXCLUSIVE MODE")
        handling = asyncio.create_task(desk.handle(*batch))
        pid = await wait_for(lambda: waiting_for_a_lock(db), "the router waits")
        assert await db.value("SELECT pg_terminate_backend($1)", pid)
        again = await wait_for(lambda: waiting_for_another(db, pid), "the router tries again")
        assert again != pid
        assert not await is_in_the_book(db, batch[0])
        await transaction.rollback()
    said = await handling
    await assert_filed_once(db, batch)
    assert len(said.events) == 40
    assert said.letters == []


async def waiting_for_another(db: Database, pid: int) -> int | None:
    found = await waiting_for_a_lock(db)
    return None if found == pid else found


async def test_an_outcome_that_somebody_else_inserts_first_stands(desk: Desk, db: Database) -> None:
    inbox = Inbox()
    contested, free = inbox.report(), inbox.report()
    report_id = message_of(contested).report_id
    async with looking(desk.url) as rival:
        transaction = rival.conn.transaction()
        await transaction.start()
        await rival.conn.execute(
            "INSERT INTO outcomes (command_id, outcome, code, ranges, decided_at)"
            " VALUES ($1, 'refused', 'invalid', '[]', $2)",
            report_id,
            at(1),
        )
        handling = asyncio.create_task(desk.handle(contested, free))
        await wait_for(lambda: waiting_for_a_lock(db), "the router waits for the rival's row")
        await transaction.commit()
    said = await handling
    told = said.outcome(contested)
    assert (told.outcome, told.code, told.decided_at) == ("refused", "invalid", at(1))
    assert await db.value("SELECT count(*) FROM outcomes WHERE command_id = $1", report_id) == 1
    assert await db.value("SELECT count(*) FROM reports WHERE report_id = $1", report_id) == 0
    assert await db.value("SELECT count(*) FROM cases WHERE case_id = $1", case_of(contested)) == 0
    await assert_filed_once(db, [free])
    assert said.letters == []


async def test_two_workers_with_the_same_batch_at_once(desk: Desk, other: Desk, db: Database) -> None:
    inbox = Inbox()
    reports = [inbox.report(partition=number % 8) for number in range(40)]
    commands = [inbox.command(case_of(one), "accept", WORKS, received_at=at(1)) for one in reports]
    commands += [inbox.command(case_of(one), "accept", WORKS, received_at=at(1)) for one in reports]
    batch = [*reports, *commands]
    mine, theirs = await asyncio.gather(desk.handle(*batch), other.handle(*batch))
    await assert_filed_once(db, reports)

    def told(said: Published) -> dict[str, Any]:
        assert len(said.outcomes) == len(batch)
        return {outcome.command_id: outcome for outcome in said.outcomes}

    assert told(mine) == told(theirs)
    assert by_place(mine) == by_place(theirs)
    for one in reports:
        case = await db.case(case_of(one))
        events = await db.events(case.case_id)
        assert [event.seq for event in events] == [1, 2, 3]
        assert case == in_order(replay(events))
    decided = [mine.outcome(one).outcome for one in commands]
    assert decided == ["applied"] * 40 + ["refused"] * 40


def by_place(said: Published) -> dict[tuple[str, int], Any]:
    return {(event.case_id, event.seq): event for event in said.events}


async def test_two_workers_with_the_same_reports_in_opposite_order(
    desk: Desk, other: Desk, db: Database
) -> None:
    """Different partitions, so nothing but the outcomes stands between them; a deadlock is tried again."""
    inbox = Inbox()
    ids = [fresh_id() for _ in range(200)]
    mine = [inbox.report(report_id=one, partition=0) for one in ids]
    theirs = [inbox.report(report_id=one, partition=1) for one in reversed(ids)]
    said, also = await asyncio.gather(desk.handle(*mine), other.handle(*theirs))
    await assert_filed_once(db, mine)
    assert by_place(said) == by_place(also)
    assert said.letters == also.letters == []


async def test_two_workers_on_one_case_take_turns(desk: Desk, other: Desk, db: Database) -> None:
    inbox = Inbox()
    report = inbox.report()
    await desk.handle(report)

    def comments(partition: int) -> list[Incoming]:
        return [
            inbox.command(case_of(report), "comment", WORKS, partition=partition, words="来了")
            for _ in range(50)
        ]

    mine, theirs = comments(0), comments(1)

    async def in_batches(worker: Desk, messages: list[Incoming]) -> None:
        for first in range(0, len(messages), 10):
            await worker.handle(*messages[first : first + 10])

    await asyncio.gather(in_batches(desk, mine), in_batches(other, theirs))
    events = await db.events(case_of(report))
    assert [event.seq for event in events] == list(range(1, 103))
    assert {event.command_id for event in events[2:]} == {
        message_of(one).command_id for one in (*mine, *theirs)
    }
    assert await db.case(case_of(report)) == in_order(replay(events))
    words = "SELECT count(*) FROM private.command_words WHERE case_id = $1"
    assert await db.value(words, case_of(report)) == 100


# --- the cap -------------------------------------------------------------------------------------------


async def test_the_cap_of_dead_letters_stands_still_until_the_minute_is_over(
    desk: Desk, db: Database
) -> None:
    inbox = Inbox()
    cap = desk.worker._cap = DeadLetterCap(2)
    poison = [inbox.put_raw("reports", b"?", b"?", inbox.report().headers) for _ in range(3)]
    good = inbox.report()
    handling = asyncio.create_task(desk.handle(*poison, good))

    async def troubled() -> str | None:
        return desk.worker.trouble

    assert "over 2 dead letters a minute" in await wait_for(troubled, "the worker says that it waits")
    assert not handling.done()
    assert desk.published == [], "nothing is published before the letters may be"
    await assert_filed_once(db, [good])
    cap._spent[0] -= timedelta(minutes=1).total_seconds()
    said = await handling
    assert [letter.id for letter in said.letters] == [one.name for one in poison]
    assert desk.worker.trouble is None
    assert len(said.events) == 2
