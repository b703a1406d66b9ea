"""What happened to a report, in the words of the public: only what its reporter may know, nothing of others.

Rules: who joined a case later reads it from then on, who withdrew until then; an event without words is left
out, so a newer router never breaks the page.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from services.adapters.public_status import PublicEvent, PublicReport
from services.domain import events
from services.domain.city import City
from services.intake.words import Words

# Others may share the case: what they say and send is not this reporter's news.
_OF_ONESELF: Final = frozenset({"CaseUrged", "CallbackRecorded", "CommentAdded", "PhotosAdded"})


def history(report: PublicReport, city: City, words: Words) -> Iterator[tuple[datetime, str]]:
    yield report.received_at, words["event.received"]
    for event in known_to(report):
        text = next((words[key] for key in _keys(event, report) if key in words), None)
        if text is not None:
            yield event.at, text.format(**_named(event, report, city, words))


def known_to(report: PublicReport) -> Iterator[PublicEvent]:
    """The events that are this reporter's to know, in order."""
    own, joined = report.own_case_id, None
    if report.case.case_id != own:
        joined = next((e.at for e in report.events if _is_of(report, e, events.ReportAdded)), None)
    for event in report.events:
        if event.type in _OF_ONESELF and event.actor_ref != report.actor_ref:
            continue
        if isinstance(event.body, events.ReportAdded | events.ReportWithdrawn):
            if not _is_of(report, event):
                continue
            # its own case has said so already
            if isinstance(event.body, events.ReportAdded) and event.body.from_case_id == own:
                continue
        if event.case_id != own and joined is not None and event.at < joined:
            continue
        yield event
        if isinstance(event.body, events.ReportWithdrawn):
            return


def _is_of(report: PublicReport, event: PublicEvent, kind: type[Any] = object) -> bool:
    return isinstance(event.body, kind) and getattr(event.body, "report_id", None) == report.report_id


def _keys(event: PublicEvent, report: PublicReport) -> Iterator[str]:
    """The most telling words first."""
    body, key = event.body, f"event.{event.type}"
    if event.actor_ref == report.actor_ref:
        yield f"{key}.you"
    variant = getattr(body, "outcome" if isinstance(body, events.ResolutionSubmitted) else "stage", None)
    if isinstance(body, events.CallbackRecorded):
        variant = body.resolved
    elif isinstance(body, events.TriageStarted):
        variant = body.reason
    if variant is not None:
        yield f"{key}.{variant}"
    yield key


def _named(event: PublicEvent, report: PublicReport, city: City, words: Words) -> dict[str, str]:
    body = event.body
    part = body.part if isinstance(body, events.ChildResolved) else None
    return {
        "hub": hub_name(city, getattr(body, "hub_code", None) or report.case.hub_code),
        "number": part.number if part else "",
        "to": body.to if isinstance(body, events.ReportRedirected) else "",
    }


def hub_name(city: City, code: str) -> str:
    """A hub of an older version of the city that is gone is called by its code."""
    hub = city.hubs.get(code)
    return hub.name if hub else code


def is_withdrawn(report: PublicReport) -> bool:
    """By its own reporter; the case may go on without it."""
    return report.report_id in report.case.side.gone and report.case.state != "attached"
