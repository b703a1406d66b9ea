"""How far the router is behind: lag per partition, and the age of the oldest message not yet read.

Everything here blocks: call it in a thread.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from services.adapters import kafka_admin

_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Backlog:
    committed: dict[tuple[str, int], int]
    lag: dict[tuple[str, int], int]


class BacklogReader:
    """Keeps its connection between looks; a failing look raises KafkaError or OSError and starts afresh."""

    def __init__(self, bootstrap: str, group: str, topics: Sequence[str]) -> None:
        self._bootstrap = bootstrap
        self._group = group
        self._topics = topics
        self._stack: contextlib.ExitStack | None = None
        self._admin: Any = None

    def look(self) -> Backlog:
        try:
            if self._stack is None:
                self._stack = contextlib.ExitStack()
                self._admin = self._stack.enter_context(
                    kafka_admin.open_admin(self._bootstrap, seconds=_SECONDS)
                )
            committed: dict[tuple[str, int], int] = {}
            lag: dict[tuple[str, int], int] = {}
            for topic in self._topics:
                read = kafka_admin.committed_offsets(self._admin, self._group, topic)
                first = kafka_admin.first_offsets(self._admin, topic)
                for partition, end in kafka_admin.end_offsets(self._admin, topic).items():
                    at = max(read.get(partition, 0), first[partition])
                    committed[topic, partition] = at
                    lag[topic, partition] = max(0, end - at)
            return Backlog(committed, lag)
        except (KafkaError, OSError):
            self.close()
            raise

    def oldest_unread(self, backlog: Backlog) -> dict[str, float]:
        """Topic → broker time (Unix seconds) of its oldest message that is not committed."""
        behind = [TopicPartition(*place) for place, count in backlog.lag.items() if count]
        oldest: dict[str, float] = {}
        if not behind:
            return oldest
        consumer = KafkaConsumer(
            bootstrap_servers=self._bootstrap.split(","), enable_auto_commit=False, max_poll_records=1
        )
        try:
            for place in behind:
                consumer.assign([place])
                consumer.seek(place, backlog.committed[place.topic, place.partition])
                for records in consumer.poll(timeout_ms=1000).values():
                    at = records[0].timestamp / 1000
                    oldest[place.topic] = min(oldest.get(place.topic, at), at)
        finally:
            consumer.close()
        return oldest

    def close(self) -> None:
        if self._stack is not None:
            with contextlib.suppress(KafkaError, OSError):
                self._stack.close()
            self._stack = None


def age(at: float) -> float:
    return max(0.0, time.time() - at)
