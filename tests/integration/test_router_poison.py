"""Messages that cannot be read, decided or stored: each becomes one dead letter, and nothing else is lost.

Three kinds of error: the message's own, the data's (found by halving), the world's (waited for).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from services.adapters import codec
from services.domain.messages import SYSTEM_ACTOR, Actor, Content, Location, SubmitReport
from services.router.reading import Incoming
from tests.domain.small_case import T0, WORKS, at, dispatcher
from tests.integration.router_desk import (
    KEYS,
    OTHER_KEYS,
    Database,
    Desk,
    Inbox,
    case_of,
    fresh_id,
    message_of,
)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("with_city", "emptied")]


def with_value(incoming: Incoming, **changes: Any) -> Incoming:
    """The same message with fields of its JSON changed behind the codec's back."""
    assert incoming.value is not None
    return replace(incoming, value=json.dumps(json.loads(incoming.value) | changes).encode())


def with_type(incoming: Incoming, kind: bytes) -> Incoming:
    headers = tuple((name, kind if name == "ce_type" else value) for name, value in incoming.headers)
    return replace(incoming, headers=headers)


def sealed_report(
    inbox: Inbox, *, topic: str = codec.REPORTS, keys: Any = KEYS, seal_for: str = ""
) -> Incoming:
    report_id = fresh_id()
    sealed = keys.seal(Content(text="坑"), command_id=seal_for or report_id, topic=topic)
    report = SubmitReport(report_id=report_id, received_at=T0, channel="resident", sealed=sealed)
    return inbox.put(codec.REPORTS, codec.report_record(report))


def forged_box(inbox: Inbox) -> Incoming:
    incoming = inbox.report(content=Content(text="坑"))
    sealed = json.loads(incoming.value or b"")["sealed"]
    return with_value(incoming, sealed=sealed | {"box": "A" * len(sealed["box"])})


def unknown_key(inbox: Inbox) -> Incoming:
    incoming = inbox.report(content=Content(text="坑"))
    sealed = json.loads(incoming.value or b"")["sealed"]
    return with_value(incoming, sealed=sealed | {"key_id": "old"})


def command(inbox: Inbox) -> Incoming:
    return inbox.command(fresh_id(), "accept", WORKS)


# What each must say: enough to know the field and what is wrong with it.
UNREADABLE: dict[str, tuple[Callable[[Inbox], Incoming], str]] = {
    "bytes": (lambda inbox: replace(inbox.report(), value=b"\x00\xff\x00"), "body"),
    "not UTF-8": (lambda inbox: replace(inbox.report(), value=b'{"report_id":"\xff"}'), "value"),
    "no value": (lambda inbox: replace(inbox.report(), value=None), "value: is empty"),
    "a list": (lambda inbox: replace(inbox.report(), value=b"[]"), "body"),
    "cut off": (lambda inbox: replace(one := inbox.report(), value=(one.value or b"")[:-9]), "body"),
    "nested too deeply": (
        lambda inbox: replace(inbox.report(), value=b'{"x":' + b"[" * 200_000),
        "nested",
    ),
    "a lone surrogate": (lambda inbox: with_raw(inbox.report(), b"pothole", b"\\ud83d"), "body"),
    "no headers": (lambda inbox: replace(inbox.report(), headers=()), "ce_type"),
    "an unknown message": (lambda inbox: with_type(inbox.report(), b"pioneer.dragon.v1"), "ce_type"),
    "an unknown version": (lambda inbox: with_type(inbox.report(), b"pioneer.submit_report.v2"), "ce_type"),
    "a type that is no text": (lambda inbox: with_type(inbox.report(), b"\xff\xfe"), "ce_type"),
    "a command among the reports": (
        lambda inbox: replace(command(inbox), topic="reports", partition=7),
        "ce_type",
    ),
    "a report among the commands": (
        lambda inbox: replace(inbox.report(), topic="case-commands", partition=7),
        "ce_type",
    ),
    "an event": (lambda inbox: with_type(inbox.report(), b"pioneer.case_event.v1"), "missing"),
    "an id that is none": (lambda inbox: with_value(inbox.report(), report_id="17"), "report_id"),
    "a field of another type": (lambda inbox: with_value(inbox.report(), photos="a"), "photos"),
    "an unknown channel": (lambda inbox: with_value(inbox.report(), channel="fax"), "channel"),
    "no received_at": (lambda inbox: with_value(inbox.report(), received_at=None), "received_at"),
    "a time without an offset": (
        lambda inbox: with_value(inbox.report(), received_at="2026-11-24T01:00:00"),
        "received_at",
    ),
    "1999": (lambda inbox: with_value(inbox.report(), received_at="1999-12-31T23:59:59Z"), "received_at"),
    "2041": (lambda inbox: with_value(inbox.report(), received_at="2041-01-01T00:00:00Z"), "received_at"),
    "2040 there, 2041 in UTC": (
        lambda inbox: with_value(inbox.report(), received_at="2040-12-31T20:00:00-08:00"),
        "received_at",
    ),
    "2020 there, 2019 in UTC": (
        lambda inbox: with_value(inbox.report(), received_at="2020-01-01T07:59:59+08:00"),
        "received_at",
    ),
    "the year 1": (
        lambda inbox: with_value(inbox.report(), received_at="0001-01-01T00:00:00+08:00"),
        "received_at",
    ),
    "the year 9999": (
        lambda inbox: with_value(inbox.report(), received_at="9999-12-31T23:59:59-08:00"),
        "received_at",
    ),
    "a forged box": (forged_box, "sealed.box"),
    "a box of another key": (lambda inbox: sealed_report(inbox, keys=OTHER_KEYS), "sealed.box"),
    "a box of another command": (lambda inbox: sealed_report(inbox, seal_for=fresh_id()), "sealed.box"),
    "a box for another topic": (lambda inbox: sealed_report(inbox, topic="case-commands"), "sealed.box"),
    "a box of a key we have not": (unknown_key, "sealed.key_id"),
    "an unknown command": (lambda inbox: with_value(command(inbox), type="explode"), "type"),
    "a payload without its field": (
        lambda inbox: with_value(command(inbox), type="reassign"),
        "payload.owner",
    ),
    "a case that is no id": (lambda inbox: with_value(command(inbox), case_id="'; DROP"), "case_id"),
    "an id in capitals": (
        lambda inbox: with_value(one := command(inbox), case_id=message_of(one).case_id.upper()),
        "case_id",
    ),
    "a naive step": (
        lambda inbox: with_value(
            inbox.command(fresh_id(), "pass_deadline", SYSTEM_ACTOR, deadline_id="x", step_at=T0),
            payload={"deadline_id": "x", "step_at": "2026-11-24T01:00:00"},
        ),
        "step_at",
    ),
}


def with_raw(incoming: Incoming, old: bytes, new: bytes) -> Incoming:
    assert incoming.value is not None
    assert incoming.value.count(old) == 1
    return replace(incoming, value=incoming.value.replace(old, new))


async def test_what_cannot_be_read_becomes_one_dead_letter_each(desk: Desk, db: Database) -> None:
    inbox = Inbox()
    bad = {name: make(inbox) for name, (make, _) in UNREADABLE.items()}
    good = [inbox.report(partition=1) for _ in range(10)]
    batch = [*good[:5], *bad.values(), *good[5:]]
    said = await desk.handle(*batch)
    assert await db.counts() == {"reports": 10, "cases": 10, "events": 20, "outcomes": 10, "deadlines": 40}
    letters = {letter.id: letter for letter in said.letters}
    assert len(said.letters) == len(letters) == len(bad)
    for name, incoming in bad.items():
        letter = letters[incoming.name]
        assert letter.kind == "message", name
        assert UNREADABLE[name][1] in letter.reason, f"{name}: {letter.reason}"
        assert (letter.value, letter.key) == (incoming.value or b"", incoming.key), "as it came"
        assert letter.headers == incoming.headers
        assert (letter.topic, letter.partition, letter.offset) == (
            incoming.topic,
            incoming.partition,
            incoming.offset,
        )
    assert not any("坑" in letter.reason for letter in said.letters)


@pytest.mark.parametrize(
    "location",
    [
        Location(lon=120.6, lat=131.0, datum="WGS84"),
        Location(lon=-500.0, lat=31.0, datum="GCJ02"),
    ],
)
async def test_a_point_that_is_none_is_a_dead_letter(desk: Desk, db: Database, location: Location) -> None:
    inbox = Inbox()
    bad = inbox.report(content=Content(location=location))
    good = inbox.report()
    said = await desk.handle(inbox.report(), bad, good)
    assert [(letter.id, letter.kind) for letter in said.letters] == [(bad.name, "message")]
    assert (await db.counts())["reports"] == 2
    reason = said.letters[0].reason
    assert reason.startswith("sealed.location: ")
    assert str(location.lat) not in reason, "a person's point stays sealed"
    assert str(location.lon) not in reason


# Read, and then what `decide` cannot make sense of.


async def test_what_cannot_be_decided_is_a_dead_letter_of_the_message(desk: Desk, db: Database) -> None:
    """The claim comes in the last hour of the calendar: its verification is due after the end of time."""
    inbox = Inbox()
    first = inbox.report()
    case = case_of(first)
    end = datetime(9999, 12, 31, 23, tzinfo=UTC)
    works = [inbox.command(case, kind, WORKS) for kind in ("accept", "start_work")]
    last = inbox.command(case, "pass_deadline", SYSTEM_ACTOR, deadline_id="x", step_at=end)
    claim = inbox.command(case, "submit_resolution", WORKS, outcome="fixed")
    good = inbox.report()
    said = await desk.handle(first, *works, last, claim, good)
    assert [(letter.id, letter.kind) for letter in said.letters] == [(claim.name, "message")]
    assert said.letters[0].reason.startswith("OverflowError in ")
    assert (await db.counts())["reports"] == 2
    assert (await db.case(case)).state == "in_progress"


# Read and decided, and then PostgreSQL refuses a value.

NUL = "a\u0000b"

DATA: dict[str, Callable[[Inbox, str], Incoming]] = {
    "a report's words": lambda inbox, case: inbox.report(content=Content(text=NUL)),
    "a reporter's name": lambda inbox, case: inbox.report(content=Content(name=NUL)),
    "a category": lambda inbox, case: inbox.report(NUL),
    "a hub": lambda inbox, case: inbox.report(hub_code=NUL),
    "a command's words": lambda inbox, case: inbox.command(case, "comment", WORKS, words=NUL),
    "an actor": lambda inbox, case: inbox.command(case, "comment", replace(dispatcher("T1"), ref=NUL)),
    "a unit": lambda inbox, case: inbox.command(
        case, "submit_resolution", replace(WORKS, ref=NUL), outcome="fixed"
    ),
    "a time before time": lambda inbox, case: with_value(
        inbox.report(captured_at=T0), captured_at="0001-01-01T00:00:00+08:00"
    ),
    "a time after time": lambda inbox, case: with_value(
        inbox.report(captured_at=T0), captured_at="9999-12-31T23:59:59-08:00"
    ),
}


@pytest.mark.parametrize("name", DATA)
async def test_what_cannot_be_stored_is_found_by_halving(desk: Desk, db: Database, name: str) -> None:
    inbox = Inbox()
    first = inbox.report()
    case = case_of(first)
    await desk.handle(first, inbox.command(case, "accept", WORKS), inbox.command(case, "start_work", WORKS))
    before = await db.case(case)
    good = [inbox.report(partition=number % 3) for number in range(20)]
    comment = inbox.command(case, "comment", WORKS, partition=1, words="好")
    bad = DATA[name](inbox, case)
    said = await desk.handle(*good[:13], bad, comment, *good[13:])
    assert [(letter.id, letter.value) for letter in said.letters] == [(bad.name, bad.value)]
    assert NUL not in said.letters[0].reason
    counts = await db.counts()
    assert (counts["reports"], counts["cases"], counts["outcomes"]) == (21, 21, 24)
    assert (await db.case(case)).seq == before.seq + 1, "the comment, and nothing of the bad one"
    assert len(said.events) == 41
    assert len({(e.case_id, e.seq) for e in said.events}) == 41


@pytest.mark.parametrize(
    ("name", "kind"), [("unreadable", "message"), ("off the globe", "message"), ("unstorable", "data")]
)
async def test_one_poison_among_five_hundred(desk: Desk, db: Database, name: str, kind: str) -> None:
    inbox = Inbox()
    batch = [inbox.report(partition=number % 8, content=Content(text="坑")) for number in range(499)]
    poison = {
        "unreadable": lambda: replace(inbox.report(), value=b"{"),
        "off the globe": lambda: inbox.report(
            content=Content(location=Location(lon=0.0, lat=131.0, datum="WGS84"))
        ),
        "unstorable": lambda: inbox.report(content=Content(text="\u0000")),
    }[name]()
    said = await desk.handle(*batch[:317], poison, *batch[317:])
    assert [(letter.id, letter.kind) for letter in said.letters] == [(poison.name, kind)]
    assert await db.counts() == {
        "reports": 499,
        "cases": 499,
        "events": 998,
        "outcomes": 499,
        "deadlines": 1996,
    }
    assert await db.value("SELECT count(*) FROM private.report_contents") == 499
    assert len(said.outcomes) == 499
    assert {(e.case_id, e.seq) for e in said.events} == {
        (case_of(one), seq) for one in batch for seq in (1, 2)
    }
    assert len(said.events) == 998
    assert await db.value("SELECT count(*) FROM cases c WHERE seq <> 2") == 0


async def test_several_poisons_are_each_found(desk: Desk, db: Database) -> None:
    inbox = Inbox()
    batch = [
        inbox.report(content=Content(text=NUL if number % 7 == 3 else "坑"), partition=number % 2)
        for number in range(50)
    ]
    bad = [one for number, one in enumerate(batch) if number % 7 == 3]
    said = await desk.handle(*batch)
    assert sorted(letter.id for letter in said.letters) == sorted(one.name for one in bad)
    assert (await db.counts())["reports"] == 50 - len(bad)
    again = await desk.handle(*batch)
    assert sorted(letter.id for letter in again.letters) == sorted(one.name for one in bad)
    assert (await db.counts())["reports"] == 50 - len(bad)


async def test_a_poisoned_repeat_does_not_hide_the_good_one(desk: Desk, db: Database) -> None:
    """The first body of a batch stands; if that one cannot be stored, the repeat is what there is."""
    inbox = Inbox()
    report_id = fresh_id()
    bad = inbox.report(report_id=report_id, content=Content(text=NUL))
    good = inbox.report(report_id=report_id, content=Content(text="坑"))
    said = await desk.handle(bad, inbox.report(), good)
    assert [letter.id for letter in said.letters] == [bad.name]
    assert (await db.counts())["reports"] == 2


async def test_the_commands_after_a_poisoned_report_are_refused(desk: Desk, db: Database) -> None:
    inbox = Inbox()
    bad = inbox.report(content=Content(text=NUL))
    late = inbox.command(case_of(bad), "accept", WORKS)
    said = await desk.handle(bad, late)
    assert said.outcome(late).code == "not_found"
    assert await db.counts() == {"reports": 0, "cases": 0, "events": 0, "outcomes": 1, "deadlines": 0}


async def test_a_report_of_the_last_year_with_partitions_is_filed(desk: Desk, db: Database) -> None:
    inbox = Inbox()
    edge = [
        datetime(2020, 1, 1, tzinfo=UTC),
        datetime(2040, 12, 31, 23, 59, 58, tzinfo=UTC),
        datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2027, 1, 1, tzinfo=UTC),
    ]
    reports = [inbox.report(received_at=when) for when in edge]
    said = await desk.handle(*reports)
    assert said.letters == []
    rows = await db.conn.fetch("SELECT tableoid::regclass::text AS year FROM cases ORDER BY case_id")
    assert [row["year"] for row in rows] == ["cases_2020", "cases_2026", "cases_2027", "cases_2040"]


async def test_odd_words_are_kept_as_they_came(desk: Desk, db: Database) -> None:
    inbox = Inbox()
    odd = 'a"b\\c,{d}\t\n\\N\\.\u2028😀'
    report = inbox.report(odd, hub_code=odd, content=Content(text=odd, name=odd, phone=odd))
    actor = Actor(ref=odd, roles=("unit",), hubs=("T1", odd), unit="town_desk")
    case = case_of(report)
    said = await desk.handle(
        report,
        inbox.command(case, "comment", replace(actor, hubs=("C",)), words=odd),
    )
    assert said.letters == []
    assert await db.value("SELECT category FROM reports") == odd
    assert tuple(await db.conn.fetchrow("SELECT name, phone, text FROM private.report_contents") or ()) == (
        odd,
        odd,
        odd,
    )
    # the case is unrouted at the root (its hub is not known), whose desk dispatcher has odd hubs
    desk_actor = Actor(ref=odd, roles=("dispatcher",), hubs=("C", odd, ""))
    await desk.handle(
        inbox.command(case, "file_case", desk_actor, received_at=at(0.1), category="pothole"),
        inbox.command(case, "accept", desk_actor, received_at=at(0.1)),
        inbox.command(case, "start_work", desk_actor, received_at=at(0.1)),
    )
    done = inbox.command(case, "submit_resolution", desk_actor, received_at=at(0.2), outcome="fixed")
    assert (await desk.handle(done)).outcome(done).outcome == "applied"
    assert (await db.case(case)).handler_hubs == ("C", odd, "")
    assert (await db.case(case)).handler_ref == odd
