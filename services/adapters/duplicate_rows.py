"""private.sightings: what new reports are compared with, asked for once per batch, kept beside the cases."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg

from services.adapters.postgres import load_sql
from services.adapters.rows import columns
from services.domain.duplicates import Candidate, Sighting
from services.domain.geo import EARTH_RADIUS_M, Point

SQL: Final = load_sql("duplicates")
SIGHTINGS: Final = (
    "case_id", "report_id", "band", "family", "lon", "lat", "error_m", "seen_at", "category", "closed_at",
    "reporter", "compared", "words",
)  # fmt: skip
_BAND_DEG: Final = 0.004
"""445 m: most looks stay within one strip, and a strip is still a small part of a town."""
_METRES_PER_DEG: Final = math.radians(EARTH_RADIUS_M)

Spot = tuple[int, str]
"""A strip of latitude and a family: where sightings are looked for together."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A look around a point for sightings of these families; `reporter` is who asks, if that is known."""

    point: Point
    reach_m: float
    families: Sequence[str]
    reporter: int | None

    @property
    def spots(self) -> Iterator[Spot]:
        reach = self.reach_m / _METRES_PER_DEG
        bands = range(band_of(self.point[1] - reach), band_of(self.point[1] + reach) + 1)
        return ((band, family) for family in self.families for band in bands)


def band_of(lat: float) -> int:
    return math.floor(lat / _BAND_DEG)


def sighting_row(
    report_id: str,
    case_id: str,
    seen: Sighting,
    *,
    family: str,
    category: str,
    reporter: int | None,
    compared: bool,
    words: str | None,
) -> tuple[Any, ...]:
    lon, lat = seen.point
    return (
        case_id, report_id, band_of(lat), family, lon, lat, seen.error_m, seen.seen_at, category, None,
        reporter, compared, words,
    )  # fmt: skip


class Sightings:
    """The table, within the transaction of a batch."""

    def __init__(self, conn: asyncpg.Connection[asyncpg.Record]) -> None:
        self._conn = conn

    async def near(
        self, asked: Sequence[Asked], *, open_since: datetime, closed_since: datetime
    ) -> list[tuple[int, Candidate, str | None]]:
        """(number of the look, candidate, its words): all within reach; likeness is not yet known."""
        boxes = [box for number, one in enumerate(asked) for box in _boxes(number, one)]
        found = await self._conn.fetch(SQL["sightings_near"], *columns(boxes, 8), open_since, closed_since)
        return [
            (
                number,
                Candidate(case_id, Sighting(category, (lon, lat), error_m, seen_at), closed_at, own, None),
                words,
            )
            for number, case_id, category, lon, lat, error_m, seen_at, closed_at, words, own in found
        ]

    async def move(self, homes: Mapping[str, str], case_ids: Sequence[str]) -> None:
        """Reports by id, with the case each stands with now; `case_ids`: all they come from or go to."""
        if homes:
            await self._conn.execute(SQL["move_sightings"], list(homes), list(homes.values()), case_ids)

    async def update(self, changed: Sequence[tuple[str, str, str, datetime | None]]) -> None:
        """(case_id, category, family, closed_at) of cases where one of them is another now."""
        if changed:
            await self._conn.execute(SQL["update_sightings"], *columns(changed, 4))

    async def remove(self, case_ids: Sequence[str]) -> None:
        if case_ids:
            await self._conn.execute(SQL["delete_sightings"], case_ids)


def _boxes(number: int, asked: Asked) -> Iterator[tuple[Any, ...]]:
    lon, lat = asked.point
    high = asked.reach_m / _METRES_PER_DEG
    wide = high / max(0.01, math.cos(math.radians(lat)))
    for band, family in asked.spots:
        yield number, band, family, lon, lat, wide, high, asked.reporter
