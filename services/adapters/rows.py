"""Cases, deadlines, events and outcomes to and from the rows of the book."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from datetime import datetime
from operator import attrgetter
from typing import Any

import msgspec

from services.adapters import codec
from services.domain.case import NOTHING_ASIDE, Case, Deadline, Side
from services.domain.events import Event
from services.domain.messages import Outcome

Row = Any
"""An asyncpg.Record: what is looked up by column name."""

Columns = list[list[Any]]


CASES = (
    "case_id", "root_case_id", "number", "seq", "stale_seq", "cycle", "state", "lane", "category",
    "priority", "place_code", "hub_code", "level", "supervised_level", "owner", "owner_hub_code",
    "location_quality", "unrouted", "confidential", "report_count", "rework_count", "received_at",
    "dispatched_at", "accepted_at", "resolved_at", "closed_at", "outcome", "unverified", "handler_ref",
    "handler_unit", "handler_hubs", "due_at", "last_event_at", "city_version", "changed_at", "report_id",
    "grid_code", "side",
)  # fmt: skip
"""In the order of the table: a row is also one of its composite type."""
DEADLINES = (
    "case_id", "clock", "stage", "set_seq", "limit_text", "start_at", "due_at", "official", "step", "next_at",
    "met_at", "closed_at", "pauses", "extended_by", "original_due_at",
)  # fmt: skip
EVENTS = (
    "case_id", "seq", "type", "occurred_at", "actor_ref", "command_id", "cycle", "city_version", "payload",
)  # fmt: skip
OUTCOMES = (
    "command_id", "case_id", "outcome", "code", "detail", "field", "ranges", "decided_at",
)  # fmt: skip
REPORTS = (
    "report_id", "tracking", "case_id", "channel", "category", "hub_code", "visibility", "captured_at",
    "received_at", "photos", "on_behalf",
)  # fmt: skip
REPORT_CONTENTS = (
    "report_id", "name", "phone", "text", "lon", "lat", "raw_lon", "raw_lat", "raw_datum", "accuracy_m",
)  # fmt: skip
COMMAND_WORDS = ("command_id", "case_id", "text")


def columns(rows: Sequence[tuple[Any, ...]], width: int) -> Columns:
    """Rows as one array per column, the shape of unnest."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


_asked: Callable[[Case], tuple[Any, ...]] = attrgetter(*CASES[: CASES.index("changed_at")])
_SIDE_FIELDS = {field.name: field.default for field in fields(Side)}
_read_side = msgspec.json.Decoder(Side).decode


def case_row(case: Case, changed_at: datetime) -> tuple[Any, ...]:
    return (*_asked(case), changed_at, case.report_id, case.grid_code, side_text(case.side))


def side_text(side: Side) -> str | None:
    """Only what is not as in most cases; null when nothing is."""
    if side is NOTHING_ASIDE:
        return None
    said = {
        name: value for name, default in _SIDE_FIELDS.items() if (value := getattr(side, name)) != default
    }
    return codec.encode(said).decode() if said else None


def deadline_row(case_id: str, d: Deadline) -> tuple[Any, ...]:
    return (
        case_id, d.clock, d.stage, d.set_seq, d.limit, d.start_at, d.due_at, d.official, d.step, d.next_at,
        d.met_at, d.closed_at, [at for pause in d.pauses for at in pause], d.extended_by, d.original_due_at,
    )  # fmt: skip


def event_row(event: Event) -> tuple[Any, ...]:
    return (
        event.case_id, event.seq, event.type, event.occurred_at, event.actor_ref, event.command_id,
        event.cycle, event.city_version, codec.encode(event.payload).decode(),
    )  # fmt: skip


def outcome_row(outcome: Outcome) -> tuple[Any, ...]:
    return (
        outcome.command_id, outcome.case_id, outcome.outcome, outcome.code, outcome.detail, outcome.field,
        codec.encode(outcome.events).decode(), outcome.decided_at,
    )  # fmt: skip


def deadline_from_row(row: Row) -> Deadline:
    pauses: list[datetime] = row["pauses"]
    return Deadline(
        clock=row["clock"],
        stage=row["stage"],
        set_seq=row["set_seq"],
        limit=row["limit_text"],
        start_at=row["start_at"],
        due_at=row["due_at"],
        official=row["official"],
        step=row["step"],
        next_at=row["next_at"],
        met_at=row["met_at"],
        closed_at=row["closed_at"],
        pauses=tuple(zip(pauses[::2], pauses[1::2], strict=True)),
        extended_by=row["extended_by"],
        original_due_at=row["original_due_at"],
    )


_CASE_FIELDS = tuple(field.name for field in fields(Case) if field.name in CASES)


def case_from_row(row: Row, deadlines: Iterable[Deadline] = ()) -> Case:
    values = {name: row[name] for name in _CASE_FIELDS}
    values["case_id"], values["root_case_id"] = str(row["case_id"]), str(row["root_case_id"])
    values["report_id"] = str(row["report_id"]) if row["report_id"] else None
    values["handler_hubs"] = tuple(row["handler_hubs"])
    values["side"] = _read_side(row["side"]) if row["side"] else NOTHING_ASIDE
    return Case(**values, deadlines=tuple(deadlines))


def event_from_row(row: Row) -> Event:
    return Event(
        case_id=str(row["case_id"]),
        seq=row["seq"],
        type=row["type"],
        occurred_at=row["occurred_at"],
        actor_ref=row["actor_ref"],
        command_id=str(row["command_id"]),
        cycle=row["cycle"],
        city_version=row["city_version"],
        payload=codec.decode_body(row["type"], row["payload"]),
    )


def outcome_from_row(row: Row) -> Outcome:
    return Outcome(
        command_id=str(row["command_id"]),
        case_id=str(row["case_id"]) if row["case_id"] else None,
        outcome=row["outcome"],
        decided_at=row["decided_at"],
        code=row["code"],
        detail=row["detail"],
        field=row["field"],
        events=msgspec.json.decode(row["ranges"], type=tuple[tuple[str, int, int], ...]),
    )
