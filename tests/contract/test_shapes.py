"""The branches, fields and lists of words of each schema are those of the code's classes."""

from __future__ import annotations

import dataclasses
from types import NoneType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

from services.domain.errors import RefusalCode
from services.domain.events import (
    EVENT_TYPES,
    Assigned,
    Birth,
    Due,
    DueAgain,
    Invitation,
    Likeness,
    Part,
    RecomputedDue,
    ReopenedDue,
    StepPassed,
)
from services.domain.messages import WIRE_TYPES, Actor, CaseCommand, Invited, Sealed, WantedPart
from tests.contract import folder
from tests.contract.judge import CLASS_OF

DEFINITIONS: dict[str, dict[str, type[Any]]] = {
    "submit_report.v1": {"sealed": Sealed},
    "case_command.v1": {
        "sealed": Sealed,
        "actor": Actor,
        "wanted_part": WantedPart,
        "invited": Invited,
        **WIRE_TYPES,
    },
    "case_event.v1": {
        "birth": Birth,
        "assigned": Assigned,
        "step_passed": StepPassed,
        "milestone": Due,
        "due": Due,
        "due_again": DueAgain,
        "reopened_due": ReopenedDue,
        "recomputed_due": RecomputedDue,
        "part": Part,
        "invitation": Invitation,
        "likeness": Likeness,
        **EVENT_TYPES,
    },
}
BASES = {"birth", "assigned", "step_passed", "milestone"}
"""Only those that build on them are closed."""
SHAPES = [
    *((message, None, cls) for message, cls in CLASS_OF.items()),
    *((message, name, cls) for message, named in DEFINITIONS.items() for name, cls in named.items()),
]


@pytest.mark.parametrize(("message", "name", "cls"), SHAPES, ids=lambda v: v if isinstance(v, str) else "")
def test_an_object_has_the_fields_of_its_class(message: str, name: str | None, cls: type[Any]) -> None:
    schema = folder.schema_of(message)
    node = schema["$defs"][name] if name else schema
    parts = [node, schema["$defs"][node["$ref"].rsplit("/", 1)[1]]] if "$ref" in node else [node]
    properties = {field: said for part in parts for field, said in part.get("properties", {}).items()}
    required = {field for part in parts for field in part.get("required", [])}
    fields = dataclasses.fields(cls)
    assert set(properties) == {field.name for field in fields}
    assert required == {field.name for field in fields if field.default is dataclasses.MISSING}
    assert {f: said["default"] for f, said in properties.items() if "default" in said} == {
        field.name: [] if field.default == () else field.default
        for field in fields
        if field.default is not dataclasses.MISSING and field.default is not None
    }
    for field, words in _words(cls).items():
        said = properties[field]
        said = schema["$defs"][said["$ref"].rsplit("/", 1)[1]] if "$ref" in said else said
        assert said["enum"] == words, f"{field}: the code allows {words}"
    if name not in BASES:
        assert False in (node.get("additionalProperties"), node.get("unevaluatedProperties"))


def _words(cls: type[Any]) -> dict[str, list[str | None]]:
    """Fields that are one of a closed list of words, or null."""
    words: dict[str, list[str | None]] = {}
    for name, hint in get_type_hints(cls).items():
        either = get_args(hint) if get_origin(hint) is Union else (hint,)
        for one in either:
            if get_origin(one) is Literal:
                words[name] = [*get_args(one), *([None] if NoneType in either else [])]
    return words


@pytest.mark.parametrize(
    ("message", "types"), [("case_command.v1", WIRE_TYPES), ("case_event.v1", EVENT_TYPES)], ids=str
)
def test_a_tagged_message_has_one_branch_per_type(message: str, types: dict[str, Any]) -> None:
    branches = {
        branch["properties"]["type"]["const"]: branch["properties"]["payload"]["$ref"]
        for branch in folder.schema_of(message)["oneOf"]
    }
    assert branches == {type_: f"#/$defs/{type_}" for type_ in types}


def test_a_refusal_has_one_of_the_codes() -> None:
    said = folder.schema_of("command_outcome.v1")["properties"]["code"]["enum"]
    assert said == [*get_args(RefusalCode), None]


def test_the_envelope_of_a_command_is_what_the_codec_writes() -> None:
    fields = [field.name for field in dataclasses.fields(CaseCommand)]
    assert list(folder.schema_of("case_command.v1")["properties"]) == fields
