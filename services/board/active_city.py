"""The active version of the city, as the board knows it, and the names that its pages show.

Rules: the version is looked at every 2 s, so a new one is seen without a restart; until the first was read
every route that needs it answers 503.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.adapters.board_views import AWAY, BoardViews
from services.adapters.city_book import NoCityLoaded
from services.adapters.problems import unavailable
from services.board.bodies import json_answer
from services.board.outlines import Outlines
from services.domain.city import City, Named

T = TypeVar("T")

log = structlog.get_logger()

_LOOK_SECONDS: Final = 2.0
_LOOK_AGAIN_SECONDS: Final = 0.5


class ActiveCity:
    def __init__(self, views: BoardViews) -> None:
        self._views = views
        self._city: City | None = None
        self._outlines: Outlines | None = None

    @property
    def now(self) -> City:
        return _read(self._city)

    @property
    def outlines(self) -> Outlines:
        return _read(self._outlines)

    async def keep_fresh(self) -> None:
        """Runs until it is cancelled."""
        told = False
        while True:
            try:
                version = await self._views.city_version()
                if self._city is None or self._city.version != version:
                    city, areas = await self._views.city(version)
                    self._city, self._outlines = city, Outlines(city, areas)
                    log.info("city_read", version=version, hubs=len(city.hubs))
                told = False
            except AWAY as problem:
                told = told or _tell(problem)
            except NoCityLoaded as problem:
                told = told or _tell(problem)
            except Exception:
                # A version that this program cannot read: the one it knows stays in use.
                log.exception("city_not_read")
            await asyncio.sleep(_LOOK_SECONDS if self._city is not None else _LOOK_AGAIN_SECONDS)

    async def not_ready(self) -> str | None:
        return None if self._city is not None else "no city is read yet"


def _read(known: T | None) -> T:
    if known is None:
        raise unavailable("The city is not read yet.", retry_after=2, code="no_city")
    return known


def _tell(problem: Exception) -> bool:
    log.warning("city_not_read", reason=str(problem) or type(problem).__name__)
    return True


def names(city: City) -> dict[str, Any]:
    """Codes and the names people know them by; nothing here is personal."""
    return {
        "version": city.version,
        "name_zh": city.name_zh,
        "name_en": city.name_en,
        "timezone": city.timezone,
        "root": city.root,
        "tiers": [
            {"level": tier.level, "code": tier.code, "name_zh": tier.name_zh, "name_en": tier.name_en}
            for tier in city.tiers.values()
        ],
        "hubs": [
            {"code": hub.code, "parent": hub.parent, "level": hub.level, "name": hub.name}
            for hub in city.hubs.values()
        ],
        "grids": [
            {"code": grid.code, "hub_code": grid.hub_code, "name": grid.name} for grid in city.grids.values()
        ],
        "units": [
            {"code": unit.code, "level": unit.level, "name_zh": unit.name_zh, "name_en": unit.name_en}
            for unit in city.units.values()
        ],
        "categories": [
            {
                "code": category.code,
                "name_zh": category.name_zh,
                "name_en": category.name_en,
                "variants": list(category.variants),
            }
            for category in city.categories.values()
        ],
        "priorities": [
            {
                "code": priority.code,
                "name_zh": priority.name_zh,
                "name_en": priority.name_en,
                "extension": str(priority.extension) if priority.extension else None,
            }
            for priority in city.priorities.values()
        ],
        "hotlines": [
            {"code": line.number, "name_zh": line.name_zh, "name_en": line.name_en}
            for line in city.hotlines.values()
        ],
        "suspensions": [
            {"code": code, "limit": str(limit)} for code, limit in city.policy.suspensions.items()
        ],
        "declines": _named(city.policy.declines),
        "partners": _named(city.policy.partners),
    }


def _named(known: Mapping[str, Named]) -> list[dict[str, Any]]:
    return [
        {"code": code, "name_zh": one.name_zh, "name_en": one.name_en, "channel": one.channel}
        for code, one in known.items()
    ]


routes = APIRouter()


@routes.get("/v1/city", tags=["city"])
async def city_names(request: Request) -> Response:
    """The names of hubs, units and categories of the active version."""
    city: City = request.app.state.parts.city.now
    tag = f'"city-{city.version}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return json_answer(names(city), headers=headers)
