"""/r/CODE: how far a report is, for people; and the forms with which they say what is allowed now.

Rules: the forms work without a script; each carries a key, so a second tap is no second command; a form is
answered with the page itself. An unchanged page is a 304 to whoever asks again.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl, quote

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from services.adapters.problems import Problem
from services.intake.commands import read_form, refusal, say
from services.intake.door import door_of
from services.intake.pages import SQUEEZED, chosen_language, page
from services.intake.report_body import BadShape
from services.intake.reports import UUID
from services.intake.status import Status, read_code, read_status
from services.intake.voices import DOOR_WORDS, of_texts

STEPS: Final = ("received", "filed", "in_progress", "resolved", "closed")
# Where else a report stands on its way.
STEP_OF: Final = {"need_info": "filed", "attached": "filed", "suspended": "in_progress"}
SAID: Final = (*DOOR_WORDS, "pending")
_PRESSED: Final = ("received", "filed", "attached", "in_progress", "suspended")
_TROUBLE: Final = {403: "yours", 409: "moved", 422: "words", 429: "often"}
_FORM: Final = "application/x-www-form-urlencoded"
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Draft:
    """What was typed and not taken, so that it need not be typed again; under the same key."""

    said: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""

    def is_of(self, word: str) -> bool:
        return self.said.get("type") == word

    def key_of(self, word: str) -> str:
        return self.key if self.is_of(word) else str(uuid.uuid4())

    def of(self, word: str, name: str) -> str:
        return str(self.said.get(name, "")) if self.is_of(word) else ""


async def tracking_page(request: Request) -> Response:
    said = request.query_params.get("said")
    return await _shown(request, note=f"said.{said}" if said in SAID else None)


async def speak(request: Request) -> Response:
    """A form of the page; what it becomes is the same as `POST …/commands`."""
    door = door_of(request)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise Problem(415, detail=f"The page's forms come as {_FORM}.")
    try:
        pairs = parse_qsl((await request.body()).decode("utf-8"), max_num_fields=20)
    except ValueError as error:
        raise Problem(422, detail="The form cannot be read.") from error
    said, chosen = of_texts(pairs), chosen_language(request)
    key = str(said.pop("key", ""))
    draft = Draft(said, key if UUID.fullmatch(key) else str(uuid.uuid4()))
    try:
        code, tracking = read_code(door, request)
        done = await say(door, tracking, read_form(said), draft.key.lower(), chosen)
        if done.outcome is not None and done.outcome.outcome == "refused":
            # decided once and for all under this key: the next try is another
            draft = Draft(said, str(uuid.uuid4()))
            raise await refusal(door, tracking, done, chosen)
    except BadShape:
        return await _shown(request, note="trouble.words", draft=draft, status_code=422)
    except Problem as problem:
        note = f"trouble.{_TROUBLE.get(problem.status, 'away')}"
        why = problem.detail if problem.status == 409 else ""
        return await _shown(request, note=note, why=why, draft=draft, status_code=problem.status)
    word = said["type"] if done.outcome is not None else "pending"
    return RedirectResponse(f"/r/{quote(code)}?said={word}", 303)


async def _shown(
    request: Request, *, note: str | None, why: str = "", draft: Draft | None = None, status_code: int = 200
) -> Response:
    """`why` is what a note gives as its reason."""
    chosen, door = chosen_language(request), door_of(request)
    try:
        status = await read_status(door, request, chosen)
    except Problem as problem:
        trouble = "page.not_found" if problem.status == 404 else "page.away"
        return page(request, "trouble.html", status_code=problem.status, trouble=trouble)
    late = _late(status, door.clock.now())
    version = hashlib.blake2b(_encode((status, late, chosen)), digest_size=12).hexdigest()
    # A report is somebody's own: nothing of it stays on a telephone that is passed on.
    headers = {"Cache-Control": "no-store", "ETag": f'"{version}"'}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    name = STEP_OF.get(status.status, status.status)
    response = page(
        request,
        "tracking.html",
        status_code=status_code,
        status=status,
        version=version,
        steps=STEPS,
        step=STEPS.index(name) if name in STEPS else None,
        late=late,
        note=note,
        why=why,
        draft=draft or Draft(),
    )
    response.headers.update(headers)
    return response


def _late(status: Status, now: datetime) -> bool:
    """Nobody is pressed for what is handled, waits for its reporter, or has left the way of a report."""
    if status.due_at is None or status.status not in _PRESSED:
        return False
    return datetime.fromisoformat(status.due_at) < now


def tracking_routes() -> list[BaseRoute]:
    return [
        Route("/r/{tracking_code}", tracking_page, middleware=SQUEEZED),
        Route("/r/{tracking_code}", speak, methods=["POST"], middleware=SQUEEZED),
    ]
