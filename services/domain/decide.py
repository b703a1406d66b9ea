"""What a command makes: the bodies of its events, decided on the case as it stands, or a refusal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from services.domain import clocks, events, life, messages
from services.domain.case import Case
from services.domain.city import LAST_STAGE, City
from services.domain.clocks import ACCEPT
from services.domain.errors import NotAllowed
from services.domain.limits import Limit
from services.domain.messages import CaseCommand
from services.domain.moved_dues import run_on
from services.domain.routing import find_owner

VERIFY = "verify"


def decide(case: Case, command: CaseCommand, *, now: datetime, city: City) -> tuple[Any, ...]:
    """The bodies of the events that a command makes; raises NotAllowed."""
    life.check_move(case, command.type, command.actor, command.expected_seq, city)
    return _DECIDE[command.type](case, command, now, city)


def _bare(body: type[Any]) -> Callable[[Case, CaseCommand, datetime, City], tuple[Any, ...]]:
    return lambda case, command, now, city: (body(),)


def _reach_milestone(case: Case, command: CaseCommand, now: datetime, city: City) -> tuple[Any, ...]:
    wanted: messages.ReachMilestone = command.payload  # type: ignore[assignment]
    reachable = [
        d.stage
        for d in case.deadlines
        if d.clock == "owner" and d.open and d.stage not in (ACCEPT, LAST_STAGE, VERIFY)
    ]
    if wanted.stage not in reachable:
        open_ones = ", ".join(reachable) or "none"
        raise NotAllowed("invalid", f"no such open milestone; open are: {open_ones}", "stage")
    return (events.MilestoneReached(stage=wanted.stage, photos=wanted.photos),)


def _submit_resolution(case: Case, command: CaseCommand, now: datetime, city: City) -> tuple[Any, ...]:
    claim: messages.SubmitResolution = command.payload  # type: ignore[assignment]
    verify = clocks.set_due(
        city=city,
        priority=case.priority,
        clock="owner",
        stage=VERIFY,
        limit=_verify_limit(case.priority, city),
        start_at=now,
    )
    return (
        events.ResolutionSubmitted(
            outcome=claim.outcome,
            photos=claim.photos,
            handler_unit=command.actor.unit,
            handler_hubs=command.actor.hubs,
        ),
        events.VerificationAssigned(dues=(verify,)),
    )


def _verify_limit(priority: str, city: City) -> Limit:
    known = city.priorities.get(priority)
    if known is not None:
        return known.verify
    # a later version has dropped the priority: the most patient one's
    return max((one.verify for one in city.priorities.values()), key=lambda limit: limit.length)


def _verify_fail(case: Case, command: CaseCommand, now: datetime, city: City) -> tuple[Any, ...]:
    reopened = tuple(
        run_on(d, case, now, city)
        for d in case.deadlines
        if d.stage == LAST_STAGE and d.met_at is not None and d.closed_at is None
    )
    return (events.VerificationFailed(reopened=reopened),)


def _reassign(case: Case, command: CaseCommand, now: datetime, city: City) -> tuple[Any, ...]:
    wanted: messages.ReassignCase = command.payload  # type: ignore[assignment]
    hub_code = wanted.hub_code or case.hub_code
    if hub_code not in city.hubs:
        raise NotAllowed("invalid", "no hub has this code", "hub_code")
    if not any(city.in_subtree(hub_code, own) for own in command.actor.hubs):
        raise NotAllowed(
            "forbidden", "a case is given within your own hub and below; ask the tier above", "hub_code"
        )
    if wanted.owner not in city.units:
        raise NotAllowed(
            "invalid", f"no unit is called so; known are {', '.join(sorted(city.units))}", "owner"
        )
    found = find_owner(city, (wanted.owner,), hub_code)
    if found is None:
        raise NotAllowed("invalid", "no such unit sits at that hub or above it", "owner")
    owner, owner_hub_code = found
    if (owner, owner_hub_code, hub_code) == (case.owner, case.owner_hub_code, case.hub_code):
        # else the present owner would be given a fresh accept limit again and again
        raise NotAllowed(
            "invalid",
            f"the case is already with {owner} of {owner_hub_code}: name another unit or hub,"
            " or let this one go on",
            "owner",
        )
    unmet = {d.stage for d in case.deadlines if d.clock == "owner" and d.open}
    anew = [
        (stage, limit)
        for stage, limit in clocks.owner_limits(city, case.category)
        if stage == ACCEPT or (stage != LAST_STAGE and stage in unmet)
    ]
    return (
        events.CaseReassigned(
            from_hub_code=case.hub_code,
            from_owner=case.owner,
            hub_code=hub_code,
            level=city.hubs[hub_code].level,
            owner=owner,
            owner_hub_code=owner_hub_code,
            dues=tuple(
                clocks.set_due(
                    city=city, priority=case.priority, clock="owner", stage=stage, limit=limit, start_at=now
                )
                for stage, limit in anew
            ),
        ),
    )


def _add_photos(case: Case, command: CaseCommand, now: datetime, city: City) -> tuple[Any, ...]:
    added: messages.AddPhotos = command.payload  # type: ignore[assignment]
    return (events.PhotosAdded(photos=added.photos, kind=added.kind),)


_DECIDE: dict[str, Callable[[Case, CaseCommand, datetime, City], tuple[Any, ...]]] = {
    "accept": _bare(events.CaseAccepted),
    "start_work": _bare(events.WorkStarted),
    "reach_milestone": _reach_milestone,
    "submit_resolution": _submit_resolution,
    "verify_pass": _bare(events.VerificationPassed),
    "verify_fail": _verify_fail,
    "restart": _bare(events.WorkRestarted),
    "reassign": _reassign,
    "comment": _bare(events.CommentAdded),
    "add_photos": _add_photos,
}
