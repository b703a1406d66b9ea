"""The database went away, and another router took the slot first: who lost it ends, and starts as another."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from services.adapters.seal import SealKeys
from services.adapters.slot import ROUTER
from tests.harness import book, topics
from tests.harness.stack import running_stack, until
from tests.journey.test_dead_letters import sealed_report

HOLDERS = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND objid = 0 AND granted"


@pytest.mark.long
@pytest.mark.timeout(150)
async def test_a_router_whose_slot_is_anothers_ends_quietly_and_works_on_in_the_next() -> None:
    with running_stack("slot-lost") as stack:
        keys = SealKeys(stack.console.known()["SEAL_KEYS"])
        first = stack.pid("router")
        another = await asyncpg.connect(stack.database_url)
        waits = asyncio.create_task(another.fetchval("SELECT pg_advisory_lock($1, 0)", ROUTER))
        (holder,) = await book.rows(stack.database_url, HOLDERS, ROUTER)
        await book.value(stack.database_url, "SELECT pg_terminate_backend($1) AS n", holder["pid"])
        await asyncio.wait_for(waits, 10)

        report_id, sent = sealed_report(keys, "a hole")
        await asyncio.to_thread(topics.write, stack.bootstrap, [sent])

        async def filed() -> bool:
            question = "SELECT count(*) AS n FROM reports WHERE report_id = $1"
            return bool(await book.value(stack.database_url, question, report_id) == 1)

        await until(filed, 40, "the report is filed by the next router", every=0.2)
        assert stack.pid("router") != first
        assert "slot_lost" in stack.console.output
        assert stack.lines_of_trouble() == []
        await another.close()
