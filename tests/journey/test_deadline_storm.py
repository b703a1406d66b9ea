"""Many cases escalate at once, on the whole stack: all of them, each once, asked for the oldest first."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from services.adapters.city_files import read_city, read_folder
from tests.console_run import make_data_folder
from tests.harness import deadline_storm
from tests.harness.laid import Laying
from tests.harness.moved_clock import MovedClock
from tests.harness.stack import Stack, running_stack, until
from tests.journey.wuzhong import FOLDER

AHEAD = timedelta(hours=1)
"""Laid so far ahead of the stack's clock, nothing of it is due until the clock is moved."""
AIM_SECONDS = 5.0


@pytest.fixture(scope="module")
def moved() -> Iterator[tuple[Stack, MovedClock]]:
    folder = make_data_folder()
    clock = MovedClock(folder, datetime.now(UTC))
    with running_stack("deadline-storm", folder=folder, clock_offset_file=str(clock.file)) as stack:
        yield stack, clock


def begins(clock: MovedClock) -> datetime:
    now = datetime.now(UTC) + timedelta(seconds=clock.offset)
    return (now + AHEAD).replace(microsecond=0)


async def lay(stack: Stack, instants: Sequence[datetime], name: str) -> dict[str, datetime]:
    laying = Laying(stack.database_url)
    cases = await deadline_storm.lay(laying, read_city(read_folder(FOLDER), 1), instants, name)
    await laying.close()
    next_steps = await deadline_storm.next_steps(stack.database_url, cases)
    assert next_steps == {case_id: ("supervise", at) for case_id, at in cases.items()}
    return cases


async def all_escalated(
    stack: Stack, cases: dict[str, datetime], seconds: float
) -> list[deadline_storm.Escalation]:
    """Their events. A batch is in the book a moment before it is on the topic."""
    seen: list[deadline_storm.Escalation] = []

    async def escalated() -> bool:
        return not await deadline_storm.not_escalated(stack.database_url, cases)

    async def published() -> bool:
        seen[:] = await asyncio.to_thread(deadline_storm.escalations, stack.bootstrap, cases)
        return {one.case_id for one in seen} == set(cases)

    await until(escalated, seconds, "every case escalates", every=0.5)
    await until(published, 30, "every escalation is on the topic", every=0.5)
    return seen


@pytest.mark.timeout(120)
async def test_after_an_absence_500_cases_of_all_ages_escalate_once_and_the_oldest_is_asked_first(
    moved: tuple[Stack, MovedClock],
) -> None:
    """Of the older ones more has come than the escalation: that is passed with the same command."""
    stack, clock = moved
    chance = random.Random(500)
    first = begins(clock)
    ages = [first + timedelta(seconds=chance.random() * 900) for _ in range(500)]
    cases = await lay(stack, ages, "all ages")
    clock.at_least(first + timedelta(seconds=901))
    seen = await all_escalated(stack, cases, 60)
    asked = await asyncio.to_thread(deadline_storm.asked, stack.bootstrap, cases)
    assert deadline_storm.complaints(seen, asked, cases) == []


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_5000_cases_of_one_second_escalate_once_each_within_five_seconds(
    moved: tuple[Stack, MovedClock],
) -> None:
    stack, clock = moved
    chance = random.Random(5000)
    second = begins(clock)
    cases = await lay(stack, [second + timedelta(seconds=chance.random()) for _ in range(5000)], "one second")
    clock.at_least(second - timedelta(seconds=3))
    seen = await all_escalated(stack, cases, 60)
    asked = await asyncio.to_thread(deadline_storm.asked, stack.bootstrap, cases)
    assert deadline_storm.complaints(seen, asked, cases) == []
    late = sorted(one.appended_at + clock.offset - one.step_at.timestamp() for one in seen)
    p50, p99 = late[len(late) // 2], late[len(late) * 99 // 100]
    print(f"late: p50 {p50:.2f} s, p99 {p99:.2f} s, max {late[-1]:.2f} s")
    assert late[0] >= -0.001, "never early; the broker tells whole milliseconds"
    assert p99 <= AIM_SECONDS
