"""kafka-python's producer, opened and tuned for a process with an event loop.

Rules: it is opened in a thread, because that blocks; once handed out it knows its topics and never blocks.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from typing import Any, Final

from aiokafka.record.util import calc_crc32c as compiled_crc32c
from kafka import KafkaProducer
from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient
from kafka.record.util import calc_crc32c

DELIVERY_SECONDS: Final = 5.0
_REQUEST_SECONDS: Final = 3.0
_LINGER_MS: Final = 2

# ApiVersions v0, correlation 1, client "probe": every broker answers it before anything else.
_PROBE: Final = struct.pack(">ihhih5s", 15, 18, 0, 1, 5, b"probe")

# kafka-python's checksum is plain Python unless another package is installed: a third of the door's time.
# aiokafka, which Faust brings along, has the same function compiled.
calc_crc32c.__defaults__ = (compiled_crc32c,)


class _OneWakeUp(KafkaNetClient):  # type: ignore[misc]
    """The library's client, woken once for all that was handed over since its thread last looked.

    Each wake-up is a system call that gives the interpreter lock away. It may be left out while one is under
    way, because the thread drains what was handed over after the poll that the wake-up ends.
    """

    _waking = False

    def wakeup(self) -> None:
        if not self._waking:
            self._waking = True
            super().wakeup()

    def poll(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().poll(*args, **kwargs)
        finally:
            self._waking = False


def open_producer(
    bootstrap: Sequence[str], *, client_id: str, topics: Sequence[str]
) -> tuple[Any, dict[str, int]]:
    """The producer and each topic's number of partitions; KafkaError while the broker does not answer."""
    kafka = KafkaProducer(
        bootstrap_servers=list(bootstrap),
        client_id=client_id,
        acks="all",
        enable_idempotence=False,
        delivery_timeout_ms=int(DELIVERY_SECONDS * 1000),
        request_timeout_ms=int(_REQUEST_SECONDS * 1000),
        linger_ms=_LINGER_MS,
        batch_size=256 * 1024,
        max_block_ms=2000,
        bootstrap_timeout_ms=5000,
        metadata_max_age_ms=60_000,
        retry_backoff_ms=100,
        reconnect_backoff_ms=50,
        reconnect_backoff_max_ms=1000,
        allow_auto_create_topics=False,
        metrics_enabled=False,
        kafka_client=_OneWakeUp,
    )
    try:
        partitions = {topic: len(kafka.partitions_for(topic)) for topic in topics}
    except KafkaError:
        kafka.close(timeout=0)
        raise
    # From here on it is the loop that sends: a topic out of sight fails at once instead of holding it.
    kafka.config["max_block_ms"] = 0
    return kafka, partitions


async def probe(address: str) -> None:
    """Raises OSError or EOFError unless a broker answers at this address."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    try:
        writer.write(_PROBE)
        await reader.readexactly(8)
    finally:
        writer.close()
