"""The beginning of a case: a report is placed, and filed with its dues set, or people look at it first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from services.domain import clocks, events, ids
from services.domain.beginning import begun, dispatched, promise
from services.domain.case import Case
from services.domain.city import NO_CATEGORY, City
from services.domain.deciding import TRIAGE, desk_of, triage_limit
from services.domain.events import TriageReason
from services.domain.messages import SYSTEM, Actor, SubmitReport
from services.domain.place import Place
from services.domain.routing import Route, route
from services.domain.settling import Settled, Writer


@dataclass(frozen=True, slots=True)
class Known:
    """What the router saw of a report beyond its message: words of danger in it, other cases like it."""

    danger: bool = False
    like: tuple[events.Likeness, ...] = ()
    recurrence_of: str | None = None


NOTHING_KNOWN = Known()


def file_report(
    report: SubmitReport, *, place: Place, city: City, now: datetime, known: Known = NOTHING_KNOWN
) -> Settled:
    """A report that stands alone is one case: dispatched at once (lane fast), or looked at first."""
    case_id = ids.case_id(now, report.report_id)
    way = route(
        city=city,
        category=report.category,
        place=place,
        confidential=report.visibility == "confidential",
    )
    danger = known.danger or bool(way.category.hotlines)
    priority = next(iter(city.priorities)) if danger else way.category.priority
    surge = city.surge_at(place.hub_code, now)
    birth: dict[str, Any] = {
        "report_id": report.report_id,
        "root_case_id": case_id,
        "number": ids.case_number(case_id, now, city.zone),
        "channel": report.channel,
        "category": way.category.code,
        "priority": priority,
        "place_code": place.place_code,
        "location_quality": place.quality,
        "unrouted": way.unrouted,
        "confidential": way.confidential,
        "received_at": now,
        "grid_code": place.grid_code,
        "recurrence_of": known.recurrence_of,
        "surge": surge,
        "aid_hub_code": city.policy.surges[surge].aid_hub if surge else None,
    }
    reason = _looked_at_first(report, place, way, priority, city)
    written = Writer({}, report.report_id, now, city)
    by = f"report:{report.report_id}"
    if reason is None:
        filed = events.CaseFiled(**birth, lane="fast")
        written.write(case_id, filed, by)
        written.write(case_id, dispatched(way, filed, city=city, now=now), SYSTEM)
    else:
        seat = desk_of(city, way.hub_code)
        dues = [
            clocks.set_due(
                city=city,
                priority=priority,
                clock="owner",
                stage=TRIAGE,
                limit=triage_limit(city, priority, reason),
                start_at=now,
            )
        ]
        if reason != "no_category":
            dues += promise(way.category, priority, city, now)
        written.write(
            case_id, events.TriageStarted(**birth, reason=reason, **seat.fields(), dues=tuple(dues)), by
        )
    if danger:
        page = events.DutyDeskPaged(hub_code=city.root, reason="life_safety")
        written.write(case_id, page, SYSTEM)
    if known.like and not way.confidential:
        written.write(case_id, events.DuplicatesSuggested(candidates=known.like), SYSTEM)
    return written.settled(case_id)


def _looked_at_first(
    report: SubmitReport, place: Place, way: Route, priority: str, city: City
) -> TriageReason | None:
    """Danger never waits for people to look; what nobody here works on is passed on by people."""
    if way.category.redirect is not None:
        return "life_safety"
    if way.unrouted or way.category.code == NO_CATEGORY:
        return "no_category"
    if city.priorities[priority].urgent:
        return None
    has = {"photo": bool(report.photos), "position": place.quality == "good"}
    return None if all(has[one] for one in city.policy.needed_to_file) else "verify_first"


def add_report(
    report: SubmitReport,
    case: Case,
    *,
    likeness: events.Likeness | None,
    same_reporter: bool,
    anonymous: bool = False,
    now: datetime,
    city: City,
    others: Mapping[str, Case],
) -> Settled:
    """A report of a problem that is known: it joins the case, urges it, or opens it again.

    One that finds the case over after all is looked at by people, as a case of its own.
    """
    now = max(now, case.last_event_at)
    written = Writer({**others, case.case_id: case}, report.report_id, now, city)
    written.pass_steps(case.case_id)
    by = Actor(ref=f"report:{report.report_id}", roles=("reporter",))
    added = events.ReportAdded(
        report_id=report.report_id,
        same_reporter=same_reporter,
        anonymous=anonymous,
        score=likeness.score if likeness else None,
        distance_m=likeness.distance_m if likeness else None,
    )
    stands = written.cases[case.case_id]
    joined = written.copy()
    if stands.open:
        joined.write(case.case_id, added, by.ref)
        if same_reporter:
            joined.decide_more(case.case_id, "urge", by)
    elif stands.state != "closed" or not _reopened(joined, case.case_id, added, by):
        return _alone(written, stands, report, by, now=now, city=city)
    joined.pass_steps(case.case_id)
    return joined.settled(case.case_id)


def _reopened(written: Writer, case_id: str, added: events.ReportAdded, by: Actor) -> bool:
    written.write(case_id, added, by.ref)
    return written.decide_more(case_id, "reopen", by) is None


def _alone(
    written: Writer, known: Case, report: SubmitReport, by: Actor, *, now: datetime, city: City
) -> Settled:
    seat = desk_of(city, known.hub_code if known.hub_code in city.hubs else city.root)
    triage = clocks.set_due(
        city=city,
        priority=known.priority,
        clock="owner",
        stage=TRIAGE,
        limit=triage_limit(city, known.priority, "verify_first"),
        start_at=now,
    )
    case_id, birth = begun(
        known,
        report.report_id,
        reason="verify_first",
        seat=seat,
        triage=triage,
        received_at=now,
        command_id=report.report_id,
        now=now,
        city=city,
    )
    written.write(case_id, replace(birth, channel=report.channel, recurrence_of=known.case_id), by.ref)
    return written.settled(case_id)
