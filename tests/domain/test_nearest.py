"""The nearest point by cubes is the nearest by a look at all of them, wherever on the globe."""

from __future__ import annotations

import random

import pytest

from services.domain.geo import Point, distance_m
from services.domain.nearest import Nearest


def by_looking_at_all(points: dict[str, Point], reach_m: float, asked: Point) -> str | None:
    best: tuple[float, str] | None = None
    for code, point in points.items():
        off = distance_m(asked, point), code
        if off[0] <= reach_m and (best is None or off < best):
            best = off
    return best[1] if best else None


@pytest.mark.parametrize("reach_m", [0.5, 5_000.0, 300_000.0, 40_000_000.0])
@pytest.mark.parametrize(
    ("west", "south", "wide"),
    [
        (120.0, 31.0, 0.5),
        (179.8, -17.0, 0.4),
        (-180.0, 89.5, 360.0),
        (-180.0, -90.0, 360.0),
        (-0.2, -0.2, 0.4),
    ],
    ids=["china", "date line", "north pole", "the globe", "origin"],
)
def test_it_finds_what_a_look_at_all_finds(west: float, south: float, wide: float, reach_m: float) -> None:
    chance = random.Random(f"{west} {reach_m}")
    high = min(wide, 90.0 - south)

    def somewhere() -> Point:
        lon = west + chance.random() * wide
        return (lon - 360.0 if lon > 180.0 else lon), south + chance.random() * high

    points = {f"p{number:03}": somewhere() for number in range(300)}
    nearest = Nearest(points.items(), reach_m=reach_m)
    asked = [somewhere() for _ in range(200)] + list(points.values())[:50]
    assert [nearest.to(one) for one in asked] == [by_looking_at_all(points, reach_m, one) for one in asked]


def test_of_two_equally_near_the_smaller_code_and_none_beyond_the_reach() -> None:
    # A hundredth of a degree of latitude is 1,111.95 m on this globe.
    nearest = Nearest([("b", (0.0, 0.01)), ("a", (0.0, -0.01)), ("c", (0.0, 0.03))], reach_m=1112.0)
    assert nearest.to((0.0, 0.0)) == "a"
    assert nearest.to((0.0, 0.04001)) is None
    assert nearest.to((0.0, 0.0399)) == "c"
    assert Nearest([], reach_m=5000.0).to((0.0, 0.0)) is None
