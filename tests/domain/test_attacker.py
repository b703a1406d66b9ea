"""What an attacker found who kept to every rule: clocks won by a detour, work that its own hands confirmed.

`pothole` P3: accept 4 h, resolve 10 h. A `leak` has 24 h, and `plan` 30 working days.
"""

from __future__ import annotations

from typing import Any

import pytest

from services.domain.case import Case
from services.domain.messages import Actor, Invited, WantedPart
from tests.domain.small_case import COUNTABLE, GUARD_OF_V11, WORKS, WORKS_COLLEAGUE, at, changed, dispatcher
from tests.domain.small_town import Town, by_report, open_dues, told, types, unit, with_role

DESK = dispatcher("T1")
GAS = unit("gas", "C")


def at_work(by: Actor = WORKS) -> tuple[Town, Case]:
    town = Town()
    case = town.report()
    town.do(case, "accept", by)
    return town, town.do(case, "start_work", by)


# A detour by another case.


def detoured() -> tuple[Town, Case]:
    """Accepted, merged by mistake, and back on the desk."""
    town = Town()
    case, other = town.report(report_id="a"), town.report()
    town.do(case, "accept", WORKS)
    town.do(case, "attach", DESK, at(1), to_case_id=other.case_id)
    town.do(other, "detach", DESK, at(2), report_id="a")
    return town, town[case]


@pytest.mark.parametrize(
    ("command", "values"),
    [("decline", {"reason": "outside"}), ("redirect", {"to": "119"}), ("request_info", {})],
)
def test_a_case_that_was_dispatched_once_does_not_leave_the_figures(
    command: str, values: dict[str, Any]
) -> None:
    town, case = detoured()
    assert told(town.act(case, command, DESK, at(3), **values)) == ("not_allowed", None)


def test_filed_again_it_has_the_time_that_was_left() -> None:
    town, case = detoured()
    assert open_dues(case) == {"on_site": at(6), "resolve": at(10), "triage": at(3)}
    other = town.act(case, "file_case", DESK, at(3), category="leak")
    assert told(other) == ("invalid", "category"), "first as it was: then set_category keeps what was counted"
    again = town.do(case, "file_case", DESK, at(3), category="pothole")
    assert open_dues(again) == {"accept": at(7), "on_site": at(6), "resolve": at(10)}
    assert open_dues(again, "citizen") == {"resolve": at(10)}


def test_what_nobody_here_works_on_any_more_is_filed_as_something_else() -> None:
    """A later version of the city has passed potholes to a hotline."""
    town, case = detoured()
    line = next(one for one in COUNTABLE["categories.csv"].splitlines() if one.startswith("pothole"))
    town.city = changed("categories.csv", line, "pothole,坑,Pothole,thing,2,,,,P3,,,,,redirect:119,")
    assert told(town.act(case, "file_case", DESK, at(3), category="pothole")) == ("invalid", "category")
    filed = town.do(case, "file_case", DESK, at(3), category="leak")
    assert open_dues(filed) == {"accept": at(4), "on_site": at(6), "resolve": at(10)}


def test_it_goes_back_to_the_desk_of_its_own_place() -> None:
    town = Town()
    case, other = town.report(report_id="a"), town.report()
    town.do(other, "reassign", DESK, owner="guard", hub_code="V12")
    town.do(case, "attach", DESK, at(1), to_case_id=other.case_id)
    town.do(other, "detach", DESK, at(2), report_id="a")
    assert (town[other].hub_code, town[case].hub_code) == ("V12", "T1")


def test_the_case_that_was_dispatched_first_takes_the_other() -> None:
    town = Town()
    case = town.report()
    later, waiting = town.report(now=at(1)), town.report(None, now=at(1))
    for target in (later, waiting):
        refused = town.act(case, "attach", DESK, at(2), to_case_id=target.case_id)
        assert told(refused) == ("invalid", "to_case_id")
    assert town.do(later, "attach", DESK, at(2), to_case_id=case.case_id).state == "attached"


def test_what_was_missed_does_not_hide_behind_what_was_not() -> None:
    """A pothole's 10 hours are over, a leak's 24 are not; at 25 h both are missed."""
    town = Town()
    leak, case = town.report("leak"), town.report()
    refused = town.act(case, "attach", DESK, at(10), to_case_id=leak.case_id)
    assert told(refused) == ("invalid", "to_case_id")
    town.wait(at(25))
    assert town.do(case, "attach", DESK, at(25), to_case_id=leak.case_id).state == "attached"


def test_those_nobody_can_tell_apart_stay_so_when_their_case_joins_another() -> None:
    town = Town()
    lead, case = town.report(), town.report()
    for _ in range(5):
        town.join(case, at(0.5), anonymous=True)
    town.join(case, at(0.5), same_reporter=True)
    town.do(case, "attach", DESK, at(1), to_case_id=lead.case_id)
    assert (town[lead].report_count, town[lead].reporters, town[lead].priority) == (8, 2, "P3")


# Hands that confirm their own work.


def verifies(town: Town, case: Case, actor: Actor) -> str | None:
    settled = town.act(case, "verify_pass", actor, at(6))
    return settled.refusal.code if settled.refusal else None


def test_a_dispatcher_who_did_the_work_and_let_the_unit_claim_it() -> None:
    town, case = at_work(DESK)
    town.do(case, "submit_resolution", WORKS, at(5), outcome="fixed")
    assert town[case].handler_ref == WORKS.ref
    assert verifies(town, case, DESK) == "verifier_is_handler"
    assert told(town.act(case, "verify_pass", WORKS, at(6)))[0] == "verifier_is_handler"
    assert verifies(town, case, dispatcher("V11")) is None


def test_units_that_worked_with_it_or_before_it() -> None:
    """Whistled for, with a part of it, or its owner before: no unit confirms what others claim."""
    town, case = at_work()
    town.do(case, "whistle", DESK, at(1), invite=(Invited(unit="gas"),))
    town.do(case, "report_in", GAS, at(2))
    town.split(case, WORKS, at(2), WantedPart(owner="guard", hub_code="V11", required=False))
    town.do(case, "reassign", dispatcher("C"), at(3), owner="city_desk", hub_code="C")
    now = unit("city_desk", "C")
    town.do(case, "accept", now, at(4))
    town.do(case, "start_work", now, at(4))
    town.do(case, "submit_resolution", now, at(5), outcome="fixed")
    for one in (WORKS_COLLEAGUE, GAS, GUARD_OF_V11):
        assert verifies(town, case, one) == "forbidden"
    assert verifies(town, case, dispatcher("V11")) is None


def test_a_report_that_joined_before_it_was_given_to_somebody_else() -> None:
    town, case = at_work()
    puppet = town.join(case, at(0.5)).case.reports[-1]
    town.do(case, "reassign", DESK, at(1), owner="guard", hub_code="V11")
    town.do(case, "accept", GUARD_OF_V11, at(2))
    town.do(case, "start_work", GUARD_OF_V11, at(2))
    town.do(case, "submit_resolution", GUARD_OF_V11, at(5), outcome="fixed")
    assert verifies(town, case, by_report(puppet)) == "not_allowed"
    assert verifies(town, case, by_report(case.reports[0])) is None


def test_the_same_unit_under_another_hub_has_no_fresh_time() -> None:
    town = Town()
    case = town.report()
    moved = town.do(case, "reassign", DESK, at(3), owner="works", hub_code="V12")
    assert (moved.hub_code, moved.owner, open_dues(moved)["accept"]) == ("V12", "works", at(4))
    for hub_code in (None, "V11"):
        refused = town.act(case, "request_return", WORKS, at(3), owner="works", hub_code=hub_code)
        assert told(refused) == ("invalid", "owner")


# Time won by parts and extensions.


def test_a_part_that_need_not_be_done_puts_nothing_off() -> None:
    town, case = at_work()
    town.split(case, WORKS, at(1), WantedPart(owner="works", category="plan", required=False))
    assert open_dues(town[case])["resolve"] == at(10)


def test_a_second_split_does_not_forget_the_parts_of_the_first() -> None:
    """A leak's 24 h and a margin beyond it; the citizen's 10 and an extension of 48 are the most."""
    town, case = at_work()
    town.split(case, WORKS, at(1), WantedPart(owner="works", category="leak"))
    first = open_dues(town[case])["resolve"]
    assert first > at(25)
    town.split(case, WORKS, at(2), WantedPart(owner="works", category="pothole"))
    assert open_dues(town[case])["resolve"] == first


def test_parts_and_an_extension_are_together_no_more_than_the_extension() -> None:
    town, case = at_work()
    town.split(case, WORKS, at(1), WantedPart(owner="works", category="plan"))
    assert open_dues(town[case])["resolve"] == at(58), "10 and 48 hours"
    town.do(case, "request_extension", WORKS, at(2), limit="48h C24")
    town.do(case, "decide_extension", DESK, at(2), approve=True)
    assert open_dues(town[case], "citizen") == {"resolve": at(58)}
    assert open_dues(town[case])["resolve"] == at(58)


def test_what_need_not_be_done_is_not_put_before_what_must() -> None:
    town, case = at_work()
    idle = WantedPart(owner="works", category="plan", required=False)
    must = WantedPart(owner="works")
    refused = town.act(case, "split", WORKS, at(1), parts=(must, idle, must), ordered=True)
    assert told(refused) == ("invalid", "parts[1].required")
    assert len(town.split(case, WORKS, at(1), must, idle, ordered=True)) == 2


@pytest.mark.parametrize("extended_first", [False, True])
def test_another_category_keeps_parts_and_an_extension_apart_and_together(extended_first: bool) -> None:
    """11 h for the part and a day are 35, and 24 beyond that 59; the citizen has 10 and 24."""
    town, case = at_work()
    if not extended_first:
        town.split(case, WORKS, at(1), WantedPart(owner="works"))
        assert open_dues(town[case])["resolve"] == at(35)
    town.do(case, "request_extension", WORKS, at(2), limit="24h C24")
    town.do(case, "decide_extension", DESK, at(2), approve=True)
    if extended_first:
        town.split(case, WORKS, at(2), WantedPart(owner="works", category="leak"))
    before = open_dues(town[case])["resolve"]
    town.do(case, "set_category", DESK, at(3), category="leak")
    assert open_dues(town[case])["resolve"] == before


# Figures and people.


def test_nobody_can_tell_how_many_the_anonymous_are() -> None:
    """3 reporters raise the priority, 5 make a group issue: known ones."""
    town = Town()
    case = town.report()
    for _ in range(5):
        town.join(case, at(0.5), anonymous=True)
    assert (town[case].report_count, town[case].reporters, town[case].priority) == (6, 1, "P3")
    town.join(case, at(0.6))
    assert types(town.join(case, at(0.7)).events) == ["ReportAdded", "PriorityRaised"]
    assert types(town.join(case, at(0.8), anonymous=True).events) == ["ReportAdded"], "and not again"


def test_nobody_is_called_back_about_a_part() -> None:
    town, case = at_work()
    (part,) = town.split(case, WORKS, at(1), WantedPart(owner="guard", hub_code="V11"))
    town.do(part, "accept", GUARD_OF_V11, at(2))
    town.do(part, "start_work", GUARD_OF_V11, at(2))
    town.do(part, "submit_resolution", GUARD_OF_V11, at(2), outcome="fixed")
    town.do(part, "verify_pass", DESK, at(3))
    agent = with_role("callback_agent", "C")
    assert told(town.act(part, "record_callback", agent, at(4), resolved="yes")) == ("not_allowed", None)


@pytest.mark.parametrize(
    "receipt",
    ["13912345678", "no-13912345678", "139-1234-5678", "8613912345678", "0512-66668888"],
)
def test_a_telephone_number_is_no_receipt(receipt: str) -> None:
    town = Town()
    case = town.report(None)
    refused = town.act(case, "redirect", DESK, to="119", receipt=receipt)
    assert told(refused) == ("invalid", "receipt")
    assert town.act(case, "redirect", DESK, to="119", receipt="20261124139123").refusal is None


def test_a_telephone_number_is_no_clause_and_who_has_it_now_is_no_proper_owner() -> None:
    town = Town()
    case = town.report()
    assert told(town.act(case, "request_return", WORKS, clause="13912345678")) == ("invalid", "clause")
    for hub_code in (None, "T1"):
        refused = town.act(case, "request_return", WORKS, owner="works", hub_code=hub_code)
        assert told(refused) == ("invalid", "owner")


def test_a_part_that_one_may_not_know_of_is_not_named() -> None:
    town, case = at_work()
    (part,) = town.split(case, DESK, at(1), WantedPart(owner="guard", hub_code="V11", category="secret"))
    for actor, named in ((WORKS, False), (DESK, True)):
        refused = town.act(case, "submit_resolution", actor, at(2), outcome="fixed").refusal
        assert refused is not None
        assert (part.number in refused.detail) is named


def test_a_milestone_that_only_a_photo_shows() -> None:
    shown = changed("city.toml", "shown_by_photo = []", 'shown_by_photo = ["on_site"]')
    town = Town(city=shown)
    case = town.report()
    town.do(case, "accept", WORKS)
    town.do(case, "start_work", WORKS)
    assert told(town.act(case, "reach_milestone", WORKS, at(1), stage="on_site")) == ("invalid", "photos")
    reached = town.do(case, "reach_milestone", WORKS, at(1), stage="on_site", photos=("p",))
    assert open_dues(reached) == {"resolve": at(10)}
