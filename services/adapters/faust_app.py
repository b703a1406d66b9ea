"""Faust, hardened: the three knobs it does not offer, and one batch per partition on its own producer.

Rests on private names of faust-streaming 0.15.3 and aiokafka 0.14.0; tests/integration/test_faust_app.py
fails when an upgrade changes them.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Coroutine, Generator, Iterable
from types import coroutine
from typing import Any, Final

import faust
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2
from faust.tables import TableManager
from faust.transport.drivers import aiokafka as driver
from mode.services import WaitResults

from services.adapters.codec import CASE_COMMANDS, REPORTS, Record

GROUP: Final = "pioneer-router"
PUBLISH_SECONDS: Final = 20.0


class NotPublished(Exception):
    """The broker did not acknowledge everything; what was sent may be sent again."""


class _Thread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust hard-codes 1500: an idle partition's long poll then stalls the busy ones.
        consumer._fetch_max_wait_ms = 100  # noqa: SLF001 - there is no setting for it
        return consumer


class _Consumer(driver.Consumer):
    def _new_consumer_thread(self) -> Any:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def wait_first(self, *coros: Any, timeout: Any = None) -> Any:  # noqa: ASYNC109 - mode's signature
        """Faust makes four tasks to deliver a message; nearly always it is delivered without any wait."""
        if len(coros) == 2 and all(asyncio.iscoroutine(coro) for coro in coros):
            delivery, suspension = coros
            try:
                waits_for = delivery.send(None)
            except BaseException as end:
                suspension.close()
                if isinstance(end, StopIteration):
                    return WaitResults([delivery], [end.value], False)
                raise
            coros = _rest(delivery, waits_for), suspension
        return await super().wait_first(*coros, timeout=timeout)


async def _rest(begun: Coroutine[Any, Any, Any], waits_for: Any) -> Any:
    """What is left of a coroutine that was stepped by hand and has to wait now."""
    return await _step_on(begun, waits_for)


@coroutine
def _step_on(begun: Coroutine[Any, Any, Any], waits_for: Any) -> Generator[Any, Any, Any]:
    step: Any
    while True:
        try:
            given = yield waits_for
        except BaseException as thrown:
            step, given = begun.throw, thrown
        else:
            step = begun.send
        try:
            waits_for = step(given)
        except StopIteration as end:
            return end.value


class _Producer(driver.Producer):
    def _settings_extra(self) -> dict[str, Any]:
        return {**super()._settings_extra(), "acks": "all", "enable_idempotence": True}


class _Transport(driver.Transport):
    Consumer = _Consumer
    Producer = _Producer


class _Stream(faust.Stream[Any]):
    async def noack_take(self, max_: int, within: Any) -> AsyncGenerator[list[Any], None]:
        """Faust's noack_take by the batch: what came within so many seconds of the first, acked by nobody.

        Faust's own drives every event through a task, a context variable and three coroutines.
        """
        await self.maybe_start()
        channel: Any = self.channel
        queue = channel.queue
        while not self.should_stop:
            try:
                waiting = [await queue.get()]
                if queue.qsize() < max_ - 1:
                    await asyncio.sleep(within)
                while len(waiting) < max_ and not queue.empty():
                    waiting.append(queue.get_nowait())
            except StopAsyncIteration:
                return  # Faust's way to end an agent
            if batch := self._tracked(waiting):
                yield batch

    def _tracked(self, waiting: list[Any]) -> list[Any]:
        """Those of the present assignment, which the consumer now knows as in hand; others are read again."""
        app: Any = self.app
        if not app.flow_control.is_active():
            return []
        generation = app.consumer_generation_id
        batch = [event for event in waiting if event.message.generation_id == generation]
        track = app.consumer.track_message
        for event in batch:
            event.message.tracked = True
            track(event.message)
        for event in {event.message.tp: event for event in batch}.values():
            # What Faust looks at to say that a stream stands still.
            self._on_stream_event_in(event.message.tp, event.message.offset, self, event)
        return batch


class _AsItCame(faust.Schema[Any, Any]):
    """Bytes are read by our own codec: Faust need not look up four codecs that do nothing."""

    def compile(self, app: Any, **_: Any) -> Any:
        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return faust.Event(app, message.key, message.value, message.headers, message)

        return decode


class _NoTables(TableManager):
    async def on_start(self) -> None:
        # Faust sleeps a second here, for tables that may yet be declared; we have none.
        await self._update_channels()
        await self.recovery.start()


class App(faust.App):
    def _new_transport(self) -> Any:
        return _Transport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> Any:
        return _Transport(self.conf.broker_producer, self)


def build_app(bootstrap: str, *, instance_id: str, data_folder: str) -> App:
    """At least once, one event at a time, static membership; topics exist already, nothing is declared."""
    app = App(
        GROUP,
        broker=[f"kafka://{host}" for host in bootstrap.split(",")],
        datadir=data_folder,
        autodiscover=False,
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        consumer_group_instance_id=instance_id,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=4 * 1024 * 1024,
        broker_commit_interval=0.1,
        broker_session_timeout=15.0,
        broker_heartbeat_interval=3.0,
        broker_request_timeout=30.0,
        broker_rebalance_timeout=30.0,
        producer_max_batch_size=512 * 1024,
        producer_max_request_size=2 * 1024 * 1024,
        producer_request_timeout=PUBLISH_SECONDS,
        stream_buffer_maxsize=4096,
        stream_wait_empty=True,
        Stream=_Stream,
        TableManager=_NoTables,
    )
    return app


def inbox(app: App) -> Any:
    """Reports and commands as they came: bytes, read by our own codec, acked by our own hand."""
    return app.topic(REPORTS, CASE_COMMANDS, schema=_AsItCame())


async def publish(app: App, records: Iterable[tuple[str, Record]]) -> None:
    """Send each (topic, record), one batch per partition, and await every acknowledgement of the broker.

    Raises NotPublished.
    """
    try:
        async with asyncio.timeout(PUBLISH_SECONDS):
            producer: Any = app.producer
            await _publish(producer._producer, records)  # noqa: SLF001 - Faust sends one by one
    except (KafkaError, TimeoutError, OSError) as error:
        raise NotPublished(f"{type(error).__name__}: {error}") from error


async def _publish(producer: Any, records: Iterable[tuple[str, Record]]) -> None:
    by_partition: dict[tuple[str, int], list[Record]] = defaultdict(list)
    counts: dict[str, int] = {}
    # A case's events and outcome share their key; murmur2 is plain Python.
    hashes: dict[bytes, int] = {}
    for topic, record in records:
        if topic not in counts:
            counts[topic] = len(await producer.partitions_for(topic))
        key = record[0]
        if key not in hashes:
            hashes[key] = murmur2(key) & 0x7FFFFFFF
        by_partition[topic, hashes[key] % counts[topic]].append(record)
    acknowledged: list[asyncio.Future[Any]] = []
    for (topic, partition), queue in by_partition.items():
        batch = producer.create_batch()
        for key, value, headers in queue:
            if batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
                acknowledged.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                if batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
                    raise ValueError(f"a record for {topic} is larger than a batch: {len(value)} bytes")
        acknowledged.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*acknowledged)
