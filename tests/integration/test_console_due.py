"""`console due` on the shipped city, and the words of a case's story; no service is needed for either."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.console.app import app
from services.console.story import story
from services.console.words import texts
from services.domain.case import STATES
from services.domain.events import EVENT_TYPES
from services.domain.messages import SYSTEM_ACTOR
from services.domain.settling import Settled
from tests.domain.office_city import CITY, WITH_2027, climbed, local
from tests.domain.random_life import walk
from tests.domain.small_case import CITY as COUNTABLE_CITY
from tests.domain.small_case import IN_OFFICIAL_YEARS, WORKS, act, filed
from tests.domain.small_city import FILES

OFFICE = "09:00-12:00, 13:00-17:00"


def run(*words: str) -> tuple[int, list[str], str]:
    result = CliRunner().invoke(app, ["due", *words])
    return result.exit_code, result.stdout.splitlines(), result.stderr


@pytest.mark.parametrize(
    ("start", "limit", "calendar", "line"),
    [
        ("2022-09-30T16:00+08:00", "5WD", "OFF", "2022-10-12T17:00:00+08:00 official"),
        ("2022-10-08T10:00+08:00", "4WH", "OFF", "2022-10-08T15:00:00+08:00 official"),
        ("2026-02-13T15:30+08:00", "4WH", "OFF", "2026-02-14T11:30:00+08:00 official"),
        ("2026-02-14T16:00+08:00", "1WH", "OFF", "2026-02-14T17:00:00+08:00 official"),
        ("2026-10-01T19:00+08:00", "4h", "OPS", "2026-10-02T11:00:00+08:00 official"),
        ("2026-12-24T10:00+08:00", "5WD", "OFF", "2026-12-31T17:00:00+08:00 official"),
        ("2026-12-28T10:00+08:00", "5WD", "OFF", "2027-01-05T17:00:00+08:00 provisional"),
        ("2026-09-30T08:00Z", "5WD", "OFF", "2026-10-13T17:00:00+08:00 official"),
    ],
)
def test_one_line_with_the_instant_and_whether_it_is_official(
    start: str, limit: str, calendar: str, line: str
) -> None:
    assert run("--start", start, "--limit", limit, "--calendar", calendar) == (0, [line], "")


def test_the_counting_is_shown_in_words() -> None:
    code, lines, _ = run(
        "--start", "2026-12-30T16:00+08:00", "--limit", "3WD", "--calendar", "OFF", "--explain"
    )
    assert code == 0
    assert lines == [
        "2027-01-05T17:00:00+08:00 provisional",
        (
            "3 working days on OFF (Office hours: working days, 09:00-12:00, 13:00-17:00),"
            " from Wed 2026-12-30 16:00 (Asia/Shanghai)"
        ),
        "  Wed 2026-12-30    the day of the start does not count",
        f"  Thu 2026-12-31    {OFFICE}  working day 1 of 3",
        "  Fri 2027-01-01    holiday 元旦, only predicted: 2027 is not loaded",
        "  Sat 2027-01-02 - Sun 2027-01-03  weekend, only predicted: 2027 is not loaded",
        f"  Mon 2027-01-04    {OFFICE}  working day 2 of 3, only predicted: 2027 is not loaded",
        f"  Tue 2027-01-05    {OFFICE}  working day 3 of 3, only predicted: 2027 is not loaded",
        "used up Tue 2027-01-05 17:00: provisional",
    ]


def test_the_counting_is_shown_in_chinese() -> None:
    _, lines, _ = run("--start", "2026-02-13T15:30+08:00", "--limit", "4WH", "--explain", "--lang", "zh")
    assert lines == [
        "2026-02-14T11:30:00+08:00 official",
        (
            "4工作时，按OFF（机关工作时间：工作日，09:00-12:00，13:00-17:00），"
            "自周五 2026-02-13 15:30起（Asia/Shanghai）"
        ),
        "  周五 2026-02-13     15:30-17:00  计1小时 30分，累计1小时 30分，限时4小时",
        "  周六 2026-02-14     09:00-11:30  计2小时 30分，累计4小时，限时4小时，春节调休上班",
        "到期周六 2026-02-14 11:30：正式",
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("2026-10-01T19:00", "15m", "C24"), "has no offset: write it such as 2026-09-30T16:00+08:00"),
        (("yesterday", "15m", "C24"), "is not an instant such as"),
        (("2026-10-01T19:00Z", "15", "C24"), "limit `15` is not understood"),
        (("2026-10-01T19:00Z", "5WD", "XX"), "no calendar is called XX; known are C24, OFF, OPS"),
        (("2026-10-01T19:00Z", "4WH", "OPS"), "WH are hours of OFF"),
        (("2026-10-01T19:00Z", "4h OFF", "OPS"), "names another calendar than --calendar OPS"),
        (("9997-12-01T19:00Z", "900WD", "OFF"), "the calendar ends with the year 9997"),
    ],
)
def test_what_cannot_be_counted_is_refused_with_the_reason(words: tuple[str, str, str], told: str) -> None:
    code, lines, error = run("--start", words[0], "--limit", words[1], "--calendar", words[2])
    assert (code, lines) == (2, [])
    assert told in error
    assert error.count("\n") == 1


def test_another_city_counts_by_its_own_calendars(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, "utf-8")
    words = (
        "--start",
        "2026-11-24T16:00+08:00",
        "--limit",
        "1WD",
        "--calendar",
        "OFF",
        "--city",
        str(tmp_path),
    )
    assert run(*words) == (0, ["2026-11-25T17:00:00+08:00 provisional"], "")
    (tmp_path / "calendars.csv").unlink()
    code, _, error = run(*words)
    assert code == 2
    assert "calendars.csv:1: is missing" in error


# The story of a case.


def begun(category: str, text: str) -> Settled:
    return filed(category, city=CITY, now=local(text), report_id="0" * 8 + "-0000-8000-8000-" + "0" * 12)


def test_every_key_stands_in_both_languages_with_the_same_values() -> None:
    english, chinese = texts()["en"], texts()["zh"]
    assert english.keys() == chinese.keys()
    assert {f"event.{name}" for name in EVENT_TYPES} <= english.keys()
    assert {f"state.{state}" for state in STATES} <= english.keys()


def test_a_case_says_where_it_is_and_when_each_date_falls() -> None:
    first = begun("pothole", "2026-12-28 10:00")
    warned = climbed(first.case, "2026-12-28 12:30")
    moved = act(
        warned.case, "recompute_dues", SYSTEM_ACTOR, local("2026-12-28 13:00"), city=WITH_2027, years=(2027,)
    )
    events = [*first.events, *warned.events, *moved.events]
    lines = list(story(events, {7: CITY, 8: WITH_2027}, "en"))
    assert lines[1:3] == [
        (
            "It is waiting for the owner to take it on, with Works of 东镇 (T1);"
            " the hub that must act is 东镇 (T1)"
        ),
        "What happened",
    ]
    text = "\n".join(lines)
    assert "3  Mon 2026-12-28 12:30  warning at 50 % (taking it on, The owner's clock)" in text
    assert "2027 became official: 2 dues were counted again; city version 8" in text
    at = lines.index("  The owner's clock, fixing it: Wed 2027-01-06 17:00 official")
    assert lines[at + 1 : at + 5] == [
        (
            "      5 working days from Mon 2026-12-28 10:00, set by event 2"
            " (milestone resolve of category Pothole), city version 7"
        ),
        "      counted on OFF (Office hours: working days, 09:00-12:00, 13:00-17:00)",
        "      event 4: 2027 became official, it was due Tue 2027-01-05 17:00",
        "      next: warning on Tue 2027-01-05 15:48",
    ]
    chinese = "\n".join(story(events, {7: CITY, 8: WITH_2027}, "zh"))
    assert "责任单位时钟，办结：周三 2027-01-06 17:00 正式" in chinese


def test_a_met_milestone_names_the_event_that_met_it_and_how_late() -> None:
    first = begun("pothole", "2026-11-24 10:00")
    late = act(first.case, "accept", WORKS, local("2026-11-24 16:30"), city=CITY)
    lines = list(story([*first.events, *late.events], {7: CITY}, "en"))
    assert "      met Tue 2026-11-24 16:30 by event 5, 1 h 30 min late" in lines


@pytest.mark.parametrize("language", ["en", "zh"])
def test_any_life_can_be_told_with_or_without_its_city(language: str) -> None:
    for seed in range(40):
        life = walk(seed)
        for cities in ({7: COUNTABLE_CITY, 8: IN_OFFICIAL_YEARS}, {}):
            lines = list(story(life.events, cities, "zh" if language == "zh" else "en"))
            assert len(lines) > len(life.events)
            assert not any("{" in line for line in lines)


def test_what_a_version_that_is_gone_called_things_is_said_by_code() -> None:
    lines = list(story(begun("pothole", "2026-11-24 10:00").events, {}, "en"))
    assert lines[1] == "City version 7 cannot be read by this release: its rules are left out"
    assert "with works of T1" in lines[2]
