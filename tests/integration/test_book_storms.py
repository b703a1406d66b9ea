"""How the router's transaction fares with cases of one second: they are not in the statistics yet.

Ids begin with the time, so such cases lie close together, where the planner knows of none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.adapters import book
from services.domain.messages import SYSTEM_ACTOR, SubmitReport
from tests.domain.small_case import T0, at
from tests.harness.laid import Laying, case_of, command, report
from tests.integration.router_desk import load_city, looking

CHANGES = (book.SQL["update_cases"], book.SQL["update_deadlines"])
NO_STEP = "00000000-0000-8000-8000-000000000000"


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """How each change of rows was carried out, by its statement."""
    found: dict[str, list[str]] = {}
    execute: Any = asyncpg.Connection.execute

    async def explained(self: Any, query: str, *values: Any, **settings: Any) -> Any:
        if query in CHANGES:
            rows = await self.fetch(f"EXPLAIN (ANALYZE, COSTS off, TIMING off, BUFFERS off) {query}", *values)
            found.setdefault(query, []).append("\n".join(row[0] for row in rows))
        return await execute(self, query, *values, **settings)

    monkeypatch.setattr(asyncpg.Connection, "execute", explained)
    return found


def filed(count: int, name: str, hours: float = 0) -> Iterator[SubmitReport]:
    for number in range(count):
        yield report(f"{name} {number}", "pothole", "V11", at(hours) + timedelta(milliseconds=number))


@pytest.mark.parametrize("analyzed", [False, True], ids=["never analyzed", "analyzed before"])
async def test_each_row_is_found_by_its_key(
    database_url: str, tmp_path: Path, plans: dict[str, list[str]], analyzed: bool
) -> None:
    """Each was compared with each of the others: a second for 500 beside 100,000."""
    await load_city(database_url, tmp_path)
    laying = Laying(database_url)
    await laying.lay(filed(2_000, "older", hours=-100))
    if analyzed:
        async with looking(database_url) as db:
            await db.conn.execute("ANALYZE")
    storm = [*filed(2_000, "storm")]
    await laying.lay(storm)
    due_at = at(3)
    await laying.lay(
        command(case_of(one), "pass_deadline", SYSTEM_ACTOR, due_at, deadline_id=NO_STEP, step_at=T0)
        for one in storm[::4]
    )
    await laying.close()
    assert {query: len(found) for query, found in plans.items()} == dict.fromkeys(CHANGES, 1)
    for (plan,) in plans.values():
        assert re.search(r"^Update on \w+ .*rows=0", plan), plan
        assert "Rows Removed by Join Filter" not in plan, plan
