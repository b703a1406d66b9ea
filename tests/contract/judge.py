"""Schemas compiled once, and the codec's record for a message: what both kinds of contract test ask."""

from __future__ import annotations

from functools import cache
from typing import Any

import jsonschema_rs

from services.adapters import codec
from services.domain.events import Event
from services.domain.messages import CaseCommand, DeadLetter, Outcome, SubmitReport
from tests.contract import folder

CLASS_OF: dict[str, type[Any]] = {
    "submit_report.v1": SubmitReport,
    "case_command.v1": CaseCommand,
    "case_event.v1": Event,
    "command_outcome.v1": Outcome,
    "dead_letter.v1": DeadLetter,
}


@cache
def validator(message: str) -> jsonschema_rs.Draft202012Validator:
    schema = folder.header_schema() if message == "headers" else folder.schema_of(message)
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def faults(message: str, value: Any) -> list[str]:
    """What the schema has against the value, with its place."""
    return [f"{list(e.instance_path)}: {e.message}" for e in validator(message).iter_errors(value)]


def record(message: Any, room: str) -> codec.Record:
    """Today's bytes of a message."""
    match message:
        case SubmitReport():
            return codec.report_record(message)
        case CaseCommand():
            return codec.command_record(message, room)
        case Event():
            return codec.event_record(message)
        case Outcome():
            return codec.outcome_record(message)
        case DeadLetter():
            return codec.dead_letter_record(message)
    raise AssertionError(f"{type(message).__name__} is no message")
