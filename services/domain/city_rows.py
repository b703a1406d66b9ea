"""The cells of a city's files become values, each with the line it stands on; what can't is a Problem.

One file at a time and one row at a time: what rows say of each other is judged in city_rules.py.
A row with a problem is left out, so judging waits until every row could be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Final, TypeVar, get_args

from services.domain import calendars as k
from services.domain import city as c
from services.domain.calendar_rows import (
    CALENDAR_HEADER,
    CALENDARS,
    PREDICTED,
    YEAR,
    days_header_of,
    read_calendar,
    read_dated_day,
    read_yearly_day,
)
from services.domain.city_cells import Cells
from services.domain.city_problems import Lined, Problem
from services.domain.duplicate_settings import TABLE as DUPLICATES
from services.domain.duplicate_settings import duplicates_of
from services.domain.geo import check_range
from services.domain.grid_rows import GRID_HEADER, GRIDS, read_grid
from services.domain.grids import Grid
from services.domain.life_settings import policy_of
from services.domain.limits import WALL_CLOCK

T = TypeVar("T")

SETTINGS: Final = "city.toml"
AREAS: Final = "areas.geojson"
TIERS, HUBS, UNITS = "tiers.csv", "hubs.csv", "units.csv"
CATEGORIES, PRIORITIES, LADDER = "categories.csv", "priorities.csv", "ladder.csv"
TILES, HOTLINES = "tiles.csv", "hotlines.csv"
HEADERS: Final[Mapping[str, tuple[str, ...]]] = {
    TIERS: ("level", "code", "name_zh", "name_en", "desk", "duty", "place"),
    HUBS: ("code", "parent", "level", "kind", "name", "lon", "lat", "position"),
    UNITS: ("unit", "level", "name_zh", "name_en"),
    CATEGORIES: (
        "code", "name_zh", "name_en", "kind", "tier", "owner", "else_owner", "assist", "priority", "accept",
        "milestones", "variants", "verify", "flags", "basis",
    ),
    PRIORITIES: (
        "priority", "name_zh", "name_en", "accept", "verify", "triage", "report_in", "extension",
        "urgent", "supervise_after",
    ),
    LADDER: ("clock", "stage", "step", "percent", "event", "levels_up"),
    CALENDARS: CALENDAR_HEADER,
    TILES: ("tile", "name_zh", "name_en", "icon", "category", "alternatives", "hotlines"),
    HOTLINES: ("number", "name_zh", "name_en"),
}  # fmt: skip
FILES: Final = (SETTINGS, *HEADERS, AREAS)
MAY_BE_ABSENT: Final = (GRIDS,)


def header_of(file: str) -> tuple[str, ...] | None:
    """The header that a table must have; None for a file that is no table of a city."""
    return GRID_HEADER if file == GRIDS else HEADERS.get(file) or days_header_of(file)


@dataclass(frozen=True, slots=True)
class Table:
    file: str
    header: tuple[str, ...]
    rows: Iterable[Lined[tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Area:
    """A feature of the areas as it was read; nothing about it is known to be right."""

    line: int
    code: object
    level: object
    geometry: object


@dataclass(frozen=True, slots=True)
class CityRows:
    settings: Mapping[str, Lined[Any]]
    tiers: tuple[Lined[c.Tier], ...]
    hubs: tuple[Lined[c.Hub], ...]
    units: tuple[Lined[c.Unit], ...]
    categories: tuple[Lined[c.Category], ...]
    priorities: tuple[Lined[c.Priority], ...]
    ladder: tuple[Lined[c.LadderStep], ...]
    calendars: tuple[Lined[k.Calendar], ...]
    years: Mapping[int, tuple[Lined[k.DatedDay], ...]]
    predicted: tuple[Lined[k.YearlyDay], ...]
    tiles: tuple[Lined[c.Tile], ...]
    hotlines: tuple[Lined[c.Hotline], ...]
    grids: tuple[Lined[Grid], ...]
    areas: tuple[Area, ...]

    def city(self, version: int, zone: tzinfo) -> c.City:
        said = {name: setting.value for name, setting in self.settings.items()}
        return c.City(
            version=version,
            name_zh=said["name_zh"],
            name_en=said["name_en"],
            timezone=said["timezone"],
            zone=zone,
            nearest_centre_km=float(said["nearest_centre_km"]),
            coarse_accuracy_m=float(said["coarse_accuracy_m"]),
            calendars={row.value.code: row.value for row in self.calendars},
            days=k.Days.of(
                self.years,
                (row.value for rows in self.years.values() for row in rows),
                (row.value for row in self.predicted),
            ),
            tiers={row.value.level: row.value for row in self.tiers},
            hubs={row.value.code: row.value for row in self.hubs},
            units={row.value.code: row.value for row in self.units},
            categories={row.value.code: row.value for row in self.categories},
            priorities={row.value.code: row.value for row in self.priorities},
            ladder=tuple(row.value for row in self.ladder),
            tiles=tuple(row.value for row in self.tiles),
            hotlines={row.value.number: row.value for row in self.hotlines},
            policy=policy_of(said),
            duplicates=duplicates_of(
                said[DUPLICATES], {row.value.code: row.value.kind for row in self.categories}
            ),
            grids={row.value.code: row.value for row in self.grids},
        )


def read_rows(
    *, tables: Mapping[str, Table], settings: Mapping[str, Lined[Any]], areas: tuple[Area, ...]
) -> tuple[CityRows, list[Problem]]:
    problems: list[Problem] = []

    def values(file: str, read: Callable[[Cells], T]) -> tuple[Lined[T], ...]:
        return tuple(_values(tables[file], read, problems))

    years = sorted((int(found[1]), file) for file in tables if (found := YEAR.fullmatch(file)))

    rows = CityRows(
        settings=settings,
        tiers=values(TIERS, _tier),
        hubs=values(HUBS, _hub),
        units=values(UNITS, _unit),
        categories=values(CATEGORIES, _category),
        priorities=values(PRIORITIES, _priority),
        ladder=values(LADDER, _step),
        calendars=values(CALENDARS, read_calendar),
        years={year: values(file, read_dated_day) for year, file in years},
        predicted=values(PREDICTED, read_yearly_day) if PREDICTED in tables else (),
        tiles=values(TILES, _tile),
        hotlines=values(HOTLINES, _hotline),
        grids=values(GRIDS, read_grid) if GRIDS in tables else (),
        areas=areas,
    )
    return rows, problems


def _values(table: Table, read: Callable[[Cells], T], problems: list[Problem]) -> Iterator[Lined[T]]:
    header = header_of(table.file)
    if header is None:
        return
    if table.header != header:
        problems.append(Problem(table.file, 1, f"the header must be `{','.join(header)}`"))
        return
    for row in table.rows:
        if len(row.value) != len(header):
            rule = f"has {len(row.value)} cells where the header has {len(header)}"
            problems.append(Problem(table.file, row.line, rule))
            continue
        cells = Cells(table.file, row.line, dict(zip(header, row.value, strict=True)))
        value = read(cells)
        problems.extend(cells.problems)
        if not cells.problems:
            yield Lined(row.line, value)


def _tier(cells: Cells) -> c.Tier:
    return c.Tier(
        level=cells.whole("level"),
        code=cells.code("code"),
        name_zh=cells.words("name_zh"),
        name_en=cells.words("name_en"),
        desk=cells.code("desk"),
        duty=cells.named["duty"],
        place=cells.one_of("place", ("yes", "no")) == "yes",
    )


def _hub(cells: Cells) -> c.Hub:
    lon, lat = cells.real("lon"), cells.real("lat")
    try:
        check_range(lon, lat)
    except ValueError as error:
        cells.wrong(str(error))
    return c.Hub(
        code=cells.hub_code("code"),
        parent=cells.optional("parent", cells.hub_code),
        level=cells.whole("level"),
        kind=cells.code("kind"),
        name=cells.words("name"),
        lon=lon,
        lat=lat,
        position=cells.one_of("position", ("centre", "approximate")),
    )


def _unit(cells: Cells) -> c.Unit:
    return c.Unit(
        code=cells.code("unit"),
        level=cells.optional("level", cells.whole),
        name_zh=cells.words("name_zh"),
        name_en=cells.words("name_en"),
    )


def _category(cells: Cells) -> c.Category:
    milestones = cells.milestones("milestones", cells.named["milestones"])
    return c.Category(
        code=cells.code("code"),
        name_zh=cells.words("name_zh"),
        name_en=cells.words("name_en"),
        kind=cells.code("kind"),
        tier=cells.whole("tier"),
        owner=cells.optional("owner", cells.code),
        else_owner=cells.optional("else_owner", cells.code),
        assist=cells.optional("assist", cells.code),
        priority=cells.code("priority"),
        accept=cells.optional("accept", cells.limit),
        milestones=milestones,
        variants=cells.variants(milestones),
        verify=cells.optional("verify", lambda name: cells.one_of(name, get_args(c.Verify))),
        **cells.flags(),
    )


def _priority(cells: Cells) -> c.Priority:
    after = cells.named["supervise_after"]
    return c.Priority(
        code=cells.code("priority"),
        name_zh=cells.words("name_zh"),
        name_en=cells.words("name_en"),
        accept=cells.limit("accept"),
        verify=cells.limit("verify"),
        triage=cells.limit("triage"),
        report_in=cells.limit("report_in"),
        extension=cells.optional("extension", cells.limit),
        urgent=cells.one_of("urgent", ("yes", "no")) == "yes",
        supervise_after=cells.limit_of("supervise_after", after, WALL_CLOCK) if after else None,
    )


def _step(cells: Cells) -> c.LadderStep:
    any_stage = cells.named["stage"] == c.ANY_STAGE
    return c.LadderStep(
        clock=cells.one_of("clock", get_args(c.Clock)),
        stage=c.ANY_STAGE if any_stage else cells.code("stage"),
        step=cells.code("step"),
        percent=cells.whole("percent"),
        event=cells.one_of("event", get_args(c.LadderEvent)),
        levels_up=cells.optional("levels_up", cells.whole) or 0,
    )


def _tile(cells: Cells) -> c.Tile:
    return c.Tile(
        code=cells.code("tile"),
        name_zh=cells.words("name_zh"),
        name_en=cells.words("name_en"),
        icon=cells.drawing("icon"),
        category=cells.code("category"),
        alternatives=cells.listed("alternatives"),
        hotlines=cells.listed("hotlines"),
    )


def _hotline(cells: Cells) -> c.Hotline:
    return c.Hotline(
        number=cells.telephone("number"), name_zh=cells.words("name_zh"), name_en=cells.words("name_en")
    )
