"""The door while its broker is frozen, gone, or not there yet. The freeze of 150 s is in the chaos ring."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from services.adapters import codec
from services.adapters.kafka_producer import NotConfirmed, Producer, TooManyUnconfirmed
from tests.console_run import Console, console, gone_afterwards
from tests.integration.intake_door import NOWHERE, OpenDoor, eventually, messages, open_door, problem

BODY = {"channel": "resident", "category": "pothole"}
FREEZE_SECONDS = 12


pytestmark = [
    # kafka-python leaves the socket of a refused connection to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def _garbage_is_collected_here() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture(scope="module")
def one_console() -> Iterator[Console]:
    with gone_afterwards(console("--only", "kafka")) as one:
        yield one
        one.stop()


@pytest.fixture
def own_broker(one_console: Console) -> Console:
    """A broker that a test may freeze and stop."""
    if one_console.process is None or one_console.process.poll() is not None:
        one_console.start().wait_ready()
    return one_console


@pytest.fixture
async def door(own_broker: Console, tmp_path: Path) -> AsyncIterator[OpenDoor]:
    async with open_door(own_broker.known()["KAFKA_BOOTSTRAP"], NOWHERE, tmp_path) as door:
        yield door


async def _post(door: OpenDoor, key: str) -> tuple[httpx.Response, float]:
    begun = time.monotonic()
    answer = await door.http.post("/v1/reports", json=BODY, headers={"Idempotency-Key": key})
    return answer, time.monotonic() - begun


async def test_a_frozen_broker_is_a_503_in_time_and_it_goes_on_after_the_thaw(
    door: OpenDoor, own_broker: Console
) -> None:
    bootstrap = own_broker.known()["KAFKA_BOOTSTRAP"]
    pid = own_broker.running()["kafka"]["pid"]
    assert (await _post(door, str(uuid.uuid4())))[0].status_code == 202
    os.kill(pid, signal.SIGSTOP)
    frozen_at = time.monotonic()
    keys = [str(uuid.uuid4()) for _ in range(20)]
    try:
        posts = asyncio.gather(*(_post(door, key) for key in keys))
        # The loop goes on answering meanwhile: one that waited too would be silent for the 5 seconds.
        slowest = 0.0
        while not posts.done():
            begun = time.monotonic()
            assert (await door.http.get("/healthz")).status_code == 200
            slowest = max(slowest, time.monotonic() - begun)
        assert slowest < 4
        for answer, seconds in await posts:
            assert problem(answer, 503)["code"] == "not_confirmed"
            assert int(answer.headers["retry-after"]) >= 1
            assert 4.5 < seconds < 8
        assert "broker" in problem(await door.http.get("/readyz"), 503)["failing"]
        # A second round, so that the client is in its own retries when the thaw comes.
        await asyncio.gather(*(_post(door, key) for key in keys))
        await asyncio.sleep(max(0.0, frozen_at + FREEZE_SECONDS - time.monotonic()))
    finally:
        os.kill(pid, signal.SIGCONT)

    async def confirmed() -> bool:
        answers = await asyncio.gather(*(_post(door, key) for key in keys))
        return all(answer.status_code == 202 for answer, _ in answers)

    await eventually(confirmed, 15)
    await eventually(lambda: _ready(door), 5)
    answer, _ = await _post(door, keys[0])
    report_id = answer.json()["report_id"]
    assert await messages(bootstrap, codec.REPORTS, lambda message: message.report_id == report_id)


async def _ready(door: OpenDoor) -> bool:
    return (await door.http.get("/readyz")).status_code == 200


async def test_above_the_bound_a_post_fails_at_once(door: OpenDoor, own_broker: Console) -> None:
    door.parts.producer._max = 3
    pid = own_broker.running()["kafka"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        waiting = [asyncio.create_task(_post(door, str(uuid.uuid4()))) for _ in range(3)]

        async def all_three() -> bool:
            return door.parts.producer.unconfirmed == 3

        await eventually(all_three, 4)
        answer, seconds = await _post(door, str(uuid.uuid4()))
        assert problem(answer, 503)["code"] == "too_many_unconfirmed"
        assert int(answer.headers["retry-after"]) >= 1
        assert seconds < 3, "it does not wait the 5 s of the others"
    finally:
        os.kill(pid, signal.SIGCONT)
    # What was under way is confirmed after the thaw, and room is made.
    assert [answer.status_code for answer, _ in await asyncio.gather(*waiting)] == [202, 202, 202]
    assert (await _post(door, str(uuid.uuid4())))[0].status_code == 202


@pytest.mark.long
async def test_a_broker_that_was_stopped_and_started_again(door: OpenDoor, own_broker: Console) -> None:
    assert (await _post(door, str(uuid.uuid4())))[0].status_code == 202
    assert own_broker.stop() == 0
    key = str(uuid.uuid4())
    answer, seconds = await _post(door, key)
    assert problem(answer, 503)["code"] == "not_confirmed"
    assert int(answer.headers["retry-after"]) >= 1
    assert seconds < 8
    assert "broker" in problem(await door.http.get("/readyz"), 503)["failing"]
    await asyncio.to_thread(lambda: own_broker.start().wait_ready())

    async def confirmed() -> bool:
        return (await _post(door, key))[0].status_code == 202

    await eventually(confirmed, 20)


@pytest.mark.long
async def test_a_door_that_starts_before_its_broker(own_broker: Console, tmp_path: Path) -> None:
    bootstrap = own_broker.known()["KAFKA_BOOTSTRAP"]
    assert own_broker.stop() == 0
    async with open_door(bootstrap, NOWHERE, tmp_path, wait_ready=False) as door:

        async def up() -> bool:
            try:
                return (await door.http.get("/healthz")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(up, 5)
        answer, seconds = await _post(door, str(uuid.uuid4()))
        assert problem(answer, 503)["code"] == "not_confirmed"
        assert seconds < 3
        problem(await door.http.get("/readyz"), 503)
        await asyncio.to_thread(lambda: own_broker.start().wait_ready())
        await eventually(lambda: _ready(door), 15)
        assert (await _post(door, str(uuid.uuid4())))[0].status_code == 202


async def test_stop_is_bounded_and_ends_every_wait(own_broker: Console) -> None:
    producer = Producer(own_broker.known()["KAFKA_BOOTSTRAP"], client_id="test", max_unconfirmed=2)
    await producer.start()

    async def ready() -> bool:
        return producer.ready

    await eventually(ready, 10)
    record: codec.Record = (b"key", b"{}", [("ce_type", b"test")])
    pid = own_broker.running()["kafka"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        waiting = [asyncio.create_task(producer.send(codec.REPORTS, record)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(TooManyUnconfirmed):
            await producer.send(codec.REPORTS, record)
        begun = time.monotonic()
        await producer.stop()
        assert time.monotonic() - begun < 6
        for wait in waiting:
            with pytest.raises(NotConfirmed):
                await wait
    finally:
        os.kill(pid, signal.SIGCONT)

    async def no_thread_of_it_is_left() -> bool:
        return not any(thread.name.startswith("test-") for thread in threading.enumerate())

    await eventually(no_thread_of_it_is_left, 10)
