"""The hard case is taken apart, the one beyond a hub's remit is handled together (domain.md 6.4)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.domain import clocks, events, ids
from services.domain.case import Case
from services.domain.city import LAST_STAGE
from services.domain.deciding import Desk, On, Seat, anew, seat_for
from services.domain.errors import NotAllowed
from services.domain.events import DueAgain, Invitation, Part
from services.domain.messages import WantedPart
from services.domain.routing import find_owner


def split(desk: Desk) -> tuple[Any, ...]:
    """Children with owners and clocks of their own; the parent's due is fixed now, after the last of them."""
    case, wanted, policy = desk.case, desk.wanted, desk.city.policy
    if not wanted.parts:
        raise NotAllowed("invalid", "name at least one part", "parts")
    if len(case.side.parts) + len(wanted.parts) > policy.most_parts:
        raise NotAllowed("invalid", f"a case has {policy.most_parts} parts at most", "parts")
    if case.number.count(".") >= policy.most_depth:
        raise NotAllowed("not_allowed", f"parts of parts go {policy.most_depth} deep at most")
    if wanted.ordered:
        _check_order(wanted.parts)
    waits = wanted.ordered and bool(case.open_parts)
    births: list[On] = []
    parts: list[Part] = []
    for index, one in enumerate(wanted.parts):
        begins = not wanted.ordered or (index == 0 and not waits)
        part, written = _part(desk, one, index, begins)
        births += written
        parts.append(part)
    last = _last_due(desk, births, parts, ordered=wanted.ordered)
    decomposed = events.CaseDecomposed(
        parts=tuple(parts), ordered=wanted.ordered, dues=_fixed(desk, last) if last else ()
    )
    return (*births, decomposed)


def _check_order(parts: tuple[WantedPart, ...]) -> None:
    """Whoever puts a long part that need not be done first would win its time for the others."""
    last_required = max((index for index, part in enumerate(parts) if part.required), default=-1)
    for index, part in enumerate(parts[: last_required + 1]):
        if not part.required:
            raise NotAllowed(
                "invalid",
                "what need not be done holds up nothing: put it after the parts that must be",
                f"parts[{index}].required",
            )


def _part(desk: Desk, one: WantedPart, index: int, begins: bool) -> tuple[Part, list[On]]:
    case, city = desk.case, desk.city
    seat = seat_for(desk, one.owner, one.hub_code, field=f"parts[{index}].owner")
    category = one.category or case.category
    if category not in city.categories:
        raise NotAllowed("invalid", "is not a category of the city", f"parts[{index}].category")
    rules = city.categories[category]
    if rules.redirect is not None:
        raise NotAllowed("invalid", "nobody here works on this", f"parts[{index}].category")
    secret = case.confidential or rules.confidential
    child_id = ids.case_id(desk.now, f"{desk.command.command_id}:{index}")
    number = f"{case.number}.{len(case.side.parts) + index + 1}"
    filed = events.PartFiled(
        report_id=None,
        root_case_id=case.root_case_id,
        number=number,
        channel=None,
        category=category,
        priority=city.more_urgent(case.priority, rules.priority),
        place_code=case.place_code,
        location_quality=case.location_quality,
        unrouted=False,
        confidential=secret,
        received_at=desk.now,
        grid_code=case.grid_code,
        parent_case_id=case.case_id,
        aid_hub_code=case.side.aid_hub_code,
        lane="fast",
        **seat.fields(),
    )
    written = [On(child_id, filed)]
    if begins:
        written.append(On(child_id, _sent(desk, seat, filed)))
    part = Part(
        case_id=child_id,
        number=number,
        required=one.required,
        confidential=secret,
        state="dispatched" if begins else "filed",
        hub_code=seat.hub_code,
        owner=seat.owner,
        owner_hub_code=seat.owner_hub_code,
    )
    return part, written


def _sent(desk: Desk, seat: Seat, filed: events.PartFiled) -> events.CaseDispatched:
    dues = clocks.owner_dues(desk.city, filed.category, priority=filed.priority, start_at=desk.now)
    return events.CaseDispatched(**seat.fields(), dues=dues)


def _last_due(desk: Desk, births: list[On], parts: list[Part], *, ordered: bool) -> datetime | None:
    """When the last part that must be done is due; one that waits begins when that before it is."""
    categories = [on.body.category for on in births if isinstance(on.body, events.CaseFiled)]
    at, last = desk.now, None
    for category, part in zip(categories, parts, strict=True):
        limit = dict(clocks.owner_limits(desk.city, category)).get(LAST_STAGE)
        if limit is None:
            continue
        due_at, _ = desk.city.working_time(limit.calendar).due(limit, at)
        if part.required:
            last = due_at if last is None else max(last, due_at)
        at = due_at if ordered else at
    return last


def _fixed(desk: Desk, last: datetime) -> tuple[DueAgain, ...]:
    """max(child due) and a margin, but no later than the citizen's due and one extension.

    A due that has passed stays passed: taking a case apart mends no breach. Where no citizen's due bounds it,
    as that of a part, nothing is put off.
    """
    case, city = desk.case, desk.city
    row, citizen = case.open_deadline("owner", LAST_STAGE), case.open_deadline("citizen", LAST_STAGE)
    if row is None or citizen is None or clocks.is_breached(city, row):
        return ()
    due_at, official = clocks.longer(city.policy.parts_margin, last, city)
    if case.open_parts:
        # those of before are still to be waited for
        due_at = max(due_at, row.due_at)
    known, most = city.priorities.get(case.priority), citizen.due_at
    if known is not None and known.extension is not None and not case.side.extended:
        most, _ = clocks.longer(known.extension, most, city)
    due_at = min(due_at, max(most, row.due_at))
    original = row.original_due_at or row.due_at
    return (anew(row, desk, due_at, official=official, extended_by=None, original_due_at=original),)


def whistle(desk: Desk) -> tuple[Any, ...]:
    """Each invited unit must report in; the lead stays who it is."""
    case, city = desk.case, desk.city
    if not desk.wanted.invite:
        raise NotAllowed("invalid", "name at least one unit or partner", "invite")
    known = city.rules_of(case.priority)
    invited: list[Invitation] = []
    for index, one in enumerate(desk.wanted.invite):
        invitation = _invitation(desk, one.unit, one.hub_code, f"invite[{index}].unit")
        if _already(case, invitation, invited):
            raise NotAllowed("invalid", "is the lead, or was asked already", f"invite[{index}].unit")
        invited.append(invitation)
    dues = tuple(desk.set_due(f"report_in:{one.unit}@{one.hub_code}", known.report_in) for one in invited)
    return (events.JointRequested(invited=tuple(invited), dues=dues),)


def _invitation(desk: Desk, unit: str, hub_code: str | None, field: str) -> Invitation:
    city = desk.city
    partner = city.policy.partners.get(unit)
    if partner is not None:
        return Invitation(unit=unit, hub_code=partner.hub_code or city.root, partner=True)
    at = hub_code or desk.case.hub_code
    if unit not in city.units or at not in city.hubs:
        raise NotAllowed("invalid", "is neither a unit nor a partner of the city", field)
    found = find_owner(city, (unit,), at)
    if found is None:
        raise NotAllowed("invalid", "no such unit sits at that hub or above it", field)
    return Invitation(unit=found[0], hub_code=found[1])


def _already(case: Case, one: Invitation, invited: list[Invitation]) -> bool:
    seen = {(known.unit, known.hub_code) for known in (*case.side.invited, *invited)}
    return (one.unit, one.hub_code) in seen | {(case.owner, case.owner_hub_code)}


def report_in(desk: Desk) -> tuple[Any, ...]:
    actor = desk.actor
    mine = next(
        one
        for one in desk.case.side.invited
        if one.unit == actor.unit and one.hub_code in actor.hubs and not one.reported_in
    )
    return (events.UnitReportedIn(unit=mine.unit, hub_code=mine.hub_code),)
