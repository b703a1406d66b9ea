"""What must hold of the areas: each is of one hub or grid, on its level, closed rings on the globe."""

from __future__ import annotations

from collections.abc import Iterator

from services.domain.city_problems import Problem, twice
from services.domain.city_rows import AREAS, HUBS, Area, CityRows
from services.domain.geo import check_range
from services.domain.grid_rows import GRIDS


def check_areas(rows: CityRows) -> Iterator[Problem]:
    levels = _levels(rows)
    grids = {row.value.code for row in rows.grids}
    yield from twice(AREAS, "area of hub", ((area.line, str(area.code)) for area in rows.areas))
    for area in rows.areas:
        level = levels.get(area.code) if isinstance(area.code, str) else None
        if level is None:
            known = f"a hub of {HUBS}" + (f" or a grid of {GRIDS}" if grids else "")
            yield Problem(AREAS, area.line, f"the area's code {area.code!r} is not {known}")
        elif area.level != level:
            kind = "grid" if area.code in grids else "hub"
            rule = f"level {area.level!r} is not the level {level} of {kind} `{area.code}`"
            yield Problem(AREAS, area.line, rule)
        wrong = _shape(area)
        if wrong is not None:
            yield Problem(AREAS, area.line, f"area {area.code!r}: {wrong}")


def _levels(rows: CityRows) -> dict[str, int]:
    """Of every hub and grid; a grid stands one below its hub."""
    levels = {row.value.code: row.value.level for row in rows.hubs} if rows.areas else {}
    return levels | {row.value.code: levels.get(row.value.hub_code, 0) + 1 for row in rows.grids}


def _shape(area: Area) -> str | None:
    """What is wrong with a geometry, or None: polygons whose rings are closed and lie on the globe."""
    match area.geometry:
        case {"type": "Polygon", "coordinates": [*rings]} if rings:
            pass
        case {"type": "MultiPolygon", "coordinates": [*polygons]} if polygons and all(
            isinstance(polygon, list) and polygon for polygon in polygons
        ):
            rings = [ring for polygon in polygons for ring in polygon]
        case _:
            return "its geometry is not a Polygon or MultiPolygon with coordinates"
    for ring in rings:
        match ring:
            case [first, _, _, *_, last] if first == last:
                pass
            case _:
                return "a ring needs 4 points or more and ends where it began"
        for point in ring:
            match point:
                case [int() | float() as lon, int() | float() as lat]:
                    try:
                        check_range(lon, lat)
                    except ValueError as error:
                        return str(error)
                case _:
                    return f"a point must be [lon, lat], not {point!r}"
    return None
