"""Bad input that only the whole house can answer for: strangers, old pages, repeated keys, poison."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import httpx
import pytest

from tests.harness import book, topics
from tests.harness.doors import Desk, Intake
from tests.harness.stack import Stack, until
from tests.harness.topics import Record
from tests.journey.dead_letters import console, console_refuses, dead_letter, new_id, report, same_message

MOSHE, ZHANGQIAO, YUEXI, CHANGQIAO = "320506003004", "320506003200", "320506003000", "320506001000"
REPORT = {"channel": "resident", "category": "illegal_ads", "hub_code": MOSHE}


async def filed(stack: Stack, report_id: str) -> str:
    """The case of a report, once it is in the book."""
    question = "SELECT case_id FROM reports WHERE report_id = $1"

    async def there() -> bool:
        return bool(await book.rows(stack.database_url, question, report_id))

    await until(there, 15, f"report {report_id} in the book")
    return str(await book.value(stack.database_url, question, report_id))


async def new_case(stack: Stack) -> str:
    async with Intake(stack.url("intake")) as intake:
        return await filed(stack, (await intake.report(REPORT))["report_id"])


async def events(stack: Stack, case_id: str) -> list[str]:
    question = "SELECT type FROM events WHERE case_id = $1 ORDER BY seq"
    return [row["type"] for row in await book.rows(stack.database_url, question, case_id)]


@pytest.mark.parametrize("cookie", ["", "forged", "0" * 43, "x" * 10_000])
async def test_a_forged_session_reads_and_does_nothing(stack: Stack, cookie: str) -> None:
    case_id = await new_case(stack)
    headers = {"Cookie": f"session={cookie}"}
    async with httpx.AsyncClient(base_url=stack.url("board"), headers=headers) as stranger:
        for path in (f"/v1/hubs/{MOSHE}/queue", f"/v1/cases/{case_id}", "/v1/stream", "/v1/session"):
            answer = await stranger.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
        body = {"type": "accept", "expected_seq": 2}
        answer = await stranger.post(f"/v1/cases/{case_id}/commands", json=body)
        assert answer.status_code == 401
    assert await events(stack, case_id) == ["CaseFiled", "CaseDispatched"]


async def test_somebody_elses_hub_is_neither_shown_nor_obeyed(stack: Stack) -> None:
    case_id = await new_case(stack)
    for hub in (ZHANGQIAO, CHANGQIAO):
        async with Desk(stack.url("board"), hub) as other:
            shown = await other.get(f"/v1/hubs/{MOSHE}/queue")
            assert (shown.status_code, shown.json()["code"]) == (403, "forbidden")
            assert (await other.get(f"/v1/cases/{case_id}")).status_code == 403
            heard = await other.get("/v1/stream", hub=MOSHE)
            assert heard.status_code == 403
            done = await other.command(case_id, {"type": "accept", "expected_seq": 2})
            assert (done.status_code, done.json()["code"]) == (403, "forbidden")
            command_id = done.json()["command_id"]
            outcome = await book.rows(
                stack.database_url, "SELECT * FROM outcomes WHERE command_id = $1", command_id
            )
            assert [(row["outcome"], row["code"], row["ranges"]) for row in outcome] == [
                ("refused", "forbidden", [])
            ]
    assert await events(stack, case_id) == ["CaseFiled", "CaseDispatched"]
    async with Desk(stack.url("board"), YUEXI) as above:
        await above.applied(case_id, "accept")


async def test_an_old_page_is_told_the_present_state(stack: Stack) -> None:
    case_id = await new_case(stack)
    async with Desk(stack.url("board"), MOSHE) as desk:
        key = str(uuid.uuid4())
        body: dict[str, Any] = {"type": "accept", "expected_seq": 2}
        first = await desk.command(case_id, body, key)
        assert first.status_code == 200
        stale = await desk.command(case_id, {"type": "start_work", "expected_seq": 2})
        assert (stale.status_code, stale.json()["code"]) == (409, "stale")
        assert stale.json()["case"]["state"] == "accepted"
        assert stale.json()["case"]["seq"] == 3
        assert [error["field"] for error in stale.json()["errors"]] == ["expected_seq"]
        again = await desk.command(case_id, {"type": "accept", "expected_seq": 3})
        assert (again.status_code, again.json()["code"]) == (409, "not_allowed")
        # The same key is the same command: the first answer, and nothing done twice.
        assert (await desk.command(case_id, body, key)).json() == first.json()
        # A comment makes no page old.
        await desk.applied(case_id, "comment", text="on my way")
        await desk.applied(case_id, "start_work", expected_seq=3)
    assert (await events(stack, case_id))[2:] == ["CaseAccepted", "CommentAdded", "WorkStarted"]


async def test_the_same_key_with_another_body_is_the_first_report(stack: Stack) -> None:
    key = str(uuid.uuid4())
    async with Intake(stack.url("intake")) as intake:
        first = await intake.report({**REPORT, "text": "the first words"}, key)
        other = {**REPORT, "hub_code": ZHANGQIAO, "category": "courier_gate", "text": "other words"}
        answers = await asyncio.gather(*(intake.report(other, key) for _ in range(5)))
        assert all(answer == first for answer in answers)
        await filed(stack, first["report_id"])
        await every_report_is_read(stack)
    rows = await book.rows(
        stack.database_url,
        "SELECT r.hub_code, r.category, c.text FROM reports r"
        " JOIN private.report_contents c USING (report_id) WHERE c.text IN ($1, $2)",
        "the first words",
        "other words",
    )
    assert rows == [{"hub_code": MOSHE, "category": "illegal_ads", "text": "the first words"}]


async def test_one_poison_message_among_500_is_put_aside_and_the_others_are_filed(stack: Stack) -> None:
    good = [report(new_id(), MOSHE) for _ in range(499)]
    ids = [sent[1].decode() for sent in good if sent[1]]
    topic, key, headers, _ = report(new_id(), MOSHE)
    poison = topic, key, headers, b'{"report_id": "no uuid", "received_at": 7}'
    await asyncio.to_thread(topics.write, stack.bootstrap, [*good[:250], poison, *good[250:]])

    async def all_filed() -> bool:
        question = "SELECT count(*) AS n FROM reports WHERE report_id = ANY ($1::uuid[])"
        return bool(await book.value(stack.database_url, question, ids) == 499)

    await until(all_filed, 30, "499 reports in the book")
    (first,) = await found_on(stack, "reports", poison)
    await until(lambda: letters_of(stack, first.name), 15, "the poison among the dead letters")
    assert len(await dead_letters(stack, first.name)) == 1

    listed = await asyncio.to_thread(console, stack, "list")
    (line,) = [line for line in listed.splitlines() if line.startswith(f"{first.name} ")]
    assert "message" in line
    assert "received_at" in line
    shown = await asyncio.to_thread(console, stack, "show", first.name)
    assert '{"report_id": "no uuid", "received_at": 7}' in shown
    assert "pioneer.submit_report.v1" in shown

    # Sent again it is the same message, and still poison: a second letter, of its new place.
    said = await asyncio.to_thread(console, stack, "replay", first.name)
    found = await found_on(stack, "reports", poison)
    assert len(found) == 2
    (second,) = [record for record in found if record.name != first.name]
    assert said.strip() == f"{first.name} was sent again as {second.name}"
    await until(lambda: letters_of(stack, second.name), 15, "the poison put aside again")


async def test_a_dead_letter_that_can_be_read_by_now_is_replayed_once_however_often(stack: Stack) -> None:
    good = report(new_id(), ZHANGQIAO)
    report_id = str(good[1].decode() if good[1] else "")
    letter = dead_letter(good, (3, 900_000_001))
    await asyncio.to_thread(topics.write, stack.bootstrap, [letter])
    for _ in range(2):
        await asyncio.to_thread(console, stack, "replay", "reports-3-900000001")
    case_id = await filed(stack, report_id)
    async with Desk(stack.url("board"), ZHANGQIAO) as desk:
        assert case_id in {case["case_id"] for case in await desk.queue()}
    assert len(await found_on(stack, "reports", good)) == 2
    await every_report_is_read(stack)
    question = "SELECT count(*) AS n FROM reports WHERE report_id = $1"
    assert await book.value(stack.database_url, question, report_id) == 1
    assert await events(stack, case_id) == ["CaseFiled", "CaseDispatched"]
    assert not await dead_letters(stack, *[record.name for record in await found_on(stack, "reports", good)])


async def test_a_letter_that_is_not_there_is_said_with_the_remedy(stack: Stack) -> None:
    said = await asyncio.to_thread(console_refuses, stack, "replay", "reports-0-123456789")
    assert "there is no dead letter reports-0-123456789" in said
    assert "dead-letters list" in said


@pytest.mark.parametrize(("room", "path"), [("intake", "/v1/reports"), ("board", "/v1/session")])
async def test_a_caller_who_hangs_up_in_mid_sentence_is_no_fault(stack: Stack, room: str, path: str) -> None:
    """The check of the logs below would see a traceback."""
    url = httpx.URL(stack.url(room))
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
    writer.write(head.encode() + b"Expect: 100-continue\r\n\r\n{")
    await writer.drain()
    # The room has begun to read the body when it asks for the rest of it.
    assert b"100" in await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    await writer.wait_closed()


async def test_nothing_of_all_this_left_a_fault_in_the_logs(stack: Stack) -> None:
    assert stack.lines_of_trouble() == []
    rooms = ("intake", "board", "router", "timekeeper")

    async def ready() -> bool:
        return not await asyncio.to_thread(stack.not_ready, rooms)

    await until(ready, 15, lambda: f"ready after all this; not yet {stack.not_ready(rooms)}", every=0.2)


async def every_report_is_read(stack: Stack) -> None:
    """With all that came of them: the router acknowledges last."""

    async def read_to_the_end() -> bool:
        return not await asyncio.to_thread(topics.unread, stack.bootstrap, "pioneer-router", "reports")

    await until(read_to_the_end, 15, "every report read", every=0.2)


async def found_on(stack: Stack, topic: str, sent: topics.Sent) -> list[Record]:
    records = await asyncio.to_thread(topics.read, stack.bootstrap, topic)
    return [record for record in records if same_message(record, sent)]


async def dead_letters(stack: Stack, *names: str) -> list[Record]:
    wanted = {name.encode() for name in names}
    records = await asyncio.to_thread(topics.read, stack.bootstrap, "dead-letters")
    return [record for record in records if record.key in wanted]


async def letters_of(stack: Stack, name: str) -> bool:
    return bool(await dead_letters(stack, name))
