"""What the rates count, read from the events of a case alone: its assignments and its cycles (domain.md 2.3).

The reference of the views in the book (schema `statistics`): plain and slow, it looks at neither rows nor
`evolve`. Rules that both follow:

- a due is the last one that was set in its assignment or cycle; the original one is what was due without an
  extension, or before the parts of the case fixed it
- a case that ended as merged, redirected, declined or withdrawn leaves out the cycle in which it did
- a part of a decomposed case is a case: a cycle of its own owner
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from services.domain.city import LAST_STAGE
from services.domain.clocks import ACCEPT
from services.domain.events import Event, RecomputedDue
from services.domain.life import move_of
from services.domain.value import value

LEFT_OUT: Final = frozenset({"attached", "redirected", "declined", "withdrawn"})
ASSIGNS: Final = frozenset({"CaseDispatched", "ReturnApproved", "CaseReassigned", "CaseReopened"})
RECURS_WITHIN: Final = timedelta(days=30)
_CLOSES: Final = frozenset({"VerificationPassed", "VerificationLapsed", "NoResponseClosed"})
_ENDS: Final = _CLOSES | {"ReportAttached", "ReportRedirected", "ReportDeclined", "CaseWithdrawn"}
_SEATS: Final = ASSIGNS | {"ProblemTicketOpened"}
_NAMES_CATEGORY: Final = frozenset({"TriageStarted", "CaseFiled", "PartFiled", "CategoryChanged"})
_STANDS: Final = frozenset({"CaseSuspended", "CaseResumed", "NoResponseClosed"})
_ONE_IN: Final = 10


@value
class Assignment:
    """A case given to an owner, with a limit to accept it.

    `taken_back`: it went elsewhere before that limit, so nothing was missed.
    """

    case_id: str
    cycle: int
    seq: int
    hub_code: str
    level: int
    owner: str
    owner_hub_code: str
    category: str
    assigned_at: datetime
    due_at: datetime
    accepted_at: datetime | None
    taken_back: bool


@value
class Cycle:
    """From dispatch (or reopening) to closing. Hub, owner and category are those at its end.

    `suspensions`: from, to, from, to … of the owner's clock; odd while it stands. `standing`: its due has not
    come. `answer`, `satisfaction`: what the reporter said last, or a callback agent heard.
    """

    case_id: str
    cycle: int
    hub_code: str
    level: int
    owner: str
    owner_hub_code: str
    category: str
    part: bool
    limit: str
    dispatched_at: datetime
    due_at: datetime
    original_due_at: datetime
    accepted_at: datetime | None
    resolved_at: datetime | None
    closed_at: datetime | None
    outcome: str | None
    verified: bool
    unverified: bool
    sampled: bool
    open: bool
    standing: bool
    reworks: int
    returns: int
    extended: bool
    reopened_at: datetime | None
    suspensions: tuple[datetime, ...]
    answer: str | None
    satisfaction: int | None
    answered_by: str | None
    recurred: bool = False


@value
class CaseFacts:
    assignments: tuple[Assignment, ...]
    cycles: tuple[Cycle, ...]
    recurrence: tuple[str, datetime] | None
    """The case that this one is the same problem as again, and when it was received."""


@dataclass(slots=True)
class _Row:
    """A due of the owner's clock as it stands in the end."""

    stage: str
    cycle: int
    limit: str
    due_at: datetime
    original_due_at: datetime | None


_Rows = dict[tuple[str, int], _Row]
"""By stage and the event that set them."""
_Said = tuple[str | None, int | None, str | None]
"""Answer, satisfaction, by whom."""


def read_case(history: Sequence[Event]) -> CaseFacts:
    """`history` are all events of one case, in order."""
    rows = _rows(history)
    state = [target for event in history if (target := move_of(event.type).target)][-1]
    last = history[-1].cycle
    left_out = last if state in LEFT_OUT else None
    counted = [number for number in range(1, last + 1) if number != left_out]
    cycles = [_cycle(history, number, rows, state) for number in counted]
    birth = history[0].payload
    return CaseFacts(
        assignments=tuple(one for one in _assignments(history, rows) if one.cycle != left_out),
        cycles=tuple(one for one in cycles if one is not None),
        recurrence=(birth.recurrence_of, birth.received_at)
        if birth.recurrence_of and state not in LEFT_OUT
        else None,
    )


def with_recurrences(cycles: Iterable[Cycle], known: Mapping[str, Iterable[datetime]]) -> list[Cycle]:
    """`known`: of each case, when it was reported again as another one."""
    return [replace(one, recurred=_recurred(one, known.get(one.case_id, ()))) for one in cycles]


def _recurred(cycle: Cycle, again: Iterable[datetime]) -> bool:
    if cycle.closed_at is None:
        return False
    until = cycle.closed_at + RECURS_WITHIN
    if cycle.reopened_at is not None:
        until = min(until, cycle.reopened_at)
    return any(cycle.closed_at <= at < until for at in again)


def _rows(history: Sequence[Event]) -> _Rows:
    rows: _Rows = {}
    for event in history:
        for due in getattr(event.payload, "dues", ()):
            if due.clock != "owner" or due.stage not in (ACCEPT, LAST_STAGE):
                continue
            if isinstance(due, RecomputedDue):
                rows[due.stage, due.set_seq].due_at = due.due_at
            else:
                rows[due.stage, event.seq] = _Row(
                    due.stage, event.cycle, due.limit, due.due_at, getattr(due, "original_due_at", None)
                )
        for again in getattr(event.payload, "reopened", ()):
            if again.clock == "owner" and (again.stage, again.set_seq) in rows:
                rows[again.stage, again.set_seq].due_at = again.due_at
    return rows


def _last(rows: _Rows, stage: str, first: int, before: int) -> tuple[int, _Row] | None:
    """The row of a stage that was set last from `first` on, and by which event."""
    found = [seq for of, seq in rows if of == stage and first <= seq < before]
    return (max(found), rows[stage, max(found)]) if found else None


def _sets_accept(event: Event) -> bool:
    """Not so where its unit keeps it, under another hub or forced again: that unit's limit goes on."""
    return any(due.stage == ACCEPT for due in event.payload.dues)


def _goes(event: Event, history: Sequence[Event]) -> bool:
    """Whether the case ends with it: a merge that was undone was none."""
    undone = event.type == "ReportAttached" and any(
        one.type == "CaseDetached" and one.seq > event.seq for one in history
    )
    return event.type in _ENDS and not undone


def _assignments(history: Sequence[Event], rows: _Rows) -> Iterable[Assignment]:
    begins = [event for event in history if event.type in ASSIGNS and _sets_accept(event)]
    end = history[-1].seq + 1
    for event, following in zip(begins, [*(one.seq for one in begins[1:]), end], strict=False):
        found = _last(rows, ACCEPT, event.seq, following)
        if found is None:
            continue
        due_at = found[1].due_at
        during = [one for one in history if event.seq < one.seq <= following]
        accepted = next((e.occurred_at for e in during if e.type == "CaseAccepted"), None)
        ends = (e for e in during if _goes(e, history) or (e.type in ASSIGNS and _sets_accept(e)))
        gone = (e.occurred_at for e in ends)
        ended = next(gone, None)
        yield Assignment(
            case_id=event.case_id,
            cycle=event.cycle,
            seq=event.seq,
            **_seat(event.payload),
            category=_category(history, event.cycle),
            assigned_at=event.occurred_at,
            due_at=due_at,
            accepted_at=accepted,
            taken_back=accepted is None and ended is not None and ended < due_at,
        )


def _cycle(history: Sequence[Event], number: int, rows: _Rows, state: str) -> Cycle | None:
    """None for a cycle in which the case was never dispatched, or was taken out of work."""
    mine = [event for event in history if event.cycle == number]
    found = _last(rows, LAST_STAGE, mine[0].seq, mine[-1].seq + 1)
    seats = [event.payload for event in mine if event.type in _SEATS]
    given = [event for event in mine if event.type in ASSIGNS]
    if found is None or not given:
        return None
    _, row = found
    claims = [event for event in mine if event.type == "ResolutionSubmitted"]
    closing = next((event for event in mine if event.type in _CLOSES), None)
    again = next((event for event in history if event.cycle == number + 1), None)
    silent = closing is not None and closing.type == "NoResponseClosed"
    unverified = closing is not None and closing.type == "VerificationLapsed"
    stood = tuple(event.occurred_at for event in mine if event.type in _STANDS)
    now = state if again is None else None
    said = _said(history, mine, again) if closing is not None else (None, None, None)
    return Cycle(
        case_id=mine[0].case_id,
        cycle=number,
        **_seat(given[-1].payload) | {"hub_code": seats[-1].hub_code, "level": seats[-1].level},
        category=_category(history, number),
        part=history[0].type == "PartFiled",
        limit=row.limit,
        dispatched_at=_dispatched_at(mine),
        due_at=row.due_at,
        original_due_at=row.original_due_at or row.due_at,
        accepted_at=next((event.occurred_at for event in mine if event.type == "CaseAccepted"), None),
        resolved_at=claims[-1].occurred_at if claims else None,
        closed_at=closing.occurred_at if closing is not None else None,
        outcome="no_response" if silent else (claims[-1].payload.outcome if claims else None),
        verified=closing is not None and closing.type == "VerificationPassed",
        unverified=unverified,
        sampled=unverified and is_sampled(mine[0].case_id, number),
        open=now in ("dispatched", "accepted", "in_progress", "suspended", "rework"),
        standing=now == "suspended" and row.due_at > stood[-1],
        reworks=sum(event.type == "VerificationFailed" for event in mine),
        returns=sum(event.type == "ReturnRequested" for event in mine),
        extended=any(event.type == "ExtensionGranted" for event in mine),
        reopened_at=again.occurred_at if again is not None else None,
        suspensions=stood,
        answer=said[0],
        satisfaction=said[1],
        answered_by=said[2],
    )


def _dispatched_at(mine: Sequence[Event]) -> datetime:
    """A part that waits for its turn may be given to somebody without it."""
    sent = [event.occurred_at for event in mine if event.type in ("CaseDispatched", "CaseReopened")]
    return sent[0] if sent else next(event.occurred_at for event in mine if event.type in ASSIGNS)


def is_sampled(case_id: str, cycle: int) -> bool:
    """One in ten of the cycles that nobody verified, always the same ones: people look at these later."""
    digest = hashlib.md5(f"{case_id}/{cycle}".encode(), usedforsecurity=False).hexdigest()
    return int(digest[:7], 16) % _ONE_IN == 0


def _said(history: Sequence[Event], mine: Sequence[Event], again: Event | None) -> _Said:
    """Who has handled the case is not asked: such an answer never counts."""
    handlers = {event.actor_ref for event in history if event.type == "ResolutionSubmitted"}
    said: _Said = (None, None, None)
    for event in [*mine[1:], *([again] if again is not None else [])]:
        by_reporter = event.actor_ref.startswith("report:")
        body = event.payload
        if event.type == "CallbackRecorded" and (body.by_reporter or event.actor_ref not in handlers):
            said = (body.resolved, body.satisfaction, "reporter" if body.by_reporter else "agent")
        elif event.type == "VerificationPassed" and by_reporter:
            said = ("yes", None, "reporter")
        elif event.type in ("VerificationFailed", "CaseReopened") and by_reporter:
            said = ("no", None, "reporter")
    return said


def _category(history: Sequence[Event], cycle: int) -> str:
    named = [e.payload.category for e in history if e.type in _NAMES_CATEGORY and e.cycle <= cycle]
    category: str = named[-1]
    return category


def _seat(body: Any) -> dict[str, Any]:
    return {
        "hub_code": body.hub_code,
        "level": body.level,
        "owner": body.owner,
        "owner_hub_code": body.owner_hub_code,
    }
