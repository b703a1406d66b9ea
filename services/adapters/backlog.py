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
_READING_SECONDS: Final = 3.0

Place = tuple[str, int]
"""Topic and partition."""


@dataclass(frozen=True, slots=True)
class Backlog:
    committed: dict[Place, int]
    lag: dict[Place, int]


class BacklogReader:
    """Keeps its connection between looks; a failing look raises KafkaError or OSError and starts afresh."""

    def __init__(self, bootstrap: str, group: str, topics: Sequence[str]) -> None:
        self._bootstrap = bootstrap
        self._group = group
        self._topics = topics
        self._stack: contextlib.ExitStack | None = None
        self._admin: Any = None
        # When the message at a place was written: it is the same for as long as nothing is committed there.
        self._written: dict[tuple[Place, int], float] = {}

    def look(self) -> Backlog:
        try:
            if self._stack is None:
                self._stack = contextlib.ExitStack()
                self._admin = self._stack.enter_context(
                    kafka_admin.open_admin(self._bootstrap, seconds=_SECONDS)
                )
            committed: dict[Place, int] = {}
            lag: dict[Place, int] = {}
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

    def oldest_unread(self, backlog: Backlog) -> dict[str, float | None]:
        """Topic → broker time (Unix seconds) of its oldest message that is not committed.

        A topic where nothing waits is absent; None where messages wait and none could be read in time.
        """
        wanted = [(place, backlog.committed[place]) for place, count in backlog.lag.items() if count]
        self._written = {one: at for one, at in self._written.items() if one in wanted}
        unread = [one for one in wanted if one not in self._written]
        if unread:
            self._read(unread)
        oldest: dict[str, float | None] = {}
        for (topic, partition), offset in wanted:
            known = [oldest.get(topic), self._written.get(((topic, partition), offset))]
            oldest[topic] = min((at for at in known if at is not None), default=None)
        return oldest

    def _read(self, wanted: Sequence[tuple[Place, int]]) -> None:
        """A fresh consumer may need several polls until its first message; all of them end in time."""
        ends_at = time.monotonic() + _READING_SECONDS
        consumer = KafkaConsumer(
            bootstrap_servers=self._bootstrap.split(","), enable_auto_commit=False, max_poll_records=1
        )
        try:
            waiting = {TopicPartition(*place): offset for place, offset in wanted}
            consumer.assign(list(waiting))
            for partition, offset in waiting.items():
                consumer.seek(partition, offset)
            while waiting and (left := ends_at - time.monotonic()) > 0:
                for partition, records in consumer.poll(timeout_ms=int(left * 1000)).items():
                    consumer.pause(partition)
                    place = partition.topic, partition.partition
                    self._written[place, waiting.pop(partition)] = records[0].timestamp / 1000
        finally:
            consumer.close()

    def close(self) -> None:
        if self._stack is not None:
            with contextlib.suppress(KafkaError, OSError):
                self._stack.close()
            self._stack = None
