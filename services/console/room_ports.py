"""Which port each part takes, and that all of them are free before anything is started."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from services.adapters.embedded import ports
from services.adapters.embedded.cannot_start import CannotStart
from services.adapters.embedded.kafka import HOST as KAFKA_HOST
from services.adapters.embedded.postgres import HOST as POSTGRES_HOST
from services.adapters.settings import Settings

PORTS_APART: Final = 10


def room_port(settings: Settings, room: str) -> int:
    port: int = getattr(settings, f"{room}_port")
    return port


async def demand_ports(settings: Settings, rooms: Sequence[str], *, kafka: bool, postgres: bool) -> None:
    wanted: list[tuple[str, int, str]] = []
    if kafka:
        wanted.append((KAFKA_HOST, settings.kafka_port, "KAFKA_PORT"))
        wanted.append((KAFKA_HOST, settings.kafka_controller_port, "KAFKA_CONTROLLER_PORT"))
    if postgres:
        wanted.append((POSTGRES_HOST, settings.postgres_port, "POSTGRES_PORT"))
    for room in rooms:
        count = settings.router_workers if room == "router" else 1
        first, variable = room_port(settings, room), f"{room.upper()}_PORT"
        wanted.extend((settings.host, first + PORTS_APART * index, variable) for index in range(count))
    twice = {port for _, port, _ in wanted if sum(port == other for _, other, _ in wanted) > 1}
    for port in twice:
        names = " and ".join(sorted({name for _, other, name in wanted if other == port}))
        raise CannotStart(f"port {port} is given to {names}: set one of them to a free port")
    await asyncio.gather(*(ports.demand_free(*place) for place in wanted))
