"""Dues that move after they were set: a failed verification lets them run on, an official year recounts them.

A recorded breach stays as it is, `deadline_id` and passed steps too. A due that was recounted and moved never
comes before the end of the next working day; only steps that are still to come are set again.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from services.domain import clocks
from services.domain.case import Case, Deadline
from services.domain.city import City
from services.domain.events import RecomputedDue, ReopenedDue
from services.domain.limits import parse_limit
from services.domain.working_time import WorkingTime


def run_on(
    deadline: Deadline, case: Case, now: datetime, city: City, *, stood_since: datetime | None = None
) -> ReopenedDue:
    """The owner's clock stood still since the claim, or since then; the citizen's never does."""
    paused_at = (stood_since or deadline.met_at) if deadline.clock == "owner" else None
    again = deadline
    if paused_at is not None:
        time = _time(deadline, city)
        pause = ((paused_at, now),)
        due_at = deadline.due_at
        if not clocks.is_breached(city, deadline):
            due_at = clocks.after_pauses(due_at, pause, time)
        again = replace(deadline, due_at=due_at, pauses=deadline.pauses + pause)
    official = deadline.official
    if not official:
        # a year that was loaded meanwhile did not reach a row that was met
        counted, official = _counted_anew(again, case, now, city)
        again = counted if official else again
    rung = clocks.rung(city, deadline)
    return ReopenedDue(
        clock=deadline.clock,
        stage=deadline.stage,
        set_seq=deadline.set_seq,
        due_at=again.due_at,
        next_at=clocks.instant(rung, city=city, priority=case.priority, deadline=again)
        if rung
        else (now if deadline.step else None),
        paused_at=paused_at,
        official=official,
    )


def recomputed(case: Case, years: tuple[int, ...], *, now: datetime, city: City) -> tuple[RecomputedDue, ...]:
    """The rows that are other than before now that these years are official, and what they are."""
    rows = (_recomputed(d, case, frozenset(years), now, city) for d in case.deadlines if d.open)
    return tuple(row for row in rows if row is not None)


def _recomputed(
    deadline: Deadline, case: Case, years: frozenset[int], now: datetime, city: City
) -> RecomputedDue | None:
    time = _time(deadline, city)
    again, official = deadline, deadline.official
    if not deadline.official and _reaches(deadline, time, years):
        again, official = _counted_anew(deadline, case, now, city)
    step, next_at = deadline.step, deadline.next_at
    rung = clocks.rung(city, deadline)
    stands = next_at is None and step is not None
    counted_on = next_at is not None and time.predictable and next_at.astimezone(time.zone).year in years
    if rung is not None and not stands and (counted_on or again.due_at != deadline.due_at):
        step, next_at = _next_step(again, case, now, city)
    if (again.due_at, official, step, next_at) == (
        deadline.due_at,
        deadline.official,
        deadline.step,
        deadline.next_at,
    ):
        return None
    return RecomputedDue(
        clock=deadline.clock,
        stage=deadline.stage,
        set_seq=deadline.set_seq,
        from_due_at=deadline.due_at,
        due_at=again.due_at,
        official=official,
        step=step,
        next_at=next_at,
    )


def _counted_anew(deadline: Deadline, case: Case, now: datetime, city: City) -> tuple[Deadline, bool]:
    """The same limit from the same start by today's calendar, and whether it is official now."""
    limit = parse_limit(deadline.limit)
    time = city.working_time(limit.calendar)
    due_at, official = time.due(limit, deadline.start_at)
    due_at = clocks.after_pauses(due_at, deadline.pauses, time)
    if case.fixed_by_parts(deadline):
        due_at, official = deadline.due_at, time.is_official(deadline.start_at, deadline.due_at)
    elif deadline.extended_by is not None:
        due_at, also = clocks.longer(parse_limit(deadline.extended_by), due_at, city)
        official = official and also
    if clocks.is_breached(city, deadline):
        return deadline, official
    if due_at != deadline.due_at:
        due_at = max(due_at, time.closing(now, 1))
    official = official and time.is_official(deadline.start_at, due_at, from_next_day=limit.unit == "WD")
    return replace(deadline, due_at=due_at), official


def _next_step(
    deadline: Deadline, case: Case, now: datetime, city: City
) -> tuple[str | None, datetime | None]:
    """The step it stands at, set again; a warning that would have come by now is skipped."""
    rungs = city.steps(deadline.clock, deadline.stage)
    standing = [rung.step for rung in rungs].index(deadline.step or "")
    for rung in rungs[standing:]:
        at = clocks.instant(rung, city=city, priority=case.priority, deadline=deadline)
        if at > now or rung.percent >= 100:
            return rung.step, at
    return None, None


def _reaches(deadline: Deadline, time: WorkingTime, years: frozenset[int]) -> bool:
    first = deadline.start_at.astimezone(time.zone).year
    last = max(deadline.due_at, deadline.next_at or deadline.due_at).astimezone(time.zone).year
    return any(first <= year <= last for year in years)


def _time(deadline: Deadline, city: City) -> WorkingTime:
    return city.working_time(parse_limit(deadline.limit).calendar)
