"""The load: reports and commands at a steady pace whatever becomes of them, each written into the ledger.

Rules: the pace is open loop (a slow answer slows nobody down); most of what ended unknown is sent again with
the same key until it is known, the rest never: both must be safe.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx

from tests.chaos.bodies import command_body, report_body
from tests.chaos.ledger import Attempt, Ledger
from tests.chaos.quick_city import HUBS
from tests.harness.stack import PASSWORD

Json = dict[str, Any]

SECONDS = 12.0
AGAIN_AFTER = (0.3, 0.7, 1.5)


class Load:
    """`stop` ends the new ones; `finish` waits until every key that is sent again is known."""

    def __init__(
        self, ledger: Ledger, intake: str, board: str, seed: int, *, posts: float, commands: float
    ) -> None:
        self.ledger = ledger
        self.slow_limits = True
        """Whether categories whose ladder takes long may still be posted."""
        self._random = random.Random(seed)
        self._seed = seed
        self._pace = {"posts": posts, "commands": commands}
        self._stopped = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._pacing: list[asyncio.Task[None]] = []
        limits = httpx.Limits(max_connections=300, max_keepalive_connections=50)
        self._door = httpx.AsyncClient(base_url=intake, timeout=SECONDS, limits=limits)
        self._desks = [Seat(hub, board, random.Random(f"{seed} {hub}")) for hub in HUBS]

    async def start(self) -> None:
        for desk in self._desks:
            await desk.sign_in()
        self._pacing = [
            asyncio.create_task(self._at_pace(self._pace["posts"], self._new_report)),
            asyncio.create_task(self._at_pace(self._pace["commands"], self._new_command)),
            *(asyncio.create_task(desk.keep_looking(self._stopped)) for desk in self._desks),
        ]

    def stop(self) -> None:
        self._stopped.set()

    async def finish(self, seconds: float) -> None:
        self.stop()
        await asyncio.gather(*self._pacing)
        async with asyncio.timeout(seconds):
            while self._running:
                await asyncio.wait(self._running)

    async def close(self) -> None:
        self.stop()
        for task in (*self._running, *self._pacing):
            task.cancel()
        await asyncio.gather(*self._running, *self._pacing, return_exceptions=True)
        await asyncio.gather(self._door.aclose(), *(desk.http.aclose() for desk in self._desks))

    def failed(self) -> list[BaseException]:
        """What broke in the load itself: a test must not go on without its load."""
        return [
            problem
            for task in self._pacing
            if task.done() and not task.cancelled() and (problem := task.exception()) is not None
        ]

    async def _at_pace(self, per_second: float, make: Callable[[], None]) -> None:
        due = time.monotonic()
        while not self._stopped.is_set():
            due += self._random.expovariate(per_second)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            make()

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._pacing.append(task)

    def _key(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _new_report(self) -> None:
        key = self._key()
        good = self._random.random() > 0.04
        body = report_body(self._random, key, good=good, slow_limits=self.slow_limits)
        again, other = self._random.random() < 0.7, self._random.random() < 0.03
        self._spawn(self._report(key, body, again=again, other=other))

    async def _report(self, key: str, body: Json, *, again: bool, other: bool) -> None:
        attempt = await self._post(key, body)
        while again and attempt.end in ("unknown", "unsent"):
            await asyncio.sleep(self._random.choice(AGAIN_AFTER))
            attempt = await self._post(key, body)
        if other and attempt.end == "ok":
            await self._post(key, body | {"text": f"{key} other", "category": "fire"})

    async def _post(self, key: str, body: Json) -> Attempt:
        attempt = self.ledger.begin("report", key, body)
        asked = self._door.post("/v1/reports", json=body, headers={"Idempotency-Key": key})
        await self._ask(attempt, asked, ok=202)
        return attempt

    async def _ask(self, attempt: Attempt, asked: Any, *, ok: int) -> None:
        try:
            answer = await asked
        except httpx.ConnectError as error:
            self.ledger.finish(attempt, "unsent", said=repr(error))
            return
        except httpx.HTTPError as error:
            self.ledger.finish(attempt, "unknown", said=repr(error))
            return
        attempt.status = answer.status_code
        attempt.answer = answer.json()
        if answer.status_code == ok:
            self.ledger.finish(attempt, "ok")
        elif 400 <= answer.status_code < 500:
            self.ledger.finish(attempt, "refused")
        else:
            self.ledger.finish(attempt, "unknown")

    def _new_command(self) -> None:
        desks = [desk for desk in self._desks if desk.work]
        if not desks:
            return
        desk = self._random.choice(desks)
        case = desk.work.pop(self._random.randrange(len(desk.work)))
        body = command_body(self._random, case)
        if body is not None:
            again = self._random.random() < 0.7
            self._spawn(self._carry_out(desk, case["case_id"], self._key(), body, again=again))

    async def _carry_out(self, desk: Seat, case_id: str, key: str, body: Json, *, again: bool) -> None:
        attempt = await self._send(desk, case_id, key, body)
        while again and attempt.end in ("unknown", "unsent"):
            await asyncio.sleep(self._random.choice(AGAIN_AFTER))
            attempt = await self._send(desk, case_id, key, body)

    async def _send(self, desk: Seat, case_id: str, key: str, body: Json) -> Attempt:
        attempt = self.ledger.begin("command", key, {**body, "hub": desk.hub}, case_id)
        path = f"/v1/cases/{case_id}/commands"
        asked = desk.http.post(path, json=body, headers={"Idempotency-Key": key})
        await self._ask(attempt, asked, ok=200)
        return attempt


class Seat:
    """A dispatcher who looks at the queue again and again; `work` are the cases seen there."""

    def __init__(self, hub: str, board: str, pick: random.Random) -> None:
        self.hub = hub
        self.http = httpx.AsyncClient(base_url=board, timeout=SECONDS)
        self.work: list[Json] = []
        self._pick = pick

    async def sign_in(self) -> None:
        body = {"username": f"dispatcher-{self.hub}", "password": PASSWORD}
        (await self.http.post("/v1/session", json=body)).raise_for_status()

    async def keep_looking(self, stopped: asyncio.Event) -> None:
        while not stopped.is_set():
            order = {"sort": self._pick.choice(("due", "received_at", "priority")), "limit": 60}
            if self._pick.random() < 0.5:
                order["state"] = self._pick.choice(("accepted", "in_progress", "verifying", "rework"))
            try:
                answer = await self.http.get(f"/v1/hubs/{self.hub}/queue", params=order)
                if answer.status_code == 200:
                    self.work = answer.json()["items"]
            except httpx.HTTPError:
                self.work = []
            try:
                await asyncio.wait_for(stopped.wait(), self._pick.uniform(0.8, 1.6))
            except TimeoutError:
                continue
