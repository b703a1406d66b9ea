"""A board of the test's own on a real port, with the book beside it.

Cases are put in by SQL; the router's part (outcomes, events) is played by hand on the real topics.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from services.adapters import city_book, codec
from services.adapters.ops_http import listen
from services.adapters.postgres import connect
from services.adapters.rows import side_text
from services.adapters.settings import PROJECT, Settings
from services.adapters.staff import ensure_sample_staff
from services.board.app import build_app
from services.domain import events, ids
from services.domain.case import Case
from services.domain.messages import CaseCommand, Outcome

PASSWORD = "a long enough password"
SECRET = "5a" * 32
SEAL_KEYS = "test:" + base64.b64encode(b"k" * 32).decode()

DISTRICT = "320506000000"
TOWN = "320506003000"  # 越溪街道
COMMUNITY = "320506003004"  # 莫舍社区, in TOWN
SIBLING = "320506003200"  # 张桥村, in TOWN
ELSEWHERE = "320506001000"  # 长桥街道

_numbers = itertools.count(1)


def new_case(**changes: Any) -> Case:
    """An exposed_garbage case of COMMUNITY, dispatched a minute ago."""
    number = next(_numbers)
    received_at = datetime.now(UTC) - timedelta(minutes=1)
    case_id = ids.uuid7(received_at, os.urandom(10))
    plain = Case(
        case_id=case_id,
        root_case_id=case_id,
        number=f"261124-{number:06}",
        seq=2,
        stale_seq=2,
        cycle=1,
        state="dispatched",
        lane="fast",
        category="exposed_garbage",
        priority="P3",
        place_code=COMMUNITY,
        hub_code=COMMUNITY,
        level=3,
        supervised_level=None,
        owner="community_office",
        owner_hub_code=COMMUNITY,
        location_quality="good",
        unrouted=False,
        confidential=False,
        report_count=1,
        rework_count=0,
        received_at=received_at,
        dispatched_at=received_at,
        last_event_at=received_at,
        city_version=1,
    )
    return replace(plain, **changes)


async def until(condition: Callable[[], Any], seconds: float = 15.0) -> Any:
    deadline = asyncio.get_running_loop().time() + seconds
    while not (found := condition()):
        assert asyncio.get_running_loop().time() < deadline, "did not come in time"
        await asyncio.sleep(0.01)
    return found


class Line:
    """An open SSE stream: `events` are (name, data, id), comments are counted."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any], str | None]] = []
        self.comments = 0
        self.ended = False

    async def read(self, response: httpx.Response) -> None:
        name, data, last_id = "message", "", None
        async for text in response.aiter_lines():
            if text.startswith(":"):
                self.comments += 1
            elif not text and data:
                self.events.append((name, json.loads(data), last_id))
                name, data = "message", ""
            elif text.startswith("event: "):
                name = text[7:]
            elif text.startswith("data: "):
                data = text[6:]
            elif text.startswith("id: "):
                last_id = text[4:]
        self.ended = True

    def named(self, name: str) -> list[dict[str, Any]]:
        return [data for of, data, _ in self.events if of == name]

    def told(self, case: Case) -> list[dict[str, Any]]:
        return [data for data in self.named("case") if data["case_id"] == case.case_id]


@dataclass
class Desk:
    url: str
    bootstrap: str
    database_url: str
    book: Any
    app: Any
    clock_file: Path
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    def client(self) -> httpx.AsyncClient:
        """Closed with the desk."""
        self.clients.append(httpx.AsyncClient(base_url=self.url, timeout=20.0))
        return self.clients[-1]

    async def sign_in(self, seat: str) -> httpx.AsyncClient:
        """`seat`: a hub's code for its dispatcher, or the name of another account."""
        client = self.client()
        name = f"dispatcher-{seat}" if seat.isdigit() else seat
        answer = await client.post("/v1/session", json={"username": name, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return client

    async def account_id(self, hub_code: str) -> str:
        found = await self.book.fetchval(
            "SELECT account_id::text FROM staff.accounts WHERE username = $1", f"dispatcher-{hub_code}"
        )
        return str(found)

    async def put(
        self, case: Case, *, due_at: datetime | None = None, changed_at: datetime | None = None
    ) -> Case:
        """The case's row as the router would leave it; see also `put_due`, `put_event`."""
        row = {column.name: getattr(case, column.name) for column in fields(case)}
        del row["deadlines"]
        row |= {
            "handler_hubs": list(case.handler_hubs),
            "side": side_text(case.side),
            "due_at": due_at or datetime.max.replace(tzinfo=UTC),
            "changed_at": changed_at or datetime.now(UTC),
        }
        keys = ", ".join(f"${n}" for n in range(1, len(row) + 1))
        await self.book.execute(
            f"INSERT INTO cases ({', '.join(row)}) VALUES ({keys})"
            " ON CONFLICT (case_id) DO UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in row),
            *row.values(),
        )
        return case

    async def put_due(self, case: Case, clock: str, stage: str, due_at: datetime, **changes: Any) -> None:
        row = {
            "case_id": case.case_id, "clock": clock, "stage": stage, "set_seq": 2, "limit_text": "4h OPS",
            "start_at": case.received_at, "due_at": due_at, "official": False, "step": "due",
            "next_at": due_at, "met_at": None, "closed_at": None, "pauses": [], **changes,
        }  # fmt: skip
        keys = ", ".join(f"${n}" for n in range(1, len(row) + 1))
        await self.book.execute(f"INSERT INTO deadlines ({', '.join(row)}) VALUES ({keys})", *row.values())

    async def put_event(
        self,
        case: Case,
        seq: int,
        type_: str,
        payload: dict[str, Any],
        *,
        actor_ref: str = "system",
        command_id: str | None = None,
    ) -> str:
        command_id = command_id or ids.uuid7(case.received_at, os.urandom(10))
        await self.book.execute(
            "INSERT INTO events VALUES ($1, $2, $3, $4, $5, $6, 1, 1, $7)",
            case.case_id, seq, type_, case.received_at, actor_ref, command_id, json.dumps(payload),
        )  # fmt: skip
        return command_id

    async def put_report(self, case: Case, *, photos: tuple[str, ...] = (), **content: Any) -> str:
        report_id = ids.uuid7(case.received_at, os.urandom(10))
        await self.book.execute(
            "INSERT INTO reports VALUES ($1, $2, $3, 'courier', $4, NULL, 'masked', NULL, $5, $6)",
            report_id, next(_numbers), case.case_id, case.category, case.received_at, list(photos),
        )  # fmt: skip
        known = {"name": None, "phone": None, "text": None, "lon": None, "lat": None, **content}
        await self.book.execute(
            "INSERT INTO private.report_contents (report_id, name, phone, text, lon, lat)"
            " VALUES ($1, $2, $3, $4, $5, $6)",
            report_id, *known.values(),
        )  # fmt: skip
        return report_id

    @contextlib.asynccontextmanager
    async def line(self, client: httpx.AsyncClient, query: str = "", **headers: str) -> AsyncIterator[Line]:
        line = Line()
        async with client.stream("GET", f"/v1/stream{query}", headers=headers) as response:
            assert response.status_code == 200, await response.aread()
            reading = asyncio.create_task(line.read(response))
            try:
                await until(lambda: line.comments)
                yield line
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async def publish(self, topic: str, *records: codec.Record) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, acks="all")
        await producer.start()
        try:
            for key, value, headers in records:
                await producer.send_and_wait(topic, value, key=key, headers=headers)
        finally:
            await producer.stop()

    async def publish_events(self, case: Case, seq: int, *bodies: Any) -> None:
        records = [
            codec.event_record(
                events.Event(
                    case_id=case.case_id,
                    seq=seq + n,
                    type=type(body).__name__,
                    occurred_at=case.received_at,
                    actor_ref="system",
                    command_id=case.case_id,
                    cycle=1,
                    city_version=1,
                    payload=body,
                )
            )
            for n, body in enumerate(bodies)
        ]
        await self.publish(codec.CASE_EVENTS, *records)

    async def settle(self, outcome: Outcome) -> None:
        """Record an outcome and publish it, as the router does after its transaction."""
        await self.book.execute(
            "INSERT INTO outcomes VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            outcome.command_id, outcome.case_id, outcome.outcome, outcome.code, outcome.detail, outcome.field,
            json.dumps(outcome.events), outcome.decided_at,
        )  # fmt: skip
        await self.publish(codec.COMMAND_OUTCOMES, codec.outcome_record(outcome))

    @contextlib.asynccontextmanager
    async def commands(self) -> AsyncIterator[Callable[[], Any]]:
        """`await next_command()`: the next CaseCommand that the board sends up the line from now on."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, enable_auto_commit=False)
        await consumer.start()
        try:
            places = [TopicPartition(codec.CASE_COMMANDS, n) for n in range(8)]
            consumer.assign(places)
            for place, end in (await consumer.end_offsets(places)).items():
                consumer.seek(place, end)

            async def next_command() -> CaseCommand:
                record = await asyncio.wait_for(consumer.getone(), 10.0)
                command: CaseCommand = codec.decode(record.headers, record.value)
                return command

            yield next_command
        finally:
            await consumer.stop()


def settings_of(database_url: str, bootstrap: str, folder: Path) -> Settings:
    return Settings(
        database_url=database_url,
        kafka_bootstrap=bootstrap,
        pioneer_secret=SECRET,
        seal_keys=SEAL_KEYS,
        pioneer_data=folder,
        clock_offset_file=folder / "clock",
        public_url=None,
    )


@contextlib.asynccontextmanager
async def open_desk(
    database_url: str, bootstrap: str, folder: Path, *, wait_ready: bool = True
) -> AsyncIterator[Desk]:
    await city_book.load_folder(database_url, PROJECT / "deploy/city/wuzhong")
    await ensure_sample_staff(database_url, PASSWORD)
    app = build_app(settings_of(database_url, bootstrap, folder))
    app.state.stopping = asyncio.Event()
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(app, lifespan="on", log_config=None, timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    book = await connect(database_url, room="tests")
    desk = Desk(
        url=f"http://127.0.0.1:{listener.getsockname()[1]}",
        bootstrap=bootstrap,
        database_url=database_url,
        book=book,
        app=app,
        clock_file=folder / "clock",
    )
    try:
        if wait_ready:
            await _ready(desk)
        yield desk
    finally:
        for client in desk.clients:
            await client.aclose()
        app.state.stopping.set()
        server.should_exit = True
        await asyncio.wait_for(serving, 15.0)
        await book.close(timeout=5.0)


async def _ready(desk: Desk) -> None:
    deadline = asyncio.get_running_loop().time() + 20.0
    client = desk.client()
    said = "nothing"
    while asyncio.get_running_loop().time() < deadline:
        with contextlib.suppress(httpx.TransportError):
            answer = await client.get("/readyz")
            if answer.status_code == 200:
                return
            said = answer.text
        await asyncio.sleep(0.02)
    raise AssertionError(f"the board is not ready: {said}")
