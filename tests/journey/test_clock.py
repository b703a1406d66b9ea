"""The clock is moved, never waited for: a case that nobody accepts climbs, each step once and on time.

The stack begins on 30 September 2026, 15:30: over the October holiday, over a weekend, then into a year that
is not loaded yet. Instants were worked out by hand.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.adapters.settings import PROJECT
from tests.console_run import make_data_folder
from tests.domain.wuzhong import YEAR_2027
from tests.harness.doors import Desk, Intake
from tests.harness.moved_clock import ZONE, MovedClock, local
from tests.harness.stack import Stack, running_stack, until
from tests.journey.wuzhong import DISTRICT, FOLDER, rows

VILLAGE = "320506003004"
TIMER_EVENTS = {"SlaWarning", "SlaBreached", "CaseEscalated", "DutyLeaderAlerted", "VerificationLapsed"}
Step = tuple[str, float, str, str, str, str, int | None]
"""instant if the report came on the dot, how much of its delay is added, event, clock, stage, step, tier that
supervises from then on"""

# A broken swing, P3, of the community: accepted within 4 h OFF, resolved within 5WD OFF.
OCTOBER: list[Step] = [
    ("2026-10-08 09:30", 1, "SlaWarning", "owner", "accept", "warning", None),
    ("2026-10-08 11:30", 1, "SlaBreached", "owner", "accept", "due", None),
    ("2026-10-08 14:30", 1, "CaseEscalated", "owner", "accept", "supervise", 2),
    ("2026-10-08 16:30", 1, "CaseEscalated", "owner", "accept", "supervise_2", 1),
    # due on the 13th, since Saturday the 10th works: 1.5 + 35 h, of which 80 % are 29.2 h
    ("2026-10-12 16:42", 0.2, "SlaWarning", "owner", "resolve", "warning", 1),
    ("2026-10-13 17:00", 0, "SlaBreached", "citizen", "resolve", "due", 1),
    ("2026-10-13 17:00", 0, "SlaBreached", "owner", "resolve", "due", 1),
    ("2026-10-16 14:15", -0.5, "CaseEscalated", "owner", "resolve", "supervise", 1),
    ("2026-10-21 10:30", -1, "CaseEscalated", "owner", "resolve", "supervise_2", 1),
]
WEEKEND: list[Step] = [
    ("2026-11-30 09:30", 1, "SlaWarning", "owner", "accept", "warning", None),
    ("2026-11-30 11:30", 1, "SlaBreached", "owner", "accept", "due", None),
    ("2026-11-30 14:30", 1, "CaseEscalated", "owner", "accept", "supervise", 2),
    ("2026-11-30 16:30", 1, "CaseEscalated", "owner", "accept", "supervise_2", 1),
    ("2026-12-03 16:42", 0.2, "SlaWarning", "owner", "resolve", "warning", 1),
    ("2026-12-04 17:00", 0, "SlaBreached", "citizen", "resolve", "due", 1),
    ("2026-12-04 17:00", 0, "SlaBreached", "owner", "resolve", "due", 1),
    ("2026-12-09 14:15", -0.5, "CaseEscalated", "owner", "resolve", "supervise", 1),
    ("2026-12-14 10:30", -1, "CaseEscalated", "owner", "resolve", "supervise_2", 1),
]
# A broken manhole cover, P1, of the town: 15 min; 30 min, 2 h and 6 h, by night too. P1 is supervised 30 min
# after a due at the latest, and two tiers above a town there is only the leader on duty.
URGENT: list[Step] = [
    ("2026-10-30 22:07:30", 1, "SlaWarning", "owner", "accept", "warning", None),
    ("2026-10-30 22:15", 1, "SlaBreached", "owner", "accept", "due", None),
    ("2026-10-30 22:22:30", 1, "CaseEscalated", "owner", "accept", "supervise", 1),
    ("2026-10-30 22:30", 1, "DutyLeaderAlerted", "owner", "accept", "supervise_2", 1),
    ("2026-10-30 22:30", 1, "SlaBreached", "owner", "on_site", "due", 1),
    ("2026-10-31 00:00", 1, "SlaBreached", "owner", "make_safe", "due", 1),
    ("2026-10-31 02:48", 1, "SlaWarning", "owner", "resolve", "warning", 1),
    ("2026-10-31 04:00", 1, "SlaBreached", "citizen", "resolve", "due", 1),
    ("2026-10-31 04:00", 1, "SlaBreached", "owner", "resolve", "due", 1),
    ("2026-10-31 04:30", 1, "CaseEscalated", "owner", "resolve", "supervise", 1),
    ("2026-10-31 10:00", 1, "DutyLeaderAlerted", "owner", "resolve", "supervise_2", 1),
]
BEGINNING = "2026-09-30 15:30"
LADDERS = [
    ("public_facility", BEGINNING, OCTOBER),
    ("manhole_damaged", "2026-10-30 22:00", URGENT),
    ("public_facility", "2026-11-27 15:30", WEEKEND),
]


@pytest.fixture(scope="module")
def moved() -> Iterator[tuple[Stack, MovedClock]]:
    folder = make_data_folder()
    clock = MovedClock(folder, local(BEGINNING))
    with running_stack("clock", folder=folder, clock_offset_file=str(clock.file)) as stack:
        yield stack, clock


async def file(stack: Stack, category: str, desk: Desk) -> tuple[str, datetime]:
    """A new case of the village, and the instant its clocks run from."""
    async with Intake(stack.url("intake")) as intake:
        body = {"channel": "resident", "category": category, "hub_code": VILLAGE}
        report = await intake.report(body)
    found: list[dict[str, Any]] = []

    async def filed() -> bool:
        for case in await desk.queue(VILLAGE, sort="received_at", category=category):
            told = await desk.case(case["case_id"])
            if told["reports"][0]["report_id"] == report["report_id"]:
                found.append(case)
        return bool(found)

    await until(filed, 10, "the report is a case")
    return found[0]["case_id"], datetime.fromisoformat(found[0]["received_at"])


async def steps(desk: Desk, case_id: str) -> list[dict[str, Any]]:
    return [event for event in (await desk.case(case_id))["events"] if event["type"] in TIMER_EVENTS]


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("category", "begins", "ladder"), LADDERS, ids=["october", "urgent", "weekend"])
async def test_a_case_that_nobody_accepts_climbs_step_by_step(
    moved: tuple[Stack, MovedClock], category: str, begins: str, ladder: list[Step]
) -> None:
    stack, clock = moved
    clock.at_least(local(begins))
    async with Desk(stack.url("board"), DISTRICT) as desk:
        case_id, start = await file(stack, category, desk)
        delay = start - local(begins)
        assert timedelta(0) <= delay < timedelta(minutes=10)
        instants = [local(at) + delay * share for at, share, *_ in ladder]
        for at in sorted(set(instants)):
            expected = sum(one <= at for one in instants)
            clock.at_least(at - timedelta(seconds=45))
            await proven_not_yet(desk, case_id, at, sum(one < at for one in instants))
            clock.at_least(at)

            async def passed(wanted: int = expected) -> bool:
                return len(await steps(desk, case_id)) >= wanted

            await until(passed, 15, f"{ladder[expected - 1]} is passed")
            case = (await desk.case(case_id))["case"]
            assert case["supervised_level"] == ladder[expected - 1][6]
            assert case["state"] == "dispatched"
        found = await steps(desk, case_id)
        assert [told(event) for event in found] == [step[2:6] for step in ladder]
        for event, at in zip(found, instants, strict=True):
            step_at = datetime.fromisoformat(event["payload"]["step_at"])
            assert abs(step_at - at) <= timedelta(microseconds=2)
            lateness = (datetime.fromisoformat(event["occurred_at"]) - step_at).total_seconds()
            assert 0 <= lateness < 15
        assert all(due["official"] for due in (await desk.case(case_id))["case"]["dues"])
        # At the top of the ladder nothing comes any more, however late it gets.
        clock.at_least(instants[-1] + timedelta(days=3))
        await proven_not_yet(desk, case_id, start + timedelta(days=300), len(ladder))


def told(event: dict[str, Any]) -> tuple[str, str, str, str]:
    body = event["payload"]
    return event["type"], body["clock"], body["stage"], body["step"]


async def proven_not_yet(desk: Desk, case_id: str, at: datetime, number: int) -> None:
    """Any command passes what has come before it is looked at: after one, what is not there had not come."""
    done = await desk.applied(case_id, "comment", text="still nobody")
    (comment,) = [event for event in done["events"] if event["type"] == "CommentAdded"]
    if datetime.fromisoformat(comment["occurred_at"]) < at:
        assert len(await steps(desk, case_id)) == number


def dues(case: dict[str, Any]) -> dict[tuple[str, str], tuple[str, bool]]:
    return {
        (due["clock"], due["stage"]): (
            datetime.fromisoformat(due["due_at"]).astimezone(ZONE).strftime("%m-%d %H:%M"),
            due["official"],
        )
        for due in case["dues"]
    }


@pytest.mark.timeout(120)
@pytest.mark.long
async def test_an_official_year_moves_what_was_counted_over_its_predicted_days(
    moved: tuple[Stack, MovedClock], tmp_path: Path
) -> None:
    """A made-up 2027, free until Monday 4 January: 5WD from 28 December end on Wednesday the 6th."""
    stack, clock = moved
    clock.at_least(local("2026-12-28 10:00"))
    city = tmp_path / "city"
    shutil.copytree(FOLDER, city)
    (tmp_path / "2027.csv").write_text(YEAR_2027, "utf-8")

    def console(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "services.console", *words],
            cwd=PROJECT,
            env=stack.console.environment,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    async with Desk(stack.url("board"), DISTRICT) as desk:
        case_id, _ = await file(stack, "public_facility", desk)
        urgent, _ = await file(stack, "manhole_damaged", desk)
        before, untouched = (await desk.case(case_id))["case"], (await desk.case(urgent))["case"]
        assert dues(before)["citizen", "resolve"] == ("01-05 17:00", False)
        assert dues(before)["owner", "accept"][1]
        loaded = await asyncio.to_thread(
            console, "calendar", "load", str(tmp_path / "2027.csv"), "--city", str(city)
        )
        assert (loaded.returncode, loaded.stderr) == (0, "")
        version, *moves, total = loaded.stdout.splitlines()
        assert version == "2"
        assert [line.split() for line in moves] == [
            [
                before["number"],
                clock_,
                "resolve",
                "2027-01-05T17:00+08:00",
                "->",
                "2027-01-06T17:00+08:00",
                "official",
            ]
            for clock_ in ("citizen", "owner")
        ]
        assert total == "2027 official: 2 dues of 1 cases counted again, 2 moved"
        after = await desk.case(case_id)
        assert dues(after["case"])["citizen", "resolve"] == ("01-06 17:00", True)
        assert dues(after["case"])["owner", "accept"] == dues(before)["owner", "accept"]
        assert [event["type"] for event in after["events"]][-1] == "DuesRecomputed"
        assert dues((await desk.case(urgent))["case"]) == dues(untouched)
        again = await asyncio.to_thread(console, "city", "load", str(city))
        assert (again.returncode, again.stdout) == (0, "2\n")
        told_ = await asyncio.to_thread(console, "explain", before["number"])
        assert "The citizen's clock, fixing it: Wed 2027-01-06 17:00 official" in told_.stdout
        assert "2027 became official, it was due Tue 2027-01-05 17:00" in told_.stdout
        chinese = await asyncio.to_thread(console, "explain", case_id, "--lang", "zh")
        assert "群众时钟，办结：周三 2027-01-06 17:00 正式" in chinese.stdout


@pytest.mark.timeout(120)
async def test_after_a_long_absence_every_step_comes_once_and_oldest_first(
    moved: tuple[Stack, MovedClock],
) -> None:
    stack, clock = moved
    async with Desk(stack.url("board"), DISTRICT) as desk:
        case_id, _ = await file(stack, "public_facility", desk)

        async def all_passed() -> bool:
            return len(await steps(desk, case_id)) >= len(WEEKEND)

        clock.at_least(local("2027-02-20 09:00"))
        await until(all_passed, 15, "every step passed")
        events = await steps(desk, case_id)
        assert [told(event) for event in events] == [step[2:6] for step in WEEKEND]
        assert len({event["payload"]["deadline_id"] for event in events}) == len(WEEKEND)


@pytest.mark.timeout(120)
async def test_a_claim_that_nobody_verifies_lapses_and_says_so(moved: tuple[Stack, MovedClock]) -> None:
    """Claimed on a Monday: two working days end on Wednesday at 17:00."""
    stack, clock = moved
    limit = next(row["verify"] for row in rows("priorities") if row["priority"] == "P3")
    assert limit == "2WD OFF"
    clock.at_least(local("2027-03-01 10:00"))
    lapses = local("2027-03-03 17:00")
    async with Desk(stack.url("board"), DISTRICT) as desk, Desk(stack.url("board"), VILLAGE) as handler:
        case_id, _ = await file(stack, "public_facility", desk)
        await handler.applied(case_id, "accept")
        await handler.applied(case_id, "start_work")
        await handler.applied(case_id, "submit_resolution", outcome="unfounded")
        clock.at_least(lapses - timedelta(minutes=5))
        await desk.applied(case_id, "comment", text="not yet")
        assert (await desk.case(case_id))["case"]["state"] == "verifying"
        clock.at_least(lapses)

        async def closed() -> bool:
            return bool((await desk.case(case_id))["case"]["state"] == "closed")

        await until(closed, 15, "the claim lapses")
        case = (await desk.case(case_id))["case"]
        assert case["unverified"] is True
        assert [told(event) for event in await steps(desk, case_id)] == [
            ("VerificationLapsed", "owner", "verify", "due")
        ]


@pytest.mark.timeout(60)
async def test_everybody_stays_ready_wherever_the_clock_stands(moved: tuple[Stack, MovedClock]) -> None:
    stack, _clock = moved
    rooms = ("intake", "board", "router", "timekeeper")

    async def ready() -> bool:
        return not await asyncio.to_thread(stack.not_ready, rooms)

    await until(ready, 15, lambda: f"ready with the clock moved; not yet {stack.not_ready(rooms)}")
