"""Placing on a small city drawn by hand: C; towns T1 (V11, V12) around 120.6 E, T2 (V21) at 120.4 E, 31 N.

At 31 N a hundredth of a degree is 953 m of longitude and 1,112 m of latitude.
"""

from __future__ import annotations

from itertools import product

import pytest

from services.domain.place import Place, place
from tests.domain.small_case import city_of
from tests.domain.small_city import FILES

CITY = city_of(FILES)

IN_V11 = (120.58, 31.0)
FOUR_KM_SOUTH_OF_T1 = (120.6, 30.964)
SIX_KM_SOUTH_OF_T1 = (120.6, 30.946)
HALF_WAY_BETWEEN_TOWNS = (120.5, 31.0)

GOOD_V11 = Place("V11", "V11", "good")
LOW_V11 = Place("V11", "V11", "low")
UNROUTED = Place("C", None, "low", unrouted=True)


@pytest.mark.parametrize(
    ("cell", "hub_code", "point", "accuracy_m", "expected"),
    [
        # Cell and hub agree: the cell, however coarse the fix, since two witnesses say the same.
        ("V11", "V11", IN_V11, 10.0, GOOD_V11),
        ("V11", "T1", IN_V11, None, GOOD_V11),
        ("V11", "C", IN_V11, 900.0, GOOD_V11),
        # They differ: the hub.
        ("V11", "V12", IN_V11, 10.0, Place("V12", "V12", "low")),
        ("V11", "T2", IN_V11, 10.0, Place("T2", None, "low")),
        # Only a point in a cell.
        ("V11", None, IN_V11, None, GOOD_V11),
        ("V11", None, IN_V11, 200.0, GOOD_V11),
        ("V11", None, IN_V11, 200.1, LOW_V11),
        # Only a hub.
        (None, "V11", None, None, GOOD_V11),
        (None, "T1", None, None, Place("T1", None, "good")),
        (None, "C", None, None, Place("C", None, "good")),
        # A point outside every cell.
        (None, "V11", SIX_KM_SOUTH_OF_T1, None, LOW_V11),
        (None, None, FOUR_KM_SOUTH_OF_T1, None, Place("T1", None, "low")),
        (None, None, SIX_KM_SOUTH_OF_T1, None, Place("C", None, "low")),
        (None, None, HALF_WAY_BETWEEN_TOWNS, None, Place("C", None, "low")),
        (None, None, (2.35, 48.85), None, Place("C", None, "low")),
        # Nothing known.
        (None, None, None, None, UNROUTED),
        # A hub that this version does not know counts as not given.
        (None, "gone", None, None, UNROUTED),
        ("V11", "gone", IN_V11, None, GOOD_V11),
        (None, "gone", FOUR_KM_SOUTH_OF_T1, None, Place("T1", None, "low")),
    ],
)
def test_where_a_report_stands(
    cell: str | None,
    hub_code: str | None,
    point: tuple[float, float] | None,
    accuracy_m: float | None,
    expected: Place,
) -> None:
    assert place(city=CITY, cell=cell, hub_code=hub_code, point=point, accuracy_m=accuracy_m) == expected


def test_of_two_centres_equally_near_the_smaller_code_is_taken() -> None:
    wide = city_of(
        {
            **FILES,
            "city.toml": FILES["city.toml"].replace("nearest_centre_km = 5", "nearest_centre_km = 50"),
            "hubs.csv": """\
code,parent,level,kind,name,lon,lat,position
C,,1,city,城,120.5,31.0,centre
T9,C,2,town,九镇,120.5,31.1,centre
T3,C,2,town,三镇,120.5,31.1,centre
""",
        }
    )
    assert place(city=wide, cell=None, hub_code=None, point=(120.5, 31.0), accuracy_m=None).hub_code == "T3"


def test_every_combination_has_a_place_and_names_only_the_place_tier() -> None:
    codes = (None, *CITY.hubs, "gone")
    for cell, hub_code, point, accuracy in product(
        (None, "V11", "V12", "V21"), codes, (None, IN_V11), (None, 10.0, 999.0)
    ):
        placed = place(city=CITY, cell=cell, hub_code=hub_code, point=point, accuracy_m=accuracy)
        assert placed.hub_code in CITY.hubs
        assert placed.place_code == (placed.hub_code if placed.hub_code.startswith("V") else None)
        assert placed.unrouted == (cell is None and hub_code in (None, "gone") and point is None)


def test_the_tree_answers() -> None:
    assert (CITY.root, CITY.place_level) == ("C", 3)
    assert CITY.ancestors("V11") == ("V11", "T1", "C")
    assert CITY.children("T1") == ("V11", "V12")
    assert CITY.parent("C") is None
    assert [CITY.at_level("V11", level) for level in (1, 2, 3)] == ["C", "T1", "V11"]
    assert [CITY.at_level("T1", level) for level in (1, 2, 3)] == ["C", "T1", "T1"]
    assert CITY.in_subtree("V11", "C")
    assert CITY.in_subtree("V11", "V11")
    assert not CITY.in_subtree("T1", "V11")
    assert not CITY.in_subtree("V21", "T1")
    assert CITY.desk(2) == "town_desk"
