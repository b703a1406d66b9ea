"""The real door on a free port inside the test's loop, with a small city; and a look at what it sent.

async with open_door(broker, database_url, tmp_path) as door: await door.http.post("/v1/reports", json=…)
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer
from fastapi import FastAPI

from services.adapters import codec, ops_http
from services.adapters.city_book import load_folder
from services.adapters.seal import SealKeys
from services.adapters.settings import Settings
from services.domain.errors import Malformed
from services.intake.app import make_app
from services.intake.door import Door
from tests.domain.small_city import FILES, GRIDS

SECRET = bytes(range(32))
SEAL_KEYS = "k1:" + "A" * 43 + "="
NOWHERE = "postgresql://nobody@127.0.0.1:9/none"


@dataclass
class OpenDoor:
    app: FastAPI
    http: httpx.AsyncClient
    keys: SealKeys

    @property
    def parts(self) -> Door:
        door: Door = self.app.state.door
        return door


@contextlib.asynccontextmanager
async def open_door(
    broker: str, database_url: str, folder: Path, *, wait_ready: bool = True
) -> AsyncIterator[OpenDoor]:
    city = folder / "city"
    city.mkdir(exist_ok=True)
    for name, text in {**FILES, "grids.csv": GRIDS}.items():
        (city / name).write_text(text, "utf-8")
    if database_url != NOWHERE:
        await load_folder(database_url, city)
    app = make_app(
        Settings(
            kafka_bootstrap=broker,
            database_url=database_url,
            pioneer_secret=SECRET.hex(),
            seal_keys=SEAL_KEYS,
            pioneer_data=folder,
            city_folder=city,
        )
    )
    server = ops_http._WithoutSignals(
        ops_http._config(app, loop="none", lifespan="on", timeout_graceful_shutdown=1)
    )
    running = ops_http.OpsServer(server, ops_http.listen("127.0.0.1", 0))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.port}", timeout=15) as http:
        if wait_ready:
            await eventually(lambda: _is_ready(http))
        yield OpenDoor(app, http, SealKeys(SEAL_KEYS))
    await running.close()


async def _is_ready(http: httpx.AsyncClient) -> bool:
    return (await http.get("/readyz")).status_code == 200


async def eventually(look: Callable[[], Awaitable[Any]], seconds: float = 20.0) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        found = await look()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s"
        await asyncio.sleep(0.05)


async def messages(broker: str, topic: str, wanted: Callable[[Any], bool]) -> list[tuple[Any, Any]]:
    """All (record, message) on the topic, up to its present end, that are wanted."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=broker, auto_offset_reset="earliest")
    await consumer.start()
    found: list[tuple[Any, Any]] = []
    try:
        places = list(consumer.assignment())
        ends = await consumer.end_offsets(places)
        while any([await consumer.position(place) < ends[place] for place in places]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    # Other tests put what cannot be read on the same broker.
                    with contextlib.suppress(Malformed):
                        message = codec.decode(record.headers, record.value)
                        if wanted(message):
                            found.append((record, message))
    finally:
        await consumer.stop()
    return found


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem, after a look at its shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body.keys() >= {"type", "title", "status", "code", "detail", "errors"}
    assert body["status"] == status
    assert all(error.keys() == {"field", "message"} for error in body["errors"])
    return body


def fields(answer: httpx.Response, status: int = 422) -> list[str]:
    return [error["field"] for error in problem(answer, status)["errors"]]
