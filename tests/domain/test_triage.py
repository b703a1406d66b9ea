"""What people decide before a case is filed (domain.md 6.6). P3: they look within 1 h, and ask for 72 h."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.domain.case import Case
from tests.domain.small_case import COUNTABLE, IN_V11, T0, at, city_of, dispatcher
from tests.domain.small_town import Town, open_dues, reporter_of, row, rows, told, told_at, types

DESK = dispatcher("T1")
PHOTO_FIRST = city_of(
    {
        **COUNTABLE,
        "city.toml": COUNTABLE["city.toml"].replace("needed_to_file = []", 'needed_to_file = ["photo"]'),
    }
)
"""Here a pothole without a photo is looked at first, within 2 hours; its 10 hours are promised at once."""


def looked_at() -> tuple[Town, Case]:
    """A report without a category, at the desk of T1."""
    town = Town()
    case = town.report(None)
    assert (case.state, case.hub_code, case.owner) == ("triaging", "T1", "town_desk")
    return town, case


def promised() -> tuple[Town, Case]:
    town = Town(city=PHOTO_FIRST)
    case = town.report("pothole")
    assert (case.state, case.side.triage) == ("triaging", "verify_first")
    return town, case


# Asking the reporter.


def test_while_the_reporter_is_asked_the_desks_clock_stands() -> None:
    """Half an hour was left at the question; it is left at the answer."""
    town, case = looked_at()
    asked = town.do(case, "request_info", DESK, at(minutes=30))
    assert (asked.state, row(asked, "triage").next_at) == ("need_info", None)
    assert row(asked, "info").due_at == at(72.5)
    assert town.wait(at(20)) == []
    answered = town.do(case, "supply_info", reporter_of(case), at(20), photos=("p",))
    assert (answered.state, answered.side.paused_at) == ("triaging", None)
    assert row(answered, "triage").due_at == row(answered, "triage").next_at == at(20.5)
    assert [d.met_at for d in rows(answered, "info")] == [at(20)]
    assert told_at(town.wait(at(21))) == [("SlaBreached", "triage", at(20.5))]


def test_each_question_stands_by_itself() -> None:
    town, case = looked_at()
    for asked, answered in ((20, 80), (90, 210)):
        town.do(case, "request_info", DESK, at(minutes=asked))
        town.do(case, "supply_info", reporter_of(case), at(minutes=answered))
    # 20 minutes, then 10: half an hour is left of the hour
    assert row(town[case], "triage").due_at == at(4)
    assert row(town[case], "triage").pauses == ((at(minutes=20), at(minutes=80)), (at(1.5), at(3.5)))


def test_a_desk_that_had_missed_its_hour_before_it_asked_is_not_forgiven() -> None:
    town, case = looked_at()
    town.do(case, "request_info", DESK, at(2))
    answered = town.do(case, "supply_info", reporter_of(case), at(10))
    assert (row(answered, "triage").due_at, row(answered, "triage").next_at) == (at(1), None)


def test_what_is_not_answered_is_declined_by_itself() -> None:
    town, case = looked_at()
    town.do(case, "request_info", DESK, at(minutes=30))
    assert town.wait(at(72.5) - timedelta(microseconds=1)) == []
    events = town.wait(at(80))
    assert types(events) == ["WaitEnded", "ReportDeclined"]
    assert (events[0].payload.stage, events[0].payload.step_at) == ("info", at(72.5))
    assert (events[1].payload.reason, events[1].payload.channel) == ("no_response", None)
    assert {event.actor_ref for event in events} == {"system"}
    declined = town[case]
    assert (declined.state, declined.closed_at, declined.side.reason) == ("declined", at(80), "no_response")
    assert all(not d.open for d in declined.deadlines)
    assert told(town.act(case, "supply_info", reporter_of(case), at(81))) == ("not_allowed", None)


def test_an_answer_at_the_last_instant_comes_too_late_and_one_just_before_in_time() -> None:
    for early, state in ((timedelta(microseconds=1), "triaging"), (timedelta(0), "declined")):
        town, case = looked_at()
        town.do(case, "request_info", DESK, T0)
        town.act(case, "supply_info", reporter_of(case), at(72) - early)
        assert town[case].state == state


# Declining, and the appeal.


def test_a_report_is_declined_for_a_reason_of_the_citys_with_the_right_channel() -> None:
    town, case = looked_at()
    assert told(town.act(case, "decline", DESK, reason="mood")) == ("invalid", "reason")
    settled = town.act(case, "decline", DESK, at(0.5), reason="outside")
    (event,) = settled.events
    assert (event.payload.reason, event.payload.channel) == ("outside", "12345")
    assert (settled.case.state, settled.case.closed_at) == ("declined", at(0.5))
    assert open_dues(settled.case) == {}


def test_a_question_that_is_open_does_not_keep_the_desk_from_declining() -> None:
    town, case = looked_at()
    town.do(case, "request_info", DESK)
    declined = town.do(case, "decline", DESK, at(1), reason="outside")
    assert (declined.state, declined.side.paused_at) == ("declined", None)
    assert town.wait(at(100)) == []


def test_an_appeal_goes_to_the_tier_above_which_has_its_own_hour() -> None:
    town, case = looked_at()
    town.do(case, "decline", DESK, at(0.5), reason="outside")
    appealed = town.do(case, "appeal", reporter_of(case), at(24))
    assert (appealed.state, appealed.side.triage, appealed.closed_at) == ("triaging", "appeal", None)
    assert (appealed.hub_code, appealed.level, appealed.owner, appealed.owner_hub_code) == (
        "C", 1, "city_desk", "C",
    )  # fmt: skip
    assert open_dues(appealed) == {"triage": at(25)}
    assert told(town.act(case, "file_case", DESK, at(24), category="pothole")) == ("forbidden", None)
    filed = town.do(case, "file_case", dispatcher("C"), at(24.5), category="pothole")
    assert (filed.state, filed.hub_code, filed.owner) == ("dispatched", "T1", "works")


def test_an_appeal_is_made_once() -> None:
    town, case = looked_at()
    town.do(case, "decline", DESK, reason="outside")
    town.do(case, "appeal", reporter_of(case), at(1))
    town.do(case, "decline", dispatcher("C"), at(2), reason="outside")
    assert told(town.act(case, "appeal", reporter_of(case), at(3))) == ("not_allowed", None)


@pytest.mark.parametrize(
    ("late", "state"), [(timedelta(0), "triaging"), (timedelta(microseconds=1), "declined")]
)
def test_an_appeal_is_made_within_seven_days(late: timedelta, state: str) -> None:
    town, case = looked_at()
    town.do(case, "decline", DESK, at(1), reason="outside")
    town.act(case, "appeal", reporter_of(case), at(1 + 7 * 24) + late)
    assert town[case].state == state


def test_the_city_itself_hears_the_appeal_against_its_own_desk() -> None:
    town = Town()
    fire = town.report("fire")
    town.do(fire, "decline", dispatcher("C"), reason="outside")
    assert town.do(fire, "appeal", reporter_of(fire), at(1)).hub_code == "C"


def test_the_citizens_clock_does_not_stop_because_a_desk_declined() -> None:
    """Promised for 10 h; declined at 1 h; the appeal comes before, or after, the due."""
    town, case = promised()
    assert open_dues(case, "citizen") == {"resolve": at(10)}
    town.do(case, "decline", DESK, at(1), reason="outside")
    appealed = town.do(case, "appeal", reporter_of(case), at(5))
    assert (row(appealed, "resolve", "citizen").due_at, row(appealed, "resolve", "citizen").set_seq) == (
        at(10),
        1,
    )
    assert told_at(town.wait(at(10.5)))[-1] == ("SlaBreached", "resolve", at(10))

    town, case = promised()
    town.do(case, "decline", DESK, at(1), reason="outside")
    assert town.wait(at(12)) == [], "nobody has it"
    settled = town.act(case, "appeal", reporter_of(case), at(12))
    assert told_at(settled.events) == [("SlaBreached", "resolve", at(10))]


def test_a_breach_from_before_the_decline_is_not_told_again() -> None:
    town, case = promised()
    assert told_at(town.wait(at(11))) == [
        ("SlaBreached", "triage", at(2)),
        ("SlaBreached", "resolve", at(10)),
    ]
    town.do(case, "decline", DESK, at(11), reason="outside")
    town.do(case, "appeal", reporter_of(case), at(12))
    filed = town.do(case, "file_case", dispatcher("C"), at(12.5), category="pothole")
    assert row(filed, "resolve", "citizen").next_at is None
    breaches = [e for e in town.events if e.type == "SlaBreached" and e.payload.clock == "citizen"]
    assert len(breaches) == 1


# Passing it on.


def test_an_emergency_is_passed_on_with_the_receipt_and_ends_here() -> None:
    town = Town()
    case = town.report("fire")
    assert (case.state, case.side.triage, case.hub_code) == ("triaging", "life_safety", "C")
    assert types(town.events) == ["TriageStarted", "DutyDeskPaged"]
    assert (town.events[1].payload.hub_code, town.events[1].payload.reason) == ("C", "life_safety")
    assert told(town.act(case, "redirect", dispatcher("C"), to="12345")) == ("invalid", "to")
    settled = town.act(case, "redirect", dispatcher("C"), at(minutes=2), to="119", receipt="A-17")
    (event,) = settled.events
    assert (event.payload.to, event.payload.receipt) == ("119", "A-17")
    assert (settled.case.state, settled.case.side.reason) == ("redirected", "119")
    assert town.wait(at(1000)) == []


# Filing what was looked at.


def test_what_people_find_is_filed_as_if_it_had_been_known() -> None:
    """Looked at for 40 minutes: the owner's clock starts then, the citizen's has run from the report on."""
    town, case = looked_at()
    settled = town.act(case, "file_case", DESK, at(minutes=40), category="pothole", hub_code="V12")
    assert types(settled.events) == ["CaseFiled", "CaseDispatched"]
    filed = settled.case
    assert (filed.state, filed.category, filed.place_code, filed.hub_code) == (
        "dispatched",
        "pothole",
        "V12",
        "T1",
    )
    assert (filed.owner, filed.owner_hub_code, filed.unrouted, filed.side.triage) == (
        "works",
        "T1",
        False,
        None,
    )
    assert open_dues(filed) == {"accept": at(4, 40), "on_site": at(6, 40), "resolve": at(10, 40)}
    assert open_dues(filed, "citizen") == {"resolve": at(10)}
    assert [d.met_at for d in rows(filed, "triage")] == [at(minutes=40)]
    assert filed.dispatched_at == at(minutes=40)


def test_only_what_the_city_knows_can_be_filed() -> None:
    town, case = looked_at()
    assert told(town.act(case, "file_case", DESK, category="dragons")) == ("invalid", "category")
    assert told(town.act(case, "file_case", DESK, category="pothole", hub_code="V99")) == (
        "invalid",
        "hub_code",
    )


def test_a_confidential_category_takes_the_case_out_of_the_neighbourhood() -> None:
    town, case = looked_at()
    filed = town.do(case, "file_case", DESK, category="secret")
    assert (filed.confidential, filed.hub_code) == (True, "T1")


def test_a_promise_that_holds_is_not_made_anew() -> None:
    town, case = promised()
    filed = town.do(case, "file_case", DESK, at(1), category="pothole")
    assert [(d.set_seq, d.due_at) for d in rows(filed, "resolve", "citizen")] == [(1, at(10))]


def test_another_category_betters_the_promise_and_never_puts_it_off() -> None:
    """Told: 10 hours. A danger has 6 from the report on, a leak 24."""
    town, case = promised()
    filed = town.do(case, "file_case", DESK, at(1), category="danger")
    old, new = rows(filed, "resolve", "citizen")
    assert (old.due_at, old.closed_at) == (at(10), at(1))
    assert (new.start_at, new.due_at, new.open) == (T0, at(6), True)
    town, case = promised()
    filed = town.do(case, "file_case", DESK, at(1), category="leak")
    assert [(d.due_at, d.open) for d in rows(filed, "resolve", "citizen")] == [(at(10), True)]


def test_another_promise_that_has_passed_too_does_not_repeat_the_breach_of_the_first() -> None:
    town, case = promised()
    town.wait(at(25))
    filed = town.do(case, "file_case", DESK, at(25), category="danger")
    again = row(filed, "resolve", "citizen")
    assert (again.due_at, again.next_at) == (at(6), None)


def test_a_case_takes_the_priority_of_what_was_found_unless_it_was_raised() -> None:
    town, case = looked_at()
    assert town.do(case, "file_case", DESK, category="leak").priority == "P2"
    town, case = looked_at()
    assert town.do(case, "file_case", DESK, category="pothole").priority == "P3"
    town, case = looked_at()
    town.do(case, "raise_priority", DESK, reason="injury")
    assert town.do(case, "file_case", DESK, category="pothole").priority == "P2"
    # also of an appeal
    town, case = looked_at()
    town.do(case, "decline", DESK, reason="outside")
    town.do(case, "appeal", reporter_of(case))
    town.do(case, "raise_priority", dispatcher("C"), reason="child")
    assert town.do(case, "file_case", dispatcher("C"), category="pothole").priority == "P2"


def test_a_raised_priority_is_looked_at_sooner_and_never_later() -> None:
    """P2: within 15 minutes."""
    town, case = looked_at()
    raised = town.do(case, "raise_priority", DESK, at(minutes=30), reason="injury")
    assert open_dues(raised) == {"triage": at(minutes=45)}
    town, case = looked_at()
    raised = town.do(case, "raise_priority", DESK, at(minutes=50), reason="injury")
    assert open_dues(raised) == {"triage": at(1)}
    assert row(raised, "triage").set_seq == 1


def test_a_priority_that_is_raised_while_the_reporter_is_asked_leaves_the_clock_standing() -> None:
    """Asked at 10 minutes; raised to P2, whose 15 minutes begin with the answer."""
    town, case = looked_at()
    town.do(case, "request_info", DESK, at(minutes=10))
    raised = town.do(case, "raise_priority", DESK, at(minutes=40), reason="injury")
    assert row(raised, "triage").next_at is None
    assert town.wait(at(2)) == []
    answered = town.do(case, "supply_info", reporter_of(case), at(2))
    assert row(answered, "triage").due_at == row(answered, "triage").next_at == at(2, 15)


# Who is looked at first.


def test_what_lacks_the_evidence_is_looked_at_and_danger_never_waits_for_that() -> None:
    town = Town(city=PHOTO_FIRST)
    assert town.report("pothole").state == "triaging"
    assert open_dues(town.report("pothole")) == {"triage": at(2)}
    assert town.report("pothole", photos=("p",)).state == "dispatched"
    assert town.report("leak").state == "dispatched", "P2"
    assert town.report("danger").state == "dispatched", "P1"


def test_what_nobody_can_place_or_name_is_looked_at() -> None:
    assert IN_V11.unrouted is False
    town = Town()
    for category, reason in ((None, "no_category"), ("dragons", "no_category"), ("fire", "life_safety")):
        assert town.report(category).side.triage == reason
