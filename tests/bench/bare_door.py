"""The bare limit of a door: FastAPI and aiokafka, acks=all, and nothing else. Same server, same settings."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI, Request
from fastapi.responses import Response

from services.adapters.codec import REPORTS


def make_app(bootstrap: str) -> FastAPI:
    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
            app.state.producer = producer
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/v1/reports", status_code=202)
    async def post_report(request: Request) -> dict[str, Any]:
        await request.json()
        key = request.headers["idempotency-key"]
        await app.state.producer.send_and_wait(REPORTS, await request.body(), key=key.encode())
        return {"report_id": key}

    @app.get("/readyz")
    async def ready() -> Response:
        return Response()

    return app


if __name__ == "__main__":
    uvicorn.run(
        make_app(sys.argv[1]),
        host="127.0.0.1",
        port=int(sys.argv[2]),
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        log_level="warning",
    )
