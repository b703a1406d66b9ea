"""What happened to a case, in the past tense. `(case_id, seq)` names an event; order is `seq`.

A body carries the facts that were decided (dues and next steps included), so `evolve` needs no rule book.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from services.domain.messages import Channel, PhotoKind, ResolutionOutcome
from services.domain.value import value

Clock = Literal["owner", "citizen"]


@value
class Due:
    """A milestone on a clock as it was set; `next_at` is the instant of `step`, its first ladder step."""

    clock: Clock
    stage: str
    limit: str
    start_at: datetime
    due_at: datetime
    official: bool
    step: str | None
    next_at: datetime | None


@value
class ReopenedDue:
    """A due that runs on after a failed verification; `paused_at` is null on a clock that never stood."""

    clock: Clock
    stage: str
    set_seq: int
    due_at: datetime
    next_at: datetime | None
    paused_at: datetime | None
    official: bool | None = None
    """None, in events of before there were calendars: as it was."""


@value
class RecomputedDue:
    """A due counted again by an official year: what it is now, and when it was due before."""

    clock: Clock
    stage: str
    set_seq: int
    from_due_at: datetime
    due_at: datetime
    official: bool
    step: str | None
    next_at: datetime | None


@value
class CaseFiled:
    report_id: str
    root_case_id: str
    number: str
    channel: Channel
    category: str
    priority: str
    lane: str
    place_code: str | None
    location_quality: Literal["good", "low"]
    unrouted: bool
    confidential: bool
    received_at: datetime


@value
class CaseDispatched:
    hub_code: str
    level: int
    owner: str
    owner_hub_code: str
    dues: tuple[Due, ...]


@value
class CaseAccepted:
    pass


@value
class WorkStarted:
    pass


@value
class MilestoneReached:
    stage: str
    photos: tuple[str, ...]


@value
class ResolutionSubmitted:
    """`handler_unit` and `handler_hubs` say for whom the actor spoke: they bar verifiers."""

    outcome: ResolutionOutcome
    photos: tuple[str, ...]
    handler_unit: str | None
    handler_hubs: tuple[str, ...]


@value
class VerificationAssigned:
    dues: tuple[Due, ...]


@value
class VerificationPassed:
    pass


@value
class VerificationFailed:
    reopened: tuple[ReopenedDue, ...]


@value
class WorkRestarted:
    pass


@value
class CaseReassigned:
    from_hub_code: str
    from_owner: str
    hub_code: str
    level: int
    owner: str
    owner_hub_code: str
    dues: tuple[Due, ...]


@value
class DuesRecomputed:
    """`years` are the official years that were loaded; `dues` only what is other than before."""

    years: tuple[int, ...]
    dues: tuple[RecomputedDue, ...]


@value
class CommentAdded:
    pass


@value
class PhotosAdded:
    photos: tuple[str, ...]
    kind: PhotoKind


@value
class StepPassed:
    """A step of the escalation ladder; the base of the four timer events."""

    deadline_id: str
    clock: Clock
    stage: str
    set_seq: int
    step: str
    percent: int
    step_at: datetime
    next_step: str | None
    next_at: datetime | None


@value
class SlaWarning(StepPassed):
    pass


@value
class SlaBreached(StepPassed):
    pass


@value
class CaseEscalated(StepPassed):
    to_level: int


@value
class DutyLeaderAlerted(StepPassed):
    pass


@value
class VerificationLapsed(StepPassed):
    unverified: bool = True


EVENT_TYPES: dict[str, type[Any]] = {
    cls.__name__: cls
    for cls in (
        CaseFiled,
        CaseDispatched,
        CaseAccepted,
        WorkStarted,
        MilestoneReached,
        ResolutionSubmitted,
        VerificationAssigned,
        VerificationPassed,
        VerificationFailed,
        WorkRestarted,
        CaseReassigned,
        DuesRecomputed,
        CommentAdded,
        PhotosAdded,
        SlaWarning,
        SlaBreached,
        CaseEscalated,
        DutyLeaderAlerted,
        VerificationLapsed,
    )
}


@value
class Event:
    case_id: str
    seq: int
    type: str
    occurred_at: datetime
    actor_ref: str
    command_id: str
    cycle: int
    city_version: int
    payload: Any
