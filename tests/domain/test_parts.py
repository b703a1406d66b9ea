"""A hard case is taken apart (domain.md 6.4); a pothole of P3 in progress at the works of T1 since T0.

Limits of `pothole` and `ads` count 10 h to resolve, of `leak` (P2) 24 h. The parent is due a day after its
last part, at most its reporter's due (10 h) and one extension (48 h). Parts go two deep, five to a case.
"""

from __future__ import annotations

from datetime import datetime

import pytest

from services.domain.case import Case
from services.domain.events import Part
from services.domain.messages import WantedPart
from tests.domain.small_case import WORKS, at, dispatcher, done, under_way
from tests.domain.small_town import Town, open_dues, reporter_of, row, rows, told, types, unit, with_role

DESK = dispatcher("T1")
SUPERVISOR = with_role("supervisor", "C")
PAVE = WantedPart(owner="works")
SWEEP = WantedPart(owner="guard", hub_code="V12", category="ads")
OPTIONAL = WantedPart(owner="works", required=False)


def at_work(category: str = "pothole") -> tuple[Town, Case]:
    case = under_way(category)
    return Town(case), case


def finish(town: Town, part: Case, now: datetime) -> None:
    """Accepted, worked on, claimed and verified, all at this instant."""
    part = town[part]
    owner = unit(part.owner, part.owner_hub_code)
    if part.state == "dispatched":
        town.do(part, "accept", owner, now)
        town.do(part, "start_work", owner, now)
    town.do(part, "submit_resolution", owner, now, outcome="fixed", photos=("p",))
    town.do(part, "verify_pass", dispatcher("V11"), now)


def as_known(town: Town, parent: Case) -> list[tuple[str, str, str]]:
    return [(part.number[-2:], part.state, part.owner) for part in town[parent].side.parts]


# Taking it apart.


def test_parts_are_cases_with_owners_and_clocks_of_their_own() -> None:
    town, parent = at_work()
    pave, sweep = town.split(parent, WORKS, at(1), PAVE, SWEEP)
    assert types(town.events) == [
        "PartFiled", "CaseDispatched", "PartFiled", "CaseDispatched", "CaseDecomposed",
    ]  # fmt: skip
    assert [part.number for part in (pave, sweep)] == [f"{parent.number}.1", f"{parent.number}.2"]
    assert {part.root_case_id for part in (pave, sweep)} == {parent.case_id}
    assert {part.side.parent_case_id for part in (pave, sweep)} == {parent.case_id}
    assert {(part.report_id, part.report_count, part.place_code) for part in (pave, sweep)} == {
        (None, 0, "V11")
    }
    assert [(p.state, p.owner, p.owner_hub_code, p.hub_code) for p in (pave, sweep)] == [
        ("dispatched", "works", "T1", "T1"),
        ("dispatched", "guard", "V12", "V12"),
    ]
    assert open_dues(pave) == {"accept": at(5), "on_site": at(7), "resolve": at(11)}
    assert open_dues(sweep) == {"accept": at(5), "resolve": at(11)}
    assert open_dues(pave, "citizen") == {}, "the promise is the parent's"
    assert (town[parent].lane, town[parent].state) == ("decomposed", "in_progress")


def test_an_accepted_case_is_at_work_once_it_is_taken_apart() -> None:
    town = Town()
    case = town.report()
    town.do(case, "accept", WORKS)
    town.split(case, WORKS, at(1), PAVE)
    assert town[case].state == "in_progress"


@pytest.mark.parametrize(
    ("category", "parts", "ordered", "due"),
    [
        # the last part is due at 11 h, and a day
        ("pothole", (PAVE, SWEEP), False, at(35)),
        # 25 h, and a day
        ("pothole", (PAVE, WantedPart(owner="works", category="leak")), False, at(49)),
        # one after the other: 11 h, 21 h, and a day
        ("pothole", (PAVE, SWEEP), True, at(45)),
        # 30 working days are too many: the reporter's 10 h and 48 h
        ("pothole", (WantedPart(owner="works", category="plan"),), False, at(58)),
        # P2 has no extension: the reporter's 24 h
        ("leak", (PAVE,), False, at(24)),
    ],
)
def test_the_parents_due_is_fixed_when_it_is_taken_apart(
    category: str, parts: tuple[WantedPart, ...], ordered: bool, due: datetime
) -> None:
    town, parent = at_work(category)
    before = row(parent, "resolve")
    town.split(parent, WORKS, at(1), *parts, ordered=ordered)
    after = row(town[parent], "resolve")
    assert (after.due_at, after.original_due_at, after.start_at) == (due, before.due_at, before.start_at)
    assert row(town[parent], "resolve", "citizen") == row(parent, "resolve", "citizen")


def test_an_extension_that_was_used_is_not_there_a_second_time() -> None:
    """Extended by 24 h: the reporter's due is 34 h."""
    town, parent = at_work()
    town.do(parent, "request_extension", WORKS, limit="24h C24")
    town.do(parent, "decide_extension", DESK, approve=True)
    town.split(parent, WORKS, at(1), WantedPart(owner="works", category="plan"))
    assert row(town[parent], "resolve").due_at == at(34)


def test_what_the_parts_have_fixed_is_not_undone_by_another_category() -> None:
    town, parent = at_work()
    town.split(parent, WORKS, at(1), PAVE, SWEEP)
    leak = town.do(parent, "set_category", DESK, at(2), category="leak")
    assert (row(leak, "resolve").due_at, row(leak, "resolve").original_due_at) == (at(35), at(10))
    assert row(leak, "resolve", "citizen").due_at == at(10)


def test_taking_it_apart_mends_no_breach() -> None:
    town, parent = at_work()
    town.wait(at(11))
    town.split(parent, WORKS, at(11), PAVE)
    (kept,) = rows(town[parent], "resolve")
    assert (kept.due_at, kept.open) == (at(10), True)


def test_a_part_is_as_urgent_and_as_confidential_as_its_parent_or_its_category() -> None:
    town, parent = at_work()
    leak, secret = town.split(
        parent,
        DESK,
        at(1),
        WantedPart(owner="works", category="leak"),
        WantedPart(owner="works", category="secret"),
    )
    assert (leak.priority, open_dues(leak)["accept"]) == ("P2", at(2))
    assert (leak.confidential, secret.confidential) == (False, True)
    assert [part.confidential for part in town[parent].side.parts] == [False, True]


@pytest.mark.parametrize(
    ("parts", "refused"),
    [
        ((), ("invalid", "parts")),
        ((PAVE,) * 6, ("invalid", "parts")),
        ((PAVE, WantedPart(owner="dragons")), ("invalid", "parts[1].owner")),
        ((WantedPart(owner="bank"),), ("invalid", "parts[0].owner")),
        ((WantedPart(owner="works", category="dragons"),), ("invalid", "parts[0].category")),
        ((WantedPart(owner="works", hub_code="T2"),), ("forbidden", "hub_code")),
    ],
)
def test_parts_go_to_units_of_the_own_hub_and_below(
    parts: tuple[WantedPart, ...], refused: tuple[str, str | None]
) -> None:
    """The bank is a partner: it may assist, never lead."""
    town, parent = at_work()
    assert told(town.act(parent, "split", WORKS, parts=parts)) == refused
    assert len(town.cases) == 1


def test_a_case_has_five_parts_and_they_go_two_deep() -> None:
    town, parent = at_work()
    child, *_ = town.split(parent, WORKS, at(1), *(PAVE,) * 3)
    assert told(town.act(parent, "split", WORKS, at(1), parts=(PAVE,) * 3)) == ("invalid", "parts")
    town.split(parent, WORKS, at(1), PAVE, PAVE)
    town.do(child, "accept", WORKS, at(1))
    (grandchild,) = town.split(child, WORKS, at(1), PAVE)
    assert (grandchild.number, grandchild.root_case_id) == (f"{parent.number}.1.1", parent.case_id)
    town.do(grandchild, "accept", WORKS, at(1))
    assert told(town.act(grandchild, "split", WORKS, at(1), parts=(PAVE,))) == ("not_allowed", None)


# What a parent knows of its parts.


def test_a_parts_change_shows_on_its_parent() -> None:
    town, parent = at_work()
    (part,) = town.split(parent, WORKS, at(1), PAVE)
    town.do(part, "accept", WORKS, at(2))
    assert as_known(town, parent) == [(".1", "accepted", "works")]
    town.do(part, "comment", WORKS, at(2))
    assert types(town.events)[-1] == "CommentAdded", "a word is no change"
    town.do(part, "reassign", DESK, at(3), owner="guard", hub_code="V12")
    assert as_known(town, parent) == [(".1", "dispatched", "guard")]
    town.do(part, "reassign", DESK, at(3), owner="gas", hub_code="T1")
    assert as_known(town, parent) == [(".1", "dispatched", "gas")], "though it was dispatched before too"
    assert types(town.events)[-3:] == ["ChildChanged", "ProblemTicketOpened", "ChildChanged"]
    (known,) = town[parent].side.parts
    assert known.hub_code == town[part].hub_code == "C", "the tier above leads a problem ticket"


def test_a_parts_end_is_told_with_its_outcome() -> None:
    town, parent = at_work()
    (part,) = town.split(parent, WORKS, at(1), PAVE)
    finish(town, part, at(3))
    (event,) = (event for event in town.events if event.type == "ChildResolved")
    assert (event.case_id, event.actor_ref, event.payload.outcome) == (parent.case_id, "system", "fixed")
    assert isinstance(event.payload.part, Part)
    assert as_known(town, parent) == [(".1", "closed", "works")]


def test_a_parent_is_not_done_while_a_required_part_is_open() -> None:
    town, parent = at_work()
    pave, extra = town.split(parent, WORKS, at(1), PAVE, OPTIONAL)
    refused = town.act(parent, "submit_resolution", WORKS, at(2), outcome="fixed")
    assert told(refused) == ("not_allowed", None)
    assert refused.refusal is not None
    assert refused.refusal.detail == f"parts are still open: {pave.number}"
    finish(town, pave, at(3))
    assert town.do(parent, "submit_resolution", WORKS, at(4), outcome="fixed").state == "verifying"
    assert town.do(parent, "verify_pass", DESK, at(5)).state == "closed"
    # the part that was not required goes on, and still tells
    finish(town, extra, at(6))
    assert as_known(town, parent) == [(".1", "closed", "works"), (".2", "closed", "works")]
    assert (town[parent].state, town[parent].closed_at) == ("closed", at(5))


def test_a_parent_with_parts_stays_though_its_reporter_withdraws() -> None:
    town, parent = at_work()
    pave, extra = town.split(parent, WORKS, at(1), PAVE, OPTIONAL)
    assert types(town.act(parent, "withdraw", reporter_of(parent), at(2)).events) == ["ReportWithdrawn"]
    town, parent = at_work()
    pave, extra = town.split(parent, WORKS, at(1), PAVE, OPTIONAL)
    finish(town, pave, at(2))
    assert town.do(parent, "withdraw", reporter_of(parent), at(3)).state == "withdrawn"
    finish(town, extra, at(4))
    assert as_known(town, parent)[1] == (".2", "closed", "works")


def test_neither_a_case_of_parts_nor_a_part_is_merged() -> None:
    town, parent = at_work()
    twin = town.report()
    (part,) = town.split(parent, WORKS, at(1), PAVE)
    for one in (parent, part):
        assert told(town.act(one, "attach", DESK, at(1), to_case_id=twin.case_id)) == ("not_allowed", None)
    assert told(town.act(twin, "attach", DESK, at(1), to_case_id=part.case_id)) == ("invalid", "to_case_id")
    refused = town.act(twin, "attach", DESK, at(1), to_case_id=parent.case_id)
    assert told(refused) == ("invalid", "to_case_id"), "its parts have put it off, and the twin has 10 hours"
    plan = town.report("plan")
    assert town.do(plan, "attach", DESK, at(1), to_case_id=parent.case_id).state == "attached"


# One after the other.


def in_order(*parts: WantedPart) -> tuple[Town, Case, list[Case]]:
    town, parent = at_work()
    return town, parent, town.split(parent, WORKS, at(1), *parts, ordered=True)


def states(town: Town, parts: list[Case]) -> list[str]:
    return [town[part].state for part in parts]


def test_each_part_begins_when_the_one_before_it_has_ended() -> None:
    town, parent, parts = in_order(PAVE, SWEEP)
    first, second = parts
    assert states(town, parts) == ["dispatched", "filed"]
    assert (second.owner, second.owner_hub_code, second.deadlines, second.dispatched_at) == (
        "guard",
        "V12",
        (),
        None,
    )
    finish(town, first, at(5))
    assert types(town.events)[-4:] == [
        "VerificationPassed",
        "ChildResolved",
        "CaseDispatched",
        "ChildChanged",
    ]
    begun = town[second]
    assert (begun.state, begun.dispatched_at) == ("dispatched", at(5))
    assert open_dues(begun) == {"accept": at(9), "resolve": at(15)}
    assert as_known(town, parent) == [(".1", "closed", "works"), (".2", "dispatched", "guard")]


def test_a_part_that_ends_a_second_time_starts_nobody_out_of_turn() -> None:
    town, _, parts = in_order(PAVE, PAVE, PAVE)
    finish(town, parts[0], at(2))
    town.do(parts[0], "reopen", SUPERVISOR, at(3))
    finish(town, parts[0], at(4))
    assert states(town, parts) == ["closed", "dispatched", "filed"]
    finish(town, parts[1], at(5))
    assert states(town, parts) == ["closed", "closed", "dispatched"]


def test_a_part_that_was_opened_again_holds_up_those_after_it() -> None:
    town, _, parts = in_order(PAVE, PAVE, PAVE)
    finish(town, parts[0], at(2))
    town.do(parts[0], "reopen", SUPERVISOR, at(3))
    finish(town, parts[1], at(4))
    assert states(town, parts) == ["dispatched", "closed", "filed"]
    finish(town, parts[0], at(5))
    assert states(town, parts) == ["closed", "closed", "dispatched"]


def test_a_row_in_order_waits_for_the_parts_there_were_that_must_be_done() -> None:
    town, parent = at_work()
    early = town.split(parent, WORKS, at(1), PAVE, OPTIONAL)
    late = town.split(parent, WORKS, at(2), PAVE, SWEEP, ordered=True)
    finish(town, early[0], at(3))
    assert states(town, [*early, *late]) == ["closed", "dispatched", "dispatched", "filed"]
    finish(town, early[1], at(4))
    assert states(town, [*early, *late]) == ["closed", "closed", "dispatched", "filed"]
    finish(town, late[0], at(5))
    assert states(town, [*early, *late]) == ["closed", "closed", "closed", "dispatched"]


def test_what_need_not_be_done_holds_up_no_row() -> None:
    town, parent = at_work()
    (idle,) = town.split(parent, WORKS, at(1), OPTIONAL)
    begun = town.split(parent, WORKS, at(2), PAVE, SWEEP, ordered=True)
    assert states(town, [idle, *begun]) == ["dispatched", "dispatched", "filed"]


def test_other_parts_meanwhile_do_not_strand_the_row() -> None:
    town, parent, row_of_two = in_order(PAVE, SWEEP)
    (beside,) = town.split(parent, WORKS, at(2), PAVE)
    finish(town, row_of_two[0], at(3))
    assert states(town, [*row_of_two, beside]) == ["closed", "dispatched", "dispatched"]


def test_a_waiting_part_that_is_given_to_somebody_begins_at_once_with_all_its_clocks() -> None:
    town, parent, parts = in_order(PAVE, SWEEP)
    begun = town.do(parts[1], "reassign", DESK, at(2), owner="works", hub_code="T1")
    assert (begun.state, begun.owner, begun.dispatched_at) == ("dispatched", "works", at(2))
    assert open_dues(begun) == {"accept": at(6), "resolve": at(12)}
    assert as_known(town, parent)[1] == (".2", "dispatched", "works")


# Opening a part again.


def test_a_part_is_opened_again_while_its_parent_is_at_work() -> None:
    town, parent = at_work()
    (part,) = town.split(parent, WORKS, at(1), PAVE)
    finish(town, part, at(2))
    again = town.do(part, "reopen", SUPERVISOR, at(3))
    assert (again.state, again.cycle) == ("dispatched", 2)
    assert as_known(town, parent) == [(".1", "dispatched", "works")]
    assert told(town.act(parent, "submit_resolution", WORKS, at(4), outcome="fixed")) == ("not_allowed", None)


def test_past_work_the_parent_is_opened_first() -> None:
    town, parent = at_work()
    (part,) = town.split(parent, WORKS, at(1), PAVE)
    finish(town, part, at(2))
    town.do(parent, "submit_resolution", WORKS, at(3), outcome="fixed")
    assert told(town.act(part, "reopen", SUPERVISOR, at(4))) == ("not_allowed", None)
    town.do(parent, "verify_pass", DESK, at(5))
    assert told(town.act(part, "reopen", SUPERVISOR, at(6))) == ("not_allowed", None)
    town.do(parent, "reopen", SUPERVISOR, at(7))
    assert told(town.act(part, "reopen", SUPERVISOR, at(7))) == ("not_allowed", None), "only dispatched again"
    town.do(parent, "accept", WORKS, at(8))
    assert town.do(part, "reopen", SUPERVISOR, at(8)).state == "dispatched"


def test_a_part_has_no_reporter_who_could_speak_for_it() -> None:
    town, parent = at_work()
    (part,) = town.split(parent, WORKS, at(1), PAVE)
    for kind in ("urge", "withdraw"):
        assert told(town.act(part, kind, reporter_of(parent), at(1))) == ("forbidden", None)
    assert done(parent, "urge", reporter_of(parent), at(1)).side.urged_at == at(1)
