"""Where reports stand: which events of a case bring one to it, and which take one away.

What else a report is comes from its sender and is no event; its `case_id` alone follows the events.
"""

from __future__ import annotations

from services.domain.events import (
    Birth,
    CaseDetached,
    Event,
    ReportAdded,
    ReportAttached,
    ReportDetached,
    ReportRemoved,
)


def reports_after(here: frozenset[str], event: Event) -> frozenset[str]:
    """The reports that stand with the event's case after it, of those that stood there before."""
    match event.payload:
        case Birth(report_id=str(report_id)) | ReportAdded(report_id=report_id):
            return here | {report_id}
        case ReportDetached(report_id=report_id) | CaseDetached(report_id=report_id):
            return frozenset({report_id})
        case ReportRemoved(report_id=report_id):
            return here - {report_id}
        case ReportAttached():
            return frozenset()
        case _:
            return here


def new_home(event: Event) -> tuple[str, str] | None:
    """(report_id, case_id) where an event gives a report that has a case another one, else None."""
    match event.payload:
        case ReportAdded(report_id=report_id):
            return report_id, event.case_id
        case ReportRemoved(report_id=report_id, to_case_id=to_case_id):
            return report_id, to_case_id
        case _:
            return None
