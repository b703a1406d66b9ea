"""Shapely, and only here: which community's cell a point lies in, and the outlines that pages draw.

A point on the shared edge of cells belongs to the smallest code, so every process places it alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Self

import shapely

from services.domain.city import City
from services.domain.city_problems import Problem
from services.domain.city_rows import AREAS, Area
from services.domain.geo import Point

_FEATURES: Final = re.compile(r'"features"\s*:\s*\[')
_BETWEEN: Final = re.compile(r"[\s,]*")
# Where lines were drawn apart: an edge that both share may differ by its rounding.
_MOST_OUTSIDE: Final = 0.01


def read_areas(text: str) -> tuple[Area, ...]:
    """The features of a GeoJSON FeatureCollection, unjudged; ValueError says `line: what is wrong`."""
    try:
        whole = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.lineno}: is not JSON: {error.msg}") from None
    except RecursionError:
        raise ValueError("1: is not GeoJSON: it is nested too deeply") from None
    match whole:
        case {"type": "FeatureCollection", "features": [*features]}:
            lines = [*_lines(text, len(features))]
        case _:
            raise ValueError("1: is not a GeoJSON FeatureCollection with features")
    return tuple(_area(line, feature) for line, feature in zip(lines, features, strict=True))


def polygon_problems(areas: tuple[Area, ...], grids: Mapping[str, str]) -> Iterator[Problem]:
    """Rings that cross themselves, grids beyond their community: a point's place would depend on who asks.

    `grids` holds the community of each grid.
    """
    sound: dict[str, Any] = {}
    for area in areas:
        shape = _shape(area.geometry)
        if shapely.is_valid(shape):
            sound[str(area.code)] = shape
        else:
            rule = f"area {area.code!r}: {shapely.is_valid_reason(shape)}"
            yield Problem(AREAS, area.line, rule)
    for area in areas:
        hub = grids.get(str(area.code), "")
        if hub in sound and str(area.code) in sound:
            grid = sound[str(area.code)]
            outside = 1.0 - grid.intersection(sound[hub]).area / grid.area
            if outside > _MOST_OUTSIDE:
                rule = f"area {area.code!r}: {outside:.0%} of it lies outside the area of its hub `{hub}`"
                yield Problem(AREAS, area.line, rule)


class Areas:
    """The areas of one version of a city."""

    def __init__(self, city: City, shapes: dict[str, Any]) -> None:
        self._city = city
        self._shapes = shapes
        of_places = (
            code for code in shapes if code in city.hubs and city.hubs[code].level == city.place_level
        )
        self._cells = _Layer(shapes, of_places)
        self._grids = _Layer(shapes, (code for code in shapes if code in city.grids))
        self._outlines: dict[str, dict[str, Any] | None] = {}

    @classmethod
    def parse(cls, text: str, city: City) -> Self:
        """For texts that city_files.read_city found whole."""
        return cls(city, {str(area.code): _shape(area.geometry) for area in read_areas(text)})

    def cells_at(self, points: Sequence[Point]) -> list[str | None]:
        """The community whose cell covers each WGS-84 point; asking for one costs as much as for fifty."""
        return self._cells.at(points)

    def grids_at(self, points: Sequence[Point]) -> list[str | None]:
        """The grid whose area covers each WGS-84 point."""
        return self._grids.at(points)

    def outline(self, code: str) -> dict[str, Any] | None:
        """The GeoJSON geometry of a hub's area: its own, else the union of those below it."""
        if code not in self._outlines:
            shape = self._outline(code)
            self._outlines[code] = None if shape is None else json.loads(shapely.to_geojson(shape))
        return self._outlines[code]

    def _outline(self, code: str) -> Any:
        own = self._shapes.get(code)
        if own is not None:
            return own
        below = [self._outline(child) for child in self._city.children(code)]
        parts = [shape for shape in below if shape is not None]
        return shapely.union_all(parts) if parts else None


class _Layer:
    """Areas that lie side by side."""

    def __init__(self, shapes: Mapping[str, Any], codes: Iterable[str]) -> None:
        # In order of code: the first area that covers a point is then the one with the smallest code.
        self._codes = sorted(codes)
        self._tree = shapely.STRtree([shapes[code] for code in self._codes])

    def at(self, points: Sequence[Point]) -> list[str | None]:
        if not points or not self._codes:
            return [None] * len(points)
        first = [len(self._codes)] * len(points)
        for number, area in self._tree.query(shapely.points(points), predicate="intersects").T.tolist():
            first[number] = min(first[number], area)
        return [self._codes[area] if area < len(self._codes) else None for area in first]


def _area(line: int, feature: object) -> Area:
    match feature:
        case {"properties": {"code": code, "level": level}, "geometry": geometry}:
            return Area(line, code, level, geometry)
        case {"geometry": geometry, "properties": {"code": code}}:
            return Area(line, code, None, geometry)
        case _:
            return Area(line, None, None, None)


def _shape(geometry: object) -> Any:
    return shapely.from_geojson(json.dumps(geometry))


def _lines(text: str, count: int) -> Iterator[int]:
    """The line on which each feature begins."""
    found = _FEATURES.search(text)
    at, line, counted_to = (found.end() if found else 0), 1, 0
    decoder = json.JSONDecoder()
    for _ in range(count):
        begins = _BETWEEN.match(text, at)
        at = begins.end() if begins else at
        line += text.count("\n", counted_to, at)
        counted_to = at
        yield line
        _, at = decoder.raw_decode(text, at)
