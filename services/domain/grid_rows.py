"""The cells of grids.csv, which a city without grids has not."""

from __future__ import annotations

import re
from typing import Final

from services.domain.city_cells import Cells
from services.domain.grids import Grid

GRIDS: Final = "grids.csv"
GRID_HEADER: Final = ("code", "hub_code", "name", "rows", "sample")
_ROWS: Final = re.compile(r"R([0-9]{2})(?:\.\.R([0-9]{2}))?", re.ASCII)


def read_grid(cells: Cells) -> Grid:
    return Grid(
        code=cells.hub_code("code"),
        hub_code=cells.hub_code("hub_code"),
        name=cells.words("name"),
        rows=_rows(cells, "rows"),
        sample=cells.one_of("sample", ("yes", "no")) == "yes",
    )


def _rows(cells: Cells, name: str) -> tuple[str, ...]:
    """`R01..R12;R15`, or nothing."""
    rows: list[str] = []
    for part in cells.listed(name):
        found = _ROWS.fullmatch(part)
        if found is None:
            cells.wrong(f"{name} `{part}` is not a row or rows, such as `R07` or `R01..R12`")
            continue
        first, last = int(found[1]), int(found[2] or found[1])
        if first > last:
            cells.wrong(f"{name} `{part}` does not end after it begins")
        named = [f"R{number:02}" for number in range(first, last + 1)]
        for row in named:
            if row in rows:
                cells.wrong(f"{name} names `{row}` twice")
        rows += named
    return tuple(rows)
