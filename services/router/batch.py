"""What a batch becomes in one transaction: each message is decided on what the earlier ones left.

Steps (a) to (f) are those of the README's decision on the transaction. Nothing is published here.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from services.adapters import metrics, rows
from services.adapters.areas import Areas
from services.adapters.book import BadData, Book, CityRead, Transaction
from services.adapters.clock import Clock
from services.adapters.duplicate_rows import SIGHTINGS
from services.domain import ids
from services.domain.case import Case
from services.domain.city import City
from services.domain.duplicates import Attach, Recurrence, Reopen, Suggest, Urge
from services.domain.events import Event
from services.domain.filing import Known, add_report, file_report
from services.domain.geo import Point
from services.domain.messages import AttachCase, CaseCommand, Content, DeadLetter, Outcome, SubmitReport
from services.domain.place import Place, place
from services.domain.report_homes import new_home
from services.domain.settling import Settled, settle
from services.router.reading import Read, dead_letter
from services.router.repeats import Repeats

_AHEAD = timedelta(seconds=2)


@dataclass(slots=True)
class Settlement:
    """What is to be published of a batch, those decided earlier included."""

    events: list[Event] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)

    def add(self, other: Settlement) -> None:
        self.events += other.events
        self.outcomes += other.outcomes
        self.letters += other.letters


async def settle_batch(book: Book, batch: Sequence[Read], clock: Clock, secret: bytes) -> Settlement:
    """One transaction, or, when the database refuses a value, as many as it takes to find whose it is.

    Raises Conflict and World; then nothing of the failed transaction is in the book.
    """
    if not batch:
        return Settlement()
    try:
        return await _Work(batch, clock, secret).run(book)
    except CityRead:
        return await settle_batch(book, batch, clock, secret)
    except BadData as error:
        if len(batch) == 1:
            letter = dead_letter(batch[0].incoming, "data", str(error), clock.now())
            return Settlement(letters=[letter])
    middle = len(batch) // 2
    settlement = await settle_batch(book, batch[:middle], clock, secret)
    settlement.add(await settle_batch(book, batch[middle:], clock, secret))
    return settlement


class _Work:
    def __init__(self, batch: Sequence[Read], clock: Clock, secret: bytes) -> None:
        self._batch = batch
        self._clock = clock
        self._secret = secret
        self._before: dict[str, Case] = {}
        self._after: dict[str, Case] = {}
        self._events: list[Event] = []
        self._outcomes: list[Outcome] = []
        self._letters: list[DeadLetter] = []
        self._reports: list[tuple[Any, ...]] = []
        self._contents: list[tuple[Any, ...]] = []
        self._words: list[tuple[Any, ...]] = []
        self._filed: list[Case] = []
        self._repeats: Repeats

    async def run(self, book: Book) -> Settlement:
        first: dict[str, Read] = {}
        next_offsets: dict[tuple[str, int], int] = {}
        for one in self._batch:
            first.setdefault(one.command_id, one)  # (a)
            at = one.incoming.topic, one.incoming.partition
            next_offsets[at] = max(next_offsets.get(at, 0), one.incoming.offset + 1)
        async with book.transaction() as tx:
            await tx.lock_progress(list(next_offsets))  # (b)
            city, areas = await tx.active_city()
            repeats = self._repeats = Repeats(city, self._secret)
            await repeats.look(tx.sightings, first.values())
            named = {case_id for r in first.values() for case_id in _named(r.message)}
            named.update(repeats.targets())
            self._before = await _locked(tx, named)  # (c), (d)
            self._after = dict(self._before)
            earlier = await tx.outcomes(list(first))
            fresh = [one for one in first.values() if one.command_id not in earlier]
            self._decide(fresh, city, areas)  # (e)
            await self._write(tx)  # (f)
            await tx.raise_progress(next_offsets)
            again = [r for outcome in earlier.values() for r in outcome.events]
            repeated = await tx.events_of(again) if again else []
        self._count(city)
        return Settlement(repeated + self._events, [*earlier.values(), *self._outcomes], self._letters)

    def _decide(self, fresh: Sequence[Read], city: City, areas: Areas) -> None:
        points = {one.command_id: one.point for one in fresh if one.point is not None}
        asked = [*points.values()]
        spots = dict(zip(points, zip(areas.cells_at(asked), areas.grids_at(asked), strict=True), strict=True))
        for one in fresh:
            now = self._now_of(one)
            try:
                if isinstance(one.message, SubmitReport):
                    self._file(one.message, one, now, city, *spots.get(one.command_id, (None, None)))
                else:
                    self._command(one.message, one.content, now, city)
            except Exception as error:  # whatever decide raises is that message's fault, and is told
                reason = _where(error)
                self._letters.append(dead_letter(one.incoming, "message", reason, self._clock.now()))

    def _now_of(self, one: Read) -> datetime:
        latest = one.incoming.appended_at + self._clock.offset + _AHEAD
        if one.message.received_at > latest:
            metrics.skew_clamped_total.inc()
            return latest
        return one.message.received_at

    def _file(
        self, report: SubmitReport, read: Read, now: datetime, city: City, cell: str | None, grid: str | None
    ) -> None:
        content, point = read.content, read.point
        stands = place(
            city=city,
            cell=cell,
            grid=grid,
            hub_code=report.hub_code,
            point=point,
            accuracy_m=content.location.accuracy_m if content.location else None,
        )
        danger, anonymous = city.policy.danger(content.text), not content.phone
        settled = self._begun(report, stands, now, city, danger=danger, anonymous=anonymous)
        case = settled.case
        self._repeats.filed(report.report_id, case, joined=case.case_id in self._after)
        self._reports.append(
            (
                report.report_id,
                ids.tracking_number(self._secret, report.report_id),
                case.case_id,
                report.channel,
                report.category,
                report.hub_code,
                report.visibility,
                report.captured_at,
                now,
                report.photos,
                report.on_behalf,
            )
        )
        if content != Content():
            self._contents.append(content_row(report.report_id, content, point))
        if case.case_id not in self._after:
            self._filed.append(case)
        self._take(report.report_id, settled, now)

    def _begun(
        self,
        report: SubmitReport,
        stands: Place,
        now: datetime,
        city: City,
        *,
        danger: bool,
        anonymous: bool,
    ) -> Settled:
        """A case of its own, or what the report makes of the case whose problem it repeats."""
        verdict = self._repeats.verdict(report.report_id, stands, now, self._after)
        if isinstance(verdict, Urge | Attach | Reopen):
            case = self._after[verdict.like.case_id]
            return add_report(
                report,
                case,
                likeness=verdict.like,
                same_reporter=isinstance(verdict, Urge),
                anonymous=anonymous,
                now=now,
                city=city,
                others=self._relatives(case, set()),
            )
        known = Known(
            danger=danger,
            like=verdict.suggested if isinstance(verdict, Suggest | Recurrence) else (),
            recurrence_of=verdict.like.case_id if isinstance(verdict, Recurrence) else None,
        )
        return file_report(report, place=stands, city=city, now=now, known=known)

    def _command(self, command: CaseCommand, content: Content, now: datetime, city: City) -> None:
        case = self._after.get(command.case_id)
        if case is None:
            self._outcomes.append(
                Outcome(
                    command_id=command.command_id,
                    case_id=command.case_id,
                    outcome="refused",
                    decided_at=now,
                    code="not_found",
                    detail="there is no case with this id",
                    field="case_id",
                )
            )
            return
        settled = settle(case, command, now=now, city=city, others=self._near(case, command))
        if content.text and settled.refusal is None:
            self._words.append((command.command_id, case.case_id, content.text))
        self._take(command.command_id, settled, now)

    def _near(self, case: Case, command: CaseCommand) -> dict[str, Case]:
        """The other cases that the command names or that may change with this one."""
        return self._relatives(case, set(_named(command)))

    def _relatives(self, case: Case, named: set[str]) -> dict[str, Case]:
        near: dict[str, Case] = {}
        wanted = named | case.relatives
        while wanted:
            found = {one: self._after[one] for one in wanted if one in self._after and one != case.case_id}
            near |= found
            wanted = {one for other in found.values() for one in other.relatives} - {*near, case.case_id}
        return near

    def _take(self, command_id: str, settled: Settled, now: datetime) -> None:
        case, refusal = settled.case, settled.refusal
        self._after |= {**settled.others, case.case_id: case}
        self._events += settled.events
        self._outcomes.append(
            Outcome(
                command_id=command_id,
                case_id=case.case_id,
                outcome="refused" if refusal else "applied",
                decided_at=now,
                code=refusal.code if refusal else None,
                detail=refusal.detail if refusal else None,
                field=refusal.field if refusal else None,
                events=_ranges(settled.events),
            )
        )

    async def _write(self, tx: Transaction) -> None:
        await tx.write(
            before=self._before,
            after=self._after,
            events=self._events,
            outcomes=self._outcomes,
            changed_at=self._clock.now(),
        )
        await tx.insert("reports", rows.REPORTS, self._reports)
        homes = dict(home for event in self._events if (home := new_home(event)) is not None)
        await tx.move_reports(homes)
        private = [row[0] for row in (*self._contents, *self._words)]
        erased = await tx.erased(private) if private else set()
        contents = [row for row in self._contents if row[0] not in erased]
        await tx.insert("report_contents", rows.REPORT_CONTENTS, contents, schema="private")
        words = [row for row in self._words if row[0] not in erased]
        await tx.insert("command_words", rows.COMMAND_WORDS, words, schema="private")
        sightings = [row for row in self._repeats.rows if row[1] not in erased]
        await tx.insert("sightings", SIGHTINGS, sightings, schema="private")
        await self._repeats.follow(tx.sightings, self._before, self._after, homes)

    def _count(self, city: City) -> None:
        for ended, count in Counter((o.outcome, o.code or "") for o in self._outcomes).items():
            metrics.outcomes_total.labels(*ended).inc(count)
        for event_type, count in Counter(e.type for e in self._events).items():
            metrics.events_total.labels(event_type).inc(count)
        filed = Counter((str(c.level), city.categories[c.category].kind, c.priority) for c in self._filed)
        for labels, count in filed.items():
            metrics.cases_filed_total.labels(*labels).inc(count)


def _named(message: SubmitReport | CaseCommand) -> Iterator[str]:
    if isinstance(message, CaseCommand):
        yield message.case_id
        if isinstance(message.payload, AttachCase):
            yield message.payload.to_case_id


async def _locked(tx: Transaction, named: set[str]) -> dict[str, Case]:
    """These cases and all that may change with them, each family's root locked before any is read."""
    cases: dict[str, Case] = {}
    wanted = named
    while wanted:
        await tx.lock_families(sorted(wanted))
        cases |= await tx.cases(sorted(wanted))
        wanted = {one for case in cases.values() for one in case.relatives} - cases.keys() - named
        named |= wanted
    return cases


def _ranges(written: Sequence[Event]) -> tuple[tuple[str, int, int], ...]:
    """What a message wrote, case by case in the order of their first events."""
    of_case: dict[str, list[int]] = {}
    for event in written:
        of_case.setdefault(event.case_id, []).append(event.seq)
    return tuple((case_id, seqs[0], seqs[-1]) for case_id, seqs in of_case.items())


def _where(error: Exception) -> str:
    """The error's name and place in the code. Its text may quote the message, which stays sealed."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {frame.name} ({Path(frame.filename).name}:{frame.lineno})"


def content_row(report_id: str, content: Content, point: Point | None) -> tuple[Any, ...]:
    at = content.location
    return (
        report_id,
        content.name,
        content.phone,
        content.text,
        *(point or (None, None)),
        at.lon if at else None,
        at.lat if at else None,
        at.datum if at else None,
        at.accuracy_m if at else None,
    )
