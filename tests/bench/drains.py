"""How fast a router drains topic reports: ours, the bare limit, and the bare limit without locks, in turn."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from services.adapters import migrations
from services.adapters.codec import REPORTS
from services.adapters.faust_app import GROUP
from tests.bench.reports import read_bench_city, records
from tests.bench.stack import BenchError, cpu_seconds, log_tail, room
from tests.console_run import Console

_DRAIN_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.05


@dataclass
class Drains:
    """Reports a second by the book's changed_at, by the group's offsets, CPU µs and WAL bytes per report."""

    by_book: list[float] = field(default_factory=list)
    by_offsets: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    wal_bytes: list[float] = field(default_factory=list)

    def cost(self) -> str:
        return f"{statistics.median(self.cpu_us):.0f} µs CPU, {statistics.median(self.wal_bytes):,.0f} B WAL"


class Drainage:
    """The servers are up and no room is: each round brings its own reports and its own worker."""

    def __init__(self, stack: Console, *, count: int) -> None:
        self._stack = stack
        self._count = count
        known = stack.known()
        self._bootstrap = known["KAFKA_BOOTSTRAP"]
        self._url = known["DATABASE_URL"]
        self._secret = bytes.fromhex(known["PIONEER_SECRET"])
        self._seal_keys = known["SEAL_KEYS"]
        self._city, _ = read_bench_city()

    async def measure(self, rounds: int) -> tuple[Drains, Drains, Drains]:
        ours, bare, lockless = Drains(), Drains(), Drains()
        urls = [await self._new_database(name) for name in ("bench_bare", "bench_lockless")]
        for _ in range(rounds):
            begin = await self._ends()
            await self._produce()
            end = await self._ends()
            await self._round(self._url, GROUP, ours, begin, end, None)
            await self._round(urls[0], "bench-bare", bare, begin, end, True)
            await self._round(urls[1], "bench-lockless", lockless, begin, end, False)
        return ours, bare, lockless

    async def _new_database(self, name: str) -> str:
        server = self._url.rpartition("/")[0]
        conn = await asyncpg.connect(self._url)
        await conn.execute(f"CREATE DATABASE {name}")
        await conn.close()
        await migrations.migrate(f"{server}/{name}")
        return f"{server}/{name}"

    async def _ends(self) -> dict[int, int]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap)
        async with consumer:
            places = [TopicPartition(REPORTS, p) for p in range(8)]
            return {place.partition: end for place, end in (await consumer.end_offsets(places)).items()}

    async def _produce(self) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap, acks="all", linger_ms=5, max_batch_size=256 * 1024
        )
        async with producer:
            sent = [
                await producer.send(REPORTS, key=key, value=value, headers=headers)
                for key, value, headers in records(
                    self._city, secret=self._secret, seal_keys=self._seal_keys, count=self._count
                )
            ]
            await asyncio.gather(*sent)

    async def _round(
        self,
        url: str,
        group: str,
        into: Drains,
        begin: dict[int, int],
        end: dict[int, int],
        locks: bool | None,
    ) -> None:
        module, job = "services.router", None
        if locks is not None:
            module = "tests.bench.bare_router"
            job = {
                "bootstrap": self._bootstrap,
                "database_url": url,
                "group": group,
                "seal_keys": self._seal_keys,
                "locks": locks,
                "from": begin,
                "until": end,
            }
        conn = await asyncpg.connect(url)
        # aiokafka reads a group's offsets without joining it.
        reader = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, group_id=group, enable_auto_commit=False)
        async with reader:
            reader.assign([TopicPartition(REPORTS, p) for p in begin])
            before = await conn.fetchval("SELECT clock_timestamp()")
            known = await conn.fetchval("SELECT count(*) FROM reports")
            wal = await conn.fetchval("SELECT pg_current_wal_insert_lsn()::text")
            async with room(self._stack, module, job=job) as process:
                samples = await self._follow(process, reader, begin, end, module)
            into.wal_bytes.append(await self._wal_since(conn, wal) / self._count)
            into.by_book.append(await self._book_rate(conn, before))
            came = await conn.fetchval("SELECT count(*) FROM reports") - known
            if came != self._count:
                raise BenchError(f"{came} reports came into the book, {self._count} were sent")
        await conn.close()
        self._take(samples, into)

    async def _follow(
        self, process: Any, reader: Any, begin: dict[int, int], end: dict[int, int], module: str
    ) -> list[tuple[float, int, float]]:
        """(time, reports committed, CPU seconds) while the worker works."""
        samples: list[tuple[float, int, float]] = []
        deadline = time.monotonic() + _DRAIN_SECONDS
        while time.monotonic() < deadline:
            offsets = [
                await reader.committed(TopicPartition(REPORTS, partition)) or first
                for partition, first in begin.items()
            ]
            done = sum(max(0, at - first) for at, first in zip(offsets, begin.values(), strict=True))
            gone = process.returncode is not None
            samples.append((time.perf_counter(), done, samples[-1][2] if gone else cpu_seconds(process.pid)))
            if done >= self._count:
                return samples
            if gone:
                break
            await asyncio.sleep(_LOOK_SECONDS)
        tail = log_tail(self._stack.folder, module)
        raise BenchError(f"{module} committed {samples[-1][1]} of {self._count} reports; it said: {tail}")

    def _take(self, samples: list[tuple[float, int, float]], into: Drains) -> None:
        first = next(sample for sample in samples if sample[1])
        last = samples[-1]
        if last[1] == first[1]:
            raise BenchError("the drain was over between two looks: take more reports")
        into.by_offsets.append((last[1] - first[1]) / (last[0] - first[0]))
        into.cpu_us.append(1e6 * (last[2] - first[2]) / (last[1] - first[1]))

    async def _book_rate(self, conn: Any, since: datetime) -> float:
        """From the first batch of the round to its last; the first one's own time, start-up, is not in it."""
        batches = await conn.fetch(
            "SELECT changed_at, count(*) AS n FROM cases WHERE changed_at >= $1 GROUP BY 1 ORDER BY 1", since
        )
        # A few reports join a case that stands there already.
        cases = sum(batch["n"] for batch in batches)
        seconds = (batches[-1]["changed_at"] - batches[0]["changed_at"]).total_seconds()
        return float((cases - batches[0]["n"]) / seconds)

    async def _wal_since(self, conn: Any, lsn: str) -> float:
        return float(await conn.fetchval("SELECT pg_current_wal_insert_lsn() - $1::text::pg_lsn", lsn))
