"""What the board reads from the book: queues, a case with its history, outcomes, and what has just changed.

Rules: reads only, in one snapshot per answer; the right to read is in the SQL (`Scope`), the same as
domain.access.may_read, so that totals and pages agree for every caller.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import asyncpg

from services.adapters.areas import Areas
from services.adapters.city_book import active_version, read_version
from services.adapters.postgres import LOST, load_sql, open_pool
from services.adapters.rows import case_from_row, deadline_from_row, outcome_from_row
from services.domain.case import Case, Deadline
from services.domain.city import City
from services.domain.messages import Actor, Outcome

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

SQL: Final = load_sql("board")

AWAY: Final[tuple[type[Exception], ...]] = (
    *LOST,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
)
"""The database does not answer now: nothing is wrong with the question, it may be asked again."""

_ACQUIRE_SECONDS: Final = 3.0

Sort = Literal["due", "received_at", "newest", "priority"]
WaitsAt = Literal["triage", "callback"]
_SORTS: Final[dict[Sort, tuple[str, str, str, str]]] = {
    "due": ("due_at", "timestamptz", "ASC", ">"),
    "received_at": ("received_at", "timestamptz", "ASC", ">"),
    "newest": ("received_at", "timestamptz", "DESC", "<"),
    "priority": ("priority", "text", "ASC", ">"),
}


def _sorted_by(column: str, kind: str, way: str, beyond: str) -> str:
    told = SQL.queue.replace("sort_column", column).replace("sort_type", kind)
    return _for_readers(told.replace("sort_way", way).replace("sort_beyond", beyond))


def _for_readers(statement: str) -> str:
    return statement.replace("may_be_read", SQL.may_be_read)


QUEUE: Final[dict[Sort, str]] = {sort: _sorted_by(*how) for sort, how in _SORTS.items()}
CHANGED_SINCE: Final = _for_readers(SQL.changed_since)


async def open_board_pool(database_url: str) -> Pool:
    """Statements are planned for their values: the optional filters of a queue drop out of the plan."""
    return await open_pool(
        database_url,
        room="board",
        # None is opened now: a board starts while the database is away, and says so in /readyz.
        min_size=0,
        max_size=10,
        command_timeout=5.0,
        session={"plan_cache_mode": "force_custom_plan", "jit": "off", "TimeZone": "UTC"},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """A hub's cases as far as `actor` may read them; the hub lies in the subtree of the actor's own."""

    hub_code: str
    codes: frozenset[str] | None
    """The hub's subtree, None for the root hub, to which every case belongs."""
    own: str
    below_own: tuple[str, ...]
    known: tuple[str, ...] | None
    unit: str | None
    ended_only: bool = False
    aided: frozenset[str] = frozenset()
    """Where the own hub gives aid in a surge: seen when the own hub is looked at."""

    @classmethod
    def of(cls, hub_code: str, actor: Actor, city: City) -> Scope:
        (own,) = actor.hubs
        areas = [one.hub_code for one in city.policy.surges.values() if one.aid_hub == own == hub_code]
        return cls(
            hub_code=hub_code,
            codes=None if hub_code == city.root else frozenset(_subtree(city, hub_code)),
            own=own,
            below_own=city.children(own),
            known=tuple(city.hubs) if own == city.root else None,
            unit=actor.unit,
            ended_only="callback_agent" in actor.roles,
            aided=frozenset(code for area in areas for code in _subtree(city, area)),
        )

    def parameters(self) -> tuple[Any, ...]:
        codes = None if self.codes is None else sorted(self.codes)
        aids = bool(self.aided) and codes is not None and self.unit is None
        return (
            sorted({*codes, *self.aided}) if codes is not None and aids else codes,
            self.own,
            list(self.below_own),
            self.known,
            self.unit,
            self.ended_only,
            codes if aids else None,
            self.unit is not None and self.hub_code == self.own,
        )


def _subtree(city: City, hub_code: str) -> Iterable[str]:
    yield hub_code
    for child in city.children(hub_code):
        yield from _subtree(city, child)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFilter:
    states: Sequence[str] | None = None
    closed_since: datetime | None = None
    """With those that were closed since; None: open ones alone."""
    categories: Sequence[str] | None = None
    due_before: datetime | None = None
    case_ids: Sequence[str] | None = None
    """These alone, whether open or ended."""
    waits_at: WaitsAt | None = None
    sort: Sort = "due"
    after: tuple[str, str] | None = None
    """Sort value and case id of the last case of the page before."""
    limit: int = 50


@dataclass(frozen=True, slots=True)
class QueuePage:
    cases: list[Case]
    total: int
    next_after: tuple[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A case that changed, without its deadlines, and what a nudge says of it."""

    case: Case
    report_ids: tuple[str, ...]
    changed_at: datetime
    from_hub_code: str | None = None


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A case with its history and its reports, as rows of one moment."""

    case: Case
    events: list[Any]
    reports: list[Any]


class BoardViews:
    def __init__(self, pool: Pool) -> None:
        self._pool: Any = pool

    @asynccontextmanager
    async def _moment(self) -> AsyncIterator[Any]:
        """A connection on which all statements see the same moment."""
        async with (
            self._pool.acquire(timeout=_ACQUIRE_SECONDS) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield connection

    async def _fetch(self, statement: str, *values: Any) -> list[Any]:
        async with self._pool.acquire(timeout=_ACQUIRE_SECONDS) as connection:
            rows: list[Any] = await connection.fetch(statement, *values)
            return rows

    async def queue(self, scope: Scope, wanted: QueueFilter) -> QueuePage:
        async with self._moment() as connection:
            rows = await connection.fetch(
                QUEUE[wanted.sort],
                *scope.parameters(),
                wanted.states,
                wanted.closed_since,
                wanted.categories,
                wanted.due_before,
                wanted.case_ids,
                wanted.waits_at,
                wanted.after[0] if wanted.after else None,
                wanted.after[1] if wanted.after else None,
                wanted.limit + 1,
            )
            found = [row for row in rows if row["case_id"] is not None]
            page = found[: wanted.limit]
            cases = await _with_deadlines(connection, page)
        more = len(found) > wanted.limit
        next_after = (page[-1]["sort_text"], str(page[-1]["case_id"])) if more else None
        return QueuePage(cases, rows[0]["total"], next_after)

    async def cases(self, case_ids: Sequence[str]) -> dict[str, Case]:
        async with self._moment() as connection:
            rows = await connection.fetch(SQL.cases_by_id, case_ids)
            return {case.case_id: case for case in await _with_deadlines(connection, rows)}

    async def case(self, case_id: str) -> Case | None:
        return (await self.cases([case_id])).get(case_id)

    async def case_file(self, case_id: str) -> CaseFile | None:
        async with self._moment() as connection:
            cases = await _with_deadlines(connection, await connection.fetch(SQL.cases_by_id, [case_id]))
            if not cases:
                return None
            return CaseFile(
                cases[0],
                await connection.fetch(SQL.events_of_case, case_id),
                await connection.fetch(SQL.reports_of_case, case_id),
            )

    async def cases_called(
        self, said: str, *, tracking: int | None, day: tuple[str, str] | None
    ) -> list[str]:
        """The ids of the cases that a tracking code, or a number of this day, names."""
        if tracking is not None:
            return [row["case_id"] for row in await self._fetch(SQL.case_of_report, tracking)]
        if day is None:
            return []
        number, *branches = said.split(".")
        rows = await self._fetch(SQL.cases_of_number, number, *day)
        found = {case.case_id: case for case in map(case_from_row, rows)}
        for branch in branches:
            number = f"{number}.{branch}"
            parts = [part.case_id for case in found.values() for part in case.side.parts]
            found = {key: one for key, one in (await self.cases(parts)).items() if one.number == number}
        return list(found)

    async def events_in(self, ranges: Sequence[tuple[str, int, int]]) -> list[Any]:
        if not ranges:
            return []
        return await self._fetch(SQL.events_in_ranges, *(list(part) for part in zip(*ranges, strict=True)))

    async def photo_is_of_case(self, case_id: str, photo: str) -> bool:
        (row,) = await self._fetch(SQL.photo_is_of_case, case_id, photo)
        return bool(row[0])

    async def outcome(self, command_id: str) -> Outcome | None:
        rows = await self._fetch(SQL.outcome_of, command_id)
        return outcome_from_row(rows[0]) if rows else None

    async def changes(self, case_ids: Sequence[str]) -> list[Change]:
        return [_change(row) for row in await self._fetch(SQL.cases_with_reports, case_ids)]

    async def changed_since(self, scope: Scope, since: datetime, *, limit: int) -> list[Change]:
        rows = await self._fetch(CHANGED_SINCE, *scope.parameters(), since, limit)
        return [_change(row, row["from_hub_code"]) for row in rows]

    async def city_version(self) -> int:
        async with self._pool.acquire(timeout=_ACQUIRE_SECONDS) as connection:
            return await active_version(connection)

    async def city(self, version: int) -> tuple[City, Areas]:
        async with self._pool.acquire(timeout=_ACQUIRE_SECONDS) as connection:
            return await read_version(connection, version)


async def _with_deadlines(connection: Any, rows: Sequence[Any]) -> list[Case]:
    of_case: dict[str, list[Deadline]] = defaultdict(list)
    if rows:
        for row in await connection.fetch(SQL.deadlines_of, [row["case_id"] for row in rows]):
            of_case[str(row["case_id"])].append(deadline_from_row(row))
    return [case_from_row(row, of_case[str(row["case_id"])]) for row in rows]


def _change(row: Any, from_hub_code: str | None = None) -> Change:
    return Change(
        case=case_from_row(row),
        report_ids=tuple(row["report_ids"]),
        changed_at=row["changed_at"],
        from_hub_code=from_hub_code,
    )
