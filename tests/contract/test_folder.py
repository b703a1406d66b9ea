"""The contract files agree with each other and with the codec: no orphan, no drift, no unknown room."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import jsonschema_rs
import pytest
import yaml

from services.adapters import codec, kafka_admin
from tests.contract import build, folder
from tests.contract.folder import SCHEMAS, TopicFile

TOPICS = folder.topics()
REMAKE = "run `.venv/bin/python -m tests.contract.build`"


def test_every_message_is_on_exactly_one_topic_and_has_a_schema_and_an_example() -> None:
    named = [message for topic in TOPICS for message in topic.messages]
    assert sorted(named) == folder.messages()
    assert max(Counter(named).values()) == 1
    assert {example.message for example in folder.examples()} == set(named)
    assert {path.parent.name for path in folder.example_files()} == set(named)
    assert {path.suffix for path in folder.example_files()} == {".json"}


def test_messages_and_topics_are_those_of_the_codec() -> None:
    assert {f"pioneer.{message}" for message in folder.messages()} == set(codec._VERSIONS)
    assert {topic.name for topic in TOPICS} == {
        codec.REPORTS,
        codec.CASE_COMMANDS,
        codec.CASE_EVENTS,
        codec.COMMAND_OUTCOMES,
        codec.DEAD_LETTERS,
    }


def test_the_topics_that_are_made_are_those_of_the_contract() -> None:
    def facts(topic: Any) -> tuple[Any, ...]:
        return topic.name, topic.key, topic.partitions, topic.producers, topic.consumers

    made = kafka_admin.read_topics()
    assert [facts(topic) for topic in made] == [facts(topic) for topic in TOPICS]
    for topic, file in zip(made, TOPICS, strict=True):
        assert topic.config == {name: str(value) for name, value in file.config.items()}


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_a_topic_names_rooms_that_exist_and_a_key_that_its_messages_have(topic: TopicFile) -> None:
    assert topic.producers
    assert topic.consumers
    assert set(topic.producers + topic.consumers) <= folder.ROOMS
    for message in topic.messages:
        assert topic.key in folder.schema_of(message)["required"]


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_what_is_kept_is_as_decided(topic: TopicFile) -> None:
    """Personal data 14 days, events a year, outcomes a day; never compacted; the broker's own time."""
    days = {"case-events": 365, "command-outcomes": 1}.get(topic.name, 14)
    assert topic.config["retention.ms"] == days * 86_400_000
    assert topic.config["segment.ms"] <= topic.config["retention.ms"]
    assert topic.config["cleanup.policy"] == "delete"
    assert topic.config["message.timestamp.type"] == "LogAppendTime"


def test_a_dead_letter_has_room_for_the_largest_message() -> None:
    """It carries headers and value in base64: four bytes for three."""
    sizes = {topic.name: topic.config["max.message.bytes"] for topic in TOPICS}
    largest = max(sizes["reports"], sizes["case-commands"])
    assert sizes["dead-letters"] > largest * 4 / 3 + 65_536


def test_every_schema_is_one_and_every_field_says_what_it_is() -> None:
    for path in (SCHEMAS / "headers.schema.json", *sorted((SCHEMAS / "messages").iterdir())):
        schema = json.loads(path.read_text("utf-8"))
        jsonschema_rs.meta.validate(schema)
        silent = [at for at, node in _fields(schema, path.name) if not _described(node, schema)]
        assert silent == []


def _fields(node: Any, at: str) -> list[tuple[str, dict[str, Any]]]:
    """Every named field below `node`; the branches of oneOf only say which payload goes with which type."""
    if not isinstance(node, dict):
        return []
    found = [(f"{at}.{name}", field) for name, field in node.get("properties", {}).items()]
    below = [*found, *((f"{at}#{name}", one) for name, one in node.get("$defs", {}).items())]
    if "items" in node:
        below.append((f"{at}[]", node["items"]))
    return [*found, *(more for place, one in below for more in _fields(one, place))]


def _described(node: dict[str, Any], schema: dict[str, Any]) -> bool:
    referred = schema["$defs"][node["$ref"].rsplit("/", 1)[1]] if "$ref" in node else {}
    return bool(node.get("description") or referred.get("description"))


def test_no_field_carries_words_contacts_or_points_in_clear() -> None:
    personal = {"text", "note", "name", "phone", "contact", "location", "lon", "lat", "reporter"}
    for message in folder.messages():
        named = {at.rsplit(".", 1)[1] for at, _ in _fields(folder.schema_of(message), message)}
        assert named & personal == set()
    for path in folder.example_files():
        assert path.read_text("utf-8").isascii(), f"{path.name}: codes and sealed bytes are ASCII"


def test_asyncapi_is_made_from_these_files() -> None:
    assert build.ASYNCAPI.read_text("utf-8") == build.asyncapi(), f"asyncapi.yaml is out of date: {REMAKE}"


def test_asyncapi_points_at_what_exists() -> None:
    document = yaml.safe_load(build.ASYNCAPI.read_text("utf-8"))
    refs = _refs(document)
    assert refs
    for ref in refs:
        if ref.startswith("./"):
            assert (SCHEMAS / ref).is_file()
            continue
        node = document
        for step in ref.removeprefix("#/").split("/"):
            node = node[step]


def _refs(node: Any) -> list[str]:
    if isinstance(node, list):
        return [ref for one in node for ref in _refs(one)]
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [ref for one in node.values() for ref in _refs(one)]
    return []


def test_examples_are_only_added_never_changed() -> None:
    known, present = build.known_sums(), build.present_sums()
    broken = sorted(file for file, digest in known.items() if present.get(file) != digest)
    assert broken == [], "an example that was written once must stay as it was: write another beside it"
    assert sorted(present.keys() - known.keys()) == [], f"new examples are not in SHA256SUMS: {REMAKE}"
