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
from services.adapters.public_status import BookAway, PublicReport
from services.domain import events, ids
from services.domain.case import ENDED, Case
from services.domain.city import City
from services.intake.door import Door, door_of
from services.intake.story import history, hub_name, is_withdrawn, known_to
from services.intake.voices import allowed_words
from services.intake.words import WORDS, Words, language, named

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


class PartStatus(msgspec.Struct, frozen=True):
    """A piece of a case too large for one hand. Of a confidential one only that it is there, and its end."""

    number: str
    name: str | None
    hub_name: str | None
    status: str
    status_text: str


class Status(msgspec.Struct, frozen=True, omit_defaults=True):
    """`allowed`: what the reporter may say now. What follows it is there only where it says something."""

    tracking_code: str
    status: str
    status_text: str
    hub_name: str | None
    due_at: str | None
    history: list[Entry]
    photos_before: list[str]
    photos_after: list[str]
    allowed: list[str]
    original_due_at: str | None = None
    """What was promised before an extension."""
    merged: bool = False
    """It is handled with the same problem that somebody else had reported."""
    question: str | None = None
    reason: str | None = None
    """Why it was declined or stands still: the city's code, and in words."""
    reason_text: str | None = None
    channel: str | None = None
    """Where a declined reporter may go instead."""
    call: str | None = None
    """The number it was passed on to, its name, and the receipt they gave."""
    call_name: str | None = None
    receipt: str | None = None
    parts: list[PartStatus] = []
    notice: str | None = None
    """A storm or the like: other limits hold."""
    answer: str | None = None
    """What this reporter said of how it ended: yes, partly or no; and how content, from 1 to 5."""
    satisfaction: int | None = None


async def get_status(request: Request) -> Response:
    """How far a report is, and what its reporter may say now, for whoever holds its tracking code."""
    chosen = language(request.headers.get("accept-language"))
    return Response(
        _encode(await read_status(door_of(request), request, chosen)),
        media_type="application/json",
        headers={"Cache-Control": "no-store", "Content-Language": chosen, "Vary": "Accept-Language"},
    )


async def read_status(door: Door, request: Request, chosen: str) -> Status:
    """Raises Problem: 404 for a code that is not ours, 503 while the book is away."""
    code, tracking = read_code(door, request)
    report = await find(door, tracking)
    if report is None:
        return _received(code, WORDS[chosen])
    return _in_book(code, report, door.known_city(), chosen, door.clock.now())


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
        allowed=[],
    )


def _in_book(code: str, report: PublicReport, city: City, chosen: str, now: datetime) -> Status:
    case, words, zone = report.case, WORDS[chosen], ZoneInfo(city.timezone)
    status, hub = _reads(report), hub_name(city, case.hub_code)
    why = _Why.of(report, city, chosen)
    answer, satisfaction = _own_answer(report)
    return Status(
        tracking_code=code,
        status=status,
        status_text=_status_text(report, status, words).format(hub=hub),
        hub_name=hub,
        due_at=_local(report.due_at, zone),
        history=[Entry(_local(at, zone) or "", text) for at, text in history(report, city, words)],
        photos_before=[photo_url(code, photo) for photo in report.photos_before],
        photos_after=[photo_url(code, photo) for photo in report.photos_after],
        allowed=allowed_words(case, report.report_id, city, now),
        original_due_at=_local(report.original_due_at, zone),
        merged=_merged(report),
        question=report.question,
        reason=why.reason,
        reason_text=why.text,
        channel=why.channel,
        call=why.call,
        call_name=why.call_name,
        receipt=why.receipt,
        parts=list(_parts(report, city, chosen)),
        notice=_notice(case, city, chosen),
        answer=answer,
        satisfaction=satisfaction,
    )


def _merged(report: PublicReport) -> bool:
    return report.case.report_id not in (None, report.report_id)


def _reads(report: PublicReport) -> str:
    """Of a merged report it is that of the case it stands with, once that is more than filed."""
    if is_withdrawn(report):
        return "withdrawn"
    status = READS.get(report.case.state, report.case.state)
    return "attached" if status == "filed" and _merged(report) else status


def _status_text(report: PublicReport, status: str, words: Words) -> str:
    """The most telling words that there are."""
    case = report.case
    variant: str | None = None
    if case.unverified:
        variant = "unverified"
    elif status in ("resolved", "closed"):
        variant = case.outcome
    elif status == "suspended":
        variant = case.side.suspension
    elif status == "filed":
        variant = case.side.triage
    states = (case.state, status) if status not in ("attached", "withdrawn") else (status,)
    keys = [key for one in states for key in (f"status.{one}.{variant}", f"status.{one}")]
    return next((words[key] for key in keys if key in words), words["status.other"])


class _Why(msgspec.Struct, frozen=True):
    """Why it does not go on, and who can help instead."""

    reason: str | None = None
    text: str | None = None
    channel: str | None = None
    call: str | None = None
    call_name: str | None = None
    receipt: str | None = None

    @classmethod
    def of(cls, report: PublicReport, city: City, chosen: str) -> _Why:
        case, words = report.case, WORDS[chosen]
        if case.state == "declined":
            known = city.policy.declines.get(case.side.reason or "")
            told = [e.body for e in known_to(report) if isinstance(e.body, events.ReportDeclined)]
            channel = told[-1].channel if told else known.channel if known else None
            return cls(case.side.reason, named(chosen, known) if known else None, channel)
        if case.state == "redirected":
            passed = [e.body for e in known_to(report) if isinstance(e.body, events.ReportRedirected)]
            number = passed[-1].to if passed else case.side.reason
            line = city.hotlines.get(number or "")
            return cls(
                call=number,
                call_name=named(chosen, line) if line else None,
                receipt=passed[-1].receipt if passed else None,
            )
        if case.state == "suspended":
            reason = case.side.suspension
            return cls(reason, words.get(f"suspension.{reason}", words["suspension.other"]))
        return cls()


def _parts(report: PublicReport, city: City, chosen: str) -> Iterator[PartStatus]:
    words = WORDS[chosen]
    for part in report.case.side.parts:
        category = city.categories.get(report.part_categories.get(part.case_id, ""))
        status, hub = READS.get(part.state, part.state), hub_name(city, part.hub_code)
        secret = part.confidential and part.state not in ENDED
        yield PartStatus(
            number=part.number,
            name=named(chosen, category) if category and not part.confidential else None,
            hub_name=None if part.confidential else hub,
            status="in_progress" if secret else status,
            status_text=words[
                "status.other" if secret or f"part.{status}" not in words else f"part.{status}"
            ].format(hub=hub),
        )


def _notice(case: Case, city: City, chosen: str) -> str | None:
    """While it is not done yet, and the city still knows what it was."""
    surge = city.policy.surges.get(case.side.surge or "")
    if surge is None or not case.open or case.state == "verifying":
        return None
    return surge.notice_zh if chosen == "zh" else surge.notice_en


def _own_answer(report: PublicReport) -> tuple[str | None, int | None]:
    """What this reporter said last of how it ended, unless the case was reopened since."""
    answer: tuple[str | None, int | None] = None, None
    for event in known_to(report):
        match event.body:
            case events.CallbackRecorded(resolved=resolved, satisfaction=satisfaction):
                answer = resolved, satisfaction
            case events.VerificationPassed() if event.actor_ref == report.actor_ref:
                answer = "yes", None
            case events.CaseReopened():
                answer = None, None
    return answer


def _local(at: datetime | None, zone: ZoneInfo) -> str | None:
    return at.astimezone(zone).isoformat(timespec="seconds") if at else None
