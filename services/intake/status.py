"""GET /v1/reports/{tracking_code}: what a reporter may know of the own report; no names, no others' words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from services.adapters.problems import Problem, unavailable
from services.adapters.public_status import BookAway, PublicEvent, PublicReport
from services.domain import ids
from services.domain.city import City
from services.domain.events import PhotosAdded, ResolutionSubmitted
from services.intake.door import Door, door_of
from services.intake.words import WORDS, Words, language

# A case's state → what it reads to the public; a state that is not here reads as itself.
READS: Final = {
    "triaging": "filed",
    "dispatched": "filed",
    "accepted": "in_progress",
    "rework": "in_progress",
    "verifying": "resolved",
    "archived": "closed",
}
_encode = msgspec.json.Encoder().encode
_ALIKE: Final = str.maketrans("OIL", "011", "- ")


class Entry(msgspec.Struct, frozen=True):
    at: str
    text: str


class Status(msgspec.Struct, frozen=True):
    tracking_code: str
    status: str
    status_text: str
    hub_name: str | None
    due_at: str | None
    history: list[Entry]
    photos_before: list[str]
    photos_after: list[str]


async def get_status(request: Request) -> Response:
    """How far a report is, for whoever holds its tracking code."""
    chosen = language(request.headers.get("accept-language"))
    return Response(
        _encode(await read_status(door_of(request), request, WORDS[chosen])),
        media_type="application/json",
        headers={"Cache-Control": "no-store", "Content-Language": chosen, "Vary": "Accept-Language"},
    )


async def read_status(door: Door, request: Request, words: Words) -> Status:
    """Raises Problem: 404 for a code that is not ours, 503 while the book is away."""
    code, tracking = read_code(door, request)
    report = await find(door, tracking)
    return _in_book(code, report, door.known_city(), words) if report else _received(code, words)


def read_code(door: Door, request: Request) -> tuple[str, int]:
    """The code as we write it, and its number; 404 for one that no door of ours gave out."""
    given: str = request.path_params["tracking_code"]
    tracking = ids.read_tracking_code(door.secret, given)
    if tracking is None:
        raise Problem(404, detail="No report has this tracking code; look for a mistyped character.")
    return given.upper().translate(_ALIKE), tracking


async def find(door: Door, tracking: int) -> PublicReport | None:
    try:
        return await door.public_status.find(tracking)
    except BookAway as error:
        raise unavailable("The book does not answer now; ask again.", retry_after=5) from error


def photo_url(code: str, photo_id: str) -> str:
    return f"/v1/reports/{code}/photos/{photo_id}"


def _received(code: str, words: Words) -> Status:
    return Status(
        tracking_code=code,
        status="received",
        status_text=words["status.received"],
        hub_name=None,
        due_at=None,
        history=[],
        photos_before=[],
        photos_after=[],
    )


def _in_book(code: str, report: PublicReport, city: City, words: Words) -> Status:
    zone = ZoneInfo(city.timezone)
    status = READS.get(report.state, report.state)
    hub_name = _hub_name(city, report.hub_code)
    return Status(
        tracking_code=code,
        status=status,
        status_text=words[f"status.{status}"].format(hub=hub_name),
        hub_name=hub_name,
        due_at=_local(report.due_at, zone) if report.due_at else None,
        history=list(_history(report, city, words, zone)),
        photos_before=[photo_url(code, photo) for photo in report.photos_before],
        photos_after=[photo_url(code, photo) for photo in report.photos_after],
    )


def _history(report: PublicReport, city: City, words: Words, zone: ZoneInfo) -> Iterator[Entry]:
    yield Entry(_local(report.received_at, zone), words["event.received"])
    for event in report.events:
        # Others may share the case: their photos are not this reporter's news.
        if isinstance(event.body, PhotosAdded) and event.actor_ref != report.actor_ref:
            continue
        hub = _hub_name(city, getattr(event.body, "hub_code", report.hub_code))
        yield Entry(_local(event.at, zone), words[_text_of(event)].format(hub=hub))


def _text_of(event: PublicEvent) -> str:
    if isinstance(event.body, ResolutionSubmitted):
        return f"event.{event.type}.{event.body.outcome}"
    return f"event.{event.type}"


def _hub_name(city: City, code: str) -> str:
    hub = city.hubs.get(code)
    # A hub of an older version of the city that is gone.
    return hub.name if hub else code


def _local(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).isoformat(timespec="seconds")
