"""Grids of the small city, two in V12 and one in V21: placing down to them, and their rules broken."""

from __future__ import annotations

from itertools import product

import pytest

from services.adapters.city_files import read_city
from services.domain.city import City
from services.domain.city_problems import CityProblems, Problem
from services.domain.grids import Grid, Sign
from services.domain.place import Place, place
from tests.domain.small_city import FILES, GRIDS

WITH_GRIDS = {**FILES, "grids.csv": GRIDS}
CITY = read_city(WITH_GRIDS, 1)
IN_V12 = (120.62, 31.0)


def at(community: str, grid: str | None, quality: str = "good") -> Place:
    return Place(community, community, "good" if quality == "good" else "low", grid_code=grid)


def placed(
    cell: str | None = None,
    grid: str | None = None,
    named: str | None = None,
    accuracy_m: float | None = 10.0,
    *,
    city: City = CITY,
) -> Place:
    point = IN_V12 if cell or grid else None
    return place(city=city, cell=cell, grid=grid, hub_code=named, point=point, accuracy_m=accuracy_m)


def test_the_rows_of_a_grid_are_told_one_by_one() -> None:
    assert CITY.grids["V12001"] == Grid(
        "V12001", "V12", "东二一格", ("R01", "R02", "R03", "R05"), sample=False
    )
    assert CITY.grids["V12002"] == Grid("V12002", "V12", "东二二格", (), sample=True)
    assert (CITY.grids_of("V12"), CITY.grids_of("V11")) == (("V12001", "V12002"), ())
    assert read_city(FILES, 1).grids == {}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("C", Sign("C")),
        ("V12", Sign("V12")),
        ("V12001", Sign("V12", "V12001")),
        ("V12001-R05", Sign("V12", "V12001", "R05")),
        # The sign still hangs when its row or its grid is gone.
        ("V12001-R04", Sign("V12", "V12001")),
        ("V12002-R01", Sign("V12", "V12002")),
        ("V12009", Sign("V12")),
        ("V12009-R01", Sign("V12")),
        ("V11001-R01", Sign("V11")),
        # Nothing of this city.
        ("V99001", None),
        ("T1001", None),
        ("V12-R01", None),
        ("V1201", None),
        ("V12001-R5", None),
        ("V12001-R05-R05", None),
        ("V12001-", None),
        ("-R05", None),
        ("", None),
        ("V12００１", None),
    ],
)
def test_what_a_sign_names(code: str, expected: Sign | None) -> None:
    assert CITY.sign(code) == expected
    if expected is not None:
        assert CITY.sign(expected.code) == expected


@pytest.mark.parametrize(
    ("cell", "grid", "named", "accuracy_m", "expected"),
    [
        # Only a point: in a grid, in a part of the community without one, too coarse for a grid.
        ("V12", "V12001", None, 10.0, at("V12", "V12001")),
        ("V12", "V12001", None, None, at("V12", "V12001")),
        ("V12", None, None, 10.0, at("V12", None)),
        ("V12", "V12001", None, 200.1, at("V12", None, "low")),
        # A community that is drawn by its grids alone.
        (None, "V12001", None, 10.0, at("V12", "V12001")),
        (None, "V12001", None, 200.1, at("V12", None, "low")),
        # Only a sign.
        (None, None, "V12001", None, at("V12", "V12001")),
        (None, None, "V12001-R05", None, at("V12", "V12001")),
        (None, None, "V12", None, at("V12", None)),
        # Both: the sign says more than a hub alone, and knows better than the point.
        ("V12", "V12001", "V12", 10.0, at("V12", "V12001")),
        ("V12", "V12001", "T1", 10.0, at("V12", "V12001")),
        ("V12", "V12001", "V12", 900.0, at("V12", None)),
        ("V12", "V12001", "V12002", 10.0, at("V12", "V12002")),
        ("V12", "V12001", "V12001-R01", 900.0, at("V12", "V12001")),
        ("V12", None, "V12001-R01", 10.0, at("V12", "V12001")),
        # They differ: the sign's community, whatever grid the point lies in.
        ("V12", "V12001", "V21001", 10.0, at("V21", "V21001", "low")),
        ("V12", "V12001", "V11", 10.0, at("V11", None, "low")),
        ("V12", "V12001", "T2", 10.0, Place("T2", None, "low")),
        # A point on the edge of two communities lies in one's cell and in the other's grid: the cell holds.
        ("V11", "V12001", None, 10.0, at("V11", None)),
        # Nothing of this city counts as not given.
        ("V12", "V12001", "V99001", 10.0, at("V12", "V12001")),
        ("V12", "gone", None, 10.0, at("V12", None)),
        (None, None, "V99001", None, Place("C", None, "low", unrouted=True)),
    ],
)
def test_where_a_report_stands(
    cell: str | None, grid: str | None, named: str | None, accuracy_m: float | None, expected: Place
) -> None:
    assert placed(cell, grid, named, accuracy_m) == expected


def test_every_combination_names_a_grid_of_its_own_place_or_none() -> None:
    codes = (None, *CITY.hubs, *CITY.grids, "V12001-R01", "gone")
    for cell, grid, named, accuracy in product(
        (None, "V11", "V12", "V21", "gone"), (None, *CITY.grids, "gone"), codes, (None, 10.0, 999.0)
    ):
        found = placed(cell, grid, named, accuracy)
        assert found.grid_code is None or CITY.grids[found.grid_code].hub_code == found.place_code
        without = placed(cell, None, named, accuracy)
        if cell in CITY.hubs:
            # A grid makes no report go elsewhere.
            assert (found.hub_code, found.quality, found.unrouted) == (
                without.hub_code,
                without.quality,
                without.unrouted,
            )


def test_a_sign_holds_when_the_city_draws_its_grids_anew() -> None:
    """What the door took under one version is placed by the next one."""
    one_grid = read_city(
        {**FILES, "grids.csv": GRIDS.replace("V12002,", "V12003,").replace("..R03;R05", "")}, 2
    )
    none = read_city(FILES, 3)
    moved = read_city(
        {
            **WITH_GRIDS,
            "hubs.csv": FILES["hubs.csv"].replace("V12,T1", "V12,T2"),
        },
        4,
    )
    assert placed(named="V12001-R05", city=one_grid) == at("V12", "V12001")
    assert placed(named="V12002", city=one_grid) == at("V12", None)
    assert placed(named="V12001-R05", city=none) == at("V12", None)
    assert placed(named="V12001-R05", city=moved) == at("V12", "V12001")
    # An area that was looked up before the grid was given up.
    assert placed("V12", "V12002", city=one_grid) == at("V12", None)


RULES = [
    (1, "rows,sample", "sample,rows", "the header must be `code,hub_code,name,rows,sample`"),
    (2, "V12001", "V12 001", "code `V12 001` is not 1 to 32 letters, digits, _ or -"),
    (2, "东二一格", "", "name is empty"),
    (2, "R01..R03", "R1..R3", "rows `R1..R3` is not a row or rows, such as `R07` or `R01..R12`"),
    (2, "R01..R03", "R03..R01", "rows `R03..R01` does not end after it begins"),
    (2, ";R05", ";R02", "rows names `R02` twice"),
    (2, ";R05", ";", "rows `` is not a row or rows, such as `R07` or `R01..R12`"),
    (2, ",no", ",maybe", "sample `maybe` is not one of yes, no"),
    (3, "V12002", "V12001", "code `V12001` stands already on line 2"),
    (2, "V12001,V12", "V13001,V13", "hub_code `V13` is not a hub of hubs.csv"),
    (2, "V12001,V12", "T1001,T1", "hub_code `T1` is of level 2: a grid lies in a hub of the place tier"),
    (2, "V12001,V12", "V12001,V11", "code `V12001` is not its hub_code and three digits, such as `V11001`"),
    (2, "V12001", "V121", "code `V121` is not its hub_code and three digits, such as `V12001`"),
    (2, "V12001", "V12001-R01", "code `V12001-R01` is not its hub_code and three digits, such as `V12001`"),
]


@pytest.mark.parametrize(("line", "old", "new", "rule"), RULES)
def test_a_broken_rule_is_named_with_its_line(line: int, old: str, new: str, rule: str) -> None:
    lines = GRIDS.splitlines(keepends=True)
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new, 1)
    assert _problems({**FILES, "grids.csv": "".join(lines)}) == [Problem("grids.csv", line, rule)]


@pytest.mark.parametrize("code", ["V12002", "V12001-R05"])
def test_no_hub_is_called_like_a_grid_or_row(code: str) -> None:
    hubs = FILES["hubs.csv"] + f"{code},T1,3,village,别,120.62,31.0,centre\n"
    line = 3 if code == "V12002" else 2
    assert _problems({**WITH_GRIDS, "hubs.csv": hubs}) == [
        Problem("grids.csv", line, f"`{code}` is a hub of hubs.csv already")
    ]


def _problems(files: dict[str, str]) -> list[Problem]:
    with pytest.raises(CityProblems) as caught:
        read_city(files, 1)
    return [*caught.value.problems]
