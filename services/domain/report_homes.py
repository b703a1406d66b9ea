"""Where reports stand: which events of a case bring one to it, and which take one away.

What else a report is comes from its sender and is no event; its `case_id` alone follows the events.
"""

from __future__ import annotations

from services.domain.events import CaseFiled, Event


def reports_after(here: frozenset[str], event: Event) -> frozenset[str]:
    """The reports that stand with the event's case after it, of those that stood there before."""
    if isinstance(event.payload, CaseFiled):
        return here | {event.payload.report_id}
    return here
