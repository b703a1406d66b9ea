"""A whole country as one city: how long it takes to load, how much memory, and what one placement costs.

python -m tests.bench.country     45,000 towns, 620,000 communities, 10,000 cells; from files, from a database
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from services.adapters.areas import Areas
from services.adapters.city_book import load_folder, read_version
from services.adapters.city_files import read_city, read_folder
from services.adapters.postgres import connect
from services.domain.city import City
from services.domain.city_rows import AREAS
from services.domain.geo import Point
from services.domain.place import Place, place
from tests.bench.figures import Report, percentile
from tests.console_run import console, gone_afterwards
from tests.harness.country import ROOT, Country

PLACEMENTS: Final = 2000
MOST_SECONDS, MOST_MB, MOST_CODE_US, MOST_POINT_US = 20, 2048, 100, 1000
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Cost:
    """Seconds by the wall and of this process's own work; its greatest memory so far."""

    seconds: float
    own_seconds: float
    peak_mb: float


@dataclass(frozen=True)
class Placing:
    """Microseconds of one placement, and how many went where they belong."""

    median: float
    p99: float
    right: int


@dataclass(frozen=True)
class Figures:
    load: Cost
    hubs: int
    placing: dict[str, Placing]


def measure(folder: Path, country: Country) -> Figures:
    """In this process: its memory counts."""
    with _cost() as costs:
        files = read_folder(folder)
        city = read_city(files, 1)
        areas = Areas.parse(files[AREAS], city)
    return Figures(costs[0], len(city.hubs), placements(city, areas, country))


def placements(city: City, areas: Areas, country: Country) -> dict[str, Placing]:
    """One at a time, as the router would place a single report."""
    chance = random.Random(45_000_620_000)
    numbers = [chance.randrange(country.communities) for _ in range(PLACEMENTS)]
    by_code = [(country.community(number), country.community(number)) for number in numbers]
    in_cells = [chance.randrange(country.cells) for _ in range(PLACEMENTS)]
    by_point = [(_within(country, number), country.community(number)) for number in in_cells]
    towns = [chance.randrange(country.towns - country.towns // 4, country.towns) for _ in range(PLACEMENTS)]
    # some 150 m off the centre: no other centre is nearer than 1.5 km
    by_centre = [(_beside(country.centre(town)), country.town(town)) for town in towns]
    nowhere = [((chance.uniform(-180, 180), chance.uniform(-90, 15)), ROOT) for _ in range(PLACEMENTS)]

    def at_code(code: str) -> Place:
        return place(city=city, cell=None, hub_code=code, point=None, accuracy_m=None)

    def at_point(point: Point) -> Place:
        (cell,) = areas.cells_at([point])
        return place(city=city, cell=cell, hub_code=None, point=point, accuracy_m=10.0)

    return {
        "by code": _timed(at_code, by_code),
        "by point in a cell": _timed(at_point, by_point),
        "by point near a town, in no cell": _timed(at_point, by_centre),
        "by point far from everything": _timed(at_point, nowhere),
    }


async def through_the_book(folder: Path, database_url: str) -> tuple[Cost, Cost]:
    """What `city load` does, and what every room does when it sees the new version."""
    with _cost() as costs:
        version = await load_folder(database_url, folder)
    conn = await connect(database_url, room="bench")
    with _cost(costs):
        await read_version(conn, version)
    await conn.close()
    return costs[0], costs[1]


def in_another_process(folder: Path, *, country: Country, database_url: str | None = None) -> str:
    """This module's figures as JSON, taken where nothing else was loaded before."""
    told = subprocess.run(
        [
            sys.executable,
            *("-m", "tests.bench.country", str(folder), json.dumps(asdict(country)), database_url or ""),
        ],
        cwd=_ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return told.stdout


def figures_of(told: str) -> Figures:
    said = json.loads(told)
    placing = {how: Placing(**cost) for how, cost in said["placing"].items()}
    return Figures(Cost(**said["load"]), said["hubs"], placing)


def _within(country: Country, number: int) -> Point:
    """The middle of a community's cell."""
    west, south, side = country.corner(number)
    return west + side / 2, south + side / 2


def _beside(point: Point) -> Point:
    return point[0] + 0.001, point[1] + 0.001


def _timed(one: Callable[[Any], Place], asked: Sequence[tuple[Any, str]]) -> Placing:
    took = []
    right = 0
    for question, expected in asked:
        began = time.perf_counter()
        answer = one(question)
        took.append((time.perf_counter() - began) * 1e6)
        right += answer.hub_code == expected
    took.sort()
    return Placing(statistics.median(took), percentile(took, 99), right)


@contextmanager
def _cost(known: list[Cost] | None = None) -> Iterator[list[Cost]]:
    costs: list[Cost] = [] if known is None else known
    began, worked = time.perf_counter(), time.process_time()
    yield costs
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    costs.append(Cost(time.perf_counter() - began, time.process_time() - worked, peak_mb))


def _show(figures: Figures, loaded: Cost, read: Cost) -> None:
    report = Report()
    for name, cost in (
        ("check and load the folder", figures.load),
        ("`city load` into the book", loaded),
        ("a room reads the version", read),
    ):
        remark = f"aim {MOST_SECONDS} s, {MOST_MB} MB; {cost.own_seconds:.1f} s of it work of its own"
        report.single(name, f"{cost.seconds:.1f} s, {cost.peak_mb:,.0f} MB", remark)
    for how, one in figures.placing.items():
        aim = MOST_CODE_US if how == "by code" else MOST_POINT_US
        report.single(
            f"placed {how}", f"{one.median:.1f} µs", f"aim {aim} µs; 99 of 100 within {one.p99:.0f} µs"
        )
    report.show(f"A country of {figures.hubs:,} hubs")


def main() -> None:
    country = Country()
    with tempfile.TemporaryDirectory() as name, gone_afterwards(console("--only", "postgres")) as one:
        folder = country.write(Path(name))
        figures = figures_of(in_another_process(folder, country=country))
        url = one.start().wait_ready().known()["DATABASE_URL"]
        loaded, read = json.loads(in_another_process(folder, country=country, database_url=url))
        one.stop()
    _show(figures, Cost(**loaded), Cost(**read))


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        _folder, _country, _url = sys.argv[1:]
        if _url:
            _costs = asyncio.run(through_the_book(Path(_folder), _url))
            print(json.dumps([asdict(cost) for cost in _costs]))
        else:
            print(json.dumps(asdict(measure(Path(_folder), Country(**json.loads(_country))))))
