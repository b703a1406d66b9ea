"""Who says that it is done, what comes after the end, and how it begins again (domain.md 6.6).

A pothole of P3 in progress at T0: 10 h for owner and reporter. Reopened within 7 days; archive after 30.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.domain.case import ENDED, Case
from services.domain.messages import Actor
from tests.domain.small_case import (
    T0,
    WORKS,
    at,
    claimed,
    dispatcher,
    done,
    under_way,
)
from tests.domain.small_town import (
    Town,
    open_dues,
    reporter_of,
    row,
    rows,
    told,
    told_at,
    types,
    unit,
    with_role,
)

AGENT = with_role("callback_agent", "T1")
SUPERVISOR = with_role("supervisor", "C")


def closed(at_hours: float = 5, category: str = "pothole") -> tuple[Town, Case]:
    case = done(claimed(at(at_hours - 1), category=category), "verify_pass", dispatcher("V11"), at(at_hours))
    return Town(case), case


# The claim.


@pytest.mark.parametrize(
    ("category", "outcome", "photos", "claimed"),
    [
        ("ads", "fixed", (), False),  # verified by a photo: it must be there
        ("ads", "fixed", ("p",), True),
        ("ads", "gone_on_arrival", (), True),
        ("ads", "unfounded", (), True),
        ("ads", "not_feasible", (), True),
        ("pothole", "fixed", (), True),  # somebody goes and looks
        ("secret", "fixed", (), True),  # its reporter confirms
    ],
)
def test_what_is_verified_by_a_photo_is_fixed_only_with_one(
    category: str, outcome: str, photos: tuple[str, ...], claimed: bool
) -> None:
    town = Town()
    case = town.report(category)
    owner = unit(case.owner, case.owner_hub_code)
    for kind in ("accept", "start_work"):
        town.do(case, kind, owner)
    settled = town.act(case, "submit_resolution", owner, outcome=outcome, photos=photos)
    if claimed:
        assert (settled.case.state, settled.case.outcome) == ("verifying", outcome)
    else:
        assert told(settled) == ("invalid", "photos")


# Who looks at it.


def test_its_reporter_has_the_last_word() -> None:
    case = claimed(at(3))
    assert done(case, "verify_pass", reporter_of(case), at(4)).state == "closed"
    failed = done(case, "verify_fail", reporter_of(case), at(4))
    assert (failed.state, failed.rework_count) == ("rework", 1)


def test_a_desk_of_the_place_may_look_but_not_who_did_it() -> None:
    case = claimed(at(3))
    assert done(case, "verify_pass", dispatcher("V11"), at(4)).state == "closed"
    for barred in (WORKS, Actor(ref=WORKS.ref, roles=("dispatcher",), hubs=("V11",))):
        assert told(Town(case).act(case, "verify_pass", barred, at(4))) == ("verifier_is_handler", None)


def test_three_reworks_make_one_problem_ticket_that_the_tier_above_leads() -> None:
    town = Town(under_way())
    (case,) = town.cases.values()
    for hour in range(1, 5):
        town.do(case, "submit_resolution", dispatcher("C"), at(hour), outcome="fixed")
        settled = town.act(case, "verify_fail", reporter_of(case), at(hour))
        assert types(settled.events) == ["VerificationFailed"] + ["ProblemTicketOpened"] * (hour == 3)
        town.do(case, "restart", dispatcher("C"), at(hour))
    ticket = next(event for event in town.events if event.type == "ProblemTicketOpened")
    assert (ticket.payload.reason, ticket.payload.hub_code, ticket.payload.level) == ("reworks", "C", 1)
    led = town[case]
    assert (led.hub_code, led.level, led.owner, led.owner_hub_code) == ("C", 1, "works", "T1")
    assert (led.rework_count, led.supervised_level, led.side.problem_ticket) == (4, 1, True)
    assert told(town.act(case, "reassign", dispatcher("T1"), at(5), owner="gas")) == ("forbidden", None)


# Afterwards.


def test_an_agent_asks_how_it_ended_and_nobody_who_had_a_hand_in_it() -> None:
    town, case = closed()
    settled = town.act(case, "record_callback", AGENT, at(6), resolved="partly", satisfaction=4)
    (event,) = settled.events
    assert (event.payload.resolved, event.payload.satisfaction, event.payload.by_reporter) == (
        "partly",
        4,
        False,
    )
    assert (settled.case.state, settled.case.side.answer, settled.case.side.satisfaction) == (
        "closed",
        "partly",
        4,
    )
    handler = Actor(ref=WORKS.ref, roles=("callback_agent",), hubs=("T1",))
    assert told(town.act(case, "record_callback", handler, at(6), resolved="yes")) == ("not_allowed", None)


def test_a_reporter_rates_with_the_link_and_the_last_word_stands() -> None:
    town, case = closed()
    town.do(case, "record_callback", AGENT, at(6), resolved="yes", satisfaction=5)
    settled = town.act(case, "record_callback", reporter_of(case), at(7), resolved="no")
    assert settled.events[0].payload.by_reporter
    assert (settled.case.side.answer, settled.case.side.satisfaction) == ("no", None)


@pytest.mark.parametrize("satisfaction", [0, 6, -1])
def test_content_is_from_one_to_five(satisfaction: int) -> None:
    town, case = closed()
    settled = town.act(case, "record_callback", AGENT, at(6), resolved="yes", satisfaction=satisfaction)
    assert told(settled) == ("invalid", "satisfaction")


def test_a_closed_case_goes_to_the_archive_after_thirty_days_and_is_left_in_peace() -> None:
    town, case = closed()
    assert open_dues(case) == {"archive": at(5 + 720)}
    assert town.wait(at(5 + 720) - timedelta(microseconds=1)) == []
    events = town.wait(at(5 + 720))
    assert told_at(events) == [("CaseArchived", "archive", at(725))]
    archived = town[case]
    assert (archived.state, archived.closed_at) == ("archived", at(5)), (
        "when it ended, not when it was put away"
    )
    assert all(not d.open for d in archived.deadlines)
    for kind, actor in (("reopen", SUPERVISOR), ("comment", WORKS), ("verify_fail", dispatcher("V11"))):
        assert told(town.act(case, kind, actor, at(730))) == ("not_allowed", None)


@pytest.mark.parametrize("state", ["declined", "redirected", "withdrawn", "attached"])
def test_what_ended_otherwise_waits_for_nothing(state: str) -> None:
    assert state in ENDED
    town = Town()
    case = town.report("pothole" if state in ("withdrawn", "attached") else None)
    twin = town.report()
    match state:
        case "declined":
            ended = town.do(case, "decline", dispatcher("T1"), reason="outside")
        case "redirected":
            ended = town.do(case, "redirect", dispatcher("T1"), to="119")
        case "withdrawn":
            ended = town.do(case, "withdraw", reporter_of(case))
        case _:
            ended = town.do(case, "attach", dispatcher("T1"), to_case_id=twin.case_id)
    assert [d for d in ended.deadlines if d.open or d.next_at] == []


# Again.


def test_it_begins_again_with_the_same_owner_one_priority_up_and_a_new_cycle() -> None:
    town, case = closed()
    settled = town.act(case, "reopen", reporter_of(case), at(8))
    assert [(event.type, event.cycle) for event in settled.events] == [("CaseReopened", 2)]
    again = settled.case
    assert (again.state, again.cycle, again.priority) == ("dispatched", 2, "P2")
    assert (again.owner, again.owner_hub_code, again.hub_code) == ("works", "T1", "T1")
    assert (again.dispatched_at, again.accepted_at, again.resolved_at, again.closed_at, again.outcome) == (
        at(8), None, None, None, None,
    )  # fmt: skip
    # P2 is accepted within 1 h, not 4
    assert open_dues(again) == {"accept": at(9), "on_site": at(14), "resolve": at(18)}
    assert [d.closed_at for d in rows(again, "archive")] == [at(8)]


def test_the_citizens_clock_never_stopped() -> None:
    """Closed at 5 h; opened again at 8 h, before the 10 h, or at 20, after them."""
    town, case = closed()
    before = row(under_way(), "resolve", "citizen")
    again = town.do(case, "reopen", reporter_of(case), at(8))
    assert row(again, "resolve", "citizen") == before
    assert ("SlaBreached", "resolve", at(10)) in told_at(town.wait(at(10)))
    town, case = closed()
    settled = town.act(case, "reopen", reporter_of(case), at(20))
    assert told_at(settled.events) == [("SlaBreached", "resolve", at(10))]
    town, case = closed(12)
    settled = town.act(case, "reopen", reporter_of(case), at(20))
    assert told_at(settled.events) == [], "told before the end: not again"


@pytest.mark.parametrize(
    ("late", "refused"), [(timedelta(0), None), (timedelta(microseconds=1), ("not_allowed", None))]
)
def test_its_reporter_has_seven_days_and_the_tier_above_as_long_as_it_is_not_put_away(
    late: timedelta, refused: tuple[str, None] | None
) -> None:
    town, case = closed()
    again = town.act(case, "reopen", reporter_of(case), at(5 + 7 * 24) + late)
    assert (told(again) if again.refusal else None) == refused
    town, case = closed()
    assert town.act(case, "reopen", SUPERVISOR, at(29 * 24)).case.state == "dispatched"


def test_what_was_said_of_the_last_cycle_is_not_said_of_this_one() -> None:
    town, case = closed()
    town.do(case, "record_callback", AGENT, at(6), resolved="no", satisfaction=1)
    again = town.do(case, "reopen", reporter_of(case), at(7))
    assert (again.side.answer, again.side.satisfaction, again.rework_count, again.unverified) == (
        None,
        None,
        0,
        False,
    )


def test_a_claim_of_an_earlier_cycle_is_not_opened_again_with_the_present_one() -> None:
    """All at one instant, as a test or a script may do it: the rows of the first cycle stay met."""
    town = Town(under_way())
    (case,) = town.cases.values()
    town.do(case, "submit_resolution", WORKS, outcome="fixed")
    town.do(case, "verify_pass", dispatcher("V11"))
    town.do(case, "reopen", reporter_of(case))
    for kind in ("accept", "start_work"):
        town.do(case, kind, WORKS)
    town.do(case, "submit_resolution", WORKS, outcome="fixed")
    failed = town.do(case, "verify_fail", dispatcher("V11"), at(1))
    assert [(d.met_at, d.open) for d in rows(failed, "resolve")] == [(T0, False), (None, True)]
    assert open_dues(failed) == {"resolve": at(11)}


def test_a_variant_of_another_cycle_begins_with_that_cycle() -> None:
    """`leak`, deep: a fence within 2 hours, counted from the dispatch of this cycle at 100 h."""
    town, case = closed(category="leak")
    town.do(case, "reopen", reporter_of(case), at(100))
    deep = town.do(case, "set_variant", dispatcher("T1"), at(100.5), variant="deep")
    assert (row(deep, "fence").due_at, row(deep, "resolve").due_at) == (at(102), at(148))
