"""Everything there is to see after the storm: the book's rows and every record of every topic, at rest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.harness import book, topics
from tests.harness.stack import Stack, until

TOPICS = ("reports", "case-commands", "case-events", "command-outcomes", "dead-letters")
GROUP = "pioneer-router"
INBOX = ("reports", "case-commands")
_QUESTIONS = {
    "reports": """SELECT r.*, c.text FROM reports r
                  LEFT JOIN private.report_contents c USING (report_id)""",
    "cases": "SELECT * FROM cases",
    "events": "SELECT * FROM events ORDER BY case_id, seq",
    "deadlines": "SELECT * FROM deadlines",
    "outcomes": "SELECT * FROM outcomes",
}


@dataclass
class Seen:
    reports: list[book.Row]
    cases: dict[str, book.Row]
    events: dict[str, list[book.Row]]
    """case_id → its events in order of seq"""
    deadlines: dict[str, list[book.Row]]
    outcomes: dict[str, book.Row]
    records: list[topics.Record] = field(repr=False)

    def of_topic(self, *names: str) -> Iterator[topics.Record]:
        return (record for record in self.records if record.topic in names)

    def summary(self) -> str:
        return (
            f"{len(self.reports)} reports, {len(self.cases)} cases, {len(self.outcomes)} outcomes,"
            f" {sum(map(len, self.events.values()))} events, {len(self.records)} records on the topics"
        )


async def at_rest(stack: Stack, *, drain_s: float, ladder_s: float) -> str:
    """Waits until the router has read all there is, and no step of any ladder is still to come."""

    async def all_read() -> bool:
        return not await asyncio.to_thread(topics.unread, stack.bootstrap, GROUP, *INBOX)

    async def all_passed() -> bool:
        # a closed case waits a month for the archive
        question = "SELECT count(*) AS n FROM deadlines WHERE next_at IS NOT NULL AND stage <> 'archive'"
        return await book.value(stack.database_url, question) == 0 and await all_read()

    drained = await until(all_read, drain_s, "the router has read everything", every=0.3)
    passed = await until(all_passed, ladder_s, "every step of every ladder passed", every=0.3)
    return f"drained after {drained:.1f} s, ladders ended {passed:.1f} s later"


async def see(stack: Stack) -> Seen:
    """The book, then the topics until they hold what the book says was published."""
    found = dict(
        zip(
            _QUESTIONS,
            await book.look(stack.database_url, *((question,) for question in _QUESTIONS.values())),
            strict=True,
        )
    )
    events, deadlines = _by_case(found["events"]), _by_case(found["deadlines"])
    # The last batch is in the book a moment before it is on the topics.
    deadline = time.monotonic() + 20.0
    while True:
        records = await asyncio.to_thread(topics.read, stack.bootstrap, *TOPICS)
        told = {record.headers.get("ce_id") for record in records if record.topic == "command-outcomes"}
        missing = sum(row["command_id"].encode() not in told for row in found["outcomes"])
        if not missing or time.monotonic() > deadline:
            break
        await asyncio.sleep(0.5)
    return Seen(
        reports=found["reports"],
        cases={row["case_id"]: row for row in found["cases"]},
        events=events,
        deadlines=deadlines,
        outcomes={row["command_id"]: row for row in found["outcomes"]},
        records=records,
    )


def _by_case(rows: list[book.Row]) -> dict[str, list[book.Row]]:
    by_case: dict[str, list[book.Row]] = {}
    for row in rows:
        by_case.setdefault(row["case_id"], []).append(row)
    return by_case
