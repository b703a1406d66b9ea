"""The city a door works with: read from the book, read again when another version is active.

Rules: a door lives without the database. What it knows it keeps; if it starts while the database is away it
takes the city's folder, whose codes the book will nearly always know too, and looks on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

import asyncpg
import structlog

from services.adapters import city_book, metrics
from services.adapters.city_files import read_city, read_folder
from services.adapters.clock import Clock
from services.adapters.health import MOST_SKEW
from services.adapters.health import SQL as HEALTH_SQL
from services.adapters.postgres import LOST, connect, describe
from services.domain.city import City
from services.domain.city_problems import CityProblems

_LOOK_EVERY_S: Final = 2.0
_ANSWER_S: Final = 5.0

_AWAY: Final = (*LOST, asyncpg.PostgresError)
_log = structlog.get_logger()


class CityFeed:
    """`on_city` is told every city, the first included, before it is the one to be used."""

    def __init__(
        self, database_url: str, clock: Clock, *, folder: Path, on_city: Callable[[City], None]
    ) -> None:
        self._url = database_url
        self._clock = clock
        self._folder = folder
        self._on_city = on_city
        self._conn: asyncpg.Connection[asyncpg.Record] | None = None
        self._version: int | None = None
        self._skew: timedelta | None = None
        self._task: asyncio.Task[None] | None = None
        self._trouble: str | None = "no city was read yet"

    async def start(self) -> None:
        """One look, then one every 2 s in the background."""
        if not await self._look():
            self._take_folder()
        self._task = asyncio.create_task(self._look_on(), name="city-feed")

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            await self._look()

    async def _look(self) -> bool:
        try:
            async with asyncio.timeout(_ANSWER_S):
                if self._conn is None or self._conn.is_closed():
                    self._conn = await connect(self._url, room="intake-city", command_timeout=_ANSWER_S)
                await self._compare_clocks(self._conn)
                version = await city_book.active_version(self._conn)
            if version != self._version:
                city, _ = await city_book.read_version(self._conn, version)
                self._take(city)
        except (*_AWAY, city_book.NoCityLoaded, CityProblems) as error:
            self._drop_connection()
            reason = describe(error)
            if self._version is None and reason != self._trouble:
                self._trouble = reason
                _log.warning("city_not_read", reason=reason)
            return False
        return True

    async def _compare_clocks(self, conn: asyncpg.Connection[asyncpg.Record]) -> None:
        asked_at = self._clock.now()
        skew: timedelta = asked_at - (await conn.fetchval(HEALTH_SQL["database_now"]) + self._clock.offset)
        self._skew = skew
        metrics.clock_skew_seconds.set(skew.total_seconds())

    def _take_folder(self) -> None:
        # Version 0 is never the book's, so the first look that succeeds replaces it.
        with contextlib.suppress(CityProblems):
            self._take(read_city(read_folder(self._folder), 0))
            _log.warning("city_taken_from_folder", folder=str(self._folder), reason=self._trouble)

    def _take(self, city: City) -> None:
        self._on_city(city)
        self._version = city.version
        self._trouble = None
        _log.info("city_read", version=city.version)

    async def check_city(self) -> str | None:
        return self._trouble

    async def check_clock(self) -> str | None:
        """Only a skew that was seen: a database that is away tells nothing about our clock."""
        if self._skew is None or abs(self._skew) <= MOST_SKEW:
            return None
        return f"this clock is {self._skew.total_seconds():+.1f} s off the database's"

    def _drop_connection(self) -> None:
        if self._conn is not None:
            self._conn.terminate()
            self._conn = None

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._drop_connection()
