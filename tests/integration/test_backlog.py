"""How far behind the router is, read from the real broker, and what the watchdog exports of it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from services.adapters import kafka_admin, metrics
from services.adapters.backlog import Backlog, BacklogReader
from services.adapters.kafka_admin import Topic
from services.router.watchdog import Ages

GROUP = "backlog-test"
HOUR_AGO = int(time.time()) - 3600


@pytest.fixture(scope="module")
def topic(broker: str) -> str:
    """In partition 0 three messages: of an hour ago, a minute and two later; in 1 one of half an hour ago."""
    kafka_admin.create_topics(broker, [Topic("behind", "key", 2, ("a",), ("b",), {"retention.ms": "-1"})])
    producer = KafkaProducer(bootstrap_servers=broker, acks="all", enable_idempotence=False)
    for partition, at in ((0, HOUR_AGO), (0, HOUR_AGO + 60), (0, HOUR_AGO + 120), (1, HOUR_AGO + 1800)):
        producer.send("behind", b"x", partition=partition, timestamp_ms=at * 1000).get(timeout=10)
    producer.close(timeout=5)
    return "behind"


@pytest.fixture
def reader(broker: str, topic: str) -> Iterator[BacklogReader]:
    reader = BacklogReader(broker, GROUP, [topic])
    yield reader
    reader.close()


def commit(broker: str, topic: str, offsets: dict[int, int]) -> None:
    consumer = KafkaConsumer(bootstrap_servers=broker, group_id=GROUP, enable_auto_commit=False)
    places = {TopicPartition(topic, partition): offset for partition, offset in offsets.items()}
    consumer.assign(list(places))
    consumer.commit({place: OffsetAndMetadata(offset, "", -1) for place, offset in places.items()})
    consumer.close()


def test_lag_and_the_time_of_the_oldest_unread_follow_what_is_committed(
    broker: str, topic: str, reader: BacklogReader
) -> None:
    untouched = reader.look()
    assert untouched == Backlog(
        committed={("behind", 0): 0, ("behind", 1): 0}, lag={("behind", 0): 3, ("behind", 1): 1}
    )
    assert reader.oldest_unread(untouched) == {"behind": HOUR_AGO}

    commit(broker, topic, {0: 2})
    begun = reader.look()
    assert begun == Backlog(
        committed={("behind", 0): 2, ("behind", 1): 0}, lag={("behind", 0): 1, ("behind", 1): 1}
    )
    assert reader.oldest_unread(begun) == {"behind": HOUR_AGO + 120}

    commit(broker, topic, {0: 3})
    assert reader.oldest_unread(reader.look()) == {"behind": HOUR_AGO + 1800}

    commit(broker, topic, {1: 1})
    done = reader.look()
    assert done.lag == {("behind", 0): 0, ("behind", 1): 0}
    assert reader.oldest_unread(done) == {}


def test_a_message_that_does_not_come_is_not_known_and_one_that_came_is_not_read_again(
    broker: str, topic: str, reader: BacklogReader
) -> None:
    # nothing stands at offset 3 yet: to the reader it is a message that the broker does not hand over
    waiting = Backlog(
        committed={("behind", 0): 3, ("behind", 1): 0}, lag={("behind", 0): 1, ("behind", 1): 0}
    )
    assert reader.oldest_unread(waiting) == {"behind": None}
    both = Backlog(committed={("behind", 0): 3, ("behind", 1): 0}, lag={("behind", 0): 1, ("behind", 1): 1})
    assert reader.oldest_unread(both) == {"behind": HOUR_AGO + 1800}, "the one does not hold up the other"
    other = Backlog(committed={("behind", 0): 0, ("behind", 1): 0}, lag={("behind", 0): 1, ("behind", 1): 0})
    assert reader.oldest_unread(other) == {"behind": HOUR_AGO}
    reader._bootstrap = "127.0.0.1:9"
    assert reader.oldest_unread(other) == {"behind": HOUR_AGO}, "no connection is made for what is known"


def test_a_broker_that_is_away_is_an_error_and_the_next_look_starts_afresh(
    broker: str, topic: str, reader: BacklogReader
) -> None:
    reader.look()
    there, reader._bootstrap = reader._bootstrap, "127.0.0.1:9"
    reader.close()
    with pytest.raises((kafka_admin.BrokerError, OSError)):
        reader.look()
    reader._bootstrap = there
    assert set(reader.look().committed) == {("behind", 0), ("behind", 1)}


# What the watchdog makes of it.


def exported(topic: str) -> float:
    (metric,) = metrics.oldest_unread_seconds.collect()
    (value,) = (sample.value for sample in metric.samples if sample.labels == {"topic": topic})
    return value


def test_an_age_that_is_not_known_is_never_exported_as_none_at_all() -> None:
    ages = Ages()
    behind, nothing = {("a", 0): 5, ("b", 0): 0}, {("a", 0): 0, ("b", 0): 0}
    ages.tell(Backlog({}, behind), {"a": None}, now=1000.0)
    assert (math.isnan(exported("a")), exported("b")) == (True, 0)
    ages.tell(Backlog({}, behind), {"a": 900.0}, now=1000.0)
    assert exported("a") == 100
    ages.tell(Backlog({}, behind), {"a": None}, now=1010.0)
    assert exported("a") == 100, "the last that was known"
    ages.tell(Backlog({}, nothing), {}, now=1020.0)
    assert exported("a") == 0
    ages.tell(Backlog({}, behind), {"a": None}, now=1030.0)
    assert math.isnan(exported("a")), "the 0 was of the time when nothing waited"
    # stamped by the broker's clock, which may run ahead of this one
    ages.tell(Backlog({}, behind), {"a": 1041.0}, now=1040.0)
    assert exported("a") == 0
