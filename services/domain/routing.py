"""From category and place to the hub that must act and the unit that owns the case (rules R4, R8, R9)."""

from __future__ import annotations

from dataclasses import dataclass

from services.domain.city import NO_CATEGORY, Category, City
from services.domain.place import Place


@dataclass(frozen=True, slots=True)
class Route:
    category: Category
    hub_code: str
    level: int
    owner: str
    owner_hub_code: str
    confidential: bool
    unrouted: bool


def route(*, city: City, category: str | None, place: Place, confidential: bool) -> Route:
    """A category this city does not know is filed as `other` and unrouted: a report is never refused."""
    known = city.categories.get(category or NO_CATEGORY)
    unrouted = place.unrouted or known is None
    rules = known or city.categories[NO_CATEGORY]
    secret = confidential or rules.confidential
    tier = rules.tier
    if secret:
        # R8: never the place tier, whose people are the neighbours of those it is about
        tier = min(tier, max(1, city.place_level - 1))
    hub_code = city.at_level(place.hub_code, tier)
    level = city.hubs[hub_code].level
    wanted = () if unrouted else (rules.owner, rules.else_owner)
    owner, owner_hub_code = find_owner(city, wanted, hub_code) or (city.desk(level), hub_code)
    return Route(rules, hub_code, level, owner, owner_hub_code, secret, unrouted)


def find_owner(city: City, wanted: tuple[str | None, ...], hub_code: str) -> tuple[str, str] | None:
    """The first wanted kind of unit that sits at the hub or above it, and where."""
    for unit in wanted:
        at = city.unit_at(unit, hub_code) if unit else None
        if unit and at:
            return unit, at
    return None
