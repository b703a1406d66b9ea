"""What the book says of one report to whoever holds its tracking code: state, dues, milestones, photos."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg

from services.adapters.codec import decode_body
from services.adapters.postgres import LOST, describe, load_sql, open_pool
from services.domain.city import LAST_STAGE
from services.domain.events import PhotosAdded, ResolutionSubmitted

SQL: Final = load_sql("public_status")
_SECONDS: Final = 2.0

# What the public may know of. Warnings, escalations, comments and the like stay inside.
PUBLIC_EVENTS: Final = (
    "CaseFiled",
    "CaseDispatched",
    "CaseReassigned",
    "CaseAccepted",
    "WorkStarted",
    "MilestoneReached",
    "ResolutionSubmitted",
    "VerificationAssigned",
    "VerificationPassed",
    "VerificationFailed",
    "VerificationLapsed",
    "WorkRestarted",
    "PhotosAdded",
)


class BookAway(Exception):
    """The database does not answer now. The question may be asked again."""


@dataclass(frozen=True, slots=True)
class PublicEvent:
    type: str
    at: datetime
    actor_ref: str
    body: Any


@dataclass(frozen=True, slots=True)
class PublicReport:
    report_id: str
    case_id: str
    state: str
    unverified: bool
    hub_code: str
    received_at: datetime
    due_at: datetime | None
    photos: tuple[str, ...]
    events: tuple[PublicEvent, ...]

    @property
    def actor_ref(self) -> str:
        return f"report:{self.report_id}"

    @property
    def photos_before(self) -> tuple[str, ...]:
        """Those of this report: sent with it or later by whoever holds its code."""
        added = (p for e in self._added("before") if e.actor_ref == self.actor_ref for p in e.body.photos)
        return tuple(dict.fromkeys((*self.photos, *added)))

    @property
    def photos_after(self) -> tuple[str, ...]:
        """Those of the resolution."""
        resolved = (p for e in self.events if isinstance(e.body, ResolutionSubmitted) for p in e.body.photos)
        added = (photo for event in self._added("after") for photo in event.body.photos)
        return tuple(dict.fromkeys((*resolved, *added)))

    def _added(self, kind: str) -> Iterator[PublicEvent]:
        return (e for e in self.events if isinstance(e.body, PhotosAdded) and e.body.kind == kind)


class PublicStatus:
    """Opens its pool with the first question, so a door starts and works without the database."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def find(self, tracking: int) -> PublicReport | None:
        """None when no report with this tracking number is in the book yet."""
        try:
            pool = await self._opened()
            async with pool.acquire(timeout=_SECONDS) as conn:
                report = await conn.fetchrow(SQL["find_report"], tracking, LAST_STAGE)
                if report is None:
                    return None
                rows = await conn.fetch(SQL["read_history"], report["case_id"], list(PUBLIC_EVENTS))
        except (*LOST, asyncpg.PostgresError) as error:
            raise BookAway(describe(error)) from error
        return PublicReport(
            report_id=report["report_id"],
            case_id=report["case_id"],
            state=report["state"],
            unverified=report["unverified"],
            hub_code=report["hub_code"],
            received_at=report["received_at"],
            due_at=report["due_at"],
            photos=tuple(report["photos"]),
            events=tuple(
                PublicEvent(
                    row["type"],
                    row["occurred_at"],
                    row["actor_ref"],
                    decode_body(row["type"], row["payload"]),
                )
                for row in rows
            ),
        )

    async def _opened(self) -> asyncpg.Pool[asyncpg.Record]:
        if self._pool is None:
            self._pool = await open_pool(
                self._url, room="intake", min_size=0, max_size=4, command_timeout=_SECONDS
            )
        return self._pool

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.terminate()
