"""What the API documents say of each call: /openapi.json and /docs are made from this table."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from services.adapters import problems
from services.intake.commands import Pending, Told
from services.intake.report_body import schemas
from services.intake.reports import Accepted
from services.intake.status import Status
from services.intake.voices import Voice

_JSON: Final = "application/json"
_REF: Final = "#/components/schemas/{name}"

_report, _report_parts = schemas()
(_accepted, _status, _voice, _told, _pending), _answer_parts = msgspec.json.schema_components(
    [Accepted, Status, Voice, Told, Pending], ref_template=_REF
)
COMPONENTS: Final[dict[str, Any]] = {**_report_parts, **_answer_parts}

_PHOTO_ID: Final = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}
_LIST: Final = {
    "type": "object",
    "required": ["items", "next_cursor", "total"],
    "properties": {
        "items": {"type": "array", "items": {"type": "object"}},
        "next_cursor": {"type": ["string", "null"]},
        "total": {"type": "integer"},
    },
}


def _parameter(name: str, where: str, description: str, *, required: bool) -> dict[str, Any]:
    return {
        "name": name,
        "in": where,
        "required": required,
        "description": description,
        "schema": {"type": "string"},
    }


_CODE: Final = _parameter(
    "tracking_code", "path", "16 characters; case, blanks and hyphens do not matter", required=True
)
_KEY: Final = _parameter(
    "Idempotency-Key", "header", "a UUID; the same key is the same report", required=False
)
_FORM: Final = {
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "required": ["photo"],
            "properties": {
                "photo": {"type": "string", "format": "binary", "description": "JPEG, PNG or WEBP"}
            },
        }
    }
}


def _answers(success: int, description: str, content: dict[str, Any], *errors: int) -> dict[str, Any]:
    problem = {"description": "A problem", "content": {problems.CONTENT_TYPE: {"schema": problems.SCHEMA}}}
    return {
        str(success): {"description": description, "content": content},
        **{str(e): problem for e in errors},
    }


def _as_json(schema: dict[str, Any]) -> dict[str, Any]:
    return {_JSON: {"schema": schema}}


POST_REPORT: Final[dict[str, Any]] = {
    "parameters": [_KEY],
    "requestBody": {"required": True, "content": _as_json(_report)},
    "responses": _answers(202, "The broker has it", _as_json(_accepted), 413, 422, 503),
}
POST_PHOTO: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": _FORM},
    "responses": _answers(201, "Stored", _as_json(_PHOTO_ID), 413, 422, 503),
}
POST_REPORT_PHOTO: Final[dict[str, Any]] = {
    **POST_PHOTO,
    "parameters": [_CODE],
    "responses": _answers(201, "Stored, and told to the case", _as_json(_PHOTO_ID), 404, 413, 422, 503),
}
GET_STATUS: Final[dict[str, Any]] = {
    "parameters": [_CODE],
    "responses": _answers(200, "The public status", _as_json(_status), 404, 503),
}
POST_COMMAND: Final[dict[str, Any]] = {
    "parameters": [
        _CODE,
        _parameter("Idempotency-Key", "header", "a UUID; the same key is the same command", required=False),
    ],
    "requestBody": {"required": True, "content": _as_json(_voice)},
    "responses": {
        **_answers(200, "Done", _as_json(_told), 403, 404, 409, 413, 422, 429, 503),
        "202": {"description": "Not decided yet: ask there", "content": _as_json(_pending)},
    },
}
GET_COMMAND: Final[dict[str, Any]] = {
    "parameters": [_CODE, _parameter("command_id", "path", "as the command was answered", required=True)],
    "responses": _answers(200, "pending, applied or refused", _as_json(_told), 404, 503),
}
GET_PHOTO: Final[dict[str, Any]] = {
    "parameters": [_CODE, _parameter("photo_id", "path", "an id of the status", required=True)],
    "responses": _answers(200, "The photo", {"image/jpeg": {}}, 404, 503),
}
GET_CATEGORIES: Final[dict[str, Any]] = {"responses": _answers(200, "All categories", _as_json(_LIST), 503)}
GET_HUBS: Final[dict[str, Any]] = {
    "parameters": [
        _parameter("parent", "query", "a hub's code; empty: the top; absent: all hubs", required=False),
        _parameter("cursor", "query", "next_cursor of the page before, for all hubs", required=False),
    ],
    "responses": _answers(200, "The hubs", _as_json(_LIST), 422, 503),
}
