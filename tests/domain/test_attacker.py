"""What an attacker found who kept to every rule: clocks won by a detour, work that its own hands confirmed.

`pothole` P3: accept 4 h, resolve 10 h. A `leak` has 24 h, and `plan` 30 working days.
"""

from __future__ import annotations

from datetime import datetime

import pytest

from services.domain.case import Case
from services.domain.messages import Actor, Invited, WantedPart
from tests.domain.small_case import GUARD_OF_V11, WORKS, WORKS_COLLEAGUE, at, changed, dispatcher
from tests.domain.small_town import Town, by_report, open_dues, told, told_at, types, unit, with_role

LOOKED_AT = changed("city.toml", "needed_to_file = []", 'needed_to_file = ["photo"]')
DESK = dispatcher("T1")
GAS = unit("gas", "C")


def at_work(by: Actor = WORKS) -> tuple[Town, Case]:
    town = Town()
    case = town.report()
    town.do(case, "accept", by)
    return town, town.do(case, "start_work", by)


# A detour by another case.


def detoured() -> tuple[Town, Case]:
    """Given to the unit, merged by mistake, and back."""
    town = Town()
    other, case = town.report(), town.report(report_id="a")
    town.do(case, "attach", DESK, at(1), to_case_id=other.case_id)
    settled = town.act(other, "detach", DESK, at(2), report_id="a")
    assert types(settled.events)[-1] == "CaseDetached"
    return town, town[case]


def test_what_somebody_had_been_given_stands_where_it_stood() -> None:
    town, case = detoured()
    assert (case.state, case.owner, case.closed_at, case.side.attached_to) == (
        "dispatched",
        "works",
        None,
        None,
    )
    assert (case.reports, case.report_count) == (("a",), 1)
    assert open_dues(case) == {"accept": at(4), "on_site": at(6), "resolve": at(10)}
    assert open_dues(case, "citizen") == {"resolve": at(10)}
    town.wait(at(4))
    assert ("SlaBreached", "accept", at(4)) in told_at([e for e in town.events if e.case_id == case.case_id])
    assert told(town.act(case, "attach", DESK, at(5), to_case_id=case.case_id)) == ("invalid", "to_case_id")


def test_a_due_that_came_while_it_was_merged_is_told_once_it_is_back() -> None:
    town = Town()
    other, case = town.report(), town.report(report_id="a")
    town.do(case, "attach", DESK, at(3), to_case_id=other.case_id)
    town.do(other, "detach", DESK, at(5), report_id="a")
    town.wait(at(5))
    mine = [event for event in town.events if event.case_id == case.case_id]
    assert [one for one in told_at(mine) if one[0] == "SlaBreached"] == [("SlaBreached", "accept", at(4))]


def test_a_due_that_was_replaced_in_the_instant_of_the_merge_stays_replaced() -> None:
    """P2 must be accepted within an hour."""
    town = Town()
    other, case = town.report(), town.report(report_id="a")
    for one in (other, case):
        town.do(one, "raise_priority", DESK, at(1), reason="child")
    town.do(case, "attach", DESK, at(1), to_case_id=other.case_id)
    town.do(other, "detach", DESK, at(1), report_id="a")
    accepts = [d for d in town[case].deadlines if d.stage == "accept" and d.open]
    assert [d.due_at for d in accepts] == [at(2)]


def test_whoever_had_accepted_it_does_it() -> None:
    town = Town()
    other, case = town.report(), town.report()
    town.do(case, "accept", WORKS, at(1))
    assert told(town.act(case, "attach", DESK, at(2), to_case_id=other.case_id)) == ("not_allowed", None)


def test_a_return_that_is_asked_for_is_decided_first() -> None:
    town = Town()
    other, case = town.report(), town.report()
    town.do(case, "request_return", WORKS, at(1), owner="gas")
    assert told(town.act(case, "attach", DESK, at(2), to_case_id=other.case_id)) == ("not_allowed", None)


def test_the_case_that_was_dispatched_first_takes_the_other() -> None:
    town = Town()
    case = town.report()
    later, waiting = town.report(now=at(1)), town.report(None, now=at(1))
    for target in (later, waiting):
        refused = town.act(case, "attach", DESK, at(2), to_case_id=target.case_id)
        assert told(refused) == ("invalid", "to_case_id")
    assert town.do(later, "attach", DESK, at(2), to_case_id=case.case_id).state == "attached"


def test_what_was_missed_does_not_hide_behind_what_was_not() -> None:
    """Both were to be accepted at 4 h: one was, and the other joins only where that was missed too."""
    town = Town()
    missed, kept, case = town.report(), town.report(), town.report()
    town.do(kept, "accept", WORKS, at(1))
    town.wait(at(5))
    assert told(town.act(case, "attach", DESK, at(5), to_case_id=kept.case_id)) == ("invalid", "to_case_id")
    town.do(missed, "accept", WORKS, at(5))
    assert town.do(case, "attach", DESK, at(5), to_case_id=missed.case_id).state == "attached"


def test_what_is_urgent_does_not_join_what_is_less_so() -> None:
    town = Town()
    pothole = town.report()
    for urgent in (town.report("leak"), town.report("danger")):
        refused = town.act(urgent, "attach", DESK, at(0.1), to_case_id=pothole.case_id)
        assert told(refused) == ("invalid", "to_case_id")
        assert town[urgent].state != "attached"


def test_what_is_claimed_takes_nobody_who_was_promised_it_sooner() -> None:
    """Promised for 10 h and still looked at; the other, promised for 11 h, is claimed at 2 h."""
    town = Town(city=LOOKED_AT)
    waits, case = town.report(report_id="a"), town.report(now=at(1), photos=("p",))
    town.do(case, "accept", WORKS, at(2))
    town.do(case, "start_work", WORKS, at(2))
    town.do(case, "submit_resolution", WORKS, at(2), outcome="fixed")
    refused = town.act(waits, "attach", DESK, at(3), to_case_id=case.case_id)
    assert told(refused) == ("invalid", "to_case_id")
    later = town.report(report_id="b", now=at(2))
    assert town.do(later, "attach", DESK, at(3), to_case_id=case.case_id).state == "attached"


def test_a_unit_that_returns_a_case_is_not_given_it_under_another_hub() -> None:
    town = Town()
    case = town.report()
    town.do(case, "request_return", WORKS, at(1), owner="gas")
    refused = town.act(case, "decide_return", DESK, at(3.5), approve=True, owner="works", hub_code="V12")
    assert told(refused) == ("invalid", "owner")


def test_force_gives_one_unit_a_fresh_limit_once() -> None:
    """Each asked for at the last moment: the second due stays."""
    town = Town()
    case = town.report()
    above = dispatcher("C")
    for hours, hub_code in ((3, "V12"), (6, "T1"), (6.5, "V12")):
        town.do(case, "force_assign", above, at(hours), owner="works", hub_code=hub_code)
        assert open_dues(town[case])["accept"] == at(7)


def test_those_nobody_can_tell_apart_stay_so_when_their_case_joins_another() -> None:
    town = Town()
    lead, case = town.report(), town.report()
    for _ in range(5):
        town.join(case, at(0.5), anonymous=True)
    town.join(case, at(0.5), same_reporter=True)
    town.do(case, "attach", DESK, at(1), to_case_id=lead.case_id)
    assert (town[lead].report_count, town[lead].reporters, town[lead].priority) == (8, 2, "P3")


def test_what_had_ended_before_it_was_merged_does_not_come_back() -> None:
    """Opened again and merged in one instant: the archive's due of the cycle before is over."""
    town, case = at_work()
    town.do(case, "submit_resolution", WORKS, at(1), outcome="fixed")
    town.do(case, "verify_pass", dispatcher("V11"), at(1))
    other = town.report()
    town.do(other, "raise_priority", DESK, reason="child")
    town.do(case, "reopen", with_role("supervisor", "C"), at(2))
    town.do(case, "attach", DESK, at(2), to_case_id=other.case_id)
    town.do(other, "detach", DESK, at(3), report_id=case.reports[0])
    assert open_dues(town[case]).keys() == {"accept", "on_site", "resolve"}


def test_a_miss_that_was_passed_on_does_not_hide_either() -> None:
    town = Town()
    kept, case = town.report(), town.report()
    town.do(kept, "accept", WORKS, at(1))
    town.wait(at(5))
    town.do(case, "reassign", DESK, at(5), owner="guard", hub_code="V11")
    assert told(town.act(case, "attach", DESK, at(5), to_case_id=kept.case_id)) == ("invalid", "to_case_id")


def test_what_was_accepted_is_not_merged_by_way_of_another_owner() -> None:
    town, case = at_work()
    other = town.report()
    town.do(case, "reassign", DESK, at(1), owner="guard", hub_code="V11")
    assert told(town.act(case, "attach", DESK, at(1), to_case_id=other.case_id)) == ("not_allowed", None)


@pytest.mark.parametrize("stands", [False, True])
def test_a_case_with_more_time_takes_none_with_less(stands: bool) -> None:
    """A plan has 30 days; a case that stands still for the weather has no due at all."""
    town, lead = at_work()
    if stands:
        town.do(lead, "suspend", DESK, at(1), reason="weather")
    else:
        lead = town.report("plan")
    case = town.report(now=at(1))
    refused = town.act(case, "attach", DESK, at(1), to_case_id=lead.case_id)
    assert told(refused) == ("invalid", "to_case_id")


def test_who_joins_a_case_that_waits_for_another_has_been_asked_nothing() -> None:
    town, case = at_work()
    town.do(case, "suspend", DESK, at(1), reason="waiting_for_reporter")
    town.join(case, at(2))
    town.wait(at(24 * 30))
    assert "NoResponseClosed" not in types(town.events)
    assert "CaseResumed" in types(town.events)


def test_a_part_is_not_put_off_by_parts_of_its_own() -> None:
    """Nobody promised it to a citizen: its parent is what bounds it."""
    town, case = at_work()
    (part,) = town.split(case, WORKS, at(1), WantedPart(owner="guard", hub_code="V11"))
    town.do(part, "accept", GUARD_OF_V11, at(1))
    town.split(part, GUARD_OF_V11, at(1), WantedPart(owner="guard", hub_code="V11", category="plan"))
    assert open_dues(town[part])["resolve"] == at(11)


def test_what_must_be_done_waits_for_nothing_else() -> None:
    """Two rows: what need not be done in one, what must be in the other, while a third part is open."""
    town, case = at_work()
    must, need_not = WantedPart(owner="works"), WantedPart(owner="works", required=False)
    first = town.split(case, WORKS, at(1), must)
    idle = town.split(case, WORKS, at(1), need_not, need_not, ordered=True)
    row = town.split(case, WORKS, at(1), must, must, ordered=True)
    assert [town[part].state for part in (*first, *idle, *row)] == ["dispatched", *["filed"] * 4]
    finish(town, first[0], at(2))
    assert [town[part].state for part in (*idle, *row)] == ["dispatched", "filed", "dispatched", "filed"]
    finish(town, row[0], at(3))
    assert [town[part].state for part in (*idle, *row)] == ["dispatched", "filed", "closed", "dispatched"]


def finish(town: Town, part: Case, now: datetime) -> None:
    town.do(part, "accept", WORKS, now)
    town.do(part, "start_work", WORKS, now)
    town.do(part, "submit_resolution", WORKS, now, outcome="fixed")
    town.do(part, "verify_pass", dispatcher("V11"), now)


def test_who_worked_on_a_part_does_not_confirm_the_whole() -> None:
    town, case = at_work()
    (part,) = town.split(case, WORKS, at(1), WantedPart(owner="guard", hub_code="V11"))
    for kind, values in (("accept", {}), ("start_work", {}), ("submit_resolution", {"outcome": "fixed"})):
        town.do(part, kind, dispatcher("V11"), at(2), **values)
    town.do(part, "verify_pass", DESK, at(3))
    town.do(case, "submit_resolution", WORKS, at(4), outcome="fixed")
    assert verifies(town, case, dispatcher("V11")) == "verifier_is_handler"


def test_a_report_that_joined_while_it_was_in_hand_confirms_in_no_later_cycle() -> None:
    town, case = at_work()
    puppet = town.join(case, at(1)).case.reports[-1]
    town.do(case, "submit_resolution", WORKS, at(2), outcome="fixed")
    town.do(case, "verify_pass", dispatcher("V11"), at(3))
    honest = town.join(case, at(4)).case.reports[-1]
    if town[case].state == "closed":
        town.do(case, "reopen", with_role("supervisor", "C"), at(5))
    for kind, values in (("accept", {}), ("start_work", {}), ("submit_resolution", {"outcome": "fixed"})):
        town.do(case, kind, WORKS, at(5.5), **values)
    assert verifies(town, case, by_report(puppet)) == "not_allowed"
    assert verifies(town, case, by_report(honest)) is None


def test_a_return_is_decided_not_swept_aside() -> None:
    town = Town()
    case = town.report()
    town.do(case, "request_return", WORKS, at(1), owner="gas")
    refused = town.act(case, "reassign", DESK, at(2), owner="works", hub_code="V12")
    assert told(refused) == ("invalid", "owner")


def test_who_accepted_it_accepts_it_once() -> None:
    town, case = at_work()
    refused = town.act(case, "reassign", DESK, at(2), owner="works", hub_code="V12")
    assert told(refused) == ("invalid", "owner")


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
    """11 h and a day are 35; 48 h more would be 83, and the citizen's 10 and 48 are the most."""
    town, case = at_work()
    town.split(case, WORKS, at(1), WantedPart(owner="works"))
    town.do(case, "request_extension", WORKS, at(2), limit="48h C24")
    town.do(case, "decide_extension", DESK, at(2), approve=True)
    assert open_dues(town[case], "citizen") == {"resolve": at(58)}
    assert open_dues(town[case])["resolve"] == at(58)


def test_an_extension_that_would_move_nothing_is_not_granted() -> None:
    town, case = at_work()
    town.split(case, WORKS, at(1), WantedPart(owner="works", category="plan"))
    assert open_dues(town[case])["resolve"] == at(58), "10 and 48 hours"
    town.do(case, "request_extension", WORKS, at(2), limit="48h C24")
    assert told(town.act(case, "decide_extension", DESK, at(2), approve=True)) == ("not_allowed", None)
    assert not town.do(case, "decide_extension", DESK, at(2), approve=False).side.extended


def test_parts_of_a_cycle_before_fix_no_due_of_this_one() -> None:
    """Opened again at 20 h as P2, which has no extension: another category counts from then on."""
    town, case = at_work()
    (part,) = town.split(case, WORKS, at(1), WantedPart(owner="works"))
    for one, owner in ((part, WORKS), (case, WORKS)):
        if one is part:
            town.do(one, "accept", owner, at(2))
            town.do(one, "start_work", owner, at(2))
        town.do(one, "submit_resolution", owner, at(3), outcome="fixed")
        town.do(one, "verify_pass", dispatcher("V11"), at(4))
    again = town.do(case, "reopen", with_role("supervisor", "C"), at(20))
    assert not any(again.fixed_by_parts(row) for row in again.deadlines)


def test_what_need_not_be_done_is_not_put_before_what_must() -> None:
    town, case = at_work()
    idle = WantedPart(owner="works", category="plan", required=False)
    must = WantedPart(owner="works")
    refused = town.act(case, "split", WORKS, at(1), parts=(must, idle, must), ordered=True)
    assert told(refused) == ("invalid", "parts[1].required")
    assert len(town.split(case, WORKS, at(1), must, idle, ordered=True)) == 2


@pytest.mark.parametrize("extended_first", [False, True])
def test_another_category_keeps_parts_and_an_extension_apart_and_together(extended_first: bool) -> None:
    """11 h for the part and a day are 35, and 48 beyond that 83; the citizen has 10 and 48."""
    town, case = at_work()
    if not extended_first:
        town.split(case, WORKS, at(1), WantedPart(owner="works"))
        assert open_dues(town[case])["resolve"] == at(35)
    town.do(case, "request_extension", WORKS, at(2), limit="48h C24")
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
    [
        *(
            "13912345678",
            "no-13912345678",
            "139-1234-5678",
            "8613912345678",
            "0512-66668888",
            "12345-13912345678",
        ),
        *("13912345678-1", "13912345678/2", "086-13912345678", "0512/66668888", "051266668888"),
    ],
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
    for clause in ("13912345678", "3.2-13912345678"):
        assert told(town.act(case, "request_return", WORKS, clause=clause)) == ("invalid", "clause")
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
