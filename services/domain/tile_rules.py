"""What must hold of the tiles and hotlines: a tile leads to categories there are, a number has a name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from services.domain.city_problems import Problem, twice
from services.domain.city_rows import CATEGORIES, HOTLINES, TILES, CityRows


def check_tiles(rows: CityRows) -> Iterator[Problem]:
    yield from twice(TILES, "tile", ((row.line, row.value.code) for row in rows.tiles))
    yield from twice(HOTLINES, "number", ((row.line, row.value.number) for row in rows.hotlines))
    if not rows.tiles:
        yield Problem(TILES, 1, "has no tile: without one nobody can report from a phone")
    categories = {row.value.code for row in rows.categories}
    numbers = {row.value.number for row in rows.hotlines}
    for row in rows.tiles:
        tile = row.value
        offered = Counter((tile.category, *tile.alternatives))
        for code, times in offered.items():
            if code not in categories:
                yield Problem(TILES, row.line, f"category `{code}` is not in {CATEGORIES}")
            elif times > 1:
                yield Problem(TILES, row.line, f"category `{code}` is offered twice")
        yield from _unnamed(TILES, row.line, tile.hotlines, numbers)
    for category in rows.categories:
        yield from _unnamed(CATEGORIES, category.line, category.value.hotlines, numbers)


def _unnamed(file: str, line: int, called: tuple[str, ...], numbers: set[str]) -> Iterator[Problem]:
    for number in called:
        if number not in numbers:
            yield Problem(file, line, f"hotline `{number}` is not in {HOTLINES}")
