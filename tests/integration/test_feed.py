"""The feed against a stand-in door that answers as design.md section 5 says (the real one: journey)."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from typer.testing import CliRunner

from services.adapters.public_api import NobodyThere, PublicApi
from services.console.app import app
from services.console.feed import Line, read_lines

TestServer.__test__ = False  # its name looks like a test to pytest


class Door:
    def __init__(self) -> None:
        self.keys: defaultdict[str, list[str]] = defaultdict(list)

    async def post(self, request: web.Request) -> web.Response:
        text = (await request.json())["text"]
        self.keys[text].append(request.headers["Idempotency-Key"])
        if text == "bad":
            errors = [{"field": "category", "message": "is unknown"}]
            return web.json_response({"title": "Bad", "errors": errors}, status=422)
        if len(self.keys[text]) < 3:
            return web.json_response({"title": "Busy"}, status=503, headers={"Retry-After": "0"})
        return web.json_response({"tracking_code": "T"}, status=202)

    async def health(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")


@pytest.fixture
async def door() -> AsyncIterator[tuple[Door, str]]:
    door = Door()
    site = web.Application()
    site.add_routes([web.post("/v1/reports", door.post), web.get("/healthz", door.health)])
    async with TestServer(site) as server:
        yield door, str(server.make_url("/"))


async def test_a_report_not_confirmed_is_sent_again_under_the_same_key(door: tuple[Door, str]) -> None:
    stand_in, url = door
    async with PublicApi(url, connections=2) as api:
        await api.look()
        answer = await api.post_report({"text": "good"}, key="k1")
    assert (answer.status, answer.attempts, answer.body["tracking_code"]) == (202, 3, "T")
    assert stand_in.keys["good"] == ["k1", "k1", "k1"]


async def test_a_refusal_is_final(door: tuple[Door, str]) -> None:
    stand_in, url = door
    async with PublicApi(url, connections=2) as api:
        answer = await api.post_report({"text": "bad"}, key="k2")
    assert (answer.status, answer.attempts) == (422, 1)
    assert stand_in.keys["bad"] == ["k2"]


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (
            "http://127.0.0.1:1",
            "no door answers at http://127.0.0.1:1 (Connection refused): start it with `make run`",
        ),
        ("reports", "`reports` is not a URL such as http://127.0.0.1:8000"),
    ],
)
async def test_when_nobody_is_there_the_remedy_is_said(url: str, sentence: str) -> None:
    async with PublicApi(url, connections=1) as api:
        with pytest.raises(NobodyThere) as caught:
            await api.look()
    assert str(caught.value).startswith(sentence)


def test_lines_are_played_in_order_of_time(tmp_path: Path) -> None:
    file = tmp_path / "reports.jsonl"
    late = {"at_s": 9, "expect": {"status": 422}, "body": {"text": "late"}}
    file.write_text(f"{json.dumps(late)}\n\n{json.dumps({'body': {'text': 'early'}})}\n", "utf-8")
    assert read_lines(file) == [Line(3, 0.0, 202, {"text": "early"}), Line(1, 9.0, 422, {"text": "late"})]


def test_a_report_says_that_it_was_captured_before_it_is_sent(tmp_path: Path) -> None:
    file = tmp_path / "reports.jsonl"
    file.write_text(
        '{"captured_before_s": 86401, "body": {"text": "late"}}\n{"body": {"text": "bare"}}\n', "utf-8"
    )
    late, bare = read_lines(file)
    now = datetime(2026, 11, 24, 0, 0, 0, 500_000, tzinfo=UTC)
    assert late.body_at(now) == {"text": "late", "captured_at": "2026-11-22T23:59:59.500+00:00"}
    assert bare.body_at(now) == {"text": "bare"}


@pytest.mark.parametrize(
    ("expected", "exit_code", "said"),
    [
        (422, 0, "│        0 │       1 │             0 │           1 │"),
        (202, 1, "reports.jsonl:1: expected HTTP 202, got HTTP 422: category: is unknown"),
    ],
)
async def test_only_an_answer_that_the_file_does_not_expect_is_a_failure(
    door: tuple[Door, str], tmp_path: Path, expected: int, exit_code: int, said: str
) -> None:
    file = tmp_path / "reports.jsonl"
    file.write_text(json.dumps({"expect": {"status": expected}, "body": {"text": "bad"}}), "utf-8")
    words = ["feed", str(file), "--url", door[1]]
    played = await asyncio.to_thread(CliRunner().invoke, app, words)
    assert played.exit_code == exit_code
    assert said in played.output


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("{", "is not JSON: Expecting property name enclosed in double quotes at column 2"),
        ("[]", 'is not an object with a "body" that is an object'),
        ('{"body": []}', 'is not an object with a "body" that is an object'),
        ('{"body": {}, "at_s": -1}', '"at_s" must be seconds from the start, 0 or more, not -1'),
        ('{"body": {}, "at_s": NaN}', '"at_s" must be seconds from the start, 0 or more, not nan'),
        (
            '{"body": {}, "captured_before_s": -5}',
            '"captured_before_s" must be seconds, 0 to 316224000 (ten years), not -5',
        ),
        (
            '{"body": {"captured_at": "2026-11-24T08:00:00+08:00"}, "captured_before_s": 5}',
            'says both "captured_before_s" and "captured_at" of the body: keep one',
        ),
        ('{"body": {}, "expect": 202}', '"expect" must be an object whose "status" is a whole number'),
    ],
)
def test_a_malformed_line_is_named_before_anything_is_sent(tmp_path: Path, text: str, rule: str) -> None:
    file = tmp_path / "reports.jsonl"
    file.write_text('{"body": {}}\n' + text + "\n", "utf-8")
    with pytest.raises(ValueError, match=":2: ") as caught:
        read_lines(file)
    assert str(caught.value) == f"{file}:2: {rule}"


def test_a_file_without_a_report_is_named(tmp_path: Path) -> None:
    file = tmp_path / "reports.jsonl"
    file.write_text("\n", "utf-8")
    with pytest.raises(ValueError, match="holds no report"):
        read_lines(file)
