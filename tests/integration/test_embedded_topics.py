"""Topics from their files, and offsets as the metrics read them, on the real broker."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.structs import OffsetAndMetadata

from services.adapters import kafka_admin
from services.adapters.backlog import BacklogReader
from services.adapters.kafka_admin import Topic, TopicFileError

GROUP = "topics-test"


def topic(name: str, **config: str) -> Topic:
    return Topic(name, "key", 2, ("a",), ("b",), {"retention.ms": "60000", **config})


def test_every_topic_of_the_contract_is_there_as_its_file_says(broker: str) -> None:
    wanted = {one.name: one for one in kafka_admin.read_topics()}
    assert set(wanted) == {"reports", "case-commands", "case-events", "command-outcomes", "dead-letters"}
    with kafka_admin.open_admin(broker) as admin:
        for name, one in wanted.items():
            assert len(kafka_admin.partitions_of(admin, name)) == one.partitions == 8
            assert settings_of(admin, name).items() >= {**one.config, "min.insync.replicas": "1"}.items()
            assert one.config["message.timestamp.type"] == "LogAppendTime"
            assert "compact" not in one.config["cleanup.policy"]


def test_making_twice_changes_nothing_and_a_setting_that_differs_is_put_right(broker: str) -> None:
    assert kafka_admin.create_topics(broker, [topic("twice")]) == ["twice"]
    assert kafka_admin.create_topics(broker, [topic("twice")]) == []
    assert kafka_admin.create_topics(broker, [topic("twice", **{"segment.ms": "30000"})]) == []
    with kafka_admin.open_admin(broker) as admin:
        # the controller has said yes; the broker reads of it a moment later
        deadline = time.monotonic() + 10
        while settings_of(admin, "twice")["segment.ms"] != "30000":
            assert time.monotonic() < deadline, "the setting was not put right"
            time.sleep(0.05)
        assert settings_of(admin, "twice")["retention.ms"] == "60000"


def test_the_broker_makes_no_topic_by_itself(broker: str) -> None:
    producer = KafkaProducer(bootstrap_servers=broker, max_block_ms=1500, enable_idempotence=False)
    try:
        with pytest.raises(kafka_admin.BrokerError):
            producer.send("misspelt", b"x").get(timeout=3)
    finally:
        producer.close(timeout=2)
    with kafka_admin.open_admin(broker) as admin:
        assert "misspelt" not in admin.list_topics()


def test_offsets_and_lag(broker: str) -> None:
    kafka_admin.create_topics(broker, [topic("counted")])
    producer = KafkaProducer(bootstrap_servers=broker, acks="all", enable_idempotence=False)
    for number in range(5):
        producer.send("counted", str(number).encode(), partition=0).get(timeout=10)
    producer.close(timeout=5)
    with kafka_admin.open_admin(broker) as admin:
        assert kafka_admin.end_offsets(admin, "counted") == {0: 5, 1: 0}
        assert kafka_admin.first_offsets(admin, "counted") == {0: 0, 1: 0}
        assert kafka_admin.committed_offsets(admin, GROUP, "counted") == {}
    assert lag_now(broker) == {("counted", 0): 5, ("counted", 1): 0}
    consumer = KafkaConsumer(bootstrap_servers=broker, group_id=GROUP, enable_auto_commit=False)
    place = TopicPartition("counted", 0)
    consumer.assign([place])
    consumer.commit({place: OffsetAndMetadata(3, "", -1)})
    consumer.close()
    with kafka_admin.open_admin(broker) as admin:
        assert kafka_admin.committed_offsets(admin, GROUP, "counted") == {0: 3}
    assert lag_now(broker) == {("counted", 0): 2, ("counted", 1): 0}


def test_a_topic_file_without_a_field_is_named(tmp_path: Path) -> None:
    (tmp_path / "reports.toml").write_text('name = "reports"\nkey = "k"\n', "utf-8")
    with pytest.raises(TopicFileError, match=r"reports.toml: the field partitions is missing"):
        kafka_admin.read_topics(tmp_path)


def lag_now(broker: str) -> dict[tuple[str, int], int]:
    """As the router exports it."""
    reader = BacklogReader(broker, GROUP, ("counted",))
    try:
        return reader.look().lag
    finally:
        reader.close()


def settings_of(admin: KafkaAdminClient, name: str) -> dict[str, str]:
    place = ConfigResource(ConfigResourceType.TOPIC, name)
    answer = admin.describe_configs([place], config_filter="all")["topic"][name]
    return {key: str(entry["value"]) for key, entry in answer.items()}
