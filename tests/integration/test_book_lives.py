"""The same random lives through the real book: what stands there is what the pure functions make of them.

Every life's messages come in batches of random size, each batch in its own transaction, so that a case is
read back, changed and written again and again.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import UTC

import pytest

from services.adapters.clock import Clock
from services.domain.events import Event, ReopenedDue
from services.domain.evolve import replay
from services.domain.messages import Outcome
from tests.domain.random_life import walk
from tests.domain.small_case import CITY
from tests.integration.router_desk import (
    Database,
    Desk,
    Inbox,
    Published,
    in_order,
    message_of,
    messages_of,
    wait_for,
)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("with_city")]


def comparable(event: Event) -> Event:
    """The book is version 1 of the city; the order of rows inside a body is no fact."""
    body = event.payload
    if hasattr(body, "reopened"):
        body = replace(body, reopened=_sorted(body.reopened))
    return replace(event, city_version=1, payload=body)


def _sorted(rows: tuple[ReopenedDue, ...]) -> tuple[ReopenedDue, ...]:
    return tuple(sorted(rows, key=lambda d: (d.clock, d.set_seq, d.stage)))


def told(outcome: Outcome) -> tuple[str, str | None, str | None]:
    return outcome.outcome, outcome.code, outcome.field


async def test_lives_in_batches_stand_in_the_book_as_they_were_decided(desk: Desk, db: Database) -> None:
    chance = random.Random(11)
    inbox = Inbox()
    # this book has one version of the city: nothing becomes official in it
    lives = [walk(1000 + seed, later=CITY) for seed in range(40)]
    waiting = [messages_of(life, inbox) for life in lives]
    said_of: dict[str, tuple[str, str | None, str | None]] = {}
    while any(waiting):
        batch = []
        for one in waiting:
            taken = chance.randrange(8)
            batch += one[:taken]
            del one[:taken]
        said = await desk.handle(*batch)
        assert said.letters == []
        said_of |= {outcome.command_id: told(outcome) for outcome in said.outcomes}
    for life in lives:
        events = await db.events(life.case.case_id)
        assert [comparable(event) for event in events] == [comparable(event) for event in life.events]
        assert await db.case(life.case.case_id) == in_order(replay(events))
        for case in life.family.values():
            assert await db.case(case.case_id) == in_order(replace(case, city_version=1))
        due_at = await db.value("SELECT due_at FROM cases WHERE case_id = $1", life.case.case_id)
        assert due_at.replace(tzinfo=UTC) == life.case.due_at, "the driver gives infinity without a zone"
        for command, _, settled in life.all_taken:
            refusal = settled.refusal
            assert said_of[command.command_id] == (
                ("refused", refusal.code, refusal.field) if refusal else ("applied", None, None)
            )


async def test_lives_that_are_all_replayed_change_nothing(desk: Desk, db: Database) -> None:
    inbox = Inbox()
    lives = [walk(2000 + seed, length=25) for seed in range(10)]
    batch = [message for life in lives for message in messages_of(life, inbox)]
    chance = random.Random(12)
    before = await desk.handle(*batch)
    counts = await db.counts()
    for _ in range(3):
        # any part of what was done, from any offset, as after a crash
        start = chance.randrange(len(batch))
        again = await desk.handle(*batch[start:])
        known = {(event.case_id, event.seq): event for event in before.events}
        assert all(known[event.case_id, event.seq] == event for event in again.events)
        outcomes = {outcome.command_id: outcome for outcome in before.outcomes}
        assert all(outcomes[outcome.command_id] == outcome for outcome in again.outcomes)
        assert len(again.outcomes) == len(batch) - start
    assert await db.counts() == counts


async def test_two_workers_that_both_have_the_messages_and_lose_their_sessions(
    desk: Desk, db: Database, book_url: str
) -> None:
    """A rebalance that went wrong, with a database that cuts sessions: each message is still decided once."""
    inbox = Inbox()
    lives = [walk(3000 + seed, length=20) for seed in range(12)]
    parts = [messages_of(life, inbox) for life in lives]
    everything = [one for part in parts for one in part]
    other = Desk(book_url, Clock())

    async def work(worker: Desk, chance: random.Random) -> None:
        left = [list(part) for part in chance.sample(parts, len(parts))]
        while any(left):
            batch = []
            for part in left:
                taken = chance.randrange(6)
                batch += part[:taken]
                # some of it comes again in the next batch
                del part[: max(0, taken - chance.randrange(2)) if len(part) > taken else taken]
            await worker.handle(*batch)

    async def cut_one() -> int | None:
        pid: int | None = await db.value(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'router' AND xact_start IS NOT NULL"
            " AND datname = current_database() ORDER BY random() LIMIT 1"
        )
        return pid if pid and await db.value("SELECT pg_terminate_backend($1)", pid) else None

    cuts: list[int] = []

    async def cut() -> None:
        while len(cuts) < 8:
            cuts.append(await wait_for(cut_one, "a router is in a transaction"))

    cutting = asyncio.create_task(cut())
    await asyncio.gather(work(desk, random.Random(21)), work(other, random.Random(22)))
    cutting.cancel()
    await asyncio.gather(cutting, return_exceptions=True)
    await other.book.close()
    assert cuts
    published = Published([*desk.published, *other.published])
    seen = {(event.case_id, event.seq) for event in published.events}
    outcomes = {outcome.command_id: outcome for outcome in published.outcomes}
    assert set(outcomes) == {message_of(one).command_id for one in everything}
    assert all(outcomes[one.command_id] == one for one in published.outcomes), "one outcome each"
    assert published.letters == []
    for life in lives:
        events = await db.events(life.case.case_id)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert {(event.case_id, event.seq) for event in events} <= seen
        assert await db.case(life.case.case_id) == in_order(replay(events))
        steps = [event.payload.deadline_id for event in events if hasattr(event.payload, "deadline_id")]
        assert len(set(steps)) == len(steps)
        ranges = sorted(r for o in outcomes.values() for r in o.events if r[0] == life.case.case_id)
        assert [seq for _, first, last in ranges for seq in range(first, last + 1)] == [e.seq for e in events]
