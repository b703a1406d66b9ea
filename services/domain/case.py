"""A case and its deadlines as they stand after an event: what is decided on, locked and written as rows.

Fields are the columns of `cases` and `deadlines`, less `changed_at`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from services.domain.events import Clock
from services.domain.value import value

State = Literal["filed", "dispatched", "accepted", "in_progress", "resolved", "verifying", "rework", "closed"]
STATES: tuple[State, ...] = (
    "filed",
    "dispatched",
    "accepted",
    "in_progress",
    "resolved",
    "verifying",
    "rework",
    "closed",
)
TERMINAL: frozenset[State] = frozenset({"closed"})
NEVER = datetime.max.replace(tzinfo=UTC)


@value
class Deadline:
    """One milestone on one clock. `set_seq` is the event that set it; `step` its next rung of the ladder."""

    clock: Clock
    stage: str
    set_seq: int
    limit: str
    start_at: datetime
    due_at: datetime
    official: bool
    step: str | None
    next_at: datetime | None
    met_at: datetime | None = None
    closed_at: datetime | None = None
    pauses: tuple[tuple[datetime, datetime], ...] = ()

    @property
    def open(self) -> bool:
        return self.met_at is None and self.closed_at is None

    @property
    def key(self) -> tuple[Clock, str, int]:
        return self.clock, self.stage, self.set_seq


@value
class Case:
    case_id: str
    root_case_id: str
    number: str
    seq: int
    stale_seq: int
    cycle: int
    state: State
    lane: str
    category: str
    priority: str
    place_code: str | None
    hub_code: str
    level: int
    supervised_level: int | None
    owner: str
    owner_hub_code: str
    location_quality: Literal["good", "low"]
    unrouted: bool
    confidential: bool
    report_count: int
    rework_count: int
    received_at: datetime
    last_event_at: datetime
    city_version: int
    dispatched_at: datetime | None = None
    accepted_at: datetime | None = None
    resolved_at: datetime | None = None
    closed_at: datetime | None = None
    outcome: str | None = None
    unverified: bool = False
    handler_ref: str | None = None
    handler_unit: str | None = None
    handler_hubs: tuple[str, ...] = ()
    deadlines: tuple[Deadline, ...] = ()

    @property
    def open(self) -> bool:
        return self.state not in TERMINAL

    @property
    def due_at(self) -> datetime:
        """What queues sort by: the earliest unmet owner due, else the citizen's, else never."""
        unmet = [d for d in self.deadlines if d.open]
        owner = [d.due_at for d in unmet if d.clock == "owner"]
        return min(owner or [d.due_at for d in unmet], default=NEVER)

    def open_deadline(self, clock: Clock, stage: str) -> Deadline | None:
        return next((d for d in self.deadlines if d.clock == clock and d.stage == stage and d.open), None)
