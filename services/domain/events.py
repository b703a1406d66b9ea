"""What happened to a case, in the past tense. `(case_id, seq)` names an event; order is `seq`.

A body carries the facts that were decided (dues and next steps included), so `evolve` needs no rule book.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from services.domain.messages import CallbackAnswer, Channel, PhotoKind, RaiseReason, ResolutionOutcome
from services.domain.value import value

Clock = Literal["owner", "citizen"]
TriageReason = Literal["no_category", "verify_first", "life_safety", "appeal", "detached"]
PageReason = Literal["life_safety", "off_duty", "group_issue"]
SuperviseReason = Literal["by_hand", "not_reported_in", "undecided"]


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
class DueAgain(Due):
    """A due that takes another's place: what was counted, and stood still, stays so.

    An extension's limit is `extended_by`; `original_due_at` is what was due without it.
    """

    extended_by: str | None = None
    original_due_at: datetime | None = None
    pauses: tuple[tuple[datetime, datetime], ...] = ()


@value
class ReopenedDue:
    """A due that runs on after it stood; `paused_at` is null on a clock that never stood."""

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
class Part:
    """A child of a decomposed case as its parent knows it; a confidential one is for its readers alone."""

    case_id: str
    number: str
    required: bool
    confidential: bool
    state: str
    hub_code: str
    owner: str
    owner_hub_code: str


@value
class Invitation:
    """A unit, or a partner of the city, that was whistled for and whether it has turned up."""

    unit: str
    hub_code: str
    partner: bool = False
    reported_in: bool = False


@value
class Likeness:
    """Another case that may be the same problem; `score` from 0 to 1."""

    case_id: str
    score: float
    distance_m: float | None = None


@value
class Birth:
    """What a case knows of itself when it begins; the base of its first events."""

    report_id: str | None
    root_case_id: str
    number: str
    channel: Channel | None
    category: str
    priority: str
    place_code: str | None
    location_quality: Literal["good", "low"]
    unrouted: bool
    confidential: bool
    received_at: datetime
    grid_code: str | None = None
    recurrence_of: str | None = None
    surge: str | None = None
    aid_hub_code: str | None = None


@value
class TriageStarted(Birth):
    """People must look first: at the desk of `hub_code`."""

    reason: TriageReason
    hub_code: str
    level: int
    owner: str
    owner_hub_code: str
    dues: tuple[Due, ...]


@value
class CaseFiled(Birth):
    """Of a case that people had looked at, it says again what they found."""

    lane: str


@value
class PartFiled(CaseFiled):
    """A part of a decomposed case: it has an owner at once, though it may have to wait for its turn."""

    parent_case_id: str
    hub_code: str
    level: int
    owner: str
    owner_hub_code: str


@value
class Assigned:
    """To whom a case goes, with the clocks that start with it; the base of every such event."""

    hub_code: str
    level: int
    owner: str
    owner_hub_code: str
    dues: tuple[Due, ...]


@value
class CaseDispatched(Assigned):
    pass


@value
class InfoRequested:
    dues: tuple[Due, ...]


@value
class InfoSupplied:
    photos: tuple[str, ...]
    reopened: tuple[ReopenedDue, ...]


@value
class ReportDeclined:
    """`reason` is one of the city's; `channel` is where to go instead."""

    reason: str
    channel: str | None


@value
class DeclineAppealed(Assigned):
    """People look again; the citizen's clock had never stopped."""

    reopened: tuple[ReopenedDue, ...] = ()


@value
class ReportRedirected:
    to: str
    receipt: str | None


@value
class ReportAttached:
    """This case is the same problem as another: its reports go there."""

    to_case_id: str


@value
class ReportDetached(Assigned):
    """It is not: the report stands alone again, to be looked at; its clock had never stopped."""

    report_id: str
    from_case_id: str
    reopened: tuple[ReopenedDue, ...] = ()


@value
class CaseDetached:
    """It is not, and somebody had been given it: it stands where it stood, and its clocks have run."""

    report_id: str
    from_case_id: str
    reopened: tuple[ReopenedDue, ...]


@value
class ReportAdded:
    """A report came to this case, from a case of its own or, at once, without one.

    `anonymous`: nobody can tell who it is, so it adds no reporter. `dues`: the citizen's, where its own case
    had promised to be done sooner.
    """

    report_id: str
    from_case_id: str | None = None
    same_reporter: bool = False
    anonymous: bool = False
    score: float | None = None
    distance_m: float | None = None
    dues: tuple[DueAgain, ...] = ()


@value
class ReportRemoved:
    report_id: str
    to_case_id: str


@value
class DuplicatesSuggested:
    candidates: tuple[Likeness, ...]


@value
class LikenessDismissed:
    """People looked: that case is another problem."""

    case_id: str


@value
class DutyDeskPaged:
    """The desk of this hub is to look now."""

    hub_code: str
    reason: PageReason


@value
class CaseAccepted:
    pass


@value
class ReturnRequested:
    owner: str | None
    hub_code: str | None
    clause: str | None
    dues: tuple[Due, ...]


@value
class ReturnApproved(Assigned):
    from_hub_code: str
    from_owner: str


@value
class ReturnRejected:
    pass


@value
class CaseReassigned(Assigned):
    from_hub_code: str
    from_owner: str
    forced: bool = False


@value
class VariantSet:
    """`dropped` are the stages that only the variant before had."""

    variant: str | None
    dues: tuple[DueAgain, ...]
    dropped: tuple[str, ...] = ()


@value
class CategoryChanged:
    """`dropped` are the stages that only the category before had."""

    category: str
    priority: str
    dropped: tuple[str, ...]
    dues: tuple[DueAgain, ...]


@value
class PriorityRaised:
    priority: str
    reason: RaiseReason
    dues: tuple[Due, ...]


@value
class WorkStarted:
    pass


@value
class MilestoneReached:
    stage: str
    photos: tuple[str, ...]


@value
class CaseDecomposed:
    """`dues`: the parent's own, fixed now: the last part's and a margin."""

    parts: tuple[Part, ...]
    ordered: bool
    dues: tuple[DueAgain, ...]


@value
class ChildChanged:
    part: Part


@value
class ChildResolved:
    """`hands`: who had the part in hand, and so had one in the whole."""

    part: Part
    outcome: str | None
    hands: tuple[str, ...] = ()


@value
class JointRequested:
    invited: tuple[Invitation, ...]
    dues: tuple[Due, ...]


@value
class UnitReportedIn:
    unit: str
    hub_code: str


@value
class ExtensionRequested:
    limit: str
    dues: tuple[Due, ...]


@value
class ExtensionGranted:
    limit: str
    dues: tuple[DueAgain, ...]


@value
class ExtensionRefused:
    pass


@value
class SuspensionRequested:
    reason: str
    dues: tuple[Due, ...]


@value
class SuspensionRefused:
    pass


@value
class CaseSuspended:
    reason: str
    dues: tuple[Due, ...]


@value
class CaseResumed:
    reopened: tuple[ReopenedDue, ...]


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
    """`dues`: when the case goes to the archive."""

    dues: tuple[Due, ...] = ()


@value
class VerificationFailed:
    reopened: tuple[ReopenedDue, ...]


@value
class WorkRestarted:
    pass


@value
class NoResponseClosed:
    """The reporter was waited for, and did not come."""

    dues: tuple[Due, ...]


@value
class CallbackRecorded:
    """`by_reporter`: with the tracking code, else a callback agent asked."""

    resolved: CallbackAnswer
    satisfaction: int | None
    by_reporter: bool


@value
class CaseReopened(Assigned):
    """The next cycle begins, one priority up; the citizen's clock had never stopped."""

    priority: str
    reopened: tuple[ReopenedDue, ...]


@value
class ReportWithdrawn:
    report_id: str


@value
class CaseWithdrawn:
    """No report is left that anybody stands by."""


@value
class CaseUrged:
    report_id: str | None


@value
class CaseSupervised:
    to_level: int
    reason: SuperviseReason


@value
class CaseBacklogged:
    """Extended, and still not solved: on the list, and still counted overdue."""


@value
class ProblemTicketOpened:
    """The tier above leads from now on."""

    reason: Literal["reworks", "owners"]
    hub_code: str
    level: int


@value
class GroupIssueDeclared:
    reporters: int
    to_level: int


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
    """A step of the escalation ladder; the base of the timer events."""

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
class WaitEnded(StepPassed):
    """What was waited for has not come: information, the end of a suspension, a decision."""


@value
class VerificationLapsed(StepPassed):
    unverified: bool = True
    dues: tuple[Due, ...] = ()


@value
class CaseArchived(StepPassed):
    pass


EVENT_TYPES: dict[str, type[Any]] = {
    cls.__name__: cls
    for cls in (
        TriageStarted,
        CaseFiled,
        PartFiled,
        CaseDispatched,
        InfoRequested,
        InfoSupplied,
        ReportDeclined,
        DeclineAppealed,
        ReportRedirected,
        ReportAttached,
        ReportDetached,
        CaseDetached,
        ReportAdded,
        ReportRemoved,
        DuplicatesSuggested,
        LikenessDismissed,
        DutyDeskPaged,
        CaseAccepted,
        ReturnRequested,
        ReturnApproved,
        ReturnRejected,
        CaseReassigned,
        VariantSet,
        CategoryChanged,
        PriorityRaised,
        WorkStarted,
        MilestoneReached,
        CaseDecomposed,
        ChildChanged,
        ChildResolved,
        JointRequested,
        UnitReportedIn,
        ExtensionRequested,
        ExtensionGranted,
        ExtensionRefused,
        SuspensionRequested,
        SuspensionRefused,
        CaseSuspended,
        CaseResumed,
        ResolutionSubmitted,
        VerificationAssigned,
        VerificationPassed,
        VerificationFailed,
        WorkRestarted,
        NoResponseClosed,
        CallbackRecorded,
        CaseReopened,
        ReportWithdrawn,
        CaseWithdrawn,
        CaseUrged,
        CaseSupervised,
        CaseBacklogged,
        ProblemTicketOpened,
        GroupIssueDeclared,
        DuesRecomputed,
        CommentAdded,
        PhotosAdded,
        SlaWarning,
        SlaBreached,
        CaseEscalated,
        DutyLeaderAlerted,
        WaitEnded,
        VerificationLapsed,
        CaseArchived,
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
