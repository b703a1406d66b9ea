"""The facts with which a case begins: to whom it goes and what is promised."""

from __future__ import annotations

from datetime import datetime

from services.domain import clocks, events, ids
from services.domain.case import Case
from services.domain.city import LAST_STAGE, NO_CATEGORY, Category, City
from services.domain.deciding import Seat
from services.domain.events import Due, TriageReason
from services.domain.routing import Route


def dispatched(
    way: Route, filed: events.CaseFiled, *, city: City, now: datetime, promised_since: datetime | None = None
) -> events.CaseDispatched:
    """To the owner, whose clock starts now, or at the end of a surge that defers it.

    `promised_since`: since when the citizen's clock runs, if it is longer than since this report.
    """
    storm = city.policy.surges.get(filed.surge) if filed.surge else None
    deferred = storm is not None and filed.priority in storm.deferred
    start_at = max(now, storm.ends) if storm is not None and deferred else now
    dues = clocks.owner_dues(
        city, way.category.code, priority=filed.priority, start_at=start_at, surge=filed.surge
    )
    return events.CaseDispatched(
        hub_code=way.hub_code,
        level=way.level,
        owner=way.owner,
        owner_hub_code=way.owner_hub_code,
        dues=(*dues, *promise(way.category, filed.priority, city, promised_since or filed.received_at)),
    )


def promise(category: Category, priority: str, city: City, received_at: datetime) -> tuple[Due, ...]:
    """The citizen's clock: it runs from the report on, whoever looks at it meanwhile."""
    if category.resolve is None:
        return ()
    return (
        clocks.set_due(
            city=city,
            priority=priority,
            clock="citizen",
            stage=LAST_STAGE,
            limit=category.resolve,
            start_at=received_at,
        ),
    )


def begun(
    case: Case,
    report_id: str,
    *,
    reason: TriageReason,
    seat: Seat,
    triage: Due,
    received_at: datetime,
    command_id: str,
    now: datetime,
    city: City,
) -> tuple[str, events.TriageStarted]:
    """A case for a report that does not stand with another one after all, and has none of its own."""
    case_id = ids.case_id(now, command_id)
    known = city.categories.get(case.category)
    promised = known is not None and case.category != NO_CATEGORY
    dues = promise(known, case.priority, city, received_at) if known and promised else ()
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
        received_at=received_at,
        grid_code=case.grid_code,
        reason=reason,
        **seat.fields(),
        dues=(triage, *dues),
    )
