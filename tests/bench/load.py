"""The load generator, a process of its own: `python -m tests.bench.load`, a job as JSON in, a result out.

Jobs: `drive` (posts as fast as they go), `event` and `visible` (posts at a rate, and when each was seen on
case-events, or on the board's stream by the district's dispatcher).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any, Final

import httpx
import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer

from services.adapters.codec import CASE_EVENTS
from tests.bench import posts
from tests.bench.figures import percentile
from tests.bench.reports import bodies, read_bench_city

HOST: Final = "127.0.0.1"
_SEEN_SECONDS: Final = 15.0
_SPOTS: Final = 100
"""Each text from so many: 40,000 different reports."""


class _FirstEvent(msgspec.Struct):
    """A case's first event bears the id of its report as command."""

    command_id: str
    seq: int


class _Nudge(msgspec.Struct):
    report_ids: list[str]


_event = msgspec.json.Decoder(_FirstEvent)
_nudge = msgspec.json.Decoder(_Nudge)


class Seen:
    """When each report was accepted, and when it was first seen; either may come first."""

    def __init__(self) -> None:
        self.due: dict[str, float] = {}
        self.accepted: dict[str, float] = {}
        self.seen: dict[str, float] = {}

    def accept(self, report_id: str, due: float, answered: float) -> None:
        self.due[report_id] = due
        self.accepted[report_id] = answered

    def see(self, report_id: str) -> None:
        self.seen.setdefault(report_id, time.perf_counter())

    async def all_seen(self) -> int:
        """Waits for the last ones; how many were never seen."""
        deadline = time.perf_counter() + _SEEN_SECONDS
        while time.perf_counter() < deadline and not self.accepted.keys() <= self.seen.keys():
            await asyncio.sleep(0.02)
        return len(self.accepted.keys() - self.seen.keys())

    def figures(self) -> dict[str, float]:
        met = self.accepted.keys() & self.seen.keys()
        # An event can be seen before its poster has read the 202: then nothing was waited for.
        answered = sorted(max(0.0, self.seen[r] - self.accepted[r]) for r in met)
        begun = sorted(self.seen[r] - self.due[r] for r in met)
        return {
            "count": len(met),
            **{f"from_202_p{p}": percentile(answered, p) for p in (50, 99)},
            **{f"from_start_p{p}": percentile(begun, p) for p in (50, 99)},
        }


@contextlib.asynccontextmanager
async def watching_events(bootstrap: str, seen: Seen) -> AsyncIterator[None]:
    consumer = AIOKafkaConsumer(CASE_EVENTS, bootstrap_servers=bootstrap, auto_offset_reset="latest")
    await consumer.start()
    for place in consumer.assignment():
        await consumer.position(place)

    async def watch() -> None:
        while True:
            for found in (await consumer.getmany(timeout_ms=1000)).values():
                for record in found:
                    event = _event.decode(record.value)
                    if event.seq == 1:
                        seen.see(event.command_id)

    async with _background(watch()):
        yield
    await consumer.stop()


@contextlib.asynccontextmanager
async def watching_board(job: dict[str, Any], seen: Seen) -> AsyncIterator[None]:
    """Signs in and opens the stream; a line `data:` stands in one chunk, so chunk sizes need no reading."""
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{job['board_port']}", timeout=15) as client:
        answer = await client.post(
            "/v1/session", json={"username": job["username"], "password": job["password"]}
        )
        answer.raise_for_status()
    cookie = answer.headers["set-cookie"].partition(";")[0]
    reader, writer = await asyncio.open_connection(HOST, job["board_port"])
    writer.write(f"GET /v1/stream HTTP/1.1\r\nHost: bench\r\nCookie: {cookie}\r\n\r\n".encode())
    status = await reader.readline()
    if b" 200 " not in status:
        raise RuntimeError(f"the board's stream was refused: {status.decode().strip()}")
    resyncs = 0

    async def watch() -> None:
        nonlocal resyncs
        while line := await reader.readline():
            if line.startswith(b"data: {"):
                data = line[6:]
                if b'"report_ids"' in data:
                    for report_id in _nudge.decode(data).report_ids:
                        seen.see(report_id)
            elif line.startswith(b"event: resync"):
                resyncs += 1

    async with _background(watch()):
        yield
    writer.close()
    if resyncs:
        raise RuntimeError(f"the board said resync {resyncs} times: nudges were dropped, the figure is void")


@contextlib.asynccontextmanager
async def _background(work: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
        if task.done():
            task.result()
            raise RuntimeError("the line that was watched has ended")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def run(job: dict[str, Any]) -> dict[str, Any]:
    city, _ = read_bench_city()
    wanted = bodies(city, spots=_SPOTS)
    if job["what"] == "drive":
        tally = await posts.drive(
            HOST,
            job["port"],
            wanted,
            connections=job["connections"],
            warm_up=job["warm_up"],
            seconds=job["seconds"],
        )
        latencies = sorted(tally.latencies)
        tally.latencies = [percentile(latencies, 50), percentile(latencies, 99)]
        return {**asdict(tally), "latencies": tally.latencies}
    seen = Seen()
    watching = (
        watching_events(job["bootstrap"], seen) if job["what"] == "event" else watching_board(job, seen)
    )
    async with watching:
        warm = Seen()
        if job["warm_up"]:
            count = int(job["warm_up"] * job["rate"])
            await posts.pace(HOST, job["port"], wanted, rate=job["rate"], count=count, accepted=warm.accept)
        tally = await posts.pace(
            HOST, job["port"], wanted, rate=job["rate"], count=job["count"], accepted=seen.accept
        )
        unseen = await seen.all_seen()
    return {**seen.figures(), "accepted": tally.accepted, "refused": tally.refused, "unseen": unseen}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(run(json.loads(sys.stdin.read())))))
