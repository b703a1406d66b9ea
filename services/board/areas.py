"""The polygons of a hub and of those around it, for the small maps of the pages."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.adapters.problems import Problem, invalid
from services.board.parts import Board
from services.board.sessions import Signed

_GEOJSON: Final = "application/geo+json"

routes = APIRouter(tags=["city"])


@routes.get("/v1/hubs/{code}/areas", response_class=Response, responses={200: {"content": {_GEOJSON: {}}}})
async def areas(code: str, request: Request, board: Board, _signed: Signed) -> Response:
    """The map of a hub, as a GeoJSON FeatureCollection (WGS-84).

    The first feature is the frame: the hub itself, or the hub above it if it has none below. All hubs
    directly below the frame follow, so that a community is seen among its neighbours. `properties` of a
    feature: `code`, `name`, `level`, `centre` [lon, lat]. An area that the city does not draw is the union
    of those below it; with none below, `geometry` is null. `ETag` changes with the version of the city:
    `If-None-Match` answers 304. Any signed-in account may ask for any hub: areas are nobody's secret.
    """
    if request.query_params:
        raise invalid((name, "is not a parameter of areas: it takes none") for name in request.query_params)
    drawn = board.city.outlines.of(code)
    if drawn is None:
        raise Problem(404, detail=f"There is no hub {code}.")
    headers = {"ETag": drawn.etag, "Cache-Control": "private, no-cache"}
    if request.headers.get("if-none-match") == drawn.etag:
        return Response(status_code=304, headers=headers)
    return Response(drawn.body, media_type=_GEOJSON, headers=headers)
