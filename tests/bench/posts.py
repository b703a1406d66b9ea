"""The cheapest client that still speaks HTTP: raw sockets, keep-alive, one request under way per connection.

`drive` is a closed loop (each connection posts again when it is answered), `pace` an open one (a request
is due at its instant, whether or not earlier ones are answered; time counts from that instant).
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

_LENGTH: Final = b"content-length:"
_HEAD: Final = (
    "POST /v1/reports HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
    "Content-Length: {length}\r\nIdempotency-Key: "
)
_ANSWER_SECONDS: Final = 20.0

Answered = Callable[[int, bytes], None]
"""status, body"""


def requests(bodies: Sequence[dict[str, Any]]) -> list[tuple[bytes, bytes]]:
    """Head and tail of each request; the key stands between them."""
    made = []
    for body in bodies:
        text = json.dumps(body, ensure_ascii=False).encode()
        made.append((_HEAD.format(length=len(text)).encode(), b"\r\n\r\n" + text))
    return made


class Connection(asyncio.Protocol):
    def __init__(self, broken: Callable[[], None]) -> None:
        self._broken = broken
        self._buffer = b""
        self._answered: Answered | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def post(self, request: tuple[bytes, bytes], answered: Answered) -> None:
        self._answered = answered
        self._transport.write(request[0] + str(uuid.uuid4()).encode() + request[1])

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.find(_LENGTH) + len(_LENGTH)
        length = int(head[at : (head + b"\r\n").find(b"\r\n", at)])
        if len(self._buffer) < end + 4 + length:
            return
        status, body = int(head[9:12]), self._buffer[end + 4 :]
        self._buffer = b""
        answered, self._answered = self._answered, None
        if answered is not None:
            answered(status, body)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answered is not None:
            self._broken()

    def close(self) -> None:
        self._answered = None
        self._transport.close()


@dataclass
class Tally:
    """What came of the posts. `seconds` is the time of the measured part, without the warm-up."""

    accepted: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    def refuse(self, why: str) -> None:
        self.refused[why] = self.refused.get(why, 0) + 1


async def open_connections(host: str, port: int, count: int, tally: Tally) -> list[Connection]:
    loop = asyncio.get_running_loop()
    opened = []
    for _ in range(count):
        _, connection = await loop.create_connection(
            lambda: Connection(lambda: tally.refuse("connection lost")), host, port
        )
        opened.append(connection)
    return opened


async def drive(
    host: str,
    port: int,
    bodies: Sequence[dict[str, Any]],
    *,
    connections: int,
    warm_up: float,
    seconds: float,
) -> Tally:
    """As fast as it goes."""
    tally = Tally()
    wanted = requests(bodies)
    begin = time.perf_counter() + warm_up
    end = begin + seconds

    def again(connection: Connection, number: int) -> None:
        sent = time.perf_counter()

        def answered(status: int, body: bytes) -> None:
            now = time.perf_counter()
            if status != 202:
                tally.refuse(f"{status} {body[:200].decode('utf-8', 'replace')}")
            elif begin <= now < end:
                tally.accepted += 1
                tally.latencies.append(now - sent)
            if now < end:
                again(connection, number + 1)

        connection.post(wanted[number % len(wanted)], answered)

    opened = await open_connections(host, port, connections, tally)
    for number, connection in enumerate(opened):
        again(connection, number)
    await asyncio.sleep(end - time.perf_counter() + 0.2)
    for connection in opened:
        connection.close()
    tally.seconds = seconds
    return tally


async def pace(
    host: str,
    port: int,
    bodies: Sequence[dict[str, Any]],
    *,
    rate: float,
    count: int,
    accepted: Callable[[str, float, float], None],
) -> Tally:
    """`count` posts, one every 1/rate s; `accepted(report_id, due, answered)` for each 202."""
    tally = Tally()
    wanted = requests(bodies)
    idle = await open_connections(host, port, 64, tally)
    every = list(idle)
    begin = time.perf_counter() + 0.1

    def send(connection: Connection, number: int, due: float) -> None:
        def answered(status: int, body: bytes) -> None:
            now = time.perf_counter()
            idle.append(connection)
            if status == 202:
                tally.accepted += 1
                tally.latencies.append(now - due)
                accepted(json.loads(body)["report_id"], due, now)
            else:
                tally.refuse(f"{status} {body[:200].decode('utf-8', 'replace')}")

        connection.post(wanted[number % len(wanted)], answered)

    for number in range(count):
        due = begin + number / rate
        wait = due - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        if not idle:
            more = await open_connections(host, port, 1, tally)
            idle += more
            every += more
        send(idle.pop(), number, due)
    deadline = time.perf_counter() + _ANSWER_SECONDS
    while tally.accepted + sum(tally.refused.values()) < count and time.perf_counter() < deadline:
        await asyncio.sleep(0.02)
    for connection in every:
        connection.close()
    tally.seconds = count / rate
    return tally
