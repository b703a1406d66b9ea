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
    sealed: Sealed | None = None

    @property
    def command_id(self) -> str:
        return self.report_id


@value
class AcceptCase:
    pass


@value
class StartWork:
    pass


@value
class ReachMilestone:
    stage: str
    photos: tuple[str, ...] = ()


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
class ReassignCase:
    """To unit kind `owner`, looked for at `hub_code` (default: the present hub) and above it."""

    owner: str
    hub_code: str | None = None


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


Command = (
    AcceptCase
    | StartWork
    | ReachMilestone
    | SubmitResolution
    | PassVerification
    | FailVerification
    | RestartWork
    | ReassignCase
    | AddComment
    | AddPhotos
    | PassDeadline
    | RecomputeDues
)

WIRE_TYPES: dict[str, type[Any]] = {
    "accept": AcceptCase,
    "start_work": StartWork,
    "reach_milestone": ReachMilestone,
    "submit_resolution": SubmitResolution,
    "verify_pass": PassVerification,
    "verify_fail": FailVerification,
    "restart": RestartWork,
    "reassign": ReassignCase,
    "comment": AddComment,
    "add_photos": AddPhotos,
    "pass_deadline": PassDeadline,
    "recompute_dues": RecomputeDues,
}
TYPE_OF: dict[type[Any], str] = {cls: name for name, cls in WIRE_TYPES.items()}

# Words that go with a command travel sealed; the field they come in at the board, and whether it is needed.
WORDS: dict[str, tuple[str, bool]] = {
    "submit_resolution": ("note", False),
    "verify_fail": ("reason", True),
    "reassign": ("reason", True),
    "comment": ("text", True),
}
# Nobody but the system sends these; they are never refused to it.
OF_THE_SYSTEM = frozenset({"pass_deadline", "recompute_dues"})
# These say nothing about a state the caller must have seen.
NEEDS_NO_EXPECTED_SEQ = frozenset({"comment", "add_photos", *OF_THE_SYSTEM})


@value
class CaseCommand:
    """A command on one case, decided by the router on the locked case."""

    command_id: str
    case_id: str
    type: str
    actor: Actor
    received_at: datetime
    payload: Command
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
