"""The city's labelled pairs: what they promise to be, and that docs/duplicates.md says what is so."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from services.adapters.city_files import read_city, read_folder
from services.console.duplicates import (
    PAIRS,
    REPORTS,
    WALKS,
    Judged,
    counted,
    judge_neighbours,
    judge_pairs,
    table,
)
from services.domain.city import City
from services.domain.geo import distance_m, to_wgs84
from tests.integration.test_city_files import WUZHONG

DOC = Path(__file__).parents[2] / "docs" / "duplicates.md"

Line = dict[str, Any]


def lines_of(name: str) -> list[Line]:
    return [json.loads(line) for line in (WUZHONG / name).read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def city() -> City:
    return read_city(read_folder(WUZHONG), 1)


@pytest.fixture(scope="module")
def pairs() -> list[Line]:
    return lines_of(PAIRS)


@pytest.fixture(scope="module")
def judged(city: City, pairs: list[Line]) -> list[Judged]:
    return judge_pairs(city, pairs)


@pytest.fixture(scope="module")
def neighbours(city: City) -> list[Judged]:
    return judge_neighbours(city, lines_of(REPORTS))


def test_both_kinds_of_pairs_and_every_family_are_there(pairs: list[Line], city: City) -> None:
    assert len(pairs) >= 80
    assert 0.4 < sum(pair["same"] for pair in pairs) / len(pairs) < 0.6
    reports = [pair[one] for pair in pairs for one in ("first", "second")]
    assert {report["channel"] for report in reports} == {
        "courier",
        "resident",
        "grid_member",
        "representative",
    }
    assert {report["location"]["datum"] for report in reports} == {"WGS84", "GCJ02", "BD09", "CGCS2000"}
    families = Counter(city.duplicates.family_of(report["category"]) for report in reports)
    assert families.keys() == city.duplicates.families.keys() - {"property"}
    assert sum("text" not in report for report in reports) >= 8
    assert sum(not report["photo"] for report in reports) >= 20
    assert sum(pair["same_reporter"] for pair in pairs if pair["same"]) >= 5
    assert sum(pair["same_reporter"] for pair in pairs if not pair["same"]) >= 5
    mistaken = [
        pair for pair in pairs if pair["same"] and pair["first"]["category"] != pair["second"]["category"]
    ]
    assert len(mistaken) >= 8


def test_phones_are_off_by_what_they_say(pairs: list[Line]) -> None:
    """Two of three fixes lie within the stated accuracy."""
    within = 0
    for pair in pairs:
        for report in (pair["first"], pair["second"]):
            at, stood = report["location"], report["stood"]
            off_m = distance_m(to_wgs84(at["lon"], at["lat"], at["datum"]), (stood["lon"], stood["lat"]))
            within += off_m <= at["accuracy_m"]
            assert 3 <= at["accuracy_m"] <= 40
            assert off_m < 3 * at["accuracy_m"]
    assert 0.6 < within / len(pairs) / 2 < 0.76


def test_pairs_of_one_problem_stand_near_and_the_others_are_hard(pairs: list[Line]) -> None:
    apart: dict[bool, list[float]] = {True: [], False: []}
    for pair in pairs:
        first, second = (
            (pair[one]["stood"]["lon"], pair[one]["stood"]["lat"]) for one in ("first", "second")
        )
        apart[pair["same"]].append(distance_m(first, second))
    assert max(apart[True]) < 75
    assert sum(metres <= 30 for metres in apart[False]) >= 40


def test_no_two_pairs_tell_the_same_story(pairs: list[Line]) -> None:
    told = Counter((pair["first"].get("text"), pair["second"].get("text")) for pair in pairs)
    assert [texts for texts, times in told.items() if times > 1 and texts != (None, None)] == []


def test_the_document_has_the_table_that_is_computed(judged: list[Judged]) -> None:
    said = re.findall(r"^\| (?:score|0\.\d\d) .*$", DOC.read_text("utf-8"), re.MULTILINE)
    assert said == [line for line in table(judged) if not line.startswith("|---")]


def test_what_is_attached_is_right_and_what_is_missed_is_suggested(city: City, judged: list[Judged]) -> None:
    rules = city.duplicates
    attach = counted(judged, rules.attach_score, strict=True)
    suggest = counted(judged, rules.suggest_score)
    assert attach.precision >= 0.98
    assert attach.recall >= 0.17
    assert suggest.recall >= 0.89
    assert suggest.precision >= 0.74
    text = DOC.read_text("utf-8")
    assert (
        f"**`attach_score = {rules.attach_score:.2f}`**: {attach.right} of {attach.said} attached are right"
        in text
    )
    assert f"**`suggest_score = {rules.suggest_score:.2f}`**: {suggest.recall:.1%} of the repeats" in text


def test_the_feed_itself_says_the_same(city: City, neighbours: list[Judged]) -> None:
    rules = city.duplicates
    assert (len(neighbours), sum(one.same for one in neighbours)) == (59, 39)
    attach = counted(neighbours, rules.attach_score, strict=True)
    suggest = counted(neighbours, rules.suggest_score)
    assert attach.precision == 1.0
    assert (suggest.said, suggest.right) == (39, 38)
    assert (
        f"attached: {attach.right} of {attach.said} right; suggested: {suggest.right} of {suggest.said} right"
        in (DOC.read_text("utf-8"))
    )


def test_precision_and_recall_are_counted_by_hand() -> None:
    few = [Judged(True, 0.9, True, "a"), Judged(True, 0.9, False, "b"), Judged(False, 0.8, True, "c")]
    few += [Judged(True, 0.0, False, "d"), Judged(False, 0.0, False, "e")]
    strict, all_of_them = counted(few, 0.8, strict=True), counted(few, 0.8)
    assert (strict.said, strict.right, strict.precision, strict.recall) == (2, 1, 0.5, 1 / 3)
    assert (all_of_them.said, all_of_them.right, all_of_them.precision, all_of_them.recall) == (
        3,
        2,
        2 / 3,
        2 / 3,
    )
    assert (counted([], 0.8).precision, counted([], 0.8).recall) == (1.0, 1.0)


def test_the_first_walk_is_the_report_as_it_was_sent(
    city: City, pairs: list[Line], judged: list[Judged]
) -> None:
    assert judge_pairs(city, pairs, walks=1) == judged[::WALKS]
    assert judge_pairs(city, pairs) == judged
