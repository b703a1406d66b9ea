"""A town with work on its hands: new, late, accepted, in work, sent back and closed cases, with photos.

It is filled forty minutes ago, so that what nobody accepted is late and supervised by now.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.browser.street_photos import manhole
from tests.console_run import make_data_folder
from tests.harness.doors import Desk, Intake
from tests.harness.stack import Stack, running_stack, until
from tests.journey.wuzhong import DISTRICT, sample_reports

TOWN = "320506009000"
URGENT = "manhole_damaged"
_EARLIER_S = 40 * 60


@dataclass(frozen=True)
class BusyTown:
    """`cases`: state → a case in it. `late` has a photo, `tracking_code` is that of its report."""

    stack: Stack
    cases: dict[str, str]
    late: str
    tracking_code: str


@contextlib.asynccontextmanager
async def running(name: str) -> AsyncIterator[BusyTown]:
    folder = make_data_folder()
    clock = folder / "clock-offset"
    _set(clock, -_EARLIER_S)
    with running_stack(name, folder=folder, clock_offset_file=str(clock)) as stack:
        async with (
            Intake(stack.url("intake")) as intake,
            Desk(stack.url("board"), TOWN) as town,
            Desk(stack.url("board"), DISTRICT) as district,
        ):
            code = await _file(intake, town)
            late = (await town.queue(category=URGENT))[0]["case_id"]
            cases = await _work(town, district)
            _set(clock, 0)

            async def supervised() -> bool:
                return (await town.case(late))["case"]["supervised_level"] is not None

            await until(supervised, 20, "nobody accepted the urgent case, so it is supervised")
        yield BusyTown(stack, cases, late, code)


def _set(clock: Path, seconds: int) -> None:
    draft = clock.with_suffix(".new")
    draft.write_text(str(seconds), "utf-8")
    draft.replace(clock)


async def _file(intake: Intake, town: Desk) -> str:
    """Every sample report of the town; the code of the urgent one, which has a photo."""
    bodies = [one["body"] for one in sample_reports() if one["expect"].get("hub_code") == TOWN]
    code = ""
    codes = []
    for body in bodies:
        answer = await intake.report(body)
        codes.append(answer["tracking_code"])
        if body.get("category") == URGENT:
            code = answer["tracking_code"]
            await intake.add_photo(code, manhole())

    async def filed() -> bool:
        """Each in the book: with a case of its own, or joined to another's."""
        known = [(await intake.status(one))["status"] for one in codes]
        return "received" not in known and len(await town.queue(category=URGENT)) > 0

    await until(filed, 20, f"{len(bodies)} reports in the book")
    return code


async def _work(town: Desk, district: Desk) -> dict[str, str]:
    """One case into each state that the board shows."""
    plain = [
        one
        for one in await town.queue(state="dispatched")
        if one["category"] != URGENT and not one["confidential"]
    ]
    ids = iter([str(one["case_id"]) for one in plain])
    cases = {"dispatched": next(ids)}
    for state in ("accepted", "in_progress", "verifying", "rework", "closed"):
        cases[state] = case_id = next(ids)
        await town.applied(case_id, "accept")
        if state == "accepted":
            continue
        await town.applied(case_id, "start_work")
        if state == "in_progress":
            guests = [{"unit": "gas_co"}, {"unit": "delivery_platform"}]
            await town.applied(case_id, "whistle", reason="需要一起到场", invite=guests)
            await town.applied(case_id, "split", parts=[{"owner": "town_urban_mgmt", "required": False}])
            continue
        done: dict[str, Any] = {
            "outcome": "fixed",
            "note": "现场已处理",
            "photos": [await town.photo(manhole(shut=True))],
        }
        await town.applied(case_id, "submit_resolution", **done)
        if state == "rework":
            await district.applied(case_id, "verify_fail", reason="路边还有一半没有清走")
        if state == "closed":
            await district.applied(case_id, "verify_pass")
    return cases
