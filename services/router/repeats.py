"""What the reports of a batch repeat: asked of the book once, and of the batch itself as it is filed.

Before the locks `look` finds what is near and `targets` names the cases that reports may join; after them
`verdict` judges each report on those cases as they are now, and `filed` lets later ones repeat it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from services.adapters import duplicate_rows
from services.adapters.duplicate_rows import Asked, Sightings, Spot
from services.adapters.similarity import text_likeness
from services.domain import ids
from services.domain.case import Case
from services.domain.city import City
from services.domain.duplicates import (
    Attach,
    Candidate,
    Match,
    Reopen,
    Sighting,
    Urge,
    Verdict,
    judge,
    match,
    radius_m,
    seen_at,
)
from services.domain.messages import SubmitReport
from services.domain.place import Place
from services.domain.wording import normal_words, tell_apart
from services.router.reading import Read

NO_FAMILY: Final = ""
_MOST_COMPARED: Final = 16
"""Open problems in reach of a point that later reports are compared with: in a flood all are the same."""


@dataclass(slots=True)
class _Seen:
    """A report as it is compared."""

    report_id: str
    sighting: Sighting
    words: str | None
    asked: Asked
    only_suggest: bool
    surge: bool
    found: list[tuple[Candidate, str | None]]
    matches: list[Match]


class Repeats:
    def __init__(self, city: City, secret: bytes) -> None:
        self._city = city
        self._secret = secret
        self._seen: dict[str, _Seen] = {}
        self._here: dict[Spot, list[tuple[Candidate, str | None]]] = defaultdict(list)
        self._people: dict[str, set[int]] = defaultdict(set)
        self.rows: list[tuple[Any, ...]] = []
        """Of the reports filed so far, as duplicate_rows.SIGHTINGS has them."""

    async def look(self, book: Sightings, reads: Iterable[Read]) -> None:
        """One statement for all reports of the batch; none where nothing can be compared."""
        for read in reads:
            if isinstance(read.message, SubmitReport) and (seen := self._as_seen(read.message, read)):
                self._seen[seen.report_id] = seen
        seens = [*self._seen.values()]
        if not seens:
            return
        rules = self._city.duplicates
        earliest = min(one.sighting.seen_at for one in seens)
        found = await book.near(
            [one.asked for one in seens],
            open_since=earliest - rules.window,
            closed_since=earliest - rules.recurrence_within,
        )
        for number, candidate, words in found:
            seens[number].found.append((candidate, words))
        for one in seens:
            one.matches = self._matches(one, one.found)

    def targets(self) -> Iterator[str]:
        """Cases that a report would join if they stay as they are: to be locked."""
        for one in self._seen.values():
            found = one.matches and judge(
                one.sighting, one.matches, city=self._city, only_suggest=one.only_suggest
            )
            if isinstance(found, Urge | Attach | Reopen):
                yield found.like.case_id

    def verdict(self, report_id: str, stands: Place, now: datetime, cases: Mapping[str, Case]) -> Verdict:
        """`cases` are those the router holds, as earlier messages of the batch left them."""
        one = self._seen.get(report_id)
        if one is None:
            return None
        if stands.quality != "good":
            del self._seen[report_id]
            return None
        surge = self._city.surge_at(stands.hub_code, now) is not None
        if surge != one.surge:
            one.surge = surge
            one.matches = self._matches(one, one.found)
        fresh = [now_so for m in one.matches if (now_so := self._as_it_is(one, m, cases))]
        here = [each for spot in one.asked.spots if spot in self._here for each in self._here[spot]]
        if here:
            one.found += [(held, words) for c, words in here if (held := self._held(one, c, cases))]
            fresh += self._matches(one, one.found[-len(here) :])
        one.matches = fresh
        if not fresh:
            return None
        return judge(
            one.sighting,
            fresh,
            city=self._city,
            only_suggest=one.only_suggest,
            may_join=cases.__contains__,
        )

    def filed(self, report_id: str, case: Case, *, joined: bool) -> None:
        """The report stands with this case now, its own or one it joined."""
        one = self._seen.get(report_id)
        if one is None or case.confidential:
            return
        compared = not joined and sum(c.closed_at is None for c, _ in one.found) < _MOST_COMPARED
        family = self._city.duplicates.family_of(case.category) or NO_FAMILY
        self.rows.append(
            duplicate_rows.sighting_row(
                report_id,
                case.case_id,
                one.sighting,
                family=family,
                category=case.category,
                reporter=one.asked.reporter,
                compared=compared,
                words=one.words,
            )
        )
        if one.asked.reporter is not None:
            self._people[case.case_id].add(one.asked.reporter)
        if compared and family:
            seen = replace(one.sighting, category=case.category)
            spot = duplicate_rows.band_of(seen.point[1]), family
            self._here[spot].append((Candidate(case.case_id, seen, None, False, None), one.words))

    async def follow(
        self, book: Sightings, before: Mapping[str, Case], after: Mapping[str, Case], homes: Mapping[str, str]
    ) -> None:
        """Keep what is written of sightings beside the cases that changed; `homes`: new case by report."""
        rules = self._city.duplicates
        came_to = set(homes.values())
        changed, gone = [], []
        for case_id, case in after.items():
            was = before.get(case_id)
            if was is case:
                continue
            if not _may_be_met(case):
                if was is not None and _may_be_met(was):
                    gone.append(case_id)
            elif case_id in came_to or _told(case) != (_told(was) if was else (case.category, None)):
                changed.append(
                    (case_id, case.category, rules.family_of(case.category) or NO_FAMILY, _told(case)[1])
                )
        await book.move(homes, [*after])
        await book.update(changed)
        await book.remove(gone)

    def _as_it_is(self, one: _Seen, found: Match, cases: Mapping[str, Case]) -> Match | None:
        held = self._held(one, found.candidate, cases)
        if held is found.candidate or held is None:
            return found if held else None
        return match(one.sighting, held, city=self._city, surge=one.surge)

    def _held(self, one: _Seen, candidate: Candidate, cases: Mapping[str, Case]) -> Candidate | None:
        """The candidate as its case is now, if the router holds that; None if it can be met no more."""
        case = cases.get(candidate.case_id)
        if case is None:
            return candidate
        if not _may_be_met(case):
            return None
        category, closed_at = _told(case)
        own = candidate.own or one.asked.reporter in self._people.get(case.case_id, ())
        if (category, closed_at, own) == (candidate.seen.category, candidate.closed_at, candidate.own):
            return candidate
        return replace(
            candidate, seen=replace(candidate.seen, category=category), closed_at=closed_at, own=own
        )

    def _as_seen(self, report: SubmitReport, read: Read) -> _Seen | None:
        """None for what is never compared: confidential, of no family, or without a point to rely on."""
        city, rules, content = self._city, self._city.duplicates, read.content
        category = report.category if report.category in city.categories else None
        family = rules.family_of(category)
        accuracy_m = content.location.accuracy_m if content.location else None
        error_m = accuracy_m or 0.0
        if (
            read.point is None
            or report.visibility == "confidential"
            or (category is not None and family is None)
            or error_m > city.coarse_accuracy_m
        ):
            return None
        at = report.received_at
        sighting = Sighting(category, read.point, error_m, seen_at(report.captured_at, at, rules.window))
        surge = any(one.begins <= at < one.ends for one in city.policy.surges.values())
        families = [family] if family else [*rules.families]
        widest = max(radius_m(code, city) for name in families for code in rules.families[name])
        reach_m = (
            widest * (rules.surge_factor if surge else 1.0)
            + (min(error_m, rules.most_error_m) + rules.most_error_m) / 2.0
        )
        return _Seen(
            report_id=report.report_id,
            sighting=sighting,
            words=normal_words(content.text),
            asked=Asked(read.point, reach_m, families, ids.reporter_key(self._secret, content.phone)),
            only_suggest=city.policy.danger(content.text),
            surge=surge,
            found=[],
            matches=[],
        )

    def _matches(self, one: _Seen, found: Iterable[tuple[Candidate, str | None]]) -> list[Match]:
        matches = []
        for candidate, words in found:
            if one.words and words:
                candidate = replace(candidate, likeness=text_likeness(one.words, words))
            near = match(one.sighting, candidate, city=self._city, surge=one.surge)
            if near is None or near.score < self._city.duplicates.suggest_score:
                continue
            if one.words and words and tell_apart(one.words, words, self._city.duplicates):
                candidate = replace(candidate, likeness=0.0)
                near = match(one.sighting, candidate, city=self._city, surge=one.surge)
            if near is not None:
                matches.append(near)
        return matches


def _may_be_met(case: Case) -> bool:
    return not case.confidential and (case.open or case.state == "closed")


def _told(case: Case) -> tuple[str, datetime | None]:
    """What its sightings say of a case that may be met."""
    return case.category, case.closed_at
