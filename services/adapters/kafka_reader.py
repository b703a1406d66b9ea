"""A reader without a group: all partitions of some topics, from the end on, in batches to a callback.

Rules: positions are kept here, so after any trouble with the broker it reads on and misses nothing; what
cannot be read is logged and passed over (the router wrote it); a hole in the offsets is told to `on_gap`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from services.adapters.codec import decode
from services.adapters.postgres import describe
from services.domain.errors import Malformed

log = structlog.get_logger()

_POLL_MS: Final = 200
_LOOK_SECONDS: Final = 2.0
_ANSWER_SECONDS: Final = 5.0
_STUCK_SECONDS: Final = 5.0
_BACK_OFF: Final = (0.1, 0.2, 0.5, 1.0, 2.0)
_BATCH: Final = 5_000


class ReaderStuck(RuntimeError):
    """The broker has more than we have read, and nothing comes: this consumer is replaced."""


_AWAY: Final = (KafkaError, OSError, TimeoutError, ReaderStuck)


class Reader:
    """`on_batch` gets decoded messages in partition order; it runs in the event loop and must not block."""

    def __init__(
        self,
        bootstrap: str,
        topics: Sequence[str],
        on_batch: Callable[[Sequence[Any]], None],
        *,
        on_gap: Callable[[], None] | None = None,
        room: str,
    ) -> None:
        self._bootstrap = bootstrap.split(",")
        self._topics = tuple(topics)
        self._on_batch = on_batch
        self._on_gap = on_gap or (lambda: None)
        self._room = room
        self._next: dict[Any, int] = {}
        self._progress_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self.ready = False
        """The broker answered a moment ago, and we read from it."""

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="kafka-reader")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self.ready = False

    async def _run(self) -> None:
        failures = 0
        while True:
            consumer = AIOKafkaConsumer(
                *self._topics,
                bootstrap_servers=self._bootstrap,
                client_id=f"pioneer-{self._room}-reader",
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="latest",
                request_timeout_ms=int(_ANSWER_SECONDS * 1000),
                retry_backoff_ms=100,
            )
            try:
                async with asyncio.timeout(2 * _ANSWER_SECONDS):
                    await consumer.start()
                    await self._take_positions(consumer)
                self.ready = True
                if failures:
                    log.info("reader_is_back", topics=self._topics)
                failures = 0
                await self._read(consumer)
            except Exception as problem:
                # Whatever the client stumbled over: a reader that ends would leave every page in the past.
                self.ready = False
                if not isinstance(problem, _AWAY):
                    log.exception("reader_stumbled")
                if failures == 0:
                    log.warning("reader_lost_the_broker", topics=self._topics, reason=describe(problem))
                pause = _BACK_OFF[min(failures, len(_BACK_OFF) - 1)]
                failures += 1
                await asyncio.sleep(pause * random.uniform(0.8, 1.2))
            finally:
                await self._close(consumer)

    async def _take_positions(self, consumer: Any) -> None:
        """Where we were; a partition seen for the first time starts at its end."""
        places = sorted(consumer.assignment())
        # A topic that lost its partitions for a moment (a broker starting up) must not be read in part.
        if {place.topic for place in places} != set(self._topics):
            raise TimeoutError("not every topic is there yet")
        ends = await consumer.end_offsets(places)
        for place in places:
            known = self._next.get(place)
            if known is None or known > ends[place]:
                if known is not None:
                    self._tell_gap(place, known, ends[place])
                self._next[place] = ends[place]
            consumer.seek(place, self._next[place])
        self._progress_at = _now()

    async def _read(self, consumer: Any) -> None:
        """Returns never; raises what makes this consumer useless."""
        looking = asyncio.create_task(self._look_after(consumer))
        try:
            while not looking.done():
                batches = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_BATCH)
                if batches:
                    self._progress_at = _now()
                    self.ready = True
                    self._hand_on(batches)
            looking.result()
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    async def _look_after(self, consumer: Any) -> None:
        """A consumer can go on "reading" nothing after trouble with the broker; the ends tell."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    ends = await consumer.end_offsets(list(self._next))
            except (KafkaError, OSError, TimeoutError):
                self.ready = False
                raise
            self.ready = True
            behind = [place for place, end in ends.items() if end != self._next.get(place)]
            if behind and _now() - self._progress_at > _STUCK_SECONDS:
                raise ReaderStuck(f"nothing comes from {behind[0].topic}-{behind[0].partition}")
            if not behind:
                self._progress_at = _now()

    def _hand_on(self, batches: dict[Any, list[Any]]) -> None:
        messages: list[Any] = []
        for place, records in batches.items():
            expected = self._next[place]
            if records[0].offset != expected:
                self._tell_gap(place, expected, records[0].offset)
            self._next[place] = records[-1].offset + 1
            for record in records:
                try:
                    messages.append(decode(record.headers, record.value))
                except Malformed as problem:
                    log.warning(
                        "message_not_read",
                        at=f"{place.topic}-{place.partition}-{record.offset}",
                        reason=str(problem),
                    )
        try:
            self._on_batch(messages)
        except Exception:
            # A fault of a view must not stop all of them; what was lost is read again by the pages.
            log.exception("batch_not_handled", messages=len(messages))
            self._on_gap()

    def _tell_gap(self, place: TopicPartition, expected: int, found: int) -> None:
        log.warning(
            "offsets_jumped", topic=place.topic, partition=place.partition, expected=expected, found=found
        )
        self._on_gap()

    async def _close(self, consumer: Any) -> None:
        """In a task of its own: with the broker away aiokafka 0.14 awaits fetches that it has just cancelled,
        and that CancelledError would end us; it then also leaves its connections open.
        """
        self.ready = False
        for closing in (consumer.stop, consumer._client.close):  # noqa: SLF001
            task = asyncio.create_task(closing())
            _, late = await asyncio.wait({task}, timeout=_ANSWER_SECONDS)
            task.cancel()
            if late or task.cancelled() or (problem := task.exception()) is None:
                continue
            log.warning("reader_not_closed", reason=describe(problem))


def _now() -> float:
    return asyncio.get_running_loop().time()
