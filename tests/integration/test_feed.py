"""The feed against a stand-in door that answers as design.md section 5 says (the real one: journey)."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from services.adapters.public_api import NobodyThere, PublicApi
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
    app = web.Application()
    app.add_routes([web.post("/v1/reports", door.post), web.get("/healthz", door.health)])
    async with TestServer(app) as server:
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


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("{", "is not JSON: Expecting property name enclosed in double quotes at column 2"),
        ("[]", 'is not an object with a "body" that is an object'),
        ('{"body": []}', 'is not an object with a "body" that is an object'),
        ('{"body": {}, "at_s": -1}', '"at_s" must be seconds from the start, 0 or more, not -1'),
        ('{"body": {}, "at_s": NaN}', '"at_s" must be seconds from the start, 0 or more, not nan'),
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
