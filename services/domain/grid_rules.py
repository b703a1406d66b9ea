"""What must hold of the grids: each lies in one community, by its code too, and no hub is called like it."""

from __future__ import annotations

from collections.abc import Iterator

from services.domain.city_problems import Problem, twice
from services.domain.city_rows import HUBS, CityRows
from services.domain.grid_rows import GRIDS
from services.domain.grids import is_grid_of, row_code


def check_grids(rows: CityRows) -> Iterator[Problem]:
    yield from twice(GRIDS, "code", ((row.line, row.value.code) for row in rows.grids))
    hubs = {row.value.code: row.value for row in rows.hubs} if rows.grids else {}
    places = {row.value.level for row in rows.tiers if row.value.place}
    for row in rows.grids:
        grid = row.value
        hub = hubs.get(grid.hub_code)
        if hub is None:
            yield Problem(GRIDS, row.line, f"hub_code `{grid.hub_code}` is not a hub of {HUBS}")
        elif hub.level not in places:
            rule = f"hub_code `{hub.code}` is of level {hub.level}: a grid lies in a hub of the place tier"
            yield Problem(GRIDS, row.line, rule)
        if not is_grid_of(grid.code, grid.hub_code):
            rule = f"code `{grid.code}` is not its hub_code and three digits, such as `{grid.hub_code}001`"
            yield Problem(GRIDS, row.line, rule)
        for code in (grid.code, *(row_code(grid.code, one) for one in grid.rows)):
            if code in hubs:
                yield Problem(GRIDS, row.line, f"`{code}` is a hub of {HUBS} already")
