"""The live line to a page: server-sent events that say which case changed; the page reads it again.

Rules: a comment every 15 s, at which session and scope are checked again; after a gap the line begins with
what changed since, or with one `resync`; when the process is told to stop, every line ends.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from services.adapters.board_views import AWAY, Scope
from services.adapters.problems import Problem, unavailable
from services.board.bodies import instant
from services.board.nudges import RESYNC, Viewer, nudge
from services.board.parts import Board, Parts
from services.board.queue import scope_of
from services.board.sessions import Signed, SignedIn

COMMENT_SECONDS: Final = 15.0
CATCH_UP_OVERLAP: Final = timedelta(seconds=15)
CATCH_UP_LIMIT: Final = 500
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

routes = APIRouter(tags=["stream"])


@routes.get("/v1/stream")
async def stream(
    request: Request, board: Board, signed: Signed, hub: str | None = None, since: str | None = None
) -> Response:
    """`event: case` for every change in `hub` (default: the own). `since`: milliseconds or ISO 8601."""
    scope = scope_of(hub or signed.account.hub_code, signed.actor, board.city.now)
    last_id = request.headers.get("last-event-id")
    since_at = _since("Last-Event-ID", last_id) if last_id else _since("since", since) if since else None
    if board.nudges.closed or not board.nudges.room_for(signed.actor.ref):
        raise unavailable("There is no room for another stream: close one, or try again.", retry_after=5)
    return StreamingResponse(
        _watch(Viewer(scope, signed.actor), since_at, board, signed),
        media_type="text/event-stream",
        headers=_HEADERS,
    )


def _since(field: str, text: str) -> datetime:
    if text.isascii() and text.isdigit() and len(text) <= 14:
        return datetime.fromtimestamp(int(text) / 1000, UTC)
    # Nothing here is older; and in year 1 no second is left for the overlap.
    return max(instant(field, text), _BEGINNING)


async def _watch(
    viewer: Viewer, since: datetime | None, board: Parts, signed: SignedIn
) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    nudges = board.nudges
    # Joined before the past is read: what happens meanwhile waits in the viewer's queue.
    nudges.join(viewer)
    try:
        # Pages come back spread out after a restart.
        yield b"retry: %d\n: open\n\n" % random.randint(1000, 3000)
        if since is not None:
            yield await _catch_up(viewer.scope, since, board)
        check_at = loop.time() + COMMENT_SECONDS
        while not nudges.closed:
            messages = await viewer.next(check_at - loop.time())
            if messages:
                yield messages
            if loop.time() >= check_at:
                check_at = loop.time() + COMMENT_SECONDS
                farewell = await _may_no_longer(viewer, board, signed)
                if farewell is not None:
                    yield b'event: bye\ndata: {"reason":"%b"}\n\n' % farewell.encode()
                    return
                yield b": still here\n\n"
    finally:
        nudges.leave(viewer)


async def _catch_up(scope: Scope, since: datetime, board: Parts) -> bytes:
    try:
        changes = await board.views.changed_since(scope, since - CATCH_UP_OVERLAP, limit=CATCH_UP_LIMIT + 1)
    except AWAY:
        # The answer has begun, an error cannot be told any more: the page reads everything, and sees.
        return RESYNC
    return RESYNC if len(changes) > CATCH_UP_LIMIT else b"".join(nudge(change) for change in changes)


async def _may_no_longer(viewer: Viewer, board: Parts, signed: SignedIn) -> str | None:
    try:
        account = await board.staff.session(signed.token, touch=False)
    except AWAY:
        # Not knowing is no reason to send everybody away; the next look comes in 15 s.
        return None
    if account is None:
        return "session"
    if account != signed.account:
        return "account"
    try:
        scope = scope_of(viewer.scope.hub_code, viewer.actor, board.city.now)
    except Problem:
        return "scope"
    viewer.scope = scope
    return None
