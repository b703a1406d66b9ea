"""An official year is loaded: what was counted over its predicted days is counted again, and nothing else.

The made-up 2027: 1 to 4 January free, Sunday the 10th made up for, 1 to 7 October free.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.domain.case import Case
from services.domain.city import City
from services.domain.messages import SYSTEM_ACTOR, Actor, WantedPart
from services.domain.settling import Settled
from tests.domain.office_city import (
    CITY,
    FILES,
    WITH_2027,
    climbed,
    filed_at,
    local,
    said,
    steps,
    time_passes,
)
from tests.domain.small_case import REPORTER, WORKS, act, city_of, dispatcher, done, filed
from tests.domain.small_town import Town
from tests.domain.wuzhong import YEAR_2027


def recompute(
    case: Case,
    text: str,
    city: City = WITH_2027,
    years: tuple[int, ...] = (2027,),
    actor: Actor = SYSTEM_ACTOR,
) -> Settled:
    return act(case, "recompute_dues", actor, local(text), city=city, years=years)


def rows(case: Case) -> list[tuple[str, str | None, bool, str | None, str | None]]:
    return [
        (f"{d.clock} {d.stage}", said(d.due_at), d.official, d.step, said(d.next_at))
        for d in case.deadlines
        if d.open
    ]


def test_provisional_dues_become_official_and_move_where_the_instant_differs() -> None:
    case = filed_at("slow", "2026-12-28 10:00")
    assert rows(case)[1] == ("owner resolve", "2027-01-26 17:00", False, "warning", "2027-01-20 15:48")
    settled = recompute(case, "2026-12-28 11:00")
    (event,) = settled.events
    assert (event.type, event.actor_ref, event.city_version) == ("DuesRecomputed", "system", 8)
    assert event.payload.years == (2027,)
    assert [
        (r.stage, r.clock, said(r.from_due_at), said(r.due_at), r.official) for r in event.payload.dues
    ] == [
        # one day lost (4 January), one won (the 10th): the same instant
        ("resolve", "owner", "2027-01-26 17:00", "2027-01-26 17:00", True),
        ("resolve", "citizen", "2027-01-26 17:00", "2027-01-26 17:00", True),
    ]
    assert [row[2] for row in rows(settled.case)] == [True, True, True]


def test_a_due_that_differs_moves_and_its_steps_with_it() -> None:
    case = filed_at("pothole", "2026-12-28 10:00")
    assert rows(case)[2] == ("owner resolve", "2027-01-05 17:00", False, "warning", "2027-01-04 15:48")
    moved = recompute(case, "2026-12-28 11:00")
    assert rows(moved.case) == [
        ("owner accept", "2026-12-28 15:00", True, "warning", "2026-12-28 12:00"),
        ("owner on_site", "2026-12-29 17:00", True, "due", "2026-12-29 17:00"),
        ("owner resolve", "2027-01-06 17:00", True, "warning", "2027-01-05 15:48"),
        ("citizen resolve", "2027-01-06 17:00", True, "due", "2027-01-06 17:00"),
    ]
    assert [r.stage for r in moved.events[0].payload.dues] == ["resolve", "resolve"]
    assert moved.case.state == case.state
    assert moved.case.stale_seq == case.stale_seq, "what people had seen is not stale"


def test_it_is_no_new_setting() -> None:
    case = filed_at("pothole", "2026-12-28 10:00")
    after = recompute(case, "2026-12-28 11:00").case
    assert [d.set_seq for d in after.deadlines] == [d.set_seq for d in case.deadlines]
    later = steps(climbed(after, "2027-02-01 00:00", WITH_2027))
    assert [step[2:] for step in later if step[1] == "owner resolve"] == [
        ("warning", "2027-01-05 15:48"),
        ("due", "2027-01-06 17:00"),
        # half of 41 h more: Thursday, Friday, and the Sunday that is made up for
        ("supervise", "2027-01-10 16:30"),
        ("supervise_2", "2027-01-13 16:00"),
    ]


def test_what_was_official_is_not_touched() -> None:
    case = filed_at("pothole", "2026-12-20 10:00")
    assert all(d.official for d in case.deadlines)
    settled = recompute(case, "2026-12-20 11:00")
    assert (settled.events, settled.refusal, settled.case) == ((), None, case)


def test_a_second_time_changes_nothing() -> None:
    case = recompute(filed_at("pothole", "2026-12-28 10:00"), "2026-12-28 11:00").case
    again = recompute(case, "2026-12-28 11:01")
    assert (again.events, again.case) == ((), case)


def test_a_year_that_it_does_not_reach_changes_nothing() -> None:
    case = filed_at("pothole", "2026-12-28 10:00")
    assert recompute(case, "2026-12-28 11:00", years=(2026,), city=CITY).events == ()
    assert recompute(case, "2026-12-28 11:00", years=(2028,)).events == ()


def test_what_still_reaches_a_predicted_year_moves_and_stays_provisional() -> None:
    # 5WD from 29 Dec 2027 ends in 2028
    case = filed_at("pothole", "2027-12-29 10:00")
    assert rows(case)[2][1:3] == ("2028-01-05 17:00", False)
    settled = recompute(case, "2027-12-29 11:00")
    # accept and on_site lie in 2027 alone
    assert [(r.stage, r.official) for r in settled.events[0].payload.dues] == [
        ("accept", True),
        ("on_site", True),
    ]
    assert rows(settled.case)[2][1:3] == ("2028-01-05 17:00", False)


def test_a_moved_due_is_never_earlier_than_the_end_of_the_next_working_day() -> None:
    """Sunday the 10th is worked: the due moves from Tuesday to Monday, and now it is Monday."""
    year = "date,day,name,source\n2027-01-01,holiday,元旦,x\n2027-01-10,workday,元旦,x\n"
    city = city_of({**FILES, "calendar-days/2027.csv": year}, version=8)
    case = filed_at("pothole", "2027-01-05 10:00")
    assert rows(case)[2][1] == "2027-01-12 17:00"
    early = recompute(case, "2027-01-08 10:00", city)
    assert rows(early.case)[2][1:3] == ("2027-01-11 17:00", True)
    late = recompute(case, "2027-01-11 10:00", city)
    assert rows(late.case)[2][1:3] == ("2027-01-12 17:00", True)


def test_a_recorded_breach_stays_and_what_comes_after_it_moves() -> None:
    """Accept breached on 31 December; its supervision was counted over predicted days."""
    case = climbed(filed_at("ads", "2026-12-31 11:00"), "2026-12-31 16:00").case
    assert rows(case)[0] == ("owner accept", "2026-12-31 16:00", True, "supervise", "2027-01-04 10:00")
    settled = recompute(case, "2026-12-31 16:30")
    assert rows(settled.case)[0] == (
        "owner accept",
        "2026-12-31 16:00",
        True,
        "supervise",
        "2027-01-05 10:00",
    )
    first = settled.events[0].payload.dues[0]
    assert (first.stage, first.from_due_at == first.due_at, first.step) == ("accept", True, "supervise")
    breaches = [
        e for e in climbed(settled.case, "2027-03-01 00:00", WITH_2027).events if e.type == "SlaBreached"
    ]
    assert [e.payload.stage for e in breaches] == ["resolve", "resolve"], "accept's is not repeated"


def test_a_breached_provisional_due_stays_where_it_was_and_is_official() -> None:
    case = climbed(filed_at("pothole", "2026-12-28 10:00"), "2027-01-05 17:00").case
    settled = recompute(case, "2027-01-06 09:00")
    assert rows(settled.case)[2][1:3] == ("2027-01-05 17:00", True)


def test_a_warning_that_would_have_come_by_now_is_skipped() -> None:
    """Three weekends are worked: the due is eight days sooner, its warning was the day before yesterday."""
    worked = "".join(f"2027-01-{day:02},workday,x,x\n" for day in (9, 10, 16, 17, 23, 24))
    year = "date,day,name,source\n2027-01-01,holiday,x,x\n" + worked
    city = city_of({**FILES, "calendar-days/2027.csv": year}, version=8)
    case = climbed(filed_at("slow", "2027-01-04 10:00"), "2027-01-22 09:00").case
    assert rows(case)[1] == ("owner resolve", "2027-02-01 17:00", False, "warning", "2027-01-26 15:48")
    settled = recompute(case, "2027-01-22 10:00", city)
    assert rows(settled.case)[1] == ("owner resolve", "2027-01-24 17:00", True, "due", "2027-01-24 17:00")
    assert not any(e.type == "SlaWarning" for e in settled.events)


def test_a_reopened_due_that_was_met_when_the_year_came_is_counted_again_then() -> None:
    case = filed_at("pothole", "2026-12-28 10:00")
    for kind, minutes in (("accept", 1), ("start_work", 2)):
        case = done(case, kind, WORKS, local("2026-12-28 10:00") + timedelta(minutes=minutes), city=CITY)
    case = done(case, "submit_resolution", WORKS, local("2026-12-29 09:00"), city=CITY, outcome="fixed")
    case = recompute(case, "2026-12-29 10:00").case
    case = done(case, "verify_fail", dispatcher("V11"), local("2026-12-29 11:00"), city=WITH_2027)
    found = {row[0]: row[1:3] for row in rows(case)}
    # 6 January by the official year, and two hours more for the owner
    assert found == {
        "owner resolve": ("2027-01-07 11:00", True),
        "citizen resolve": ("2027-01-06 17:00", True),
    }


def test_a_due_that_its_parts_have_fixed_stays_with_an_extension_too() -> None:
    """The part is due on 5 January, the parent a day after it; the citizen's due leaves one day more."""
    start = local("2026-12-28 10:00")
    case = filed_at("pothole", "2026-12-28 10:00")
    town = Town(case, city=CITY)
    town.do(case, "accept", WORKS, start)
    town.do(case, "start_work", WORKS, start)
    town.split(case, WORKS, start, WantedPart(owner="works"))
    town.do(case, "request_extension", WORKS, start, limit="2WD OFF")
    town.do(case, "decide_extension", dispatcher("T1"), start, approve=True)
    assert rows(town[case])[1][:3] == ("owner resolve", "2027-01-07 17:00", False)
    settled = recompute(town[case], "2026-12-28 11:00")
    assert rows(settled.case)[1][:3] == ("owner resolve", "2027-01-07 17:00", True)


@pytest.mark.parametrize("actor", [WORKS, dispatcher("C"), REPORTER])
def test_only_the_system_asks_for_it(actor: Actor) -> None:
    settled = recompute(filed_at("pothole", "2026-12-28 10:00"), "2026-12-28 11:00", actor=actor)
    assert settled.refusal is not None
    assert (settled.refusal.code, settled.events) == ("forbidden", ())


def test_what_came_before_it_is_passed_before_it() -> None:
    settled = recompute(filed_at("pothole", "2026-12-28 10:00"), "2026-12-28 15:00")
    assert [e.type for e in settled.events] == ["SlaWarning", "SlaBreached", "DuesRecomputed"]


def test_loading_2027_touches_exactly_the_provisional_ones_of_many() -> None:
    """Whatever was filed and whenever: official rows keep their dues, the others become what 2027 says."""
    for hours in range(0, 24 * 30, 7):
        start = local("2026-12-05 00:00") + timedelta(hours=hours)
        for category in ("ads", "pothole", "sweep", "slow", "urgent"):
            before = filed_at(category, start.strftime("%Y-%m-%d %H:%M"))
            after = recompute(before, start.strftime("%Y-%m-%d %H:%M")).case
            fresh: dict[Any, Any] = {
                d.key: d for d in filed_with_2027(category, start.strftime("%Y-%m-%d %H:%M")).deadlines
            }
            for old, new in zip(before.deadlines, after.deadlines, strict=True):
                if old.official:
                    assert (new.due_at, new.official) == (old.due_at, True)
                else:
                    wanted = fresh[old.key].due_at
                    next_closing = WITH_2027.working_time("OFF").closing(start, 1)
                    assert new.official
                    assert new.due_at == (wanted if wanted == old.due_at else max(wanted, next_closing))


def filed_with_2027(category: str, text: str) -> Case:
    return filed(category, city=WITH_2027, now=local(text)).case


def test_nothing_is_passed_early_by_it() -> None:
    case = recompute(filed_at("pothole", "2026-12-28 10:00"), "2026-12-28 11:00").case
    assert time_passes(case, local("2026-12-28 11:30"), WITH_2027).events == ()


def test_the_made_up_year_is_what_the_head_says() -> None:
    assert YEAR_2027.count("holiday") == 11
    assert YEAR_2027.count("workday") == 1
