"""The dead letters as the topic holds them: read from the oldest on, and sent again to where they came from.

Everything here blocks. A letter that the router put aside twice (its batch was replayed) is one letter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from services.adapters.codec import DEAD_LETTERS, decode
from services.domain.errors import Malformed
from services.domain.messages import DeadLetter

BOOTSTRAP_SECONDS: Final = 5.0
STILL_SECONDS: Final = 15.0
SEND_SECONDS: Final = 10.0
_POLL_MS: Final = 500
_LARGEST: Final = 2 * 1024 * 1024


class BoxAway(Exception):
    """The broker did not answer in time."""


def letters(bootstrap: str) -> Iterator[DeadLetter]:
    """Each letter once, by partition and age. Raises BoxAway."""
    seen: set[str] = set()
    try:
        for headers, value in _records(bootstrap):
            try:
                letter = decode(headers, value)
            except Malformed:
                # Not written by a router of ours: there is no place to send it back to.
                continue
            if isinstance(letter, DeadLetter) and letter.id not in seen:
                seen.add(letter.id)
                yield letter
    except (KafkaError, OSError) as error:
        raise BoxAway(_words(error)) from error


def find(bootstrap: str, letter_id: str) -> DeadLetter | None:
    return next((letter for letter in letters(bootstrap) if letter.id == letter_id), None)


def replay(bootstrap: str, letter: DeadLetter) -> str:
    """Sends the message as it first came; returns the place it has now. Raises BoxAway.

    A message that was decided meanwhile is recognised by its `command_id`: replaying twice is harmless.
    """
    producer: Any = None
    try:
        producer = KafkaProducer(
            bootstrap_servers=bootstrap.split(","),
            client_id="console-dead-letters",
            acks="all",
            enable_idempotence=False,
            bootstrap_timeout_ms=int(BOOTSTRAP_SECONDS * 1000),
            max_block_ms=int(BOOTSTRAP_SECONDS * 1000),
            delivery_timeout_ms=int(SEND_SECONDS * 1000),
            request_timeout_ms=int(SEND_SECONDS * 500),
            allow_auto_create_topics=False,
        )
        sent = producer.send(letter.topic, value=letter.value, key=letter.key, headers=list(letter.headers))
        stored = sent.get(timeout=SEND_SECONDS)
        return f"{stored.topic}-{stored.partition}-{stored.offset}"
    except (KafkaError, OSError) as error:
        raise BoxAway(_words(error)) from error
    finally:
        if producer is not None:
            producer.close(timeout=1.0)


def _records(bootstrap: str) -> Iterator[tuple[Any, bytes | None]]:
    """Headers and value of every record that is there now."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap.split(","),
        client_id="console-dead-letters",
        group_id=None,
        enable_auto_commit=False,
        bootstrap_timeout_ms=int(BOOTSTRAP_SECONDS * 1000),
        max_partition_fetch_bytes=_LARGEST,
    )
    try:
        places = [
            TopicPartition(DEAD_LETTERS, number)
            for number in sorted(consumer.partitions_for_topic(DEAD_LETTERS) or ())
        ]
        consumer.assign(places)
        ends = consumer.end_offsets(places)
        for place in places:
            consumer.assign([place])
            consumer.seek_to_beginning(place)
            silent_ms = 0
            while consumer.position(place) < ends[place]:
                records = consumer.poll(timeout_ms=_POLL_MS).get(place, ())
                silent_ms = 0 if records else silent_ms + _POLL_MS
                if silent_ms > STILL_SECONDS * 1000:
                    raise TimeoutError(f"{place.topic}-{place.partition} gives nothing")
                for record in records:
                    yield record.headers, record.value
    finally:
        consumer.close()


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
