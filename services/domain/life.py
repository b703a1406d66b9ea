"""The life of a case: every legal move, one row each. Diagram, exhaustive test and `allowed` come from here.

`who` may make the move:

- owner: the unit's account, or a dispatcher who directs the case; dispatcher: the latter alone, of the case's
  hub or of one above it; above: a dispatcher of a hub above it, or a supervisor; whistler: a dispatcher who
  directs it from above the place tier
- resumer: owner, or its reporter who was waited for
- verifier: a desk or a supervisor of the place that had no hand in it, or its reporter
- caller: a callback agent, or its reporter
- reopener: its reporter, or above; reporter: who holds the tracking code of one of its reports
- invited: a unit or partner that was whistled for; party: who may read the case, and its reporter
- system: the router itself, in the decision that calls for it
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from services.domain import access, guards
from services.domain.case import Case, State
from services.domain.city import City
from services.domain.errors import NotAllowed
from services.domain.messages import NEEDS_NO_EXPECTED_SEQ, Actor

Who = Literal[
    "owner", "resumer", "dispatcher", "above", "whistler", "verifier", "caller", "reopener", "reporter",
    "invited", "party", "system",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Move:
    """From each of `sources` to `target` (None: it stays). `stales`: an older expected_seq is stale."""

    command: str
    who: Who
    sources: tuple[State, ...]
    target: State | None
    event: str
    stales: bool


TRIAGE: tuple[State, ...] = ("triaging", "need_info")
UNDER_WAY: tuple[State, ...] = ("filed", "dispatched", "accepted", "in_progress")
AT_WORK: tuple[State, ...] = ("accepted", "in_progress")
BEFORE_CLAIM: tuple[State, ...] = (*TRIAGE, *UNDER_WAY, "suspended", "rework")
OPEN: tuple[State, ...] = (*BEFORE_CLAIM, "resolved", "verifying")
WORKED_ON: tuple[State, ...] = (
    *UNDER_WAY[1:],
    "suspended",
    "rework",
    "resolved",
    "verifying",
    "closed",
    "archived",
    "withdrawn",
)
NEW: tuple[State, ...] = (*TRIAGE, *UNDER_WAY)
JOINED: tuple[State, ...] = (*UNDER_WAY[1:], "suspended", "rework")
SINGLE: tuple[State, ...] = (*TRIAGE, "dispatched")

# fmt: off
LIFE: tuple[Move, ...] = (
    # a report comes in: people look first, or it is filed at once
    Move("submit_report",     "system",     (),                "triaging",    "TriageStarted",        True),
    Move("submit_report",     "system",     (),                "filed",       "CaseFiled",            True),
    Move("submit_report",     "system",     (*OPEN, "closed"), None,          "ReportAdded",          False),
    Move("submit_report",     "system",     NEW,               None,          "DuplicatesSuggested",  False),
    Move("submit_report",     "system",     OPEN,              None,          "DutyDeskPaged",        False),
    Move("submit_report",     "system",     OPEN,              None,          "PriorityRaised",       False),
    Move("submit_report",     "system",     OPEN,              None,          "GroupIssueDeclared",   False),
    # triage
    Move("request_info",      "dispatcher", ("triaging",),     "need_info",   "InfoRequested",        True),
    Move("supply_info",       "reporter",   ("need_info",),    "triaging",    "InfoSupplied",         True),
    Move("decline",           "dispatcher", TRIAGE,            "declined",    "ReportDeclined",       True),
    Move("appeal",            "reporter",   ("declined",),     "triaging",    "DeclineAppealed",      True),
    Move("redirect",          "dispatcher", ("triaging",),     "redirected",  "ReportRedirected",     True),
    Move("attach",            "dispatcher", SINGLE,            "attached",    "ReportAttached",       True),
    Move("keep_apart",        "dispatcher", NEW,               None,          "LikenessDismissed",    False),
    Move("detach",            "dispatcher", OPEN,              None,          "ReportRemoved",        False),
    Move("detach",            "system",     ("attached",),     "triaging",    "ReportDetached",       True),
    Move("detach",            "system",     ("attached",),     "dispatched",  "CaseDetached",         True),
    Move("file_case",         "dispatcher", ("triaging",),     "filed",       "CaseFiled",            True),
    Move("split",             "system",     (),                "filed",       "PartFiled",            True),
    Move("dispatch",          "system",     ("filed",),        "dispatched",  "CaseDispatched",       True),
    # who has it
    Move("accept",            "owner",      ("dispatched",),   "accepted",    "CaseAccepted",         True),
    Move("request_return",    "owner",      ("dispatched",),   None,          "ReturnRequested",      True),
    Move("decide_return",     "dispatcher", ("dispatched",),   "dispatched",  "ReturnApproved",       True),
    Move("decide_return",     "dispatcher", ("dispatched",),   None,          "ReturnRejected",       True),
    Move("reassign",          "dispatcher", UNDER_WAY,         "dispatched",  "CaseReassigned",       True),
    Move("force_assign",      "above",      UNDER_WAY,         "dispatched",  "CaseReassigned",       True),
    Move("set_variant",       "dispatcher", UNDER_WAY[1:],     None,          "VariantSet",           False),
    Move("set_category",      "dispatcher", UNDER_WAY[1:],     None,          "CategoryChanged",      False),
    Move("raise_priority",    "dispatcher", BEFORE_CLAIM,      None,          "PriorityRaised",       False),
    # work
    Move("start_work",        "owner",      ("accepted",),     "in_progress", "WorkStarted",          True),
    Move("reach_milestone",   "owner",      ("in_progress",),  None,          "MilestoneReached",     False),
    Move("split",             "owner",      AT_WORK,           "in_progress", "CaseDecomposed",       True),
    # also of a part that was not required, after its parent's end
    Move("close_child",       "system",     WORKED_ON,         None,          "ChildChanged",         False),
    Move("close_child",       "system",     WORKED_ON,         None,          "ChildResolved",        False),
    Move("whistle",           "whistler",   AT_WORK,           None,          "JointRequested",       True),
    Move("report_in",         "invited",    JOINED,            None,          "UnitReportedIn",       False),
    Move("request_extension", "owner",      AT_WORK,           None,          "ExtensionRequested",   True),
    Move("decide_extension",  "dispatcher", AT_WORK,           None,          "ExtensionGranted",     True),
    Move("decide_extension",  "dispatcher", AT_WORK,           None,          "ExtensionRefused",     True),
    Move("suspend",           "owner",      ("in_progress",),  None,          "SuspensionRequested",  True),
    Move("suspend",           "dispatcher", ("in_progress",),  "suspended",   "CaseSuspended",        True),
    Move("decide_suspension", "dispatcher", ("in_progress",),  "suspended",   "CaseSuspended",        True),
    Move("decide_suspension", "dispatcher", ("in_progress",),  None,          "SuspensionRefused",    True),
    Move("resume",            "resumer",    ("suspended",),    "in_progress", "CaseResumed",          True),
    # the claim, and who looks at it
    Move("submit_resolution", "owner",      ("in_progress",),  "resolved",    "ResolutionSubmitted",  True),
    # in the same decision as the resolution: a claim never waits for somebody to think of a verifier
    Move("assign_verifier",   "system",     ("resolved",),     "verifying",   "VerificationAssigned", True),
    Move("verify_pass",       "verifier",   ("verifying",),    "closed",      "VerificationPassed",   True),
    Move("verify_fail",       "verifier",   ("verifying",),    "rework",      "VerificationFailed",   True),
    Move("restart",           "owner",      ("rework",),       "in_progress", "WorkRestarted",        True),
    Move("record_callback",   "caller",     ("closed",),       None,          "CallbackRecorded",     False),
    Move("reopen",            "reopener",   ("closed",),       "dispatched",  "CaseReopened",         True),
    # voices
    Move("withdraw",          "reporter",   BEFORE_CLAIM,      None,          "ReportWithdrawn",      False),
    Move("withdraw",          "reporter",   BEFORE_CLAIM,      "withdrawn",   "CaseWithdrawn",        True),
    Move("urge",              "reporter",   OPEN,              None,          "CaseUrged",            False),
    Move("supervise",         "above",      OPEN,              None,          "CaseSupervised",       False),
    Move("comment",           "party",      OPEN,              None,          "CommentAdded",         False),
    # a photo may come after the end: the reporter's phone had no signal
    Move("add_photos",        "party",      (*OPEN, "closed"), None,          "PhotosAdded",          False),
    # time
    Move("recompute_dues",    "system",     OPEN,              None,          "DuesRecomputed",       False),
    Move("pass_deadline",     "system",     OPEN,              None,          "SlaWarning",           False),
    Move("pass_deadline",     "system",     OPEN,              None,          "SlaBreached",          False),
    Move("pass_deadline",     "system",     OPEN,              None,          "CaseEscalated",        False),
    Move("pass_deadline",     "system",     OPEN,              None,          "DutyLeaderAlerted",    False),
    Move("pass_deadline",     "system",     OPEN,              None,          "WaitEnded",            False),
    Move("pass_deadline",     "system",     OPEN,              None,          "CaseBacklogged",       False),
    Move("pass_deadline",     "system",     BEFORE_CLAIM,      None,          "ProblemTicketOpened",  True),
    Move("pass_deadline",     "system",     ("suspended",),    "closed",      "NoResponseClosed",     True),
    # nobody verified in time: closed, and counted apart
    Move("pass_deadline",     "system",     ("verifying",),    "closed",      "VerificationLapsed",   True),
    Move("pass_deadline",     "system",     ("closed",),       "archived",    "CaseArchived",         True),
)
# fmt: on

_BY_EVENT = {move.event: move for move in reversed(LIFE)}
_BY_COMMAND = {move.command: move for move in reversed(LIFE) if move.who != "system"}
COMMANDS: tuple[str, ...] = tuple(dict.fromkeys(move.command for move in LIFE if move.who != "system"))
"""What people and their tools may send, in the order of the table."""


def move_of(event_type: str) -> Move:
    return _BY_EVENT[event_type]


def check_move(case: Case, command: str, actor: Actor, expected_seq: int | None, city: City) -> Move:
    """The move, or NotAllowed: first the right, then what the caller has seen, then the state."""
    move = _BY_COMMAND[command]
    _check_who(move, case, actor, city)
    guest = bool({"reporter", "partner"} & set(actor.roles))
    if command not in NEEDS_NO_EXPECTED_SEQ and expected_seq is not None and not guest:
        _check_seen(case, expected_seq)
    if case.state not in move.sources:
        raise NotAllowed("not_allowed", f"{command} is not possible while the case is {case.state}")
    why_not = guards.why_not(case, command, actor, city)
    if why_not is not None:
        raise NotAllowed("not_allowed", why_not)
    return move


def allowed_commands(case: Case, actor: Actor, city: City) -> list[str]:
    """The command types that would be decided for this actor now, in the order of the table."""
    return [name for name in COMMANDS if _would_pass(case, name, actor, city)]


def _would_pass(case: Case, command: str, actor: Actor, city: City) -> bool:
    try:
        check_move(case, command, actor, None, city)
    except NotAllowed:
        return False
    return True


def _check_seen(case: Case, seq: int) -> None:
    if seq > case.seq:
        raise NotAllowed(
            "invalid",
            f"the case is only at {case.seq}: read it again and send the seq that you then see",
            "expected_seq",
        )
    if seq < case.stale_seq:
        raise NotAllowed(
            "stale", f"the case has moved on since {seq}: read it again (it is at {case.seq})", "expected_seq"
        )


_RIGHTS: dict[Who, tuple[Callable[[Case, Actor, City], bool], str]] = {
    "owner": (
        access.speaks_for_owner,
        "only the responsible unit, its hub's dispatcher or a hub above may do this",
    ),
    "resumer": (
        access.may_resume,
        "only the responsible unit, its dispatchers, or the reporter it waits for may do this",
    ),
    "dispatcher": (access.directs, "only a dispatcher of the case's hub or of a hub above may do this"),
    "above": (access.stands_above, "only a hub above the case's hub or a supervisor may do this"),
    "whistler": (access.may_whistle, "only a dispatcher above the place tier may whistle for other units"),
    "caller": (access.may_call_back, "only a callback agent or the reporter may say how it ended"),
    "reopener": (
        lambda case, actor, city: (
            access.is_reporter(case, actor, city) or access.stands_above(case, actor, city)
        ),
        "only the reporter, a hub above or a supervisor may reopen the case",
    ),
    "reporter": (access.is_reporter, "only who reported it may do this, with the tracking code"),
    "invited": (access.is_invited, "only a unit that was asked to join may report in"),
    "party": (
        lambda case, actor, city: access.is_reporter(case, actor, city) or access.may_read(case, actor, city),
        "this case is not open to you",
    ),
}


def _check_who(move: Move, case: Case, actor: Actor, city: City) -> None:
    if move.who == "verifier":
        access.check_verifier(case, actor, city)
        return
    may, otherwise = _RIGHTS[move.who]
    if not may(case, actor, city):
        raise NotAllowed("forbidden", otherwise)
