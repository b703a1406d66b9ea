"""Where a report stands: its case, as the events say. A report has one home at any time."""

from __future__ import annotations

from services.domain import events


def report_home(event: events.Event) -> tuple[str, str] | None:
    """(report_id, case_id) where an event gives a report its case, else None."""
    body = event.payload
    if isinstance(body, events.Birth):
        return (body.report_id, event.case_id) if body.report_id is not None else None
    if isinstance(body, events.ReportAdded):
        return body.report_id, event.case_id
    if isinstance(body, events.ReportRemoved):
        return body.report_id, body.to_case_id
    return None
