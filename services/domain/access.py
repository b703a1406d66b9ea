"""Who may see a case and who may act on it. A right is judged on the case as it stands, when it is locked."""

from __future__ import annotations

from services.domain.case import Case
from services.domain.city import WAITING_FOR_REPORTER, City
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
    """A dispatcher of the case's hub or of one above it, or of the hub that gives aid in a surge."""
    chain = (*_chain(city, case.hub_code), case.side.aid_hub_code)
    return (
        "dispatcher" in actor.roles
        and any(hub in chain for hub in actor.hubs)
        and may_read(case, actor, city)
    )


def stands_above(case: Case, actor: Actor, city: City) -> bool:
    """A dispatcher of a hub above the case's (at the top: of that hub), or a supervisor at or above it."""
    chain = _chain(city, case.hub_code)
    if "supervisor" in actor.roles:
        return any(hub in chain for hub in actor.hubs) and may_read(case, actor, city)
    return directs(case, actor, city) and any(hub in (chain[1:] or chain) for hub in actor.hubs)


def may_resume(case: Case, actor: Actor, city: City) -> bool:
    """Who speaks for the owner; the reporter too, if it is for them that the work stands still."""
    waited_for = case.side.suspension == WAITING_FOR_REPORTER and is_reporter(case, actor, city)
    return waited_for or speaks_for_owner(case, actor, city)


def may_whistle(case: Case, actor: Actor, city: City) -> bool:
    """Departments come when a town or a district whistles, not when a neighbourhood does."""
    levels = [city.hubs[hub].level for hub in actor.hubs if hub in city.hubs]
    return directs(case, actor, city) and any(level < city.place_level for level in levels)


def is_reporter(case: Case, actor: Actor, city: City) -> bool:
    """Who sent one of the reports that stand with the case: the door saw the tracking code."""
    return "reporter" in actor.roles and actor.ref.removeprefix("report:") in case.reports


def may_call_back(case: Case, actor: Actor, city: City) -> bool:
    """The reporter, or an agent of the place's hubs who had no hand in the case."""
    agent = "callback_agent" in actor.roles and may_read(case, actor, city)
    return agent or is_reporter(case, actor, city)


def is_invited(case: Case, actor: Actor, city: City) -> bool:
    """A unit's own account, or a partner with the signed link to this case."""
    partner = "partner" in actor.roles
    return ("unit" in actor.roles or partner) and any(
        (one.unit, one.partner) == (actor.unit, partner) and one.hub_code in actor.hubs
        for one in case.side.invited
    )


def may_read(case: Case, actor: Actor, city: City) -> bool:
    """The router itself may; a unit sees its own cases; a dispatcher those of the own hub and below.

    A confidential case is its own hub's alone, and also the next hub's above once it is resolved or
    supervised. A callback agent sees what has ended; in a surge the hub that gives aid sees the area's cases.
    """
    if "system" in actor.roles:
        return True
    if {"unit", "partner"} & set(actor.roles):
        owns = "unit" in actor.roles and actor.unit == case.owner and case.owner_hub_code in actor.hubs
        return owns or is_invited(case, actor, city)
    if "callback_agent" in actor.roles and case.closed_at is None:
        return False
    if not {"dispatcher", "supervisor", "callback_agent", "auditor"} & set(actor.roles):
        return False
    if case.side.aid_hub_code in actor.hubs and not case.confidential:
        return True
    if case.confidential:
        seen_by = {case.hub_code}
        if case.resolved_at is not None or case.supervised_level is not None:
            seen_by |= set(_chain(city, case.hub_code)[1:2])
        return bool(seen_by & set(actor.hubs))
    return any(
        hub in _chain(city, case.hub_code) or (case.place_code and hub in _chain(city, case.place_code))
        for hub in actor.hubs
    )


def hidden_parts(case: Case, actor: Actor, city: City) -> frozenset[str]:
    """Confidential parts that a reader is not to know of: who is neither the case's desk nor theirs."""
    if "reporter" not in actor.roles and (directs(case, actor, city) or "supervisor" in actor.roles):
        return frozenset()
    return frozenset(
        part.case_id
        for part in case.side.parts
        if part.confidential and not (actor.unit == part.owner and part.owner_hub_code in actor.hubs)
    )


def check_verifier(case: Case, actor: Actor, city: City) -> None:
    """Its reporter, or a desk or supervisor of its place chain; never the handler, that unit or that desk.

    Other units do not: they see their own cases alone, and nobody confirms what they may not see.
    """
    if is_reporter(case, actor, city):
        return
    on_chain = any(hub in place_chain(case, city) for hub in actor.hubs)
    if not on_chain or not {"dispatcher", "supervisor", "unit"} & set(actor.roles):
        raise NotAllowed("forbidden", "only the hubs of the place the case is in may verify it")
    if is_handler(case, actor):
        raise NotAllowed(
            "verifier_is_handler",
            "who handled the case may not verify it; ask another hub of its place, or a supervisor",
        )
    if not {"dispatcher", "supervisor"} & set(actor.roles) or not may_read(case, actor, city):
        rule = "only a desk or a supervisor that may see the case, or its reporter, may verify it"
        raise NotAllowed("forbidden", rule)


def is_handler(case: Case, actor: Actor) -> bool:
    """Who had a hand in the work, the owner's unit, or anybody of the desk that claimed it."""
    if actor.ref == case.handler_ref or actor.ref in case.side.past_hands:
        return True
    if "unit" in actor.roles and actor.unit == case.owner and case.owner_hub_code in actor.hubs:
        return True
    by_dispatcher = case.handler_unit is None
    return by_dispatcher and "dispatcher" in actor.roles and bool(set(actor.hubs) & set(case.handler_hubs))


def _chain(city: City, hub_code: str) -> tuple[str, ...]:
    """A hub that this version of the city no longer knows stands directly below the root."""
    return city.ancestors(hub_code) if hub_code in city.hubs else (hub_code, city.root)
