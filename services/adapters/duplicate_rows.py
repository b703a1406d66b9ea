"""private.sightings: what new reports are compared with, asked for once per batch, kept beside the cases."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg

from services.adapters.postgres import load_sql
from services.adapters.rows import columns
from services.domain.duplicates import Candidate, Sighting
from services.domain.geo import EARTH_RADIUS_M, Point
from services.domain.value import value

SQL: Final = load_sql("duplicates")
SIGHTINGS: Final = (
    "case_id", "report_id", "band", "family", "lon", "lat", "error_m", "seen_at", "category", "closed_at",
    "reporter", "compared", "text",
)  # fmt: skip
MOST_TEXT: Final = 200
_BAND_DEG: Final = 0.004
"""445 m: most looks stay within one strip, and a strip is still a small part of a town."""
_METRES_PER_DEG: Final = math.radians(EARTH_RADIUS_M)

Spot = tuple[int, str]
"""A strip of latitude and a family: where sightings are looked for together."""
Found = tuple[Candidate, str | None]
"""What is near, and its text."""


@value
class Look:
    """Into these strips, so many degrees around a point; by `reporter`, if that is known.

    `closed`: the part of that, squared, within which closed problems matter.
    """

    point: Point
    spots: tuple[Spot, ...]
    wide: float
    high: float
    closed: float
    category: str | None
    reporter: int | None


def look_around(
    point: Point,
    reach_m: float,
    families: tuple[str, ...],
    *,
    closed_m: float,
    category: str | None,
    reporter: int | None,
) -> Look:
    lat, high = point[1], reach_m / _METRES_PER_DEG
    bands = range(band_of(lat - high), band_of(lat + high) + 1)
    return Look(
        point=point,
        spots=tuple((band, family) for family in families for band in bands),
        wide=high / max(0.01, math.cos(math.radians(lat))),
        high=high,
        closed=(closed_m / reach_m) ** 2,
        category=category,
        reporter=reporter,
    )


def band_of(lat: float) -> int:
    return math.floor(lat / _BAND_DEG)


def sighting_row(
    report_id: str, seen: Candidate, *, family: str, reporter: int | None, compared: bool, text: str | None
) -> tuple[Any, ...]:
    it = seen.seen
    lon, lat = it.point
    return (
        seen.case_id, report_id, band_of(lat), family, lon, lat, it.error_m, it.seen_at, it.category,
        seen.closed_at, reporter, compared, text[:MOST_TEXT] if text else None,
    )  # fmt: skip


class Sightings:
    """The table, within the transaction of a batch."""

    def __init__(self, conn: asyncpg.Connection[asyncpg.Record]) -> None:
        self._conn = conn

    async def near(
        self, looks: Iterable[Look], *, open_since: datetime, closed_since: datetime
    ) -> list[tuple[int, Found]]:
        """What lies within reach, each with the number of its look; one's own open problems of any age."""
        boxes = [
            (number, *spot, *look.point, look.wide, look.high, look.closed, look.category, look.reporter)
            for number, look in enumerate(looks)
            for spot in look.spots
        ]
        given = *columns(boxes, 10), open_since, closed_since
        return [
            (
                number,
                (
                    Candidate(
                        case_id=case_id,
                        seen=Sighting(category=category, point=(lon, lat), error_m=error_m, seen_at=seen_at),
                        closed_at=closed_at,
                        own=own,
                    ),
                    text,
                ),
            )
            for number, case_id, category, lon, lat, error_m, seen_at, closed_at, text, own in (
                await self._conn.fetch(SQL["sightings_near"], *given)
            )
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
