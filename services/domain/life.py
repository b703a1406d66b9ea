"""The life of a case: every legal move, one row each. Diagram, exhaustive test and `allowed` come from here.

`who`: owner (the unit's account, or a dispatcher of the hub or above), dispatcher (the latter alone),
verifier (access.check_verifier), party (who may read the case, and its reporter), system.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from services.domain import access
from services.domain.case import Case, State
from services.domain.city import City
from services.domain.errors import NotAllowed
from services.domain.messages import NEEDS_NO_EXPECTED_SEQ, Actor

Who = Literal["owner", "dispatcher", "verifier", "party", "system"]


@dataclass(frozen=True, slots=True)
class Move:
    """From each of `sources` to `target` (None: it stays). `stales`: an older expected_seq is stale."""

    command: str
    who: Who
    sources: tuple[State, ...]
    target: State | None
    event: str
    stales: bool


OPEN: tuple[State, ...] = (
    "filed", "dispatched", "accepted", "in_progress", "resolved", "verifying", "rework",
)  # fmt: skip
UNDER_WAY: tuple[State, ...] = ("filed", "dispatched", "accepted", "in_progress")

# fmt: off
LIFE: tuple[Move, ...] = (
    Move("submit_report",     "system",     (),               "filed",       "CaseFiled",            True),
    Move("dispatch",          "system",     ("filed",),       "dispatched",  "CaseDispatched",       True),
    Move("accept",            "owner",      ("dispatched",),  "accepted",    "CaseAccepted",         True),
    Move("start_work",        "owner",      ("accepted",),    "in_progress", "WorkStarted",          True),
    Move("reach_milestone",   "owner",      ("in_progress",), None,          "MilestoneReached",     False),
    Move("submit_resolution", "owner",      ("in_progress",), "resolved",    "ResolutionSubmitted",  True),
    # in the same decision as the resolution: a claim never waits for somebody to think of a verifier
    Move("assign_verifier",   "system",     ("resolved",),    "verifying",   "VerificationAssigned", True),
    Move("verify_pass",       "verifier",   ("verifying",),   "closed",      "VerificationPassed",   True),
    Move("verify_fail",       "verifier",   ("verifying",),   "rework",      "VerificationFailed",   True),
    Move("restart",           "owner",      ("rework",),      "in_progress", "WorkRestarted",        True),
    Move("reassign",          "dispatcher", UNDER_WAY,        "dispatched",  "CaseReassigned",       True),
    Move("comment",           "party",      OPEN,             None,          "CommentAdded",         False),
    # a photo may come after the end: the reporter's phone had no signal
    Move("add_photos",        "party",      (*OPEN, "closed"), None,         "PhotosAdded",          False),
    Move("recompute_dues",    "system",     OPEN,             None,          "DuesRecomputed",       False),
    Move("pass_deadline",     "system",     OPEN,             None,          "SlaWarning",           False),
    Move("pass_deadline",     "system",     OPEN,             None,          "SlaBreached",          False),
    Move("pass_deadline",     "system",     OPEN,             None,          "CaseEscalated",        False),
    Move("pass_deadline",     "system",     OPEN,             None,          "DutyLeaderAlerted",    False),
    # nobody verified in time: closed, and counted apart
    Move("pass_deadline",     "system",     ("verifying",),   "closed",      "VerificationLapsed",   True),
)
# fmt: on

_BY_EVENT = {move.event: move for move in LIFE}
_BY_COMMAND = {move.command: move for move in LIFE if move.who != "system"}


def move_of(event_type: str) -> Move:
    return _BY_EVENT[event_type]


def check_move(case: Case, command: str, actor: Actor, expected_seq: int | None, city: City) -> Move:
    """The move, or NotAllowed: first the right, then what the caller has seen, then the state."""
    move = _BY_COMMAND[command]
    _check_who(move, case, actor, city)
    if command not in NEEDS_NO_EXPECTED_SEQ and expected_seq is not None:
        _check_seen(case, expected_seq)
    if case.state not in move.sources:
        raise NotAllowed("not_allowed", f"{command} is not possible while the case is {case.state}")
    return move


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


def allowed_commands(case: Case, actor: Actor, city: City) -> list[str]:
    """The command types that would be decided for this actor now, in the order of the table."""
    return [name for name in _BY_COMMAND if _would_pass(case, name, actor, city)]


def _would_pass(case: Case, command: str, actor: Actor, city: City) -> bool:
    try:
        check_move(case, command, actor, None, city)
    except NotAllowed:
        return False
    return True


def _check_who(move: Move, case: Case, actor: Actor, city: City) -> None:
    if move.who == "verifier":
        access.check_verifier(case, actor, city)
    elif move.who == "owner" and not access.speaks_for_owner(case, actor, city):
        raise NotAllowed(
            "forbidden", "only the responsible unit, its hub's dispatcher or a hub above may do this"
        )
    elif move.who == "dispatcher" and not access.directs(case, actor, city):
        raise NotAllowed("forbidden", "only a dispatcher of the case's hub or of a hub above may do this")
    elif move.who == "party" and "reporter" not in actor.roles and not access.may_read(case, actor, city):
        raise NotAllowed("forbidden", "this case is not open to you")
