"""RFC 9457 problems: every error of a door leaves as `application/problem+json`, naming the fields to mend.

Rules: `code` is for programs, `title` and `detail` for people; nothing of our inside stands in any of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.domain.errors import Malformed

CONTENT_TYPE: Final = "application/problem+json"

_encode = msgspec.json.Encoder().encode
_log = structlog.get_logger()

_CODES: Final = {
    400: "bad_request",
    401: "not_signed_in",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    411: "length_required",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid",
    429: "too_many_requests",
    500: "internal",
    503: "unavailable",
}

# The shape, for the API documents.
SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "errors"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}


class Problem(Exception):
    """An answer that is an error. `errors` are (field, message); `extra` are further members of the body."""

    def __init__(
        self,
        status: int,
        code: str | None = None,
        title: str | None = None,
        detail: str = "",
        *,
        errors: Iterable[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.status = status
        self.code = code or _CODES.get(status, "error")
        self.title = title or HTTPStatus(status).phrase
        self.errors = list(errors)
        self.detail = (
            detail or "; ".join(f"{field}: {message}" for field, message in self.errors) or self.title
        )
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})
        super().__init__(f"{status} {self.code}: {self.detail}")

    def body(self) -> bytes:
        return _encode(
            {
                "type": "about:blank",
                "title": self.title,
                "status": self.status,
                "code": self.code,
                "detail": self.detail,
                "errors": [{"field": field, "message": message} for field, message in self.errors],
                **self.extra,
            }
        )

    def response(self) -> Response:
        return Response(self.body(), status_code=self.status, headers=self.headers, media_type=CONTENT_TYPE)


def invalid(errors: Iterable[tuple[str, str]]) -> Problem:
    """422: each field with what is wrong with it."""
    return Problem(422, errors=errors)


def unavailable(detail: str, *, retry_after: int, code: str = "unavailable") -> Problem:
    """503: nothing is wrong with the request; the same one may be sent again."""
    return Problem(503, code, detail=detail, headers={"Retry-After": str(retry_after)})


def install_problems(app: FastAPI) -> None:
    """Every error of the app in one shape: ours, the framework's, a validation's (a defect: Guard)."""
    app.add_exception_handler(Problem, _ours)
    app.add_exception_handler(Malformed, _malformed)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(RequestValidationError, _validation)
    # The framework writes its own shape of a 422 into the documents otherwise.
    app.router.responses = {
        "4XX": _documented("An error of the caller"),
        "5XX": _documented("An error of ours"),
    }


def _documented(description: str) -> dict[str, Any]:
    return {"description": description, "content": {CONTENT_TYPE: {"schema": SCHEMA}}}


async def _ours(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _malformed(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Malformed)
    return invalid([(error.field, error.detail)]).response()


async def _framework(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return Problem(error.status_code, detail=str(error.detail), headers=error.headers).response()


async def _validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return invalid((_field(one["loc"]), str(one["msg"])) for one in error.errors()).response()


def _field(location: Sequence[Any]) -> str:
    """`("body", "photos", 0)` → `photos[0]`; the first part says only where it was found."""
    name = ""
    for part in location[1:] or location:
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else str(part)
    return name


def unforeseen(method: str, route: str, error: BaseException) -> Problem:
    """A defect: the log has it whole, the caller learns only that it is ours."""
    _log.error("request_failed", method=method, route=route, exc_info=error)
    return Problem(500, detail="Something of ours failed. It was logged; the request may be sent again.")
