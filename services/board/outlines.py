"""What the pages draw a hub's map from: its area among those around it, as GeoJSON of one city version.

Rules: WGS-84, as RFC 7946 demands; encoded once per version and hub; five decimals (a metre) are enough.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import msgspec

from services.adapters.areas import Areas
from services.domain.city import City

_DECIMALS: Final = 5

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Drawn:
    body: bytes
    etag: str


class Outlines:
    """The areas of one version of a city; each answer is encoded when it is first asked for, and kept."""

    def __init__(self, city: City, areas: Areas) -> None:
        self._city = city
        self._areas = areas
        self._drawn: dict[str, Drawn] = {}

    def of(self, code: str) -> Drawn | None:
        """None for a code that is no hub of this version."""
        if code not in self._city.hubs:
            return None
        # A hub with nothing below it is shown among its neighbours.
        frame = code if self._city.children(code) else self._city.parent(code) or code
        if frame not in self._drawn:
            body = _encode(self._collection(frame))
            digest = hashlib.blake2b(body, digest_size=8).hexdigest()
            self._drawn[frame] = Drawn(body, f'"areas-{self._city.version}-{digest}"')
        return self._drawn[frame]

    def _collection(self, frame: str) -> dict[str, Any]:
        return {
            "type": "FeatureCollection",
            "city_version": self._city.version,
            "features": [self._feature(one) for one in (frame, *self._city.children(frame))],
        }

    def _feature(self, code: str) -> dict[str, Any]:
        hub = self._city.hubs[code]
        outline = self._areas.outline(code)
        return {
            "type": "Feature",
            "properties": {
                "code": code,
                "name": hub.name,
                "level": hub.level,
                "centre": [round(hub.lon, _DECIMALS), round(hub.lat, _DECIMALS)],
            },
            "geometry": outline and {**outline, "coordinates": _rounded(outline["coordinates"])},
        }


def _rounded(coordinates: list[Any]) -> list[Any]:
    """The same rings on the grid of the wire; points that fall together there are told once."""
    if not isinstance(coordinates[0][0], (int, float)):
        return [_rounded(part) for part in coordinates]
    on_grid = ([round(lon, _DECIMALS), round(lat, _DECIMALS)] for lon, lat in coordinates)
    ring = [point for point, _ in groupby(on_grid)]
    # A ring smaller than the grid stays a ring: RFC 7946 wants four points.
    return ring if len(ring) >= 4 else [*ring, *ring[-1:] * (4 - len(ring))]
