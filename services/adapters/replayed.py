"""A case's events replayed, and the rows they make beside the rows of the book.

Rows come from the functions that write them. Of every type compared here two values are equal only if the
database keeps them alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any, Final

import msgspec

from services.adapters.replay_rows import CaseRows
from services.adapters.rows import CASES, DEADLINES, Row, case_row, deadline_row, event_from_row
from services.domain.case import NEVER, Case
from services.domain.errors import Malformed
from services.domain.evolve import evolve
from services.domain.report_homes import reports_after

NOT_REPLAYED: Final = frozenset({"changed_at"})
"""It says when the book was written, not what happened."""
_TYPES: Final = ("bool", "int4", "int8", "jsonb", "text", "text[]", "timestamptz", "timestamptz[]", "uuid")
_INFINITY: Final = datetime.max  # noqa: DTZ901 - so the driver gives it


class NotComparable(Exception):
    """The book's tables are not those that this program writes."""


@dataclass(frozen=True, slots=True)
class Difference:
    """`what` is a table, a row or a column of it; None where there is no such row."""

    case_id: str
    what: str
    in_book: str | None
    replayed: str | None


@dataclass(slots=True)
class Judged:
    """One case. `case` is None if its events are not whole or there are none."""

    case_id: str
    case: Case | None = None
    reports: frozenset[str] = frozenset()
    """Those that the events bring to it."""
    reports_in_book: frozenset[str] = frozenset()
    differences: list[Difference] = field(default_factory=list)

    def differs(self, what: str, in_book: str | None, replayed: str | None) -> None:
        self.differences.append(Difference(self.case_id, what, in_book, replayed))


class Judge:
    def __init__(self, columns: Mapping[str, Mapping[str, str]]) -> None:
        self._cases = _Table("cases", CASES, columns["cases"])
        self._deadlines = _Table("deadlines", DEADLINES, columns["deadlines"])

    def judge(self, one: CaseRows) -> Judged:
        """Where a case's events are not whole, nothing else is said of it."""
        judged = Judged(one.case_id)
        if one.events:
            _replay(one.events, judged)
            if judged.case is None:
                return judged
            self._judge_case(one.cases, judged.case, judged)
            self._judge_deadlines(one.deadlines, judged.case, judged)
        else:
            for table, rows in (("cases", one.cases), ("deadlines", one.deadlines)):
                if rows:
                    judged.differs(table, _rows(len(rows)), None)
        judged.reports_in_book = frozenset(str(row["report_id"]) for row in one.reports)
        return judged

    def _judge_case(self, rows: Sequence[Row], case: Case, judged: Judged) -> None:
        if not rows:
            judged.differs("cases", None, _rows(1))
        for row in rows:
            for column, in_book, replayed in self._cases.differences(row, case_row(case, NEVER)):
                judged.differs(f"cases.{column}", in_book, replayed)

    def _judge_deadlines(self, rows: Sequence[Row], case: Case, judged: Judged) -> None:
        waiting = {deadline.key: deadline for deadline in case.deadlines}
        for row in rows:
            key = row["clock"], row["stage"], row["set_seq"]
            deadline = waiting.pop(key, None)
            if deadline is None:
                judged.differs(f"deadlines {_named(key)}", _rows(1), None)
                continue
            written = deadline_row(case.case_id, deadline)
            for column, in_book, replayed in self._deadlines.differences(row, written):
                judged.differs(f"deadlines {_named(key)} {column}", in_book, replayed)
        for key in waiting:
            judged.differs(f"deadlines {_named(key)}", None, _rows(1))


def _named(key: tuple[Any, ...]) -> str:
    return " ".join(map(str, key))


def _rows(count: int) -> str:
    return "a row" if count == 1 else f"{count} rows"


def _replay(rows: Sequence[Row], judged: Judged) -> None:
    case: Case | None = None
    here: frozenset[str] = frozenset()
    for number, row in enumerate(rows, start=1):
        if row["seq"] != number:
            judged.differs("events.seq", str(row["seq"]), str(number))
            return
        try:
            event = event_from_row(row)
            case = evolve(case, event)
            here = reports_after(here, event)
        except Exception as error:  # a body that no program of ours wrote can fail in any way
            said = str(error) if isinstance(error, Malformed) else type(error).__name__
            judged.differs(f"events {number} {row['type']}", f"not to be replayed: {said}", None)
            return
    judged.case, judged.reports = case, here


class _Table:
    """How a table's rows are compared: column by column, in the database's order."""

    def __init__(self, table: str, written: Sequence[str], columns: Mapping[str, str]) -> None:
        strange = set(written) ^ set(columns) | {name for name, kind in columns.items() if kind not in _TYPES}
        if strange:
            named = ", ".join(f"{table}.{name}" for name in sorted(strange))
            raise NotComparable(f"this program cannot replay into {named}: take the one that wrote the book")
        self._names = list(columns)
        self._kinds = list(columns.values())
        self._in_their_order = itemgetter(*(written.index(name) for name in columns))
        self._uuids = [at for at, kind in enumerate(self._kinds) if kind == "uuid"]
        self._arrays = [at for at, kind in enumerate(self._kinds) if kind.endswith("[]")]
        self._instants = [at for at, kind in enumerate(self._kinds) if kind == "timestamptz"]
        self._left_out = [at for at, name in enumerate(columns) if name in NOT_REPLAYED]

    def differences(self, row: Row, written: Sequence[Any]) -> Iterator[tuple[str, str, str]]:
        """(column, in the book, replayed)"""
        kept, replayed = [*row.values()], [*self._in_their_order(written)]
        for at in self._uuids:
            kept[at] = None if kept[at] is None else str(kept[at])
        for at in self._arrays:
            replayed[at] = None if replayed[at] is None else [*replayed[at]]
        for at in self._instants:
            if replayed[at] == NEVER:
                replayed[at] = _INFINITY
        for at in self._left_out:
            replayed[at] = kept[at]
        if kept == replayed:
            return
        for name, kind, one, other in zip(self._names, self._kinds, kept, replayed, strict=True):
            if not _alike(kind, one, other):
                yield name, _shown(one), _shown(other)


def _alike(kind: str, kept: Any, replayed: Any) -> bool:
    if kind == "jsonb" and kept is not None and replayed is not None:
        # the database keeps neither blanks nor the order of names
        return _canonical(kept) == _canonical(replayed)
    return bool(kept == replayed)


def _canonical(text: str) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(text), order="deterministic")


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, datetime):
        return "infinity" if value == _INFINITY else value.isoformat()
    if isinstance(value, list):
        return "{" + ", ".join(map(_shown, value)) + "}"
    return str(value)
