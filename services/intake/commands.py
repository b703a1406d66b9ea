"""What reporters say after the report: checked, sent up the line, answered with what the router decided.

Rules: what is legal is decided by the router on the locked case; here the form is checked and the word turned
into its command. The outcome is looked for in the book, for 3 s; later the caller may ask again.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from services.adapters import codec, metrics
from services.adapters.problems import Problem, invalid, unavailable
from services.adapters.public_status import BookAway, PublicReport
from services.domain import ids
from services.domain.messages import CaseCommand, Content, Outcome
from services.intake.door import Door, door_of
from services.intake.refusals import why_not
from services.intake.report_body import MOST_CHARACTERS, MOST_PHOTOS, BadShape, Fault, fault_of
from services.intake.reports import UUID, confirmed, idempotency_key
from services.intake.status import find, read_code
from services.intake.story import is_withdrawn
from services.intake.voices import (
    RateBody,
    SupplyInfoBody,
    Voice,
    allowed_words,
    reporter,
    steps,
    words_of,
)
from services.intake.words import WORDS, language

WAIT_SECONDS: Final = 3.0
_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 0.25
_JSON: Final = re.compile(r"application/(?:[\w.-]+\+)?json\b")
_REFUSED_AS: Final = {"forbidden": 403, "invalid": 422, "not_found": 404}

_decode = msgspec.json.Decoder(Voice).decode
_encode = msgspec.json.Encoder().encode


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """`events` are those that the reporter made."""

    command_id: str
    outcome: str
    events: list[dict[str, Any]]
    code: str | None = None
    detail: str | None = None


class Pending(msgspec.Struct, frozen=True):
    command_id: str
    outcome_url: str


@dataclass(frozen=True, slots=True)
class Said:
    """A command that is on its way; without an outcome it is not decided yet."""

    command_id: str
    word: str
    report: PublicReport
    outcome: Outcome | None


async def post_command(request: Request) -> Response:
    """Say something on a report of one's own. Repeat with the same key: it is done once."""
    door = door_of(request)
    code, tracking = read_code(door, request)
    said = _read(await request.body(), request.headers.get("content-type", "application/json"))
    chosen = language(request.headers.get("accept-language"))
    done = await say(door, tracking, said, idempotency_key(request.headers), chosen)
    if done.outcome is None:
        url = f"/v1/reports/{code}/commands/{done.command_id}"
        return _answer(Pending(done.command_id, url), status=202, headers={"Location": url})
    if done.outcome.outcome == "refused":
        raise await refusal(door, tracking, done, chosen)
    return _answer(await _told(door, done.report, done.outcome, chosen))


async def get_command(request: Request) -> Response:
    """What became of a command: `pending` while the book does not know it, or it is not this report's."""
    door = door_of(request)
    _, tracking = read_code(door, request)
    command_id: str = request.path_params["command_id"].lower()
    if not UUID.fullmatch(command_id):
        raise Problem(404, detail="There is no command with this id.")
    report = await find(door, tracking)
    outcome = await _outcome(door, command_id) if report is not None else None
    if report is None or outcome is None or outcome.case_id not in (report.case.case_id, report.own_case_id):
        return _answer(Told(command_id, "pending", []))
    return _answer(await _told(door, report, outcome, language(request.headers.get("accept-language"))))


async def say(door: Door, tracking: int, said: Voice, key: str, chosen: str) -> Said:
    """Check → find the case → seal → hand to the broker → look for the outcome. Raises Problem."""
    word = str(said.__struct_config__.tag)
    try:
        done = await _say(door, tracking, said, key, chosen)
    except Problem as problem:
        metrics.voices_total.labels(word, problem.code).inc()
        raise
    result = "pending" if done.outcome is None else done.outcome.code or done.outcome.outcome
    metrics.voices_total.labels(word, result).inc()
    return done


async def _say(door: Door, tracking: int, said: Voice, key: str, chosen: str) -> Said:
    found = list(_faults(said, door))
    if found:
        raise invalid(found)
    wait_s = door.throttle.try_now(tracking, time.monotonic())
    if wait_s > 0:
        after = {"Retry-After": str(math.ceil(wait_s))}
        raise Problem(429, detail=WORDS[chosen]["refused.often"], headers=after)
    report = await find(door, tracking)
    if report is None:
        raise unavailable("The report is on its way into the book; send it again.", retry_after=2)
    word = said.__struct_config__.tag
    command_id = ids.command_id(door.secret, report.actor_ref, report.report_id, f"{word} {key}")
    outcome = await _outcome(door, command_id)
    if outcome is None:
        if isinstance(said, RateBody) and said.answer != "yes" and report.case.state == "verifying":
            detail = WORDS[chosen]["refused.rate.verifying"]
            raise Problem(409, "not_allowed", detail=detail, extra=_extra(door, report))
        for command in _commands(door, report, said, command_id):
            await confirmed(door, codec.CASE_COMMANDS, codec.command_record(command, "intake"))
        outcome = await _wait(door, command_id)
    return Said(command_id, str(said.__struct_config__.tag), report, outcome)


def _commands(door: Door, report: PublicReport, said: Voice, command_id: str) -> Iterable[CaseCommand]:
    for index, (kind, payload, words) in enumerate(steps(said, report.case)):
        own_id = command_id
        if index:
            own_id = ids.command_id(door.secret, report.actor_ref, command_id, kind)
        content = Content(text=words)
        yield CaseCommand(
            command_id=own_id,
            case_id=report.case.case_id,
            type=kind,
            actor=reporter(report.report_id),
            received_at=door.clock.now(),
            payload=payload,
            sealed=door.seal_keys.seal(content, command_id=own_id, topic=codec.CASE_COMMANDS)
            if words
            else None,
        )


async def _wait(door: Door, command_id: str) -> Outcome | None:
    """The book is asked again after growing pauses; that it is away now changes nothing of what was sent."""
    until, pause = time.monotonic() + WAIT_SECONDS, _FIRST_PAUSE
    while time.monotonic() + pause < until:
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
        try:
            outcome = await door.public_status.outcome(command_id)
        except BookAway:
            continue
        if outcome is not None:
            return outcome
    return None


async def _outcome(door: Door, command_id: str) -> Outcome | None:
    try:
        return await door.public_status.outcome(command_id)
    except BookAway as error:
        raise unavailable("The book does not answer now; send it again.", retry_after=5) from error


async def _told(door: Door, report: PublicReport, outcome: Outcome, chosen: str) -> Told:
    """Which word a refused one was is not in the book, so only that it is not possible."""
    try:
        events = await door.public_status.own_events(outcome, report.actor_ref)
    except BookAway as error:
        raise unavailable("The book does not answer now; ask again.", retry_after=5) from error
    detail = WORDS[chosen]["refused.other"] if outcome.outcome == "refused" else outcome.detail
    return Told(outcome.command_id, outcome.outcome, events, outcome.code, detail)


async def refusal(door: Door, tracking: int, done: Said, chosen: str) -> Problem:
    """The router's no in the reporter's own words; on 409 with the case as it stands now."""
    assert done.outcome is not None
    code, detail = done.outcome.code or "not_allowed", done.outcome.detail or ""
    report = await find(door, tracking) or done.report
    if code == "forbidden" and is_withdrawn(report):
        code = "not_allowed"
    status = _REFUSED_AS.get(code, 409)
    extra: dict[str, Any] = {"command_id": done.command_id}
    if status == 409:
        extra |= _extra(door, report)
    errors = [(done.outcome.field, detail)] if done.outcome.field else []
    if not errors:
        detail = why_not(done.word, code, report, door.known_city(), door.clock.now(), chosen)
    return Problem(status, code, detail=detail, errors=errors, extra=extra)


def _extra(door: Door, report: PublicReport) -> dict[str, Any]:
    """As much of the case as its reporter may know."""
    case = report.case
    allowed = allowed_words(case, report.report_id, door.known_city(), door.clock.now())
    return {"case": {"case_id": case.case_id, "seq": case.seq, "state": case.state, "allowed": allowed}}


def _read(body: bytes, content_type: str) -> Voice:
    if not _JSON.match(content_type):
        raise invalid([("Content-Type", "send the command as application/json")])
    try:
        said: Voice = _decode(body)
    except msgspec.MsgspecError as error:
        raise invalid([fault_of(str(error))]) from error
    except UnicodeDecodeError as error:
        raise invalid([("body", "is not UTF-8")]) from error
    return said


def read_form(said: dict[str, Any]) -> Voice:
    """The same of a page's form; raises BadShape."""
    try:
        voice: Voice = msgspec.convert(said, Voice)
    except msgspec.MsgspecError as error:
        raise BadShape(*fault_of(str(error))) from error
    return voice


def _faults(said: Voice, door: Door) -> Iterable[Fault]:
    field, words = words_of(said)
    if words is not None:
        if len(words) > MOST_CHARACTERS:
            yield field, f"has {len(words)} characters; {MOST_CHARACTERS} are allowed"
        if "\0" in words:
            yield field, "holds the character U+0000"
        if not words.strip():
            yield field, "may not be empty"
    if isinstance(said, SupplyInfoBody):
        if len(said.photos) > MOST_PHOTOS:
            yield "photos", f"{MOST_PHOTOS} are allowed"
            return
        for index, photo_id in enumerate(said.photos):
            if not door.photos.exists(photo_id):
                yield f"photos[{index}]", "is not known; POST /v1/photos gives an id"


def _answer(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(
        _encode(body),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )
