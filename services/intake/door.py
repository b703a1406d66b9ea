"""What the calls of this door share; made once in the lifespan, found at `request.app.state.door`."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.requests import Request

from services.adapters.clock import Clock
from services.adapters.kafka_producer import Producer
from services.adapters.photos import PhotoStore
from services.adapters.problems import unavailable
from services.adapters.public_status import PublicStatus
from services.adapters.seal import SealKeys
from services.domain.city import City
from services.intake.lists import CityLists
from services.intake.throttle import Throttle

NAME = "intake"


@dataclass(slots=True)
class Door:
    """All but `city` and its `lists` stay as they were made."""

    secret: bytes
    seal_keys: SealKeys
    clock: Clock
    producer: Producer
    photos: PhotoStore
    public_status: PublicStatus
    city: City | None = None
    lists: CityLists | None = field(default=None, repr=False)
    throttle: Throttle = field(default_factory=Throttle, repr=False)

    def use(self, city: City) -> None:
        self.lists = CityLists(city)
        self.city = city

    def known_city(self) -> City:
        if self.city is None:
            raise unavailable("The city is not loaded yet.", retry_after=2, code="no_city")
        return self.city


def door_of(request: Request) -> Door:
    door: Door = request.app.state.door
    return door
