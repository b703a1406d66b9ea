"""Serving HTTP: /healthz, /readyz and /metrics of every process, and the server of the doors.

Rules: /healthz knows only its own process; /readyz gives each named check 1 s and names what fails.
A door that was told to stop sets `app.state.stopping` first, so streams end and the shutdown is clean.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from types import FrameType
from typing import Any, Final

import uvicorn
from fastapi import FastAPI
from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from services.adapters import metrics
from services.adapters.problems import Problem

Check = Callable[[], Awaitable[str | None]]
"""None when all is well, else the reason."""

CHECK_SECONDS: Final = 1.0
GRACE_SECONDS: Final = 5


def ops_routes(checks: Mapping[str, Check], *, room: str) -> list[Route]:
    """The three routes; `room` says which metrics of the catalogue this process exports."""
    metrics.expose(room)

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        stopping: asyncio.Event | None = getattr(request.app.state, "stopping", None)
        if stopping is not None and stopping.is_set():
            return _not_ready({"process": "is stopping"})
        reasons = await asyncio.gather(*(_ask(check) for check in checks.values()))
        failing = {name: reason for name, reason in zip(checks, reasons, strict=True) if reason is not None}
        return _not_ready(failing) if failing else PlainTextResponse("ready\n")

    async def scrape(request: Request) -> Response:
        encoder, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encoder(REGISTRY), headers={"content-type": content_type})

    return [
        Route("/healthz", healthz, include_in_schema=False),
        Route("/readyz", readyz, include_in_schema=False),
        Route("/metrics", scrape, include_in_schema=False),
    ]


async def _ask(check: Check) -> str | None:
    try:
        return await asyncio.wait_for(check(), CHECK_SECONDS)
    except TimeoutError:
        return f"no answer within {CHECK_SECONDS:g} s"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _not_ready(failing: Mapping[str, str]) -> Response:
    detail = "; ".join(f"{name}: {reason}" for name, reason in failing.items())
    return Problem(503, "not_ready", detail=detail, extra={"failing": dict(failing)}).response()


class _Server(uvicorn.Server):
    """Signals set `stopping` and end the server; the process then ends by itself, with exit code 0."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True
        # A signal handler runs between any two steps of the loop: hand it over.
        self._loop.call_soon_threadsafe(self._stopping.set)


def run_app(app: FastAPI, host: str, port: int, *, trusted_proxies: str = "") -> None:
    """Serve a door until SIGTERM or SIGINT. Streams of the app must end when `app.state.stopping` is set."""
    app.state.stopping = asyncio.Event()
    config = _config(
        app,
        trusted_proxies=trusted_proxies,
        loop="uvloop",
        lifespan="on",
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    with listen(host, port) as listener, asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_Server(config, app.state.stopping).serve(sockets=[listener]))


class OpsServer:
    """The small server of a process without a door; `port` is the one it really has."""

    def __init__(self, server: uvicorn.Server, listener: socket.socket) -> None:
        self.port: int = listener.getsockname()[1]
        self._server = server
        self._task = asyncio.create_task(server.serve(sockets=[listener]), name="ops-http")

    async def close(self) -> None:
        self._server.should_exit = True
        await self._task


class _WithoutSignals(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve_ops(host: str, port: int, checks: Mapping[str, Check], *, room: str) -> OpsServer:
    """Serve the ops routes inside the running loop. A port that is taken raises OSError here."""
    app = Starlette(routes=ops_routes(checks, room=room))
    server = _WithoutSignals(_config(app, loop="none", lifespan="off", timeout_graceful_shutdown=1))
    return OpsServer(server, listen(host, port))


def _config(app: Any, *, trusted_proxies: str = "", **settings: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        # The header that says who calls is worth something only from a proxy of our own.
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=trusted_proxies,
        timeout_keep_alive=75,
        **settings,
    )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. A port that is taken is an OSError that names it, not an exit of the server."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise OSError(
            error.errno, f"{host}:{port} cannot be opened ({error.strerror}); set another port"
        ) from error
    listener.setblocking(False)
    return listener
