"""Grids and their rows, the level below communities, and what a sign on a wall names.

A grid says where in its community a problem is; nobody sits there, the community's hub acts. Its code is the
community's and three digits; a row of it is named `<grid>-R05`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Final

_SIGN: Final = re.compile(r"(?P<grid>(?P<hub>.+)[0-9]{3})(?:-(?P<row>R[0-9]{2}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Grid:
    """`rows` are the rows of houses that have a row leader; a `sample` is invented."""

    code: str
    hub_code: str
    name: str
    rows: tuple[str, ...]
    sample: bool


@dataclass(frozen=True, slots=True)
class Sign:
    """A hub, or a grid of a community, or one row of that grid."""

    hub_code: str
    grid_code: str | None = None
    row: str | None = None

    @property
    def code(self) -> str:
        """Of the narrowest that is named."""
        if self.grid_code is None:
            return self.hub_code
        return self.grid_code if self.row is None else row_code(self.grid_code, self.row)


def row_code(grid_code: str, row: str) -> str:
    return f"{grid_code}-{row}"


def is_grid_of(code: str, hub_code: str) -> bool:
    found = _SIGN.fullmatch(code)
    return found is not None and found["row"] is None and found["hub"] == hub_code


def read_sign(code: str, *, hubs: Set[str], grids: Mapping[str, Grid]) -> Sign | None:
    """A sign outlives its row and its grid: what is left of its code still names a hub."""
    found = _SIGN.fullmatch(code)
    if found is None:
        return None
    grid = grids.get(found["grid"])
    if grid is not None:
        return Sign(grid.hub_code, grid.code, found["row"] if found["row"] in grid.rows else None)
    return Sign(found["hub"]) if found["hub"] in hubs else None
