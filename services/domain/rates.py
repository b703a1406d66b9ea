"""The rates of domain.md 2.3: what each counts of what, with its interval, over assignments and cycles.

Cohort by due date: what counts fell due in the period, so what is overdue and unsolved counts too. Response
is per assignment, all else per cycle. `counted` is the reference of the book's own counting (statistics.sql).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, sqrt
from typing import Final, Literal, TypeVar, get_args

from services.domain.city import City
from services.domain.limits import parse_limit
from services.domain.rate_facts import Assignment, Cycle
from services.domain.value import value
from services.domain.working_time import WALL

By = Literal["hub", "tier", "category", "owner"]
BYS: Final[tuple[By, ...]] = get_args(By)
SATISFIED_FROM: Final = 4
"""Of 5: 1 very dissatisfied, 2 dissatisfied, 3 fair, 4 satisfied, 5 very satisfied."""
FEWEST_RANKED: Final = 30
_Z: Final = 1.959963984540054
"""95 %, two-sided."""

Row = TypeVar("Row", Assignment, Cycle)


@dataclass(frozen=True, slots=True)
class Definition:
    """`hits` of `n`, names of counts; `best` is the end of the scale that ranks first."""

    name: str
    hits: str
    n: str
    best: Literal["high", "low"] = "high"


RATES: Final[tuple[Definition, ...]] = (
    Definition("response_rate", "accepted_in_time", "accept_due"),
    Definition("on_time_close_rate", "closed_on_time", "due"),
    Definition("strict_on_time", "closed_on_time_strictly", "originally_due"),
    Definition("closure_rate", "closed", "accepted"),
    Definition("resolution_rate", "resolved", "answered"),
    Definition("satisfaction_rate", "satisfied", "graded"),
    Definition("callback_coverage", "answered", "answerable"),
    Definition("rework_rate", "reworked", "claimed", "low"),
    Definition("extension_rate", "extended", "cycles", "low"),
    Definition("return_rate", "returned", "cycles", "low"),
    Definition("reopen_rate", "reopened", "closed", "low"),
    Definition("recurrence_30d_rate", "recurred", "closed", "low"),
    Definition("unverified_rate", "unverified", "closed", "low"),
)

OF_ASSIGNMENTS: Final[Mapping[str, Callable[[Assignment], bool]]] = {
    "accept_due": lambda one: True,
    "accepted_in_time": lambda one: one.accepted_at is not None and one.accepted_at <= one.due_at,
}
OF_CYCLES: Final[Mapping[str, Callable[[Cycle], bool]]] = {
    "cycles": lambda one: True,
    "due": lambda one: one.outcome != "no_response",
    "closed_on_time": lambda one: one.verified and _by(one.resolved_at, one.due_at),
    "accepted": lambda one: one.accepted_at is not None,
    "closed": lambda one: one.accepted_at is not None and one.closed_at is not None,
    "answerable": lambda one: one.closed_at is not None and not one.part,
    "answered": lambda one: one.answer is not None and not one.part,
    "said_yes": lambda one: one.answer == "yes" and not one.part,
    "said_partly": lambda one: one.answer == "partly" and not one.part,
    "graded": lambda one: one.satisfaction is not None and not one.part,
    "satisfied": lambda one: (one.satisfaction or 0) >= SATISFIED_FROM and not one.part,
    "claimed": lambda one: one.resolved_at is not None,
    "reworked": lambda one: one.reworks > 0,
    "extended": lambda one: one.extended,
    "returned": lambda one: one.returns > 0,
    "reopened": lambda one: one.reopened_at is not None,
    "recurred": lambda one: one.recurred,
    "unverified": lambda one: one.unverified,
    "sampled": lambda one: one.sampled,
    "no_response": lambda one: one.outcome == "no_response",
    "suspended": lambda one: bool(one.suspensions),
    "overdue_open": lambda one: one.open,
}
OF_ORIGINALLY_DUE: Final[Mapping[str, Callable[[Cycle], bool]]] = {
    "originally_due": lambda one: one.outcome != "no_response",
    "closed_on_time_strictly": lambda one: one.verified and _by(one.resolved_at, one.original_due_at),
}
STANDING: Final = "standing"
COUNTED: Final = (*OF_ASSIGNMENTS, *OF_CYCLES, *OF_ORIGINALLY_DUE, STANDING)


def _by(at: datetime | None, due_at: datetime) -> bool:
    return at is not None and at <= due_at


@value
class Took:
    """How long something took: the observation at the middle, and at nine tenths."""

    n: int
    median: timedelta | None
    p90: timedelta | None


@value
class Figures:
    """What was counted in one group; `stood` are the limits and suspensions of the suspended cycles."""

    level: int | None
    counts: Mapping[str, int]
    to_accept: Took
    to_resolve: Took
    stood: tuple[tuple[str, tuple[datetime, ...]], ...] = ()


NOTHING_TOOK: Final = Took(n=0, median=None, p90=None)


@value
class Rate:
    """`rate` and its interval are null where nothing was counted, `rank` where too little was."""

    n: int
    hits: float
    rate: float | None
    low: float | None
    high: float | None
    rank: int | None = None


def wilson(hits: float, n: int) -> tuple[float, float]:
    """The 95 % score interval of a proportion."""
    share = hits / n
    spread = _Z * sqrt(share * (1 - share) / n + _Z * _Z / (4 * n * n))
    middle = share + _Z * _Z / (2 * n)
    scale = 1 + _Z * _Z / n
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def rates_of(figures: Figures, *, partly: float = 0.0) -> dict[str, Rate]:
    """Every rate, by name, without ranks. An answer `partly` counts as `partly` of a yes."""
    counts: dict[str, float] = dict(figures.counts)
    counts["resolved"] = counts["said_yes"] + partly * counts["said_partly"]
    return {one.name: _rate(counts[one.hits], int(counts[one.n])) for one in RATES}


def _rate(hits: float, n: int) -> Rate:
    if n == 0:
        return Rate(n=0, hits=hits, rate=None, low=None, high=None)
    low, high = wilson(hits, n)
    return Rate(n=n, hits=hits, rate=hits / n, low=low, high=high)


def ranks(rates: Sequence[Rate], best: Literal["high", "low"]) -> list[int | None]:
    """1 is the best; equal rates share a rank; under 30 there is none."""
    sign = -1 if best == "high" else 1
    keys = [None if one.rate is None or one.n < FEWEST_RANKED else sign * one.rate for one in rates]
    known = [key for key in keys if key is not None]
    return [None if key is None else 1 + sum(other < key for other in known) for key in keys]


def peer(key: str, by: By, level: int | None) -> str:
    """Whom a group is ranked among: hubs of its tier, units of its kind, else all."""
    if by == "hub":
        return str(level)
    return key.partition("@")[0] if by == "owner" else ""


def key_of(one: Assignment | Cycle, by: By) -> str:
    if by == "hub":
        return one.hub_code
    if by == "tier":
        return str(one.level)
    return one.category if by == "category" else f"{one.owner}@{one.owner_hub_code}"


def counted(
    assignments: Iterable[Assignment],
    cycles: Iterable[Cycle],
    *,
    since: datetime,
    until: datetime,
    by: By,
) -> dict[str | None, Figures]:
    """The figures of each group, and of all together under None; `until` itself is outside."""
    given: dict[str | None, list[Assignment]] = defaultdict(list)
    due: dict[str | None, list[Cycle]] = defaultdict(list)
    originally: dict[str | None, list[Cycle]] = defaultdict(list)
    for one in assignments:
        if since <= one.due_at < until and not one.taken_back:
            _put(given, one, by)
    for cycle in cycles:
        if since <= cycle.due_at < until:
            _put(due, cycle, by)
        if since <= cycle.original_due_at < until:
            _put(originally, cycle, by)
    return {key: _figures(given[key], due[key], originally[key]) for key in {None, *given, *due, *originally}}


def _put(groups: dict[str | None, list[Row]], one: Row, by: By) -> None:
    for key in (None, key_of(one, by)):
        groups[key].append(one)


def _figures(given: list[Assignment], due: list[Cycle], originally: list[Cycle]) -> Figures:
    judged = [one for one in due if not one.standing]
    counts = {name: sum(map(test, given)) for name, test in OF_ASSIGNMENTS.items()}
    counts |= {name: sum(map(test, judged)) for name, test in OF_CYCLES.items()}
    strictly = [one for one in originally if not one.standing]
    counts |= {name: sum(map(test, strictly)) for name, test in OF_ORIGINALLY_DUE.items()}
    counts[STANDING] = len(due) - len(judged)
    solved = [
        one.resolved_at - one.dispatched_at
        for one in judged
        if one.resolved_at is not None and (one.verified or one.unverified)
    ]
    return Figures(
        level=min([one.level for one in given] + [one.level for one in due + originally], default=None),
        counts=counts,
        to_accept=_took([one.accepted_at - one.assigned_at for one in given if one.accepted_at is not None]),
        to_resolve=_took(solved),
        stood=tuple((one.limit, one.suspensions) for one in due if one.suspensions),
    )


def _took(times: list[timedelta]) -> Took:
    """The first observation that so many are not above: a time that somebody really had."""
    if not times:
        return NOTHING_TOOK
    times = sorted(times)
    return Took(n=len(times), median=times[ceil(len(times) / 2) - 1], p90=times[ceil(len(times) * 0.9) - 1])


def stood_still(figures: Figures, *, now: datetime, city: City) -> tuple[timedelta, timedelta]:
    """How long suspensions stopped the owner's clock: by the wall, and in the working time of each limit."""
    elapsed = working = timedelta()
    for limit, instants in figures.stood:
        calendar = parse_limit(limit).calendar
        time = city.working_time(calendar) if calendar in city.calendars else WALL
        ends = [*instants, now][: 2 * ceil(len(instants) / 2)]
        for begins, until in zip(ends[::2], ends[1::2], strict=True):
            elapsed += until - begins
            working += time.between(begins, until)
    return elapsed, working
