"""The ring around a door's app: refuses what is too large or comes from a foreign page, counts every answer.

One pure ASGI layer, because each layer costs every request. It also turns a defect into a plain 500 and puts
the security headers on every response. Install it with `app.add_middleware(Guard, …)`, added last.
"""

from __future__ import annotations

import re
import time
from typing import Any, Final
from urllib.parse import urlsplit

from prometheus_client import Counter, Histogram
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.adapters import metrics
from services.adapters.problems import Problem, unforeseen

BODY_LIMIT: Final = 64 * 1024
PHOTO_LIMIT: Final = 10 * 1024 * 1024
MULTIPART_OVERHEAD: Final = 16 * 1024

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_OWN_SITE: Final = frozenset({b"same-origin", b"none"})

_ALWAYS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
_CLOSED: Final = b"; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_OWN_ONLY: Final = b"default-src 'self'; img-src 'self' data: blob:" + _CLOSED
# FastAPI's page of the API brings its script from a content network and starts it inline.
_DOCS: Final = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net"
    b"; style-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net"
    b"; img-src 'self' data: https://fastapi.tiangolo.com"
) + _CLOSED
_HEADERS: Final = [*_ALWAYS, (b"content-security-policy", _OWN_ONLY)]
_DOCS_HEADERS: Final = [*_ALWAYS, (b"content-security-policy", _DOCS)]


class Guard:
    """`photo_paths` matches the paths where a photo may come; `public_url` is another origin that is ours."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        service: str,
        photo_paths: re.Pattern[str] | None = None,
        public_url: str | None = None,
    ) -> None:
        self._app = app
        self._service = service
        self._photo_paths = photo_paths
        self._public_host = urlsplit(public_url).netloc.encode() if public_url else None
        self._totals: dict[tuple[str, str, int], Counter] = {}
        self._seconds: dict[tuple[str, str], Histogram] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        answered = False

        async def send_guarded(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                self._dress(scope, message)
                self._count(scope, message["status"], time.perf_counter() - begun)
            await send(message)

        try:
            if scope["method"] not in _SAFE:
                receive = self._admit(scope, receive)
            await self._app(scope, receive, send_guarded)
        except ClientDisconnect:
            # Hung up in mid-sentence, as phones do: nobody is there to be answered.
            return
        except Exception as error:
            problem = (
                error if isinstance(error, Problem) else unforeseen(scope["method"], _route(scope), error)
            )
            if answered:
                # The answer is under way and cannot be taken back: the server cuts the connection.
                raise
            await problem.response()(scope, receive, send_guarded)

    def _admit(self, scope: Scope, receive: Receive) -> Receive:
        """Look at the headers of an unsafe request; answer with a `receive` that bounds the body."""
        host = origin = length = None
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
            elif name == b"content-length":
                length = value
            elif name == b"origin":
                origin = value
            elif name == b"sec-fetch-site" and value not in _OWN_SITE:
                raise _foreign("Sec-Fetch-Site")
        if origin is not None and not self._is_ours(origin, host):
            raise _foreign("Origin")
        is_photo = self._photo_paths is not None and self._photo_paths.fullmatch(scope["path"]) is not None
        limit = PHOTO_LIMIT + MULTIPART_OVERHEAD if is_photo else BODY_LIMIT
        if length is None:
            return _bounded(receive, limit)
        # The server holds a body to its declared length, so there is nothing left to count.
        if not length.isdigit() or int(length) > limit:
            raise too_large(limit)
        return receive

    def _is_ours(self, origin: bytes, host: bytes | None) -> bool:
        # The host alone: behind a proxy that ends TLS the scheme here is not the page's.
        netloc = origin.partition(b"://")[2]
        return bool(netloc) and netloc in (host, self._public_host)

    @staticmethod
    def _dress(scope: Scope, message: Message) -> None:
        headers: list[tuple[bytes, bytes]] = message.get("headers") or []
        if any(name == b"content-security-policy" for name, _ in headers):
            message["headers"] = [*headers, *_ALWAYS]
        else:
            message["headers"] = [*headers, *(_DOCS_HEADERS if scope["path"] == "/docs" else _HEADERS)]

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        """To the first byte of the answer: a stream would otherwise count as one slow request."""
        method, route = scope["method"], _route(scope)
        total = self._totals.get((route, method, status))
        if total is None:
            total = self._totals[route, method, status] = metrics.http_requests_total.labels(
                self._service, route, method, str(status)
            )
            self._seconds[route, method] = metrics.http_request_seconds.labels(self._service, route, method)
        total.inc()
        self._seconds[route, method].observe(seconds)


def _route(scope: Scope) -> str:
    """The template, never the path as it came: that holds codes and has no end of different values."""
    route: Any = scope.get("route")
    if route is not None:
        return str(route.path_format)
    if "endpoint" not in scope:
        return "unmatched"
    # Plain routes and mounts of the framework leave no template behind; ours have no parameters.
    return str(scope.get("root_path") or "other") if scope.get("path_params") else str(scope["path"])


def _bounded(receive: Receive, limit: int) -> Receive:
    seen = 0

    async def receive_bounded() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > limit:
                raise too_large(limit)
        return message

    return receive_bounded


def too_large(limit: int) -> Problem:
    return Problem(
        413, detail=f"The body may have {limit} bytes at most.", errors=[("body", f"over {limit} bytes")]
    )


def _foreign(header: str) -> Problem:
    return Problem(
        403,
        "foreign_origin",
        detail="A page of another site may not do this; programs send neither Origin nor Sec-Fetch-Site.",
        errors=[(header, "names another site")],
    )
