"""The clock is moved, never waited for: a case that nobody accepts climbs, each step once and on time.

Until calendars come, every limit is counted by the wall clock (a working day has 24 hours).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.console_run import make_data_folder
from tests.harness.doors import Desk, Intake
from tests.harness.stack import Stack, running_stack, until
from tests.journey.wuzhong import DISTRICT, rows

VILLAGE = "320506003004"
TIMER_EVENTS = {"SlaWarning", "SlaBreached", "CaseEscalated", "DutyLeaderAlerted", "VerificationLapsed"}
Step = tuple[float, str, str, str, str, int | None]
"""hours after the report, event, clock, stage, step, tier that supervises from then on"""

# A broken swing, P3, of the community: accepted within 4 h, resolved within 5 working days.
ORDINARY: list[Step] = [
    (2, "SlaWarning", "owner", "accept", "warning", None),
    (4, "SlaBreached", "owner", "accept", "due", None),
    (6, "CaseEscalated", "owner", "accept", "supervise", 2),
    (8, "CaseEscalated", "owner", "accept", "supervise_2", 1),
    (96, "SlaWarning", "owner", "resolve", "warning", 1),
    (120, "SlaBreached", "citizen", "resolve", "due", 1),
    (120, "SlaBreached", "owner", "resolve", "due", 1),
    (180, "CaseEscalated", "owner", "resolve", "supervise", 1),
    (240, "CaseEscalated", "owner", "resolve", "supervise_2", 1),
]
# A broken manhole cover, P1, of the town: 15 min; 30 min, 2 h and 6 h. P1 is supervised 30 min after a due at
# the latest, and two tiers above a town there is only the leader on duty.
URGENT: list[Step] = [
    (0.125, "SlaWarning", "owner", "accept", "warning", None),
    (0.25, "SlaBreached", "owner", "accept", "due", None),
    (0.375, "CaseEscalated", "owner", "accept", "supervise", 1),
    (0.5, "DutyLeaderAlerted", "owner", "accept", "supervise_2", 1),
    (0.5, "SlaBreached", "owner", "on_site", "due", 1),
    (2, "SlaBreached", "owner", "make_safe", "due", 1),
    (4.8, "SlaWarning", "owner", "resolve", "warning", 1),
    (6, "SlaBreached", "citizen", "resolve", "due", 1),
    (6, "SlaBreached", "owner", "resolve", "due", 1),
    (6.5, "CaseEscalated", "owner", "resolve", "supervise", 1),
    (12, "DutyLeaderAlerted", "owner", "resolve", "supervise_2", 1),
]


class MovedClock:
    """The shared offset of all processes. Only ever forward."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "clock-offset"
        self._offset = 0.0
        self._write()

    def at_least(self, instant: datetime) -> None:
        """From now on it is that instant, or later."""
        self._offset = max(self._offset, (instant - datetime.now(UTC)).total_seconds())
        self._write()

    def _write(self) -> None:
        draft = self.file.with_suffix(".new")
        draft.write_text(str(self._offset), "utf-8")
        draft.replace(self.file)


@pytest.fixture(scope="module")
def moved() -> Iterator[tuple[Stack, MovedClock]]:
    folder = make_data_folder()
    clock = MovedClock(folder)
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
@pytest.mark.parametrize(("category", "ladder"), [("public_facility", ORDINARY), ("manhole_damaged", URGENT)])
async def test_a_case_that_nobody_accepts_climbs_step_by_step(
    moved: tuple[Stack, MovedClock], category: str, ladder: list[Step]
) -> None:
    stack, clock = moved
    async with Desk(stack.url("board"), DISTRICT) as desk:
        case_id, start = await file(stack, category, desk)
        instants = sorted({hours for hours, *_ in ladder})
        for hours in instants:
            at = start + timedelta(hours=hours)
            due = [step for step in ladder if step[0] <= hours]
            clock.at_least(at - timedelta(seconds=45))
            await proven_not_yet(desk, case_id, at, sum(step[0] < hours for step in ladder))
            clock.at_least(at)

            async def passed(wanted: int = len(due)) -> bool:
                return len(await steps(desk, case_id)) >= wanted

            await until(passed, 15, f"{due[-1]} is passed")
            case = (await desk.case(case_id))["case"]
            assert case["supervised_level"] == due[-1][5]
            assert case["state"] == "dispatched"
        assert [told(event) for event in await steps(desk, case_id)] == [
            (event, clock_, stage, step) for _, event, clock_, stage, step, _ in ladder
        ]
        for event, (hours, *_) in zip(await steps(desk, case_id), ladder, strict=True):
            step_at = datetime.fromisoformat(event["payload"]["step_at"])
            assert step_at == start + timedelta(hours=hours)
            lateness = (datetime.fromisoformat(event["occurred_at"]) - step_at).total_seconds()
            assert 0 <= lateness < 15
        # At the top of the ladder nothing comes any more, however late it gets.
        clock.at_least(start + timedelta(days=60))
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


@pytest.mark.timeout(120)
async def test_after_a_long_absence_every_step_comes_once_and_oldest_first(
    moved: tuple[Stack, MovedClock],
) -> None:
    stack, clock = moved
    async with Desk(stack.url("board"), DISTRICT) as desk:
        case_id, start = await file(stack, "public_facility", desk)
        clock.at_least(start + timedelta(days=30))

        async def all_passed() -> bool:
            return len(await steps(desk, case_id)) >= len(ORDINARY)

        await until(all_passed, 15, "every step passed")
        events = await steps(desk, case_id)
        assert [told(event) for event in events] == [
            (event, clock_, stage, step) for _, event, clock_, stage, step, _ in ORDINARY
        ]
        assert len({event["payload"]["deadline_id"] for event in events}) == len(ORDINARY)


@pytest.mark.timeout(120)
async def test_a_claim_that_nobody_verifies_lapses_and_says_so(moved: tuple[Stack, MovedClock]) -> None:
    stack, clock = moved
    limit = next(row["verify"] for row in rows("priorities") if row["priority"] == "P3")
    assert limit == "2WD OFF"
    async with Desk(stack.url("board"), DISTRICT) as desk, Desk(stack.url("board"), VILLAGE) as handler:
        case_id, _ = await file(stack, "public_facility", desk)
        await handler.applied(case_id, "accept")
        await handler.applied(case_id, "start_work")
        done = await handler.applied(case_id, "submit_resolution", outcome="fixed")
        claimed = datetime.fromisoformat(done["events"][0]["occurred_at"])
        clock.at_least(claimed + timedelta(days=2) - timedelta(minutes=5))
        await desk.applied(case_id, "comment", text="not yet")
        assert (await desk.case(case_id))["case"]["state"] == "verifying"
        clock.at_least(claimed + timedelta(days=2))

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
