"""Replaying a case's events gives its rows: through the domain's own `replay`, compared column by column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import msgspec

from services.adapters.rows import side_text
from services.domain.case import Case, Deadline
from services.domain.events import EVENT_TYPES, Event
from services.domain.evolve import replay
from tests.chaos.seen import Seen

_CASE = [field.name for field in fields(Case) if field.name not in ("deadlines", "side")]
_DEADLINE = [field.name for field in fields(Deadline) if field.name not in ("limit", "pauses")]


def replay_gives_the_rows(seen: Seen) -> Iterator[str]:
    for case_id, row in seen.cases.items():
        case = replay(_event(event) for event in seen.events.get(case_id, []))
        yield from _differences(case_id, {name: _plain(getattr(case, name)) for name in _CASE}, row)
        side, replayed_side = (
            msgspec.json.decode(one or "null") for one in (row["side"], side_text(case.side))
        )
        if side != replayed_side:
            yield f"{case_id}: side is {side}, replayed {replayed_side}"
        if row["due_at"] != case.due_at and case.due_at.year < 9999:
            yield f"{case_id}: due_at is {row['due_at']}, replayed {case.due_at}"
        rows = {(d["clock"], d["stage"], d["set_seq"]): d for d in seen.deadlines.get(case_id, [])}
        replayed = {deadline.key: deadline for deadline in case.deadlines}
        if rows.keys() != replayed.keys():
            yield f"{case_id}: deadlines {sorted(rows)}, replayed {sorted(replayed)}"
            continue
        for key, deadline in replayed.items():
            given = {name: getattr(deadline, name) for name in _DEADLINE}
            given["limit_text"] = deadline.limit
            given["pauses"] = [at for pause in deadline.pauses for at in pause]
            yield from _differences(f"{case_id} {key}", given, rows[key])


def _event(row: dict[str, Any]) -> Event:
    payload = msgspec.convert(row["payload"], EVENT_TYPES[row["type"]])
    return Event(**{**row, "payload": payload})


def _differences(name: str, replayed: dict[str, Any], row: dict[str, Any]) -> Iterator[str]:
    for column, expected in replayed.items():
        if row[column] != expected:
            yield f"{name}: {column} is {row[column]!r}, replayed {expected!r}"


def _plain(found: Any) -> Any:
    return list(found) if isinstance(found, tuple) else found
