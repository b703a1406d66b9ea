"""A report and its case, written into the book by SQL as the router would leave them."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from services.adapters import codec
from services.domain import events, ids
from services.domain.case import ENDED
from tests.integration.intake_door import SECRET

AT = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
NEVER = datetime(9999, 1, 1, tzinfo=UTC)


def filed_event(report_id: str, *, number: str = "n", root_case_id: str | None = None) -> events.CaseFiled:
    return events.CaseFiled(
        report_id=report_id,
        root_case_id=root_case_id or report_id,
        number=number,
        channel="resident",
        category="pothole",
        priority="P2",
        lane="fast",
        place_code=None,
        location_quality="good",
        unrouted=False,
        confidential=False,
        received_at=AT,
    )


class Filed:
    """A report and its case, written into the book row by row."""

    def __init__(
        self,
        *,
        state: str = "dispatched",
        hub_code: str = "T1",
        photos: list[str] | None = None,
        unverified: bool = False,
        side: dict[str, Any] | None = None,
        **columns: Any,
    ) -> None:
        self.report_id = ids.report_id(SECRET, "intake", str(uuid.uuid4()))
        self.case_id = ids.case_id(AT, self.report_id)
        self.code = ids.tracking_code(SECRET, self.report_id)
        self.url = f"/v1/reports/{self.code}"
        self.state, self.hub_code, self.photos = state, hub_code, photos or []
        self.unverified = unverified
        self.side, self.columns = side, columns
        self.bodies: list[tuple[Any, str]] = []

    def event(self, body: Any, *, by: str = "system") -> None:
        self.bodies.append((body, by))

    async def write(self, book: Any, *, citizen_due: datetime | None = AT + timedelta(days=5)) -> None:
        closed_at = AT if self.state in ENDED else None
        await book.execute(
            """
            INSERT INTO cases (case_id, root_case_id, number, seq, stale_seq, state, lane, category, priority,
                hub_code, level, owner, owner_hub_code, location_quality, unrouted, confidential,
                report_count, rework_count, received_at, closed_at, unverified, handler_hubs, due_at,
                last_event_at, city_version, changed_at, report_id, side, outcome)
            VALUES ($1, $1, 'n', $2, 1, $3, 'fast', 'pothole', 'P2',
                $4, 2, 'works', $4, 'good', false, false,
                1, 0, $5, $6, $8, '{}', $7, $5, 1, $5, $9, $10, $11)
            """,
            *(self.case_id, max(1, len(self.bodies)), self.state, self.hub_code, AT, closed_at, NEVER),
            *(self.unverified, self.columns.get("report_id", self.report_id)),
            *(json.dumps(self.side) if self.side else None, self.columns.get("outcome")),
        )
        await book.execute(
            """INSERT INTO reports (report_id, tracking, case_id, channel, visibility, received_at, photos)
               VALUES ($1, $2, $3, 'resident', 'masked', $4, $5)""",
            *(self.report_id, ids.tracking_number(SECRET, self.report_id), self.case_id, AT, self.photos),
        )
        for seq, (body, by) in enumerate(self.bodies, start=1):
            await book.execute(
                """
                INSERT INTO events (case_id, seq, type, occurred_at, actor_ref, command_id, cycle,
                    city_version, payload)
                VALUES ($1, $2, $3, $4, $5, $6, 1, 1, $7)
                """,
                *(self.case_id, seq, type(body).__name__, AT + timedelta(minutes=seq), by, uuid.uuid4()),
                codec.encode(body).decode(),
            )
        if citizen_due is not None:
            for clock, stage, due_at in (
                ("citizen", "resolve", citizen_due),
                ("citizen", "accept", AT),
                ("owner", "resolve", AT + timedelta(days=1)),
            ):
                await book.execute(
                    """
                    INSERT INTO deadlines (case_id, clock, stage, set_seq, limit_text, start_at, due_at,
                        official, pauses)
                    VALUES ($1, $2, $3, 1, '5WD OFF', $4, $5, false, '{}')
                    """,
                    *(self.case_id, clock, stage, AT, due_at),
                )
