"""The link for a partner unit without an account: its part of one case, as long as the case is open.

Rules: the token says which case and proves, with the secret, who was invited; nothing of it is stored. The
page shows no reporter and no words; what is done there is decided by the router like everybody's command.
"""

from __future__ import annotations

import asyncio
import hmac
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

from services.adapters import metrics
from services.adapters.photo_uploads import keep_photo, read_photo
from services.adapters.problems import Problem, invalid
from services.board.bodies import json_answer, json_object
from services.board.commands import carry_out, key_of, read_command
from services.board.pages import template
from services.board.parts import Board, Parts
from services.domain import ids
from services.domain.case import Case
from services.domain.city import City
from services.domain.events import Invitation
from services.domain.life import allowed_commands
from services.domain.messages import Actor

MAY: Final = ("report_in", "comment", "add_photos")
_PRIVATE: Final = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}

routes = APIRouter(tags=["partners"])


@dataclass(frozen=True, slots=True)
class Guest:
    case: Case
    invitation: Invitation

    @property
    def actor(self) -> Actor:
        one = self.invitation
        return Actor(ref=f"partner:{one.unit}", roles=("partner",), unit=one.unit, hubs=(one.hub_code,))


async def _guest(token: str, request: Request, board: Parts) -> Guest:
    """404 for a token that is not ours or whose case has ended; many of those from one address: 429."""
    address = request.client.host if request.client else ""
    now = asyncio.get_running_loop().time()
    wait_s = board.guests.wait_s(address, now)
    if wait_s > 0:
        raise _too_many(wait_s)
    case_id = ids.case_of_partner_token(token)
    case = await board.views.case(case_id) if case_id is not None else None
    if case is not None and case.open:
        for one in case.side.invited:
            right = ids.partner_token(board.secret, case.case_id, one.unit, one.hub_code)
            if one.partner and hmac.compare_digest(right.encode(), token.encode()):
                return Guest(case, one)
    board.guests.count_wrong(address, now)
    raise Problem(404, detail="This link is not known here, or the case it was for has ended.")


def _counted(token: str, board: Parts) -> None:
    wait_s = board.guests.act(token, asyncio.get_running_loop().time())
    if wait_s > 0:
        raise _too_many(wait_s)


def _too_many(wait_s: float) -> Problem:
    seconds = int(wait_s) + 1
    return Problem(
        429,
        "too_many",
        detail=f"Too much at once: try again in {seconds} s.",
        headers={"Retry-After": str(seconds)},
    )


@routes.get("/p/{token}")
async def page(token: str, request: Request, board: Board) -> Response:
    """The page, or for a program that accepts JSON the case as far as the partner may see it."""
    if "application/json" not in request.headers.get("accept", ""):
        return HTMLResponse(template("partner.html"), headers=_PRIVATE)
    guest = await _guest(token, request, board)
    file = await board.views.case_file(guest.case.case_id)
    photos: list[str] = []
    if file is not None and not guest.case.confidential:
        said = [msgspec.json.decode(row["payload"]).get("photos") for row in file.events]
        of_reports = [photo for row in file.reports for photo in row["photos"]]
        photos = list(dict.fromkeys([*of_reports, *(photo for some in said for photo in some or ())]))
    shown = _masked(guest, photos, token, board.city.now) | {"as_of": board.clock.now()}
    return json_answer(shown, headers=_PRIVATE)


def _masked(guest: Guest, photos: list[str], token: str, city: City) -> dict[str, Any]:
    case, one = guest.case, guest.invitation
    due = case.open_deadline("owner", f"report_in:{one.unit}@{one.hub_code}")
    allowed = allowed_commands(case, guest.actor, city)
    return {
        "number": case.number,
        "category": case.category,
        "place_code": case.place_code,
        "hub_code": case.hub_code,
        "owner": case.owner,
        "owner_hub_code": case.owner_hub_code,
        "state": case.state,
        "unit": one.unit,
        "reported_in": one.reported_in,
        "due_at": due.due_at if due else None,
        "photos": [f"/p/{token}/photos/{photo}" for photo in photos],
        "allowed": [kind for kind in MAY if kind in allowed],
    }


@routes.post("/p/{token}/commands")
async def send(token: str, request: Request, board: Board) -> Response:
    """Body `{type: report_in|comment|add_photos, …}` as on the board; `Idempotency-Key` as there."""
    guest = await _guest(token, request, board)
    body = await json_object(request)
    if body.get("type") not in MAY:
        raise invalid([("type", f"is not one of {', '.join(MAY)}")])
    wanted = read_command(body, board.city.now, board.photos)
    _counted(token, board)
    try:
        answer, result = await carry_out(guest.case.case_id, wanted, key_of(request), board, guest.actor)
    except Problem as problem:
        metrics.commands_total.labels(wanted.type, problem.code).inc()
        raise Problem(problem.status, problem.code, detail=problem.detail, errors=problem.errors) from None
    metrics.commands_total.labels(wanted.type, result).inc()
    return json_answer({"outcome": result}, status=answer.status_code, headers=_PRIVATE)


@routes.post("/p/{token}/photos")
async def upload(token: str, request: Request, board: Board) -> Response:
    await _guest(token, request, board)
    _counted(token, board)
    return json_answer({"id": await keep_photo(board.photos, await read_photo(request))}, status=201)


@routes.get("/p/{token}/photos/{photo}")
async def show(token: str, photo: str, request: Request, board: Board) -> Response:
    guest = await _guest(token, request, board)
    known = not guest.case.confidential and board.photos.exists(photo)
    if not known or not await board.views.photo_is_of_case(guest.case.case_id, photo):
        raise Problem(404, detail="This case has no photo with this id.")
    return FileResponse(board.photos.path(photo), media_type="image/jpeg", headers=_PRIVATE)
