"""Commands of staff: checked, sent up the line, and answered with what the router decided.

Rules: what is legal is decided by the router on the locked case, here only the form is checked; the wait is
registered before the command is sent; without an outcome within 3 s the caller learns where to ask.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.adapters import metrics
from services.adapters.codec import CASE_COMMANDS, command_record
from services.adapters.kafka_producer import NotConfirmed
from services.adapters.photos import PhotoStore
from services.adapters.problems import Problem, invalid, unavailable
from services.board.bodies import Fields, json_answer, json_object, uuid_or_404, uuid_or_none
from services.board.cases import case_body, no_case, readable_events
from services.board.command_fields import TYPES, read_payload
from services.board.parts import Board, Parts
from services.board.sessions import Signed
from services.domain import ids
from services.domain.access import may_read
from services.domain.city import City
from services.domain.messages import (
    NEEDS_NO_EXPECTED_SEQ,
    WIRE_TYPES,
    WORDS,
    Actor,
    CaseCommand,
    Content,
    Outcome,
)

WAIT_SECONDS: Final = 3.0

_REFUSED_AS: Final = {
    "stale": 409,
    "not_allowed": 409,
    "forbidden": 403,
    "verifier_is_handler": 403,
    "invalid": 422,
    "not_found": 404,
}

routes = APIRouter(tags=["commands"])


@dataclass(frozen=True, slots=True)
class Wanted:
    type: str
    payload: Any
    expected_seq: int | None
    words: str | None


def read_command(body: dict[str, Any], city: City, photos: PhotoStore) -> Wanted:
    """The command in `body`; every fault is named with its field."""
    fields = Fields(body)
    kind = fields.one_of("type", TYPES)
    if kind is None:
        # What the other fields should be depends on the type.
        raise invalid([("type", f"is not one of {', '.join(TYPES)}")])
    expected_seq = fields.number("expected_seq", needed=kind not in NEEDS_NO_EXPECTED_SEQ)
    words = None
    if kind in WORDS:
        field, needed = WORDS[kind]
        words = fields.text(field, needed=needed)
    values = read_payload(kind, fields, city, photos)
    fields.done()
    return Wanted(kind, WIRE_TYPES[kind](**values), expected_seq, words)


@routes.post("/v1/cases/{case_id}/commands")
async def send_command(case_id: str, request: Request, board: Board, signed: Signed) -> Response:
    """Body `{type, expected_seq, …}`, header `Idempotency-Key`: a UUID, so that it may be sent again."""
    known_id = uuid_or_404(case_id, "case")
    wanted = read_command(await json_object(request), board.city.now, board.photos)
    try:
        answer, result = await carry_out(known_id, wanted, key_of(request), board, signed.actor)
    except Problem as problem:
        metrics.commands_total.labels(wanted.type, problem.code).inc()
        raise
    metrics.commands_total.labels(wanted.type, result).inc()
    return answer


def key_of(request: Request) -> str | None:
    given = request.headers.get("idempotency-key")
    if given is None:
        return None
    key = uuid_or_none(given)
    if key is None:
        raise invalid([("Idempotency-Key", "must be a UUID")])
    return key


async def carry_out(
    case_id: str, wanted: Wanted, key: str | None, board: Parts, actor: Actor
) -> tuple[Response, str]:
    now = board.clock.now()
    command_id = (
        ids.uuid7(now, os.urandom(10))
        if key is None
        else ids.command_id(board.secret, actor.ref, case_id, f"{wanted.type} {key}")
    )
    if await board.views.case(case_id) is None:
        raise no_case()
    outcome = await board.views.outcome(command_id) if key is not None else None
    if outcome is None:
        sealed = None
        if wanted.words is not None:
            content = Content(text=wanted.words)
            sealed = board.seals.seal(content, command_id=command_id, topic=CASE_COMMANDS)
        command = CaseCommand(
            command_id=command_id,
            case_id=case_id,
            type=wanted.type,
            actor=actor,
            received_at=now,
            payload=wanted.payload,
            expected_seq=wanted.expected_seq,
            sealed=sealed,
        )
        outcome = await _send_and_wait(command, board)
    if outcome is None:
        url = f"/v1/commands/{command_id}"
        return json_answer(
            {"command_id": command_id, "outcome_url": url}, status=202, headers={"Location": url}
        ), "pending"
    if outcome.outcome == "applied":
        return json_answer(await _outcome_body(outcome, board, actor)), "applied"
    raise await _refusal(outcome, case_id, board, actor)


async def _send_and_wait(command: CaseCommand, board: Parts) -> Outcome | None:
    with board.waits.expect(command.command_id) as arrived:
        try:
            await board.producer.send(CASE_COMMANDS, command_record(command, "board"))
        except NotConfirmed:
            raise unavailable(
                "Not confirmed, it may still arrive: send the command again with the same Idempotency-Key.",
                retry_after=2,
                code="not_confirmed",
            ) from None
        try:
            return await asyncio.wait_for(arrived, WAIT_SECONDS)
        except TimeoutError:
            # The reader may be behind while the book already knows.
            return await board.views.outcome(command.command_id)


async def _refusal(outcome: Outcome, case_id: str, board: Parts, actor: Actor) -> Problem:
    code, detail = outcome.code or "not_allowed", outcome.detail or ""
    status = _REFUSED_AS.get(code, 409)
    extra: dict[str, Any] = {"command_id": outcome.command_id}
    if status == 409:
        case = await board.views.case(case_id)
        city = board.city.now
        readable = case is not None and may_read(case, actor, city)
        extra["case"] = case_body(case, actor, city) if case is not None and readable else None
    errors = [(outcome.field, detail)] if outcome.field else []
    return Problem(status, code, detail=detail, errors=errors, extra=extra)


async def _outcome_body(outcome: Outcome, board: Parts, actor: Actor) -> dict[str, Any]:
    body: dict[str, Any] = {"command_id": outcome.command_id, "outcome": outcome.outcome}
    if outcome.code is not None:
        body |= {"code": outcome.code, "detail": outcome.detail or ""}
    body["events"] = await readable_events(outcome.events, actor, board)
    return body


@routes.get("/v1/commands/{command_id}")
async def read_outcome(command_id: str, board: Board, signed: Signed) -> Response:
    """`pending` for a command that the book does not know (yet)."""
    known_id = uuid_or_404(command_id, "command")
    outcome = await board.views.outcome(known_id)
    if outcome is None:
        return json_answer({"command_id": known_id, "outcome": "pending", "events": []})
    return json_answer(await _outcome_body(outcome, board, signed.actor))
