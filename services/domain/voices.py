"""What reporters, supervisors and others add while a case goes on: none of it moves a clock."""

from __future__ import annotations

from typing import Any

from services.domain import events
from services.domain.deciding import Desk
from services.domain.errors import NotAllowed


def withdraw(desk: Desk) -> tuple[Any, ...]:
    """The case stays if others stand by it, if it is urgent, or if parts of it are under way."""
    case = desk.case
    report_id = desk.actor.ref.removeprefix("report:")
    left = events.ReportWithdrawn(report_id=report_id)
    known = desk.city.priorities.get(case.priority)
    stays = len(case.reports) > 1 or known is None or known.urgent or case.open_parts
    return (left,) if stays else (left, events.CaseWithdrawn())


def urge(desk: Desk) -> tuple[Any, ...]:
    every = desk.city.policy.urge_every
    if desk.case.side.urged_at is not None:
        again, _ = desk.city.working_time(every.calendar).due(every, desk.case.side.urged_at)
        if desk.now < again:
            raise NotAllowed("not_allowed", f"it was urged already; again from {again.isoformat()} on")
    return (events.CaseUrged(report_id=desk.actor.ref.removeprefix("report:")),)


def supervise(desk: Desk) -> tuple[Any, ...]:
    city = desk.city
    levels = (city.hubs[hub].level for hub in desk.actor.hubs if hub in city.hubs)
    return (events.CaseSupervised(to_level=min(levels, default=desk.case.level), reason="by_hand"),)


def add_photos(desk: Desk) -> tuple[Any, ...]:
    return (events.PhotosAdded(photos=desk.wanted.photos, kind=desk.wanted.kind),)
