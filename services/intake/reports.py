"""POST /v1/reports: 202 only after the broker has the report on all in-sync replicas.

Rules: the door keeps nothing; the same Idempotency-Key gives the same ids and answer, the router drops the
repeat; contact, words and the exact point leave sealed; the database is not asked.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from services.adapters import codec, metrics
from services.adapters.kafka_producer import NotConfirmed, TooManyUnconfirmed
from services.adapters.problems import Problem, invalid, unavailable
from services.domain import ids
from services.domain.city import City
from services.domain.messages import SubmitReport
from services.intake.door import NAME, Door
from services.intake.report_body import BadShape, ReportBody, decode, faults

UUID: Final = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_JSON: Final = re.compile(r"application/(?:[\w.-]+\+)?json\b")

_codes: Final = {code: metrics.posts_total.labels(str(code)) for code in (202, 422, 503)}
_encode = msgspec.json.Encoder().encode


class Accepted(msgspec.Struct, frozen=True, omit_defaults=True):
    report_id: str
    tracking_code: str
    status_url: str
    hotlines: list[str] | None = None


async def post_report(request: Request) -> Response:
    """Submit a report. Repeat with the same key until 202 or 4xx: it is stored once, whole, or not at all."""
    door: Door = request.app.state.door
    try:
        body = await request.body()
        with metrics.post_seconds.time():
            accepted = await _accept(door, request.headers, body)
    except Problem as problem:
        metrics.posts_total.labels(str(problem.status)).inc()
        raise
    _codes[202].inc()
    return Response(_encode(accepted), status_code=202, media_type="application/json")


async def _accept(door: Door, headers: Mapping[str, str], body: bytes) -> Accepted:
    """Read → check → make the ids → seal → hand to the broker."""
    city = door.known_city()
    key = idempotency_key(headers)
    report = _read(body, headers, city, door)
    report_id = ids.report_id(door.secret, NAME, key)
    content = report.content()
    command = SubmitReport(
        report_id=report_id,
        received_at=door.clock.now(),
        channel=report.channel,
        category=report.category,
        hub_code=report.hub_code,
        captured_at=report.captured_at,
        visibility=report.visibility,
        photos=tuple(report.photos or ()),
        on_behalf=report.on_behalf,
        sealed=door.seal_keys.seal(content, command_id=report_id, topic=codec.REPORTS) if content else None,
    )
    await confirmed(door, codec.REPORTS, codec.report_record(command))
    tracking_code = ids.tracking_code(door.secret, report_id)
    return Accepted(
        report_id=report_id,
        tracking_code=tracking_code,
        status_url=f"/v1/reports/{tracking_code}",
        hotlines=list(city.categories[report.category].hotlines) or None if report.category else None,
    )


def idempotency_key(headers: Mapping[str, str]) -> str:
    """The caller's, in lower case; without one, one that nobody can repeat."""
    key = headers.get("idempotency-key")
    if key is None:
        return str(uuid.uuid4())
    if not UUID.fullmatch(key):
        raise invalid([("Idempotency-Key", "must be a UUID, e.g. one from uuidgen")])
    return key.lower()


def _read(body: bytes, headers: Mapping[str, str], city: City, door: Door) -> ReportBody:
    if not _JSON.match(headers.get("content-type", "application/json")):
        raise invalid([("Content-Type", "send the report as application/json")])
    try:
        report = decode(body)
    except BadShape as error:
        raise invalid([error.fault]) from error
    found = faults(report, city, door.photos.exists)
    if found:
        raise invalid(found)
    return report


async def confirmed(door: Door, topic: str, record: codec.Record) -> None:
    """The broker has it, or 503: not confirmed, it may still arrive, the same call may be repeated."""
    try:
        await door.producer.send(topic, record)
    except TooManyUnconfirmed as error:
        raise unavailable(
            "Too many reports wait for the broker. Nothing was stored; repeat with the same Idempotency-Key.",
            retry_after=1,
            code="too_many_unconfirmed",
        ) from error
    except NotConfirmed as error:
        raise unavailable(
            "Not confirmed: it may still arrive. Repeat with the same Idempotency-Key until 202 or 4xx.",
            retry_after=2,
            code="not_confirmed",
        ) from error
