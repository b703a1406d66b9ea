"""The producer of doors and timekeeper: kafka-python, acks=all; a send ends when the broker has confirmed.

Rules: idempotence stays off (such a producer dies for good after one expired batch; our ids are derived and
repeats are harmless); a send ends within 5 s, above `max_unconfirmed` at once; the event loop never waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import structlog
from kafka.errors import KafkaError
from kafka.partitioner.default import murmur2

from services.adapters import metrics
from services.adapters.codec import CASE_COMMANDS, REPORTS, Record
from services.adapters.kafka_link import DELIVERY_SECONDS, open_producer, probe

_BACKOFF_SECONDS: Final = (0.1, 0.2, 0.5, 1.0)

_log = structlog.get_logger()


class NotConfirmed(Exception):
    """The broker did not acknowledge in time. The message may still arrive; send the same one again."""


class TooManyUnconfirmed(NotConfirmed):
    """The bound of unconfirmed messages is reached: this one was not handed over."""


class Producer:
    def __init__(
        self,
        bootstrap: str,
        *,
        client_id: str,
        max_unconfirmed: int = 2000,
        topics: Sequence[str] = (REPORTS, CASE_COMMANDS),
    ) -> None:
        self._bootstrap = bootstrap.split(",")
        self._client_id = client_id
        self._max = max_unconfirmed
        self._topics = tuple(topics)
        self._kafka: Any = None
        self._partitions: dict[str, int] = {}
        self._stop = threading.Event()
        self._sweeper: asyncio.Task[None] | None = None
        # Insertion order is order of time, so the sweep looks at the oldest only.
        self._waiting: dict[asyncio.Future[None], float] = {}
        self._ended: deque[tuple[asyncio.Future[None], BaseException | None]] = deque()
        self._woken = False
        self._confirming = True

    @property
    def ready(self) -> bool:
        """The broker has answered once and told where the topics are."""
        return self._kafka is not None

    @property
    def unconfirmed(self) -> int:
        return len(self._waiting)

    async def start(self) -> None:
        """Returns at once; a thread looks for the broker, with back-off, until it answers."""
        # The library tells every refused connection, once a second; we tell when it begins and when it ends.
        logging.getLogger("kafka").setLevel(logging.CRITICAL)
        self._loop = asyncio.get_running_loop()
        self._sweeper = asyncio.create_task(self._sweep(), name="unconfirmed-sweep")
        self._opener = threading.Thread(target=self._open, name=f"{self._client_id}-opener", daemon=True)
        self._opener.start()

    async def send(self, topic: str, record: Record) -> None:
        """Ends when the broker has the record on all in-sync replicas, else raises NotConfirmed."""
        if len(self._waiting) >= self._max:
            raise TooManyUnconfirmed(f"{self._max} messages are not yet confirmed")
        if self._kafka is None:
            raise NotConfirmed("the broker has not answered yet")
        key, value, headers = record
        waiter: asyncio.Future[None] = self._loop.create_future()
        try:
            # Murmur2 over the key, as every other client does it; the count of a topic never changes.
            partition = (murmur2(key) & 0x7FFFFFFF) % self._partitions[topic]
            sent = self._kafka.send(topic, value=value, key=key, headers=headers, partition=partition)
        except (KafkaError, ValueError) as error:
            # The client has lost sight of the topic; with max_block_ms=0 it says so at once.
            raise NotConfirmed(str(error)) from error
        self._waiting[waiter] = self._loop.time() + DELIVERY_SECONDS
        metrics.posts_unconfirmed.set(len(self._waiting))
        sent.add_callback(lambda _metadata: self._end(waiter, None))
        sent.add_errback(lambda error: self._end(waiter, error))
        await waiter

    def _end(self, waiter: asyncio.Future[None], error: BaseException | None) -> None:
        """In the client's thread. A batch is acknowledged whole: one wake-up of the loop for all of it."""
        self._ended.append((waiter, error))
        if not self._woken:
            self._woken = True
            # The loop is closed: nobody waits any more.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        # First the flag, then the queue: what is appended meanwhile is either seen here or wakes again.
        self._woken = False
        ended, waiting = self._ended, self._waiting
        while ended:
            waiter, error = ended.popleft()
            waiting.pop(waiter, None)
            if (error is None) != self._confirming:
                self._tell(error)
            if not waiter.done():
                if error is None:
                    waiter.set_result(None)
                else:
                    waiter.set_exception(NotConfirmed(str(error)))
        metrics.posts_unconfirmed.set(len(waiting))

    def _tell(self, error: BaseException | None) -> None:
        self._confirming = error is None
        if error is None:
            _log.info("broker_confirms_again", client_id=self._client_id)
        else:
            _log.warning("broker_does_not_confirm", client_id=self._client_id, reason=str(error))

    async def _sweep(self) -> None:
        """The promise of 5 s does not hang on the client's own timers."""
        while True:
            await asyncio.sleep(0.25)
            now = self._loop.time()
            while self._waiting:
                waiter, deadline = next(iter(self._waiting.items()))
                if deadline > now:
                    break
                del self._waiting[waiter]
                if not waiter.done():
                    waiter.set_exception(NotConfirmed(f"not acknowledged within {DELIVERY_SECONDS:g} s"))

    def _open(self) -> None:
        attempt = 0
        while not self._stop.is_set():
            try:
                kafka, self._partitions = open_producer(
                    self._bootstrap, client_id=self._client_id, topics=self._topics
                )
            except (KafkaError, OSError, ValueError) as error:
                if attempt == 0:
                    _log.warning("producer_waits_for_broker", client_id=self._client_id, reason=str(error))
                self._stop.wait(_BACKOFF_SECONDS[min(attempt, len(_BACKOFF_SECONDS) - 1)])
                attempt += 1
                continue
            if self._stop.is_set():
                kafka.close(timeout=0)
            else:
                self._kafka = kafka
                _log.info("producer_ready", client_id=self._client_id)
            return

    async def check(self) -> str | None:
        """For readiness: None when a broker answers now, else the reason."""
        if not self.ready:
            return "the broker has not answered yet"
        reasons = []
        for address in self._bootstrap:
            try:
                await asyncio.wait_for(probe(address), 0.9 / len(self._bootstrap))
                return None
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                reasons.append(f"{address} {str(error) or 'does not answer'}")
        return "; ".join(reasons)

    async def stop(self) -> None:
        """Give what is under way 3 s, then leave; whoever still waits gets NotConfirmed."""
        self._stop.set()
        if self._kafka is not None:
            closed = asyncio.Event()
            threading.Thread(
                target=self._close, args=(closed,), name=f"{self._client_id}-closer", daemon=True
            ).start()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(closed.wait(), 3.0)
        self._settle()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(NotConfirmed("this process is closing"))
        self._waiting.clear()

    def _close(self, closed: asyncio.Event) -> None:
        # Asked to flush for less time than a message lives, the library would give up and leave its thread
        # running for good. Nobody needs to wait for this one: a daemon thread holds no process back.
        with contextlib.suppress(KafkaError):
            self._kafka.close(timeout=DELIVERY_SECONDS + 2)
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(closed.set)
