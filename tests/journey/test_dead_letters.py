"""Two messages that cannot be filed among 499 sealed reports: put aside, shown, sent again, harmless."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime

import pytest

from services.adapters import codec
from services.adapters.seal import SealKeys
from services.domain.messages import Content, SubmitReport
from tests.harness import book, topics
from tests.harness.stack import Stack, until
from tests.harness.topics import Sent
from tests.journey.dead_letters import console

MOSHE = "320506003004"
WORDS = "a word that nobody may read in a dead letter"


def sealed_report(keys: SealKeys, text: str, *, version: bytes | None = None) -> tuple[str, Sent]:
    """As intake writes it; `version` is what `ce_type` says instead."""
    report_id = str(uuid.uuid4())
    key, value, headers = codec.report_record(
        SubmitReport(
            report_id=report_id,
            received_at=datetime.now(UTC),
            channel="resident",
            category="illegal_ads",
            hub_code=MOSHE,
            sealed=keys.seal(Content(text=text), command_id=report_id, topic=codec.REPORTS),
        )
    )
    if version is not None:
        headers = [(name, version if name == "ce_type" else said) for name, said in headers]
    return report_id, (codec.REPORTS, key, headers, value)


@pytest.mark.timeout(150)
async def test_two_of_501_cannot_be_filed_and_the_others_are(stack: Stack) -> None:
    before = stack.processes()
    keys = SealKeys(stack.console.known()["SEAL_KEYS"])
    good = [sealed_report(keys, f"{number} {WORDS}") for number in range(499)]
    future_id, future = sealed_report(keys, WORDS, version=b"pioneer.submit_report.v9")
    nul_id, nul = sealed_report(keys, f"{WORDS}\u0000")
    sent = [one for _, one in good]
    await asyncio.to_thread(topics.write, stack.bootstrap, [*sent[:250], future, nul, *sent[250:]])
    ids = [report_id for report_id, _ in good]

    async def filed() -> bool:
        return await times_filed(stack, ids) == dict.fromkeys(ids, 1)

    await until(filed, 40, "499 reports in the book, each once")
    (future_name,) = await names_of(stack, future_id)
    (nul_name,) = await names_of(stack, nul_id)
    await put_aside(stack, future_name, nul_name)

    listed = await asyncio.to_thread(console, stack, "list")
    all_names = await names_of(stack, *ids, future_id, nul_id)
    ours = {line.split()[0]: line for line in listed.splitlines() if line.split()[0] in all_names}
    assert sorted(ours) == sorted((future_name, nul_name))
    assert "message" in ours[future_name]
    assert "pioneer.submit_report.v9" in ours[future_name]
    assert "data" in ours[nul_name]
    for name, report_id in ((future_name, future_id), (nul_name, nul_id)):
        shown = await asyncio.to_thread(console, stack, "show", name)
        assert report_id in shown
        assert WORDS not in shown + ours[name]

    # Sent again they are what they were: each is put aside once more, and the others are not touched.
    for name, report_id in ((future_name, future_id), (nul_name, nul_id)):
        said = await asyncio.to_thread(console, stack, "replay", name)
        (new_name,) = [other for other in await names_of(stack, report_id) if other != name]
        assert said.strip() == f"{name} was sent again as {new_name}"
        await put_aside(stack, new_name)
    assert await times_filed(stack, [*ids, future_id, nul_id]) == dict.fromkeys(ids, 1)
    assert stack.processes() == before


async def times_filed(stack: Stack, ids: list[str]) -> dict[str, int]:
    """report_id → how many cases were filed by it; one that is nowhere in the book is left out."""
    question = """SELECT r.report_id, count(e.case_id) AS n
                  FROM reports r JOIN cases USING (case_id)
                  LEFT JOIN events e ON e.command_id = r.report_id AND e.type = 'CaseFiled'
                  WHERE r.report_id = ANY ($1::uuid[]) GROUP BY r.report_id"""
    found = await book.rows(stack.database_url, question, ids)
    return {row["report_id"]: row["n"] for row in found}


async def names_of(stack: Stack, *report_ids: str) -> list[str]:
    """Where on the topic their messages stand."""
    wanted = {report_id.encode() for report_id in report_ids}
    records = await asyncio.to_thread(topics.read, stack.bootstrap, codec.REPORTS)
    return [record.name for record in records if record.key in wanted]


async def put_aside(stack: Stack, *names: str) -> None:
    wanted = {name.encode() for name in names}

    async def there() -> bool:
        records = await asyncio.to_thread(topics.read, stack.bootstrap, codec.DEAD_LETTERS)
        return wanted <= {record.key for record in records}

    await until(there, 20, f"{names} among the dead letters", every=0.2)
