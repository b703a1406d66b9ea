"""Is a new report of a problem that is known (domain.md 2.8)? What two sightings have in common, as a score.

score = 0.4 words + 0.3 place + 0.3 time, each from 0 to 1:
- words: how alike the texts are; half alike is enough (people rarely use the same words), and a missing text
  counts as half: without words on both sides the score stays below any sensible attach_score;
- place: 1 at the same spot, 0 at the radius. Of the distance, what the two phones may be off on average is
  forgiven. The radius is the wider of the two categories', and wider still in a surge;
- time: 1 at once, 0 at the end of the window. One's own problem and one that was closed do not fade.

Sure is a score of at least attach_score, the same category, and a distance within the radius without any
forgiving; from suggest_score on people are asked.
Confidential reports and categories are in no family: nothing here ever sees them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.domain.city import City
from services.domain.duplicate_settings import Duplicates
from services.domain.events import Likeness
from services.domain.geo import Point, distance_m
from services.domain.value import value

WORDS, PLACE, TIME = 0.4, 0.3, 0.3
_ALIKE_ENOUGH: Final = 0.5
_NO_WORDS: Final = 0.5
MOST_SUGGESTED: Final = 5


@value
class Sighting:
    """What a report says of where and when a problem was; `error_m` is how far its point may be off."""

    category: str | None
    point: Point
    error_m: float
    seen_at: datetime


@value
class Candidate:
    """A sighting that belongs to a case. `own`: the new report's reporter stands behind that case."""

    case_id: str
    seen: Sighting
    closed_at: datetime | None = None
    own: bool = False


@value
class Match:
    """A candidate within reach. `strict`: of the same category, and within the radius as it stands."""

    candidate: Candidate
    likeness: float | None
    distance_m: float
    score: float
    strict: bool


@dataclass(frozen=True, slots=True)
class Urge:
    """The reporter's own problem, still open: a reminder."""

    like: Likeness


@dataclass(frozen=True, slots=True)
class Attach:
    """Somebody else's problem, still open: one more who saw it."""

    like: Likeness


@dataclass(frozen=True, slots=True)
class Reopen:
    """Closed lately, and there again."""

    like: Likeness


@dataclass(frozen=True, slots=True)
class Recurrence:
    """Closed some time ago, and there again: a new case that says so. `suggested` may be it as well."""

    like: Likeness
    suggested: tuple[Likeness, ...]


@dataclass(frozen=True, slots=True)
class Suggest:
    """People decide; the likeliest first."""

    suggested: tuple[Likeness, ...]


Verdict = Urge | Attach | Reopen | Recurrence | Suggest | None


def seen_at(captured_at: datetime | None, received_at: datetime, window: timedelta) -> datetime:
    """When the problem was seen: what the phone says, unless its clock cannot be right."""
    if captured_at is not None and received_at - window <= captured_at <= received_at:
        return captured_at
    return received_at


def reach_m(radius: float, error_m: float, rules: Duplicates, *, surge: bool) -> float:
    """How far off another sighting may stand, at the most, when the new point may be off by `error_m`."""
    most = rules.most_error_m
    return radius * (rules.surge_factor if surge else 1.0) + (min(error_m, most) + most) / 2.0


def sure_reach_m(radius: float, error_m: float, rules: Duplicates, *, surge: bool) -> float:
    """How far off a sighting of the same category may stand to be sure, were its words the very same."""
    radius *= rules.surge_factor if surge else 1.0
    nearest = min(1.0, max(0.0, (WORDS + PLACE + TIME - rules.attach_score) / PLACE))
    return min(radius, nearest * radius + (min(error_m, rules.most_error_m) + rules.most_error_m) / 2.0)


def match(
    new: Sighting, candidate: Candidate, likeness: float | None, *, rules: Duplicates, surge: bool = False
) -> Match | None:
    """None beyond the radius or the window, or where the categories are of two families.

    `likeness` of the words is from 0 to 1; None: one of the two has none.
    """
    seen, closed_at = candidate.seen, candidate.closed_at
    radius = rules.radius_m.get(seen.category or "", 0.0)
    if new.category is not None and new.category != seen.category:
        if rules.family_of(new.category) != rules.family_of(seen.category):
            return None
        radius = max(radius, rules.radius_m.get(new.category, 0.0))
    if surge:
        radius *= rules.surge_factor
    apart, most = distance_m(new.point, seen.point), rules.most_error_m
    beyond = max(0.0, apart - (min(new.error_m, most) + min(seen.error_m, most)) / 2.0)
    if beyond >= radius:
        return None
    age = 0.0
    if closed_at is not None:
        if new.seen_at - closed_at > rules.recurrence_within:
            return None
    elif not candidate.own:
        age = abs(new.seen_at - seen.seen_at) / rules.window
        if age > 1.0:
            return None
    alike = _NO_WORDS if likeness is None else min(1.0, likeness / _ALIKE_ENOUGH)
    score = WORDS * alike + PLACE * (1.0 - beyond / radius) + TIME * (1.0 - age)
    return Match(
        candidate=candidate,
        likeness=likeness,
        distance_m=apart,
        score=score,
        strict=new.category == seen.category and apart <= radius,
    )


def judge(
    new: Sighting,
    matches: Iterable[Match],
    *,
    city: City,
    only_suggest: bool = False,
    may_join: Callable[[str], bool] = lambda case_id: True,
) -> Verdict:
    """What becomes of the report.

    `only_suggest`: it says that life is in danger, so it never goes under in another case. `may_join`:
    whether the router holds that case; one that it does not hold is only suggested.
    """
    rules = city.duplicates
    best: dict[str, Match] = {}
    for one in sorted(matches, key=lambda one: (-one.score, one.distance_m, one.candidate.case_id)):
        best.setdefault(one.candidate.case_id, one)
    likely = [one for one in best.values() if one.score >= rules.suggest_score]
    sure = [one for one in likely if not only_suggest and one.score >= rules.attach_score and one.strict]
    for one in sure:
        if one.candidate.closed_at is None and may_join(one.candidate.case_id):
            return Urge(_like(one)) if one.candidate.own else Attach(_like(one))
    again = [one for one in sure if one.candidate.closed_at and new.seen_at > one.candidate.closed_at]
    for one in again:
        if _may_reopen(one, new, city) and may_join(one.candidate.case_id):
            return Reopen(_like(one))
    suggested = tuple(_like(one) for one in likely if _asks_people(one, new))[:MOST_SUGGESTED]
    if again:
        return Recurrence(_like(again[0]), suggested)
    return Suggest(suggested) if suggested else None


def _asks_people(one: Match, new: Sighting) -> bool:
    """Of closed problems only those that were closed after it was seen: it may be mended since."""
    closed_at = one.candidate.closed_at
    return closed_at is None or new.seen_at <= closed_at


def _may_reopen(one: Match, new: Sighting, city: City) -> bool:
    """What comes and goes, such as a parked car, is another one next time."""
    category = city.categories.get(new.category or "")
    closed_at, within = one.candidate.closed_at, city.policy.reopen_within
    if closed_at is None or category is None or category.transient:
        return False
    until, _ = city.working_time(within.calendar).due(within, closed_at)
    return new.seen_at <= until


def _like(one: Match) -> Likeness:
    return Likeness(
        case_id=one.candidate.case_id, score=round(one.score, 2), distance_m=round(one.distance_m, 1)
    )
