"""What the book says of one report to whoever holds its tracking code: its case, dues, history, photos."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import asyncpg
import msgspec

from services.adapters.codec import decode_body
from services.adapters.postgres import LOST, describe, load_sql, open_pool
from services.adapters.rows import case_from_row, outcome_from_row
from services.domain import ids
from services.domain.case import Case
from services.domain.city import LAST_STAGE
from services.domain.errors import Malformed
from services.domain.events import PhotosAdded, ResolutionSubmitted
from services.domain.messages import Outcome

SQL: Final = load_sql("public_status")
_SECONDS: Final = 2.0

# What the public may know of. Warnings, escalations, requests among units and the like stay inside.
PUBLIC_EVENTS: Final = (
    "TriageStarted",
    "CaseFiled",
    "CaseDispatched",
    "InfoRequested",
    "InfoSupplied",
    "ReportDeclined",
    "DeclineAppealed",
    "ReportRedirected",
    "ReportAttached",
    "ReportDetached",
    "CaseDetached",
    "ReportAdded",
    "ReturnApproved",
    "CaseReassigned",
    "CaseAccepted",
    "WorkStarted",
    "MilestoneReached",
    "CaseDecomposed",
    "ChildResolved",
    "JointRequested",
    "ExtensionGranted",
    "CaseSuspended",
    "CaseResumed",
    "ResolutionSubmitted",
    "VerificationAssigned",
    "VerificationPassed",
    "VerificationFailed",
    "VerificationLapsed",
    "WorkRestarted",
    "NoResponseClosed",
    "CallbackRecorded",
    "CaseReopened",
    "ReportWithdrawn",
    "CaseUrged",
    "CommentAdded",
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
    case_id: str = ""


@dataclass(frozen=True, slots=True)
class PublicReport:
    """`case` is the one it stands with now, without its deadlines; `events` are that one's and its own's."""

    report_id: str
    received_at: datetime
    photos: tuple[str, ...]
    case: Case
    due_at: datetime | None
    original_due_at: datetime | None
    """What was promised before an extension."""
    events: tuple[PublicEvent, ...]
    question: str | None = None
    """What the reporter is asked, while the case waits for the answer."""
    part_categories: Mapping[str, str] = field(default_factory=dict)

    @property
    def actor_ref(self) -> str:
        return f"report:{self.report_id}"

    @property
    def own_case_id(self) -> str:
        """The case that began with it, or would have."""
        return ids.case_id(self.received_at, self.report_id)

    @property
    def photos_before(self) -> tuple[str, ...]:
        """Those of this report: sent with it or later by whoever holds its code."""
        added = (p for e in self._added("before") if e.actor_ref == self.actor_ref for p in e.body.photos)
        answered = (
            p
            for e in self.events
            if e.type == "InfoSupplied" and e.actor_ref == self.actor_ref
            for p in e.body.photos
        )
        return tuple(dict.fromkeys((*self.photos, *added, *answered)))

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
        async with self._asking() as conn:
            row = await conn.fetchrow(SQL["find_report"], tracking, LAST_STAGE)
            if row is None:
                return None
            case = _case_of(row)
            report = PublicReport(
                report_id=str(row["sent_id"]),
                received_at=row["sent_at"],
                photos=tuple(row["photos"]),
                case=case,
                due_at=row["promised_at"],
                original_due_at=row["first_promised_at"],
                events=(),
            )
            history = await conn.fetch(
                SQL["read_history"], [case.case_id, report.own_case_id], list(PUBLIC_EVENTS)
            )
            asked = await conn.fetchval(SQL["read_question"], case.case_id) if _is_asked(case) else None
            parts = [part.case_id for part in case.side.parts]
            categories = await conn.fetch(SQL["read_categories"], parts) if parts else []
        return replace(
            report,
            events=tuple(_in_order(history, case.case_id)),
            question=asked,
            part_categories={part["case_id"]: part["category"] for part in categories},
        )

    async def outcome(self, command_id: str) -> Outcome | None:
        """None while the book does not know the command."""
        async with self._asking() as conn:
            row = await conn.fetchrow(SQL["read_outcome"], command_id)
        return outcome_from_row(row) if row is not None else None

    async def own_events(self, outcome: Outcome, actor_ref: str) -> list[dict[str, Any]]:
        """The events of a command that its sender made; what followed of itself stays inside."""
        if not outcome.events:
            return []
        cases = [case_id for case_id, _, _ in outcome.events]
        async with self._asking() as conn:
            rows = await conn.fetch(SQL["read_own_events"], cases, outcome.command_id, actor_ref)
        return [{**row, "payload": msgspec.Raw(row["payload"].encode())} for row in rows]

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[Any]:
        try:
            pool = await self._opened()
            async with pool.acquire(timeout=_SECONDS) as conn:
                yield conn
        except (*LOST, asyncpg.PostgresError) as error:
            raise BookAway(describe(error)) from error

    async def _opened(self) -> asyncpg.Pool[asyncpg.Record]:
        if self._pool is None:
            self._pool = await open_pool(
                self._url, room="intake", min_size=0, max_size=4, command_timeout=_SECONDS
            )
        return self._pool

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.terminate()


def _is_asked(case: Case) -> bool:
    return case.state == "need_info"


def _case_of(row: Any) -> Case:
    """A router that is newer may have written aside what this door cannot read: it does without."""
    try:
        return case_from_row(row)
    except msgspec.MsgspecError:
        return case_from_row({**row, "side": None})


def _in_order(rows: Iterable[Any], case_id: str) -> Iterator[PublicEvent]:
    """Of two cases by time, the own one's first where both say the same; what cannot be read is left out."""
    for row in sorted(rows, key=lambda row: (row["occurred_at"], row["case_id"] == case_id, row["seq"])):
        try:
            body = decode_body(row["type"], row["payload"])
        except Malformed:
            continue
        yield PublicEvent(row["type"], row["occurred_at"], row["actor_ref"], body, row["case_id"])
