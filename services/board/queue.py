"""A hub's queue: open cases by due time, paged by (sort value, case id), as far as the caller may read."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, cast

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.adapters.board_views import QueueFilter, Scope, Sort, WaitsAt
from services.adapters.problems import Problem, invalid
from services.board.bodies import instant, json_answer, uuid_or_none
from services.board.cases import case_body
from services.board.parts import Board, Parts
from services.board.sessions import Signed
from services.domain import ids
from services.domain.case import ENDED, STATES, State
from services.domain.city import City
from services.domain.life import SINGLE
from services.domain.messages import Actor

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200
SORTS: Final = ("due", "received_at", "newest", "priority")
DESKS: Final[dict[str, tuple[State, ...]]] = {"triage": SINGLE, "callback": ("closed",)}
"""What waits for people, and the states in which it does."""
CLOSED_WITHIN: Final = timedelta(days=90)
"""Closed cases are without end: older ones are shown to whoever asks with `closed_since`."""
_PARAMETERS: Final = frozenset(
    {"state", "category", "due_before", "closed_since", "desk", "q", "sort", "cursor", "limit"}
)
_NUMBER: Final = re.compile(r"(\d\d)(\d\d)(\d\d)-[0-9A-Z]{6}(?:\.\d{1,2}){0,4}", re.ASCII)
_LONGEST_QUESTION: Final = 64
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
    """Query: state=, category= (repeatable), due_before=, sort= (one of SORTS), cursor=, limit=.

    With state=closed also closed_since=, 90 days ago if not given: `total` and pages hold none closed before.
    desk=triage is what waits for people: to be filed, for information, as an appeal, as a likely duplicate;
    desk=callback what was closed and nobody asked about. q= is a tracking code, case number or case id: the
    cases it names alone, whether open or ended.
    """
    city, actor = board.city.now, signed.actor
    scope = scope_of(code, actor, city)
    as_of = board.clock.now()
    wanted = _read_filter(request, city, as_of)
    if (said := request.query_params.get("q")) is not None:
        wanted = replace(wanted, case_ids=await _called(said.strip(), city, board))
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
    desk = query.get("desk")
    if desk is not None and desk not in DESKS:
        faults.append(("desk", f"is not one of {', '.join(DESKS)}"))
    elif desk is not None:
        states = states or list(DESKS[desk])
    if len(query.get("q", "")) > _LONGEST_QUESTION:
        faults.append(("q", f"may have {_LONGEST_QUESTION} characters at most"))
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
        waits_at=cast("WaitsAt | None", desk),
        sort=cast("Sort", sort),
        after=after,
        limit=int(limit),
    )


async def _called(said: str, city: City, board: Parts) -> list[str]:
    """The ids of the cases that somebody calls so: by tracking code, number or id."""
    case_id = uuid_or_none(said)
    if case_id is not None:
        return [case_id]
    tracking = ids.read_tracking_code(board.secret, said)
    return await board.views.cases_called(
        said.upper(), tracking=tracking, day=_day_of(said.upper(), city) if tracking is None else None
    )


def _day_of(number: str, city: City) -> tuple[str, str] | None:
    """The first ids of the day that a case number names and of the day after it."""
    found = _NUMBER.fullmatch(number)
    if found is None:
        return None
    year, month, day = map(int, found.groups())
    try:
        begins = datetime(2000 + year, month, day, tzinfo=city.zone)
    except ValueError:
        return None
    ends = (begins + timedelta(days=1)).replace(tzinfo=city.zone)
    return ids.first_of(begins), ids.first_of(ends)


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
