"""Ops routes, problems, guard and the server of the doors, apart from any room."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Query
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from services.adapters import ops_http
from services.adapters.guard import Guard
from services.adapters.ops_http import listen, ops_routes, serve_ops
from services.adapters.problems import Problem, install_problems
from services.adapters.settings import PROJECT
from tests.console_run import free_ports
from tests.integration.intake_door import fields, problem


async def test_serve_ops_answers_with_what_fails_and_closes() -> None:
    state = {"reason": "the moon is full"}

    async def moon() -> str | None:
        return state["reason"]

    async def slow() -> str | None:
        await asyncio.sleep(30)
        return None

    async def broken() -> str | None:
        raise ConnectionError("no line")

    async def fine() -> str | None:
        return None

    checks = {"moon": moon, "slow": slow, "broken": broken, "fine": fine}
    ops = await serve_ops("127.0.0.1", 0, checks, room="timekeeper")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{ops.port}") as http:
        assert (await http.get("/healthz")).status_code == 200
        begun = time.monotonic()
        assert problem(await http.get("/readyz"), 503)["failing"] == {
            "moon": "the moon is full",
            "slow": "no answer within 1 s",
            "broken": "ConnectionError: no line",
        }
        assert time.monotonic() - begun < 4
        metrics = await http.get("/metrics")
        assert metrics.headers["content-type"].startswith("text/plain")
        assert 'pioneer_build_info{room="timekeeper"' in metrics.text
        assert "pioneer_deadline_lateness_seconds_bucket" in metrics.text
        del checks["slow"], checks["broken"], checks["moon"]
        assert (await http.get("/readyz")).status_code == 200
    await ops.close()
    with pytest.raises(httpx.ConnectError):
        await httpx.AsyncClient().get(f"http://127.0.0.1:{ops.port}/healthz")


async def test_a_taken_port_is_an_error_that_names_it() -> None:
    with listen("127.0.0.1", 0) as held:
        port = held.getsockname()[1]
        with pytest.raises(OSError, match=f"127.0.0.1:{port} cannot be opened"):
            await serve_ops("127.0.0.1", port, {}, room="timekeeper")


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """An ordinary FastAPI app, with pydantic at work, inside the guard."""
    app = FastAPI()
    install_problems(app)
    app.add_middleware(Guard, service="test", public_url="https://hub.example")
    app.router.routes.extend(ops_routes({}, room="board"))

    @app.get("/typed")
    async def typed(limit: int = Query(ge=1)) -> dict[str, int]:
        return {"limit": limit}

    @app.post("/body")
    async def body(request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    @app.get("/defect")
    async def defect() -> None:
        raise RuntimeError("the password is 1234")

    @app.get("/ours")
    async def ours() -> None:
        raise Problem(409, "stale", detail="read again", headers={"X-More": "1"}, extra={"case": {"seq": 4}})

    @app.get("/own-policy")
    async def own_policy() -> Response:
        return PlainTextResponse("", headers={"Content-Security-Policy": "default-src 'none'"})

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as http:
        yield http


async def test_every_kind_of_error_is_a_problem(http: httpx.AsyncClient) -> None:
    assert fields(await http.get("/typed?limit=0")) == ["limit"]
    assert fields(await http.get("/typed")) == ["limit"]
    problem(await http.get("/nowhere"), 404)
    problem(await http.post("/typed"), 405)
    stale = await http.get("/ours")
    assert problem(stale, 409)["case"] == {"seq": 4}
    assert (stale.json()["code"], stale.headers["x-more"]) == ("stale", "1")
    defect = await http.get("/defect")
    assert problem(defect, 500)["code"] == "internal"
    assert "1234" not in defect.text
    assert defect.headers["x-content-type-options"] == "nosniff"


async def test_a_page_may_bring_a_policy_of_its_own(http: httpx.AsyncClient) -> None:
    answer = await http.get("/own-policy")
    assert answer.headers.get_list("content-security-policy") == ["default-src 'none'"]
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_public_address_is_one_of_our_own(http: httpx.AsyncClient) -> None:
    for origin, status in (
        ("https://hub.example", 200),
        ("http://hub", 200),
        ("https://hub.example.evil", 403),
        ("hub", 403),
    ):
        assert (await http.post("/body", headers={"Origin": origin})).status_code == status, origin


async def test_64_kb_and_not_a_byte_more(http: httpx.AsyncClient) -> None:
    async def pieces(size: int) -> AsyncIterator[bytes]:
        for start in range(0, size, 1000):
            yield b"x" * min(1000, size - start)

    most = 64 * 1024
    assert (await http.post("/body", content=b"x" * most)).text == str(most)
    assert (await http.post("/body", content=pieces(most))).text == str(most)
    assert fields(await http.post("/body", content=b"x" * (most + 1)), 413) == ["body"]
    assert fields(await http.post("/body", content=pieces(most + 1)), 413) == ["body"]


@pytest.mark.parametrize(
    ("trusted", "caller"),
    [
        ("", "127.0.0.1"),
        ("10.1.2.3", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.5"),
        ("127.0.0.0/8, 203.0.113.5", "198.51.100.7"),
    ],
)
async def test_who_calls_is_what_a_trusted_proxy_says(trusted: str, caller: str) -> None:
    """What stands further left in the header was written by whoever called the proxy."""
    app = FastAPI()

    @app.get("/caller")
    async def who(request: Request) -> Response:
        assert request.client is not None
        return PlainTextResponse(request.client.host)

    server = ops_http._WithoutSignals(
        ops_http._config(app, trusted_proxies=trusted, loop="none", lifespan="off")
    )
    running = ops_http.OpsServer(server, listen("127.0.0.1", 0))
    async with httpx.AsyncClient() as http:
        answer = await http.get(
            f"http://127.0.0.1:{running.port}/caller",
            headers={"X-Forwarded-For": "192.0.2.1, 198.51.100.7, 203.0.113.5"},
        )
    await running.close()
    assert answer.text == caller


STREAMING_DOOR = """
import asyncio, sys
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import StreamingResponse
from services.adapters.ops_http import ops_routes, run_app
app = FastAPI()
app.router.routes.extend(ops_routes({}, room="board"))
@app.get("/stream")
async def stream(request: Request) -> StreamingResponse:
    async def nudges():
        yield b": hello\\n\\n"
        await request.app.state.stopping.wait()
        yield b"event: bye\\n\\n"
    return StreamingResponse(nudges(), media_type="text/event-stream")
run_app(app, "127.0.0.1", int(sys.argv[1]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_door_with_an_open_stream_ends_at_once_and_with_code_0(number: signal.Signals) -> None:
    (port,) = free_ports(1)
    process = subprocess.Popen([sys.executable, "-c", STREAMING_DOOR, str(port)], cwd=PROJECT)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as http:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                with contextlib.suppress(httpx.ConnectError):
                    if (await http.get("/readyz")).status_code == 200:
                        break
                await asyncio.sleep(0.05)
            async with http.stream("GET", "/stream") as stream:
                lines = stream.aiter_lines()
                assert await anext(lines) == ": hello"
                begun = time.monotonic()
                os.kill(process.pid, number)
                rest = [line async for line in lines]
                assert "event: bye" in rest
        assert await asyncio.to_thread(process.wait, 10) == 0
        assert time.monotonic() - begun < 3
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


async def test_the_door_says_which_setting_is_missing() -> None:
    ran = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "services.intake"],
        cwd=PROJECT,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ran.returncode == 78
    assert "PIONEER_SECRET is not set" in ran.stderr
