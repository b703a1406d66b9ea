"""A case as its readers see it: its state, dues and legal commands, its history in order, its reports."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from fastapi import APIRouter
from fastapi.responses import Response

from services.adapters.problems import Problem
from services.board.bodies import json_answer, uuid_or_404
from services.board.parts import Board, Parts
from services.board.sessions import Signed
from services.domain import ids
from services.domain.access import directs, hidden_parts, may_read
from services.domain.case import NEVER, Case, Deadline
from services.domain.city import City
from services.domain.life import allowed_commands
from services.domain.messages import SYSTEM, Actor

_SHOWN: Final = (
    "case_id", "number", "place_code", "hub_code", "level", "supervised_level", "category", "priority",
    "lane", "state", "owner", "owner_hub_code", "seq", "cycle", "report_count", "rework_count", "received_at",
    "dispatched_at", "accepted_at", "resolved_at", "closed_at", "outcome", "unverified", "unrouted",
    "confidential", "location_quality", "grid_code",
)  # fmt: skip
_ASIDE: Final = (
    "triage", "appealed", "reason", "parent_case_id", "recurrence_of", "attached_to", "suggested", "variant",
    "request", "returns", "forced", "parts", "ordered", "invited", "extended", "suspension", "urged_at",
    "answer", "satisfaction", "backlogged", "problem_ticket", "group_issue", "surge", "aid_hub_code",
)  # fmt: skip

_OF_PARTS: Final = ("CaseDecomposed", "ChildChanged", "ChildResolved")

routes = APIRouter(tags=["cases"])


def case_body(case: Case, actor: Actor, city: City) -> dict[str, Any]:
    body: dict[str, Any] = {name: getattr(case, name) for name in _SHOWN}
    body |= {name: getattr(case.side, name) for name in _ASIDE}
    hidden = hidden_parts(case, actor, city)
    body["parts"] = [part for part in case.side.parts if part.case_id not in hidden]
    body["attached"] = [one for one in case.side.attached if one.report_id in case.reports]
    body["due_at"] = None if case.due_at == NEVER else case.due_at
    body["dues"] = [
        {
            "clock": due.clock,
            "stage": due.stage,
            "due_at": due.due_at,
            "official": due.official,
            "met_at": due.met_at,
            "closed_at": due.closed_at,
            "original_due_at": due.original_due_at,
            "extended_by": due.extended_by,
            "stands_still": due.open and due.step is not None and due.next_at is None,
        }
        for due in present_dues(case)
    ]
    body["allowed"] = allowed_commands(case, actor, city)
    return body


def present_dues(case: Case) -> list[Deadline]:
    """Of each clock and stage the one that was set last: an older one belongs to the history."""
    last: dict[tuple[str, str], Deadline] = {}
    for due in case.deadlines:
        known = last.get((due.clock, due.stage))
        if known is None or due.set_seq > known.set_seq:
            last[due.clock, due.stage] = due
    return sorted(last.values(), key=lambda due: (due.due_at, due.clock, due.stage))


def tells_of(row: Any, hidden: frozenset[str]) -> bool:
    """Whether an event speaks of a part that the reader is not to know of."""
    return bool(hidden) and row["type"] in _OF_PARTS and any(one in row["payload"] for one in hidden)


def event_body(row: Any) -> dict[str, Any]:
    """`text` only where words were written, `actor` only for members of staff: for whom they spoke."""
    body: dict[str, Any] = {
        "case_id": row["case_id"],
        "seq": row["seq"],
        "type": row["type"],
        "occurred_at": row["occurred_at"],
        "actor_ref": row["actor_ref"],
        "command_id": row["command_id"],
        "payload": msgspec.Raw(row["payload"].encode()),
    }
    if row["text"] is not None:
        body["text"] = row["text"]
    if row["role"] is not None:
        body["actor"] = {"role": row["role"], "hub_code": row["hub_code"], "unit": row["unit"]}
    return body


def report_body(row: Any) -> dict[str, Any]:
    contact = {"name": masked_name(row["name"]), "phone": masked_phone(row["phone"])}
    location = None
    if row["lon"] is not None:
        location = {"lon": row["lon"], "lat": row["lat"], "datum": "WGS84", "accuracy_m": row["accuracy_m"]}
    return {
        "report_id": row["report_id"],
        "channel": row["channel"],
        "category": row["category"],
        "hub_code": row["hub_code"],
        "visibility": row["visibility"],
        "received_at": row["received_at"],
        "captured_at": row["captured_at"],
        "on_behalf": row["on_behalf"],
        "contact": contact if any(contact.values()) else None,
        "text": row["text"],
        "location": location,
        "photos": row["photos"],
    }


def masked_name(name: str | None) -> str | None:
    """The first character: enough to ask "Ms. W…?" at the door, too little to look somebody up."""
    return f"{name[0]}**" if name else None


def masked_phone(phone: str | None) -> str | None:
    """The first three and the last two digits of a number that is long enough to hide the rest."""
    if not phone:
        return None
    return f"{phone[:3]}****{phone[-2:]}" if len(phone) >= 9 else "****"


@routes.get("/v1/cases/{case_id}")
async def read_case(case_id: str, board: Board, signed: Signed) -> Response:
    """`{case, events, reports}`, all of one moment; `partner_links` for who may whistle for partners."""
    city, actor = board.city.now, signed.actor
    file = await board.views.case_file(uuid_or_404(case_id, "case"))
    if file is None:
        raise no_case()
    if not may_read(file.case, actor, city):
        raise not_yours()
    hidden = hidden_parts(file.case, actor, city)
    body = {
        "case": case_body(file.case, actor, city),
        "events": [event_body(row) for row in file.events if not tells_of(row, hidden)],
        "reports": [report_body(row) for row in file.reports],
        "as_of": board.clock.now(),
    }
    if file.case.side.invited and directs(file.case, actor, city):
        body["partner_links"] = partner_links(file.case, board.secret)
    return json_answer(body)


async def readable_events(
    ranges: tuple[tuple[str, int, int], ...], actor: Actor, board: Parts
) -> list[dict[str, Any]]:
    """Events of what the caller may read, and those that the caller made."""
    rows = await board.views.events_in(ranges)
    cases = await board.views.cases(sorted({row["case_id"] for row in rows}))
    city = board.city.now
    return [
        event_body(row)
        for row in rows
        if row["actor_ref"] == actor.ref != SYSTEM or may_read(cases[row["case_id"]], actor, city)
    ]


def partner_links(case: Case, secret: bytes) -> list[dict[str, str]]:
    """For each invited partner of an open case the path of its page, to be handed over by a person."""
    return [
        {
            "unit": one.unit,
            "hub_code": one.hub_code,
            "path": f"/p/{ids.partner_token(secret, case.case_id, one.unit, one.hub_code)}",
        }
        for one in case.side.invited
        if one.partner and case.open
    ]


def no_case() -> Problem:
    return Problem(404, detail="There is no case with this id.")


def not_yours() -> Problem:
    return Problem(403, detail="This case is not open to your hub or unit.")
