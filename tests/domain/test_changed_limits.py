"""Another variant, another category, a higher priority: limits change, what was counted stays (6.5).

`pothole` P3: accept 4 h, on_site 6 h, resolve 10 h. `leak` P2: accept 1 h, resolve 24 h, if deep a fence
within 2 h and resolve 48 h. P2 is accepted within 1 h, P1 within 15 min.
"""

from __future__ import annotations

import pytest

from services.domain.case import Case
from services.domain.filing import Known
from tests.domain.small_case import T0, WORKS, at, dispatcher
from tests.domain.small_town import Town, open_dues, reporter_of, row, rows, told, told_at, types

DESK = dispatcher("T1")


def given(category: str = "pothole") -> tuple[Town, Case]:
    town = Town()
    return town, town.report(category)


def at_work(category: str = "pothole") -> tuple[Town, Case]:
    town, case = given(category)
    town.do(case, "accept", WORKS)
    return town, town.do(case, "start_work", WORKS)


# A variant.


def test_a_variant_counts_the_owners_milestones_again_from_the_dispatch() -> None:
    town, case = at_work("leak")
    deep = town.do(case, "set_variant", DESK, at(1), variant="deep")
    assert (deep.state, deep.side.variant) == ("in_progress", "deep")
    assert open_dues(deep) == {"fence": at(2), "resolve": at(48)}
    assert open_dues(deep, "citizen") == {"resolve": at(24)}, "nobody promised more"
    assert row(deep, "resolve").next_at == at(38, 24), "80 % of 48 h"
    assert town.do(case, "reach_milestone", WORKS, at(1.5), stage="fence").state == "in_progress"


def test_no_milestone_is_due_before_it_was_set() -> None:
    """The fence would have been due at 2 h: it is due now, and missed."""
    town, case = at_work("leak")
    settled = town.act(case, "set_variant", DESK, at(5), variant="deep")
    assert types(settled.events) == ["VariantSet", "SlaBreached"]
    assert [(d.stage, d.due_at) for d in settled.case.deadlines if d.set_seq == settled.events[0].seq] == [
        ("fence", at(5)),
        ("resolve", at(48)),
    ]


def test_without_the_variant_its_own_milestones_fall_away() -> None:
    town, case = at_work("leak")
    town.do(case, "set_variant", DESK, at(1), variant="deep")
    plain = town.do(case, "set_variant", DESK, at(1.5))
    assert (plain.side.variant, open_dues(plain)) == (None, {"resolve": at(24)})
    assert [(d.met_at, d.closed_at) for d in rows(plain, "fence")] == [(None, at(1.5))]


def test_a_variant_is_one_of_the_categorys_and_another_than_now() -> None:
    town, case = given("leak")
    assert told(town.act(case, "set_variant", DESK, variant="wide")) == ("invalid", "variant")
    assert told(town.act(case, "set_variant", DESK)) == ("invalid", "variant")
    town.do(case, "set_variant", DESK, variant="deep")
    assert told(town.act(case, "set_variant", DESK, variant="deep")) == ("invalid", "variant")
    town, case = given("pothole")
    assert told(town.act(case, "set_variant", DESK, variant="deep")) == ("not_allowed", None)


def test_what_stood_still_stays_so_under_a_variant() -> None:
    town, case = at_work("leak")
    town.do(case, "suspend", DESK, at(2), reason="weather")
    town.do(case, "resume", WORKS, at(5))
    deep = town.do(case, "set_variant", DESK, at(6), variant="deep")
    assert row(deep, "resolve").due_at == at(51)
    assert row(deep, "resolve").pauses == ((at(2), at(5)),)


# A category.


def test_another_category_counts_its_limits_from_the_same_instants() -> None:
    """At 30 minutes: accept, due at 4 h, is due at 1 h; nobody must be on site; the promise stays."""
    town, case = given()
    settled = town.act(case, "set_category", DESK, at(0.5), category="leak")
    (event,) = settled.events
    assert (event.payload.category, event.payload.priority, event.payload.dropped) == (
        "leak",
        "P2",
        ("on_site",),
    )
    leak = settled.case
    assert (leak.state, leak.owner, leak.hub_code) == ("dispatched", "works", "T1"), "a case keeps its place"
    assert open_dues(leak) == {"accept": at(1), "resolve": at(24)}
    assert open_dues(leak, "citizen") == {"resolve": at(10)}
    assert [(d.met_at, d.closed_at) for d in rows(leak, "on_site")] == [(None, at(0.5))]
    assert {d.start_at for d in leak.deadlines} == {T0}


def test_a_limit_that_has_passed_by_the_other_category_is_missed() -> None:
    town, case = given()
    settled = town.act(case, "set_category", DESK, at(3), category="leak")
    assert told_at(settled.events) == [
        ("SlaWarning", "accept", at(2)),
        ("SlaBreached", "accept", at(1)),
        ("CaseEscalated", "accept", at(1.5)),
        ("DutyLeaderAlerted", "accept", at(2)),
    ]


def test_a_breach_that_was_told_is_not_told_again_under_another_category() -> None:
    town, case = at_work()
    assert told_at(town.wait(at(11)))[-1] == ("SlaBreached", "resolve", at(10))
    town.do(case, "set_category", DESK, at(11), category="danger")
    assert [step for step in told_at(town.wait(at(11.1))) if step[0] == "SlaBreached"] == []


def test_what_was_accepted_stays_accepted_and_what_stood_still_stays_so() -> None:
    town, case = at_work()
    town.do(case, "suspend", DESK, at(2), reason="weather")
    town.do(case, "resume", WORKS, at(5))
    leak = town.do(case, "set_category", DESK, at(6), category="leak")
    assert open_dues(leak) == {"resolve": at(27)}
    assert open_dues(leak, "citizen") == {"resolve": at(10)}
    assert row(leak, "resolve").pauses == ((at(2), at(5)),)
    # claimed and failed, it stands once more
    town.do(case, "submit_resolution", WORKS, at(7), outcome="fixed")
    assert row(town.do(case, "verify_fail", dispatcher("V11"), at(9)), "resolve").due_at == at(29)


def test_an_extension_stays_one_under_another_category() -> None:
    town, case = at_work()
    town.do(case, "request_extension", WORKS, at(1), limit="24h C24")
    town.do(case, "decide_extension", DESK, at(1), approve=True)
    leak = town.do(case, "set_category", DESK, at(2), category="leak")
    for clock, due, original in (("owner", 48, 24), ("citizen", 34, 10)):
        assert row(leak, "resolve", clock).due_at == at(due)
        assert row(leak, "resolve", clock).original_due_at == at(original)


def test_a_priority_never_falls_with_the_category_nor_does_its_acceptance_come_later() -> None:
    town, case = given("leak")
    pothole = town.do(case, "set_category", DESK, at(0.5), category="pothole")
    assert (pothole.priority, open_dues(pothole)["accept"]) == ("P2", at(1))
    assert open_dues(pothole)["resolve"] == at(10)


@pytest.mark.parametrize("category", ["dragons", "pothole", "fire", "secret"])
def test_a_category_is_one_that_can_be_worked_on_where_the_case_is(category: str) -> None:
    """Not unknown, not its own, nobody's here, and not one that the neighbours may not see."""
    town, case = given()
    assert told(town.act(case, "set_category", DESK, category=category)) == ("invalid", "category")


def test_what_its_reporter_wants_confidential_stays_so_under_any_category() -> None:
    town = Town()
    case = town.report("pothole", visibility="confidential")
    assert town.do(case, "set_category", DESK, category="leak").confidential
    assert town.do(case, "set_category", DESK, category="secret").confidential


# A priority.


@pytest.mark.parametrize(("hours", "accept"), [(1, at(2)), (2.9, at(3.9)), (3, at(4)), (3.5, at(4))])
def test_a_raised_priority_is_accepted_sooner_and_never_later(hours: float, accept: object) -> None:
    town, case = given()
    raised = town.do(case, "raise_priority", DESK, at(hours), reason="injury")
    assert (raised.priority, raised.state) == ("P2", "dispatched")
    assert open_dues(raised) == {"accept": accept, "on_site": at(6), "resolve": at(10)}
    assert open_dues(raised, "citizen") == {"resolve": at(10)}


def test_a_missed_acceptance_is_not_mended_by_a_raise() -> None:
    town, case = given()
    raised = town.do(case, "raise_priority", DESK, at(5), reason="injury")
    assert [(d.due_at, d.open) for d in rows(raised, "accept")] == [(at(4), True)]


def test_a_raised_case_is_supervised_by_its_new_priority() -> None:
    """P2: 2 hours after the due, not half the limit."""
    town, case = at_work()
    town.do(case, "raise_priority", DESK, at(1), reason="injury")
    town.wait(at(10))
    assert told_at(town.wait(at(13))) == [("CaseEscalated", "resolve", at(12))]


def test_there_is_nothing_above_the_highest() -> None:
    town, case = given()
    town.do(case, "raise_priority", DESK, reason="injury")
    assert town.do(case, "raise_priority", DESK, reason="child").priority == "P1"
    assert told(town.act(case, "raise_priority", DESK, reason="elder")) == ("not_allowed", None)


def test_whoever_gets_a_raised_case_accepts_it_as_such() -> None:
    """Given on, opened again, or dangerous from the first: the category's 4 hours are too long."""
    town, case = given()
    town.do(case, "raise_priority", DESK, reason="injury")
    assert open_dues(town.do(case, "reassign", DESK, at(1), owner="gas"))["accept"] == at(2)
    dangerous = Town().report("pothole", known=Known(danger=True))
    assert (dangerous.priority, open_dues(dangerous)["accept"]) == ("P1", at(minutes=15))
    town, case = at_work()
    town.do(case, "submit_resolution", WORKS, at(1), outcome="fixed")
    town.do(case, "verify_pass", reporter_of(case), at(2))
    again = town.do(case, "reopen", reporter_of(case), at(3))
    assert (again.priority, open_dues(again)["accept"]) == ("P2", at(4))
