"""schemas/ as the contract tests see it: topic files, message schemas and golden examples."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SCHEMAS: Final = Path(__file__).parents[2] / "schemas"
ROOMS: Final = frozenset({"intake", "router", "timekeeper", "board", "console"})


@dataclass(frozen=True, slots=True)
class TopicFile:
    name: str
    key: str
    messages: tuple[str, ...]
    partitions: int
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    config: dict[str, Any]
    about: str


@dataclass(frozen=True, slots=True)
class Example:
    """One Kafka record as a consumer gets it; `value` is the JSON document, `file` relative to schemas/."""

    message: str
    file: str
    headers: dict[str, str]
    key: str
    value: dict[str, Any]

    @property
    def header_pairs(self) -> list[tuple[str, bytes]]:
        return [(name, text.encode()) for name, text in self.headers.items()]

    @property
    def value_bytes(self) -> bytes:
        return json.dumps(self.value).encode()

    @property
    def room(self) -> str:
        return self.headers["ce_source"].removeprefix("/pioneer/")


def topics() -> list[TopicFile]:
    return [_topic(path) for path in sorted((SCHEMAS / "topics").iterdir())]


def _topic(path: Path) -> TopicFile:
    text = path.read_text("utf-8")
    said = tomllib.loads(text)
    comment = (line.removeprefix("#").strip() for line in text.split("\nname = ", 1)[0].splitlines())
    return TopicFile(
        name=said["name"],
        key=said["key"],
        messages=tuple(said["messages"]),
        partitions=said["partitions"],
        producers=tuple(said["producers"]),
        consumers=tuple(said["consumers"]),
        config=said["config"],
        about=" ".join(comment),
    )


def schema_of(message: str) -> dict[str, Any]:
    return _json(SCHEMAS / "messages" / f"{message}.schema.json")


def header_schema() -> dict[str, Any]:
    return _json(SCHEMAS / "headers.schema.json")


def messages() -> list[str]:
    return [path.name.removesuffix(".schema.json") for path in sorted((SCHEMAS / "messages").iterdir())]


def example_files() -> list[Path]:
    return sorted((SCHEMAS / "examples").glob("*/*"))


def examples() -> list[Example]:
    return [_example(path) for path in example_files()]


def _example(path: Path) -> Example:
    said = _json(path)
    return Example(
        path.parent.name,
        path.relative_to(SCHEMAS).as_posix(),
        said.pop("headers"),
        said.pop("key"),
        said.pop("value"),
    )


def _json(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return document
