"""Commands: every bad one named by its field, every answer of the router told, nothing sent twice."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.adapters.codec import CASE_COMMANDS
from services.adapters.seal import SealKeys
from services.domain.case import Case
from services.domain.messages import Outcome, SubmitResolution
from tests.integration.board_desk import COMMUNITY, ELSEWHERE, SEAL_KEYS, TOWN, Desk, new_case, open_desk

NO_PHOTO = "f" * 32


@pytest.fixture
async def desk(database_url: str, broker: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, broker, tmp_path) as one:
        yield one


def send(
    client: httpx.AsyncClient, case: Case, body: Any, key: str | None = None
) -> asyncio.Task[httpx.Response]:
    headers = {} if key is None else {"Idempotency-Key": key}
    return asyncio.create_task(client.post(f"/v1/cases/{case.case_id}/commands", json=body, headers=headers))


def outcome_of(command: Any, **changes: Any) -> Outcome:
    plain: dict[str, Any] = {"outcome": "applied", "decided_at": datetime.now(UTC)}
    return Outcome(command_id=command.command_id, case_id=command.case_id, **{**plain, **changes})


async def test_every_bad_command_names_its_field(desk: Desk) -> None:
    case = await desk.put(new_case())
    client = await desk.sign_in(TOWN)
    for body, field in (
        ({"type": "fly", "expected_seq": 2}, "type"),
        ({"type": "pass_deadline", "expected_seq": 2}, "type"),
        ({"type": 7, "expected_seq": 2}, "type"),
        ({"expected_seq": 2}, "type"),
        ({"type": "accept"}, "expected_seq"),
        ({"type": "accept", "expected_seq": "2"}, "expected_seq"),
        ({"type": "accept", "expected_seq": True}, "expected_seq"),
        ({"type": "accept", "expected_seq": 2.5}, "expected_seq"),
        ({"type": "accept", "expected_seq": 0}, "expected_seq"),
        ({"type": "accept", "expected_seq": 10**30}, "expected_seq"),
        ({"type": "accept", "expected_seq": 2, "colour": "red"}, "colour"),
        ({"type": "accept", "expected_seq": 2, "text": "words that accept does not take"}, "text"),
        ({"type": "comment"}, "text"),
        ({"type": "comment", "text": "  "}, "text"),
        ({"type": "comment", "text": ["a"]}, "text"),
        ({"type": "comment", "text": "a\x00b"}, "text"),
        ({"type": "comment", "text": "字" * 2001}, "text"),
        ({"type": "verify_fail", "expected_seq": 2}, "reason"),
        ({"type": "reach_milestone", "expected_seq": 2}, "stage"),
        ({"type": "submit_resolution", "expected_seq": 2}, "outcome"),
        ({"type": "submit_resolution", "expected_seq": 2, "outcome": "magic"}, "outcome"),
        ({"type": "submit_resolution", "expected_seq": 2, "outcome": "fixed", "photos": "x"}, "photos"),
        (
            {"type": "submit_resolution", "expected_seq": 2, "outcome": "fixed", "photos": [NO_PHOTO]},
            "photos[0]",
        ),
        ({"type": "add_photos"}, "photos"),
        ({"type": "add_photos", "photos": []}, "photos"),
        ({"type": "add_photos", "photos": ["../../x"]}, "photos[0]"),
        ({"type": "reassign", "expected_seq": 2, "reason": "x"}, "owner"),
        ({"type": "reassign", "expected_seq": 2, "reason": "x", "owner": "dragons"}, "owner"),
        (
            {"type": "reassign", "expected_seq": 2, "reason": "x", "owner": "gas_co", "hub_code": "1"},
            "hub_code",
        ),
    ):
        answer = await send(client, case, body)
        assert answer.status_code == 422, (body, answer.text)
        assert field in [error["field"] for error in answer.json()["errors"]], (body, answer.text)
    raw = f"/v1/cases/{case.case_id}/commands"
    for content in (
        b"{",
        b"",
        b"[1]",
        b"null",
        b'{"type": "accept", "expected_seq": NaN}',
        b"\xff",
        b"[" * 50_000,
    ):
        answer = await client.post(raw, content=content, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body"), content[:20]
    assert (await client.post(raw, data={"type": "accept"})).status_code == 415
    huge = await client.post(raw, json={"type": "comment", "text": "x" * 70_000})
    assert huge.status_code == 413
    bad_key = await send(client, case, {"type": "accept", "expected_seq": 2}, key="again")
    assert (bad_key.status_code, bad_key.json()["errors"][0]["field"]) == (422, "Idempotency-Key")
    foreign = await client.post(
        raw, json={"type": "accept", "expected_seq": 2}, headers={"Origin": "https://evil.example"}
    )
    assert foreign.status_code == 403
    assert (await send(client, new_case(), {"type": "accept", "expected_seq": 2})).status_code == 404


async def test_an_applied_command_is_answered_with_its_events(desk: Desk) -> None:
    case = await desk.put(new_case())
    client = await desk.sign_in(TOWN)
    me = await desk.account_id(TOWN)
    key = str(uuid.uuid4())
    body = {"type": "submit_resolution", "expected_seq": 2, "outcome": "fixed", "note": "清完了"}
    async with desk.commands() as next_command:
        answering = send(client, case, body, key)
        command = await next_command()
        assert (command.case_id, command.type, command.expected_seq) == (case.case_id, "submit_resolution", 2)
        assert command.payload == SubmitResolution(outcome="fixed")
        assert (command.actor.ref, command.actor.roles, command.actor.hubs) == (me, ("dispatcher",), (TOWN,))
        assert abs((command.received_at - datetime.now(UTC)).total_seconds()) < 10
        assert command.sealed is not None
        assert "清完了".encode() not in command.sealed.box
        opened = SealKeys(SEAL_KEYS).open(command.sealed, command_id=command.command_id, topic=CASE_COMMANDS)
        assert opened.text == "清完了"
        await desk.put_event(
            case, 3, "ResolutionSubmitted", {"outcome": "fixed"}, actor_ref=me, command_id=command.command_id
        )
        await desk.settle(outcome_of(command, events=((case.case_id, 3, 3),)))
        answer = await answering
        assert answer.status_code == 200
        told = answer.json()
        assert (told["command_id"], told["outcome"]) == (command.command_id, "applied")
        assert [(event["seq"], event["type"]) for event in told["events"]] == [(3, "ResolutionSubmitted")]
        # the same key: the same command, the same answer, nothing sent
        again = await send(client, case, {"type": "accept", "expected_seq": 2}, key.upper())
        assert again.json() == told
        asked = await client.get(f"/v1/commands/{command.command_id}")
        assert asked.json() == told
        stranger = await desk.sign_in(ELSEWHERE)
        assert (await stranger.get(f"/v1/commands/{command.command_id}")).json()["events"] == []
        later = send(client, case, {"type": "comment", "text": "x"})
        assert (await next_command()).type == "comment", "the first command that came after"
        later.cancel()


@pytest.mark.parametrize(
    ("code", "field", "status"),
    [
        ("stale", "expected_seq", 409),
        ("not_allowed", None, 409),
        ("forbidden", None, 403),
        ("verifier_is_handler", None, 403),
        ("invalid", "stage", 422),
    ],
)
async def test_a_refusal_is_told_as_it_was_decided(
    desk: Desk, code: str, field: str | None, status: int
) -> None:
    case = await desk.put(new_case(seq=5))
    client = await desk.sign_in(COMMUNITY)
    async with desk.commands() as next_command:
        answering = send(client, case, {"type": "accept", "expected_seq": 1})
        command = await next_command()
        await desk.settle(outcome_of(command, outcome="refused", code=code, detail="because", field=field))
        answer = await answering
    body = answer.json()
    assert (answer.status_code, body["code"], body["detail"]) == (status, code, "because")
    assert [error["field"] for error in body["errors"]] == ([field] if field else [])
    if status == 409:
        assert (body["case"]["case_id"], body["case"]["seq"]) == (case.case_id, 5)
    else:
        assert "case" not in body
    asked = (await client.get(f"/v1/commands/{command.command_id}")).json()
    assert (asked["outcome"], asked["code"]) == ("refused", code)


async def test_without_an_outcome_in_time_the_answer_says_where_to_ask(desk: Desk) -> None:
    case = await desk.put(new_case())
    client = await desk.sign_in(COMMUNITY)
    async with desk.commands() as next_command:
        answering = send(client, case, {"type": "accept", "expected_seq": 2})
        command = await next_command()
        answer = await answering
    assert answer.status_code == 202
    assert answer.json() == {
        "command_id": command.command_id,
        "outcome_url": f"/v1/commands/{command.command_id}",
    }
    url = answer.headers["location"]
    assert (await client.get(url)).json()["outcome"] == "pending"
    await desk.settle(outcome_of(command))
    assert (await client.get(url)).json()["outcome"] == "applied"
    unknown = await client.get(f"/v1/commands/{uuid.uuid4()}")
    assert (unknown.status_code, unknown.json()["outcome"], unknown.json()["events"]) == (200, "pending", [])
    assert (await client.get("/v1/commands/x")).status_code == 404


async def test_an_outcome_that_the_topic_did_not_bring_is_found_in_the_book(desk: Desk) -> None:
    case = await desk.put(new_case())
    client = await desk.sign_in(COMMUNITY)
    async with desk.commands() as next_command:
        answering = send(client, case, {"type": "accept", "expected_seq": 2})
        command = await next_command()
        await desk.book.execute(
            "INSERT INTO outcomes VALUES ($1, $2, 'applied', NULL, NULL, NULL, '[]', now())",
            command.command_id,
            case.case_id,
        )
        assert (await answering).status_code == 200
