"""A hub's queue: open cases by due time, paged by (sort value, case id), as far as the caller may read."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime, timedelta
from typing import Final, cast

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.adapters.board_views import QueueFilter, Scope, Sort
from services.adapters.problems import Problem, invalid
from services.board.bodies import instant, json_answer, uuid_or_none
from services.board.cases import case_body
from services.board.parts import Board
from services.board.sessions import Signed
from services.domain.case import ENDED, STATES
from services.domain.city import City
from services.domain.messages import Actor

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200
SORTS: Final = ("due", "received_at", "priority")
CLOSED_WITHIN: Final = timedelta(days=90)
"""Closed cases are without end: older ones are shown to whoever asks with `closed_since`."""
_PARAMETERS: Final = frozenset({"state", "category", "due_before", "closed_since", "sort", "cursor", "limit"})
_NEVER: Final = "infinity"

routes = APIRouter(tags=["queue"])


def scope_of(hub_code: str, actor: Actor, city: City) -> Scope:
    """The hub's cases for this caller: 404 for no hub, 403 for somebody else's."""
    if hub_code not in city.hubs:
        raise Problem(404, detail=f"There is no hub {hub_code}.")
    if not any(own in city.hubs and city.in_subtree(hub_code, own) for own in actor.hubs):
        raise Problem(
            403, detail="This hub is neither your own nor below it.", errors=[("hub", "is not yours")]
        )
    return Scope.of(hub_code, actor, city)


@routes.get("/v1/hubs/{code}/queue")
async def queue(code: str, request: Request, board: Board, signed: Signed) -> Response:
    """Query: state=, category= (repeatable), due_before=, sort=due|received_at|priority, cursor=, limit=.

    With state=closed also closed_since=, 90 days ago if not given: `total` and pages hold none closed before.
    """
    city, actor = board.city.now, signed.actor
    scope = scope_of(code, actor, city)
    as_of = board.clock.now()
    wanted = _read_filter(request, city, as_of)
    page = await board.views.queue(scope, wanted)
    return json_answer(
        {
            "items": [case_body(case, actor, city) for case in page.cases],
            "next_cursor": _cursor(wanted.sort, page.next_after) if page.next_after else None,
            "total": page.total,
            "as_of": as_of,
            "hub_code": code,
        }
    )


def _read_filter(request: Request, city: City, now: datetime) -> QueueFilter:
    query = request.query_params
    faults = [(name, "is not a parameter of a queue") for name in query if name not in _PARAMETERS]
    states, categories = query.getlist("state"), query.getlist("category")
    faults += [("state", f"is not one of {', '.join(STATES)}") for state in states if state not in STATES]
    faults += [
        ("category", "is not a category of the city") for one in categories if one not in city.categories
    ]
    sort = query.get("sort", "due")
    if sort not in SORTS:
        faults.append(("sort", f"is not one of {', '.join(SORTS)}"))
    limit = query.get("limit", str(DEFAULT_LIMIT))
    if not (limit.isascii() and limit.isdigit() and len(limit) < 4 and 1 <= int(limit) <= MAX_LIMIT):
        faults.append(("limit", f"must be a whole number from 1 to {MAX_LIMIT}"))
    after = None
    if "cursor" in query and (after := _read_cursor(query["cursor"], sort)) is None:
        faults.append(("cursor", "is not a next_cursor of this queue in this order"))
    if faults:
        raise invalid(faults)
    due_before, since = query.get("due_before"), query.get("closed_since")
    closed_since = now - CLOSED_WITHIN if since is None else instant("closed_since", since)
    return QueueFilter(
        states=sorted(set(states)) or None,
        closed_since=closed_since if any(state in ENDED for state in states) else None,
        categories=categories or None,
        due_before=instant("due_before", due_before) if due_before is not None else None,
        sort=cast("Sort", sort),
        after=after,
        limit=int(limit),
    )


def _cursor(sort: str, after: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode([sort, *after])).decode().rstrip("=")


def _read_cursor(cursor: str, sort: str) -> tuple[str, str] | None:
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        of_sort, value, case_id = msgspec.json.decode(raw, type=tuple[str, str, str])
        if sort == "priority":
            well_formed = len(value) <= 8 and "\x00" not in value
        else:
            well_formed = value == _NEVER or instant("cursor", value) is not None
    except (ValueError, binascii.Error, msgspec.MsgspecError, Problem):
        return None
    known_id = uuid_or_none(case_id)
    return (value, known_id) if of_sort == sort and well_formed and known_id else None
