"""Messages to and from bytes: JSON by msgspec, CloudEvents 1.0 in binary mode (`ce_*` headers).

`ce_type` names message and version; a version that is not in `_VERSIONS` is Malformed, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

import msgspec

from services.domain.errors import Malformed
from services.domain.events import EVENT_TYPES, Event
from services.domain.messages import (
    WIRE_TYPES,
    Actor,
    CaseCommand,
    DeadLetter,
    Outcome,
    PassDeadline,
    Sealed,
    SubmitReport,
)

Headers = list[tuple[str, bytes]]

REPORTS = "reports"
CASE_COMMANDS = "case-commands"
CASE_EVENTS = "case-events"
COMMAND_OUTCOMES = "command-outcomes"
DEAD_LETTERS = "dead-letters"

encode = msgspec.json.Encoder().encode


class _CommandEnvelope(msgspec.Struct, kw_only=True):
    command_id: str
    case_id: str
    type: str
    actor: Actor
    received_at: datetime
    payload: msgspec.Raw
    expected_seq: int | None = None
    sealed: Sealed | None = None


class _EventEnvelope(msgspec.Struct, kw_only=True):
    case_id: str
    seq: int
    type: str
    occurred_at: datetime
    actor_ref: str
    command_id: str
    cycle: int
    city_version: int
    payload: msgspec.Raw


_report = msgspec.json.Decoder(SubmitReport)
_command = msgspec.json.Decoder(_CommandEnvelope)
_outcome = msgspec.json.Decoder(Outcome)
_event = msgspec.json.Decoder(_EventEnvelope)
_dead_letter = msgspec.json.Decoder(DeadLetter)
_payloads = {name: msgspec.json.Decoder(cls) for name, cls in WIRE_TYPES.items()}
_bodies = {name: msgspec.json.Decoder(cls) for name, cls in EVENT_TYPES.items()}
_MESSAGE_PATH = re.compile(r" - at `\$\.?(.*)`$")
_MISSING = re.compile(r"^Object missing required field `(.+)`$")
_PHOTO_ID = re.compile(r"[0-9a-f]{32}")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def malformed(error: msgspec.MsgspecError, *, within: str = "") -> Malformed:
    """msgspec's words, with the path of the field taken out of them; `within` is what the path starts at."""
    words = str(error)
    path = _MESSAGE_PATH.search(words)
    if path:
        words = words[: path.start()]
    missing = _MISSING.match(words)
    steps = [within, path.group(1) if path else "", missing.group(1) if missing else ""]
    field = ".".join(step for step in steps if step)
    return Malformed(field or "body", "is missing" if missing else words)


def _aware(field: str, at: datetime) -> None:
    if at.tzinfo is None:
        raise Malformed(field, "an instant needs an offset, e.g. 2026-11-24T08:00:00+08:00")


def _uuid(field: str, text: str) -> None:
    if not UUID.fullmatch(text):
        raise Malformed(field, "must be a UUID in lower case")


def _photo_ids(field: str, photos: tuple[str, ...]) -> None:
    for number, photo in enumerate(photos):
        if not _PHOTO_ID.fullmatch(photo):
            raise Malformed(f"{field}[{number}]", "is not the id of a photo")


def _decode_report(value: bytes) -> SubmitReport:
    report = _report.decode(value)
    _uuid("report_id", report.report_id)
    _aware("received_at", report.received_at)
    if report.captured_at is not None:
        _aware("captured_at", report.captured_at)
    _photo_ids("photos", report.photos)
    return report


def _decode_command(value: bytes) -> CaseCommand:
    it = _command.decode(value)
    _uuid("command_id", it.command_id)
    _uuid("case_id", it.case_id)
    _aware("received_at", it.received_at)
    decoder = _payloads.get(it.type)
    if decoder is None:
        raise Malformed("type", f"unknown command {it.type!r}; known are {', '.join(sorted(WIRE_TYPES))}")
    payload: Any = _within("payload", decoder, it.payload)
    if isinstance(payload, PassDeadline):
        _aware("payload.step_at", payload.step_at)
    _photo_ids("payload.photos", getattr(payload, "photos", ()))
    for name in ("case_id", "to_case_id", "report_id"):
        if hasattr(payload, name):
            _uuid(f"payload.{name}", getattr(payload, name))
    return CaseCommand(
        command_id=it.command_id,
        case_id=it.case_id,
        type=it.type,
        actor=it.actor,
        received_at=it.received_at,
        payload=payload,
        expected_seq=it.expected_seq,
        sealed=it.sealed,
    )


def decode_body(event_type: str, payload: bytes | str) -> Any:
    """The body of an event as the book keeps it (jsonb text)."""
    decoder = _bodies.get(event_type)
    if decoder is None:
        raise Malformed("type", f"unknown event {event_type!r}")
    return _within("payload", decoder, payload)


def _within(field: str, decoder: msgspec.json.Decoder[Any], value: bytes | str | msgspec.Raw) -> Any:
    try:
        return decoder.decode(value)
    except msgspec.MsgspecError as error:
        raise malformed(error, within=field) from error


def _decode_event(value: bytes) -> Event:
    it = _event.decode(value)
    _uuid("case_id", it.case_id)
    _uuid("command_id", it.command_id)
    _aware("occurred_at", it.occurred_at)
    return Event(
        case_id=it.case_id,
        seq=it.seq,
        type=it.type,
        occurred_at=it.occurred_at,
        actor_ref=it.actor_ref,
        command_id=it.command_id,
        cycle=it.cycle,
        city_version=it.city_version,
        payload=decode_body(it.type, bytes(it.payload)),
    )


def _decode_outcome(value: bytes) -> Outcome:
    outcome = _outcome.decode(value)
    _uuid("command_id", outcome.command_id)
    _aware("decided_at", outcome.decided_at)
    return outcome


_VERSIONS: dict[str, Callable[[bytes], Any]] = {
    "pioneer.submit_report.v1": _decode_report,
    "pioneer.case_command.v1": _decode_command,
    "pioneer.case_event.v1": _decode_event,
    "pioneer.command_outcome.v1": _decode_outcome,
    "pioneer.dead_letter.v1": _dead_letter.decode,
}


def decode(headers: Iterable[tuple[str, bytes]] | None, value: bytes | None) -> Any:
    """The message, or Malformed with the field and what is wrong with it."""
    if value is None:
        raise Malformed("value", "is empty")
    kind = next(((v or b"").decode("utf-8", "replace") for k, v in headers or () if k == "ce_type"), None)
    if kind is None:
        raise Malformed("ce_type", "the header is missing")
    decoder = _VERSIONS.get(kind)
    if decoder is None:
        raise Malformed("ce_type", f"unknown message or version {kind!r}; known are {', '.join(_VERSIONS)}")
    try:
        return decoder(value)
    except msgspec.MsgspecError as error:
        raise malformed(error) from error
    except UnicodeDecodeError as error:
        raise Malformed("value", "is not UTF-8") from error
    except RecursionError as error:
        raise Malformed("body", "is nested too deeply") from error


@cache
def _same_headers(kind: str, source: str) -> tuple[tuple[str, bytes], ...]:
    return (
        ("content-type", b"application/json"),
        ("ce_specversion", b"1.0"),
        ("ce_type", f"pioneer.{kind}.v1".encode()),
        ("ce_source", f"/pioneer/{source}".encode()),
    )


def _headers(kind: str, source: str, event_id: str, at: datetime) -> Headers:
    return [
        *_same_headers(kind, source),
        ("ce_id", event_id.encode()),
        ("ce_time", _utc_text(at)),
    ]


@lru_cache(maxsize=16)
def _utc_text(at: datetime) -> bytes:
    """What a report makes carries one instant."""
    return at.astimezone(UTC).isoformat().encode()


Record = tuple[bytes, bytes, Headers]
"""key, value, headers"""


def report_record(report: SubmitReport) -> Record:
    return (
        report.report_id.encode(),
        encode(report),
        _headers("submit_report", "intake", report.report_id, report.received_at),
    )


def command_record(command: CaseCommand, source: str) -> Record:
    return (
        command.case_id.encode(),
        encode(command),
        _headers("case_command", source, command.command_id, command.received_at),
    )


def event_record(event: Event) -> Record:
    return (
        event.case_id.encode(),
        encode(event),
        _headers("case_event", "router", f"{event.case_id}/{event.seq}", event.occurred_at),
    )


def outcome_record(outcome: Outcome) -> Record:
    return (
        (outcome.case_id or outcome.command_id).encode(),
        encode(outcome),
        _headers("command_outcome", "router", outcome.command_id, outcome.decided_at),
    )


def dead_letter_record(letter: DeadLetter) -> Record:
    return letter.id.encode(), encode(letter), _headers("dead_letter", "router", letter.id, letter.died_at)


def dead_letter_id(topic: str, partition: int, offset: int) -> str:
    return f"{topic}-{partition}-{offset}"


def header_pairs(
    headers: Sequence[tuple[str, bytes | None]] | Mapping[str, bytes | None] | None,
) -> tuple[tuple[str, bytes], ...]:
    """Headers as pairs, whichever shape the client library gives them in; one without a value is empty."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers or ()
    return tuple((name, value or b"") for name, value in pairs)
