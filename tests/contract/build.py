"""Writes what follows from the contract files: `.venv/bin/python -m tests.contract.build`.

asyncapi.yaml is made anew from topics and messages. examples/SHA256SUMS only grows: an example that was
written once is a promise, so a line that is there is never rewritten.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

import yaml

from tests.contract import folder
from tests.contract.folder import SCHEMAS, TopicFile

ASYNCAPI: Final = SCHEMAS / "asyncapi.yaml"
SUMS: Final = SCHEMAS / "examples" / "SHA256SUMS"
_BINDING: Final = "0.5.0"
_HEAD: Final = """\
# Made from topics/, messages/ and headers.schema.json by `.venv/bin/python -m tests.contract.build`:
# change those, not this. It describes the rooms of the hub together; `action` is as seen from the room.
"""


def asyncapi() -> str:
    topics = folder.topics()
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Pioneer Hub",
            "version": "1",
            "description": "What the rooms say to each other on Kafka: CloudEvents 1.0 in binary mode, JSON.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"local": {"host": "127.0.0.1:9092", "protocol": "kafka"}},
        "channels": {topic.name: _channel(topic) for topic in topics},
        "operations": {
            f"{room}_{verb}_{topic.name}": {
                "action": action,
                "channel": {"$ref": f"#/channels/{topic.name}"},
            }
            for topic in topics
            for rooms, verb, action in (
                (topic.producers, "sends", "send"),
                (topic.consumers, "reads", "receive"),
            )
            for room in rooms
        },
        "components": {
            "messages": {message: _message(message, topic) for topic in topics for message in topic.messages}
        },
    }
    return _HEAD + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)


def _channel(topic: TopicFile) -> dict[str, Any]:
    configured = {
        name: [value] if name == "cleanup.policy" else value for name, value in topic.config.items()
    }
    return {
        "address": topic.name,
        "description": topic.about,
        "messages": {message: {"$ref": f"#/components/messages/{message}"} for message in topic.messages},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": configured,
                "bindingVersion": _BINDING,
            }
        },
    }


def _message(message: str, topic: TopicFile) -> dict[str, Any]:
    schema = folder.schema_of(message)
    key = schema["properties"][topic.key]["description"]
    return {
        "name": f"pioneer.{message}",
        "title": message,
        "summary": schema["description"],
        "contentType": "application/json",
        "headers": _schema("./headers.schema.json"),
        "payload": _schema(f"./messages/{message}.schema.json"),
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": f"{topic.key}, UTF-8. {key}"},
                "bindingVersion": _BINDING,
            }
        },
    }


def _schema(file: str) -> dict[str, Any]:
    return {"schemaFormat": "application/schema+json;version=draft-2020-12", "schema": {"$ref": file}}


def known_sums() -> dict[str, str]:
    """File → SHA-256 as they were when the example was written (the format of `sha256sum`)."""
    if not SUMS.exists():
        return {}
    pairs = (line.split("  ", 1) for line in SUMS.read_text("utf-8").splitlines())
    return {file: digest for digest, file in pairs}


def present_sums() -> dict[str, str]:
    return {
        path.relative_to(SUMS.parent).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.example_files()
    }


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    print(f"wrote {path.relative_to(SCHEMAS.parent)}")


def main() -> None:
    _write(ASYNCAPI, asyncapi())
    sums = present_sums() | known_sums()
    _write(SUMS, "".join(f"{digest}  {file}\n" for file, digest in sorted(sums.items())))


if __name__ == "__main__":
    main()
