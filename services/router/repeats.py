"""What the reports of a batch repeat: asked of the book once, and of the batch itself as it is filed.

Before the locks `look` finds what is near and `targets` names the cases that reports may join; after them
`verdict` judges each report on those cases as they are now, and `filed` lets later ones repeat it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from services.adapters.duplicate_rows import Found, Look, Sightings, Spot, band_of, look_around, sighting_row
from services.adapters.similarity import compare
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
    reach_m,
    seen_at,
    sure_reach_m,
)
from services.domain.messages import SubmitReport
from services.domain.place import Place
from services.domain.wording import normal_words
from services.router.reading import Read

NO_FAMILY: Final = ""
_MOST_COMPARED: Final = 16
"""Open problems in reach of a point that later reports are compared with: in a flood all are the same."""
_words = lru_cache(maxsize=4096)(normal_words)


@dataclass(slots=True)
class _Seen:
    """A report as it is compared; `found` is what is near, `matches` what may be the same."""

    sighting: Sighting
    text: str | None
    look: Look
    surge: bool
    found: list[Found]
    matches: list[Match]


class Repeats:
    def __init__(self, city: City, secret: bytes) -> None:
        self._city = city
        self._rules = city.duplicates
        self._secret = secret
        self._seen: dict[str, _Seen] = {}
        self._here: dict[Spot, list[Found]] = defaultdict(list)
        self._people: dict[str, set[int]] = defaultdict(set)
        self._joined: set[str] = set()
        self.rows: list[tuple[Any, ...]] = []
        """Of the reports filed so far, as duplicate_rows.SIGHTINGS has them."""

    async def look(self, book: Sightings, reads: Iterable[Read]) -> None:
        """One statement for all reports of the batch; none where nothing can be compared."""
        for read in reads:
            if isinstance(read.message, SubmitReport) and (seen := self._as_seen(read.message, read)):
                self._seen[read.message.report_id] = seen
        seens = [*self._seen.values()]
        if not seens:
            return
        earliest = min(one.sighting.seen_at for one in seens)
        for number, found in await book.near(
            (one.look for one in seens),
            open_since=earliest - self._rules.window,
            closed_since=earliest - self._rules.recurrence_within,
        ):
            seens[number].found.append(found)
        for one in seens:
            if one.found:
                one.matches = self._matches(one, one.found)

    def targets(self) -> Iterator[str]:
        """Cases that a report would join if they stay as they are: to be locked."""
        for one in self._seen.values():
            if one.matches:
                likely = self._judged(one, one.matches)
                if isinstance(likely, Urge | Attach | Reopen):
                    yield likely.like.case_id

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
        matches = [now_so for found in one.matches if (now_so := self._as_it_is(one, found, cases))]
        here = [(held, text) for c, text in self._from_here(one) if (held := self._held(one, c, cases))]
        if here:
            one.found += here
            matches += self._matches(one, here)
        return self._judged(one, matches, cases.__contains__) if matches else None

    def filed(self, report_id: str, case: Case, *, joined: bool) -> None:
        """The report stands with this case now, its own or one it joined."""
        one = self._seen.get(report_id)
        if one is None or case.confidential:
            return
        seen, reporter = one.sighting, one.look.reporter
        if seen.category != case.category:
            seen = replace(seen, category=case.category)
        candidate = Candidate(case_id=case.case_id, seen=seen, closed_at=case.closed_at)
        family = self._rules.family_of(case.category) or NO_FAMILY
        compared = not joined
        if compared and len(one.found) >= _MOST_COMPARED:
            compared = sum(near.closed_at is None for near, _ in one.found) < _MOST_COMPARED
        self.rows.append(
            sighting_row(
                report_id, candidate, family=family, reporter=reporter, compared=compared, text=one.text
            )
        )
        if joined:
            self._joined.add(report_id)
        if reporter is not None:
            self._people[case.case_id].add(reporter)
        if compared:
            self._here[band_of(seen.point[1]), family].append((candidate, one.text))

    async def follow(
        self, book: Sightings, before: Mapping[str, Case], after: Mapping[str, Case], homes: Mapping[str, str]
    ) -> None:
        """Keep what is written of sightings beside the cases that changed; `homes`: new case by report."""
        homes = {report_id: case_id for report_id, case_id in homes.items() if report_id not in self._joined}
        came_to = set(homes.values())
        changed, gone = [], []
        for case_id, case in after.items():
            was = before.get(case_id)
            if was is case:
                continue
            if not _may_be_met(case):
                if was is None or _may_be_met(was):
                    gone.append(case_id)
            elif case_id in came_to or _told(case) != (_told(was) if was else (case.category, None)):
                family = self._rules.family_of(case.category) or NO_FAMILY
                changed.append((case_id, case.category, family, case.closed_at))
        await book.move(homes, [*after])
        await book.update(changed)
        await book.remove(gone)

    def _judged(
        self, one: _Seen, matches: list[Match], may_join: Callable[[str], bool] = lambda case_id: True
    ) -> Verdict:
        danger = self._city.policy.danger(one.text)
        return judge(one.sighting, matches, city=self._city, only_suggest=danger, may_join=may_join)

    def _from_here(self, one: _Seen) -> Iterator[Found]:
        """Earlier reports of the batch, of the same stretch of a strip."""
        lon = one.sighting.point[0]
        for spot in one.look.spots:
            for found in self._here.get(spot, ()):
                if abs(found[0].seen.point[0] - lon) <= one.look.wide:
                    yield found

    def _as_it_is(self, one: _Seen, found: Match, cases: Mapping[str, Case]) -> Match | None:
        held = self._held(one, found.candidate, cases)
        if held is found.candidate or held is None:
            return found if held else None
        return match(one.sighting, held, found.likeness, rules=self._rules, surge=one.surge)

    def _held(self, one: _Seen, candidate: Candidate, cases: Mapping[str, Case]) -> Candidate | None:
        """The candidate as its case is now, if the router holds that; None if it can be met no more."""
        case = cases.get(candidate.case_id)
        if case is None:
            return candidate
        if not _may_be_met(case):
            return None
        category, closed_at = _told(case)
        own = candidate.own or one.look.reporter in self._people.get(case.case_id, ())
        if (category, closed_at, own) == (candidate.seen.category, candidate.closed_at, candidate.own):
            return candidate
        seen = replace(candidate.seen, category=category)
        return replace(candidate, seen=seen, closed_at=closed_at, own=own)

    def _as_seen(self, report: SubmitReport, read: Read) -> _Seen | None:
        """None for what is never compared: confidential, of no family, or without a point to rely on."""
        city, rules, content, point = self._city, self._rules, read.content, read.point
        if point is None or report.visibility == "confidential":
            return None
        category = report.category if report.category in city.categories else None
        family = rules.family_of(category)
        error_m = (content.location.accuracy_m if content.location else None) or 0.0
        if (category is not None and family is None) or error_m > city.coarse_accuracy_m:
            return None
        at, surges = report.received_at, city.policy.surges
        surge = bool(surges) and any(one.begins <= at < one.ends for one in surges.values())
        radius = rules.widest_m[family] if family else max(rules.widest_m.values(), default=0.0)
        return _Seen(
            sighting=Sighting(
                category=category,
                point=point,
                error_m=error_m,
                seen_at=seen_at(report.captured_at, at, rules.window),
            ),
            text=content.text,
            look=look_around(
                point,
                reach_m(radius, error_m, rules, surge=surge),
                (family,) if family else tuple(rules.families),
                closed_m=sure_reach_m(rules.radius_m.get(category or "", 0.0), error_m, rules, surge=surge),
                category=category,
                reporter=ids.reporter_key(self._secret, content.phone) if content.phone else None,
            ),
            surge=surge,
            found=[],
            matches=[],
        )

    def _matches(self, one: _Seen, found: Iterable[Found]) -> list[Match]:
        """Those that people should see."""
        words, rules = _words(one.text), self._rules
        near = (
            compare(one.sighting, words, candidate, _words(text), rules=rules, surge=one.surge)
            for candidate, text in found
        )
        return [each for each in near if each is not None and each.score >= rules.suggest_score]


def _may_be_met(case: Case) -> bool:
    return not case.confidential and (case.open or case.state == "closed")


def _told(case: Case) -> tuple[str, datetime | None]:
    """What its sightings say of a case that may be met."""
    return case.category, case.closed_at
