"""The beginning of a case: one valid report is one case, placed, routed and with its dues set."""

from __future__ import annotations

from datetime import datetime

from services.domain import clocks, events, ids
from services.domain.city import LAST_STAGE, City
from services.domain.evolve import evolve
from services.domain.messages import SYSTEM, SubmitReport
from services.domain.place import Place
from services.domain.routing import route
from services.domain.settling import Settled


def file_report(report: SubmitReport, *, place: Place, city: City, now: datetime) -> Settled:
    """One valid report is one case, filed and dispatched at once (lane fast)."""
    case_id = ids.case_id(now, report.report_id)
    way = route(
        city=city,
        category=report.category,
        place=place,
        confidential=report.visibility == "confidential",
    )
    filed = events.CaseFiled(
        report_id=report.report_id,
        root_case_id=case_id,
        number=ids.case_number(case_id, now, city.zone),
        channel=report.channel,
        category=way.category.code,
        priority=way.category.priority,
        lane="fast",
        place_code=place.place_code,
        location_quality=place.quality,
        unrouted=way.unrouted,
        confidential=way.confidential,
        received_at=now,
    )
    dues = [
        clocks.set_due(
            city=city, priority=filed.priority, clock="owner", stage=stage, limit=limit, start_at=now
        )
        for stage, limit in clocks.owner_limits(city, way.category.code)
    ]
    if way.category.resolve is not None:
        dues.append(
            clocks.set_due(
                city=city,
                priority=filed.priority,
                clock="citizen",
                stage=LAST_STAGE,
                limit=way.category.resolve,
                start_at=now,
            )
        )
    dispatched = events.CaseDispatched(
        hub_code=way.hub_code,
        level=way.level,
        owner=way.owner,
        owner_hub_code=way.owner_hub_code,
        dues=tuple(dues),
    )
    written = tuple(
        events.Event(
            case_id=case_id,
            seq=seq,
            type=type(body).__name__,
            occurred_at=now,
            actor_ref=actor,
            command_id=report.report_id,
            cycle=1,
            city_version=city.version,
            payload=body,
        )
        for seq, actor, body in ((1, f"report:{report.report_id}", filed), (2, SYSTEM, dispatched))
    )
    return Settled(evolve(evolve(None, written[0]), written[1]), written)
