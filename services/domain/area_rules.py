"""What must hold of the areas: each belongs to one hub, on its level, drawn as closed rings on the globe."""

from __future__ import annotations

from collections.abc import Iterator

from services.domain.city_problems import Problem, twice
from services.domain.city_rows import AREAS, HUBS, Area, CityRows
from services.domain.geo import check_range


def check_areas(rows: CityRows) -> Iterator[Problem]:
    hubs = {row.value.code: row.value for row in rows.hubs}
    yield from twice(AREAS, "area of hub", ((area.line, str(area.code)) for area in rows.areas))
    for area in rows.areas:
        hub = hubs.get(area.code) if isinstance(area.code, str) else None
        if hub is None:
            yield Problem(AREAS, area.line, f"the area's code {area.code!r} is not a hub of {HUBS}")
        elif area.level != hub.level:
            rule = f"level {area.level!r} is not the level {hub.level} of hub `{hub.code}`"
            yield Problem(AREAS, area.line, rule)
        wrong = _shape(area)
        if wrong is not None:
            yield Problem(AREAS, area.line, f"area {area.code!r}: {wrong}")


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
