"""The board, wired: routes, the book's views, staff, the line to the router and the reader of its answers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from services.adapters import logs
from services.adapters.board_views import AWAY, BoardViews, open_board_pool
from services.adapters.clock import Clock
from services.adapters.codec import CASE_COMMANDS, CASE_EVENTS, COMMAND_OUTCOMES
from services.adapters.guard import Guard
from services.adapters.health import DatabaseHealth
from services.adapters.kafka_producer import Producer
from services.adapters.kafka_reader import Reader
from services.adapters.ops_http import Check, ops_routes, run_app
from services.adapters.photos import PhotoStore
from services.adapters.problems import install_problems, unavailable
from services.adapters.seal import SealKeys
from services.adapters.settings import Settings
from services.adapters.staff import Staff
from services.adapters.statistics import Statistics
from services.board import (
    active_city,
    areas,
    cases,
    commands,
    pages,
    partners,
    photos,
    queue,
    sessions,
    statistics,
    stream,
)
from services.board.active_city import ActiveCity
from services.board.nudges import Nudges
from services.board.outcomes import OutcomeWaits
from services.board.parts import Parts
from services.board.throttle import GuestThrottle, SignInThrottle
from services.domain.events import Event
from services.domain.messages import Outcome

ROOM: Final = "board"
_PHOTO_PATHS: Final = re.compile(r"/v1/photos|/p/[0-9a-z]{57}/photos")


def build_app(settings: Settings) -> FastAPI:
    database_url = settings.require("database_url")
    bootstrap = settings.require("kafka_bootstrap")
    secret = bytes.fromhex(settings.require("pioneer_secret"))
    seals = SealKeys(settings.require("seal_keys"))
    clock = Clock(settings.clock_offset_file)
    health = DatabaseHealth(database_url, clock)
    producer = Producer(bootstrap, client_id=ROOM, topics=(CASE_COMMANDS,))
    checks: dict[str, Check] = {"database": health.check, "broker": producer.check}

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        pool = await open_board_pool(database_url)
        views = BoardViews(pool)
        city = ActiveCity(views)
        waits = OutcomeWaits()
        nudges = Nudges(views, city, clock)

        def read(messages: Sequence[Any]) -> None:
            # Outcomes first: somebody waits for each of them.
            waits.arrived(message for message in messages if isinstance(message, Outcome))
            nudges.happened(message for message in messages if isinstance(message, Event))

        reader = Reader(
            bootstrap, (CASE_EVENTS, COMMAND_OUTCOMES), read, on_gap=nudges.everybody_reads_again, room=ROOM
        )

        async def reads() -> str | None:
            return None if reader.ready else "events and outcomes are not being read"

        app.state.parts = Parts(
            clock=clock,
            city=city,
            views=views,
            statistics=Statistics(pool),
            staff=Staff(pool, clock),
            throttle=SignInThrottle(),
            guests=GuestThrottle(),
            producer=producer,
            waits=waits,
            nudges=nudges,
            photos=PhotoStore(settings.photos_folder, secret),
            seals=seals,
            secret=secret,
            secure_cookie=(settings.public_url or "").startswith("https://"),
        )
        checks.update(reader=reads, city=city.not_ready)
        await producer.start()
        reader.start()
        running = [asyncio.create_task(city.keep_fresh()), asyncio.create_task(nudges.run())]
        stopping: asyncio.Event | None = getattr(app.state, "stopping", None)
        if stopping is not None:
            running.append(asyncio.create_task(_close_when(stopping, nudges)))
        try:
            yield
        finally:
            nudges.close()
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            await asyncio.gather(reader.stop(), producer.stop(), health.close())
            await asyncio.wait_for(pool.close(), 5.0)

    app = FastAPI(title="Pioneer Hub: board", lifespan=lifespan, redoc_url=None)
    install_problems(app)
    for kind in AWAY:
        app.add_exception_handler(kind, _book_is_away)
    rooms = (
        sessions,
        queue,
        cases,
        commands,
        photos,
        stream,
        active_city,
        areas,
        partners,
        statistics,
        pages,
    )
    for room in rooms:
        app.include_router(room.routes)
    pages.mount_static(app)
    app.router.routes.extend(ops_routes(checks, room=ROOM))
    app.add_middleware(Guard, service=ROOM, photo_paths=_PHOTO_PATHS, public_url=settings.public_url)
    return app


async def _close_when(stopping: asyncio.Event, nudges: Nudges) -> None:
    await stopping.wait()
    nudges.close()


async def _book_is_away(_request: Request, _error: Exception) -> Response:
    return unavailable("The book does not answer at this moment: try again.", retry_after=2).response()


def main() -> None:
    settings = Settings()
    logs.configure(ROOM, settings)
    run_app(build_app(settings), settings.host, settings.board_port, trusted_proxies=settings.trusted_proxies)
