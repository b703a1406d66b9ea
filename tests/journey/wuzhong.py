"""Where a report of the sample city belongs, reckoned with plain and slow code from the city's files alone.

Ray casting over the areas, own datum shifts, own look-up of tier and owner: nothing of the product is used.
"""

from __future__ import annotations

import csv
import itertools
import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "deploy" / "city" / "wuzhong"
DISTRICT = "320506000000"
Point = tuple[float, float]


@dataclass(frozen=True)
class Belongs:
    hub_code: str
    place_code: str | None
    owner: str
    confidential: bool
    quality: str


@cache
def rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def sample_reports() -> list[dict[str, Any]]:
    lines = (FOLDER / "sample-reports.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def one_of_each_category() -> list[dict[str, Any]]:
    """The first plain line of each category: valid, and placed by its point or its QR alone.

    Not `courier_rights`: at the district, confidential, no second hub may read and verify it.
    """
    found: dict[str, dict[str, Any]] = {}
    for sample in sample_reports():
        body, category = sample["body"], sample["body"].get("category", "other")
        at = body.get("location")
        plain = (at is None) == ("hub_code" in body)
        coarse = at is not None and at.get("accuracy_m", 0) > 200
        if sample["expect"]["status"] != 202 or not plain or coarse or category == "courier_rights":
            continue
        # somebody other than the handler's hub must be able to verify
        if belongs(body).place_code is not None:
            found.setdefault(category, sample)
    return list(found.values())


def belongs(body: dict[str, Any]) -> Belongs:
    hubs = {row["code"]: row for row in rows("hubs")}
    deepest, quality = _deepest(body, hubs)
    category = next(row for row in rows("categories") if row["code"] == body.get("category", "other"))
    confidential = "confidential" in category["flags"] or body.get("visibility") == "confidential"
    tier = min(int(category["tier"]), 2) if confidential else int(category["tier"])
    hub = deepest
    while int(hubs[hub]["level"]) > tier:
        hub = hubs[hub]["parent"]
    return Belongs(
        hub_code=hub,
        place_code=deepest if hubs[deepest]["level"] == "3" else None,
        owner=_owner(category, hub, hubs),
        confidential=confidential,
        quality=quality,
    )


def chain(hub: str | None) -> list[str]:
    """The hub, the one above it, and so on up to the district."""
    above = {row["code"]: row["parent"] for row in rows("hubs")}
    found = []
    while hub:
        found.append(hub)
        hub = above[hub]
    return found


def _owner(category: dict[str, str], hub: str, hubs: dict[str, dict[str, str]]) -> str:
    sits = {row["unit"]: row["level"] for row in rows("units")}
    levels = {hubs[code]["level"] for code in chain(hub)}
    for unit in (category["owner"], category["else_owner"]):
        if unit and sits[unit] in levels:
            return unit
    return next(row["desk"] for row in rows("tiers") if row["level"] == hubs[hub]["level"])


def _deepest(body: dict[str, Any], hubs: dict[str, dict[str, str]]) -> tuple[str, str]:
    """The deepest hub that is known of a report, and how well its place is known."""
    named = body.get("hub_code")
    at = body.get("location") or {}
    point = to_wgs84(at["lon"], at["lat"], at["datum"]) if at else None
    cell = cell_of(point) if point else None
    if named and cell and named in chain(cell):
        return cell, "good"
    if named:
        return named, "good" if point is None else "low"
    if cell:
        return cell, "low" if at["accuracy_m"] > 200 else "good"
    if point is None:
        return DISTRICT, "low"
    towns = [row for row in rows("hubs") if row["level"] == "2"]
    away = {row["code"]: _metres(point, (float(row["lon"]), float(row["lat"]))) for row in towns}
    nearest = min(away, key=away.__getitem__)
    return (nearest if away[nearest] <= 5_000 else DISTRICT), "low"


@cache
def _cells() -> list[tuple[str, list[list[list[Point]]]]]:
    """code → polygons, each a list of rings, the first the outer one."""
    features = json.loads((FOLDER / "areas.geojson").read_text("utf-8"))["features"]
    cells = []
    for feature in features:
        if feature["properties"]["level"] == 3:
            shape = feature["geometry"]
            polygons = [shape["coordinates"]] if shape["type"] == "Polygon" else shape["coordinates"]
            cells.append((feature["properties"]["code"], polygons))
    return sorted(cells)


def cell_of(point: Point) -> str | None:
    for code, polygons in _cells():
        for outer, *holes in polygons:
            if _inside(point, outer) and not any(_inside(point, hole) for hole in holes):
                return code
    return None


def _inside(point: Point, ring: list[Point]) -> bool:
    """A ray from the point to the east crosses the ring an odd number of times."""
    x, y = point
    inside = False
    for (x1, y1), (x2, y2) in itertools.pairwise(ring):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
            inside = not inside
    return inside


def to_wgs84(lon: float, lat: float, datum: str) -> Point:
    if datum == "BD09":
        x, y = lon - 0.0065, lat - 0.006
        turn = math.pi * 3000.0 / 180.0
        radius = math.hypot(x, y) - 0.00002 * math.sin(y * turn)
        angle = math.atan2(y, x) - 0.000003 * math.cos(x * turn)
        lon, lat = radius * math.cos(angle), radius * math.sin(angle)
    if datum in ("BD09", "GCJ02"):
        # The shift varies by millimetres over its own length: three rounds are plenty.
        guess = lon, lat
        for _ in range(3):
            shift = _gcj02_shift(*guess)
            guess = lon - shift[0], lat - shift[1]
        return guess
    return lon, lat


def _gcj02_shift(lon: float, lat: float) -> Point:
    a, ee = 6378245.0, 0.00669342162296594323
    x, y = lon - 105.0, lat - 35.0

    def waves(value: float, *pairs: tuple[float, float]) -> float:
        return sum(height * math.sin(value * math.pi * turns) for height, turns in pairs) * 2.0 / 3.0

    common = waves(x, (20.0, 6.0), (20.0, 2.0))
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x)) + common
    north += waves(y, (20.0, 1.0), (40.0, 1 / 3), (160.0, 1 / 12), (320.0, 1 / 30))
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x)) + common
    east += waves(x, (20.0, 1.0), (40.0, 1 / 3), (150.0, 1 / 12), (300.0, 1 / 30))
    phi = lat / 180.0 * math.pi
    magic = 1 - ee * math.sin(phi) ** 2
    degrees_north = north * 180.0 / (a * (1 - ee) / (magic * math.sqrt(magic)) * math.pi)
    degrees_east = east * 180.0 / (a / math.sqrt(magic) * math.cos(phi) * math.pi)
    return degrees_east, degrees_north


def _metres(one: Point, other: Point) -> float:
    """On so few kilometres the earth is flat."""
    east = (one[0] - other[0]) * 111_320 * math.cos(math.radians(one[1]))
    return math.hypot(east, (one[1] - other[1]) * 110_950)
