"""The city's lists: GET /v1/categories and GET /v1/hubs.

Categories are encoded once per city version, hubs when they are asked for: a country has 600,000 of them, and
whoever wants all reads them page by page.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from services.adapters.problems import invalid
from services.domain.city import Category, City, Hub
from services.domain.grids import Grid, row_code

_HEADERS: Final = {"Cache-Control": "public, max-age=60"}
MOST_ITEMS: Final = 1000
_CURSOR: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_encode = msgspec.json.Encoder().encode


class CityLists:
    def __init__(self, city: City) -> None:
        self._city = city
        self.categories = _list([_category(category) for category in city.categories.values()])

    def hubs(self, after: int) -> bytes:
        """A page of all the hubs: those after the first so many."""
        hubs = self._city.hubs
        page = islice(hubs.values(), after, after + MOST_ITEMS)
        more = str(after + MOST_ITEMS) if after + MOST_ITEMS < len(hubs) else None
        return _list([_hub(hub) for hub in page], len(hubs), more)

    def below(self, parent: str) -> bytes | None:
        """Those directly below it, of an empty code the root; None for a code that is not known.

        Below a community are its grids, below a grid its rows: their codes too say where a report is.
        """
        city = self._city
        if not parent:
            return _list([_hub(city.hubs[city.root])])
        sign = city.sign(parent)
        if sign is None or sign.code != parent:
            return None
        if sign.grid_code is not None:
            return _list([] if sign.row else _rows(city, city.grids[sign.grid_code]))
        hubs = (_hub(city.hubs[code]) for code in city.children(parent))
        grids = (_grid(city, city.grids[code]) for code in city.grids_of(parent))
        return _list([*hubs, *grids])


def _list(items: Sequence[Any], total: int | None = None, next_cursor: str | None = None) -> bytes:
    told = len(items) if total is None else total
    return _encode({"items": items, "next_cursor": next_cursor, "total": told})


def _category(category: Category) -> dict[str, Any]:
    return {
        "code": category.code,
        "name_zh": category.name_zh,
        "name_en": category.name_en,
        "kind": category.kind,
        "priority": category.priority,
        "confidential": category.confidential,
        "hotline": category.hotline,
        "redirect": category.redirect,
    }


def _hub(hub: Hub) -> dict[str, Any]:
    return {
        "code": hub.code,
        "parent": hub.parent,
        "level": hub.level,
        "kind": hub.kind,
        "name": hub.name,
        "lon": hub.lon,
        "lat": hub.lat,
    }


def _grid(city: City, grid: Grid) -> dict[str, Any]:
    level = city.hubs[grid.hub_code].level + 1
    return _place(grid.code, grid.hub_code, level, "grid", grid.name)


def _rows(city: City, grid: Grid) -> list[dict[str, Any]]:
    level = city.hubs[grid.hub_code].level + 2
    return [_place(row_code(grid.code, row), grid.code, level, "row", row) for row in grid.rows]


def _place(code: str, parent: str, level: int, kind: str, name: str) -> dict[str, Any]:
    """Like a hub, but without a centre."""
    return {
        "code": code, "parent": parent, "level": level, "kind": kind, "name": name, "lon": None, "lat": None,
    }  # fmt: skip


async def get_categories(request: Request) -> Response:
    """The categories of problems, with the hotline to call at once where there is one."""
    return _answer(_lists_of(request).categories)


async def get_hubs(request: Request) -> Response:
    """The hubs: those directly below `parent` (empty: the one at the top), or all of them, page by page.

    Below a community are its grids, and below a grid its rows; all these codes may be a report's `hub_code`.
    """
    lists = _lists_of(request)
    parent, cursor = request.query_params.get("parent"), request.query_params.get("cursor", "0")
    if parent is None:
        if not _CURSOR.fullmatch(cursor):
            raise invalid([("cursor", "is not one that a page before gave as next_cursor")])
        return _answer(lists.hubs(int(cursor)))
    found = lists.below(parent)
    if found is None:
        raise invalid([("parent", "no hub, grid or row has this code; GET /v1/hubs lists them")])
    return _answer(found)


def _lists_of(request: Request) -> CityLists:
    door = request.app.state.door
    door.known_city()
    lists: CityLists = door.lists
    return lists


def _answer(body: bytes) -> Response:
    return Response(body, media_type="application/json", headers=_HEADERS)
