"""A whole country as one city: small ones are compared with smaller, the full size runs in the long ring."""

from __future__ import annotations

import dataclasses
import json
import tracemalloc
from pathlib import Path

import pytest

from services.adapters.areas import Areas
from services.adapters.city_files import read_city, read_folder
from tests.bench.country import (
    MOST_CODE_US,
    MOST_MB,
    MOST_POINT_US,
    MOST_SECONDS,
    PLACEMENTS,
    Figures,
    figures_of,
    in_another_process,
    measure,
    placements,
)
from tests.harness.country import Country

SMALL = Country(towns=1_000, communities=12_000, cells=500)
LARGER = dataclasses.replace(SMALL, towns=8_000, communities=96_000)
# What a country of 670,000 hubs may take of 2 GB, its texts aside.
MOST_BYTES_A_HUB = 1_500


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[Country, Figures]:
    return {one: measure(one.write(tmp_path_factory.mktemp("country")), one) for one in (SMALL, LARGER)}


def test_loading_takes_as_long_as_it_is_large(figures: dict[Country, Figures]) -> None:
    small, larger = (figures[one].load.own_seconds / figures[one].hubs for one in (SMALL, LARGER))
    assert larger < 2.5 * small


def test_placing_does_not_look_at_every_town(figures: dict[Country, Figures]) -> None:
    """Eight times the towns: a look at all of them would take eight times as long."""
    for how, one in figures[LARGER].placing.items():
        assert one.median < 3 * figures[SMALL].placing[how].median, how


def test_every_report_goes_where_it_belongs(figures: dict[Country, Figures]) -> None:
    for one in figures.values():
        assert {how: placing.right for how, placing in one.placing.items()} == dict.fromkeys(
            one.placing, PLACEMENTS
        )


def test_a_hub_is_kept_in_little_memory(tmp_path: Path) -> None:
    files = read_folder(SMALL.write(tmp_path))
    tracemalloc.start()
    try:
        city = read_city(files, 1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak / len(city.hubs) < MOST_BYTES_A_HUB
    assert placements(city, Areas.parse(files["areas.geojson"], city), SMALL).keys()


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_country_loads_and_places_within_its_limits(database_url: str, tmp_path: Path) -> None:
    country = Country()
    folder = country.write(tmp_path)
    figures = figures_of(in_another_process(folder, country=country))
    # 1 country, 31 provinces, a county for every 16 towns
    assert figures.hubs == 1 + 31 + 2_813 + 45_000 + 620_000
    loaded, read = json.loads(in_another_process(folder, country=country, database_url=database_url))
    for cost in (dataclasses.asdict(figures.load), loaded, read):
        assert cost["own_seconds"] <= MOST_SECONDS, cost
        assert cost["peak_mb"] <= MOST_MB, cost
    for how, placing in figures.placing.items():
        assert placing.right == PLACEMENTS, how
        assert placing.median <= (MOST_CODE_US if how == "by code" else MOST_POINT_US), how
