"""Commands: every bad one named by its field, every answer of the router told, nothing sent twice."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from services.adapters.codec import CASE_COMMANDS
from services.adapters.seal import SealKeys
from services.domain.case import Case
from services.domain.messages import (
    WIRE_TYPES,
    WORDS,
    AttachCase,
    DecideExtension,
    DecideReturn,
    DecideSuspension,
    DeclineReport,
    DetachReport,
    FileCase,
    ForceAssignCase,
    Invited,
    KeepApart,
    Outcome,
    RaisePriority,
    ReachMilestone,
    ReassignCase,
    RecordCallback,
    RedirectReport,
    RequestExtension,
    RequestReturn,
    SetCategory,
    SetVariant,
    SplitCase,
    SubmitResolution,
    SuspendCase,
    WantedPart,
    Whistle,
)
from tests.integration.board_desk import COMMUNITY, ELSEWHERE, SEAL_KEYS, TOWN, Desk, new_case, open_desk

NO_PHOTO = "f" * 32


@pytest.fixture
async def desk(database_url: str, broker: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, broker, tmp_path) as one:
        yield one


GAS = {"owner": "gas_co"}
# Of the commands of the whole life: type, what is sent with it, the field that is wrong.
FAULTS: list[tuple[str, dict[str, Any], str]] = [
    ("request_info", {}, "question"),
    ("decline", {"reason": "no_such_reason"}, "reason"),
    ("decline", {"reason": ["outside"]}, "reason"),
    ("redirect", {"to": "911"}, "to"),
    ("redirect", {"to": "119", "receipt": "x" * 65}, "receipt"),
    ("attach", {}, "to_case_id"),
    ("attach", {"to_case_id": "261124-000001"}, "to_case_id"),
    ("keep_apart", {}, "case_id"),
    ("keep_apart", {"case_id": "261124-000001"}, "case_id"),
    ("detach", {"report_id": 7}, "report_id"),
    ("file_case", {}, "category"),
    ("file_case", {"category": "noise", "hub_code": "1"}, "hub_code"),
    ("request_return", {"owner": "gas_co"}, "reason"),
    ("request_return", {"reason": "x", "owner": "dragons"}, "owner"),
    ("request_return", {"reason": "x", "clause": "c" * 201}, "clause"),
    ("decide_return", {}, "approve"),
    ("decide_return", {"approve": "yes"}, "approve"),
    ("decide_extension", {"approve": 1}, "approve"),
    ("decide_suspension", {"approve": None}, "approve"),
    ("force_assign", {"owner": "gas_co"}, "reason"),
    ("set_variant", {"variant": 3}, "variant"),
    ("set_category", {"category": "dragons"}, "category"),
    ("raise_priority", {"reason": "loud"}, "reason"),
    ("split", {}, "parts"),
    ("split", {"parts": []}, "parts"),
    ("split", {"parts": "gas_co"}, "parts"),
    ("split", {"parts": ["gas_co"]}, "parts"),
    ("split", {"parts": [GAS] * 21}, "parts"),
    ("split", {"parts": [GAS, {}]}, "parts[1].owner"),
    ("split", {"parts": [{"owner": "dragons"}]}, "parts[0].owner"),
    ("split", {"parts": [{**GAS, "colour": "red"}]}, "parts[0].colour"),
    ("split", {"parts": [{**GAS, "required": "no"}]}, "parts[0].required"),
    ("split", {"parts": [{**GAS, "category": "dragons"}]}, "parts[0].category"),
    ("split", {"parts": [{**GAS, "hub_code": "1"}]}, "parts[0].hub_code"),
    ("split", {"parts": [GAS], "ordered": "yes"}, "ordered"),
    ("whistle", {"invite": [{"unit": "gas_co"}]}, "reason"),
    ("whistle", {"reason": "x", "invite": [{"unit": "dragons"}]}, "invite[0].unit"),
    ("whistle", {"reason": "x", "invite": [{"unit": "gas_co"}] * 21}, "invite"),
    ("request_extension", {"reason": "x"}, "limit"),
    ("suspend", {"reason": "tired"}, "reason"),
    ("record_callback", {}, "resolved"),
    ("record_callback", {"resolved": "yes", "satisfaction": 6}, "satisfaction"),
    ("record_callback", {"resolved": "yes", "satisfaction": 0}, "satisfaction"),
    ("reopen", {}, "reason"),
    ("supervise", {}, "reason"),
    ("recompute_dues", {"years": [2027]}, "type"),
]


def seen(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "expected_seq": 2}


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
        *((seen({"type": kind, **rest}), field) for kind, rest, field in FAULTS),
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


async def test_every_command_that_people_send_is_read_as_it_was_meant(desk: Desk) -> None:
    """Each type once, with all its fields; what the router gets is what was said."""
    case = await desk.put(new_case())
    other = new_case()
    client = await desk.sign_in(TOWN)
    words: dict[str, Any] = {field: "words" for field, _ in WORDS.values()}
    wanted: dict[str, Any] = {
        "decline": DeclineReport(reason="outside"),
        "redirect": RedirectReport(to="119", receipt="R-1"),
        "attach": AttachCase(to_case_id=other.case_id),
        "keep_apart": KeepApart(case_id=other.case_id),
        "detach": DetachReport(report_id=other.case_id),
        "file_case": FileCase(category="noise", hub_code=COMMUNITY),
        "request_return": RequestReturn(owner="gas_co", hub_code=TOWN, clause="§ 3"),
        "decide_return": DecideReturn(approve=True, owner="gas_co", hub_code=TOWN),
        "reassign": ReassignCase(owner="gas_co", hub_code=TOWN),
        "force_assign": ForceAssignCase(owner="gas_co", hub_code=TOWN),
        "set_variant": SetVariant(variant="blocked"),
        "set_category": SetCategory(category="noise"),
        "raise_priority": RaisePriority(reason="injury"),
        "reach_milestone": ReachMilestone(stage="on_site"),
        "split": SplitCase(
            parts=(
                WantedPart(owner="gas_co"),
                WantedPart(owner="water_co", hub_code=TOWN, category="noise", required=False),
            ),
            ordered=True,
        ),
        "whistle": Whistle(invite=(Invited(unit="gas_co", hub_code=TOWN), Invited(unit="delivery_platform"))),
        "request_extension": RequestExtension(limit="5WD OFF"),
        "decide_extension": DecideExtension(approve=False),
        "suspend": SuspendCase(reason="weather"),
        "decide_suspension": DecideSuspension(approve=True),
        "submit_resolution": SubmitResolution(outcome="unfounded"),
        "record_callback": RecordCallback(resolved="partly", satisfaction=4),
    }
    asked: list[asyncio.Task[httpx.Response]] = []
    async with desk.commands() as next_command:
        for kind, cls in WIRE_TYPES.items():
            if kind in ("pass_deadline", "recompute_dues", "add_photos"):
                continue
            payload = wanted.get(kind) or cls()
            body = {**json.loads(msgspec.json.encode(payload)), "type": kind}
            body = {name: value for name, value in body.items() if value is not None}
            if kind in WORDS:
                body = {WORDS[kind][0]: words[WORDS[kind][0]], **body}
            if kind not in ("comment", "urge", "report_in"):
                body["expected_seq"] = 2
            asked.append(send(client, case, body))
            command = await next_command()
            assert (command.type, command.payload) == (kind, payload)
            assert (command.sealed is not None) == (kind in WORDS)
    for one in asked:
        one.cancel()


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
        again = await send(client, case, body, key.upper())
        assert again.json() == told
        asked = await client.get(f"/v1/commands/{command.command_id}")
        assert asked.json() == told
        stranger = await desk.sign_in(ELSEWHERE)
        assert (await stranger.get(f"/v1/commands/{command.command_id}")).json()["events"] == []
        # the same key for something else is a command of its own: nobody is told that it was done
        later = send(client, case, {"type": "comment", "text": "x"}, key)
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
    assert (asked["outcome"], asked["code"], asked["detail"]) == ("refused", code, "because")


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
