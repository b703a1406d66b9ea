"""From category and place to hub and owner (domain.md 6.4: R4, R8, R9), on the small city."""

from __future__ import annotations

import pytest

from services.domain.place import Place
from services.domain.routing import find_owner, route
from tests.domain.small_case import CITY, IN_V11

T2 = Place("T2", None, "low")
ROOT = Place("C", None, "low")
UNROUTED = Place("C", None, "low", unrouted=True)


@pytest.mark.parametrize(
    ("category", "place", "hub", "owner", "owner_hub"),
    [
        # the ancestor of the category's tier
        ("pothole", IN_V11, "T1", "works", "T1"),
        ("ads", IN_V11, "V11", "guard", "V11"),
        ("gas", IN_V11, "C", "gas", "C"),
        # already at or above that tier: the hub itself
        ("pothole", T2, "T2", "works", "T2"),
        # guards and village desks sit below a town: the town's own desk takes it
        ("ads", T2, "T2", "town_desk", "T2"),
        ("gas", T2, "C", "gas", "C"),
        # the owner's kind sits higher up: the nearest ancestor where it sits
        ("lost", IN_V11, "V11", "works", "T1"),
        # no such unit at all: the desk of that level
        ("nobody", IN_V11, "V11", "village_desk", "V11"),
        ("nobody", T2, "T2", "town_desk", "T2"),
        ("nobody", ROOT, "C", "city_desk", "C"),
        # the works of towns do not sit at the root
        ("pothole", ROOT, "C", "city_desk", "C"),
        ("other", IN_V11, "T1", "town_desk", "T1"),
        ("fire", IN_V11, "C", "city_desk", "C"),
    ],
)
def test_the_hub_that_must_act_and_the_unit_that_owns(
    category: str, place: Place, hub: str, owner: str, owner_hub: str
) -> None:
    way = route(city=CITY, category=category, place=place, confidential=False)
    assert (way.hub_code, way.owner, way.owner_hub_code) == (hub, owner, owner_hub)
    assert way.level == CITY.hubs[hub].level
    assert (way.category.code, way.unrouted, way.confidential) == (category, False, False)


def test_without_a_category_it_is_other() -> None:
    way = route(city=CITY, category=None, place=IN_V11, confidential=False)
    assert (way.category.code, way.unrouted, way.hub_code) == ("other", False, "T1")


@pytest.mark.parametrize("category", ["dragons", "OTHER", "\u0000"])
def test_an_unknown_category_is_filed_as_other_and_unrouted_at_a_desk(category: str) -> None:
    way = route(city=CITY, category=category, place=IN_V11, confidential=False)
    assert (way.category.code, way.unrouted) == ("other", True)
    assert (way.hub_code, way.owner, way.owner_hub_code) == ("T1", "town_desk", "T1")


def test_an_unknown_place_goes_to_the_desk_of_the_root_whatever_the_category() -> None:
    for category in ("gas", "pothole", "ads", None):
        way = route(city=CITY, category=category, place=UNROUTED, confidential=False)
        assert (way.hub_code, way.owner, way.unrouted) == ("C", "city_desk", True)


def test_a_confidential_category_or_wish_skips_the_place_tier() -> None:
    for category, wish in (("secret", False), ("secret", True), ("ads", True)):
        way = route(city=CITY, category=category, place=IN_V11, confidential=wish)
        assert (way.confidential, way.hub_code) == (True, "T1")
    gas = route(city=CITY, category="gas", place=IN_V11, confidential=True)
    assert (gas.confidential, gas.hub_code) == (True, "C"), "a higher tier stays"


def test_of_two_wanted_units_the_first_that_sits_anywhere_above_wins() -> None:
    assert find_owner(CITY, ("gas", "works"), "V11") == ("gas", "C")
    assert find_owner(CITY, ("nobody_yet", None, "works"), "V11") == ("works", "T1")
    assert find_owner(CITY, (None, None), "V11") is None
    assert find_owner(CITY, ("dragons",), "V11") is None
    assert find_owner(CITY, (), "V11") is None
