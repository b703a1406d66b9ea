"""Cases decided once by the real domain, whose rows and records are then given out under other ids.

So the bare loop writes the same amount, in the same shape, as the router does for the same reports.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from services.adapters import codec, rows
from services.adapters.duplicate_rows import band_of
from services.adapters.seal import SealKeys
from services.domain.filing import file_report
from services.domain.messages import Outcome
from services.domain.place import place
from services.router.batch import content_row
from services.router.reading import point_of
from tests.bench.reports import bodies, content_of, read_bench_city, report_of

_REPORT: Final = "5eb2a0d4-0c3a-8f11-9d2e-7b6f00c1d2e3"
_SECRET: Final = b"no secret"


class _Text:
    """Bytes in which the sample's ids stand, ready to take others."""

    def __init__(self, sample: bytes, report_id: str, case_id: str) -> None:
        escaped = sample.replace(b"%", b"%%")
        self._form = escaped.replace(report_id.encode(), b"%(r)b").replace(case_id.encode(), b"%(c)b")

    def under(self, report_id: bytes, case_id: bytes) -> bytes:
        return self._form % {b"r": report_id, b"c": case_id}


class Template:
    def __init__(self, body: dict[str, Any], keys: SealKeys, city: Any, areas: Any) -> None:
        now = datetime.now(UTC)
        content = content_of(body)
        report = report_of(body, _REPORT, keys)
        point = point_of(content.location)
        assert point is not None
        (cell,) = areas.cells_at([point])
        stands = place(city=city, cell=cell, hub_code=report.hub_code, point=point, accuracy_m=None)
        settled = file_report(report, place=stands, city=city, now=now)
        case = settled.case
        sample = _REPORT, case.case_id
        outcome = Outcome(
            command_id=_REPORT,
            case_id=case.case_id,
            outcome="applied",
            decided_at=now,
            events=((case.case_id, 1, 2),),
        )
        self._case = rows.case_row(case, now)[2:]
        self._deadlines = [rows.deadline_row("", deadline)[1:] for deadline in case.deadlines]
        self._events = [
            (row[1:5], row[6:8], _Text(row[8].encode(), *sample))
            for row in map(rows.event_row, settled.events)
        ]
        outcome_row = rows.outcome_row(outcome)
        self._outcome = outcome_row[2:6], _Text(outcome_row[6].encode(), *sample), outcome_row[7]
        self._content = content_row(_REPORT, content, point)[1:]
        about = report.channel, report.category, report.hub_code, report.visibility
        self._report = *about, None, now, (), False
        lon, lat = point
        self._sighting = (
            band_of(lat), report.category or "", lon, lat, 10.0, now, report.category, None, None, True,
            content.text,
        )  # fmt: skip
        written = [
            *((codec.CASE_EVENTS, codec.event_record(event)) for event in settled.events),
            (codec.COMMAND_OUTCOMES, codec.outcome_record(outcome)),
        ]
        self._records = [
            (topic, _Text(value, *sample), [(name, _Text(text, *sample)) for name, text in headers])
            for topic, (_, value, headers) in written
        ]

    def case_row(self, report_id: str, case_id: str, changed_at: datetime) -> tuple[Any, ...]:
        return (case_id, case_id, *self._case[:-4], changed_at, report_id, *self._case[-2:])

    def deadline_rows(self, case_id: str) -> list[tuple[Any, ...]]:
        return [(case_id, *rest) for rest in self._deadlines]

    def event_rows(self, report_id: str, case_id: str) -> list[tuple[Any, ...]]:
        ids = report_id.encode(), case_id.encode()
        return [
            (case_id, *first, report_id, *then, payload.under(*ids).decode())
            for first, then, payload in self._events
        ]

    def outcome_row(self, report_id: str, case_id: str) -> tuple[Any, ...]:
        first, ranges, decided_at = self._outcome
        text = ranges.under(report_id.encode(), case_id.encode()).decode()
        return (report_id, case_id, *first, text, decided_at)

    def report_row(self, report_id: str, case_id: str) -> tuple[Any, ...]:
        return (report_id, int(report_id[:8] + report_id[19:23].replace("-", ""), 16), case_id, *self._report)

    def content_row(self, report_id: str) -> tuple[Any, ...]:
        return (report_id, *self._content)

    def sighting_row(self, report_id: str, case_id: str) -> tuple[Any, ...]:
        return (case_id, report_id, *self._sighting)

    def records(self, report_id: str, case_id: str) -> list[tuple[str, bytes, codec.Headers]]:
        ids = report_id.encode(), case_id.encode()
        return [
            (topic, value.under(*ids), [(name, text.under(*ids)) for name, text in headers])
            for topic, value, headers in self._records
        ]


def templates(seal_keys: str) -> list[Template]:
    """One for each of the bodies that the router gets in the same order."""
    city, areas = read_bench_city()
    keys = SealKeys(seal_keys)
    return [Template(body, keys, city, areas) for body in bodies(city)]
