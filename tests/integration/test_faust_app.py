"""Faust's engine as we hardened it, on the real broker: what its upgrades could quietly take back."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import faust
import pytest
import pytest_asyncio
from faust.transport.consumer import ThreadDelegateConsumer
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from services.adapters import codec, faust_app, kafka_admin
from services.router.worker import BATCH_SIZE, WITHIN_SECONDS, incoming_of
from tests.harness import topics
from tests.integration.router_desk import wait_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

_numbers = itertools.count(1)


@contextlib.asynccontextmanager
async def started(
    bootstrap: str, folder: Path, *, agent: Callable[[Any], Any] | None = None
) -> AsyncIterator[Any]:
    """An app of a group of this test's own (faust_app.GROUP), assigned and reading."""
    app: Any = faust_app.build_app(
        bootstrap, instance_id=f"test-{next(_numbers)}", data_folder=str(folder / str(next(_numbers)))
    )
    if agent is not None:
        app.agent(faust_app.inbox(app), name="test", concurrency=1)(agent)
    await app.start()
    try:
        yield app
    finally:
        async with asyncio.timeout(20):
            await app.stop()


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> str:
    name = new_group()
    monkeypatch.setattr(faust_app, "GROUP", name)
    return name


def new_group() -> str:
    return f"faust-test-{os.getpid()}-{next(_numbers)}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(broker: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Any]:
    async def read_on(stream: Any) -> None:
        async for batch in stream.noack_take(BATCH_SIZE, within=WITHIN_SECONDS):
            for event in batch:
                event.ack()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(faust_app, "GROUP", new_group())
        async with started(broker, tmp_path_factory.mktemp("faust"), agent=read_on) as app:
            yield app


def record(key: bytes, value: bytes = b"{}") -> codec.Record:
    return key, value, [("ce_type", b"test")]


async def test_the_consumer_waits_a_tenth_of_a_second_and_is_a_static_member(app: Any) -> None:
    async def consumer() -> Any:
        return app.consumer._thread._consumer

    found = await wait_for(consumer, "the consumer's thread has its consumer", seconds=30)
    assert found._fetch_max_wait_ms == 100
    # And what was built of it: the fetcher that sends the requests.
    assert found._fetcher._fetch_max_wait_ms == 100
    assert found._group_instance_id == app.conf.consumer_group_instance_id
    assert found._group_instance_id.startswith("test-")
    assert found._enable_auto_commit is False
    assert found._auto_offset_reset == "earliest"


async def test_the_producer_is_idempotent_and_waits_for_every_replica(app: Any) -> None:
    producer = app.producer._producer
    assert producer._txn_manager is not None, "idempotence is on"
    assert producer._txn_manager.transactional_id is None
    assert producer._sender._acks == -1
    assert producer._message_accumulator._batch_size == 512 * 1024


async def test_keys_go_where_every_other_client_sends_them(app: Any, broker: str) -> None:
    mark = os.urandom(4).hex()
    keys = [f"{mark}-{number}".encode() for number in range(100)]
    await faust_app.publish(app, [(codec.CASE_EVENTS, record(key, b"ours")) for key in keys])
    # kafka-python's own producer, left to choose.
    theirs = [(codec.CASE_EVENTS, key, [("ce_type", b"test")], b"theirs") for key in keys]
    await asyncio.to_thread(topics.write, broker, theirs)
    found: dict[bytes | None, dict[bytes | None, int]] = {b"ours": {}, b"theirs": {}}
    for one in await asyncio.to_thread(topics.read, broker, codec.CASE_EVENTS):
        if one.key in keys:
            found[one.value][one.key] = one.partition
    assert found[b"ours"] == found[b"theirs"]
    assert set(found[b"ours"]) == set(keys)
    assert len(set(found[b"ours"].values())) == 8


async def test_records_of_one_key_keep_their_order_and_their_headers(app: Any, broker: str) -> None:
    key = os.urandom(4).hex().encode()
    # More than one batch of 512 KiB.
    sent = [b"%05d" % number + b"." * 20_000 for number in range(60)]
    await faust_app.publish(app, [(codec.COMMAND_OUTCOMES, record(key, value)) for value in sent])
    found = [
        one for one in await asyncio.to_thread(topics.read, broker, codec.COMMAND_OUTCOMES) if one.key == key
    ]
    assert [one.value for one in found] == sent
    assert {tuple(one.headers.items()) for one in found} == {(("ce_type", b"test"),)}


async def test_the_largest_message_a_topic_takes_fits_into_a_dead_letter(app: Any, broker: str) -> None:
    """In base64 it is a third longer, and longer than a batch of the producer."""
    key = os.urandom(4).hex().encode()
    largest = b"x" * (1_048_588 * 4 // 3 + 4096)
    await faust_app.publish(app, [(codec.DEAD_LETTERS, record(key, largest))])
    read = await asyncio.to_thread(topics.read, broker, codec.DEAD_LETTERS)
    assert [len(one.value or b"") for one in read if one.key == key] == [len(largest)]


async def test_what_the_broker_refuses_is_not_published(app: Any) -> None:
    too_large = record(b"k", b"x" * (3 * 1024 * 1024))
    with pytest.raises(faust_app.NotPublished):
        await faust_app.publish(app, [(codec.DEAD_LETTERS, too_large)])


async def test_offsets_are_committed_only_after_the_ack(broker: str, group: str, tmp_path: Path) -> None:
    """A batch in hand is not committed, not even when asked to."""
    mark = os.urandom(4).hex().encode()
    taken: list[list[Any]] = []
    may_ack = asyncio.Event()

    async def hold(stream: Any) -> None:
        async for batch in stream.noack_take(BATCH_SIZE, within=WITHIN_SECONDS):
            taken.append([incoming_of(event) for event in batch])
            await may_ack.wait()
            for event in batch:
                event.ack()

    def ours() -> list[Any]:
        return [one for batch in taken for one in batch if one.value == mark]

    def committed() -> dict[tuple[str, int], int]:
        with kafka_admin.open_admin(broker) as admin:
            return {
                (topic, partition): offset
                for topic in (codec.REPORTS, codec.CASE_COMMANDS)
                for partition, offset in kafka_admin.committed_offsets(admin, group, topic).items()
            }

    sent = [(topic, b"k%d" % n, [("ce_type", b"test"), ("empty", b"")], mark)
            for topic in (codec.REPORTS, codec.CASE_COMMANDS) for n in range(20)]  # fmt: skip
    await asyncio.to_thread(topics.write, broker, sent)

    async def in_hand() -> bool:
        return bool(taken)

    async def caught_up() -> bool:
        return await asyncio.to_thread(committed) == {place: end for place, end in ends.items() if end}

    ends = await asyncio.to_thread(topics.ends, broker, codec.REPORTS, codec.CASE_COMMANDS)
    async with started(broker, tmp_path, agent=hold) as app:
        try:
            await wait_for(in_hand, "the agent has a batch", seconds=30)
            await app.consumer.commit()
            assert await asyncio.to_thread(committed) == {}
        finally:
            # Faust waits without end for a batch that is in hand.
            may_ack.set()
        await wait_for(caught_up, "every offset is committed", seconds=20)
    found = {(one.topic, one.key, one.value) for one in ours()}
    assert found == {(topic, key, value) for topic, key, _, value in sent}
    assert {one.headers for one in ours()} == {(("ce_type", b"test"), ("empty", b""))}
    assert len(ours()) == len(sent)


async def test_a_message_is_delivered_without_a_task(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Faust's own way of delivering, four tasks each, is taken only where a message must wait."""
    slow: list[tuple[Any, ...]] = []
    theirs = ThreadDelegateConsumer.wait_first

    async def counted(self: Any, *coros: Any, **options: Any) -> Any:
        if len(coros) > 1:
            slow.append(coros)
        return await theirs(self, *coros, **options)

    monkeypatch.setattr(ThreadDelegateConsumer, "wait_first", counted)
    before = app.monitor.messages_received_total
    await faust_app.publish(app, [(codec.REPORTS, record(b"%d" % number)) for number in range(300)])

    async def all_delivered() -> bool:
        return bool(app.monitor.messages_received_total >= before + 300)

    await wait_for(all_delivered, "all are in hand", seconds=20)
    assert slow == []


async def test_a_delivery_that_must_wait_is_waited_for(app: Any) -> None:
    room, never = asyncio.Event(), asyncio.Event()
    ended: list[str] = []

    async def delivery(fails: bool = False) -> str:
        try:
            await asyncio.sleep(0)
            await room.wait()
            if fails:
                raise LookupError("no such queue")
            return "delivered"
        finally:
            ended.append("ended")

    asyncio.get_running_loop().call_later(0.01, room.set)
    found = await app.consumer.wait_first(delivery(), never.wait())
    assert (found.results, found.stopped) == (["delivered"], False)
    with pytest.raises(LookupError, match="no such queue"):
        await app.consumer.wait_first(delivery(fails=True), never.wait())
    room.clear()
    suspended = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, suspended.set)
    found = await app.consumer.wait_first(delivery(), suspended.wait())
    assert (found.results, found.stopped) == ([True], False), "suspended: the message is given up"
    waiting = asyncio.create_task(app.consumer.wait_first(delivery(), never.wait()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    async def all_ended() -> bool:
        return len(ended) == 4

    await wait_for(all_ended, "nothing of them is left behind", seconds=5)


async def test_a_delivery_that_fails_at_once_fails(app: Any) -> None:
    async def delivery() -> None:
        raise LookupError("no such partition")

    with pytest.raises(LookupError, match="no such partition"):
        await app.consumer.wait_first(delivery(), asyncio.Event().wait())


async def test_a_waiting_delivery_does_not_hold_up_the_stop(broker: str, group: str, tmp_path: Path) -> None:
    async def read_on(stream: Any) -> None:
        async for batch in stream.noack_take(BATCH_SIZE, within=WITHIN_SECONDS):
            for event in batch:
                event.ack()

    async with started(broker, tmp_path, agent=read_on) as app:
        consumer = app.consumer
        waiting = asyncio.create_task(consumer.wait_first(asyncio.Event().wait(), asyncio.Event().wait()))
        await asyncio.sleep(0)
    assert (await waiting).stopped
    assert not [*consumer.unacked]


async def test_only_events_of_the_present_assignment_are_taken_in_hand(
    broker: str, group: str, tmp_path: Path
) -> None:
    """Others are read again from the committed offset; acked, they would be lost."""
    taken: list[Any] = []

    async def read_on(stream: Any) -> None:
        async for batch in stream.noack_take(BATCH_SIZE, within=WITHIN_SECONDS):
            taken.extend(event.message.value for event in batch)
            for event in batch:
                assert event.message in stream.app.consumer.unacked
                event.ack()
                assert event.message not in stream.app.consumer.unacked

    async with started(broker, tmp_path, agent=read_on) as app:

        async def assigned() -> bool:
            return bool(app.consumer.assignment()) and app.flow_control.is_active()

        await wait_for(assigned, "partitions are assigned", seconds=30)
        (actor,) = next(iter(app.agents.values()))._actors

        queue = actor.stream.channel.queue

        async def put(generation: int, value: bytes) -> None:
            place = TP(codec.REPORTS, 0)
            message = ConsumerMessage(
                *place, 10**9, 0.0, 1, [], b"k", value, None, tp=place, generation_id=generation
            )
            queue.put_nowait(faust.Event(app, b"k", value, [], message))

            async def looked_at() -> bool:
                return queue.empty() and bool(queue._getters)

            await wait_for(looked_at, "the agent waits for the next one", seconds=10)

        present = app.consumer_generation_id
        await put(present - 1, b"stale")
        app.flow_control.suspend()
        await put(present, b"suspended")
        app.flow_control.resume()
        await put(present, b"present")
    assert b"present" in taken
    assert b"stale" not in taken
    assert b"suspended" not in taken


async def test_a_batch_is_what_came_within_the_window_and_never_more_than_asked_for(
    broker: str, group: str, tmp_path: Path
) -> None:
    mark = os.urandom(4).hex().encode()
    taken: list[list[bytes | None]] = []

    async def read_on(stream: Any) -> None:
        async for batch in stream.noack_take(7, within=0.01):
            taken.append([event.message.value for event in batch])
            for event in batch:
                event.ack()

    sent = [(codec.REPORTS, b"k%d" % n, [("ce_type", b"test")], mark + b"%d" % n) for n in range(100)]
    await asyncio.to_thread(topics.write, broker, sent)

    async def all_taken() -> bool:
        return {value for _, _, _, value in sent} <= {value for batch in taken for value in batch}

    async with started(broker, tmp_path, agent=read_on):
        await wait_for(all_taken, "every message is taken", seconds=30)
    assert max(map(len, taken)) == 7
