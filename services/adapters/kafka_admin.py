"""Kafka's administration: topics made from schemas/topics/*.toml, and offsets read for the metrics.

Rules: the topic file is the contract, so making topics twice changes nothing and a setting that differs is
put right; partitions are never changed, keys would move. Everything here blocks: call it in a thread.
"""

from __future__ import annotations

import contextlib
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, OffsetSpec
from kafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    KafkaError,
    NotCoordinatorError,
    TopicAlreadyExistsError,
)

from services.adapters.settings import PROJECT

FOLDER: Final = PROJECT / "schemas" / "topics"
BrokerError = KafkaError
"""What the client raises when a broker is away or says no."""

_MILLISECONDS: Final = 10_000
_COORDINATOR_PAUSE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Topic:
    name: str
    key: str
    partitions: int
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    config: dict[str, str]


class TopicFileError(ValueError):
    """A topic file is missing a field. The text names file and field."""


def read_topics(folder: Path = FOLDER) -> list[Topic]:
    return [_read_topic(path) for path in sorted(folder.glob("*.toml"))]


def _read_topic(path: Path) -> Topic:
    try:
        fields = tomllib.loads(path.read_text("utf-8"))
        topic = Topic(
            name=fields["name"],
            key=fields["key"],
            partitions=fields["partitions"],
            producers=tuple(fields["producers"]),
            consumers=tuple(fields["consumers"]),
            config={name: str(value) for name, value in fields["config"].items()},
        )
    except tomllib.TOMLDecodeError as problem:
        raise TopicFileError(f"{path.name}: {problem}") from problem
    except KeyError as missing:
        raise TopicFileError(f"{path.name}: the field {missing.args[0]} is missing") from missing
    if topic.name != path.stem:
        raise TopicFileError(f"{path.name}: name is {topic.name!r}, but the file is called {path.stem!r}")
    return topic


@contextlib.contextmanager
def open_admin(bootstrap: str, *, seconds: float = 10.0) -> Iterator[KafkaAdminClient]:
    admin = KafkaAdminClient(
        bootstrap_servers=bootstrap.split(","),
        client_id="pioneer-admin",
        request_timeout_ms=_MILLISECONDS,
        bootstrap_timeout_ms=int(seconds * 1000),
        # After a refused connection the client would wait up to 30 s; a broker here is back within seconds.
        reconnect_backoff_max_ms=500,
    )
    try:
        yield admin
    finally:
        admin.close()


def create_topics(
    bootstrap: str, topics: Sequence[Topic] | None = None, *, replication: int = 1
) -> list[str]:
    """Make the topics that are missing and put differing settings right. Returns the names made now."""
    wanted = {topic.name: topic for topic in (read_topics() if topics is None else topics)}
    with open_admin(bootstrap) as admin:
        existing = set(admin.list_topics())
        made = [name for name in wanted if name not in existing]
        if made:
            # Another starter may be quicker between the look and the call: that is as good as made.
            with contextlib.suppress(TopicAlreadyExistsError):
                admin.create_topics(
                    {name: _order(wanted[name], replication) for name in made}, timeout_ms=_MILLISECONDS
                )
            admin.wait_for_topics(list(wanted), timeout_ms=_MILLISECONDS)
        for name in wanted.keys() - set(made):
            _align(admin, wanted[name], replication)
    return made


def _order(topic: Topic, replication: int) -> dict[str, Any]:
    return {
        "num_partitions": topic.partitions,
        "replication_factor": replication,
        "configs": _config(topic, replication),
    }


def _config(topic: Topic, replication: int) -> dict[str, str]:
    # acks=all means "on two brokers" only when the topic says so.
    return {**topic.config, "min.insync.replicas": "2" if replication >= 3 else "1"}


def _align(admin: KafkaAdminClient, topic: Topic, replication: int) -> None:
    wanted = _config(topic, replication)
    place = ConfigResource(ConfigResourceType.TOPIC, topic.name)
    answer = admin.describe_configs([place], config_filter="all")
    present = {name: str(entry["value"]) for name, entry in answer["topic"][topic.name].items()}
    differing = {name: value for name, value in wanted.items() if present.get(name) != value}
    if differing:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name, configs=differing)])


def answers(bootstrap: str) -> bool:
    """One metadata question: True when a broker of this cluster serves clients."""
    try:
        with open_admin(bootstrap, seconds=2.0) as admin:
            return bool(admin.describe_cluster()["brokers"])
    except (KafkaError, OSError):
        return False


def partitions_of(admin: KafkaAdminClient, topic: str) -> list[int]:
    (answer,) = admin.describe_topics([topic])
    return sorted(partition["partition_index"] for partition in answer["partitions"])


def committed_offsets(admin: KafkaAdminClient, group: str, topic: str) -> dict[int, int]:
    """Partition → next offset that the group would read; a partition without a commit is absent."""
    wanted = [TopicPartition(topic, partition) for partition in partitions_of(admin, topic)]
    answer = _when_coordinated(lambda: admin.list_group_offsets({group: wanted}))[group]
    return {place.partition: stored.offset for place, stored in answer.items() if stored.offset >= 0}


def wait_for_group(bootstrap: str, group: str) -> None:
    """Return when the broker coordinates this group: first it makes, or reads, its own topic for that."""
    with open_admin(bootstrap) as admin:
        _when_coordinated(lambda: admin.list_group_offsets([group]))


def _when_coordinated(ask: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + _MILLISECONDS / 1000
    while True:
        try:
            return ask()
        except (CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError):
            if time.monotonic() > deadline:
                raise
            time.sleep(_COORDINATOR_PAUSE)


def end_offsets(admin: KafkaAdminClient, topic: str) -> dict[int, int]:
    """Partition → offset that the next message will get."""
    return _offsets(admin, topic, OffsetSpec.LATEST)


def first_offsets(admin: KafkaAdminClient, topic: str) -> dict[int, int]:
    """Partition → oldest offset that retention has left."""
    return _offsets(admin, topic, OffsetSpec.EARLIEST)


def _offsets(admin: KafkaAdminClient, topic: str, spec: OffsetSpec) -> dict[int, int]:
    wanted = {TopicPartition(topic, partition): spec for partition in partitions_of(admin, topic)}
    return {place.partition: found.offset for place, found in admin.list_partition_offsets(wanted).items()}
