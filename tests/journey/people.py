"""Who is in the golden scenarios: the town of Yuexi, one of its communities, their units, and reporters."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx

from tests.harness.doors import Desk, Intake, photo
from tests.harness.moved_clock import MovedClock
from tests.harness.stack import Stack, until

DISTRICT, TOWN, COMMUNITY = "320506000000", "320506003000", "320506003004"
Json = dict[str, Any]


@dataclass
class Reported:
    """A report and the case it became."""

    report_id: str
    code: str
    case_id: str


class Town:
    """The stack with its clock, and everybody who has signed in so far."""

    def __init__(self, stack: Stack, clock: MovedClock, ending: contextlib.AsyncExitStack) -> None:
        self.stack = stack
        self.clock = clock
        self._ending = ending
        self._desks: dict[str, Desk] = {}

    async def desk(self, hub: str = TOWN) -> Desk:
        return await self._signed_in(hub, f"dispatcher-{hub}")

    async def unit(self, owner: str, hub: str) -> Desk:
        return await self._signed_in(hub, f"unit-{hub}-{owner}")

    async def account(self, username: str) -> Desk:
        return await self._signed_in(DISTRICT, username)

    async def _signed_in(self, hub: str, username: str) -> Desk:
        if username not in self._desks:
            one = Desk(self.stack.url("board"), hub, username=username)
            self._desks[username] = await self._ending.enter_async_context(one)
        return self._desks[username]

    async def report(self, category: str | None, hub_code: str | None = COMMUNITY, **more: Any) -> Reported:
        """Posted at the door, and found at the district's desk."""
        body: Json = {"channel": "resident", "category": category, "hub_code": hub_code, **more}
        async with Intake(self.stack.url("intake")) as intake:
            answer = await intake.report({name: value for name, value in body.items() if value is not None})
        district = await self.desk(DISTRICT)
        found: list[str] = []

        async def filed() -> bool:
            page = await district.get(
                f"/v1/hubs/{DISTRICT}/queue", sort="received_at", q=answer["tracking_code"]
            )
            found[:] = [case["case_id"] for case in page.json().get("items", ())]
            return bool(found)

        await until(filed, 10, "the report is a case")
        return Reported(answer["report_id"], answer["tracking_code"], found[0])

    async def photo(self, red: int = 90) -> str:
        return await (await self.desk(TOWN)).photo(photo(red))

    async def case(self, case_id: str) -> Json:
        told: Json = (await (await self.desk(DISTRICT)).case(case_id))["case"]
        return told

    async def events(self, case_id: str) -> list[Json]:
        told: list[Json] = (await (await self.desk(DISTRICT)).case(case_id))["events"]
        return told

    async def types(self, case_id: str) -> list[str]:
        return [event["type"] for event in await self.events(case_id)]

    async def becomes(self, case_id: str, wanted: str) -> None:
        """Waits until an event of this type has happened to the case."""

        async def happened() -> bool:
            return wanted in await self.types(case_id)

        await until(happened, 15, f"{wanted} of {case_id}")

    async def says(self, code: str, kind: str, **more: Any) -> Json:
        """The reporter's own command, with the tracking code."""
        async with httpx.AsyncClient(base_url=self.stack.url("intake"), timeout=15) as door:
            answer = await door.post(
                f"/v1/reports/{code}/commands",
                json={"type": kind, **more},
                headers={"Idempotency-Key": str(uuid.uuid4())},
            )
        assert answer.status_code == 200, answer.text
        told: Json = answer.json()
        return told

    async def status(self, code: str) -> Json:
        async with Intake(self.stack.url("intake")) as intake:
            return await intake.status(code)


@contextlib.asynccontextmanager
async def in_town(moved: tuple[Stack, MovedClock]) -> AsyncIterator[Town]:
    async with contextlib.AsyncExitStack() as ending:
        yield Town(*moved, ending)
