"""A made-up country as the files of a city: five tiers down to communities, Wuzhong's policy and calendars.

Codes have the twelve digits of real ones. Every fourth county is a city: its towns lie 3 km apart, others 15.
The first communities have a cell: a town's cells are a lattice with ragged edges, shared by neighbours.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

WUZHONG: Final = Path(__file__).parents[2] / "deploy" / "city" / "wuzhong"
ROOT: Final = "000000000000"
DEEPER: Final = 2
"""Wuzhong's three tiers are the lower ones here."""
ABOVE: Final = ("country", "province")

Rows = list[list[str]]

_SIDE: Final = 4
_COUNTY_LON: Final = 0.95
_COUNTY_LAT: Final = 0.6
_COUNTIES_A_ROW: Final = 57
_RAGGED: Final = 8
"""Steps of each edge of a cell."""


@dataclass(frozen=True)
class Country:
    provinces: int = 31
    towns: int = 45_000
    communities: int = 620_000
    cells: int = 10_000

    def write(self, folder: Path) -> Path:
        """The folder, with its files in it."""
        for path in (*WUZHONG.glob("*.csv"), *WUZHONG.glob("*.toml"), *WUZHONG.glob("calendar-days/*.csv")):
            if path.name not in ("grids.csv", "hubs.csv"):
                copy = folder / path.relative_to(WUZHONG)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(path.read_bytes())
        _deeper(folder / "tiers.csv", "level", _tiers_above)
        _deeper(folder / "units.csv", "level", _desks_above)
        _deeper(folder / "categories.csv", "tier", None)
        settings = (folder / "city.toml").read_text("utf-8")
        seats = re.sub(r'(?m)^hub_code = ".*"$', f'hub_code = "{ROOT}"', settings)
        (folder / "city.toml").write_text(seats, "utf-8")
        with (folder / "hubs.csv").open("w", encoding="utf-8") as hubs:
            hubs.write("code,parent,level,kind,name,lon,lat,position\n")
            hubs.writelines(self._hubs())
        with (folder / "areas.geojson").open("w", encoding="utf-8") as areas:
            areas.write('{"type":"FeatureCollection","features":[\n')
            areas.write(",\n".join(self._features()))
            areas.write("\n]}\n")
        return folder

    def town(self, number: int) -> str:
        county, of_county = divmod(number, _SIDE * _SIDE)
        return f"{self.county(county)[:6]}{100 + of_county:03}000"

    def county(self, number: int) -> str:
        at = number % self.provinces
        return f"{11 + at}{number // self.provinces + 1:04}000000"

    def community(self, number: int) -> str:
        """Dealt out to the towns one after the other, as evenly as can be."""
        town, of_town = self._seat(number)
        return f"{self.town(town)[:9]}{1 + of_town:03}"

    def centre(self, number: int) -> tuple[float, float]:
        """Of a town."""
        west, south, step = self._box(number)
        return west + step / 2, south + step / 2

    def corner(self, number: int) -> tuple[float, float, float]:
        """Of a community's share of its town: west, south, side."""
        town, of_town = self._seat(number)
        west, south, step = self._box(town)
        row, column = divmod(of_town, _SIDE)
        return west + column * step / _SIDE, south + row * step / _SIDE, step / _SIDE

    def _seat(self, number: int) -> tuple[int, int]:
        fewest, more = divmod(self.communities, self.towns)
        in_full = more * (fewest + 1)
        if number < in_full:
            return divmod(number, fewest + 1)
        town, of_town = divmod(number - in_full, fewest)
        return more + town, of_town

    def _box(self, town: int) -> tuple[float, float, float]:
        """West, south and side of a town."""
        county, of_county = divmod(town, _SIDE * _SIDE)
        row, column = divmod(county, _COUNTIES_A_ROW)
        step = 0.03 if county % 4 == 0 else 0.14
        y, x = divmod(of_county, _SIDE)
        return 76.0 + column * _COUNTY_LON + x * step, 20.0 + row * _COUNTY_LAT + y * step, step

    def _hubs(self) -> Iterator[str]:
        yield f"{ROOT},,1,country,国,105.0,35.0,centre\n"
        for number in range(self.provinces):
            yield f"{11 + number}0000000000,{ROOT},2,province,第{number}省,105.0,35.0,centre\n"
        for number in range(math.ceil(self.towns / (_SIDE * _SIDE))):
            lon, lat = self.centre(number * _SIDE * _SIDE)
            code = self.county(number)
            yield f"{code},{code[:2]}0000000000,3,county,第{number}县,{lon:.6f},{lat:.6f},centre\n"
        for number in range(self.towns):
            lon, lat = self.centre(number)
            code = self.town(number)
            yield f"{code},{code[:6]}000000,4,town,第{number}街道,{lon:.6f},{lat:.6f},centre\n"
        for number in range(self.communities):
            west, south, side = self.corner(number)
            code = self.community(number)
            yield (
                f"{code},{code[:9]}000,5,community,第{number}社区,"
                f"{west + side / 2:.6f},{south + side / 2:.6f},approximate\n"
            )

    def _features(self) -> Iterator[str]:
        for number in range(self.cells):
            properties = {"code": self.community(number), "level": 5, "sample": True}
            geometry = {"type": "Polygon", "coordinates": [_ring(*self.corner(number))]}
            feature = {"type": "Feature", "properties": properties, "geometry": geometry}
            yield json.dumps(feature, separators=(",", ":"))


def _ring(west: float, south: float, side: float) -> list[list[float]]:
    """Counter-clockwise; an edge is ragged by where it lies, so both who share it draw it alike."""
    step = side / _RAGGED
    south_edge = [_bent(west + i * step, south, side, i, up=True) for i in range(_RAGGED)]
    east_edge = [_bent(west + side, south + i * step, side, i, up=False) for i in range(_RAGGED)]
    north_edge = [_bent(west + i * step, south + side, side, i, up=True) for i in range(_RAGGED, 0, -1)]
    west_edge = [_bent(west, south + i * step, side, i, up=False) for i in range(_RAGGED, 0, -1)]
    ring = [*south_edge, *east_edge, *north_edge, *west_edge]
    return [*ring, ring[0]]


def _bent(lon: float, lat: float, side: float, number: int, *, up: bool) -> list[float]:
    off = 0.0 if number in (0, _RAGGED) else side * 0.05 * math.sin(1.7 * number)
    return [round(lon, 6), round(lat + off, 6)] if up else [round(lon + off, 6), round(lat, 6)]


def _deeper(path: Path, column: str, above: Callable[[list[str], list[str]], Rows] | None) -> None:
    """Every level of the table is two further down, but for what is redirected: that stays at the top."""
    header, *rows = csv.reader(io.StringIO(path.read_text("utf-8")))
    at = header.index(column)
    more = above(header, rows[0]) if above else []
    for row in rows:
        if row[at] and not any("redirect:" in cell for cell in row):
            row[at] = str(int(row[at]) + DEEPER)
    with path.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows([header, *more, *rows])


def _tiers_above(header: list[str], top: list[str]) -> Rows:
    """Like the tier that was the top one, each with a desk of its own."""
    return [
        [
            {"level": str(level), "code": code, "desk": f"{code}_desk"}.get(name, cell)
            for name, cell in zip(header, top, strict=True)
        ]
        for level, code in enumerate(ABOVE, start=1)
    ]


def _desks_above(_header: list[str], _first: list[str]) -> Rows:
    return [[f"{code}_desk", str(level), "治理中心", "Desk"] for level, code in enumerate(ABOVE, start=1)]
