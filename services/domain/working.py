"""The work itself: milestones, more time, standing still, the claim and who looks at it (domain.md 6.5)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.domain import access, clocks, events
from services.domain.case import Case, Deadline
from services.domain.city import LAST_STAGE, WAITING_FOR_REPORTER
from services.domain.deciding import DECISION, VERIFY, Desk, anew, archive_due, dues_from, limits_of
from services.domain.errors import NotAllowed
from services.domain.events import DueAgain
from services.domain.limits import Limit, parse_limit
from services.domain.moved_dues import run_on
from services.domain.triage import promised, resumed, within


def reach_milestone(desk: Desk) -> tuple[Any, ...]:
    wanted, case = desk.wanted, desk.case
    stages = [stage for stage, _ in limits_of(case, desk.city) if stage not in (clocks.ACCEPT, LAST_STAGE)]
    reachable = [stage for stage in stages if case.open_deadline("owner", stage)]
    if wanted.stage not in reachable:
        open_ones = ", ".join(reachable) or "none"
        raise NotAllowed("invalid", f"no such open milestone; open are: {open_ones}", "stage")
    if wanted.stage in desk.city.policy.shown_by_photo and not wanted.photos:
        raise NotAllowed("invalid", "this milestone is shown by a photo: send one taken there", "photos")
    return (events.MilestoneReached(stage=wanted.stage, photos=wanted.photos),)


def request_extension(desk: Desk) -> tuple[Any, ...]:
    limit = _allowed_extension(desk, desk.wanted.limit)
    owner = desk.case.open_deadline("owner", LAST_STAGE)
    if owner is None or desk.now >= owner.due_at:
        raise NotAllowed("not_allowed", "an extension is asked for before the due, and this one has passed")
    due = desk.set_due(DECISION, desk.city.policy.decide_within)
    return (events.ExtensionRequested(limit=str(limit), dues=(due,)),)


def _allowed_extension(desk: Desk, text: str) -> Limit:
    longest = desk.city.priorities[desk.case.priority].extension
    assert longest is not None  # a guard of the life table
    try:
        limit = parse_limit(text, calendar=longest.calendar)
    except ValueError as error:
        raise NotAllowed("invalid", str(error), "limit") from None
    if (limit.unit, limit.calendar) != (longest.unit, longest.calendar) or limit.amount > longest.amount:
        raise NotAllowed("invalid", f"is more than, or unlike, the longest: {longest}", "limit")
    return limit


def decide_extension(desk: Desk) -> tuple[Any, ...]:
    """Both clocks: it is the one thing that moves the citizen's due; the original is kept."""
    asked = desk.case.side.request
    if not desk.wanted.approve or asked is None or asked.limit is None:
        return (events.ExtensionRefused(),)
    known = desk.city.priorities.get(desk.case.priority)
    if known is None or known.extension is None:
        raise NotAllowed("not_allowed", f"priority {desk.case.priority} has no extension any more: refuse it")
    limit = parse_limit(asked.limit)
    owner = desk.case.open_deadline("owner", LAST_STAGE)
    citizen = desk.case.open_deadline("citizen", LAST_STAGE)
    if owner is None or desk.now >= owner.due_at:
        raise NotAllowed("not_allowed", "the due has passed meanwhile, and a breach is not mended: refuse it")
    promised = None if citizen is None else _longer(citizen, limit, desk)
    most = promised.due_at if promised and desk.case.fixed_by_parts(owner) else None
    dues = [_longer(owner, limit, desk, most=most)]
    if dues[0].due_at <= owner.due_at:
        raise NotAllowed("not_allowed", "its parts have put the due off as far as it goes: refuse it")
    if promised and citizen and desk.now < citizen.due_at:
        dues.append(promised)
    return (events.ExtensionGranted(limit=str(limit), dues=tuple(dues)),)


def _longer(row: Deadline, limit: Limit, desk: Desk, *, most: datetime | None = None) -> DueAgain:
    """`most`: a due that its parts have put off already goes no further than what is promised."""
    due_at, official = clocks.longer(limit, row.due_at, desk.city)
    if most is not None:
        due_at = max(row.due_at, min(due_at, most))
    return anew(
        row,
        desk,
        due_at,
        official=row.official and official,
        extended_by=str(limit),
        original_due_at=row.original_due_at or row.due_at,
    )


def suspend(desk: Desk) -> tuple[Any, ...]:
    """A unit asks; a dispatcher of the hub or above does it at once."""
    reason = desk.wanted.reason
    limit = _suspension(desk, reason)
    if access.directs(desk.case, desk.actor, desk.city):
        return (events.CaseSuspended(reason=reason, dues=(desk.set_due("suspension", limit),)),)
    due = desk.set_due(DECISION, desk.city.policy.decide_within)
    return (events.SuspensionRequested(reason=reason, dues=(due,)),)


def _suspension(desk: Desk, reason: str | None) -> Limit:
    known = desk.city.policy.suspensions
    if reason is None or reason not in known:
        raise NotAllowed("invalid", f"is not a reason of the city; known are {', '.join(known)}", "reason")
    if reason == WAITING_FOR_REPORTER and (desk.case.open_parts or not desk.case.reports):
        raise NotAllowed("invalid", "there is no reporter to wait for, or parts are still open", "reason")
    decides = access.directs(desk.case, desk.actor, desk.city)
    above = access.stands_above(desk.case, desk.actor, desk.city)
    if decides and not above and reason in desk.case.side.suspended_for:
        raise NotAllowed(
            "invalid", "it stood still for this once: a second time the tier above decides", "reason"
        )
    return known[reason]


def decide_suspension(desk: Desk) -> tuple[Any, ...]:
    asked = desk.case.side.request
    if not desk.wanted.approve or asked is None or asked.reason is None:
        return (events.SuspensionRefused(),)
    due = desk.set_due("suspension", _suspension(desk, asked.reason))
    return (events.CaseSuspended(reason=asked.reason, dues=(due,)),)


def resume(desk: Desk) -> tuple[Any, ...]:
    return (events.CaseResumed(reopened=resumed(desk)),)


def submit_resolution(desk: Desk) -> tuple[Any, ...]:
    claim, case, city = desk.wanted, desk.case, desk.city
    rules = city.categories.get(case.category)
    shown = bool(claim.photos) or rules is None or rules.verify != "P" or claim.outcome != "fixed"
    if not shown:
        raise NotAllowed("invalid", "this is verified by a photo: send one taken after the work", "photos")
    return (
        events.ResolutionSubmitted(
            outcome=claim.outcome,
            photos=claim.photos,
            handler_unit=desk.actor.unit,
            handler_hubs=desk.actor.hubs,
        ),
        events.VerificationAssigned(
            dues=(desk.set_due(VERIFY, desk.city.rules_of(desk.case.priority).verify),)
        ),
    )


def verify_pass(desk: Desk) -> tuple[Any, ...]:
    return (events.VerificationPassed(dues=archive_due(desk.case, desk.city, desk.now)),)


def verify_fail(desk: Desk) -> tuple[Any, ...]:
    case = desk.case
    # by clock, the last: one of an earlier cycle may have been met at the same instant
    rows = sorted(case.deadlines, key=lambda d: d.set_seq)
    met = {d.clock: d for d in rows if d.stage == LAST_STAGE and _met_by_claim(d, case)}
    reopened = tuple(run_on(d, case, desk.now, desk.city) for d in met.values())
    return (events.VerificationFailed(reopened=reopened),)


def _met_by_claim(deadline: Deadline, case: Case) -> bool:
    return deadline.met_at is not None and (deadline.met_at, deadline.closed_at) == (case.resolved_at, None)


def record_callback(desk: Desk) -> tuple[Any, ...]:
    said = desk.wanted
    if said.satisfaction is not None and not 1 <= said.satisfaction <= 5:
        raise NotAllowed("invalid", "must be from 1 to 5", "satisfaction")
    return (
        events.CallbackRecorded(
            resolved=said.resolved,
            satisfaction=said.satisfaction,
            by_reporter="reporter" in desk.actor.roles,
        ),
    )


def reopen(desk: Desk) -> tuple[Any, ...]:
    """The next cycle: the same owner, one priority up. The citizen's clock had never stopped."""
    case, city = desk.case, desk.city
    if "reporter" in desk.actor.roles:
        within(desk, case.closed_at, city.policy.reopen_within, "reopen it")
    parent = desk.others.get(case.side.parent_case_id or "")
    if parent is not None and parent.state not in ("accepted", "in_progress", "suspended", "rework"):
        raise NotAllowed("not_allowed", "the case it is a part of is past work: reopen that first")
    priority = city.higher(case.priority)
    dues = dues_from(desk, desk.now, priority)
    return (
        events.CaseReopened(
            hub_code=case.hub_code,
            level=case.level,
            owner=case.owner,
            owner_hub_code=case.owner_hub_code,
            dues=dues,
            priority=priority,
            reopened=promised(case, desk),
        ),
    )
