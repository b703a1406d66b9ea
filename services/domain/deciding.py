"""What every decision is made with, and the pieces that several of them need."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, cast

from services.domain import clocks
from services.domain.case import ARCHIVE, Case, Deadline
from services.domain.city import LAST_STAGE, City
from services.domain.clocks import ACCEPT
from services.domain.errors import NotAllowed
from services.domain.events import Due, DueAgain
from services.domain.limits import Limit, parse_limit
from services.domain.messages import Actor, CaseCommand
from services.domain.routing import find_owner

TRIAGE, INFO, DECISION, SUSPENSION, VERIFY = "triage", "info", "decision", "suspension", "verify"


_TELEPHONE: Final = re.compile(
    r"""
    (?<!\d) (?:(?:00)?86\D{0,2}|0)? 1[3-9] (?:\D?\d){9} (?!\d)   # a mobile, however its digits stand apart
    | (?<!\d) 0\d{2,3} \D{0,2} \d{7,8} (?!\d)                    # a landline with its area
    """,
    re.ASCII | re.VERBOSE,
)


def is_telephone(text: str) -> bool:
    """Whether a number of the mainland is in it: personal, so that it belongs in no event."""
    return _TELEPHONE.search(text) is not None


@dataclass(frozen=True, slots=True)
class On:
    """A body that is written on another case than the command's; `case_id` may be one that begins with it."""

    case_id: str
    body: Any


@dataclass(frozen=True, slots=True)
class Desk:
    """A command on the desk: the case it is for, those near it, the city and the time."""

    case: Case
    command: CaseCommand
    now: datetime
    city: City
    others: Mapping[str, Case]

    @property
    def actor(self) -> Actor:
        return self.command.actor

    @property
    def wanted(self) -> Any:
        """The command's payload."""
        return self.command.payload

    def set_due(self, stage: str, limit: Limit, *, start_at: datetime | None = None) -> Due:
        """A due on the owner's clock, from now if nothing else is said."""
        return clocks.set_due(
            city=self.city,
            priority=self.case.priority,
            clock="owner",
            stage=stage,
            limit=limit,
            start_at=start_at or self.now,
        )


Decider = Callable[[Desk], tuple[Any, ...]]


def archive_due(case: Case, city: City, now: datetime) -> tuple[Due, ...]:
    """When a case that closes now goes to the archive."""
    return (
        clocks.set_due(
            city=city,
            priority=case.priority,
            clock="owner",
            stage=ARCHIVE,
            limit=city.policy.archive_after,
            start_at=now,
        ),
    )


def triage_limit(city: City, priority: str, reason: str) -> Limit:
    known = city.rules_of(priority)
    return city.policy.verify_first if reason == "verify_first" and not known.urgent else known.triage


@dataclass(frozen=True, slots=True)
class Seat:
    """Who is to have a case: a unit of a kind, where it sits, and the hub that directs it."""

    hub_code: str
    level: int
    owner: str
    owner_hub_code: str

    def fields(self) -> dict[str, Any]:
        return {
            "hub_code": self.hub_code,
            "level": self.level,
            "owner": self.owner,
            "owner_hub_code": self.owner_hub_code,
        }


def desk_of(city: City, hub_code: str) -> Seat:
    level = city.hubs[hub_code].level
    return Seat(hub_code, level, city.desk(level), hub_code)


def above(city: City, hub_code: str) -> str:
    """The hub above, or the root itself; a hub that is gone stands below the root."""
    return (city.parent(hub_code) if hub_code in city.hubs else None) or city.root


def seat_for(desk: Desk, owner: str, hub_code: str | None, *, field: str = "owner") -> Seat:
    """The unit of this kind at the hub (default: the case's) or above it, given within the actor's reach."""
    city, case = desk.city, desk.case
    at = hub_code or case.hub_code
    if at not in city.hubs:
        raise NotAllowed("invalid", "no hub has this code", "hub_code")
    within = (*desk.actor.hubs, case.side.aid_hub_code and case.hub_code)
    if not any(own and city.in_subtree(at, own) for own in within if own in city.hubs):
        raise NotAllowed(
            "forbidden", "a case is given within your own hub and below; ask the tier above", "hub_code"
        )
    if owner not in city.units:
        raise NotAllowed("invalid", f"no unit is called so; known are {', '.join(sorted(city.units))}", field)
    found = find_owner(city, (owner,), at)
    if found is None:
        raise NotAllowed("invalid", "no such unit sits at that hub or above it", field)
    return Seat(at, city.hubs[at].level, *found)


def handed_over(desk: Desk) -> tuple[Due, ...]:
    """The clocks of a new owner: acceptance and the milestones not yet met; resolve keeps its due.

    All of them start for a case that nobody had yet.
    """
    dues = dues_from(desk, desk.now, desk.case.priority)
    if desk.case.dispatched_at is None:
        return dues
    unmet = {d.stage for d in desk.case.deadlines if d.clock == "owner" and d.open} - {LAST_STAGE}
    return tuple(due for due in dues if due.stage in {ACCEPT, *unmet})


def dues_from(desk: Desk, start_at: datetime, priority: str) -> tuple[Due, ...]:
    side = desk.case.side
    return clocks.owner_dues(
        desk.city,
        desk.case.category,
        priority=priority,
        start_at=start_at,
        variant=side.variant,
        surge=side.surge,
    )


def limits_of(case: Case, city: City) -> list[tuple[str, Limit]]:
    return clocks.owner_limits(city, case.category, variant=case.side.variant, surge=case.side.surge)


def reset(
    desk: Desk,
    limits: Iterable[tuple[str, Limit]],
    *,
    priority: str,
    not_before: datetime | None = None,
) -> tuple[DueAgain, ...]:
    """The open owner stages again under other limits, from where each began: what was counted stays counted.

    A stage that the case did not have begins with the dispatch; one whose breach is recorded stays as it is.
    """
    case = desk.case
    met = {d.stage for d in case.deadlines if d.clock == "owner" and d.met_at is not None}
    dues = []
    for stage, limit in limits:
        before = case.open_deadline("owner", stage)
        if before is None and (stage in met or stage == ACCEPT):
            continue
        if before is not None and clocks.is_breached(desk.city, before):
            continue
        dues.append(again(desk, "owner", stage, limit, before, priority, not_before))
    return tuple(dues)


def again(
    desk: Desk,
    clock: str,
    stage: str,
    limit: Limit,
    before: Deadline | None,
    priority: str,
    not_before: datetime | None = None,
) -> DueAgain:
    """One due again: same start, same pauses, same extension."""
    case, city = desk.case, desk.city
    running = before or case.open_deadline("owner", LAST_STAGE)
    start_at = before.start_at if before else (case.dispatched_at or desk.now)
    pauses = running.pauses if running and clock == "owner" else ()
    due_at, official = city.working_time(limit.calendar).due(limit, start_at)
    due_at = clocks.after_pauses(due_at, pauses, city.working_time(limit.calendar))
    original, extended_by = None, before.extended_by if before else None
    if before is not None and case.fixed_by_parts(before):
        # they go on as they were
        original, due_at, official = before.original_due_at, before.due_at, before.official
    elif extended_by is not None:
        original = due_at
        due_at, also = clocks.longer(parse_limit(extended_by), due_at, city)
        official = official and also
    if not_before is not None:
        due_at = max(due_at, not_before)
    due = DueAgain(
        clock=cast("Any", clock),
        stage=stage,
        limit=str(limit),
        start_at=start_at,
        due_at=due_at,
        official=official,
        step=None,
        next_at=None,
        extended_by=extended_by,
        original_due_at=original,
        pauses=pauses,
    )
    return clocks.set_again(due, before=before, city=city, priority=priority, now=desk.now)


def anew(row: Deadline, desk: Desk, due_at: datetime, *, official: bool, **changed: Any) -> DueAgain:
    """A row that was set before, due at another instant: what it counted stays."""
    due = replace(carried(row), due_at=due_at, official=official, **changed)
    return clocks.set_again(due, before=row, city=desk.city, priority=desk.case.priority, now=desk.now)


def carried(row: Deadline) -> DueAgain:
    """What a row has counted, to be set once more; its steps are still to be found."""
    return DueAgain(
        clock=row.clock,
        stage=row.stage,
        limit=row.limit,
        start_at=row.start_at,
        due_at=row.due_at,
        official=row.official,
        step=None,
        next_at=None,
        extended_by=row.extended_by,
        original_due_at=row.original_due_at,
        pauses=row.pauses,
    )


def yields(body: type[Any]) -> Decider:
    """A move that carries nothing of its own."""
    return lambda desk: (body(),)
