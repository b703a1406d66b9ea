"""How PostgreSQL finds what fell due in a period: by the summary of the dues, in the years it can be in."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from services.adapters.board_views import open_board_pool
from services.adapters.postgres import connect
from services.adapters.statistics import SQL
from tests.integration import one_database
from tests.integration.test_book_plans import plans, years_touched

pytestmark = pytest.mark.asyncio(loop_scope="module")

SINCE, UNTIL = datetime(2025, 6, 10, tzinfo=UTC), datetime(2025, 6, 12, tzinfo=UTC)

_FILL = """
CREATE TABLE made AS SELECT
    (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008000'
     || lpad(to_hex(n), 12, '0'))::uuid AS id, at
FROM (SELECT n, timestamptz '2024-09-01Z' + n * interval '30 minutes' AS at FROM generate_series(1, 40000) n);
INSERT INTO cases (case_id, root_case_id, number, seq, stale_seq, state, lane, category, priority, hub_code,
    level, owner, owner_hub_code, location_quality, unrouted, confidential, report_count, rework_count,
    received_at, unverified, handler_hubs, due_at, last_event_at, city_version, changed_at, report_id)
SELECT id, id, '1', 3, 1, 'accepted', 'fast', 'pothole', 'P3', 'T1', 2, 'works', 'T1', 'good', false, false,
    1, 0, at, false, '{}', at, at, 1, at, id FROM made;
INSERT INTO events
SELECT id, seq, (ARRAY['CaseFiled', 'CaseDispatched', 'CaseAccepted'])[seq], at, 'a', id, 1, 1,
    '{"category": "pothole", "hub_code": "T1", "level": 2, "owner": "works", "owner_hub_code": "T1",
      "dues": [{"clock": "owner", "stage": "accept"}, {"clock": "owner", "stage": "resolve"}]}'
FROM made, generate_series(1, 3) seq;
INSERT INTO deadlines
SELECT id, 'owner', stage, 2, '4h', at, at + interval '4 hours', false, 'due', NULL,
    CASE WHEN stage = 'accept' THEN at END, NULL, '{}'
FROM made, unnest('{accept,resolve}'::text[]) stage;
DROP TABLE made;
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(postgres_url: str) -> AsyncIterator[str]:
    """40,000 cases of three years, one each half hour."""
    async with one_database.made(postgres_url) as url:
        conn = await connect(url, room="tests", command_timeout=60)
        await conn.execute(_FILL)
        await conn.execute("VACUUM ANALYZE")
        await conn.close()
        yield url


@pytest_asyncio.fixture(loop_scope="module")
async def board(url: str) -> AsyncIterator[Any]:
    """A session as the board opens it."""
    pool = await open_board_pool(url)
    async with pool.acquire() as conn:
        yield conn
    await pool.close()


def values(by: str = "hub") -> tuple[Any, ...]:
    return (["T1"], "T1", [], None, None, SINCE, UNTIL, by, "false")


@pytest.mark.parametrize("name", ["assignments", "cycles"])
async def test_two_days_of_three_years(board: Any, name: str) -> None:
    (plan,) = await plans(board, SQL[name], *values())
    assert max(years_touched(plan, "deadlines")) == "2025", plan
    # a case of years ago may be due now: what is there is read by the summary alone
    for year in ("2024", "2025"):
        (driven,) = [
            line for line in plan.splitlines() if re.search(rf"on deadlines_{year} d(_\d+)?( |$)", line)
        ]
        assert "Bitmap Heap Scan" in driven, plan
    assert re.search(r"Bitmap Index Scan on deadlines_2025_due_at_idx", plan), plan
    assert not re.search(r"Seq Scan on (events|cases|deadlines)_2025", plan), plan
    assert not re.search(r"Hash Join|Merge Join", plan), plan
    assert years_touched(plan, "events") == {"2025"}, plan
    assert years_touched(plan, "cases") <= {"2025"}, plan


async def test_they_count(board: Any) -> None:
    for name, count in (("assignments", "accept_due"), ("cycles", "cycles")):
        rows = await board.fetch(SQL[name], ["T1"], "T1", [], None, None, SINCE, UNTIL, "hub", False)
        assert {row["key"]: row[count] for row in rows} == {"T1": 96, None: 96}


async def test_every_statement_is_prepared(board: Any) -> None:
    for statement in SQL.values():
        await board.prepare(statement)
