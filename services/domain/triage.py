"""What people decide before a case is filed, and what a reporter may answer (domain.md 6.6)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from services.domain import access, clocks, events
from services.domain.beginning import begun, dispatched
from services.domain.case import AttachedReport, Case, Deadline
from services.domain.city import LAST_STAGE
from services.domain.deciding import (
    INFO,
    TRIAGE,
    Desk,
    On,
    Seat,
    above,
    carried,
    desk_of,
    is_telephone,
    triage_limit,
)
from services.domain.errors import NotAllowed
from services.domain.events import Due
from services.domain.following import raised
from services.domain.moved_dues import run_on
from services.domain.place import Place, place
from services.domain.routing import route

RECEIPT: Final = re.compile(r"[0-9A-Za-z/-]{1,40}", re.ASCII)
RAISED_BY_PEOPLE: Final = ("injury", "child", "elder", "school_gate")


def request_info(desk: Desk) -> tuple[Any, ...]:
    return (events.InfoRequested(dues=(desk.set_due(INFO, desk.city.policy.info),)),)


def supply_info(desk: Desk) -> tuple[Any, ...]:
    return (events.InfoSupplied(photos=desk.wanted.photos, reopened=resumed(desk)),)


def resumed(desk: Desk) -> tuple[events.ReopenedDue, ...]:
    """The owner's rows that stood, as they run on."""
    case = desk.case
    return tuple(
        run_on(d, case, desk.now, desk.city, stood_since=case.side.paused_at)
        for d in case.deadlines
        if d.clock == "owner" and d.open and d.next_at is None and d.step is not None
    )


def decline(desk: Desk) -> tuple[Any, ...]:
    known = desk.city.policy.declines
    reason = known.get(desk.wanted.reason)
    if reason is None:
        raise NotAllowed("invalid", f"is not a reason of the city; known are {', '.join(known)}", "reason")
    return (events.ReportDeclined(reason=desk.wanted.reason, channel=reason.channel),)


def appeal(desk: Desk) -> tuple[Any, ...]:
    case, city = desk.case, desk.city
    within(desk, case.closed_at, city.policy.appeal_within, "appeal")
    seat = desk_of(city, above(city, case.hub_code))
    due = desk.set_due(TRIAGE, triage_limit(city, case.priority, "appeal"))
    return (events.DeclineAppealed(**seat.fields(), dues=(due,), reopened=promised(case, desk)),)


def within(desk: Desk, since: Any, limit: Any, what: str) -> None:
    """Raises NotAllowed once the limit since then is over."""
    until, _ = desk.city.working_time(limit.calendar).due(limit, since)
    if desk.now > until:
        raise NotAllowed("not_allowed", f"the time to {what} was {limit}: it ended at {until.isoformat()}")


def redirect(desk: Desk) -> tuple[Any, ...]:
    if desk.wanted.to not in desk.city.hotlines:
        known = ", ".join(desk.city.hotlines)
        raise NotAllowed("invalid", f"is not a hotline of the city; known are {known}", "to")
    receipt = desk.wanted.receipt
    if receipt is not None and (not RECEIPT.fullmatch(receipt) or is_telephone(receipt)):
        rule = "is the number that was given, not a telephone: letters, digits, - and / alone"
        raise NotAllowed("invalid", rule, "receipt")
    return (events.ReportRedirected(to=desk.wanted.to, receipt=desk.wanted.receipt),)


def attach(desk: Desk) -> tuple[Any, ...]:
    case = desk.case
    target = desk.others.get(desk.wanted.to_case_id)
    if target is None or target.case_id == case.case_id:
        raise NotAllowed("invalid", "there is no other case with this id", "to_case_id")
    if not access.may_read(target, desk.actor, desk.city):
        raise NotAllowed("forbidden", "that case is not open to you", "to_case_id")
    if not target.open or target.confidential or target.side.parent_case_id:
        raise NotAllowed(
            "invalid", "an ended or confidential case, or a part, takes no reports", "to_case_id"
        )
    _check_lead(case, target, desk)
    likeness = _likeness(case, target.case_id)
    # a report that had joined this one goes back to its own
    homes = {one.report_id: one.from_case_id for one in case.side.attached}
    sooner = _sooner(case, target, desk)
    return (
        events.ReportAttached(to_case_id=target.case_id),
        *(
            On(
                target.case_id,
                events.ReportAdded(
                    report_id=report_id,
                    from_case_id=homes.get(report_id) or case.case_id,
                    score=likeness.score if likeness else None,
                    distance_m=likeness.distance_m if likeness else None,
                    dues=() if index else sooner,
                    **_who(case, report_id),
                ),
            )
            for index, report_id in enumerate(case.reports)
        ),
    )


def _check_lead(case: Case, target: Case, desk: Desk) -> None:
    """That one is no less urgent, of two dispatched cases the first leads, and a miss does not hide."""
    city = desk.city
    if city.more_urgent(case.priority, target.priority) != target.priority:
        raise NotAllowed("invalid", "is less urgent than this one: let that one join this", "to_case_id")
    since = case.dispatched_at
    if since is None:
        return
    works = target.open_deadline("owner", LAST_STAGE)
    if works is None or target.dispatched_at is None or target.dispatched_at > since:
        rule = "is not the first: the later of two joins it while somebody works on it, else both are done"
        raise NotAllowed("invalid", rule, "to_case_id")
    mine = case.open_deadline("owner", LAST_STAGE)
    if target.state == "suspended" or (mine is not None and works.due_at > mine.due_at):
        rule = "has more time than this one, or stands still: both are done"
        raise NotAllowed("invalid", rule, "to_case_id")
    for row in case.deadlines:
        ended = row.met_at or row.closed_at
        if row.clock != "owner" or (ended is not None and ended < since):
            continue
        theirs = target.last_row("owner", row.stage)
        if clocks.is_breached(city, row) and (theirs is None or not clocks.is_breached(city, theirs)):
            rule = f"was not late with its {row.stage}, and this case was, so it stands"
            raise NotAllowed("invalid", rule, "to_case_id")


def _who(case: Case, report_id: str) -> dict[str, bool]:
    """Whether it adds a reporter, as it was here."""
    flags = {one.report_id: (one.same_reporter, one.anonymous) for one in case.side.attached}
    same_reporter, anonymous = flags.get(report_id, (False, False))
    return {"same_reporter": same_reporter, "anonymous": anonymous}


def _sooner(case: Case, target: Case, desk: Desk) -> tuple[events.DueAgain, ...]:
    """Who joins keeps what they were promised: the earlier of two citizen's dues holds for both."""
    mine, theirs = case.open_deadline("citizen", LAST_STAGE), target.last_row("citizen", LAST_STAGE)
    if mine is None or (theirs is not None and theirs.due_at <= mine.due_at):
        return ()
    if theirs is not None and theirs.met_at is not None:
        rule = "is claimed to be done, and this one was promised sooner: wait until that is confirmed"
        raise NotAllowed("invalid", rule, "to_case_id")
    return (
        clocks.set_again(
            carried(mine), before=theirs, city=desk.city, priority=target.priority, now=desk.now
        ),
    )


def keep_apart(desk: Desk) -> tuple[Any, ...]:
    other = desk.wanted.case_id
    if _likeness(desk.case, other) is None:
        raise NotAllowed("invalid", "this case is not suggested as the same problem", "case_id")
    return (events.LikenessDismissed(case_id=other),)


def _likeness(case: Case, case_id: str) -> events.Likeness | None:
    return next((one for one in case.side.suggested if one.case_id == case_id), None)


def detach(desk: Desk) -> tuple[Any, ...]:
    """Back to the case it had, or to a new one: people look at it, unless somebody had been given it."""
    case, city, report_id = desk.case, desk.city, desk.wanted.report_id
    came = next((one for one in case.side.attached if one.report_id == report_id), None)
    if came is None or report_id not in case.reports:
        raise NotAllowed("invalid", "no such report was attached to this case", "report_id")
    own = desk.others.get(came.from_case_id or "")
    looks = own.hub_code if own is not None else case.hub_code
    seat = desk_of(city, looks if looks in city.hubs else city.root)
    due = desk.set_due(TRIAGE, triage_limit(city, case.priority, "detached"))
    if own is not None and own.state == "attached" and own.report_id == report_id:
        own_id, back = own.case_id, _stands_alone(own, desk, seat, due)
    else:
        own_id, back = begun(
            case,
            report_id,
            reason="detached",
            seat=seat,
            triage=due,
            received_at=_received_at(came, own) or desk.now,
            command_id=desk.command.command_id,
            now=desk.now,
            city=city,
        )
    return (events.ReportRemoved(report_id=report_id, to_case_id=own_id), On(own_id, back))


def _stands_alone(own: Case, desk: Desk, seat: Seat, triage: Due) -> Any:
    """The case of a report that was taken off another: what ran when it was attached has never stopped."""
    from_case_id, report_id = desk.case.case_id, desk.wanted.report_id
    ran = [row for row in own.deadlines if row.key in own.side.ran]
    if own.dispatched_at is not None:
        reopened = tuple(run_on(row, own, desk.now, desk.city) for row in ran)
        return events.CaseDetached(report_id=report_id, from_case_id=from_case_id, reopened=reopened)
    looked_at = [row for row in ran if row.stage == TRIAGE]
    reopened = tuple(
        run_on(row, own, desk.now, desk.city, stood_since=own.side.paused_at) for row in looked_at
    )
    return events.ReportDetached(
        **seat.fields(),
        dues=() if looked_at else (triage,),
        report_id=report_id,
        from_case_id=from_case_id,
        reopened=(*promised(own, desk), *reopened),
    )


def _received_at(came: AttachedReport, own: Case | None) -> datetime | None:
    """When a report that has no case of its own any more came in: its clock has run since then."""
    if own is None:
        return came.added_at
    before = next((one.added_at for one in own.side.attached if one.report_id == came.report_id), None)
    return before or own.received_at


def promised(case: Case, desk: Desk) -> tuple[events.ReopenedDue, ...]:
    """The citizen's clock of a case that had ended: it never stopped."""
    rows = [d for d in case.deadlines if d.clock == "citizen"]
    last = max(rows, key=lambda d: d.set_seq, default=None)
    return () if last is None else (run_on(last, case, desk.now, desk.city),)


def file_case(desk: Desk) -> tuple[Any, ...]:
    """As the router would have filed it, had it known what people know now."""
    case, city = desk.case, desk.city
    if desk.wanted.category not in city.categories:
        raise NotAllowed("invalid", "is not a category of the city", "category")
    if city.categories[desk.wanted.category].redirect is not None:
        raise NotAllowed("invalid", "nobody here works on this: redirect it to its hotline", "category")
    stands = Place(
        case.place_code or case.hub_code, case.place_code, case.location_quality, grid_code=case.grid_code
    )
    if desk.wanted.hub_code is not None:
        stands = place(city=city, cell=None, hub_code=desk.wanted.hub_code, point=None, accuracy_m=None)
        if stands.unrouted:
            raise NotAllowed("invalid", "no hub has this code", "hub_code")
    elif stands.hub_code not in city.hubs:
        stands = Place(city.root, None, "low")
    way = route(city=city, category=desk.wanted.category, place=stands, confidential=case.confidential)
    was = city.categories.get(case.category)
    raised = was is not None and was.priority != case.priority
    priority = way.category.priority
    if raised:
        priority = city.more_urgent(priority, case.priority)
    surge = city.surge_at(stands.hub_code, desk.now)
    filed = events.CaseFiled(
        report_id=case.report_id,
        root_case_id=case.root_case_id,
        number=case.number,
        channel=None,
        category=way.category.code,
        priority=priority,
        place_code=stands.place_code,
        location_quality=stands.quality,
        unrouted=False,
        confidential=way.confidential,
        received_at=case.received_at,
        grid_code=stands.grid_code,
        recurrence_of=case.side.recurrence_of,
        surge=surge,
        aid_hub_code=city.policy.surges[surge].aid_hub if surge else None,
        lane=case.lane,
    )
    citizen = case.open_deadline("citizen", LAST_STAGE)
    since = min(citizen.start_at, case.received_at) if citizen else case.received_at
    sent = dispatched(way, filed, city=city, now=desk.now, promised_since=since)
    if citizen is not None:
        sent = replace(sent, dues=tuple(_promised(sent.dues, citizen, desk, priority)))
    return (filed, sent)


def _promised(dues: tuple[Due, ...], citizen: Deadline, desk: Desk, priority: str) -> Iterator[Due]:
    """A promise is kept or bettered: no other word for the problem puts it off."""
    for due in dues:
        if due.clock != "citizen":
            yield due
        elif due.due_at < citizen.due_at:
            yield clocks.set_again(due, before=citizen, city=desk.city, priority=priority, now=desk.now)


def raise_priority(desk: Desk) -> tuple[Any, ...]:
    if desk.wanted.reason not in RAISED_BY_PEOPLE:
        raise NotAllowed("invalid", f"is not one of {', '.join(RAISED_BY_PEOPLE)}", "reason")
    return (raised(desk.case, desk.wanted.reason, now=desk.now, city=desk.city),)
