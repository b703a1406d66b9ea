"""Cases, deadlines, events and outcomes to and from the rows of the book."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from services.adapters import codec
from services.domain.case import Case, Deadline
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
    "handler_unit", "handler_hubs", "due_at", "last_event_at", "city_version", "changed_at",
)  # fmt: skip
DEADLINES = (
    "case_id", "clock", "stage", "set_seq", "limit_text", "start_at", "due_at", "official", "step", "next_at",
    "met_at", "closed_at", "pauses",
)  # fmt: skip
EVENTS = (
    "case_id", "seq", "type", "occurred_at", "actor_ref", "command_id", "cycle", "city_version", "payload",
)  # fmt: skip
OUTCOMES = (
    "command_id", "case_id", "outcome", "code", "detail", "field", "ranges", "decided_at",
)  # fmt: skip
REPORTS = (
    "report_id", "tracking", "case_id", "channel", "category", "hub_code", "visibility", "captured_at",
    "received_at", "photos",
)  # fmt: skip
REPORT_CONTENTS = (
    "report_id", "name", "phone", "text", "lon", "lat", "raw_lon", "raw_lat", "raw_datum", "accuracy_m",
)  # fmt: skip
COMMAND_WORDS = ("command_id", "case_id", "text")


def columns(rows: Sequence[tuple[Any, ...]], width: int) -> Columns:
    """Rows as one array per column, the shape of unnest."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


def text_array(values: Iterable[str]) -> str:
    """An array literal, for a column of arrays inside unnest."""
    quoted = (v.replace("\\", "\\\\").replace('"', '\\"') for v in values)
    return "{" + ",".join(f'"{v}"' for v in quoted) + "}"


def _pauses_text(deadline: Deadline) -> str:
    return "{" + ",".join(f'"{at.isoformat()}"' for pause in deadline.pauses for at in pause) + "}"


def case_row(case: Case, changed_at: datetime) -> tuple[Any, ...]:
    return (
        case.case_id,
        case.root_case_id,
        case.number,
        case.seq,
        case.stale_seq,
        case.cycle,
        case.state,
        case.lane,
        case.category,
        case.priority,
        case.place_code,
        case.hub_code,
        case.level,
        case.supervised_level,
        case.owner,
        case.owner_hub_code,
        case.location_quality,
        case.unrouted,
        case.confidential,
        case.report_count,
        case.rework_count,
        case.received_at,
        case.dispatched_at,
        case.accepted_at,
        case.resolved_at,
        case.closed_at,
        case.outcome,
        case.unverified,
        case.handler_ref,
        case.handler_unit,
        case.handler_hubs,
        case.due_at,
        case.last_event_at,
        case.city_version,
        changed_at,
    )


def changed_case_row(case: Case) -> tuple[Any, ...]:
    """The columns that can change after the first transaction."""
    return (
        case.case_id,
        case.seq,
        case.stale_seq,
        case.cycle,
        case.state,
        case.hub_code,
        case.level,
        case.supervised_level,
        case.owner,
        case.owner_hub_code,
        case.rework_count,
        case.accepted_at,
        case.resolved_at,
        case.closed_at,
        case.outcome,
        case.unverified,
        case.handler_ref,
        case.handler_unit,
        text_array(case.handler_hubs),
        case.due_at,
        case.last_event_at,
        case.city_version,
        case.unrouted,
    )


def deadline_row(case_id: str, d: Deadline) -> tuple[Any, ...]:
    return (
        case_id, d.clock, d.stage, d.set_seq, d.limit, d.start_at, d.due_at, d.official, d.step, d.next_at,
        d.met_at, d.closed_at, [at for pause in d.pauses for at in pause],
    )  # fmt: skip


def changed_deadline_row(case_id: str, d: Deadline) -> tuple[Any, ...]:
    return (
        case_id, d.clock, d.stage, d.set_seq, d.due_at, d.official, d.step, d.next_at, d.met_at, d.closed_at,
        _pauses_text(d),
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
    )


def case_from_row(row: Row, deadlines: Iterable[Deadline] = ()) -> Case:
    return Case(
        case_id=str(row["case_id"]),
        root_case_id=str(row["root_case_id"]),
        number=row["number"],
        seq=row["seq"],
        stale_seq=row["stale_seq"],
        cycle=row["cycle"],
        state=row["state"],
        lane=row["lane"],
        category=row["category"],
        priority=row["priority"],
        place_code=row["place_code"],
        hub_code=row["hub_code"],
        level=row["level"],
        supervised_level=row["supervised_level"],
        owner=row["owner"],
        owner_hub_code=row["owner_hub_code"],
        location_quality=row["location_quality"],
        unrouted=row["unrouted"],
        confidential=row["confidential"],
        report_count=row["report_count"],
        rework_count=row["rework_count"],
        received_at=row["received_at"],
        last_event_at=row["last_event_at"],
        city_version=row["city_version"],
        dispatched_at=row["dispatched_at"],
        accepted_at=row["accepted_at"],
        resolved_at=row["resolved_at"],
        closed_at=row["closed_at"],
        outcome=row["outcome"],
        unverified=row["unverified"],
        handler_ref=row["handler_ref"],
        handler_unit=row["handler_unit"],
        handler_hubs=tuple(row["handler_hubs"]),
        deadlines=tuple(deadlines),
    )


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
