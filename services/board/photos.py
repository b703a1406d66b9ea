"""Photos of staff: uploaded before the command that names them, shown to whoever may read the case."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response

from services.adapters.photo_uploads import keep_photo, read_photo
from services.adapters.problems import Problem
from services.board.bodies import json_answer, uuid_or_404
from services.board.cases import no_case, not_yours
from services.board.parts import Board
from services.board.sessions import Signed
from services.domain.access import may_read

# A desk is shared: what one was shown may be nothing for the next. So a browser asks each time, and session
# and right to read are looked at again. An id is a keyed hash of the content: it tells if that is the same.
_ASK_AGAIN: Final = "private, no-cache"
_KEEP_NOTHING: Final = "no-store"

routes = APIRouter(tags=["photos"])


@routes.post("/v1/photos")
async def upload(request: Request, board: Board, _signed: Signed) -> Response:
    """multipart/form-data with one file; `201 {id}`."""
    photo_id = await keep_photo(board.photos, await read_photo(request))
    return json_answer({"id": photo_id}, status=201)


@routes.get("/v1/cases/{case_id}/photos/{photo}")
async def show(case_id: str, photo: str, request: Request, board: Board, signed: Signed) -> Response:
    known_id = uuid_or_404(case_id, "case")
    case = await board.views.case(known_id)
    if case is None:
        raise no_case()
    if not may_read(case, signed.actor, board.city.now):
        raise not_yours()
    if not board.photos.exists(photo) or not await board.views.photo_is_of_case(known_id, photo):
        raise Problem(404, detail="This case has no photo with this id.")
    tag = f'"{photo}"'
    headers = {"Cache-Control": _KEEP_NOTHING if case.confidential else _ASK_AGAIN, "ETag": tag}
    if not case.confidential and tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return FileResponse(board.photos.path(photo), media_type="image/jpeg", headers=headers)
