"""The board while its broker is away: it reads on, says what does not work, and misses no event after."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.adapters import codec
from services.adapters.kafka_reader import Reader
from services.domain import events
from services.domain.messages import Outcome
from tests.console_run import Console, console, gone_afterwards
from tests.integration.board_desk import COMMUNITY, Desk, new_case, open_desk, until

pytestmark = [
    # kafka-python leaves the socket of a refused connection to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def _garbage_is_collected_here() -> Iterator[None]:
    yield
    gc.collect()


async def test_with_the_broker_away_a_command_is_503_and_reading_goes_on(
    database_url: str, tmp_path: Path
) -> None:
    async with open_desk(database_url, "127.0.0.1:9", tmp_path, wait_ready=False) as desk:
        case = await desk.put(new_case())
        client = await desk.sign_in(COMMUNITY)
        deadline = asyncio.get_running_loop().time() + 10
        while (answer := await client.get(f"/v1/cases/{case.case_id}")).status_code == 503:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.05)
        assert answer.status_code == 200
        refused = await client.post(
            f"/v1/cases/{case.case_id}/commands", json={"type": "accept", "expected_seq": 2}
        )
        assert (refused.status_code, refused.json()["code"]) == (503, "not_confirmed")
        assert int(refused.headers["Retry-After"]) > 0
        ready = await client.get("/readyz")
        assert ready.status_code == 503
        assert {"broker", "reader"} <= set(ready.json()["failing"])
        assert (await client.get("/healthz")).status_code == 200


@pytest.fixture
def own_broker() -> Iterator[Console]:
    with gone_afterwards(console("--only", "kafka")) as one:
        yield one.start().wait_ready()
        one.stop()


async def test_the_reader_reads_on_where_it_was_when_the_broker_is_back(own_broker: Console) -> None:
    bootstrap = own_broker.known()["KAFKA_BOOTSTRAP"]
    desk = Desk(url="", bootstrap=bootstrap, database_url="", book=None, app=None, clock_file=Path())
    read: list[Any] = []
    gaps: list[None] = []
    case = new_case()
    await desk.publish_events(case, 1, events.CaseAccepted())
    reader = Reader(
        bootstrap,
        (codec.CASE_EVENTS, codec.COMMAND_OUTCOMES),
        read.extend,
        on_gap=lambda: gaps.append(None),
        room="tests",
    )
    reader.start()
    try:
        await until(lambda: reader.ready, 20.0)
        await desk.publish_events(case, 2, events.CaseAccepted(), events.WorkStarted())
        # what cannot be read is passed over
        await desk.publish(codec.CASE_EVENTS, (case.case_id.encode(), b"{", [("ce_type", b"nonsense")]))
        await desk.publish_events(case, 4, events.CommentAdded())
        await until(lambda: len(read) == 3)
        assert [event.seq for event in read] == [2, 3, 4], "from the end on, in order"
        os.kill(own_broker.running()["kafka"]["pid"], signal.SIGKILL)
        # this comes through only when the broker is up again
        await _published_when_back(desk, case)
        outcome = Outcome(
            command_id=case.case_id, case_id=case.case_id, outcome="applied", decided_at=case.received_at
        )
        await desk.publish(codec.COMMAND_OUTCOMES, codec.outcome_record(outcome))
        # seq 5 may have been published twice: once more when its acknowledgement was lost
        await until(lambda: outcome in read and 5 in [getattr(message, "seq", 0) for message in read], 30.0)
        assert {getattr(message, "seq", None) for message in read[3:]} == {5, None}
        await until(lambda: reader.ready, 20.0)
        assert not gaps
    finally:
        await reader.stop()
    assert not reader.ready


async def _published_when_back(desk: Desk, case: Any) -> None:
    deadline = asyncio.get_running_loop().time() + 60.0
    while True:
        try:
            await desk.publish_events(case, 5, events.CommentAdded())
            return
        except Exception:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.2)
