"""The door, wired: settings → producer, seal, photo store, city feed → routes. Nothing happens at import."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.adapters.city_feed import CityFeed
from services.adapters.clock import Clock
from services.adapters.guard import Guard
from services.adapters.kafka_producer import Producer
from services.adapters.ops_http import ops_routes
from services.adapters.photos import PhotoStore
from services.adapters.problems import install_problems
from services.adapters.public_status import PublicStatus
from services.adapters.seal import SealKeys
from services.adapters.settings import Settings
from services.intake import commands, documents, lists, photos, reports, status
from services.intake.door import NAME, Door
from services.intake.pages import page_routes
from services.intake.tracking import tracking_routes

PHOTO_PATHS: Final = re.compile(r"/v1/photos|/v1/reports/[^/]+/photos")


class PlainRoute(APIRoute):
    """Documented like the others; but the endpoint takes the request, and nothing stands between."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        endpoint = self.endpoint

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            response: Response = await endpoint(Request(scope, receive, send))
            await response(scope, receive, send)

        self.app = app


def make_app(settings: Settings) -> FastAPI:
    clock = Clock(settings.clock_offset_file)
    secret = bytes.fromhex(settings.require("pioneer_secret"))
    database_url = settings.require("database_url")
    door = Door(
        secret=secret,
        seal_keys=SealKeys(settings.require("seal_keys")),
        clock=clock,
        producer=Producer(settings.require("kafka_bootstrap"), client_id=NAME),
        photos=PhotoStore(settings.photos_folder, secret),
        public_status=PublicStatus(database_url),
    )
    feed = CityFeed(database_url, clock, folder=settings.city_folder, on_city=door.use)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await door.producer.start()
        await feed.start()
        yield
        await feed.stop()
        await door.producer.stop()
        await door.public_status.close()

    app = FastAPI(
        title="Pioneer Hub intake",
        version="1",
        lifespan=lifespan,
        redoc_url=None,
        # Our own metrics measure; looking for a tracer costs every request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.door = door
    install_problems(app)
    app.add_middleware(Guard, service=NAME, photo_paths=PHOTO_PATHS, public_url=settings.public_url)
    _add_routes(app)
    # Readiness follows the broker; the database may be away.
    checks = {"broker": door.producer.check, "city": feed.check_city, "clock": feed.check_clock}
    app.router.routes.extend(ops_routes(checks, room=NAME))
    return app


def _add_routes(app: FastAPI) -> None:
    for method, path, endpoint, extra in (
        ("POST", "/v1/reports", reports.post_report, documents.POST_REPORT),
        ("POST", "/v1/photos", photos.post_photo, documents.POST_PHOTO),
        ("GET", "/v1/reports/{tracking_code}", status.get_status, documents.GET_STATUS),
        ("POST", "/v1/reports/{tracking_code}/photos", photos.post_report_photo, documents.POST_REPORT_PHOTO),
        ("GET", "/v1/reports/{tracking_code}/photos/{photo_id}", photos.get_photo, documents.GET_PHOTO),
        ("POST", "/v1/reports/{tracking_code}/commands", commands.post_command, documents.POST_COMMAND),
        (
            "GET",
            "/v1/reports/{tracking_code}/commands/{command_id}",
            commands.get_command,
            documents.GET_COMMAND,
        ),
        ("GET", "/v1/categories", lists.get_categories, documents.GET_CATEGORIES),
        ("GET", "/v1/hubs", lists.get_hubs, documents.GET_HUBS),
    ):
        success = int(next(iter(extra["responses"])))
        app.router.routes.append(
            PlainRoute(
                path,
                endpoint,
                methods=[method],
                status_code=success,
                response_model=None,
                openapi_extra=extra,
                description=endpoint.__doc__,
            )
        )
    app.router.routes.extend([*page_routes(), *tracking_routes()])
    written = app.openapi

    def with_components() -> dict[str, Any]:
        document = written()
        document.setdefault("components", {}).setdefault("schemas", {}).update(documents.COMPONENTS)
        return document

    app.openapi = with_components  # type: ignore[method-assign]
