"""Every rule of [duplicates] broken once; the small city compares potholes only, within 30 m."""

from __future__ import annotations

import pytest

from services.domain.city import City
from services.domain.city_problems import Problem
from tests.domain.small_city import FILES
from tests.domain.test_city_rules import judged

LINE = FILES["city.toml"].splitlines().index("[duplicates]") + 1


def changed(old: str, new: str) -> dict[str, str]:
    head, table, tail = FILES["city.toml"].partition("[duplicates]\n")
    assert old in tail
    return {**FILES, "city.toml": head + table + tail.replace(old, new, 1)}


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ('window = "72h C24"', "", "`duplicates.window` is missing"),
        ('"72h C24"', '"soon"', "`duplicates.window` must be a limit: limit `soon` is not understood"),
        ('"72h C24"', "72", "`duplicates.window` must be a limit: limit `` is not understood"),
        ('"30Cd"', '"20WD OFF"', "`duplicates.recurrence_within` `20WD OFF` must run by the wall clock, C24"),
        ("= 0.5", "= 0", "`duplicates.suggest_score` must be a number above 0, at most 1"),
        ("= 0.8", "= 1.1", "`duplicates.attach_score` must be a number above 0, at most 1"),
        ("= 0.8", "= 0.5", "`duplicates.suggest_score` must be below attach_score"),
        ("surge_factor = 2", "surge_factor = 0.5", "`duplicates.surge_factor` must be a number from 1 to 10"),
        (
            "surge_factor = 2",
            "surge_factor = true",
            "`duplicates.surge_factor` must be a number from 1 to 10",
        ),
        ("= 40", '= "40"', "`duplicates.most_error_m` must be a number above 0, at most 1000"),
        ('["楼"]]', "[]]", "`duplicates.numbered` must be a list of lists of words"),
        (
            '["东门", "西门"]',
            '["东门"]',
            "`duplicates.told_apart` must be a list of lists of two words or more",
        ),
        ("most_error_m", "least_error_m", "`duplicates.least_error_m` is not a setting: allowed are window"),
        ("thing = 30", "thing = 0", "`duplicates.radius_m.thing` must be a number above 0, at most 1000"),
        ("thing = 30", "thing = 30\nthings = 30", "`duplicates.radius_m.things` is not a kind of a category"),
        (
            "thing = 30",
            "safety = 30",
            "`duplicates.families.street` `pothole` is of kind `thing`, which has no",
        ),
        ('["pothole"]', '"pothole"', "`duplicates.families.street` must be a list of categories"),
        ('["pothole"]', '["hole"]', "`duplicates.families.street` `hole` is not a category of the city"),
        ('["pothole"]', '["pothole", "pothole"]', "`duplicates.families.street` `pothole` stands already in"),
        (
            '["pothole"]',
            '["pothole"]\nx = ["pothole"]',
            "`duplicates.families.x` `pothole` stands already in `st",
        ),
        (
            '["pothole"]',
            '["secret"]',
            "`duplicates.families.street` `secret` is confidential: its reports are",
        ),
        (
            '["pothole"]',
            '["fire"]',
            "`duplicates.families.street` `fire` is redirected: its reports are never",
        ),
        (
            '["pothole"]',
            '["other"]',
            "`duplicates.families.street` `other` is the category of reports that name",
        ),
        (
            "[duplicates.radius_m]\nthing",
            "radius_m",
            "`duplicates.radius_m` must be a table of metres by kind",
        ),
        ("[duplicates.families]\nstreet", "families", "`duplicates.families` is missing"),
    ],
)
def test_a_broken_rule_is_named(old: str, new: str, rule: str) -> None:
    found = judged(changed(old, new))
    assert isinstance(found, list)
    assert [problem.rule for problem in found if problem.rule.startswith(rule)], found
    assert {(problem.file, problem.line) for problem in found} == {("city.toml", LINE)}


def test_the_table_must_be_there() -> None:
    files = {**FILES, "city.toml": FILES["city.toml"].partition("[duplicates]")[0]}
    assert judged(files) == [Problem("city.toml", 1, "the table [duplicates] is missing")]
    files["city.toml"] = "duplicates = 1\n" + files["city.toml"]
    assert judged(files) == [Problem("city.toml", 1, "`duplicates` must be a table, [duplicates]")]


def test_a_sound_table_is_read() -> None:
    city = judged(changed("thing = 30", "thing = 30\nsafety = 150"))
    assert isinstance(city, City)
    rules = city.duplicates
    assert (rules.family_of("pothole"), rules.family_of("ads"), rules.family_of(None)) == (
        "street",
        None,
        None,
    )
    assert (rules.radius_m, rules.widest_m) == ({"pothole": 30.0}, {"street": 30.0})
    assert [*rules.numbers_in("3幢两栋b7楼5层")] == [("幢", "3"), ("幢", "两"), ("b", "7")]
