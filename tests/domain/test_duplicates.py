"""What two sightings have in common, counted by hand, and what becomes of a report."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.adapters.city_files import read_city, read_folder
from services.domain.duplicates import (
    Attach,
    Candidate,
    Match,
    Recurrence,
    Reopen,
    Sighting,
    Suggest,
    Urge,
    judge,
    match,
    reach_m,
    seen_at,
    sure_reach_m,
)
from services.domain.events import Likeness
from tests.domain.wuzhong import FOLDER

CITY = read_city(read_folder(FOLDER), 1)
RULES = CITY.duplicates
NOON = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
SPOT = (120.63, 31.26)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def seen(
    category: str | None = "road_surface", *, north_m: float = 0.0, error_m: float = 0.0, at: datetime = NOON
) -> Sighting:
    """On the meridian of SPOT: a degree is 111,195.08 m of the sphere that distances are measured on."""
    lon, lat = SPOT
    return Sighting(category=category, point=(lon, lat + north_m / 111_195.08), error_m=error_m, seen_at=at)


def known(
    case_id: str = "one", *, closed_at: datetime | None = None, own: bool = False, **seeing: Any
) -> Candidate:
    return Candidate(case_id=case_id, seen=seen(**seeing), closed_at=closed_at, own=own)


def score(
    new: Sighting, candidate: Candidate, likeness: float | None, *, surge: bool = False
) -> float | None:
    found = match(new, candidate, likeness, rules=RULES, surge=surge)
    return None if found is None else found.score


def test_the_city_of_these_tests() -> None:
    """Potholes are components: 30 m; standing water and garbage are events: 60 m; noise 60 m; gas 150 m."""
    assert (RULES.window, RULES.recurrence_within) == (72 * HOUR, 30 * DAY)
    assert (RULES.suggest_score, RULES.attach_score) == (0.55, 0.9)
    assert (RULES.surge_factor, RULES.most_error_m) == (2, 40)
    assert RULES.family_of("standing_water") == RULES.family_of("road_surface") == "road"


@pytest.mark.parametrize(
    ("new", "candidate", "likeness", "expected"),
    [
        # everything alike; half alike is enough; no words count as half
        (seen(), known(), 1.0, 1.0),
        (seen(), known(), 0.5, 1.0),
        (seen(), known(), None, 0.8),
        (seen(), known(), 0.0, 0.6),
        # 0.4 · 0.25/0.5 + 0.3 · (1 − 15/30) + 0.3 · (1 − 36/72)
        (seen(at=NOON + 36 * HOUR), known(north_m=15), 0.25, 0.5),
        # of 25 m the mean of 20 and 10 is forgiven: 0.4 + 0.3 · (1 − 10/30) + 0.3
        (seen(error_m=20), known(north_m=25, error_m=10), 1.0, 0.9),
        # an error of 500 m counts as 40: (40 + 0)/2 = 20 are forgiven of 35
        (seen(error_m=500), known(north_m=35), 1.0, 0.85),
        # the wider radius of the two: 0.4 + 0.3 · (1 − 30/60) + 0.3
        (seen("standing_water"), known(north_m=30), 1.0, 0.85),
        (seen(), known(category="standing_water", north_m=30), 1.0, 0.85),
        # an earlier sighting that came in later
        (seen(at=NOON - 36 * HOUR), known(), 1.0, 0.85),
        # what is one's own, or closed, does not fade
        (seen(at=NOON + 10 * DAY), known(own=True), 1.0, 1.0),
        (seen(at=NOON + 20 * DAY), known(closed_at=NOON + 2 * DAY), 1.0, 1.0),
    ],
)
def test_scores_by_hand(new: Sighting, candidate: Candidate, likeness: float | None, expected: float) -> None:
    assert score(new, candidate, likeness) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("new", "candidate"),
    [
        (seen(), known(north_m=30.1)),
        (seen(error_m=20), known(north_m=50.1, error_m=20)),
        (seen(at=NOON + 72 * HOUR + timedelta(seconds=1)), known()),
        (seen(at=NOON + 31 * DAY), known(closed_at=NOON)),
        (seen("streetlight_out"), known()),
        (seen("noise"), known(category="gas_smell")),
        (seen("fraud_clue"), known(category="fraud_clue")),
        (seen("other"), known(category="other")),
        (seen(None), known(category="other")),
        (seen("unheard_of"), known(category="unheard_of")),
    ],
)
def test_what_is_out_of_reach_or_of_another_family_does_not_match(
    new: Sighting, candidate: Candidate
) -> None:
    assert score(new, candidate, 1.0) is None


def test_a_surge_doubles_the_radius() -> None:
    assert score(seen(), known(north_m=45), 1.0) is None
    assert score(seen(), known(north_m=45), 1.0, surge=True) == pytest.approx(
        0.4 + 0.3 * 0.25 + 0.3, abs=1e-4
    )


def test_a_report_without_a_category_meets_every_family_but_is_never_sure() -> None:
    for category in ("road_surface", "gas_smell", "stair_clutter"):
        found = match(seen(None), known(category=category), 1.0, rules=RULES)
        assert found is not None
        assert (found.score, found.strict) == (1.0, False)
        assert isinstance(judge(seen(None), [found], city=CITY), Suggest)


def test_how_far_to_look() -> None:
    """30 m, and half of 12 + 40 m; twice 30 m in a surge."""
    assert reach_m(30.0, 12.0, RULES, surge=False) == 56.0
    assert reach_m(30.0, 12.0, RULES, surge=True) == 86.0
    assert reach_m(30.0, 99.0, RULES, surge=False) == 70.0


def test_how_far_a_sure_one_may_stand() -> None:
    """A third of the radius and what is forgiven, but never beyond the radius."""
    assert sure_reach_m(30.0, 12.0, RULES, surge=False) == 30.0
    assert sure_reach_m(60.0, 12.0, RULES, surge=False) == pytest.approx(20.0 + 26.0)
    assert sure_reach_m(150.0, 99.0, RULES, surge=True) == pytest.approx(100.0 + 40.0)


@given(st.sampled_from(["road_surface", "standing_water", "gas_smell"]), st.floats(0, 60), st.floats(0, 60))
def test_no_closed_problem_beyond_that_is_sure(category: str, error_m: float, its_m: float) -> None:
    look_m = sure_reach_m(RULES.radius_m[category], error_m, RULES, surge=False)
    again = seen(category, error_m=error_m, at=NOON + HOUR)
    closed = known(category=category, closed_at=NOON, error_m=its_m, north_m=look_m + 0.1)
    near = match(again, closed, 1.0, rules=RULES)
    assert near is None or near.score < RULES.attach_score or not near.strict


@given(
    st.floats(0, 250),
    st.floats(0, 60),
    st.floats(0, 60),
    st.floats(0, 100),
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from(["road_surface", "standing_water", "manhole_damaged"]),
    st.sampled_from(["road_surface", "standing_water", "manhole_damaged"]),
)
def test_a_score_is_the_same_both_ways_and_grows_with_likeness(
    north: float, error: float, its: float, hours: float, less: float, more: float, one: str, other: str
) -> None:
    here, there = seen(one, error_m=error), seen(other, north_m=north, error_m=its, at=NOON + hours * HOUR)
    less, more = sorted((less, more))
    low, high = (
        score(here, Candidate(case_id="x", seen=there), less),
        score(here, Candidate(case_id="x", seen=there), more),
    )
    assert score(there, Candidate(case_id="x", seen=here), less) == pytest.approx(low)
    if low is None:
        assert high is None
    else:
        assert 0.0 <= low <= (high or 0) <= 1.0


def found(case_id: str, likeness: float = 1.0, *, new: Sighting | None = None, **candidate: Any) -> Match:
    it = match(new or seen(), known(case_id, **candidate), likeness, rules=RULES)
    assert it is not None
    return it


def like(case_id: str, score: float, distance_m: float = 0.0) -> Likeness:
    return Likeness(case_id=case_id, score=score, distance_m=distance_m)


def test_the_likeliest_open_case_is_joined() -> None:
    matches = [found("far", north_m=5), found("near"), found("apart", 0.2)]
    assert judge(seen(), matches, city=CITY) == Attach(like("near", 1.0))


def test_ones_own_open_case_is_urged() -> None:
    late = seen(at=NOON + 10 * DAY)
    assert judge(late, [found("mine", own=True, new=late)], city=CITY) == Urge(like("mine", 1.0))


def test_ones_own_other_problem_nearby_is_only_suggested() -> None:
    """A walk along a street: 20 m on, in much the same words, is another manhole. 0.4 + 0.3 · 1/3 + 0.3."""
    next_one = found("mine", own=True, north_m=20)
    assert judge(seen(), [next_one], city=CITY) == Suggest((like("mine", 0.8, 20.0),))


def test_another_category_or_a_forgiven_distance_is_never_sure() -> None:
    water, phone = seen("standing_water"), seen(error_m=40)
    other = found("one", new=water)
    far = found("one", new=phone, north_m=31, error_m=40)
    assert (other.score, far.score) == (1.0, 1.0)
    assert judge(water, [other], city=CITY) == Suggest((like("one", 1.0),))
    assert judge(phone, [far], city=CITY) == Suggest((like("one", 1.0, 31.0),))


def test_who_says_that_life_is_in_danger_never_goes_under_in_another_case() -> None:
    assert judge(seen(), [found("one")], city=CITY, only_suggest=True) == Suggest((like("one", 1.0),))


def test_a_case_that_the_router_does_not_hold_is_only_suggested() -> None:
    matches = [found("one"), found("two", north_m=2)]
    assert judge(seen(), matches, city=CITY, may_join={"two"}.__contains__) == Attach(like("two", 0.98, 2.0))
    assert judge(seen(), matches, city=CITY, may_join=set[str]().__contains__) == Suggest(
        (like("one", 1.0), like("two", 0.98, 2.0))
    )


def test_five_cases_are_suggested_each_once_by_its_likeliest_sighting() -> None:
    matches = [found(f"case {n}", 0.0, north_m=n / 10) for n in range(6)]
    matches += [found("case 3", 0.1), found("unlike", 0.0, north_m=10)]
    verdict = judge(seen(), matches, city=CITY)
    assert isinstance(verdict, Suggest)
    assert [one.case_id for one in verdict.suggested] == ["case 3", "case 0", "case 1", "case 2", "case 4"]
    assert verdict.suggested[:2] == (like("case 3", 0.68), like("case 0", 0.6))
    assert judge(seen(), [found("unlike", 0.0, north_m=10)], city=CITY) is None
    assert judge(seen(), [], city=CITY) is None


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (timedelta(minutes=5), Reopen(like("one", 1.0))),
        (7 * DAY, Reopen(like("one", 1.0))),
        (7 * DAY + timedelta(seconds=1), Recurrence(like("one", 1.0), ())),
        (30 * DAY, Recurrence(like("one", 1.0), ())),
    ],
)
def test_a_problem_that_was_closed_is_opened_again_or_linked(after: timedelta, expected: object) -> None:
    again = seen(at=NOON + after)
    assert judge(again, [found("one", new=again, closed_at=NOON)], city=CITY) == expected


def test_another_parked_car_is_no_case_to_open_again() -> None:
    again = seen("vehicle_parking", at=NOON + DAY)
    parked = found("one", new=again, category="vehicle_parking", closed_at=NOON)
    assert judge(again, [parked], city=CITY) == Recurrence(like("one", 1.0), ())


def test_a_closed_case_that_the_router_does_not_hold_is_linked() -> None:
    again = seen(at=NOON + DAY)
    closed = found("one", new=again, closed_at=NOON)
    assert judge(again, [closed], city=CITY, may_join=set[str]().__contains__) == Recurrence(
        like("one", 1.0), ()
    )


def test_what_came_back_is_linked_and_open_ones_are_suggested() -> None:
    again = seen(at=NOON + 10 * DAY)
    matches = [
        found("old", new=again, closed_at=NOON),
        found("open", 0.1, new=again, at=NOON + 10 * DAY),
        found("unlike", 0.1, new=again, closed_at=NOON),
    ]
    assert judge(again, matches, city=CITY) == Recurrence(like("old", 1.0), (like("open", 0.68),))


def test_a_report_from_before_the_closing_is_for_people_to_look_at() -> None:
    """Captured out of reach of a network, sent when the problem had been mended already."""
    late = seen(at=NOON - HOUR)
    assert judge(late, [found("one", new=late, closed_at=NOON)], city=CITY) == Suggest((like("one", 1.0),))


@pytest.mark.parametrize(
    ("captured", "expected"),
    [
        (None, NOON),
        (NOON - HOUR, NOON - HOUR),
        (NOON - 72 * HOUR, NOON - 72 * HOUR),
        (NOON - 73 * HOUR, NOON),
        (NOON + HOUR, NOON),
    ],
)
def test_a_phone_is_believed_unless_its_clock_cannot_be_right(
    captured: datetime | None, expected: datetime
) -> None:
    assert seen_at(captured, NOON, RULES.window) == expected
