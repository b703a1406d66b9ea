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
    """`hub_code` is the deepest hub known; `place_code` is that hub if it is of the place tier, else None."""

    hub_code: str
    place_code: str | None
    quality: Quality
    unrouted: bool = False
    grid_code: str | None = None


def place(
    *, city: City, cell: str | None, hub_code: str | None, point: Point | None, accuracy_m: float | None
) -> Place:
    """`cell` is the area of the place tier in which `point` (WGS-84) lies, `hub_code` the hub named."""
    cell = cell if cell in city.hubs else None
    named = hub_code if hub_code in city.hubs else None
    if cell is not None and named is not None:
        if city.in_subtree(cell, named):
            return _at(city, cell, "good")
        return _at(city, named, "low")
    if named is not None:
        return _at(city, named, "good" if point is None else "low")
    if cell is not None:
        coarse = accuracy_m is not None and accuracy_m > city.coarse_accuracy_m
        return _at(city, cell, "low" if coarse else "good")
    if point is not None:
        return _at(city, city.nearest_centre(point) or city.root, "low")
    return Place(city.root, None, "low", unrouted=True)


def _at(city: City, hub_code: str, quality: Quality) -> Place:
    of_place_tier = city.hubs[hub_code].level == city.place_level
    return Place(hub_code, hub_code if of_place_tier else None, quality)
