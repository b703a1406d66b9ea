"""What must hold between the rows of a city before it may be loaded: each breach names file, line and rule.

Policy that is missing or can be read in two ways is a breach too: the router must never have to guess.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from services.domain.area_rules import check_areas
from services.domain.calendar_rows import CALENDARS
from services.domain.calendar_rules import check_calendars
from services.domain.city import NO_CATEGORY, Category, Hub
from services.domain.city_problems import Problem, twice
from services.domain.city_rows import HUBS, SETTINGS, TIERS, UNITS, CityRows
from services.domain.duplicate_settings import TABLE as DUPLICATES
from services.domain.duplicate_settings import check_duplicates
from services.domain.grid_rules import check_grids
from services.domain.life_settings import TABLES, check_policy
from services.domain.policy_rules import check_categories, check_ladder, check_priorities
from services.domain.tile_rules import check_tiles

_SETTINGS: Final = {
    "name_zh": "a text",
    "name_en": "a text",
    "timezone": "a text",
    "nearest_centre_km": "a number above 0",
    "coarse_accuracy_m": "a number above 0",
}


def check(rows: CityRows) -> list[Problem]:
    """Every breach, in order of file and line; an empty list is a city that may be loaded."""
    found = (
        *_settings(rows),
        *_policy(rows),
        *_duplicates(rows),
        *_tiers(rows),
        *_hubs(rows),
        *_units(rows),
        *check_priorities(rows),
        *check_categories(rows),
        *check_ladder(rows),
        *check_calendars(rows),
        *check_tiles(rows),
        *check_grids(rows),
        *check_areas(rows),
    )
    return sorted(found)


def _settings(rows: CityRows) -> Iterator[Problem]:
    for name, allowed in _SETTINGS.items():
        setting = rows.settings.get(name)
        if setting is None:
            yield Problem(SETTINGS, 1, f"`{name}` is missing: {allowed}")
        elif not _is(allowed, setting.value):
            yield Problem(SETTINGS, setting.line, f"`{name}` must be {allowed}")
    tables = (*TABLES, DUPLICATES)
    for name, setting in rows.settings.items():
        if name not in _SETTINGS and name not in tables:
            rule = f"`{name}` is not a setting: allowed are {', '.join((*_SETTINGS, *tables))}"
            yield Problem(SETTINGS, setting.line, rule)


def _policy(rows: CityRows) -> Iterator[Problem]:
    return check_policy(
        rows.settings,
        calendars=frozenset(row.value.code for row in rows.calendars),
        hubs=frozenset(row.value.code for row in rows.hubs),
        categories=frozenset(row.value.code for row in rows.categories),
        stages=frozenset(one.stage for row in rows.categories for one in row.value.milestones),
        priorities=frozenset(row.value.code for row in rows.priorities),
        hotlines=frozenset(row.value.number for row in rows.hotlines),
    )


def _duplicates(rows: CityRows) -> Iterator[Problem]:
    categories = [row.value for row in rows.categories]
    return check_duplicates(
        rows.settings.get(DUPLICATES),
        kinds={category.code: category.kind for category in categories},
        never={category.code: why for category in categories if (why := _never_compared(category))},
    )


def _never_compared(category: Category) -> str | None:
    if category.confidential:
        return "confidential"
    if category.redirect is not None:
        return "redirected"
    return "the category of reports that name none" if category.code == NO_CATEGORY else None


def _is(allowed: str, value: Any) -> bool:
    match allowed:
        case "a text":
            return isinstance(value, str) and bool(value.strip())
        case _:
            return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")


def _tiers(rows: CityRows) -> Iterator[Problem]:
    yield from twice(TIERS, "code", ((row.line, row.value.code) for row in rows.tiers))
    yield from twice(TIERS, "level", ((row.line, row.value.level) for row in rows.tiers))
    sits = {row.value.code: row.value.level for row in rows.units}
    levels = {row.value.level for row in rows.tiers}
    for row in rows.tiers:
        tier = row.value
        if tier.level != 1 and tier.level - 1 not in levels:
            yield Problem(TIERS, row.line, f"level {tier.level} has no level {tier.level - 1} above it")
        if sits.get(tier.desk) != tier.level:
            rule = f"desk `{tier.desk}` is not a unit of level {tier.level} in {UNITS}"
            yield Problem(TIERS, row.line, rule)
        if all(calendar.value.code != tier.duty for calendar in rows.calendars):
            yield Problem(TIERS, row.line, f"duty `{tier.duty}` is not a calendar of {CALENDARS}")
    places = [row.line for row in rows.tiers if row.value.place]
    if len(places) != 1:
        yield Problem(TIERS, (places or [1, 1])[-1], f"exactly one tier has place `yes`, not {len(places)}")


def _hubs(rows: CityRows) -> Iterator[Problem]:
    yield from twice(HUBS, "code", ((row.line, row.value.code) for row in rows.hubs))
    tiers = {row.value.level for row in rows.tiers}
    hubs = {row.value.code: row.value for row in rows.hubs}
    roots = [row for row in rows.hubs if row.value.parent is None]
    circling = _circling(hubs)
    if len(roots) != 1 and not (circling and not roots):
        yield Problem(HUBS, roots[1].line if roots else 1, f"exactly one hub has no parent, not {len(roots)}")
    for row in rows.hubs:
        hub = row.value
        above = None if hub.parent is None else hubs.get(hub.parent)
        if hub.level not in tiers:
            yield Problem(HUBS, row.line, f"level {hub.level} is not a tier of {TIERS}")
        elif hub.parent is None:
            if hub.level != 1:
                yield Problem(HUBS, row.line, f"level {hub.level} of a hub without a parent must be 1")
        elif above is None:
            yield Problem(HUBS, row.line, f"parent `{hub.parent}` is not a hub of this file")
        elif hub.code in circling:
            if hub.code == min(circling[hub.code]):
                yield Problem(HUBS, row.line, f"parents go in a circle: {' > '.join(circling[hub.code])}")
        elif hub.level != above.level + 1:
            rule = f"level {hub.level} is not one below the level {above.level} of its parent `{above.code}`"
            yield Problem(HUBS, row.line, rule)


def _circling(hubs: dict[str, Hub]) -> dict[str, list[str]]:
    """Each hub that stands on a circle of parents, with that circle."""
    circling: dict[str, list[str]] = {}
    settled: set[str] = set()
    for start in hubs:
        walk: list[str] = []
        at: str | None = start
        on_walk: set[str] = set()
        while at is not None and at in hubs and at not in settled and at not in on_walk:
            walk.append(at)
            on_walk.add(at)
            at = hubs[at].parent
        if at is not None and at in on_walk:
            circle = walk[walk.index(at) :]
            circling.update(dict.fromkeys(circle, circle))
        settled |= on_walk
    return circling


def _units(rows: CityRows) -> Iterator[Problem]:
    yield from twice(UNITS, "unit", ((row.line, row.value.code) for row in rows.units))
    tiers = {row.value.level for row in rows.tiers}
    for row in rows.units:
        if row.value.level is not None and row.value.level not in tiers:
            yield Problem(UNITS, row.line, f"level {row.value.level} is not a tier of {TIERS}")
