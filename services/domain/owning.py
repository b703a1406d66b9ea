"""Whose case it is: returns, reassignment, and limits that change meanwhile (domain.md 6.4, 6.5)."""

from __future__ import annotations

import re
from typing import Any, Final

from services.domain import clocks, events
from services.domain.case import Case
from services.domain.city import LAST_STAGE
from services.domain.deciding import (
    DECISION,
    Desk,
    Seat,
    again,
    handed_over,
    is_telephone,
    limits_of,
    reset,
    seat_for,
)
from services.domain.errors import NotAllowed
from services.domain.limits import Limit
from services.domain.routing import find_owner
from services.domain.triage import within

CLAUSE: Final = re.compile(r"[0-9A-Za-z.()（）第条款项-]{1,40}")


def request_return(desk: Desk) -> tuple[Any, ...]:
    case, policy, wanted = desk.case, desk.city.policy, desk.wanted
    if wanted.owner is None and wanted.clause is None:
        raise NotAllowed("invalid", "name the proper owner, or the clause of the duty list", "owner")
    if wanted.clause is not None and (not CLAUSE.fullmatch(wanted.clause) or is_telephone(wanted.clause)):
        raise NotAllowed("invalid", "is the number of a clause, such as 3.2 or 第12条", "clause")
    if wanted.owner is not None and wanted.owner not in desk.city.units:
        raise NotAllowed("invalid", "no unit is called so", "owner")
    at = wanted.hub_code or case.hub_code
    proper = find_owner(desk.city, (wanted.owner,), at) if wanted.owner and at in desk.city.hubs else None
    if proper == (case.owner, case.owner_hub_code):
        raise NotAllowed("invalid", "is who has the case now: name the proper owner", "owner")
    given = case.open_deadline("owner", clocks.ACCEPT)
    within(desk, given.start_at if given else case.dispatched_at, policy.return_within, "return it")
    return (
        events.ReturnRequested(
            owner=wanted.owner,
            hub_code=wanted.hub_code,
            clause=wanted.clause,
            dues=(desk.set_due(DECISION, policy.decide_within),),
        ),
    )


def decide_return(desk: Desk) -> tuple[Any, ...]:
    case, wanted, asked = desk.case, desk.wanted, desk.case.side.request
    if not wanted.approve:
        return (events.ReturnRejected(),)
    owner = wanted.owner or (asked.owner if asked else None)
    if owner is None:
        raise NotAllowed("invalid", "the unit named a clause only: name the owner it goes to", "owner")
    seat = seat_for(desk, owner, wanted.hub_code or (asked.hub_code if asked else None))
    if _same_unit(case, seat):
        # under another hub it would have a fresh limit
        raise NotAllowed("invalid", "is who wants to return it: name another unit, or refuse", "owner")
    return (
        events.ReturnApproved(
            **seat.fields(),
            dues=handed_over(desk),
            from_hub_code=case.hub_code,
            from_owner=case.owner,
        ),
    )


def reassign(desk: Desk) -> tuple[Any, ...]:
    return _reassigned(desk, forced=False)


def force_assign(desk: Desk) -> tuple[Any, ...]:
    return _reassigned(desk, forced=True)


def _reassigned(desk: Desk, *, forced: bool) -> tuple[Any, ...]:
    case = desk.case
    seat = seat_for(desk, desk.wanted.owner, desk.wanted.hub_code)
    dues = handed_over(desk)
    same_unit = _same_unit(case, seat)
    if not forced or (case.side.forced and case.accepted_at is not None):
        _is_another(desk, seat)
    if same_unit and (not forced or case.side.forced):
        # under another hub, or by force a second time: what runs for this owner runs on
        dues = tuple(due for due in dues if case.open_deadline(due.clock, due.stage) is None)
    return (
        events.CaseReassigned(
            **seat.fields(),
            dues=dues,
            from_hub_code=case.hub_code,
            from_owner=case.owner,
            forced=forced,
        ),
    )


def _is_another(desk: Desk, seat: Seat) -> None:
    """Else the present owner would be given a fresh accept limit again and again."""
    case = desk.case
    if _same_unit(case, seat) and case.side.request is not None:
        raise NotAllowed("invalid", f"wants to {case.side.request.kind} it: decide that first", "owner")
    if _same_unit(case, seat) and case.accepted_at is not None:
        raise NotAllowed("invalid", "has accepted it already: name another unit", "owner")
    if _same_unit(case, seat) and seat.hub_code == case.hub_code:
        raise NotAllowed(
            "invalid",
            f"the case is already with {seat.owner} of {seat.owner_hub_code}: name another unit or hub,"
            " or let this one go on",
            "owner",
        )


def _same_unit(case: Case, seat: Seat) -> bool:
    return (seat.owner, seat.owner_hub_code) == (case.owner, case.owner_hub_code)


def set_variant(desk: Desk) -> tuple[Any, ...]:
    """Owner milestones again from the dispatch, never due before now; the citizen's due stays."""
    case, city, variant = desk.case, desk.city, desk.wanted.variant
    known = city.categories[case.category].variants if case.category in city.categories else {}
    if variant is not None and variant not in known:
        allowed = ", ".join(known) or "none"
        raise NotAllowed("invalid", f"is no variant of {case.category}; known are {allowed}", "variant")
    if variant == case.side.variant:
        raise NotAllowed("invalid", "this variant holds already", "variant")
    limits = clocks.owner_limits(city, case.category, variant=variant, surge=case.side.surge)
    changed = [one for one in limits if one not in limits_of(case, city)]
    dues = reset(desk, changed, priority=case.priority, not_before=desk.now)
    return (events.VariantSet(variant=variant, dues=dues, dropped=_dropped(desk, limits)),)


def set_category(desk: Desk) -> tuple[Any, ...]:
    """Other limits from the same instants: what has been counted, and stood still, stays counted."""
    case, city = desk.case, desk.city
    rules = city.categories.get(desk.wanted.category)
    if rules is None:
        raise NotAllowed("invalid", "is not a category of the city", "category")
    if rules.redirect is not None or (rules.confidential and not case.confidential):
        raise NotAllowed("invalid", "a case keeps its place: report it anew under this category", "category")
    if rules.code == case.category:
        raise NotAllowed("invalid", "it is of this category already", "category")
    priority = city.more_urgent(case.priority, rules.priority)
    limits = clocks.owner_limits(city, rules.code, surge=case.side.surge)
    given = case.open_deadline("owner", clocks.ACCEPT)
    if given is not None:
        limits = clocks.raised_accept(limits, city, rules.code, priority, given.start_at)
    dues = reset(desk, limits, priority=priority)
    citizen = case.open_deadline("citizen", LAST_STAGE)
    if citizen is not None and rules.resolve is not None:
        promised = again(desk, "citizen", LAST_STAGE, rules.resolve, citizen, priority)
        # a promise is kept or bettered: no other word for the problem puts it off
        dues = (*dues, promised) if promised.due_at < citizen.due_at else dues
    dropped = _dropped(desk, limits)
    return (events.CategoryChanged(category=rules.code, priority=priority, dropped=dropped, dues=dues),)


def _dropped(desk: Desk, limits: list[tuple[str, Limit]]) -> tuple[str, ...]:
    kept = {clocks.ACCEPT, *(stage for stage, _ in limits)}
    return tuple(stage for stage, _ in limits_of(desk.case, desk.city) if stage not in kept)
