"""A city as data: tiers, hubs, units, categories, priorities, ladder and calendars, of one numbered version.

Nothing here knows a tier's name, a category or a hub; the one code the contract itself names is `other`.
Built only from what city_rules.py found whole, so look-ups need no doubt: an unknown code is a KeyError.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Final, Literal

from services.domain.calendars import Calendar, Days
from services.domain.duplicate_settings import Duplicates
from services.domain.geo import Point
from services.domain.grids import Grid, Sign, read_sign
from services.domain.limits import Limit
from services.domain.nearest import Nearest
from services.domain.working_time import WALL, WorkingTime

NO_CATEGORY: Final = "other"
ANY_STAGE: Final = "*"
LAST_STAGE: Final = "resolve"

Clock = Literal["citizen", "owner"]
LadderEvent = Literal[
    "SlaWarning", "SlaBreached", "CaseEscalated", "VerificationLapsed", "WaitEnded", "CaseArchived"
]
NO_RESPONSE: Final = "no_response"
WAITING_FOR_REPORTER: Final = "waiting_for_reporter"
Verify = Literal["P", "S", "R"]


@dataclass(frozen=True, slots=True)
class Tier:
    """`desk` is the unit that owns what no other unit at a hub of this level owns, on duty by `duty`."""

    level: int
    code: str
    name_zh: str
    name_en: str
    desk: str
    duty: str
    place: bool


@dataclass(frozen=True, slots=True)
class Hub:
    code: str
    parent: str | None
    level: int
    kind: str
    name: str
    lon: float
    lat: float
    position: str


@dataclass(frozen=True, slots=True)
class Unit:
    """A kind of owner unit; one sits at every hub of `level`, or nowhere yet when that is None."""

    code: str
    level: int | None
    name_zh: str
    name_en: str


@dataclass(frozen=True, slots=True)
class Milestone:
    stage: str
    limit: Limit


@dataclass(frozen=True, slots=True)
class Category:
    """`variants` hold each variant's whole list of milestones: those it names, the others as they were."""

    code: str
    name_zh: str
    name_en: str
    kind: str
    tier: int
    owner: str | None
    else_owner: str | None
    assist: str | None
    priority: str
    accept: Limit | None
    milestones: tuple[Milestone, ...]
    variants: Mapping[str, tuple[Milestone, ...]]
    verify: Verify | None
    confidential: bool = False
    restricted: bool = False
    transient: bool = False
    council: bool = False
    hotline: str | None = None
    redirect: str | None = None

    @property
    def resolve(self) -> Limit | None:
        return self.milestones[-1].limit if self.milestones else None

    @property
    def hotlines(self) -> tuple[str, ...]:
        """Whom to call at once: a report is no emergency call."""
        return tuple(number for number in (self.redirect, self.hotline) if number is not None)


@dataclass(frozen=True, slots=True)
class Priority:
    """`accept` holds for a case whose priority is raised; `extension` is the longest, None: there is none.

    `urgent`: filed at once whatever the report lacks, and worked on though its reporter withdraws.
    """

    code: str
    name_zh: str
    name_en: str
    accept: Limit
    verify: Limit
    triage: Limit
    report_in: Limit
    extension: Limit | None
    urgent: bool
    supervise_after: Limit | None


@dataclass(frozen=True, slots=True)
class LadderStep:
    """`percent` of the limit's working time; `levels_up` is 0 but for an escalation."""

    clock: Clock
    stage: str
    step: str
    percent: int
    event: LadderEvent
    levels_up: int


def _wait(stage: str, event: LadderEvent) -> tuple[LadderStep, ...]:
    return (LadderStep("owner", stage, "due", 100, event, 0),)


WAITS: Final[Mapping[str, tuple[LadderStep, ...]]] = {
    "info": _wait("info", "WaitEnded"),
    "suspension": _wait("suspension", "WaitEnded"),
    "decision": _wait("decision", "WaitEnded"),
    "archive": _wait("archive", "CaseArchived"),
}
"""Waits that no city's ladder rules over: when they end, the life of a case says what follows."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A scene to report with one tap: its likeliest category and the others it may turn out to be.

    `icon` is an SVG path on a field of 24 × 24; `hotlines` are to be offered before anything else.
    """

    code: str
    name_zh: str
    name_en: str
    icon: str
    category: str
    alternatives: tuple[str, ...]
    hotlines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hotline:
    number: str
    name_zh: str
    name_en: str


@dataclass(frozen=True, slots=True)
class Named:
    """A reason or a partner; `channel` is where a declined reporter may go, `hub_code` a partner's seat."""

    name_zh: str
    name_en: str
    channel: str | None = None
    hub_code: str | None = None


@dataclass(frozen=True, slots=True)
class Surge:
    """A typhoon, a flood, an epidemic in the area of a hub: `categories` are accepted within `accept`.

    `deferred` priorities start their owner's clock at its end; `aid_hub` may take the area's cases.
    """

    hub_code: str
    begins: datetime
    ends: datetime
    categories: frozenset[str]
    accept: Limit
    deferred: frozenset[str]
    aid_hub: str | None
    notice_zh: str
    notice_en: str


@dataclass(frozen=True, slots=True)
class Policy:
    """How a case lives in this city beyond its category's limits (domain.md 6.4 to 6.6)."""

    needed_to_file: frozenset[str]
    shown_by_photo: frozenset[str]
    verify_first: Limit
    info: Limit
    return_within: Limit
    decide_within: Limit
    appeal_within: Limit
    reopen_within: Limit
    archive_after: Limit
    parts_margin: Limit
    urge_every: Limit
    most_returns: int
    most_reworks: int
    most_owners: int
    many_reporters: int
    group_reporters: int
    most_parts: int
    most_depth: int
    suspensions: Mapping[str, Limit]
    declines: Mapping[str, Named]
    partners: Mapping[str, Named]
    surges: Mapping[str, Surge]
    danger_words: Mapping[str, tuple[str, ...]]

    def danger(self, text: str | None) -> bool:
        """Whether somebody's words say that life is in danger."""
        return text is not None and any(
            word in text for words in self.danger_words.values() for word in words
        )


@dataclass(frozen=True, slots=True)
class City:
    version: int
    name_zh: str
    name_en: str
    timezone: str
    zone: tzinfo
    nearest_centre_km: float
    coarse_accuracy_m: float
    calendars: Mapping[str, Calendar]
    days: Days
    tiers: Mapping[int, Tier]
    hubs: Mapping[str, Hub]
    units: Mapping[str, Unit]
    categories: Mapping[str, Category]
    priorities: Mapping[str, Priority]
    ladder: tuple[LadderStep, ...]
    tiles: tuple[Tile, ...]
    hotlines: Mapping[str, Hotline]
    policy: Policy
    duplicates: Duplicates
    grids: Mapping[str, Grid] = field(default_factory=dict)
    root: str = field(init=False)
    place_level: int = field(init=False)
    _children: Mapping[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)
    _grids: Mapping[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)
    _centres: Nearest = field(init=False, repr=False, compare=False)
    _steps: Mapping[tuple[str, str], tuple[LadderStep, ...]] = field(init=False, repr=False, compare=False)
    _times: Mapping[str, WorkingTime] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        (root,) = (hub.code for hub in self.hubs.values() if hub.parent is None)
        (place_level,) = (tier.level for tier in self.tiers.values() if tier.place)
        for name, value in (
            ("root", root),
            ("place_level", place_level),
            ("_children", _below((hub.code, hub.parent) for hub in self.hubs.values())),
            ("_grids", _below((grid.code, grid.hub_code) for grid in self.grids.values())),
            ("_centres", Nearest(self._centres_above(place_level), reach_m=self.nearest_centre_km * 1000.0)),
            ("_steps", _steps(self.ladder)),
            ("_times", {code: WorkingTime(c, self.days, self.zone) for code, c in self.calendars.items()}),
        ):
            object.__setattr__(self, name, value)

    def ancestors(self, code: str) -> tuple[str, ...]:
        """The hub itself first, the root last."""
        chain = [code]
        while (above := self.hubs[chain[-1]].parent) is not None:
            chain.append(above)
        return tuple(chain)

    def parent(self, code: str) -> str | None:
        return self.hubs[code].parent

    def children(self, code: str) -> tuple[str, ...]:
        return self._children.get(code, ())

    def grids_of(self, code: str) -> tuple[str, ...]:
        """The grids of a community."""
        return self._grids.get(code, ())

    def sign(self, code: str) -> Sign | None:
        """What a report names, or a sign on a wall: a hub, a grid or a row; None: nothing of this city."""
        if code in self.hubs:
            return Sign(code)
        found = read_sign(code, hubs=self.hubs.keys(), grids=self.grids)
        if found is None or self.hubs[found.hub_code].level != self.place_level:
            return None
        return found

    def in_subtree(self, code: str, top: str) -> bool:
        return top in self.ancestors(code)

    def at_level(self, code: str, level: int) -> str:
        """The ancestor of that level, or the hub itself if it already stands at or above it."""
        chain = self.ancestors(code)
        return chain[max(0, len(chain) - level)]

    def nearest_centre(self, point: Point) -> str | None:
        """The hub just above the place tier with the nearest centre, if that is near enough."""
        return self._centres.to(point)

    def _centres_above(self, place_level: int) -> Iterator[tuple[str, Point]]:
        return ((hub.code, (hub.lon, hub.lat)) for hub in self.hubs.values() if hub.level == place_level - 1)

    def desk(self, level: int) -> str:
        return self.tiers[level].desk

    def sits(self, unit: str, hub_code: str) -> bool:
        known = self.units.get(unit)
        return known is not None and known.level == self.hubs[hub_code].level

    def unit_at(self, unit: str, hub_code: str) -> str | None:
        """The nearest hub, self or ancestor, where such a unit sits."""
        return next((code for code in self.ancestors(hub_code) if self.sits(unit, code)), None)

    def steps(self, clock: Clock, stage: str) -> tuple[LadderStep, ...]:
        """The ladder of a stage in order of percent; a stage without its own takes the clock's `*`.

        A stage may say whose it is: `report_in:water_co@320506` climbs as `report_in`.
        """
        own = self._steps.get((clock, stage))
        if own is None and ":" in stage:
            own = self._steps.get((clock, stage.partition(":")[0]))
        return own if own is not None else self._steps.get((clock, ANY_STAGE), ())

    def higher(self, priority: str) -> str:
        """The next priority up, or the same at the top."""
        order = list(self.priorities)
        at = order.index(priority) if priority in order else 1
        return order[max(0, at - 1)]

    def more_urgent(self, one: str, other: str) -> str:
        """Of two priorities the higher; one that a later version has dropped does not count."""
        order = list(self.priorities)
        return min((p for p in (one, other) if p in order), key=order.index, default=one)

    def rules_of(self, priority: str) -> Priority:
        """Its rules; of one that a later version has dropped, the last and most patient one's."""
        return self.priorities.get(priority) or list(self.priorities.values())[-1]

    def on_duty(self, hub_code: str, now: datetime) -> bool:
        """Whether somebody sits at the hub's desk by its tier's hours."""
        return self.working_time(self.tiers[self.hubs[hub_code].level].duty).is_open(now)

    def surge_at(self, hub_code: str, now: datetime) -> str | None:
        """The surge that holds at the hub now, if any."""
        return next(
            (
                code
                for code, one in self.policy.surges.items()
                if one.begins <= now < one.ends and self.in_subtree(hub_code, one.hub_code)
            ),
            None,
        )

    def working_time(self, calendar: str) -> WorkingTime:
        return self._times.get(calendar, WALL)


def _below(parents: Iterable[tuple[str, str | None]]) -> dict[str, tuple[str, ...]]:
    """The codes that stand below each parent, in order."""
    found: dict[str, list[str]] = {}
    for code, parent in parents:
        if parent is not None:
            found.setdefault(parent, []).append(code)
    return {parent: tuple(sorted(codes)) for parent, codes in found.items()}


def _steps(ladder: tuple[LadderStep, ...]) -> dict[tuple[str, str], tuple[LadderStep, ...]]:
    steps: dict[tuple[str, str], list[LadderStep]] = {}
    for step in (*ladder, *(step for wait in WAITS.values() for step in wait)):
        steps.setdefault((step.clock, step.stage), []).append(step)
    return {of: tuple(sorted(rungs, key=lambda rung: rung.percent)) for of, rungs in steps.items()}
