"""The router's loop: take a batch, settle it in the book, publish all of it, only then ack.

An error that leaves the loop ends the process: whoever comes next reads the unacked batch again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from services.adapters import codec, metrics
from services.adapters.book import Book, Conflict, World
from services.adapters.clock import Clock
from services.adapters.faust_app import NotPublished
from services.adapters.seal import SealKeys
from services.domain.errors import Malformed
from services.router.batch import Settlement, settle_batch
from services.router.dead_letters import DeadLetterCap
from services.router.reading import Incoming, Read, dead_letter, read

BATCH_SIZE: Final = 500
WITHIN_SECONDS: Final = 0.01
"""How long the first message of a batch waits for others; under load they are there already."""
_BACK_OFF: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)

log = structlog.get_logger()

Publish = Callable[[list[tuple[str, codec.Record]]], Awaitable[None]]


def incoming_of(event: Any) -> Incoming:
    """A record out of Faust's event."""
    message = event.message
    return Incoming(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        headers=codec.header_pairs(message.headers),
        appended_at=datetime.fromtimestamp(message.timestamp, UTC),
    )


class Worker:
    """`hold_slot` is awaited before each batch: it raises when this worker may not go on."""

    def __init__(
        self,
        *,
        book: Book,
        clock: Clock,
        keys: SealKeys,
        secret: bytes,
        publish: Publish,
        hold_slot: Callable[[], Awaitable[None]],
    ) -> None:
        self._book = book
        self._clock = clock
        self._keys = keys
        self._secret = secret
        self._publish = publish
        self._hold_slot = hold_slot
        self._cap = DeadLetterCap()
        self.trouble: str | None = None

    async def handle(self, batch: Sequence[Incoming]) -> None:
        """Returns when every effect of the batch is in the book and every event on its topic."""
        await self._hold_slot()
        with metrics.batch_seconds.labels("decode").time():
            reads, letters = self._read_all(batch)
        metrics.batch_messages.observe(len(batch))
        with metrics.batch_seconds.labels("transaction").time():
            settlement = await self._settle(reads)
        settlement.letters += letters
        for letter in settlement.letters:
            await self._cap.spend(self)
            metrics.dead_letters_total.labels(letter.topic, letter.kind).inc()
            log.warning("dead_letter", id=letter.id, reason=letter.reason)
        with metrics.batch_seconds.labels("publish").time():
            await self._publish_all(_records(settlement))

    def _read_all(self, batch: Sequence[Incoming]) -> tuple[list[Read], list[Any]]:
        reads, letters = [], []
        for incoming in batch:
            try:
                reads.append(read(incoming, self._keys))
            except Malformed as error:
                letters.append(dead_letter(incoming, "message", str(error), self._clock.now()))
        return reads, letters

    async def _settle(self, reads: Sequence[Read]) -> Settlement:
        """Tried in place until the world allows it: the offsets stay where they are."""
        attempt = 0
        while True:
            try:
                settlement = await settle_batch(self._book, reads, self._clock, self._secret)
                self.trouble = None
                return settlement
            except (Conflict, World) as error:
                await self._pause(attempt, "conflict" if isinstance(error, Conflict) else "world", error)
                attempt += 1
                await self._hold_slot()

    async def _publish_all(self, records: list[tuple[str, codec.Record]]) -> None:
        attempt = 0
        while records:
            try:
                await self._publish(records)
                self.trouble = None
                return
            except NotPublished as error:
                await self._pause(attempt, "publish", error)
                attempt += 1

    async def _pause(self, attempt: int, reason: str, error: Exception) -> None:
        metrics.retries_total.labels(reason).inc()
        self.trouble = f"{reason}: {error}"
        if attempt % 10 == 0:
            log.warning("batch_retry", reason=reason, attempt=attempt, error=str(error))
        await asyncio.sleep(_BACK_OFF[min(attempt, len(_BACK_OFF) - 1)])


def _records(settlement: Settlement) -> list[tuple[str, codec.Record]]:
    return [
        *((codec.CASE_EVENTS, codec.event_record(event)) for event in settlement.events),
        *((codec.COMMAND_OUTCOMES, codec.outcome_record(outcome)) for outcome in settlement.outcomes),
        *((codec.DEAD_LETTERS, codec.dead_letter_record(letter)) for letter in settlement.letters),
    ]
