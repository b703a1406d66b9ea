"""The bare limit of the router: aiokafka and asyncpg, the same rows by the same COPY, and no thought at all.

No Faust, no decoding, no unsealing, no decision: a few cases are decided once, at the start, and every
report gets the rows of one of them under its own ids. `locks` adds the statements of decision 2.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.partitioner import murmur2

from services.adapters import codec, rows
from services.adapters.book import _SESSION, SQL
from services.adapters.duplicate_rows import SIGHTINGS
from tests.bench.templates import Template, templates

BATCH: Final = 500
_PARTITIONS: Final = 8


class BareRouter:
    def __init__(self, job: dict[str, Any], conn: Any, consumer: Any, producer: Any) -> None:
        self._locks: bool = job["locks"]
        self._conn = conn
        self._consumer = consumer
        self._producer = producer
        self._until = {TopicPartition(codec.REPORTS, int(p)): int(n) for p, n in job["until"].items()}
        self._templates: list[Template] = templates(job["seal_keys"])

    async def drain(self) -> None:
        done = dict.fromkeys(self._until, 0)
        while any(done[place] < end for place, end in self._until.items()):
            found = await self._consumer.getmany(timeout_ms=20, max_records=BATCH)
            if not found:
                continue
            offsets = {place: records[-1].offset + 1 for place, records in found.items()}
            keys = [record.key.decode() for records in found.values() for record in records]
            case_ids = await self._write(keys, offsets)
            await self._publish(keys, case_ids)
            await self._consumer.commit(offsets)
            done |= offsets

    async def _write(self, keys: list[str], offsets: dict[Any, int]) -> list[str]:
        conn = self._conn
        now = datetime.now(UTC)
        ms = f"{time.time_ns() // 1_000_000:012x}"
        case_ids = [f"{ms[:8]}-{ms[8:]}-7{key[15:]}" for key in keys]
        chosen = [self._templates[i % len(self._templates)] for i in range(len(keys))]
        named = list(zip(chosen, keys, case_ids, strict=True))
        places = sorted((place.topic, place.partition, offset) for place, offset in offsets.items())
        topics, numbers, nexts = (list(column) for column in zip(*places, strict=True))
        async with conn.transaction():
            if self._locks:
                if len(await conn.fetch(SQL["lock_progress"], topics, numbers)) < len(topics):
                    await conn.execute(SQL["ensure_progress"], topics, numbers)
                    await conn.fetch(SQL["lock_progress"], topics, numbers)
                await conn.fetch(SQL["outcomes"], keys)
            await self._copy("outcomes", rows.OUTCOMES, [t.outcome_row(k, c) for t, k, c in named])
            await self._copy("cases", rows.CASES, [t.case_row(k, c, now) for t, k, c in named])
            await self._copy("events", rows.EVENTS, [r for t, k, c in named for r in t.event_rows(k, c)])
            await self._copy(
                "deadlines", rows.DEADLINES, [r for t, _, c in named for r in t.deadline_rows(c)]
            )
            await self._copy("reports", rows.REPORTS, [t.report_row(k, c) for t, k, c in named])
            contents = [t.content_row(k) for t, k, _ in named]
            await self._copy("report_contents", rows.REPORT_CONTENTS, contents, schema="private")
            sightings = [t.sighting_row(k, c) for t, k, c in named]
            await self._copy("sightings", SIGHTINGS, sightings, schema="private")
            if self._locks:
                await conn.execute(SQL["raise_progress"], topics, numbers, nexts)
        return case_ids

    async def _copy(self, table: str, names: Any, records: Any, *, schema: str = "public") -> None:
        await self._conn.copy_records_to_table(table, schema_name=schema, columns=names, records=records)

    async def _publish(self, keys: list[str], case_ids: list[str]) -> None:
        queues: dict[tuple[str, int], list[codec.Record]] = defaultdict(list)
        for i, (key, case_id) in enumerate(zip(keys, case_ids, strict=True)):
            record_key = case_id.encode()
            partition = (murmur2(record_key) & 0x7FFFFFFF) % _PARTITIONS
            template = self._templates[i % len(self._templates)]
            for topic, value, headers in template.records(key, case_id):
                queues[topic, partition].append((record_key, value, headers))
        acknowledged = []
        for (topic, partition), queue in queues.items():
            batch = self._producer.create_batch()
            for key_bytes, value, headers in queue:
                if batch.append(timestamp=None, key=key_bytes, value=value, headers=headers) is None:
                    acknowledged.append(await self._producer.send_batch(batch, topic, partition=partition))
                    batch = self._producer.create_batch()
                    batch.append(timestamp=None, key=key_bytes, value=value, headers=headers)
            acknowledged.append(await self._producer.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*acknowledged)


async def main(job: dict[str, Any]) -> None:
    """Drain what lies between the given offsets of topic reports, then end."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=job["bootstrap"],
        group_id=job["group"],
        enable_auto_commit=False,
        fetch_max_wait_ms=100,
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=job["bootstrap"],
        acks="all",
        enable_idempotence=True,
        max_batch_size=512 * 1024,
        max_request_size=2 * 1024 * 1024,
    )
    conn = await asyncpg.connect(job["database_url"], server_settings=_SESSION, command_timeout=15)
    async with consumer, producer:
        consumer.assign([TopicPartition(codec.REPORTS, int(p)) for p in job["from"]])
        for partition, offset in job["from"].items():
            consumer.seek(TopicPartition(codec.REPORTS, int(partition)), int(offset))
        await BareRouter(job, conn, consumer, producer).drain()
    await conn.close()


if __name__ == "__main__":
    uvloop.run(main(json.loads(sys.stdin.read())))
