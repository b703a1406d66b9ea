"""Cases that the domain made, laid into a real database as the router would leave them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from services.adapters import rows
from services.domain.case import Case
from services.domain.events import Event

Connection = Any


async def lay(conn: Connection, cases: Iterable[Case], events: Iterable[Event]) -> None:
    """Rows of cases and deadlines as they stand, and every event."""
    known = list(cases)
    await _copy(conn, "cases", rows.CASES, [rows.case_row(case, case.last_event_at) for case in known])
    await _copy(
        conn,
        "deadlines",
        rows.DEADLINES,
        [rows.deadline_row(case.case_id, due) for case in known for due in case.deadlines],
    )
    await _copy(conn, "events", rows.EVENTS, [rows.event_row(event) for event in events])


async def _copy(conn: Connection, table: str, columns: tuple[str, ...], values: list[Any]) -> None:
    await conn.copy_records_to_table(table, records=values, columns=columns)
