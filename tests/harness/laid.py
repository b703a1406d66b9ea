"""Cases laid into the book by the router's own transaction, without a broker: any number, of any age.

What stands there is what a router would have written at those instants, so it replays true and escalates.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from services.adapters.book import Book
from services.adapters.clock import Clock
from services.domain import ids
from services.domain.city import NO_CATEGORY, City
from services.domain.messages import WIRE_TYPES, Actor, CaseCommand, Content, SubmitReport
from services.router.batch import settle_batch
from services.router.reading import Incoming, Read

BATCH: Final = 500
_SECRET: Final = b"of no real door"
_SOURCE: Final = "laid"
_APART: Final = timedelta(milliseconds=20)

Message = SubmitReport | CaseCommand


class Laying:
    """A worker without Kafka over one book."""

    def __init__(self, database_url: str, clock: Clock | None = None) -> None:
        self._book = Book(database_url)
        self._clock = clock or Clock()
        self._offsets = itertools.count()

    async def close(self) -> None:
        await self._book.close()

    async def lay(self, messages: Iterable[Message]) -> None:
        waiting = iter(messages)
        while batch := [self._read(message) for message in itertools.islice(waiting, BATCH)]:
            settlement = await settle_batch(self._book, batch, self._clock, _SECRET)
            refused = [outcome for outcome in settlement.outcomes if outcome.outcome != "applied"]
            assert not refused, refused[0]
            assert not settlement.letters, settlement.letters[0].reason

    def _read(self, message: Message) -> Read:
        incoming = Incoming(
            topic=_SOURCE,
            partition=0,
            offset=next(self._offsets),
            key=None,
            value=None,
            headers=(),
            appended_at=message.received_at,
        )
        return Read(incoming, message, Content(), None)


def report(name: str, category: str, hub_code: str, received_at: datetime) -> SubmitReport:
    """Equal names are equal reports."""
    return SubmitReport(
        report_id=ids.report_id(_SECRET, _SOURCE, name),
        received_at=received_at,
        channel="resident",
        category=category,
        hub_code=hub_code,
    )


def case_of(one: SubmitReport) -> str:
    return ids.case_id(one.received_at, one.report_id)


def command(case_id: str, kind: str, actor: Actor, received_at: datetime, **values: Any) -> CaseCommand:
    """One of each kind, actor and instant."""
    return CaseCommand(
        command_id=ids.command_id(_SECRET, actor.ref, case_id, f"{kind} {received_at.isoformat()}"),
        case_id=case_id,
        type=kind,
        actor=actor,
        received_at=received_at,
        payload=WIRE_TYPES[kind](**values),
    )


EIGHT_MORE: Final = ("comment", "accept", "comment", "start_work", "comment", "comment", "comment", "comment")


async def lay_open_cases(laying: Laying, city: City, count: int, *, lively: int) -> None:
    """Open cases of every ordinary category and place; `lively` of them have eight events more than two."""
    chance = random.Random(count)
    hubs = [code for code, hub in city.hubs.items() if hub.level == city.place_level]
    ordinary = [
        c.code
        for c in city.categories.values()
        if c.redirect is None and not c.confidential and c.code != NO_CATEGORY
    ]
    begins = datetime.now(UTC)
    reports = [
        report(f"open {number}", chance.choice(ordinary), chance.choice(hubs), begins + number * _APART)
        for number in range(count)
    ]
    await laying.lay(reports)
    dispatcher = Actor(ref="the dispatcher", roles=("dispatcher",), hubs=(city.root,))
    for number, kind in enumerate(EIGHT_MORE, start=1):
        await laying.lay(
            command(case_of(one), kind, dispatcher, one.received_at + timedelta(seconds=number))
            for one in reports[:lively]
        )
