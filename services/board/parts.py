"""What the board is made of, built once in app.py and handed to every route."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from services.adapters.board_views import BoardViews
from services.adapters.clock import Clock
from services.adapters.kafka_producer import Producer
from services.adapters.photos import PhotoStore
from services.adapters.seal import SealKeys
from services.adapters.staff import Staff
from services.adapters.statistics import Statistics
from services.board.active_city import ActiveCity
from services.board.nudges import Nudges
from services.board.outcomes import OutcomeWaits
from services.board.throttle import GuestThrottle, SignInThrottle


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    clock: Clock
    city: ActiveCity
    views: BoardViews
    statistics: Statistics
    staff: Staff
    throttle: SignInThrottle
    guests: GuestThrottle
    producer: Producer
    waits: OutcomeWaits
    nudges: Nudges
    photos: PhotoStore
    seals: SealKeys
    secret: bytes
    secure_cookie: bool


def parts_of(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


Board = Annotated[Parts, Depends(parts_of)]
