"""A case and its deadlines as they stand after an event: what is decided on, locked and written as rows.

Fields are the columns of `cases` and `deadlines`, less `changed_at`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, get_args

from services.domain.city import LAST_STAGE
from services.domain.events import Clock, Invitation, Likeness, Part, TriageReason
from services.domain.value import value

State = Literal[
    "triaging", "need_info", "declined", "redirected", "attached", "filed", "dispatched", "accepted",
    "in_progress", "suspended", "resolved", "verifying", "rework", "closed", "archived", "withdrawn",
]  # fmt: skip
STATES: tuple[State, ...] = get_args(State)
ENDED: frozenset[State] = frozenset({"declined", "redirected", "attached", "closed", "archived", "withdrawn"})
"""Nobody works on it any more; of these `closed` alone still waits, for the archive."""
NEVER = datetime.max.replace(tzinfo=UTC)
ARCHIVE = "archive"


@value
class Deadline:
    """One milestone on one clock. `set_seq` is the event that set it; `step` its next rung of the ladder.

    Open, with a step but no `next_at`: the clock stands still.
    """

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
    extended_by: str | None = None
    original_due_at: datetime | None = None

    @property
    def open(self) -> bool:
        return self.met_at is None and self.closed_at is None

    @property
    def key(self) -> tuple[Clock, str, int]:
        return self.clock, self.stage, self.set_seq


@value
class Request:
    """What a unit has asked its hub for and waits to hear."""

    kind: Literal["return", "extension", "suspension"]
    owner: str | None = None
    hub_code: str | None = None
    limit: str | None = None
    reason: str | None = None


@value
class AttachedReport:
    """A report that came to this case later; `from_case_id` is the case it had of its own."""

    report_id: str
    from_case_id: str | None = None
    same_reporter: bool = False
    added_at: datetime | None = None
    anonymous: bool = False


@value
class Side:
    """What most cases never have, kept beside the row's columns and only where it is not as here."""

    triage: TriageReason | None = None
    appealed: bool = False
    reason: str | None = None
    parent_case_id: str | None = None
    recurrence_of: str | None = None
    attached_to: str | None = None
    ran: tuple[tuple[Clock, str, int], ...] = ()
    """Keys of the rows that ran when it was attached."""
    attached: tuple[AttachedReport, ...] = ()
    gone: tuple[str, ...] = ()
    suggested: tuple[Likeness, ...] = ()
    variant: str | None = None
    request: Request | None = None
    return_asked: bool = False
    returns: int = 0
    assignments: int = 1
    forced: bool = False
    past_hands: tuple[str, ...] = ()
    late_reports: tuple[str, ...] = ()
    """That joined while somebody had it in hand, in a cycle before: they confirm nothing."""
    in_hand_since: datetime | None = None
    put_off_by_parts: bool = False
    raised_for_many: bool = False
    parts: tuple[Part, ...] = ()
    ordered: bool = False
    invited: tuple[Invitation, ...] = ()
    extended: bool = False
    suspension: str | None = None
    suspended_for: tuple[str, ...] = ()
    paused_at: datetime | None = None
    urged_at: datetime | None = None
    answer: str | None = None
    satisfaction: int | None = None
    answered_by_reporter: bool = False
    backlogged: bool = False
    problem_ticket: bool = False
    group_issue: bool = False
    surge: str | None = None
    aid_hub_code: str | None = None


NOTHING_ASIDE = Side()


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
    report_id: str | None = None
    grid_code: str | None = None
    side: Side = NOTHING_ASIDE
    deadlines: tuple[Deadline, ...] = ()

    @property
    def open(self) -> bool:
        return self.state not in ENDED

    @property
    def reports(self) -> tuple[str, ...]:
        """The reports that stand with this case now, its own first."""
        own = () if self.report_id is None else (self.report_id,)
        everyone = (*own, *(one.report_id for one in self.side.attached))
        return tuple(one for one in everyone if one not in self.side.gone)

    @property
    def reporters(self) -> int:
        """How many different people stand behind it, as far as one can tell them apart."""
        here = frozenset(self.reports)
        no_more = (o for o in self.side.attached if o.report_id in here and (o.same_reporter or o.anonymous))
        return len(here) - sum(1 for _ in no_more)

    @property
    def open_parts(self) -> tuple[Part, ...]:
        return tuple(part for part in self.side.parts if part.required and part.state not in ENDED)

    def joined_in_hand(self, until: datetime | None = None) -> tuple[str, ...]:
        """Reports that joined in this cycle once somebody had taken it in hand, until then or to this day."""
        since = self.side.in_hand_since or self.accepted_at or self.resolved_at
        if since is None:
            return ()
        return tuple(
            one.report_id
            for one in self.side.attached
            if one.added_at is not None and one.added_at >= since and (until is None or one.added_at <= until)
        )

    def fixed_by_parts(self, row: Deadline) -> bool:
        """Its parts put this due off: no limit tells it any more, an extension then went on from there."""
        return self.side.put_off_by_parts and (row.clock, row.stage) == ("owner", LAST_STAGE)

    @property
    def relatives(self) -> frozenset[str]:
        """Cases that a decision on this one may change too."""
        side = self.side
        near = (side.parent_case_id, side.attached_to, *(one.from_case_id for one in side.attached))
        return frozenset(one for one in (*near, *(part.case_id for part in side.parts)) if one is not None)

    @property
    def due_at(self) -> datetime:
        """What queues sort by: the earliest unmet owner due, else the citizen's, else never."""
        unmet = [d for d in self.deadlines if d.open and d.stage != ARCHIVE]
        owner = [d.due_at for d in unmet if d.clock == "owner"]
        return min(owner or [d.due_at for d in unmet], default=NEVER)

    def open_deadline(self, clock: Clock, stage: str) -> Deadline | None:
        return next((d for d in self.deadlines if d.clock == clock and d.stage == stage and d.open), None)

    def last_row(self, clock: Clock, stage: str) -> Deadline | None:
        """That was set last, whatever became of it."""
        rows = (d for d in self.deadlines if (d.clock, d.stage) == (clock, stage))
        return max(rows, key=lambda d: d.set_seq, default=None)
