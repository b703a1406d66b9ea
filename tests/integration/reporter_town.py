"""The whole stack for reporters: they speak at the door, staff's commands go straight to the broker.

async with in_town(stack) as town: told = await town.reports("road_surface"); await told.says("urge")
"""

from __future__ import annotations

import contextlib
import io
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
from aiokafka import AIOKafkaProducer
from PIL import Image

from services.adapters import codec
from services.adapters.seal import SealKeys
from services.domain import ids
from services.domain.messages import TYPE_OF, Actor, CaseCommand, Content
from tests.harness.stack import Stack
from tests.integration.intake_door import eventually

DISTRICT, TOWN, COMMUNITY = "320506000000", "320506003000", "320506003004"
Json = dict[str, Any]


def dispatcher(hub: str) -> Actor:
    return Actor(ref=f"dispatcher-of-{hub}", roles=("dispatcher",), hubs=(hub,))


def picture(red: int) -> bytes:
    kept = io.BytesIO()
    Image.new("RGB", (64, 48), (red, 90, 30)).save(kept, "JPEG")
    return kept.getvalue()


@dataclass
class Town:
    stack: Stack
    book: Any
    http: httpx.AsyncClient
    _producer: Any

    @property
    def secret(self) -> bytes:
        return bytes.fromhex(self.stack.console.known()["PIONEER_SECRET"])

    async def reports(self, category: str = "road_surface", hub_code: str | None = COMMUNITY) -> Reporter:
        """Without a hub and a point nobody knows where it is: people look first."""
        body = {"channel": "resident", "category": category, "text": "坑"}
        body |= {"hub_code": hub_code} if hub_code else {}
        answer = await self.http.post("/v1/reports", json=body, headers=_key())
        assert answer.status_code == 202, answer.text
        accepted = answer.json()
        tracking = ids.read_tracking_code(self.secret, accepted["tracking_code"])

        async def in_book() -> Any:
            return await self.book.fetchval("SELECT case_id::text FROM reports WHERE tracking = $1", tracking)

        return Reporter(self, accepted["report_id"], accepted["tracking_code"], await eventually(in_book))

    async def staff(self, case_id: str, payload: Any, *, hub: str = TOWN, words: str | None = None) -> None:
        """A command of a dispatcher of this hub, which must be applied."""
        command_id = str(uuid.uuid4())
        keys = SealKeys(self.stack.console.known()["SEAL_KEYS"])
        sealed = None
        if words is not None:
            sealed = keys.seal(Content(text=words), command_id=command_id, topic=codec.CASE_COMMANDS)
        command = CaseCommand(
            command_id=command_id,
            case_id=case_id,
            type=TYPE_OF[type(payload)],
            actor=dispatcher(hub),
            received_at=datetime.now(UTC),
            payload=payload,
            sealed=sealed,
        )
        key, value, headers = codec.command_record(command, "board")
        await self._producer.send_and_wait(codec.CASE_COMMANDS, value, key=key, headers=headers)

        async def decided() -> Any:
            return await self.book.fetchrow("SELECT * FROM outcomes WHERE command_id = $1", command_id)

        outcome = await eventually(decided)
        assert outcome["outcome"] == "applied", dict(outcome)

    async def events(self, case_id: str, kind: str) -> list[Any]:
        """Those of this type, as rows of the book."""
        rows: list[Any] = await self.book.fetch(
            "SELECT * FROM events WHERE case_id = $1 AND type = $2 ORDER BY seq", case_id, kind
        )
        return rows


@dataclass
class Reporter:
    """Somebody who has reported, and holds the code."""

    town: Town
    report_id: str
    code: str
    case_id: str

    @property
    def url(self) -> str:
        return f"/v1/reports/{self.code}"

    async def says(self, word: str, key: str | None = None, **more: Any) -> httpx.Response:
        return await self.town.http.post(
            f"{self.url}/commands", json={"type": word, **more}, headers=_key(key)
        )

    async def done(self, word: str, key: str | None = None, **more: Any) -> list[str]:
        """Applied; the types of the events that came of it."""
        answer = await self.says(word, key, **more)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert told["outcome"] == "applied"
        assert {event["actor_ref"] for event in told["events"]} == {f"report:{self.report_id}"}
        return [event["type"] for event in told["events"]]

    async def status(self) -> Json:
        answer = await self.town.http.get(self.url)
        assert answer.status_code == 200, answer.text
        status: Json = answer.json()
        return status

    async def staff(self, payload: Any, *, hub: str = TOWN, words: str | None = None) -> None:
        await self.town.staff(self.case_id, payload, hub=hub, words=words)

    async def fills(self, word: str, **fields: str) -> httpx.Response:
        """The form of the tracking page."""
        data = {"type": word, "key": str(uuid.uuid4()), **fields}
        return await self.town.http.post(f"/r/{self.code}", data=data)


def _key(key: str | None = None) -> dict[str, str]:
    return {"Idempotency-Key": key or str(uuid.uuid4())}


@contextlib.asynccontextmanager
async def in_town(stack: Stack) -> AsyncIterator[Town]:
    producer = AIOKafkaProducer(bootstrap_servers=stack.bootstrap)
    book = await asyncpg.connect(stack.database_url)
    await producer.start()
    try:
        async with httpx.AsyncClient(base_url=stack.url("intake"), timeout=15) as http:
            yield Town(stack, book, http, producer)
    finally:
        await producer.stop()
        await book.close()
