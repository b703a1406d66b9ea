"""Everything the book has of each case, case after case, as of one moment and in bounded memory."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg

from services.adapters.postgres import load_sql
from services.adapters.rows import Row

SQL: Final = load_sql("replay")
TABLES: Final = ("events", "cases", "deadlines", "reports")
AT_ONCE: Final = 2_000
"""Rows of each table that are asked for together."""


@dataclass(slots=True)
class CaseRows:
    """Rows of one case, its events in order; of `cases` there is one, unless something is wrong."""

    case_id: str
    events: list[Row] = field(default_factory=list)
    cases: list[Row] = field(default_factory=list)
    deadlines: list[Row] = field(default_factory=list)
    reports: list[Row] = field(default_factory=list)


class _Stream:
    """One table in order of case_id; `rows` are read and not yet given out, `ids` their cases."""

    def __init__(self, table: str, cursor: Any) -> None:
        self.rows: list[Row] = []
        self.ids: list[str] = []
        self.ended = False
        self._table = table
        self._cursor = cursor

    async def read_on(self) -> None:
        read = await self._cursor.fetch(AT_ONCE)
        self.rows += read
        self.ids += [str(row["case_id"]) for row in read]
        self.ended = len(read) < AT_ONCE

    def give_out(self, before: str | None, to: dict[str, CaseRows]) -> None:
        end = len(self.ids) if before is None else bisect_left(self.ids, before)
        for case_id, row in zip(self.ids[:end], self.rows, strict=False):
            one = to.get(case_id)
            if one is None:
                one = to[case_id] = CaseRows(case_id)
            getattr(one, self._table).append(row)
        del self.ids[:end], self.rows[:end]


class ReplayRows:
    """`columns` are those that the database has of each table, with their types."""

    def __init__(self, streams: list[_Stream], columns: Mapping[str, Mapping[str, str]]) -> None:
        self._streams = streams
        self.columns = columns

    @classmethod
    async def open(cls, conn: asyncpg.Connection[asyncpg.Record]) -> ReplayRows:
        """In a transaction that sees one moment only; what it writes meanwhile is not seen either."""
        statements = {table: await conn.prepare(SQL[table]) for table in TABLES}
        columns = {
            table: {one.name: one.type.name for one in statement.get_attributes()}
            for table, statement in statements.items()
        }
        return cls([_Stream(table, await one.cursor()) for table, one in statements.items()], columns)

    async def cases(self) -> AsyncIterator[list[CaseRows]]:
        """All cases in order of their ids, some thousands at a time."""
        while True:
            for stream in self._streams:
                if not stream.ended and len(stream.rows) < AT_ONCE:
                    await stream.read_on()
            # Of the last case that a stream gave more may follow.
            open_case = min((stream.ids[-1] for stream in self._streams if not stream.ended), default=None)
            found: dict[str, CaseRows] = {}
            for stream in self._streams:
                stream.give_out(open_case, found)
            if found:
                yield [found[case_id] for case_id in sorted(found)]
            elif open_case is None:
                return
            else:
                for stream in self._streams:
                    if not stream.ended and stream.ids[-1] == open_case:
                        await stream.read_on()
