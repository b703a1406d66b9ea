"""Standing still (domain.md 6.5): the owner's clock stops, the citizen's does not.

A pothole of P3 from T0: on_site 6 h, resolve 10 h. Weather may last 48 hours, waiting for the reporter 72.
"""

from __future__ import annotations

from services.domain.case import Case
from services.domain.messages import Invited, WantedPart
from tests.domain.small_case import WORKS, at, dispatcher, done, filed, under_way
from tests.domain.small_town import Town, open_dues, reporter_of, row, rows, told, told_at, types, with_role

DESK = dispatcher("T1")


def at_work(category: str = "pothole") -> tuple[Town, Case]:
    case = under_way(category)
    return Town(case), case


def suspended(hours: float = 2, reason: str = "weather") -> tuple[Town, Case]:
    town, case = at_work()
    return town, town.do(case, "suspend", DESK, at(hours), reason=reason)


def test_a_dispatcher_suspends_at_once_and_as_much_is_left_afterwards() -> None:
    town, case = suspended()
    assert (case.state, case.side.suspension, case.side.paused_at) == ("suspended", "weather", at(2))
    assert row(case, "suspension").due_at == at(50)
    assert [d.next_at for d in case.deadlines if d.stage in ("on_site",)] == [None]
    assert told_at(town.wait(at(20))) == [("SlaBreached", "resolve", at(10))], "the citizen's"
    resumed = town.do(case, "resume", WORKS, at(20))
    assert (resumed.state, resumed.side.suspension, resumed.side.paused_at) == ("in_progress", None, None)
    assert open_dues(resumed) == {"on_site": at(24), "resolve": at(28)}
    assert (row(resumed, "resolve").set_seq, row(resumed, "resolve").pauses) == (2, ((at(2), at(20)),))
    assert open_dues(resumed, "citizen") == {"resolve": at(10)}
    assert told_at(town.wait(at(28)))[-2:] == [
        ("SlaWarning", "resolve", at(26)),
        ("SlaBreached", "resolve", at(28)),
    ]


def test_a_unit_only_asks_for_it() -> None:
    town, case = at_work()
    asked = town.do(case, "suspend", WORKS, at(2), reason="weather")
    assert (asked.state, open_dues(asked)["decision"]) == ("in_progress", at(3))
    assert row(asked, "resolve").next_at == at(8), "its clock runs on"
    granted = town.do(case, "decide_suspension", DESK, at(2.5), approve=True)
    assert (granted.state, granted.side.paused_at, granted.side.request) == ("suspended", at(2.5), None)
    assert row(granted, "suspension").due_at == at(50.5)
    assert [d.met_at for d in rows(granted, "decision")] == [at(2.5)]


def test_a_refusal_leaves_the_unit_at_work() -> None:
    town, case = at_work()
    town.do(case, "suspend", WORKS, at(2), reason="weather")
    refused = town.do(case, "decide_suspension", DESK, at(2.5), approve=False)
    assert (refused.state, refused.side.request) == ("in_progress", None)
    assert open_dues(refused) == {"on_site": at(6), "resolve": at(10)}


def test_a_hub_that_does_not_decide_in_its_hour_is_supervised() -> None:
    town, case = at_work()
    town.do(case, "suspend", WORKS, at(2), reason="weather")
    assert types(town.wait(at(3))) == ["WaitEnded", "CaseSupervised"]


def test_the_reason_is_one_of_the_citys() -> None:
    town, case = at_work()
    assert told(town.act(case, "suspend", DESK, reason="mood")) == ("invalid", "reason")
    assert told(town.act(case, "suspend", WORKS, reason="mood")) == ("invalid", "reason")


def test_when_its_time_is_up_the_work_goes_on() -> None:
    """48 hours from 2 h on: at 50 h, with 4 and 8 hours left."""
    town, case = suspended()
    events = town.wait(at(51))
    assert types(events) == ["SlaBreached", "WaitEnded", "CaseResumed"]
    assert (events[1].payload.stage, events[1].payload.step_at) == ("suspension", at(50))
    assert {event.actor_ref for event in events} == {"system"}
    resumed = town[case]
    assert (resumed.state, resumed.side.suspension) == ("in_progress", None)
    # the clock stood until somebody noticed: the event is at 51 h
    assert open_dues(resumed) == {"on_site": at(55), "resolve": at(59)}


def test_who_does_not_answer_ends_the_case() -> None:
    """72 hours from 2 h on."""
    town, case = suspended(reason="waiting_for_reporter")
    assert row(case, "suspension").due_at == at(74)
    events = town.wait(at(74))
    assert types(events) == ["SlaBreached", "WaitEnded", "NoResponseClosed"]
    closed = town[case]
    assert (closed.state, closed.outcome, closed.closed_at) == ("closed", "no_response", at(74))
    assert (closed.side.suspension, closed.side.paused_at) == (None, None)
    assert open_dues(closed) == {"archive": at(74 + 30 * 24)}
    assert [(d.met_at, d.closed_at) for d in rows(closed, "resolve")] == [(None, at(74))], "it was not solved"


def test_who_comes_back_after_all_finds_the_clock_where_it_was() -> None:
    """A plan is promised for 30 working days; nothing of it has stopped."""
    town = Town()
    case = town.report("plan")
    for kind in ("accept", "start_work"):
        town.do(case, kind, WORKS)
    promised = row(town[case], "resolve", "citizen")
    town.do(case, "suspend", DESK, at(2), reason="waiting_for_reporter")
    town.wait(at(74))
    assert rows(town[case], "resolve", "citizen")[0].closed_at == at(74)
    again = town.do(case, "reopen", reporter_of(case), at(80))
    assert (again.state, again.outcome) == ("dispatched", None)
    assert row(again, "resolve", "citizen") == promised
    # and a breach that was told meanwhile is not told again
    town, case = suspended(reason="waiting_for_reporter")
    town.wait(at(74))
    again = town.do(case, "reopen", reporter_of(case), at(80))
    assert (row(again, "resolve", "citizen").due_at, row(again, "resolve", "citizen").next_at) == (
        at(10),
        None,
    )


def test_whom_it_waits_for_sets_it_going_again_and_nothing_else() -> None:
    town, case = suspended(reason="waiting_for_reporter")
    assert town.do(case, "resume", reporter_of(case), at(3)).state == "in_progress"
    town, case = suspended()
    assert told(town.act(case, "resume", reporter_of(case), at(3))) == ("forbidden", None)


def test_there_must_be_a_reporter_to_wait_for() -> None:
    """An urgent case stays though its reporter withdrew."""
    town, case = at_work("leak")
    town.do(case, "withdraw", reporter_of(case))
    assert told(town.act(case, "suspend", DESK, reason="waiting_for_reporter")) == ("invalid", "reason")
    assert town.act(case, "suspend", DESK, reason="weather").refusal is None


def test_a_case_of_parts_does_not_end_for_want_of_an_answer() -> None:
    town, case = at_work()
    (part,) = town.split(case, WORKS, at(1), WantedPart(owner="works"))
    assert told(town.act(case, "suspend", DESK, at(1), reason="waiting_for_reporter")) == (
        "invalid",
        "reason",
    )
    for kind in ("accept", "start_work"):
        town.do(part, kind, WORKS, at(1))
    town.do(part, "submit_resolution", WORKS, at(2), outcome="fixed")
    town.do(part, "verify_pass", dispatcher("V11"), at(3))
    town.do(case, "suspend", DESK, at(4), reason="waiting_for_reporter")
    # meanwhile the part is opened again: its parent goes on when the time is up
    town.do(part, "reopen", with_role("supervisor", "C"), at(5))
    town.wait(at(76))
    assert town[case].state == "in_progress"


def test_a_missed_due_is_not_mended_and_its_ladder_stands() -> None:
    """Suspended at 11 h, an hour after the due; half of 10 hours after it would be 15 h: 4 were left."""
    town, case = suspended(11)
    resumed = town.do(case, "resume", WORKS, at(20))
    assert row(resumed, "resolve").due_at == at(10)
    assert told_at(town.wait(at(24))) == [("CaseEscalated", "resolve", at(24))]


def test_twice_suspended_it_stood_twice() -> None:
    town, case = suspended(1)
    town.do(case, "resume", WORKS, at(3))
    again = town.act(case, "suspend", DESK, at(4), reason="weather")
    assert told(again) == ("invalid", "reason"), "a second time the tier above decides"
    town.do(case, "suspend", dispatcher("C"), at(4), reason="weather")
    resumed = town.do(case, "resume", WORKS, at(10))
    assert open_dues(resumed) == {"on_site": at(14), "resolve": at(18)}
    assert [d.met_at for d in rows(resumed, "suspension")] == [at(3), at(10)]


def test_a_claim_after_it_stands_by_itself() -> None:
    """Stood 2 to 5 h; claimed at 6 with 7 h left; failed at 9."""
    town, case = suspended()
    town.do(case, "resume", WORKS, at(5))
    town.do(case, "submit_resolution", WORKS, at(6), outcome="fixed")
    failed = town.do(case, "verify_fail", dispatcher("V11"), at(9))
    assert row(failed, "resolve").due_at == at(16)


def test_whoever_was_asked_to_come_has_its_time_afterwards() -> None:
    """Whistled for at 1 h, due at 3; stood from 2 to 12."""
    town, case = at_work()
    town.do(case, "whistle", DESK, at(1), invite=(Invited(unit="gas"),))
    town.do(case, "suspend", DESK, at(2), reason="weather")
    resumed = town.do(case, "resume", WORKS, at(12))
    assert row(resumed, "report_in:gas@C").due_at == at(13)


def test_only_work_that_goes_on_is_suspended() -> None:
    accepted = done(filed().case, "accept", WORKS)
    assert told(Town(accepted).act(accepted, "suspend", DESK, reason="weather")) == ("not_allowed", None)
