"""What the codec must refuse, by Malformed with the field's name and never by another error."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from services.adapters import codec
from services.domain.errors import Malformed
from services.domain.messages import DeadLetter
from tests.contract import folder

EXAMPLES = {example.file.removeprefix("examples/"): example for example in folder.examples()}
WHOLE = {
    "submit_report.v1": EXAMPLES["submit_report.v1/resident.json"],
    "case_command.v1": EXAMPLES["case_command.v1/add_photos.json"],
    "case_event.v1": EXAMPLES["case_event.v1/MilestoneReached.json"],
    "command_outcome.v1": EXAMPLES["command_outcome.v1/applied.json"],
}


def of(message: str, **instead: Any) -> tuple[list[tuple[str, bytes]], bytes]:
    """An example with some fields put otherwise."""
    example = WHOLE[message]
    return example.header_pairs, json.dumps(example.value | instead).encode()


CE_TYPE = ("ce_type", b"pioneer.submit_report.v1")
AN_ACTOR = {"ref": "system", "roles": "system"}
UNREADABLE: list[tuple[str, Any, str]] = [
    ("no value", ([CE_TYPE], None), "value"),
    ("empty value", ([CE_TYPE], b""), "body"),
    ("not JSON", ([CE_TYPE], b"{"), "body"),
    ("not an object", ([CE_TYPE], b"[]"), "body"),
    ("not UTF-8", ([CE_TYPE], b'{"report_id": "\xff"}'), "value"),
    ("no headers", (None, b"{}"), "ce_type"),
    ("no ce_type", ([("ce_id", b"1")], b"{}"), "ce_type"),
    ("unknown version", ([("ce_type", b"pioneer.submit_report.v2")], b"{}"), "ce_type"),
    ("unknown message", ([("ce_type", b"pioneer.lunch.v1")], b"{}"), "ce_type"),
    ("ce_type is not UTF-8", ([("ce_type", b"\xff")], b"{}"), "ce_type"),
    ("report_id is no UUID", of("submit_report.v1", report_id="7"), "report_id"),
    (
        "report_id in upper case",
        of("submit_report.v1", report_id="A" * 8 + "-0000" * 3 + "-" + "0" * 12),
        "report_id",
    ),
    ("received_at without offset", of("submit_report.v1", received_at="2026-11-24T08:00:00"), "received_at"),
    ("received_at is a number", of("submit_report.v1", received_at=1795478400), "received_at"),
    ("captured_at without offset", of("submit_report.v1", captured_at="2026-11-24T08:00:00"), "captured_at"),
    ("unknown channel", of("submit_report.v1", channel="pigeon"), "channel"),
    ("photos is a text", of("submit_report.v1", photos="p"), "photos"),
    ("a photo is a number", of("submit_report.v1", photos=["p", 7]), "photos[1]"),
    (
        "nonce is not base64",
        of("submit_report.v1", sealed={"key_id": "k", "nonce": "!", "box": ""}),
        "sealed.nonce",
    ),
    ("case_id is no UUID", of("case_command.v1", case_id="case 7"), "case_id"),
    ("unknown command", of("case_command.v1", type="explode"), "type"),
    ("roles is a text", of("case_command.v1", actor=AN_ACTOR), "actor.roles"),
    ("expected_seq is a text", of("case_command.v1", expected_seq="4"), "expected_seq"),
    (
        "kind of photo is unknown",
        of("case_command.v1", payload={"photos": [], "kind": "now"}),
        "payload.kind",
    ),
    ("unknown event", of("case_event.v1", type="CaseExploded"), "type"),
    ("seq is a text", of("case_event.v1", seq="4"), "seq"),
]


@pytest.mark.parametrize(
    ("record", "field"), [row[1:] for row in UNREADABLE], ids=[row[0] for row in UNREADABLE]
)
def test_what_cannot_be_read_is_malformed_and_names_the_field(record: Any, field: str) -> None:
    with pytest.raises(Malformed) as refused:
        codec.decode(*record)
    assert refused.value.field == field
    assert refused.value.detail


def deep(message: str) -> tuple[list[tuple[str, bytes]], bytes]:
    """An unknown field that is nested as deeply as a message may be large."""
    headers, value = of(message)
    return headers, value[:-1] + b', "x": ' + b"[" * 300_000 + b"]" * 300_000 + b"}"


PAST_DUE = {"deadline_id": "01a20ae8-5dca-7587-984c-a80bf98fabb1", "step_at": "2026-11-24T08:00:00"}
HIDDEN_TRAPS: list[tuple[str, Any, str]] = [
    ("ce_type is null", ([("ce_type", None)], b"{}"), "ce_type"),
    ("nested too deeply, report", deep("submit_report.v1"), "body"),
    ("nested too deeply, command", deep("case_command.v1"), "body"),
    (
        "step_at without offset",
        of("case_command.v1", type="pass_deadline", payload=PAST_DUE),
        "payload.step_at",
    ),
    ("a missing field of a payload", of("case_command.v1", payload={}), "payload.photos"),
    ("a missing field", (WHOLE["case_command.v1"].header_pairs, b"{}"), "command_id"),
    ("a wrong field of an event's payload", of("case_event.v1", payload={"stage": 7}), "payload.stage"),
    ("occurred_at without offset", of("case_event.v1", occurred_at="2026-11-24T08:00:00"), "occurred_at"),
    ("an event's case_id is no UUID", of("case_event.v1", case_id="7"), "case_id"),
    ("decided_at without offset", of("command_outcome.v1", decided_at="2026-11-24T08:00:00"), "decided_at"),
    ("an outcome's command_id is no UUID", of("command_outcome.v1", command_id="7"), "command_id"),
    ("a photo is no photo id", of("submit_report.v1", photos=['a","b']), "photos[0]"),
]


@pytest.mark.parametrize(
    ("record", "field"), [row[1:] for row in HIDDEN_TRAPS], ids=[row[0] for row in HIDDEN_TRAPS]
)
def test_what_would_stop_a_reader_is_malformed_too(record: Any, field: str) -> None:
    with pytest.raises(Malformed) as refused:
        codec.decode(*record)
    assert refused.value.field == field


def test_a_dead_letter_keeps_a_header_that_has_no_value() -> None:
    shown = EXAMPLES["dead_letter.v1/unknown_version.json"]
    letter: DeadLetter = codec.decode(shown.header_pairs, shown.value_bytes)
    headers: Any = codec.header_pairs([("empty", None)])
    _, value, written = codec.dead_letter_record(replace(letter, headers=headers))
    assert codec.decode(written, value).headers
