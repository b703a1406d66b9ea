"""Danger to life, a surge, and a desk where nobody sits (domain.md 6.4 and 6.5)."""

from __future__ import annotations

import pytest

from services.domain.case import Case
from services.domain.city import City
from services.domain.filing import Known
from services.domain.place import Place
from tests.domain.small_case import CITY, COUNTABLE, T0, at, city_of, dispatcher, filed
from tests.domain.small_town import Town, open_dues, told, types, unit

DANGER = Known(danger=True)

# Danger.


@pytest.mark.parametrize(
    ("words", "danger"), [("后面着火了", True), ("着凉", False), ("", False), (None, False)]
)
def test_words_of_danger_are_the_citys(words: str | None, danger: bool) -> None:
    assert CITY.policy.danger(words) is danger


def test_danger_is_of_the_highest_priority_and_the_citys_desk_is_called_at_once() -> None:
    """`gas` names a number to call; a pothole is dangerous because somebody's words say so."""
    for town, category, known in ((Town(), "gas", Known()), (Town(), "pothole", DANGER)):
        case = town.report(category, known=known)
        assert (case.state, case.priority) == ("dispatched", "P1")
        assert types(town.events) == ["CaseFiled", "CaseDispatched", "DutyDeskPaged"]
        paged = town.events[2].payload
        assert (paged.hub_code, paged.reason) == ("C", "life_safety")
        assert open_dues(case)["accept"] <= at(minutes=15)


def test_danger_that_nobody_can_name_is_looked_at_within_minutes() -> None:
    town = Town()
    case = town.report(None, known=DANGER)
    assert (case.state, case.priority, open_dues(case)) == ("triaging", "P1", {"triage": at(minutes=5)})
    assert types(town.events) == ["TriageStarted", "DutyDeskPaged"]
    filed_so = town.do(case, "file_case", dispatcher("T1"), at(minutes=3), category="pothole")
    assert (filed_so.priority, open_dues(filed_so)["accept"]) == ("P1", at(minutes=18))


# A surge: from 1 h to 5 h in T1 potholes are accepted within 30 min, P3 waits, and T2 helps.


def in_storm(deferred: str, accept: str = "30m C24") -> City:
    storm = f"""
[surges.typhoon]
hub_code = "T1"
begins = 2026-11-24T10:00:00+08:00
ends = 2026-11-24T14:00:00+08:00
categories = ["pothole"]
accept = "{accept}"
deferred = [{deferred}]
aid_hub = "T2"
notice_zh = "台风"
notice_en = "Typhoon"
"""
    return city_of({**COUNTABLE, "city.toml": COUNTABLE["city.toml"] + storm})


STORM = in_storm("")


@pytest.mark.parametrize(
    ("hours", "category", "place", "accept"),
    [
        (0.9, "pothole", "V11", at(4.9)),
        (1, "pothole", "V11", at(1.5)),
        (4.9, "pothole", "V12", at(5.4)),
        (5, "pothole", "V11", at(9)),
        (2, "ads", "V11", at(6)),  # not of those that count
        (2, "pothole", "V21", at(6)),  # no storm there
    ],
)
def test_in_a_surge_what_counts_is_accepted_sooner(
    hours: float, category: str, place: str, accept: object
) -> None:
    case = filed(category, place=Place(place, place, "good"), city=STORM, now=at(hours)).case
    assert open_dues(case)["accept"] == accept
    assert case.side.surge == ("typhoon" if 1 <= hours < 5 and place != "V21" else None)


def test_whoever_gets_it_then_has_the_surges_time_too() -> None:
    town = Town(city=STORM)
    case = town.report(now=at(2))
    assert open_dues(town.do(case, "reassign", dispatcher("T1"), at(3), owner="gas"))["accept"] == at(3.5)


def test_what_waits_begins_for_its_owner_when_the_surge_ends_and_for_its_reporter_at_once() -> None:
    case = filed("ads", city=in_storm('"P3"'), now=at(2)).case
    assert open_dues(case) == {"accept": at(9), "resolve": at(15)}
    assert open_dues(case, "citizen") == {"resolve": at(12)}
    urgent = filed("leak", city=in_storm('"P3"'), now=at(2)).case
    assert open_dues(urgent)["accept"] == at(3)


def test_the_hub_that_helps_may_take_the_areas_cases() -> None:
    town = Town(city=STORM)
    case = town.report(now=at(2))
    helper = dispatcher("T2")
    assert case.side.aid_hub_code == "T2"
    taken = town.do(case, "reassign", helper, at(2), owner="works", hub_code="T2")
    assert (taken.hub_code, taken.owner, taken.owner_hub_code) == ("T2", "works", "T2")
    assert town.do(case, "accept", unit("works", "T2"), at(2)).state == "accepted"
    secret = town.report("secret", now=at(2))
    assert told(town.act(secret, "reassign", helper, at(2), owner="works", hub_code="T2")) == (
        "forbidden",
        None,
    )
    before = town.report(now=at(0.5))
    assert told(town.act(before, "reassign", helper, at(2), owner="works", hub_code="T2")) == (
        "forbidden",
        None,
    )


def test_what_is_filed_by_people_in_a_surge_is_a_case_of_the_surge() -> None:
    """Reported before it, filed in it; or reported in it and filed after it."""
    town = Town(city=STORM)
    early = town.report(None, now=T0)
    case = town.do(early, "file_case", dispatcher("T1"), at(2), category="pothole")
    assert (case.side.surge, case.side.aid_hub_code, open_dues(case)["accept"]) == ("typhoon", "T2", at(2.5))
    late = town.report(None, now=at(4))
    case = town.do(late, "file_case", dispatcher("T1"), at(6), category="pothole")
    assert (case.side.surge, case.side.aid_hub_code, open_dues(case)["accept"]) == (None, None, at(10))


# Nobody at the desk.

BY_DAY = city_of({**COUNTABLE, "tiers.csv": COUNTABLE["tiers.csv"].replace("town_desk,C24", "town_desk,OFF")})
"""Towns keep office hours, 9 to 12 and 13 to 17; the city's desk is never empty. T0 is a Tuesday, 9:00."""


def climbed(now: float, until: float) -> tuple[Case, list[tuple[str, str | None]]]:
    town = Town(city=BY_DAY)
    case = town.report("ads", now=at(now))
    events = town.wait(at(until))
    return town[case], [(e.type, getattr(e.payload, "hub_code", None)) for e in events]


def test_where_nobody_sits_at_the_desk_that_must_supervise_the_next_above_is_called() -> None:
    """`ads` at V11 go up to T1 half a limit after the 4 hours: reported at 9:00 that is 15:00, else 21:00."""
    case, told_so = climbed(0, 6)
    assert told_so == [("SlaWarning", None), ("SlaBreached", None), ("CaseEscalated", None)]
    case, told_so = climbed(6, 12)
    assert told_so == [
        ("SlaWarning", None), ("SlaBreached", None), ("CaseEscalated", None), ("DutyDeskPaged", "C"),
    ]  # fmt: skip
    assert case.supervised_level == 2, "T1 is to supervise all the same"


def test_the_citys_own_desk_is_the_last_resort() -> None:
    """Two tiers up, at 23:00: it is manned, nobody else need be called."""
    case, told_so = climbed(6, 14)
    assert [hub for kind, hub in told_so if kind == "DutyDeskPaged"] == ["C"], "for T1 alone"
    assert case.supervised_level == 1
