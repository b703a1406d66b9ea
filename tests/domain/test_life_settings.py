"""The tables of city.toml that say how a case lives: each rule is broken once and named with its line."""

from __future__ import annotations

import pytest

from services.domain.city import City, Named
from services.domain.city_problems import Problem
from services.domain.limits import Limit
from tests.domain.small_city import FILES
from tests.domain.test_city_rules import judged, problems

STORM = """
[surges.storm]
hub_code = "T1"
begins = 2026-11-24T10:00:00+08:00
ends = 2026-11-24T14:00:00+08:00
categories = ["pothole"]
accept = "30m C24"
deferred = ["P2"]
aid_hub = "T2"
notice_zh = "台风"
notice_en = "Storm"
"""
TEXT = FILES["city.toml"] + STORM


def with_text(text: str) -> dict[str, str]:
    return {**FILES, "city.toml": text}


def line_of(table: str) -> int:
    """Where the first line of a table stands."""
    return next(n for n, line in enumerate(TEXT.splitlines(), 1) if line.lstrip("[").startswith(table))


BROKEN = [
    (
        "life",
        'info = "72h C24"',
        'info = "soon"',
        "`life.info` must be a limit: limit `soon` is not understood",
    ),
    ("life", 'info = "72h C24"', "info = 72", "`life.info` must be a limit"),
    ("life", 'info = "72h C24"', "", "`life.info` must be a limit"),
    (
        "life",
        'info = "72h C24"',
        'info = "72h OPS"',
        "`life.info` calendar of `72h OPS` is not one of calendars.csv",
    ),
    ("life", "most_parts = 5", "most_parts = 0", "`life.most_parts` must be a whole number from 1 on"),
    ("life", "most_parts = 5", "most_parts = true", "`life.most_parts` must be a whole number from 1 on"),
    ("life", "most_parts = 5", "", "`life.most_parts` must be a whole number from 1 on"),
    (
        "life",
        "most_parts = 5",
        "most_parts = 5\nmost_fun = 1",
        "`life.most_fun` is not a setting: allowed are",
    ),
    (
        "life",
        "needed_to_file = []",
        'needed_to_file = ["hope"]',
        "`life.needed_to_file` must be a list of photo",
    ),
    (
        "life",
        "needed_to_file = []",
        'needed_to_file = "photo"',
        "`life.needed_to_file` must be a list of photo",
    ),
    ("life", "shown_by_photo = []", "", "`life.shown_by_photo` must be a list of milestones"),
    (
        "life",
        "shown_by_photo = []",
        "shown_by_photo = [[]]",
        "`life.shown_by_photo` must be a list of milestones",
    ),
    (
        "life",
        "shown_by_photo = []",
        'shown_by_photo = ["tea"]',
        "`life.shown_by_photo` must be a list of milestones",
    ),
    ("suspensions", 'weather = "48h C24"', 'weather = "long"', "`suspensions.weather` must be a limit"),
    (
        "suspensions",
        'waiting_for_reporter = "72h C24"',
        "",
        "`suspensions.waiting_for_reporter` is missing: when its time is up",
    ),
    ("declines", 'name_en = "Outside"', 'name_en = " "', "`declines.outside.name_en` must be a text"),
    ("declines", 'channel = "12345"', "channel = 12345", "`declines.outside.channel` must be a text"),
    ("declines", 'channel = "12345"', 'phone = "12345"', "`declines.outside.phone` is not a setting here"),
    (
        "declines",
        "declines.no_response",
        "declines.silence",
        "`declines.no_response` is missing: a question that",
    ),
    (
        "partners",
        'hub_code = "T1"\n\n[danger',
        'hub_code = "T9"\n\n[danger',
        "`partners.bank.hub_code` `T9` is not a hub",
    ),
    ("partners", 'name_en = "Bank"', "", "`partners.bank.name_en` must be a text"),
    (
        "danger_words",
        '"119" = ["着火"]',
        '"911" = ["着火"]',
        "`danger_words.911` is not a number of hotlines.csv",
    ),
    ("danger_words", '"119" = ["着火"]', '"119" = "着火"', "`danger_words.119` must be a list of words"),
    ("danger_words", '"119" = ["着火"]', '"119" = [""]', "`danger_words.119` must be a list of words"),
    (
        "surges",
        "ends = 2026-11-24T14",
        "ends = 2026-11-24T09",
        "`surges.storm.ends` must be later than it begins",
    ),
    ("surges", "T14:00:00+08:00", "T14:00:00", "`surges.storm.ends` must be an instant with an offset"),
    (
        "surges",
        'categories = ["pothole"]',
        'categories = "pothole"',
        "`surges.storm.categories` must be a list",
    ),
    (
        "surges",
        'categories = ["pothole"]',
        'categories = ["rain"]',
        "`surges.storm.categories` `rain` is not a",
    ),
    ("surges", 'deferred = ["P2"]', 'deferred = ["P9"]', "`surges.storm.deferred` `P9` is not a priority"),
    ("surges", 'deferred = ["P2"]', "deferred = [[2]]", "`surges.storm.deferred` `[2]` is not a priority"),
    ("surges", 'deferred = ["P2"]', 'deferred = "P2"', "`surges.storm.deferred` must be a list"),
    (
        "surges",
        'accept = "30m C24"',
        'accept = "30m OPS"',
        "`surges.storm.accept` calendar of `30m OPS` is not",
    ),
    ("surges", 'aid_hub = "T2"', 'aid_hub = "T9"', "`surges.storm.aid_hub` `T9` is not a hub"),
    ("surges", 'notice_en = "Storm"', "", "`surges.storm.notice_en` must be a text"),
]


@pytest.mark.parametrize(("table", "old", "new", "rule"), BROKEN)
def test_a_broken_rule_is_named_with_its_table(table: str, old: str, new: str, rule: str) -> None:
    assert TEXT.count(old) == 1, f"{old!r} stands {TEXT.count(old)} times"
    found = problems(with_text(TEXT.replace(old, new)))
    assert [(p.file, p.line, p.rule[: len(rule)]) for p in found] == [("city.toml", line_of(table), rule)]


@pytest.mark.parametrize("table", ["suspensions", "declines", "life"])
def test_a_table_that_must_be_there_is_missed(table: str) -> None:
    lines, kept, within = FILES["city.toml"].splitlines(), [], False
    for line in lines:
        if line.startswith("["):
            within = line.lstrip("[").startswith(table)
        if not within:
            kept.append(line)
    assert Problem("city.toml", 1, f"the table [{table}] is missing") in problems(with_text("\n".join(kept)))


def test_a_table_is_a_table_and_so_are_its_entries() -> None:
    text = "suspensions = 3\n" + TEXT.replace("[suspensions]", "[unheard_of]")
    rules = [p.rule for p in problems(with_text(text))]
    assert "`suspensions` must be a table, [suspensions]" in rules
    text = TEXT.replace("[declines.outside]", "[declines]\nwrong = 1\n[declines.outside]")
    assert "`declines.wrong` must be a table, [declines.wrong]" in [p.rule for p in problems(with_text(text))]


def test_what_is_whole_is_understood() -> None:
    city = judged(with_text(TEXT))
    assert isinstance(city, City)
    policy = city.policy
    assert (policy.info, policy.appeal_within, policy.most_parts) == (
        Limit(72, "h", "C24"), Limit(7, "Cd", "C24"), 5,
    )  # fmt: skip
    assert policy.suspensions == {
        "waiting_for_reporter": Limit(72, "h", "C24"),
        "weather": Limit(48, "h", "C24"),
    }
    assert policy.declines["outside"] == Named("界外", "Outside", channel="12345")
    assert policy.partners["bank"].hub_code == "T1"
    storm = policy.surges["storm"]
    assert (storm.categories, storm.deferred, storm.accept) == (
        frozenset({"pothole"}), frozenset({"P2"}), Limit(30, "m", "C24"),
    )  # fmt: skip


def test_partners_surges_and_words_of_danger_may_be_left_out() -> None:
    text = FILES["city.toml"].partition("[partners.bank]")[0]
    rest = "[duplicates]" + FILES["city.toml"].partition("[duplicates]")[2]
    city = judged(with_text(text + rest))
    assert isinstance(city, City)
    assert (city.policy.partners, city.policy.surges, city.policy.danger_words) == ({}, {}, {})
