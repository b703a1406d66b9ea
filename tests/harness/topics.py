"""Topics as anybody may read them: every record from the first to the last, and records put on by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

_SECONDS = 60.0
# A broker that is away is away: whoever asks decides when to ask again.
_CLIENT = {"bootstrap_timeout_ms": 4_000, "request_timeout_ms": 8_000, "reconnect_backoff_max_ms": 500}


@dataclass(frozen=True, slots=True)
class Record:
    """`at` is the broker's time in seconds; `headers` keep the last of equal names."""

    topic: str
    partition: int
    offset: int
    at: float
    key: bytes | None
    headers: dict[str, bytes]
    value: bytes | None

    @property
    def name(self) -> str:
        return f"{self.topic}-{self.partition}-{self.offset}"

    def body(self) -> dict[str, Any] | None:
        """The value as a JSON object, or None."""
        try:
            found = json.loads(self.value or b"")
        except ValueError:
            return None
        return found if isinstance(found, dict) else None


def read(bootstrap: str, *topics: str) -> list[Record]:
    """Every record of the topics that is there now, in order of partition and offset."""
    consumer = _consumer(bootstrap)
    try:
        places = _places(consumer, topics)
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        ends = consumer.end_offsets(places)
        found: list[Record] = []
        empty_polls = 0
        while any(consumer.position(place) < ends[place] for place in places):
            batches = consumer.poll(timeout_ms=500)
            empty_polls = 0 if batches else empty_polls + 1
            assert empty_polls < _SECONDS * 2, f"the broker gives no more of {topics}"
            found.extend(
                _record(record)
                for place, records in batches.items()
                for record in records
                if record.offset < ends[place]
            )
    finally:
        consumer.close()
    return sorted(found, key=lambda record: (record.topic, record.partition, record.offset))


def _record(record: Any) -> Record:
    return Record(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        at=record.timestamp / 1000,
        key=record.key,
        headers=dict(record.headers),
        value=record.value,
    )


def ends(bootstrap: str, *topics: str) -> dict[tuple[str, int], int]:
    """(topic, partition) → the offset that the next record gets."""
    consumer = _consumer(bootstrap)
    try:
        found = consumer.end_offsets(_places(consumer, topics))
        return {(place.topic, place.partition): end for place, end in found.items()}
    finally:
        consumer.close()


def committed(bootstrap: str, group: str, *topics: str) -> dict[tuple[str, int], int]:
    """(topic, partition) → the offset up to which the group has acknowledged."""
    consumer = _consumer(bootstrap, group)
    try:
        places = _places(consumer, topics)
        return {(place.topic, place.partition): consumer.committed(place) or 0 for place in places}
    finally:
        consumer.close()


def unread(bootstrap: str, group: str, *topics: str) -> int:
    """How many records of the topics the group has not yet acknowledged."""
    there = ends(bootstrap, *topics)
    read = committed(bootstrap, group, *topics)
    return sum(max(0, end - read[place]) for place, end in there.items())


def _consumer(bootstrap: str, group: str | None = None) -> Any:
    return KafkaConsumer(
        bootstrap_servers=bootstrap.split(","),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_records=5_000,
        **_CLIENT,
    )


def _places(consumer: Any, topics: Sequence[str]) -> list[Any]:
    places = []
    for topic in topics:
        numbers = consumer.partitions_for_topic(topic)
        assert numbers, f"there is no topic {topic}"
        places += [TopicPartition(topic, number) for number in sorted(numbers)]
    return places


Sent = tuple[str, bytes | None, Sequence[tuple[str, bytes]], bytes | None]
"""topic, key, headers, value"""


def write(bootstrap: str, records: Iterable[Sent]) -> None:
    """Returns when the broker has all of them."""
    producer = KafkaProducer(
        bootstrap_servers=bootstrap.split(","), acks="all", enable_idempotence=False, linger_ms=5
    )
    try:
        waiting = [
            producer.send(topic, value=value, key=key, headers=list(headers))
            for topic, key, headers, value in records
        ]
        for one in waiting:
            one.get(timeout=20)
    finally:
        producer.close(timeout=10)
