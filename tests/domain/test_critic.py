"""What a fresh pair of eyes found: clocks that could be held, cases that could be forgotten, rights too wide.

`pothole` P3: accept 4 h, on_site 6 h, resolve 10 h; its reporter is waited for 72 h. `fire` is for 119 alone.
"""

from __future__ import annotations

from dataclasses import replace

from services.domain import access
from services.domain.case import Case
from services.domain.messages import WantedPart
from tests.domain.small_case import CITY, WORKS, at, dispatcher
from tests.domain.small_town import (
    Town,
    by_report,
    open_dues,
    reporter_of,
    row,
    rows,
    told,
    with_role,
)

DESK = dispatcher("T1")


def at_work(category: str = "pothole") -> tuple[Town, Case]:
    town = Town()
    case = town.report(category)
    town.do(case, "accept", WORKS)
    return town, town.do(case, "start_work", WORKS)


def waiting() -> tuple[Town, Case]:
    """Since 2 h; the resolve has 8 h left."""
    town, case = at_work()
    return town, town.do(case, "suspend", DESK, at(2), reason="waiting_for_reporter")


def test_who_accepts_has_withdrawn_the_wish_to_return() -> None:
    """Else every later request is told to wait for a decision that nobody can give any more."""
    town = Town()
    case = town.report("pothole")
    town.do(case, "request_return", WORKS, at(0.5), owner="gas")
    accepted = town.do(case, "accept", WORKS, at(0.6))
    assert accepted.side.request is None
    assert [(d.met_at, d.closed_at) for d in rows(accepted, "decision")] == [(at(0.6), None)]
    assert town.act(case, "request_extension", WORKS, at(0.7), limit="24h C24").refusal is None


def test_an_answer_ends_the_waiting_for_it() -> None:
    town, case = waiting()
    answered = town.do(case, "resume", reporter_of(case), at(5))
    assert open_dues(answered) == {"on_site": at(9), "resolve": at(13)}
    town.wait(at(74))
    assert town[case].state == "in_progress"


def test_what_others_say_is_no_answer_and_the_weather_waits_for_none() -> None:
    town, case = waiting()
    assert town.do(case, "comment", WORKS, at(5)).state == "suspended"
    town, case = at_work()
    town.do(case, "suspend", DESK, at(2), reason="weather")
    assert town.do(case, "comment", reporter_of(case), at(5)).state == "suspended"


def test_an_urgent_case_goes_on_when_nobody_is_left_to_answer() -> None:
    town, case = at_work("leak")
    town.do(case, "suspend", DESK, at(2), reason="waiting_for_reporter")
    assert town.do(case, "withdraw", reporter_of(case), at(3)).state == "suspended"
    town.wait(at(74))
    assert (town[case].state, town[case].outcome) == ("in_progress", None)


def test_nobody_is_asked_where_no_reporter_is_left() -> None:
    """Else a danger that stays though its reporter withdrew is declined for want of an answer."""
    town = Town()
    case = town.report("fire")
    assert town.do(case, "withdraw", reporter_of(case)).state == "triaging"
    assert told(town.act(case, "request_info", dispatcher("C"))) == ("not_allowed", None)


def test_what_nobody_here_works_on_is_not_filed() -> None:
    """Such a case would have no clock at all."""
    town = Town()
    case = town.report(None)
    assert told(town.act(case, "file_case", DESK, category="fire")) == ("invalid", "category")
    assert row(town[case], "triage").next_at is not None


def test_what_nobody_here_works_on_is_no_part() -> None:
    town, case = at_work()
    parts = (WantedPart(owner="works"), WantedPart(owner="works", category="fire"))
    assert told(town.act(case, "split", WORKS, parts=parts)) == ("invalid", "parts[1].category")


def test_a_report_that_came_after_the_claim_does_not_confirm_it() -> None:
    """The handler could send it, also before the claim. That it is not fixed anybody may say."""
    town = Town()
    case = town.report()
    before = town.join(case, at(0.2)).case.reports[-1]
    town.do(case, "accept", WORKS, at(0.4))
    town.do(case, "start_work", WORKS, at(0.4))
    in_hand = town.join(case, at(0.5)).case.reports[-1]
    town.do(case, "submit_resolution", WORKS, at(1), outcome="fixed")
    after = town.join(case, at(1.1)).case.reports[-1]
    for late in (in_hand, after):
        assert told(town.act(case, "verify_pass", by_report(late), at(1.2))) == ("not_allowed", None)
        failed = Town(town[case])
        assert failed.do(case, "verify_fail", by_report(late), at(1.2)).state == "rework"
    assert town.do(case, "verify_pass", by_report(before), at(1.2)).state == "closed"


def test_the_hub_that_gives_aid_still_sees_its_own_confidential_cases() -> None:
    """A surge of the whole city that T1 helps in has T1's own cases in it."""
    town = Town()
    case = town.report("secret")
    helped = replace(case, side=replace(case.side, aid_hub_code="T1"))
    assert access.may_read(helped, DESK, CITY)
    assert not access.may_read(replace(helped, hub_code="T2"), DESK, CITY)
    assert not access.may_read(helped, dispatcher("C"), CITY)
    above = replace(helped, side=replace(case.side, aid_hub_code="C"), supervised_level=1)
    assert access.may_read(above, dispatcher("C"), CITY)


def test_force_gives_the_same_owner_no_second_time_to_accept() -> None:
    town = Town()
    case = town.report("pothole")
    town.do(case, "force_assign", dispatcher("C"), at(1), owner="works", hub_code="T1")
    again = town.do(case, "force_assign", dispatcher("C"), at(4), owner="works", hub_code="T1")
    assert open_dues(again)["accept"] == at(5)
    town.do(case, "accept", WORKS, at(4.5))
    accepted = town.act(case, "force_assign", dispatcher("C"), at(4.6), owner="works", hub_code="T1")
    assert told(accepted) == ("invalid", "owner"), "it has it, and has said so"


def test_a_supervisor_whose_hub_is_gone_is_no_error() -> None:
    town = Town()
    case = replace(town.report("pothole"), hub_code="gone")
    town.cases[case.case_id] = case
    assert town.do(case, "supervise", with_role("supervisor", "gone")).supervised_level == 2


def test_another_category_mends_no_breach() -> None:
    town, case = at_work()
    changed = town.do(case, "set_category", DESK, at(11), category="leak")
    assert (row(changed, "resolve").due_at, row(changed, "resolve", "citizen").due_at) == (at(10), at(10))


def test_an_agent_does_not_speak_over_the_reporter() -> None:
    town, case = at_work()
    town.do(case, "submit_resolution", WORKS, at(1), outcome="fixed")
    town.do(case, "verify_pass", dispatcher("V11"), at(2))
    town.do(case, "record_callback", reporter_of(case), at(3), resolved="no", satisfaction=1)
    agent = with_role("callback_agent", "C")
    assert told(town.act(case, "record_callback", agent, at(4), resolved="yes")) == ("not_allowed", None)
