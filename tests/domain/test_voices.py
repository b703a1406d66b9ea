"""What people say while a case goes on (domain.md 6.6): none of it moves a clock; some of it ends a case."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.domain.case import Case, Deadline
from services.domain.messages import SYSTEM_ACTOR, Actor
from tests.domain.small_case import WORKS, at, claimed, dispatcher, filed, under_way
from tests.domain.small_town import SOMETHING, Town, by_report, open_dues, reporter_of, told, types, with_role


@pytest.mark.parametrize(
    ("kind", "actor", "values"),
    [
        ("comment", WORKS, {}),
        ("comment", None, {}),
        ("add_photos", None, {"photos": ("p", "q"), "kind": "before"}),
        ("add_photos", WORKS, {"photos": ("p",), "kind": "after"}),
        ("urge", None, {}),
        ("supervise", with_role("supervisor", "C"), {}),
    ],
)
@pytest.mark.parametrize(
    "case", [filed().case, under_way(), claimed(at(1)), filed(None).case], ids=lambda c: c.state
)
def test_a_word_or_a_photo_moves_no_clock(
    kind: str, actor: Actor | None, values: dict[str, Any], case: Case
) -> None:
    """Also when it comes late: only what had come by then is told, as it would have been without it."""
    speaker = actor or reporter_of(case)
    if speaker is WORKS and case.owner != "works":
        speaker = dispatcher("T1")
    said = Town(case).do(case, kind, speaker, at(1), **values)
    assert (
        said.deadlines
        == Town(case).act(case, "pass_deadline", SYSTEM_ACTOR, at(1), **SOMETHING).case.deadlines
    )
    assert (said.state, said.owner, said.hub_code, said.priority) == (
        case.state, case.owner, case.hub_code, case.priority,
    )  # fmt: skip
    silent, spoken = Town(case), Town(case)
    spoken.do(case, kind, speaker, at(1.5), **values)
    for town in (silent, spoken):
        town.wait(at(200))
    # (a row is named by the event that set it: the archive's comes one event later)
    assert clocks(silent[case]) == clocks(spoken[case])


def clocks(case: Case) -> list[Deadline]:
    return [replace(d, set_seq=0) for d in case.deadlines]


# Withdrawing.


def test_who_stands_alone_and_withdraws_ends_the_case() -> None:
    town = Town(under_way())
    (case,) = town.cases.values()
    settled = town.act(case, "withdraw", reporter_of(case), at(2))
    assert types(settled.events) == ["ReportWithdrawn", "CaseWithdrawn"]
    ended = settled.case
    assert (ended.state, ended.closed_at, ended.report_count, ended.reports) == ("withdrawn", at(2), 0, ())
    assert (open_dues(ended), open_dues(ended, "citizen")) == ({}, {})
    assert town.wait(at(1000)) == []
    assert told(town.act(case, "withdraw", reporter_of(case), at(3))) == ("forbidden", None), "they have left"


def test_a_case_that_others_stand_by_goes_on_without_them() -> None:
    town = Town()
    case = town.report()
    other = town.join(case, at(1)).case.reports[1]
    left = town.act(case, "withdraw", reporter_of(case), at(1.5))
    assert types(left.events) == ["ReportWithdrawn"]
    assert (left.case.state, left.case.report_count, left.case.reports) == ("dispatched", 1, (other,))
    assert told(town.act(case, "comment", reporter_of(case), at(3))) == ("forbidden", None)
    assert town.do(case, "withdraw", by_report(other), at(3)).state == "withdrawn"


def test_what_is_urgent_is_seen_through_though_nobody_asks_for_it() -> None:
    town = Town()
    case = town.report("leak")
    left = town.do(case, "withdraw", reporter_of(case), at(1))
    assert (left.state, left.report_count, left.reports) == ("dispatched", 0, ())


def test_after_the_claim_it_is_too_late_to_withdraw() -> None:
    case = claimed(at(1))
    assert told(Town(case).act(case, "withdraw", reporter_of(case), at(2))) == ("not_allowed", None)


# Urging.


def test_a_reporter_urges_once_a_day() -> None:
    town = Town()
    case = town.report()
    assert town.do(case, "urge", reporter_of(case), at(1)).side.urged_at == at(1)
    early = town.act(case, "urge", reporter_of(case), at(25) - timedelta(microseconds=1))
    assert told(early) == ("not_allowed", None)
    assert town.do(case, "urge", reporter_of(case), at(25)).side.urged_at == at(25)


def test_whoever_reports_the_same_again_urges() -> None:
    town = Town()
    case = town.report()
    again = town.join(case, at(1), same_reporter=True)
    assert types(again.events) == ["ReportAdded", "CaseUrged"]
    assert (again.case.report_count, again.case.reporters) == (2, 1)
    once_more = town.join(case, at(2), same_reporter=True)
    assert types(once_more.events) == ["SlaWarning", "ReportAdded"], "heard already today"


# Supervising by hand.


def test_the_tier_above_looks_after_a_case_and_supervision_only_rises() -> None:
    town = Town()
    case = town.report("ads")
    first = town.act(case, "supervise", dispatcher("T1"))
    assert (first.events[0].payload.to_level, first.events[0].payload.reason) == (2, "by_hand")
    assert first.case.supervised_level == 2
    assert town.do(case, "supervise", with_role("supervisor", "C")).supervised_level == 1
    assert town.do(case, "supervise", dispatcher("T1")).supervised_level == 1
    assert town[case].state == "dispatched", "it adds somebody and moves no work"
