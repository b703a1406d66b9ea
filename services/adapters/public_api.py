"""The public API as an outside program meets it: a report is posted until it is confirmed or refused.

503, a cut line and a time-out all mean "not confirmed": the same key is sent again, with a bound.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

CONNECT_SECONDS: Final = 3.0
ANSWER_SECONDS: Final = 10.0
ATTEMPTS: Final = 8
FIRST_WAIT_SECONDS: Final = 0.25
LONGEST_WAIT_SECONDS: Final = 8.0

_NOT_CONFIRMED: Final = (429, 502, 503, 504)


class NobodyThere(ConnectionError):
    """Nothing answers at the address; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` is None when no attempt was confirmed or refused; `detail` says why."""

    status: int | None
    body: Mapping[str, Any]
    attempts: int
    detail: str = ""


class PublicApi:
    def __init__(self, url: str, *, connections: int) -> None:
        self._url = url.rstrip("/")
        self._connections = connections

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections),
            timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS, sock_connect=CONNECT_SECONDS),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def look(self) -> None:
        """NobodyThere unless a door answers at all."""
        try:
            async with self._session.get(f"{self._url}/healthz") as answer:
                await answer.read()
        except ValueError:
            raise NobodyThere(f"`{self._url}` is not a URL such as http://127.0.0.1:8000") from None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NobodyThere(
                f"no door answers at {self._url} ({_reason(error)}): start it with `make run`, or give --url"
            ) from None

    async def post_report(self, body: Mapping[str, Any], *, key: str) -> Answer:
        wait, detail = FIRST_WAIT_SECONDS, ""
        for attempt in range(1, ATTEMPTS + 1):
            asked = 0.0
            try:
                async with self._session.post(
                    f"{self._url}/v1/reports", json=body, headers={"Idempotency-Key": key}
                ) as answer:
                    if answer.status not in _NOT_CONFIRMED:
                        return Answer(answer.status, _object(await answer.read()), attempt)
                    detail = f"HTTP {answer.status}"
                    asked = _seconds(answer.headers.get("Retry-After"))
            except (aiohttp.ClientError, TimeoutError) as error:
                detail = _reason(error)
            if attempt < ATTEMPTS:
                await asyncio.sleep(min(max(wait, asked), LONGEST_WAIT_SECONDS))
                wait *= 2
        return Answer(None, {}, ATTEMPTS, detail)


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno
        return os.strerror(number) if number is not None else "cannot connect"
    return str(error) or type(error).__name__


def _object(raw: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(raw)
    except ValueError:
        said = None
    return said if isinstance(said, dict) else {}


def _seconds(text: str | None) -> float:
    return float(text) if text is not None and text.isdecimal() else 0.0
