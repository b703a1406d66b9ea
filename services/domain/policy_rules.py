"""What must hold of priorities, categories and the ladder.

Policy that is missing or open to two readings is a breach.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from services.domain import city as c
from services.domain.calendar_rows import CALENDARS
from services.domain.city_problems import Lined, Problem, twice
from services.domain.city_rows import CATEGORIES, LADDER, PRIORITIES, TIERS, UNITS, CityRows
from services.domain.limits import WALL_CLOCK, Limit

DUE: Final = "due"
VERIFY: Final = "verify"
OWN_STAGES: Final = ("accept", VERIFY, "triage", "report_in", *c.WAITS)
MOST_PERCENT: Final = 1000


def check_priorities(rows: CityRows) -> Iterator[Problem]:
    yield from twice(PRIORITIES, "priority", ((row.line, row.value.code) for row in rows.priorities))
    for row in rows.priorities:
        after = row.value.supervise_after
        one = row.value
        for limit in (one.accept, one.verify, one.triage, one.report_in, one.extension):
            if limit is not None:
                yield from _calendar(rows, PRIORITIES, row.line, limit)
        if after is not None and after.calendar != WALL_CLOCK:
            rule = f"supervise_after `{after}` must run by the wall clock, {WALL_CLOCK}"
            yield Problem(PRIORITIES, row.line, rule)


def check_categories(rows: CityRows) -> Iterator[Problem]:
    yield from twice(CATEGORIES, "code", ((row.line, row.value.code) for row in rows.categories))
    if all(row.value.code != c.NO_CATEGORY for row in rows.categories):
        rule = f"`{c.NO_CATEGORY}` is missing: a report without a category is filed under it"
        yield Problem(CATEGORIES, 1, rule)
    tiers = {row.value.level for row in rows.tiers}
    units = {row.value.code for row in rows.units}
    priorities = {row.value.code for row in rows.priorities}
    places = [row.value.level for row in rows.tiers if row.value.place]
    for row in rows.categories:
        category = row.value
        if category.tier not in tiers:
            yield Problem(CATEGORIES, row.line, f"tier {category.tier} is not a tier of {TIERS}")
        if category.priority not in priorities:
            yield Problem(CATEGORIES, row.line, f"priority `{category.priority}` is not in {PRIORITIES}")
        for name in ("owner", "else_owner", "assist"):
            unit = getattr(category, name)
            if unit is not None and unit not in units:
                yield Problem(CATEGORIES, row.line, f"{name} `{unit}` is not a unit of {UNITS}")
        if category.confidential and places == [category.tier] and category.tier > 1:
            yield Problem(CATEGORIES, row.line, "a confidential category is not dispatched to the place tier")
        yield from _redirected(row) if category.redirect else _handled(rows, row)


def _redirected(row: Lined[c.Category]) -> Iterator[Problem]:
    category = row.value
    for name in ("owner", "else_owner", "assist", "accept", "milestones", "variants", "verify", "hotline"):
        if getattr(category, name):
            rule = f"a redirected category has no {name}: nobody here works on it"
            yield Problem(CATEGORIES, row.line, rule)
    if category.tier != 1:
        yield Problem(CATEGORIES, row.line, "a redirected category stands at tier 1")


def _handled(rows: CityRows, row: Lined[c.Category]) -> Iterator[Problem]:
    category = row.value
    for name in ("owner", "accept", "verify"):
        if getattr(category, name) is None:
            yield Problem(CATEGORIES, row.line, f"{name} is missing: only a redirected category goes without")
    if not category.milestones or category.milestones[-1].stage != c.LAST_STAGE:
        yield Problem(CATEGORIES, row.line, f"the last milestone must be `{c.LAST_STAGE}`")
    limits = [] if category.accept is None else [category.accept]
    for milestones in (category.milestones, *category.variants.values()):
        limits += (milestone.limit for milestone in milestones)
        for milestone in milestones:
            if milestone.stage in OWN_STAGES:
                rule = f"`{milestone.stage}` is not a milestone: it has its own limit"
                yield Problem(CATEGORIES, row.line, rule)
    for limit in dict.fromkeys(limits):
        yield from _calendar(rows, CATEGORIES, row.line, limit)


def check_ladder(rows: CityRows) -> Iterator[Problem]:
    yield from twice(LADDER, "step", ((row.line, _of(row, row.value.step)) for row in rows.ladder))
    yield from twice(LADDER, "percent", ((row.line, _of(row, row.value.percent)) for row in rows.ladder))
    owned = (("owner", "accept"), ("owner", c.LAST_STAGE), ("owner", VERIFY), ("owner", c.ANY_STAGE))
    for clock, stage in (*owned, ("citizen", c.LAST_STAGE)):
        if all((row.value.clock, row.value.stage) != (clock, stage) for row in rows.ladder):
            yield Problem(LADDER, 1, f"the steps of {clock},{stage} are missing")
    dues: dict[tuple[str, str], int] = {}
    for row in rows.ladder:
        step = row.value
        dues.setdefault((step.clock, step.stage), row.line)
        if step.percent == 100:
            dues[step.clock, step.stage] = 0
        if (step.step == DUE) != (step.percent == 100):
            yield Problem(LADDER, row.line, f"the step at 100 percent, and no other, is called `{DUE}`")
        elif step.event != _event_at(step):
            rule = f"event `{step.event}` cannot come at {step.percent} percent of {step.stage}"
            yield Problem(LADDER, row.line, f"{rule}: there `{_event_at(step)}` does")
        elif (step.event == "CaseEscalated") != (step.levels_up > 0):
            yield Problem(LADDER, row.line, "levels_up is 1 or more for CaseEscalated and empty for others")
        if not 0 < step.percent <= MOST_PERCENT:
            yield Problem(LADDER, row.line, f"percent must be above 0 and at most {MOST_PERCENT}")
    for (clock, stage), line in dues.items():
        if line:
            yield Problem(LADDER, line, f"{clock},{stage} has no step `{DUE}` at 100 percent")


def _of(row: Lined[c.LadderStep], what: str | int) -> str:
    return f"{row.value.clock},{row.value.stage},{what}"


def _event_at(step: c.LadderStep) -> str:
    if step.percent != 100:
        return "SlaWarning" if step.percent < 100 else "CaseEscalated"
    return "VerificationLapsed" if step.stage == VERIFY else "SlaBreached"


def _calendar(rows: CityRows, file: str, line: int, limit: Limit) -> Iterator[Problem]:
    if all(row.value.code != limit.calendar for row in rows.calendars):
        yield Problem(file, line, f"calendar of `{limit}` is not one of {CALENDARS}")
