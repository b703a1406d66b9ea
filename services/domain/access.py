"""Who may see a case and who may act on it. A right is judged on the case as it stands, when it is locked."""

from __future__ import annotations

from services.domain.case import Case
from services.domain.city import City
from services.domain.errors import NotAllowed
from services.domain.messages import Actor


def place_chain(case: Case, city: City) -> tuple[str, ...]:
    """From where the case is up to the root; a place that is not known is the hub that must act."""
    return _chain(city, case.place_code or case.hub_code)


def speaks_for_owner(case: Case, actor: Actor, city: City) -> bool:
    """The unit's own account, or a dispatcher of the case's hub or of one above it who may see the case."""
    if "unit" in actor.roles:
        return actor.unit == case.owner and case.owner_hub_code in actor.hubs
    return directs(case, actor, city)


def directs(case: Case, actor: Actor, city: City) -> bool:
    """A dispatcher of the case's hub or of one above it."""
    return (
        "dispatcher" in actor.roles
        and any(hub in _chain(city, case.hub_code) for hub in actor.hubs)
        and may_read(case, actor, city)
    )


def may_read(case: Case, actor: Actor, city: City) -> bool:
    """The router itself may; a unit sees its own cases; a dispatcher those of the own hub and below.

    A confidential case is its own hub's dispatcher's alone, and also the next hub's above once it is
    resolved or supervised.
    """
    if "system" in actor.roles:
        return True
    if "unit" in actor.roles:
        return actor.unit == case.owner and case.owner_hub_code in actor.hubs
    if "dispatcher" not in actor.roles:
        return False
    if case.confidential:
        seen_by = {case.hub_code}
        if case.resolved_at is not None or case.supervised_level is not None:
            seen_by |= set(_chain(city, case.hub_code)[1:2])
        return bool(seen_by & set(actor.hubs))
    return any(
        hub in _chain(city, case.hub_code) or (case.place_code and hub in _chain(city, case.place_code))
        for hub in actor.hubs
    )


def check_verifier(case: Case, actor: Actor, city: City) -> None:
    """Anybody on the case's place chain, but never the handler, the handler's unit or desk."""
    on_chain = any(hub in place_chain(case, city) for hub in actor.hubs)
    if not on_chain or not {"dispatcher", "unit"} & set(actor.roles):
        raise NotAllowed("forbidden", "only the hubs of the place the case is in may verify it")
    if is_handler(case, actor):
        raise NotAllowed(
            "verifier_is_handler", "who handled the case may not verify it; ask another hub of its place"
        )
    if case.confidential and not may_read(case, actor, city):
        raise NotAllowed("forbidden", "this confidential case is not open to your hub")


def is_handler(case: Case, actor: Actor) -> bool:
    if actor.ref == case.handler_ref:
        return True
    if "unit" in actor.roles and actor.unit == case.owner and case.owner_hub_code in actor.hubs:
        return True
    by_dispatcher = case.handler_unit is None
    return by_dispatcher and "dispatcher" in actor.roles and bool(set(actor.hubs) & set(case.handler_hubs))


def _chain(city: City, hub_code: str) -> tuple[str, ...]:
    """A hub that this version of the city no longer knows stands directly below the root."""
    return city.ancestors(hub_code) if hub_code in city.hubs else (hub_code, city.root)
