"""The table of statistics as a CSV file that a spreadsheet opens with a double click.

Rules: UTF-8 with a byte-order mark (without it the spreadsheets of Windows guess another encoding and break
Chinese names), CRLF, a point in decimals; a text that a spreadsheet would take for a formula begins with `'`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from services.domain.rates import RATES, Rate, Took

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
OF_RATE: Final = ("", "_n", "_low", "_high", "_rank")
"""After a rate's name: the rate itself, of how many, its interval and its place."""


def sheet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The columns are those of the first row."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(rows[0])
    writer.writerows([_cell(value) for value in row.values()] for row in rows)
    return b"\xef\xbb\xbf" + text.getvalue().encode("utf-8")


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return value


def rate_cells(rates: Mapping[str, Rate]) -> Iterable[tuple[str, Any]]:
    for one in RATES:
        rate = rates[one.name]
        known = (rate.rate, rate.n, rate.low, rate.high, rate.rank)
        yield from ((one.name + end, value) for end, value in zip(OF_RATE, known, strict=True))


def hours_cells(name: str, took: Took) -> Iterable[tuple[str, Any]]:
    yield f"{name}_n", took.n
    for which, length in (("median", took.median), ("p90", took.p90)):
        yield f"{name}_{which}_h", length.total_seconds() / 3600 if length is not None else None
