"""Where a report stands: the cell its point lies in, the hub it names, or the nearest that can be said.

A named hub beats a point that contradicts it: the sign hangs where it hangs, a datum may be mislabelled.
What is not known is never a refusal: the root hub takes it, unrouted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from services.domain.city import City
from services.domain.geo import Point

Quality = Literal["good", "low"]


@dataclass(frozen=True, slots=True)
class Place:
    """`hub_code` is the deepest hub known; `place_code` is that hub if it is of the place tier, else None.

    `grid_code` is the grid of that place, if one was named or the point is exact enough to know it.
    """

    hub_code: str
    place_code: str | None
    quality: Quality
    unrouted: bool = False
    grid_code: str | None = None


def place(
    *,
    city: City,
    cell: str | None,
    hub_code: str | None,
    point: Point | None,
    accuracy_m: float | None,
    grid: str | None = None,
) -> Place:
    """`cell` and `grid` are the areas of the place tier and below in which `point` (WGS-84) lies.

    `hub_code` is the hub, grid or row named. A coarse point says nothing of a grid.
    """
    coarse = accuracy_m is not None and accuracy_m > city.coarse_accuracy_m
    within = city.grids.get(grid) if grid is not None else None
    if cell not in city.hubs:
        cell = within.hub_code if within is not None else None
    seen = within.code if within is not None and not coarse else None
    named = city.sign(hub_code) if hub_code is not None else None
    if cell is not None and named is not None:
        if city.in_subtree(cell, named.hub_code):
            return _at(city, cell, "good", named.grid_code or seen)
        return _at(city, named.hub_code, "low", named.grid_code)
    if named is not None:
        return _at(city, named.hub_code, "good" if point is None else "low", named.grid_code)
    if cell is not None:
        return _at(city, cell, "low" if coarse else "good", seen)
    if point is not None:
        return _at(city, city.nearest_centre(point) or city.root, "low")
    return Place(city.root, None, "low", unrouted=True)


def _at(city: City, hub_code: str, quality: Quality, grid_code: str | None = None) -> Place:
    of_place_tier = city.hubs[hub_code].level == city.place_level
    in_hub = grid_code is not None and city.grids[grid_code].hub_code == hub_code
    return Place(
        hub_code,
        hub_code if of_place_tier else None,
        quality,
        grid_code=grid_code if in_hub else None,
    )
