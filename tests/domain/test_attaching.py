"""Several reports of one problem (domain.md 2.8): they join a case, and leave it again, and none is lost.

In this city 3 reporters within a day raise the priority and 5 make a group issue.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from services.domain.case import Case
from services.domain.events import Likeness
from services.domain.filing import Known
from services.domain.life import allowed_commands
from services.domain.messages import WantedPart
from services.domain.place import Place
from tests.domain.small_case import T0, WORKS, at, changed, claimed, dispatcher, done, filed
from tests.domain.small_town import Town, by_report, open_dues, reporter_of, row, rows, told, told_at, types

DESK = dispatcher("T1")


def two() -> tuple[Town, Case, Case]:
    town = Town()
    return town, town.report(report_id="a"), town.report(report_id="b")


LOOKED_AT = changed("city.toml", "needed_to_file = []", 'needed_to_file = ["photo"]')


def one_waits() -> tuple[Town, Case, Case]:
    """Reported at 0 h without a photo, promised for 10 h and looked at first; the other at 1 h, for 11."""
    town = Town(city=LOOKED_AT)
    return town, town.report(report_id="a"), town.report(report_id="b", now=at(1), photos=("p",))


# Attaching and detaching.


def test_an_attached_case_ends_and_its_report_stands_with_the_other() -> None:
    town, one, other = two()
    settled = town.act(one, "attach", DESK, at(1.5), to_case_id=other.case_id)
    assert [(event.case_id, event.type) for event in settled.events] == [
        (one.case_id, "ReportAttached"),
        (other.case_id, "ReportAdded"),
    ]
    ended, kept = town[one], town[other]
    assert (ended.state, ended.side.attached_to, ended.reports, ended.report_count) == (
        "attached", other.case_id, (), 0,
    )  # fmt: skip
    assert (open_dues(ended), open_dues(ended, "citizen")) == ({}, {})
    assert (kept.state, kept.reports, kept.report_count) == ("dispatched", ("b", "a"), 2)
    assert open_dues(kept) == open_dues(other), "the owner's clock knows nothing of it"
    assert town.act(other, "urge", by_report("a"), at(3)).refusal is None, "they speak for it now"
    assert told(town.act(one, "urge", by_report("a"), at(3))) == ("forbidden", None)


def test_who_joins_a_later_case_keeps_what_they_were_promised() -> None:
    town, one, other = one_waits()
    town.do(one, "attach", DESK, at(2), to_case_id=other.case_id)
    kept = row(town[other], "resolve", "citizen")
    assert (kept.start_at, kept.due_at, kept.step, kept.next_at) == (T0, at(10), "due", at(10))
    assert [d.closed_at for d in rows(town[other], "resolve", "citizen")] == [at(2), None]
    assert ("SlaBreached", "resolve", at(10)) in told_at(town.wait(at(10)))


def test_who_joins_an_earlier_case_changes_nothing() -> None:
    town, one, other = two()
    town.do(other, "attach", DESK, at(2), to_case_id=one.case_id)
    assert town[one].deadlines == one.deadlines


def test_a_promise_that_was_broken_before_it_joined_is_broken_there_too() -> None:
    town, one, other = one_waits()
    town.do(one, "attach", DESK, at(10.5), to_case_id=other.case_id)
    assert ("SlaBreached", "resolve", at(10)) in told_at(town.wait(at(10.5)))
    assert told_at(town.wait(at(12))) == [("SlaBreached", "resolve", at(11))], "the owner's"


def test_a_promise_carried_to_a_case_without_one_holds_when_that_is_filed() -> None:
    """Nobody knew what the other was; it is filed at 3 h, and has 10 hours from the first report on."""
    town = Town(city=LOOKED_AT)
    one = town.report(report_id="a")
    other = town.report(None, report_id="b", now=at(1))
    assert open_dues(other, "citizen") == {}
    town.do(one, "attach", DESK, at(2), to_case_id=other.case_id)
    assert open_dues(town[other], "citizen") == {"resolve": at(10)}
    filed = town.do(other, "file_case", DESK, at(3), category="pothole")
    assert open_dues(filed, "citizen") == {"resolve": at(10)}

    early = town.report(None, report_id="c")
    town.do(town.report(report_id="d", now=at(1)), "attach", DESK, at(2), to_case_id=early.case_id)
    assert open_dues(town[early], "citizen") == {"resolve": at(11)}
    filed = town.do(early, "file_case", DESK, at(3), category="pothole")
    assert open_dues(filed, "citizen") == {"resolve": at(10)}, "its own report was first"

    longer = town.report(None, report_id="e", now=at(1))
    town.do(town.report(report_id="f"), "attach", DESK, at(2), to_case_id=longer.case_id)
    filed = town.do(longer, "file_case", DESK, at(3), category="leak")
    assert open_dues(filed, "citizen") == {"resolve": at(10)}, "a leak has 24, and a promise is kept"


def test_a_detached_report_is_looked_at_again_and_its_clock_has_run_on() -> None:
    town, one, other = one_waits()
    promised = row(one, "resolve", "citizen")
    town.do(one, "attach", DESK, at(2), to_case_id=other.case_id)
    settled = town.act(other, "detach", DESK, at(3), report_id="a")
    assert [(event.case_id, event.type) for event in settled.events] == [
        (other.case_id, "SlaWarning"),
        (other.case_id, "ReportRemoved"),
        (one.case_id, "ReportDetached"),
    ]
    alone = town[one]
    assert (alone.state, alone.side.triage, alone.side.attached_to) == ("triaging", "detached", None)
    assert (alone.reports, alone.report_count, alone.closed_at) == (("a",), 1, None)
    assert (alone.hub_code, alone.owner) == ("T1", "town_desk")
    assert open_dues(alone) == {"triage": at(2)}, "no hour more to look at it"
    assert row(alone, "resolve", "citizen") == promised
    assert (town[other].reports, town[other].report_count) == (("b",), 1)
    filed = town.do(one, "file_case", DESK, at(3.5), category="pothole")
    assert row(filed, "resolve", "citizen").set_seq == promised.set_seq


def test_a_promise_that_was_broken_while_it_was_attached_is_told_once_it_stands_alone() -> None:
    town, one, other = two()
    town.do(one, "attach", DESK, at(2), to_case_id=other.case_id)
    town.act(other, "detach", DESK, at(12), report_id="a")
    assert ("SlaBreached", "resolve", at(10)) in told_at(town.wait(at(12)))
    breaches = [
        event
        for event in town.events
        if event.case_id == one.case_id and event.type == "SlaBreached" and event.payload.clock == "citizen"
    ]
    assert len(breaches) == 1


def test_all_that_stood_with_a_case_goes_with_it_and_comes_back_to_it() -> None:
    town, one, other = two()
    third = town.report(report_id="c")
    town.do(one, "attach", DESK, at(1), to_case_id=other.case_id)
    town.do(other, "attach", DESK, at(2), to_case_id=third.case_id)
    assert (town[third].reports, town[other].reports) == (("c", "b", "a"), ())
    town.do(third, "detach", DESK, at(3), report_id="a")
    for case, reports in ((one, ("a",)), (other, ()), (third, ("c", "b"))):
        assert town[case].reports == reports
    assert [town[case].state for case in (one, other)] == ["dispatched", "attached"]
    town.do(third, "detach", DESK, at(4), report_id="b")
    assert (town[other].state, town[other].reports, town[third].reports) == ("dispatched", ("b",), ("c",))


def test_a_report_that_had_joined_what_joined_another_begins_a_case() -> None:
    """It never had one; the case that it stood with goes back to that one's own reporter alone."""
    town, one, other = two()
    town.join(one, at(1), report_id="d")
    town.do(one, "attach", DESK, at(2), to_case_id=other.case_id)
    town.do(other, "detach", DESK, at(3), report_id="d")
    assert town[one].state == "attached"
    (new,) = (case for case in town.cases.values() if case.report_id == "d")
    assert (new.state, new.reports, new.side.triage) == ("triaging", ("d",), "detached")
    assert (new.received_at, open_dues(new, "citizen")) == (at(1), {"resolve": at(11)})
    town.do(other, "detach", DESK, at(3), report_id="a")
    assert town[one].reports == ("a",)


def test_the_last_report_of_a_case_is_not_taken_off() -> None:
    town, one, other = two()
    town.do(one, "attach", DESK, at(1), to_case_id=other.case_id)
    town.do(other, "withdraw", by_report("b"), at(1))
    assert told(town.act(other, "detach", DESK, at(2), report_id="a")) == ("not_allowed", None)


def test_a_report_that_came_without_a_case_begins_one() -> None:
    town, one, _ = two()
    town.join(one, at(1.5), report_id="d")
    town.do(one, "detach", DESK, at(3), report_id="d")
    (new,) = (case for case in town.cases.values() if case.report_id == "d")
    assert (new.state, new.category, new.place_code, new.hub_code) == ("triaging", "pothole", "V11", "T1")
    assert (new.received_at, open_dues(new), open_dues(new, "citizen")) == (
        at(1.5), {"triage": at(4)}, {"resolve": at(11.5)},
    )  # fmt: skip
    assert new.number != one.number


def test_a_case_that_began_with_a_detached_report_is_that_reports_own() -> None:
    """Also when all happens within a millisecond."""
    town = Town()
    # nothing is more urgent, so however many reporters there are, each case may join any other
    other, one = (town.report("danger", report_id=report_id) for report_id in "ba")
    town.join(one, at(0.1), report_id="d")
    seen = []
    for _ in range(2):
        town.do(one, "attach", DESK, at(0.1), to_case_id=other.case_id)
        town.do(other, "detach", DESK, at(0.1), report_id="a")
        town.do(other, "detach", DESK, at(0.1), report_id="d")
        (own,) = (case for case in town.cases.values() if "d" in case.reports)
        seen.append(own.case_id)
        town.do(own, "attach", DESK, at(0.1), to_case_id=one.case_id)
    assert seen[0] == seen[1]
    assert seen[0] not in (one.case_id, other.case_id)
    assert [case.case_id for case in town.cases.values() if "d" in case.reports] == [one.case_id]


def test_who_has_withdrawn_neither_comes_along_nor_comes_back() -> None:
    town, one, other = two()
    town.join(one, at(1), report_id="d")
    town.do(one, "withdraw", by_report("d"), at(1))
    assert told(town.act(one, "detach", DESK, at(1), report_id="d")) == ("not_allowed", None)
    town.do(one, "attach", DESK, at(2), to_case_id=other.case_id)
    assert town[other].reports == ("b", "a")
    town.do(other, "detach", DESK, at(2), report_id="a")
    assert (town[one].reports, town[one].report_count) == (("a",), 1)
    assert told(town.act(one, "urge", by_report("d"), at(2))) == ("forbidden", None)


@pytest.mark.parametrize("where", ["itself", "unknown", "confidential", "ended"])
def test_where_a_report_cannot_go(where: str) -> None:
    town, one, other = two()
    match where:
        case "itself":
            target = one.case_id
        case "unknown":
            target = "00000000-0000-7000-8000-000000000000"
        case "confidential":
            target = town.report("secret").case_id
        case _:
            target = town.do(other, "withdraw", reporter_of(other), at(1)).case_id
    assert told(town.act(one, "attach", DESK, at(1), to_case_id=target)) == ("invalid", "to_case_id")


def test_a_case_that_the_dispatcher_may_not_see_takes_nothing_from_him() -> None:
    town, one, _ = two()
    elsewhere = filed(place=Place("V21", "V21", "good")).case
    town.cases[elsewhere.case_id] = elsewhere
    refused = town.act(one, "attach", DESK, at(1), to_case_id=elsewhere.case_id)
    assert told(refused) == ("forbidden", "to_case_id")


def test_a_confidential_case_is_never_merged() -> None:
    town, one, _ = two()
    secret = town.report("secret")
    assert told(town.act(secret, "attach", DESK, at(1), to_case_id=one.case_id)) == ("not_allowed", None)


def test_only_what_was_attached_is_detached() -> None:
    town, one, other = two()
    town.join(one, at(1), report_id="d")
    for report_id in ("a", "b", "unknown"):
        assert told(town.act(one, "detach", DESK, at(1), report_id=report_id)) == ("invalid", "report_id")
    assert told(town.act(other, "detach", DESK, at(1), report_id="a")) == ("not_allowed", None)


def test_a_likeness_is_suggested_and_settled_by_the_attachment() -> None:
    town = Town()
    one = town.report()
    like = Likeness(case_id=one.case_id, score=0.7, distance_m=18.0)
    other = town.report(known=Known(like=(like,)))
    assert types(town.events)[-1] == "DuplicatesSuggested"
    assert other.side.suggested == (like,)
    settled = town.act(other, "attach", DESK, at(1), to_case_id=one.case_id)
    added = settled.events[1].payload
    assert (added.score, added.distance_m, added.from_case_id) == (0.7, 18.0, other.case_id)
    assert town[other].side.suggested == ()


def test_a_likeness_that_is_none_is_suggested_no_more() -> None:
    town = Town()
    near, far = (Likeness(case_id=town.report().case_id, score=score) for score in (0.7, 0.6))
    case = town.report(known=Known(like=(near, far)))
    assert told(town.act(case, "keep_apart", DESK, at(1), case_id=case.case_id)) == ("invalid", "case_id")
    settled = town.act(case, "keep_apart", DESK, at(1), seen=case.seq, case_id=near.case_id)
    assert [(event.type, event.payload.case_id) for event in settled.events] == [
        ("LikenessDismissed", near.case_id)
    ]
    one_left = town[case]
    assert one_left == replace(
        case, seq=case.seq + 1, last_event_at=at(1), side=replace(case.side, suggested=(far,))
    )
    assert told(town.act(case, "keep_apart", DESK, at(1), case_id=near.case_id)) == ("invalid", "case_id")
    # who still looks at it with both may say so of the other as well
    left = town.act(case, "keep_apart", DESK, at(1), seen=case.seq, case_id=far.case_id).case
    assert left.side.suggested == ()
    assert "keep_apart" in allowed_commands(one_left, DESK, town.city)
    assert "keep_apart" not in allowed_commands(left, DESK, town.city)
    assert told(town.act(case, "keep_apart", DESK, at(1), case_id=far.case_id)) == ("invalid", "case_id")
    joined = town.act(case, "attach", DESK, at(1), to_case_id=near.case_id)
    assert joined.refusal is None, "somebody who knows better may still join them"
    assert joined.events[1].payload.score is None


def test_of_what_is_confidential_nothing_is_suggested() -> None:
    town = Town()
    like = Likeness(case_id=town.report().case_id, score=0.7)
    assert town.report("secret", known=Known(like=(like,))).side.suggested == ()


# Many of them.


def test_three_within_a_day_raise_the_priority_once() -> None:
    town, case, _ = two()
    assert types(town.join(case, at(1)).events) == ["ReportAdded"]
    third = town.join(case, at(1.5))
    assert types(third.events) == ["ReportAdded", "PriorityRaised"]
    assert (third.case.priority, third.events[1].payload.reason) == ("P2", "many_reporters")
    assert open_dues(third.case)["accept"] == at(2.5), "P2: within 1 hour from now"
    again = town.join(case, at(1.6), same_reporter=True)
    assert types(again.events) == ["ReportAdded", "CaseUrged"], "somebody who repeats it is nobody more"
    assert again.case.priority == "P2"


def test_a_case_with_its_reporters_counts_as_so_many() -> None:
    town, one, other = two()
    town.join(one, at(1))
    town.do(one, "attach", DESK, at(1), to_case_id=other.case_id)
    assert (town[other].report_count, town[other].priority) == (3, "P2")


def test_five_make_a_group_issue_that_the_tier_above_must_know_of() -> None:
    town, case, _ = two()
    for minutes in range(3):
        town.join(case, at(minutes=minutes))
    fifth = town.join(case, at(minutes=3))
    assert types(fifth.events) == ["ReportAdded", "GroupIssueDeclared", "DutyDeskPaged"]
    _, declared, paged = (event.payload for event in fifth.events)
    assert (declared.reporters, declared.to_level) == (5, 1)
    assert (paged.hub_code, paged.reason) == ("C", "group_issue")
    assert (fifth.case.supervised_level, fifth.case.side.group_issue) == (1, True)
    assert types(town.join(case, at(minutes=4)).events) == ["ReportAdded"], "once"


def test_after_a_day_they_are_many_but_not_at_once() -> None:
    town, case, _ = two()
    town.join(case, at(1))
    assert types(town.join(case, at(24) + timedelta(microseconds=1)).events)[-1] == "ReportAdded"
    assert town[case].priority == "P3"


# A report of what was known already.


def test_a_report_of_what_was_closed_this_week_opens_it_again() -> None:
    case = done(claimed(at(3)), "verify_pass", dispatcher("V11"), at(5))
    town = Town(case)
    settled = town.join(case, at(5 + 7 * 24))
    assert types(settled.events) == ["ReportAdded", "CaseReopened", "SlaBreached"]
    assert (settled.case.state, settled.case.cycle, settled.case.report_count) == ("dispatched", 2, 2)


def test_a_report_that_finds_the_case_over_after_all_is_a_case_of_its_own() -> None:
    """Closed too long ago, or declined in the very moment because nobody answered: people look."""
    case = done(claimed(at(3)), "verify_pass", dispatcher("V11"), at(5))
    town = Town(case)
    settled = town.join(case, at(5 + 7 * 24) + timedelta(microseconds=1))
    assert types(settled.events) == ["TriageStarted"]
    new = settled.case
    assert (new.state, new.side.triage, new.side.recurrence_of) == ("triaging", "verify_first", case.case_id)
    assert (new.report_count, new.category, new.hub_code) == (1, "pothole", "T1")
    assert town[case] == case

    town = Town()
    asked = town.report(None)
    town.do(asked, "request_info", DESK, T0)
    settled = town.join(asked, at(80))
    assert [(event.case_id == asked.case_id, event.type) for event in settled.events] == [
        (True, "WaitEnded"),
        (True, "ReportDeclined"),
        (False, "TriageStarted"),
    ]
    assert (town[asked].state, town[asked].report_count) == ("declined", 1)
    assert [d.stage for d in rows(settled.case, "triage")] == ["triage"]


def test_a_part_that_cannot_be_opened_again_takes_no_report() -> None:
    """Nobody reports a part; if the router should ever join one, the report is not lost in it."""
    town = Town()
    parent = town.report()
    for kind in ("accept", "start_work"):
        town.do(parent, kind, WORKS)
    (part,) = town.split(parent, WORKS, T0, WantedPart(owner="works"))
    for kind in ("accept", "start_work"):
        town.do(part, kind, WORKS)
    town.do(part, "submit_resolution", WORKS, outcome="fixed")
    town.do(part, "verify_pass", dispatcher("V11"))
    town.do(parent, "submit_resolution", WORKS, outcome="fixed")
    settled = town.join(part, at(1))
    assert types(settled.events) == ["TriageStarted"]
    assert town[part].report_count == 0
