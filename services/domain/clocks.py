"""The clocks: when a limit falls due, and when each step of the escalation ladder comes (domain.md 6.5).

A step is counted towards the due as it stands: `p` percent of the working time from start to due, and past
100 percent on and on. What a later version of the city changes never moves a due that was set.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from services.domain import ids
from services.domain.case import Deadline
from services.domain.city import NO_CATEGORY, City, LadderStep
from services.domain.events import Clock, Due, DueAgain
from services.domain.limits import Limit, parse_limit
from services.domain.working_time import WALL, WorkingTime

AnyDue = TypeVar("AnyDue", bound=Due)
Pauses = tuple[tuple[datetime, datetime], ...]
ACCEPT = "accept"
_DUE = 100


def set_due(*, city: City, priority: str, clock: Clock, stage: str, limit: Limit, start_at: datetime) -> Due:
    """A milestone set now: its due time and the first step of its ladder."""
    time = city.working_time(limit.calendar)
    due_at, official = time.due(limit, start_at)
    steps = city.steps(clock, stage)
    first = steps[0] if steps else None
    return Due(
        clock=clock,
        stage=stage,
        limit=str(limit),
        start_at=start_at,
        due_at=due_at,
        official=official,
        step=first.step if first else None,
        next_at=_step_at(first, city, priority, time, start_at, due_at, ()) if first else None,
    )


def set_again(due: AnyDue, *, before: Deadline | None, city: City, priority: str, now: datetime) -> AnyDue:
    """A due that takes another's place: what was counted stays, and nothing is told a second time.

    Warnings that would have come by `now` are skipped; so is the breach if `before` had recorded it.
    """
    breached = before is not None and is_breached(city, before)
    time = city.working_time(parse_limit(due.limit).calendar)
    pauses = due.pauses if isinstance(due, DueAgain) else ()
    for rung in city.steps(due.clock, due.stage):
        at = _step_at(rung, city, priority, time, due.start_at, due.due_at, pauses)
        if at > now or (rung.percent >= _DUE and not (breached and rung.percent == _DUE)):
            return replace(due, step=rung.step, next_at=at)
    return replace(due, step=None, next_at=None)


def longer(limit: Limit, due_at: datetime, city: City) -> tuple[datetime, bool]:
    """A due with an extension: counted from the due on, and whether that is official."""
    return city.working_time(limit.calendar).due(limit, due_at)


def _step_at(
    step: LadderStep,
    city: City,
    priority: str,
    time: WorkingTime,
    start_at: datetime,
    due_at: datetime,
    pauses: Pauses,
) -> datetime:
    """A share of the working time up to the due, or sooner where the priority says how long after it."""
    if step.percent == _DUE:
        return due_at
    at = time.share(start_at, due_at, step.percent) if not pauses else None
    if at is None:
        at = _share(time, start_at, due_at, step.percent, pauses)
    known = city.priorities.get(priority)  # None: a later version has dropped it
    after = known.supervise_after if known else None
    if step.levels_up == 1 and after is not None:
        late = tuple(pause for pause in pauses if pause[0] >= due_at)
        at = min(at, after_pauses(due_at + after.length, late, WALL))
    return at


def _share(time: WorkingTime, start_at: datetime, due_at: datetime, percent: int, pauses: Pauses) -> datetime:
    """Counted while the clock ran; the due has moved by the pauses before it, so they are no part of it."""
    whole = _running(time, start_at, due_at, pauses)
    if not whole:
        # set by other hours than today's, between two openings: only the wall clock can share it
        time, whole = WALL, _running(WALL, start_at, due_at, pauses)
    return after_pauses(time.after(start_at, whole * percent / 100), pauses, time)


def _running(time: WorkingTime, start_at: datetime, due_at: datetime, pauses: Pauses) -> timedelta:
    whole = time.between(start_at, due_at)
    for paused_at, resumed_at in pauses:
        whole -= time.between(paused_at, min(resumed_at, due_at))
    return whole


def after_pauses(at: datetime, pauses: Pauses, time: WorkingTime) -> datetime:
    """Where the clock stood still, the working time that was left at the pause is left at its end."""
    for paused_at, resumed_at in pauses:
        if at > paused_at:
            at = time.after(resumed_at, time.between(paused_at, at))
    return at


def instant(step: LadderStep, *, city: City, priority: str, deadline: Deadline) -> datetime:
    time = city.working_time(parse_limit(deadline.limit).calendar)
    return _step_at(step, city, priority, time, deadline.start_at, deadline.due_at, deadline.pauses)


def following(*, city: City, priority: str, deadline: Deadline, step: str) -> tuple[str, datetime] | None:
    """The step after `step` and its instant, or None at the top of the ladder."""
    steps = city.steps(deadline.clock, deadline.stage)
    names = [s.step for s in steps]
    at = names.index(step) + 1 if step in names else len(steps)
    if at >= len(steps):
        return None
    return steps[at].step, instant(steps[at], city=city, priority=priority, deadline=deadline)


def rung(city: City, deadline: Deadline) -> LadderStep | None:
    """The ladder's row for a deadline's next step; None where all are passed, or this version has none."""
    return next((s for s in city.steps(deadline.clock, deadline.stage) if s.step == deadline.step), None)


def is_breached(city: City, deadline: Deadline) -> bool:
    """Whether the due itself has been passed and recorded."""
    if deadline.step is None:
        return True
    found = rung(city, deadline)
    return found is not None and found.percent > _DUE


def step_id(case_id: str, deadline: Deadline) -> str:
    """The `deadline_id` of a deadline's next step."""
    return ids.deadline_id(case_id, deadline.clock, deadline.stage, deadline.step or "", deadline.set_seq)


def owner_dues(
    city: City,
    category: str,
    *,
    priority: str,
    start_at: datetime,
    variant: str | None = None,
    surge: str | None = None,
) -> tuple[Due, ...]:
    """The owner's clock as it starts."""
    limits = owner_limits(city, category, variant=variant, surge=surge)
    return tuple(
        set_due(city=city, priority=priority, clock="owner", stage=stage, limit=limit, start_at=start_at)
        for stage, limit in raised_accept(limits, city, category, priority, start_at)
    )


def raised_accept(
    limits: list[tuple[str, Limit]], city: City, category: str, priority: str, start_at: datetime
) -> list[tuple[str, Limit]]:
    """Where the priority is above the category's own, its accept limit holds if that ends earlier."""
    order, known = list(city.priorities), city.categories.get(category) or city.categories[NO_CATEGORY]
    if priority not in order or order.index(priority) >= order.index(known.priority):
        return limits

    def ends(limit: Limit) -> datetime:
        return city.working_time(limit.calendar).due(limit, start_at)[0]

    own = city.priorities[priority].accept
    return [(stage, min(limit, own, key=ends) if stage == ACCEPT else limit) for stage, limit in limits]


def owner_limits(
    city: City, category: str, *, variant: str | None = None, surge: str | None = None
) -> list[tuple[str, Limit]]:
    """The stages of the owner's clock in order, acceptance first; a category that is gone counts as none."""
    rules = city.categories.get(category) or city.categories[NO_CATEGORY]
    accept = rules.accept
    storm = city.policy.surges.get(surge) if surge else None
    if storm is not None and category in storm.categories:
        accept = storm.accept
    milestones = rules.variants.get(variant, rules.milestones) if variant else rules.milestones
    return ([(ACCEPT, accept)] if accept is not None else []) + [(m.stage, m.limit) for m in milestones]
