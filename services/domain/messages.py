"""What travels: reports and commands in, outcomes out.

Commands are imperative, `WIRE_TYPES` names each on the wire (domain.md 6.6). Free words, contacts and exact
points never stand here in clear: they travel in `sealed` (design.md decision 9) and are opened as `Content`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from services.domain.value import value

Channel = Literal["resident", "courier", "grid_member", "representative", "staff"]
Visibility = Literal["named", "masked", "confidential"]
Datum = Literal["WGS84", "GCJ02", "BD09", "CGCS2000"]
ResolutionOutcome = Literal["fixed", "gone_on_arrival", "unfounded", "not_feasible"]
PhotoKind = Literal["before", "after"]
RaiseReason = Literal["injury", "child", "elder", "school_gate", "many_reporters", "reopened"]
CallbackAnswer = Literal["yes", "partly", "no"]

SYSTEM = "system"


@value
class Actor:
    """Who acts: `ref` is an account id, `report:<report_id>` or `system`; never a name."""

    ref: str
    roles: tuple[str, ...] = ()
    hubs: tuple[str, ...] = ()
    unit: str | None = None


SYSTEM_ACTOR = Actor(ref=SYSTEM, roles=("system",))


@value
class Sealed:
    """AES-256-GCM under key `key_id`; associated data is `command_id` and topic."""

    key_id: str
    nonce: bytes
    box: bytes


@value
class Location:
    """A point as it was given: degrees in its own datum, accuracy in metres."""

    lon: float
    lat: float
    datum: Datum
    accuracy_m: float | None = None


@value
class Content:
    """The opened sealed part; rests only in the private schema."""

    name: str | None = None
    phone: str | None = None
    text: str | None = None
    location: Location | None = None


@value
class SubmitReport:
    """One submission; its `command_id` is its `report_id`."""

    report_id: str
    received_at: datetime
    channel: Channel
    category: str | None = None
    hub_code: str | None = None
    captured_at: datetime | None = None
    visibility: Visibility = "masked"
    photos: tuple[str, ...] = ()
    on_behalf: bool = False
    """Reported for somebody else, whose contact it carries."""
    sealed: Sealed | None = None

    @property
    def command_id(self) -> str:
        return self.report_id


@value
class RequestInfo:
    """The question itself is sealed."""


@value
class SupplyInfo:
    photos: tuple[str, ...] = ()


@value
class DeclineReport:
    """`reason` is one of the city's."""

    reason: str


@value
class AppealDecline:
    pass


@value
class RedirectReport:
    """To a hotline of the city; `receipt` is the number that it gave."""

    to: str
    receipt: str | None = None


@value
class AttachCase:
    to_case_id: str


@value
class KeepApart:
    """The suggested case is another problem."""

    case_id: str


@value
class DetachReport:
    """Sent to the case the report is attached to."""

    report_id: str


@value
class FileCase:
    """Out of triage: what it is, and where if that was not known."""

    category: str
    hub_code: str | None = None


@value
class AcceptCase:
    pass


@value
class RequestReturn:
    """ "Not ours": whose it is, or the clause of the duty list that says so."""

    owner: str | None = None
    hub_code: str | None = None
    clause: str | None = None


@value
class DecideReturn:
    """On approval `owner` is whom it goes to; by default whom the unit named."""

    approve: bool
    owner: str | None = None
    hub_code: str | None = None


@value
class ReassignCase:
    """To unit kind `owner`, looked for at `hub_code` (default: the present hub) and above it."""

    owner: str
    hub_code: str | None = None


@value
class ForceAssignCase(ReassignCase):
    """By the tier above: no return is taken after it."""


@value
class SetVariant:
    """One of the category's; None for its ordinary milestones."""

    variant: str | None = None


@value
class SetCategory:
    category: str


@value
class RaisePriority:
    reason: RaiseReason


@value
class StartWork:
    pass


@value
class ReachMilestone:
    stage: str
    photos: tuple[str, ...] = ()


@value
class WantedPart:
    """A piece of work of its own; `category` (default: the parent's) gives its limits."""

    owner: str
    hub_code: str | None = None
    category: str | None = None
    required: bool = True


@value
class SplitCase:
    """`ordered`: each part begins when the one before it has ended."""

    parts: tuple[WantedPart, ...]
    ordered: bool = False


@value
class Invited:
    """A kind of unit, looked for as in a reassignment, or a partner of the city."""

    unit: str
    hub_code: str | None = None


@value
class Whistle:
    invite: tuple[Invited, ...]


@value
class ReportIn:
    pass


@value
class RequestExtension:
    """`limit` is at most what the priority allows, such as `5WD OFF`, counted from the due."""

    limit: str


@value
class DecideExtension:
    approve: bool


@value
class SuspendCase:
    """For a reason of the city's; a unit only asks for it."""

    reason: str


@value
class DecideSuspension:
    approve: bool


@value
class ResumeCase:
    pass


@value
class SubmitResolution:
    outcome: ResolutionOutcome
    photos: tuple[str, ...] = ()


@value
class PassVerification:
    pass


@value
class FailVerification:
    pass


@value
class RestartWork:
    pass


@value
class RecordCallback:
    """What the reporter says: `resolved`, and how content from 1 to 5."""

    resolved: CallbackAnswer
    satisfaction: int | None = None


@value
class ReopenCase:
    pass


@value
class WithdrawReport:
    pass


@value
class UrgeCase:
    pass


@value
class SuperviseCase:
    pass


@value
class AddComment:
    pass


@value
class AddPhotos:
    photos: tuple[str, ...]
    kind: PhotoKind = "before"


@value
class PassDeadline:
    """The step `deadline_id`, due at `step_at`, has come."""

    deadline_id: str
    step_at: datetime


@value
class RecomputeDues:
    """These years became official: what was counted over their predicted days is counted again."""

    years: tuple[int, ...]


WIRE_TYPES: dict[str, type[Any]] = {
    "request_info": RequestInfo,
    "supply_info": SupplyInfo,
    "decline": DeclineReport,
    "appeal": AppealDecline,
    "redirect": RedirectReport,
    "attach": AttachCase,
    "keep_apart": KeepApart,
    "detach": DetachReport,
    "file_case": FileCase,
    "accept": AcceptCase,
    "request_return": RequestReturn,
    "decide_return": DecideReturn,
    "reassign": ReassignCase,
    "force_assign": ForceAssignCase,
    "set_variant": SetVariant,
    "set_category": SetCategory,
    "raise_priority": RaisePriority,
    "start_work": StartWork,
    "reach_milestone": ReachMilestone,
    "split": SplitCase,
    "whistle": Whistle,
    "report_in": ReportIn,
    "request_extension": RequestExtension,
    "decide_extension": DecideExtension,
    "suspend": SuspendCase,
    "decide_suspension": DecideSuspension,
    "resume": ResumeCase,
    "submit_resolution": SubmitResolution,
    "verify_pass": PassVerification,
    "verify_fail": FailVerification,
    "restart": RestartWork,
    "record_callback": RecordCallback,
    "reopen": ReopenCase,
    "withdraw": WithdrawReport,
    "urge": UrgeCase,
    "supervise": SuperviseCase,
    "comment": AddComment,
    "add_photos": AddPhotos,
    "pass_deadline": PassDeadline,
    "recompute_dues": RecomputeDues,
}
TYPE_OF: dict[type[Any], str] = {cls: name for name, cls in WIRE_TYPES.items()}

# Words that go with a command travel sealed; the field they come in at the board, and whether it is needed.
WORDS: dict[str, tuple[str, bool]] = {
    "request_info": ("question", True),
    "supply_info": ("text", True),
    "decline": ("note", False),
    "appeal": ("reason", True),
    "request_return": ("reason", True),
    "decide_return": ("note", False),
    "reassign": ("reason", True),
    "force_assign": ("reason", True),
    "raise_priority": ("note", False),
    "split": ("note", False),
    "whistle": ("reason", True),
    "report_in": ("note", False),
    "request_extension": ("reason", True),
    "decide_extension": ("note", False),
    "suspend": ("note", False),
    "decide_suspension": ("note", False),
    "resume": ("note", False),
    "submit_resolution": ("note", False),
    "verify_fail": ("reason", True),
    "record_callback": ("note", False),
    "reopen": ("reason", True),
    "withdraw": ("reason", False),
    "urge": ("text", False),
    "supervise": ("reason", True),
    "comment": ("text", True),
}
# Nobody but the system sends these; they are never refused to it.
OF_THE_SYSTEM = frozenset({"pass_deadline", "recompute_dues"})
# These say nothing about a state the caller must have seen; a reporter's and a guest's commands need none.
NEEDS_NO_EXPECTED_SEQ = frozenset({"comment", "urge", "add_photos", "report_in", *OF_THE_SYSTEM})
# What a reporter may send with the tracking code, by the name it has at that door.
OF_THE_REPORTER = frozenset({"supply_info", "withdraw", "urge", "appeal", "rate", "not_fixed"})


@value
class CaseCommand:
    """A command on one case, decided by the router on the locked case."""

    command_id: str
    case_id: str
    type: str
    actor: Actor
    received_at: datetime
    payload: Any
    expected_seq: int | None = None
    sealed: Sealed | None = None


@value
class Outcome:
    """The one recorded end of a command. `events` are the ranges (case_id, first seq, last seq) it wrote."""

    command_id: str
    case_id: str | None
    outcome: Literal["applied", "refused"]
    decided_at: datetime
    code: str | None = None
    detail: str | None = None
    field: str | None = None
    events: tuple[tuple[str, int, int], ...] = ()


@value
class DeadLetter:
    """A message that could not be read or decided, as it came (still sealed), with the reason."""

    id: str
    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    value: bytes
    kind: Literal["message", "data"]
    reason: str
    died_at: datetime
