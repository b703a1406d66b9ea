"""Each message said three times: schema, golden examples, code. Here the three are held against each other.

Examples are only added (SHA256SUMS); every one must validate, decode and keep each of its values when written
again: so no field is ever removed, renamed, retyped or made required. That is the compatibility check.
"""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from services.adapters import codec
from services.domain.errors import Malformed
from services.domain.events import EVENT_TYPES
from services.domain.messages import WIRE_TYPES
from tests.contract import folder
from tests.contract.folder import Example
from tests.contract.judge import CLASS_OF, faults, record, validator

EXAMPLES = folder.examples()
each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.file.removeprefix("examples/"))


def decode(example: Example, value: Any = None) -> Any:
    body = example.value_bytes if value is None else json.dumps(value).encode()
    return codec.decode(example.header_pairs, body)


def written(example: Example) -> tuple[bytes, Any, list[tuple[str, bytes]]]:
    key, value, headers = record(decode(example), example.room)
    return key, json.loads(value), headers


@each_example
def test_an_example_is_valid_and_is_read_as_what_it_says(example: Example) -> None:
    assert faults("headers", example.headers) == []
    assert faults(example.message, example.value) == []
    assert example.headers["ce_type"] == f"pioneer.{example.message}"
    message = decode(example)
    assert type(message) is CLASS_OF[example.message]
    if example.message == "case_command.v1":
        assert type(message.payload) is WIRE_TYPES[example.value["type"]]
    if example.message == "case_event.v1":
        assert type(message.payload) is EVENT_TYPES[example.value["type"]]


@each_example
def test_an_example_written_again_keeps_every_value(example: Example) -> None:
    key, value, headers = written(example)
    assert key.decode() == example.key
    assert [(name, text.decode()) for name, text in headers] == list(example.headers.items())
    assert _lost(example.value, value) == []
    assert faults(example.message, value) == []


def _lost(old: Any, new: Any, at: str = "$") -> list[str]:
    """Places of `old` that `new` lacks or has otherwise. What a later version added is no loss."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            lost
            for name, value in old.items()
            for lost in (_lost(value, new[name], f"{at}.{name}") if name in new else [f"{at}.{name}"])
        ]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            lost
            for i, (one, other) in enumerate(zip(old, new, strict=True))
            for lost in _lost(one, other, f"{at}[{i}]")
        ]
    return [] if old == new and type(old) is type(new) else [at]


def test_every_message_and_type_has_an_example_that_shows_all_of_it() -> None:
    """A field added to the code needs an example that has it."""
    whole = {
        (e.message, e.value.get("type")) for e in EXAMPLES if json.dumps(written(e)[1]) == json.dumps(e.value)
    }
    assert whole == {
        *((message, None) for message in ("submit_report.v1", "command_outcome.v1", "dead_letter.v1")),
        *(("case_command.v1", type_) for type_ in WIRE_TYPES),
        *(("case_event.v1", type_) for type_ in EVENT_TYPES),
    }


@each_example
def test_a_consumer_ignores_what_it_does_not_know(example: Example) -> None:
    later = copy.deepcopy(example.value)
    objects = [later, *(one for holder, at in _places(later) if isinstance(one := holder[at], dict))]
    for one in objects:
        one["a_field_of_tomorrow"] = {"of": ["any", "shape"]}
    headers = [("ce_tomorrow", b"\xff"), *example.header_pairs]
    assert codec.decode(headers, json.dumps(later).encode()) == decode(example)
    assert faults(example.message, later), "the schema says what is sent today, and is closed"


def _places(node: Any) -> list[tuple[Any, Any]]:
    """Every (holder, field name or index) in a value, always in the same order."""
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [place for at, value in inside for place in ((node, at), *_places(value))]


ABSENT = object()
# A refusal has a code: the schema says so, the class leaves it to the router and the book's CHECK.
SCHEMA_ALONE = {("command_outcome.v1", "code")}


@each_example
@pytest.mark.parametrize(
    "wrong",
    [ABSENT, None, {}, [{}], "?", 7, True],
    ids=["absent", "null", "object", "list", "string", "number", "boolean"],
)
def test_schema_and_code_refuse_the_same(example: Example, wrong: Any) -> None:
    """One value at a time is spoilt. The code never refuses what the schema allows; a value that is absent,
    null or of another type is refused by both or by neither."""
    for nth in range(len(_places(example.value))):
        spoilt = copy.deepcopy(example.value)
        holder, at = _places(spoilt)[nth]
        other_type = not _of_one_type(holder[at], wrong)
        if wrong is ABSENT:
            del holder[at]
        else:
            holder[at] = wrong
        if validator(example.message).is_valid(spoilt):
            decode(example, spoilt)
        elif other_type and (example.message, at) not in SCHEMA_ALONE:
            with pytest.raises(Malformed):
                decode(example, spoilt)


def _of_one_type(old: Any, wrong: Any) -> bool:
    """Whether only its words or its range can be wrong. A null does not say what could stand in its place."""
    if old is None:
        return type(wrong) in (str, int)
    return type(old) is type(wrong) or (type(old), type(wrong)) == (float, int)
