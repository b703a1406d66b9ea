"""The facts with which a case begins: to whom it goes and what is promised."""

from __future__ import annotations

from datetime import datetime

from services.domain import clocks, events, ids
from services.domain.case import Case
from services.domain.city import LAST_STAGE, City
from services.domain.deciding import Seat
from services.domain.events import Due, TriageReason
from services.domain.routing import Route


def dispatched(way: Route, filed: events.CaseFiled, *, city: City, now: datetime) -> events.CaseDispatched:
    """To the owner, whose clock starts now, or at the end of a surge that defers it."""
    storm = city.policy.surges.get(filed.surge) if filed.surge else None
    deferred = storm is not None and filed.priority in storm.deferred
    start_at = max(now, storm.ends) if storm is not None and deferred else now
    dues = tuple(
        clocks.set_due(
            city=city, priority=filed.priority, clock="owner", stage=stage, limit=limit, start_at=start_at
        )
        for stage, limit in clocks.owner_limits(city, way.category.code, surge=filed.surge)
    )
    return events.CaseDispatched(
        hub_code=way.hub_code,
        level=way.level,
        owner=way.owner,
        owner_hub_code=way.owner_hub_code,
        dues=(*dues, *promise(way, filed.priority, city, filed.received_at)),
    )


def promise(way: Route, priority: str, city: City, received_at: datetime) -> tuple[Due, ...]:
    """The citizen's clock: it runs from the report on, whoever looks at it meanwhile."""
    if way.category.resolve is None:
        return ()
    return (
        clocks.set_due(
            city=city,
            priority=priority,
            clock="citizen",
            stage=LAST_STAGE,
            limit=way.category.resolve,
            start_at=received_at,
        ),
    )


def begun(
    case: Case,
    report_id: str,
    *,
    reason: TriageReason,
    seat: Seat,
    dues: tuple[Due, ...],
    now: datetime,
    city: City,
) -> tuple[str, events.TriageStarted]:
    """A case for a report that was taken off another one and had none of its own."""
    case_id = ids.case_id(now, report_id)
    return case_id, events.TriageStarted(
        report_id=report_id,
        root_case_id=case_id,
        number=ids.case_number(case_id, now, city.zone),
        channel=None,
        category=case.category,
        priority=case.priority,
        place_code=case.place_code,
        location_quality=case.location_quality,
        unrouted=False,
        confidential=case.confidential,
        received_at=now,
        grid_code=case.grid_code,
        reason=reason,
        **seat.fields(),
        dues=dues,
    )
