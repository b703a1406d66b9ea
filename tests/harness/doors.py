"""The two doors as outside programs meet them: reports posted, cases worked on, a stream heard."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
from PIL import Image

from tests.harness.stack import PASSWORD

SECONDS = 15.0
Json = dict[str, Any]


def photo(red: int = 200) -> bytes:
    """A small JPEG of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), (red % 256, 120, 40)).save(buffer, "JPEG")
    return buffer.getvalue()


class Intake:
    def __init__(self, url: str) -> None:
        self.http = httpx.AsyncClient(base_url=url, timeout=SECONDS)

    async def __aenter__(self) -> Intake:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def post(self, body: Json, key: str | None = None) -> httpx.Response:
        return await self.http.post(
            "/v1/reports", json=body, headers={"Idempotency-Key": key or str(uuid.uuid4())}
        )

    async def report(self, body: Json, key: str | None = None) -> Json:
        return _json(await self.post(body, key), 202)

    async def status(self, tracking_code: str) -> Json:
        return _json(await self.http.get(f"/v1/reports/{tracking_code}"), 200)

    async def add_photo(self, tracking_code: str, image: bytes) -> str:
        """A report that is ours and not yet in the book answers 503: asked again, as a program should."""
        deadline = time.monotonic() + SECONDS
        while True:
            files = {"photo": ("photo.jpg", image, "image/jpeg")}
            answer = await self.http.post(f"/v1/reports/{tracking_code}/photos", files=files)
            if answer.status_code != 503 or time.monotonic() > deadline:
                return str(_json(answer, 201)["id"])
            await asyncio.sleep(0.1)


class Desk:
    """Somebody at the board, a hub's dispatcher if no other account is named. Signs in again when it must."""

    def __init__(self, url: str, hub: str, password: str = PASSWORD, *, username: str | None = None) -> None:
        self.hub = hub
        self._username = username or f"dispatcher-{hub}"
        self.http = httpx.AsyncClient(base_url=url, timeout=SECONDS)
        self._password = password

    async def __aenter__(self) -> Desk:
        await self.sign_in()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def sign_in(self) -> None:
        body = {"username": self._username, "password": self._password}
        _json(await self.http.post("/v1/session", json=body), 200)

    async def get(self, path: str, **parameters: Any) -> httpx.Response:
        answer = await self.http.get(path, params=parameters)
        if answer.status_code == 401:
            await self.sign_in()
            answer = await self.http.get(path, params=parameters)
        return answer

    async def queue(self, hub: str | None = None, **parameters: Any) -> list[Json]:
        """Every page of it."""
        items: list[Json] = []
        asked: Json = {"limit": 200, **parameters}
        while True:
            page = _json(await self.get(f"/v1/hubs/{hub or self.hub}/queue", **asked), 200)
            items += page["items"]
            if page["next_cursor"] is None:
                assert len(items) == page["total"] or "cursor" in asked
                return items
            asked["cursor"] = page["next_cursor"]

    async def case(self, case_id: str) -> Json:
        return _json(await self.get(f"/v1/cases/{case_id}"), 200)

    async def command(self, case_id: str, body: Json, key: str | None = None) -> httpx.Response:
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        path = f"/v1/cases/{case_id}/commands"
        answer = await self.http.post(path, json=body, headers=headers)
        if answer.status_code == 401:
            await self.sign_in()
            answer = await self.http.post(path, json=body, headers=headers)
        return answer

    async def applied(self, case_id: str, kind: str, expected_seq: int | None = None, **more: Any) -> Json:
        """The command's 200; `expected_seq` is read first when it is not given."""
        body: Json = {"type": kind, **more}
        if kind not in ("comment", "add_photos", "urge", "report_in"):
            body["expected_seq"] = expected_seq or (await self.case(case_id))["case"]["seq"]
        done = _json(await self.command(case_id, body), 200)
        assert done["outcome"] == "applied", done
        return done

    async def photo(self, image: bytes) -> str:
        files = {"photo": ("photo.jpg", image, "image/jpeg")}
        return str(_json(await self.http.post("/v1/photos", files=files), 201)["id"])

    @contextlib.asynccontextmanager
    async def stream(self) -> AsyncIterator[Heard]:
        """What the hub's live line says, with the moment at which it was heard."""
        heard = Heard()
        async with self.http.stream("GET", "/v1/stream", timeout=httpx.Timeout(SECONDS, read=60.0)) as answer:
            assert answer.status_code == 200, await answer.aread()
            listening = asyncio.create_task(heard.listen(answer))
            await asyncio.wait_for(heard.open.wait(), SECONDS)
            try:
                yield heard
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)


class Heard:
    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.nudges: list[tuple[float, Json]] = []
        self._news = asyncio.Event()

    async def listen(self, answer: httpx.Response) -> None:
        async for line in answer.aiter_lines():
            self.open.set()
            if line.startswith("data:"):
                self.nudges.append((time.monotonic(), json.loads(line.removeprefix("data:"))))
                self._news.set()

    async def of_report(self, report_id: str, seconds: float) -> tuple[float, Json]:
        """The first nudge that names the report."""
        async with asyncio.timeout(seconds):
            while True:
                for at, nudge in self.nudges:
                    if report_id in nudge.get("report_ids", ()):
                        return at, nudge
                self._news.clear()
                await self._news.wait()


def _json(answer: httpx.Response, status: int) -> Json:
    assert answer.status_code == status, f"{answer.request.url}: {answer.status_code} {answer.text}"
    body: Json = answer.json()
    return body
