"""The nearest of many points, if it is near enough, without a look at all of them.

The points lie in cubes of the globe's space, each as wide as the reach: whatever is near enough to a place
lies in its cube or in one of those around it. Cubes know no pole, no date line and no shrinking degrees.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Final

from services.domain.geo import EARTH_RADIUS_M, Point, distance_m

Cube = tuple[int, int, int]

_AROUND: Final = tuple(product((-1, 0, 1), repeat=3))
# A cube is a little wider than the reach, for what is lost in rounding.
_ROOM: Final = 1.001
_LEAST_M: Final = 1.0


class Nearest:
    def __init__(self, points: Iterable[tuple[str, Point]], *, reach_m: float) -> None:
        self._reach_m = reach_m
        self._side_m = max(reach_m * _ROOM, _LEAST_M)
        self._cubes: dict[Cube, list[tuple[str, Point]]] = {}
        for code, point in points:
            self._cubes.setdefault(self._cube(point), []).append((code, point))

    def to(self, point: Point) -> str | None:
        """The code of the nearest point within reach, of those equally near the smallest; else None."""
        distances = ((distance_m(point, other), code) for code, other in self._around(point))
        nearest_m, code = min(distances, default=(math.inf, None))
        return code if nearest_m <= self._reach_m else None

    def _around(self, point: Point) -> Iterator[tuple[str, Point]]:
        x, y, z = self._cube(point)
        for dx, dy, dz in _AROUND:
            yield from self._cubes.get((x + dx, y + dy, z + dz), ())

    def _cube(self, point: Point) -> Cube:
        lon, lat = map(math.radians, point)
        ring = math.cos(lat)
        east, north, up = ring * math.cos(lon), ring * math.sin(lon), math.sin(lat)
        size = EARTH_RADIUS_M / self._side_m
        return math.floor(east * size), math.floor(north * size), math.floor(up * size)
