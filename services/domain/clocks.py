"""The clocks: when a limit falls due, and when each step of the escalation ladder comes (domain.md 6.5).

Until calendars come, OFF, OPS, WD and Cd are counted by the wall clock and such a due is not official.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from services.domain import ids
from services.domain.case import Deadline
from services.domain.city import City, LadderStep
from services.domain.events import Clock, Due
from services.domain.limits import WALL_CLOCK, Limit, parse_limit

_SECONDS = {"s": 1, "m": 60, "h": 3600, "WH": 3600, "WD": 86400, "Cd": 86400}
_DAYS = frozenset({"WD", "Cd"})

Pauses = tuple[tuple[datetime, datetime], ...]


def length(limit: Limit) -> timedelta:
    return timedelta(seconds=limit.amount * _SECONDS[limit.unit])


def official(limit: Limit) -> bool:
    return limit.calendar == WALL_CLOCK and limit.unit not in _DAYS


def due_at(limit: Limit, start_at: datetime) -> datetime:
    return start_at + length(limit)


def set_due(*, city: City, priority: str, clock: Clock, stage: str, limit: Limit, start_at: datetime) -> Due:
    """A milestone set now: its due time and the first step of its ladder."""
    steps = city.steps(clock, stage)
    first = steps[0] if steps else None
    return Due(
        clock=clock,
        stage=stage,
        limit=str(limit),
        start_at=start_at,
        due_at=due_at(limit, start_at),
        official=official(limit),
        step=first.step if first else None,
        next_at=step_at(first, city=city, priority=priority, limit=limit, start_at=start_at, pauses=())
        if first
        else None,
    )


def step_at(
    step: LadderStep, *, city: City, priority: str, limit: Limit, start_at: datetime, pauses: Pauses
) -> datetime:
    """A share of the limit, or sooner where the priority says how long after the due."""
    at = start_at + length(limit) * step.percent / 100
    known = city.priorities.get(priority)  # None: a later version has dropped it
    after = known.supervise_after if known else None
    if step.levels_up == 1 and after is not None:
        at = min(at, due_at(limit, start_at) + length(after))
    return after_pauses(at, pauses)


def after_pauses(at: datetime, pauses: Pauses) -> datetime:
    """Where the clock stood still, what was left at the pause is left at its end."""
    for paused_at, resumed_at in pauses:
        if at > paused_at:
            at = resumed_at + (at - paused_at)
    return at


def rung(city: City, deadline: Deadline) -> LadderStep:
    """The ladder's row for a deadline's next step."""
    return next(s for s in city.steps(deadline.clock, deadline.stage) if s.step == deadline.step)


def following(
    *, city: City, priority: str, deadline: Deadline, step: str | None, pauses: Pauses
) -> tuple[str, datetime] | None:
    """The step after `step` and its instant, or None at the top of the ladder."""
    steps = city.steps(deadline.clock, deadline.stage)
    names = [s.step for s in steps]
    at = names.index(step) + 1 if step in names else len(steps)
    if at >= len(steps):
        return None
    return steps[at].step, instant(steps[at], city=city, priority=priority, deadline=deadline, pauses=pauses)


def instant(step: LadderStep, *, city: City, priority: str, deadline: Deadline, pauses: Pauses) -> datetime:
    return step_at(
        step,
        city=city,
        priority=priority,
        limit=parse_limit(deadline.limit),
        start_at=deadline.start_at,
        pauses=pauses,
    )


def step_id(case_id: str, deadline: Deadline) -> str:
    """The `deadline_id` of a deadline's next step."""
    return ids.deadline_id(case_id, deadline.clock, deadline.stage, deadline.step or "", deadline.set_seq)
