"""Where a report belongs, found the slow way from the city's files alone: no parser, index or rule of ours.

Only the datums are converted by the program's own code, which has golden points of its own.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from services.domain.geo import Point, distance_m, to_wgs84

Ring = list[list[float]]

Cells = list[tuple[str, list[list[Ring]]]]

ROOT_LEVEL, TOWN_LEVEL, COMMUNITY_LEVEL, GRID_LEVEL = 1, 2, 3, 4
NEAREST_CENTRE_M = 5000.0


class SlowCity:
    """`files` as `read_folder` gives them."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.hubs = {row["code"]: row for row in csv.DictReader(io.StringIO(files["hubs.csv"]))}
        self.categories = {row["code"]: row for row in csv.DictReader(io.StringIO(files["categories.csv"]))}
        self._cells = [*_cells(files["areas.geojson"], COMMUNITY_LEVEL)]
        self._grids = [*_cells(files["areas.geojson"], GRID_LEVEL)]

    def cell_at(self, lon: float, lat: float) -> str | None:
        """Ray casting over every cell: the code of the one that holds the point."""
        return _holding(lon, lat, self._cells)

    def grid_at(self, lon: float, lat: float) -> str | None:
        return _holding(lon, lat, self._grids)

    def chain(self, code: str) -> list[str]:
        """The hub, then every hub above it."""
        found = [code]
        while parent := self.hubs[found[-1]]["parent"]:
            found.append(parent)
        return found

    def at_level(self, code: str, level: int) -> str:
        """The hub itself if it is already at or above that level."""
        return next(hub for hub in self.chain(code) if int(self.hubs[hub]["level"]) <= level)

    def centre(self, code: str) -> Point:
        return float(self.hubs[code]["lon"]), float(self.hubs[code]["lat"])

    def point_of(self, body: Mapping[str, Any]) -> Point | None:
        """In WGS-84."""
        at = body.get("location")
        return None if at is None else to_wgs84(at["lon"], at["lat"], at["datum"])

    def deepest_hub(self, body: Mapping[str, Any]) -> str:
        """The QR's hub beats a point outside it; a point outside every cell is its nearest town's."""
        point, named = self.point_of(body), body.get("hub_code")
        cell = self.cell_at(*point) if point else None
        if named:
            return cell if cell and named in self.chain(cell) else str(named)
        if cell:
            return cell
        (root,) = self._of_level(ROOT_LEVEL)
        if point is None:
            return root
        off_m, town = min((distance_m(point, self.centre(code)), code) for code in self._of_level(TOWN_LEVEL))
        return town if off_m <= NEAREST_CENTRE_M else root

    def acting_hub(self, body: Mapping[str, Any]) -> str:
        """The ancestor at the category's tier; what is confidential never stays with the neighbours."""
        category = self.categories[body.get("category", "other")]
        tier = int(category["tier"])
        if body.get("visibility") == "confidential" or "confidential" in category["flags"].split(";"):
            tier = min(tier, TOWN_LEVEL)
        return self.at_level(self.deepest_hub(body), tier)

    def _of_level(self, level: int) -> list[str]:
        return [code for code, hub in self.hubs.items() if int(hub["level"]) == level]


def _holding(lon: float, lat: float, cells: Cells) -> str | None:
    hits = [code for code, polygons in cells if any(_inside(lon, lat, polygon) for polygon in polygons)]
    assert len(hits) <= 1
    return hits[0] if hits else None


def _cells(text: str, level: int) -> Iterator[tuple[str, list[list[Ring]]]]:
    for feature in json.loads(text)["features"]:
        geometry = feature["geometry"]
        if feature["properties"]["level"] == level:
            polygons = (
                geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
            )
            yield feature["properties"]["code"], polygons


def _inside(lon: float, lat: float, polygon: list[Ring]) -> bool:
    outline, *holes = (_odd_crossings(lon, lat, ring) for ring in polygon)
    return outline and not any(holes)


def _odd_crossings(lon: float, lat: float, ring: Ring) -> bool:
    odd = False
    for (lon1, lat1), (lon2, lat2) in pairwise(ring):
        if (lat1 > lat) != (lat2 > lat) and lon < lon1 + (lat - lat1) / (lat2 - lat1) * (lon2 - lon1):
            odd = not odd
    return odd
