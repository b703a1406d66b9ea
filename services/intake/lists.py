"""The city's lists: GET /v1/categories and GET /v1/hubs, encoded once per city version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from services.adapters.problems import invalid
from services.domain.city import Category, City, Hub

_HEADERS: Final = {"Cache-Control": "public, max-age=60"}
_encode = msgspec.json.Encoder().encode


class CityLists:
    def __init__(self, city: City) -> None:
        self.categories = _list(_category(category) for category in city.categories.values())
        self._every_hub = _list(_hub(hub) for hub in city.hubs.values())
        self._below: Mapping[str, bytes] = {
            code: _list(_hub(city.hubs[child]) for child in city.children(code)) for code in city.hubs
        } | {"": _list([_hub(city.hubs[city.root])])}

    def hubs(self, parent: str | None) -> bytes | None:
        """Without a parent all of them, with an empty one the root; None for a parent that is not known."""
        return self._every_hub if parent is None else self._below.get(parent)


def _list(items: Iterable[Mapping[str, Any]]) -> bytes:
    whole = list(items)
    return _encode({"items": whole, "next_cursor": None, "total": len(whole)})


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


async def get_categories(request: Request) -> Response:
    """The categories of problems, with the hotline to call at once where there is one."""
    return _answer(_lists_of(request).categories)


async def get_hubs(request: Request) -> Response:
    """The hubs: all of them, or those directly below `parent` (empty: the one at the top)."""
    found = _lists_of(request).hubs(request.query_params.get("parent"))
    if found is None:
        raise invalid([("parent", "no hub has this code; GET /v1/hubs lists them")])
    return _answer(found)


def _lists_of(request: Request) -> CityLists:
    door = request.app.state.door
    door.known_city()
    lists: CityLists = door.lists
    return lists


def _answer(body: bytes) -> Response:
    return Response(body, media_type="application/json", headers=_HEADERS)
