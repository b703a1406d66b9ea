"""POST /v1/reports of the real door, on the real broker."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from services.adapters import codec
from services.domain import ids
from services.domain.messages import Content, Location, SubmitReport
from tests.integration.intake_door import NOWHERE, SECRET, OpenDoor, fields, messages, open_door, problem

A_UUID = "0b7e6d1c-3f0e-4c7e-9a51-5d0c2f1e7a90"
WHOLE: dict[str, Any] = {
    "channel": "courier",
    "category": "pothole",
    "text": "龙西路口有个大坑",
    "location": {"lon": 120.58, "lat": 31.0, "datum": "GCJ02", "accuracy_m": 12},
    "hub_code": "V11",
    "captured_at": "2026-11-24T08:00:00+08:00",
    "contact": {"name": "王师傅", "phone": "13800000000"},
    "visibility": "named",
}


FOR_AN_ELDER: dict[str, Any] = {
    "channel": "representative",
    "on_behalf": True,
    "contact": {"name": "八旬老人", "phone": "13800000080"},
    "hub_code": "V12001-R05",
}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(broker: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OpenDoor]:
    """One for all: it keeps nothing. Its database is away, which is no business of a report's."""
    async with open_door(broker, NOWHERE, tmp_path_factory.mktemp("door")) as door:
        yield door


async def _sent(broker: str, report_id: str) -> list[tuple[Any, SubmitReport]]:
    return await messages(broker, codec.REPORTS, lambda message: message.report_id == report_id)


async def test_an_accepted_report_is_on_the_topic_with_everything_personal_sealed(
    door: OpenDoor, broker: str
) -> None:
    key = str(uuid.uuid4())
    answer = await door.http.post("/v1/reports", json=WHOLE, headers={"Idempotency-Key": key.upper()})
    assert answer.status_code == 202
    report_id = ids.report_id(SECRET, "intake", key)
    code = ids.tracking_code(SECRET, report_id)
    assert answer.json() == {
        "report_id": report_id,
        "tracking_code": code,
        "status_url": f"/v1/reports/{code}",
    }
    ((record, report),) = await _sent(broker, report_id)
    assert record.key == report_id.encode()
    assert (report.channel, report.category, report.hub_code, report.visibility, report.photos) == (
        *("courier", "pothole", "V11", "named"),
        (),
    )
    assert report.captured_at is not None
    assert report.sealed is not None
    assert report.captured_at.isoformat() == "2026-11-24T08:00:00+08:00"
    for words in ("龙西路", "王师傅", "13800000000", "120.58"):
        assert words.encode() not in record.value
        assert json.dumps(words).encode() not in record.value
    assert door.keys.open(report.sealed, command_id=report_id, topic=codec.REPORTS) == Content(
        name="王师傅",
        phone="13800000000",
        text="龙西路口有个大坑",
        location=Location(lon=120.58, lat=31.0, datum="GCJ02", accuracy_m=12),
    )


@pytest.mark.parametrize("channel", ["grid_member", "representative", "staff"])
async def test_a_row_leader_reports_for_an_elder_at_a_row(door: OpenDoor, broker: str, channel: str) -> None:
    body = {"text": "楼道灯不亮", **FOR_AN_ELDER, "channel": channel}
    answer = await door.http.post("/v1/reports", json=body)
    assert answer.status_code == 202
    ((_, report),) = await _sent(broker, answer.json()["report_id"])
    assert (report.channel, report.on_behalf, report.hub_code) == (channel, True, "V12001-R05")
    assert report.sealed is not None
    # Whom it is for is called back, so that is the contact; who filed it is nobody's business.
    content = door.keys.open(report.sealed, command_id=report.report_id, topic=codec.REPORTS)
    assert (content.name, content.phone) == ("八旬老人", "13800000080")


async def test_a_name_without_a_telephone_is_enough_and_whoever_speaks_for_themselves_needs_neither(
    door: OpenDoor, broker: str
) -> None:
    for change, on_behalf in (
        ({"contact": {"name": "八旬老人"}}, True),
        ({"on_behalf": False, "contact": None}, False),
    ):
        answer = await door.http.post("/v1/reports", json={"text": "灯", **FOR_AN_ELDER, **change})
        assert answer.status_code == 202
        ((_, report),) = await _sent(broker, answer.json()["report_id"])
        assert report.on_behalf is on_behalf


async def test_the_same_key_is_the_same_report_whatever_the_second_body_says(
    door: OpenDoor, broker: str
) -> None:
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    first = await door.http.post("/v1/reports", json=WHOLE, headers=headers)
    second = await door.http.post("/v1/reports", json={**WHOLE, "text": "另外一件事"}, headers=headers)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    # Both are sent: the door keeps nothing, the router drops the repeat and the first body stands.
    sent = await _sent(broker, first.json()["report_id"])
    assert len(sent) == 2
    assert len({record.partition for record, _ in sent}) == 1


async def test_without_a_key_each_call_is_a_report_of_its_own(door: OpenDoor) -> None:
    body = {"channel": "resident", "text": "路灯不亮"}
    answers = [await door.http.post("/v1/reports", json=body) for _ in range(2)]
    assert answers[0].json()["report_id"] != answers[1].json()["report_id"]


@pytest.mark.parametrize(("category", "hotlines"), [("fire", ["119"]), ("gas", ["119"]), ("pothole", None)])
async def test_who_must_be_called_at_once_is_in_the_answer(
    door: OpenDoor, category: str, hotlines: list[str] | None
) -> None:
    answer = await door.http.post("/v1/reports", json={"channel": "resident", "category": category})
    assert answer.status_code == 202
    assert answer.json().get("hotlines") == hotlines


@pytest.mark.parametrize("datum", ["WGS84", "GCJ02", "BD09", "CGCS2000"])
async def test_every_datum_is_taken(door: OpenDoor, datum: str) -> None:
    body = {"channel": "resident", "text": "坑", "location": {"lon": 120, "lat": 31, "datum": datum}}
    assert (await door.http.post("/v1/reports", json=body)).status_code == 202


def _bad_values() -> Iterator[Any]:
    point = {"lon": 120.6, "lat": 31.2, "datum": "WGS84"}
    for name, change, wrong in (
        ("unknown category", {"category": "ufo"}, ["category"]),
        ("empty category", {"category": ""}, ["category"]),
        ("unknown hub", {"hub_code": "999"}, ["hub_code"]),
        ("unknown channel", {"channel": "alien"}, ["channel"]),
        ("unknown visibility", {"visibility": "secret"}, ["visibility"]),
        ("unknown photo", {"photos": ["0" * 32]}, ["photos[0]"]),
        ("photo id that is a path", {"photos": ["../../etc/passwd"]}, ["photos[0]"]),
        ("seven photos", {"photos": ["0" * 32] * 7}, ["photos"]),
        ("point without datum", {"location": {"lon": 120.6, "lat": 31.2}}, ["location.datum"]),
        ("unknown datum", {"location": {**point, "datum": "MARS"}}, ["location.datum"]),
        ("latitude 131", {"location": {**point, "lat": 131}}, ["location.lat"]),
        ("longitude -181", {"location": {**point, "lon": -181}}, ["location.lon"]),
        ("accuracy below 0", {"location": {**point, "accuracy_m": -1}}, ["location.accuracy_m"]),
        ("longitude as text", {"location": {**point, "lon": "120.6"}}, ["location.lon"]),
        ("text as number", {"text": 5}, ["text"]),
        ("text of 2,001", {"text": "长" * 2001}, ["text"]),
        ("U+0000 in the text", {"text": "a\0b"}, ["text"]),
        ("U+0000 in a name", {"contact": {"name": "a\0b"}}, ["contact.name"]),
        ("a phone of 41", {"contact": {"phone": "1" * 41}}, ["contact.phone"]),
        ("instant without offset", {"captured_at": "2026-11-24T08:00:00"}, ["captured_at"]),
        ("instant that is none", {"captured_at": "yesterday"}, ["captured_at"]),
        ("instant of the year 1", {"captured_at": "0001-01-01T00:00:00+08:00"}, ["captured_at"]),
        ("unknown field", {"colour": "red"}, ["colour"]),
        ("unknown field inside", {"location": {**point, "alt": 3}}, ["location.alt"]),
        ("a row of no community", {"hub_code": "V99001-R05"}, ["hub_code"]),
        ("on behalf as text", {"on_behalf": "yes"}, ["on_behalf"]),
        ("a courier for somebody", {"on_behalf": True}, ["on_behalf"]),
        ("for nobody", {**FOR_AN_ELDER, "contact": None}, ["contact"]),
        ("for somebody without a name", {**FOR_AN_ELDER, "contact": {"name": " "}}, ["contact"]),
        (
            "a resident for nobody",
            {**FOR_AN_ELDER, "channel": "resident", "contact": {}},
            ["on_behalf", "contact"],
        ),
        ("several at once", {"category": "ufo", "hub_code": "9"}, ["category", "hub_code"]),
    ):
        yield pytest.param({**WHOLE, **change}, wrong, id=name)
    yield pytest.param({"channel": "resident"}, ["category"], id="says nothing")
    yield pytest.param({"channel": "resident", "text": " \n"}, ["category"], id="says only blanks")
    yield pytest.param({"text": "坑"}, ["channel"], id="no channel")
    yield pytest.param([], ["body"], id="a list")


@pytest.mark.parametrize(("body", "wrong"), list(_bad_values()))
async def test_bad_input_names_the_field(door: OpenDoor, body: Any, wrong: list[str]) -> None:
    assert fields(await door.http.post("/v1/reports", json=body)) == wrong


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"channel": "resident",}',
        b"\xff\xfe",
        b'{"channel": "resident", "text": "\\ud800"}',
        b"null",
    ],
)
async def test_malformed_json_is_a_422(door: OpenDoor, body: bytes) -> None:
    answer = await door.http.post("/v1/reports", content=body, headers={"content-type": "application/json"})
    assert fields(answer) in (["body"], ["text"])


@pytest.mark.parametrize("key", ["", "1", "not-a-uuid", A_UUID + "0", A_UUID + "\x85"])
async def test_a_key_that_is_no_uuid_is_named(door: OpenDoor, key: str) -> None:
    answer = await door.http.post(
        "/v1/reports", json=WHOLE, headers={b"Idempotency-Key": key.encode("latin-1")}
    )
    assert fields(answer) == ["Idempotency-Key"]


async def test_a_form_is_not_a_report(door: OpenDoor) -> None:
    assert fields(await door.http.post("/v1/reports", data={"channel": "resident"})) == ["Content-Type"]


async def test_a_body_of_20_mb_is_refused_with_and_without_its_length(door: OpenDoor) -> None:
    body = b'{"channel": "resident", "text": "' + b"x" * 20_000_000 + b'"}'

    async def in_pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1 << 16):
            yield body[start : start + (1 << 16)]

    for content in (body, in_pieces()):
        answer = await door.http.post(
            "/v1/reports", content=content, headers={"content-type": "application/json"}
        )
        assert fields(answer, 413) == ["body"]
    assert (await door.http.post("/v1/reports", json=WHOLE)).status_code == 202


async def test_a_page_of_another_site_may_not_post(door: OpenDoor) -> None:
    own = f"http://127.0.0.1:{door.http.base_url.port}"
    for headers, status in (
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": own, "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": own, "Sec-Fetch-Site": "same-origin"}, 202),
        ({"Origin": own}, 202),
        ({}, 202),
    ):
        answer = await door.http.post("/v1/reports", json=WHOLE, headers=headers)
        assert answer.status_code == status, headers
        if status == 403:
            assert problem(answer, 403)["code"] == "foreign_origin"


async def test_every_answer_carries_the_security_headers_and_every_error_is_a_problem(door: OpenDoor) -> None:
    answers = [
        await door.http.get("/"),
        await door.http.get("/healthz"),
        await door.http.get("/docs"),
        await door.http.get("/nowhere"),
        await door.http.delete("/v1/reports"),
        await door.http.post("/v1/reports", json={}),
        await door.http.post("/v1/reports", json=WHOLE),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 404, 405, 422, 202]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["referrer-policy"] == "same-origin"
    assert problem(answers[3], 404)["code"] == "not_found"
    assert problem(answers[4], 405)["code"] == "method_not_allowed"
    assert answers[4].headers["allow"] == "POST"


async def test_the_documents_show_the_body_as_it_is(door: OpenDoor) -> None:
    document = (await door.http.get("/openapi.json")).json()
    post = document["paths"]["/v1/reports"]["post"]
    name = post["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
    body = document["components"]["schemas"][name]
    assert body["required"] == ["channel"]
    assert body["additionalProperties"] is False
    assert body["properties"].keys() >= WHOLE.keys()
    assert post["responses"].keys() == {"202", "413", "422", "503"}

    def references(part: Any) -> Iterator[str]:
        if isinstance(part, dict):
            yield from (value for key, value in part.items() if key == "$ref")
            for value in part.values():
                yield from references(value)
        elif isinstance(part, list):
            for value in part:
                yield from references(value)

    for reference in references(document):
        assert reference.rsplit("/", 1)[1] in document["components"]["schemas"]


async def test_the_metrics_count_posts_by_code_and_requests_by_template(door: OpenDoor) -> None:
    async def count(line: str) -> float:
        lines = (await door.http.get("/metrics")).text.splitlines()
        return sum(float(found.rsplit(" ", 1)[1]) for found in lines if found.startswith(line))

    await door.http.get("/v1/reports/0000000000000000")
    wanted = [
        'pioneer_posts_total{code="202"}',
        'pioneer_posts_total{code="422"}',
        'pioneer_http_requests_total{code="404",method="GET",route="/v1/reports/{tracking_code}",service="intake"}',
        "pioneer_post_seconds_count",
    ]
    before = [await count(line) for line in wanted]
    await door.http.post("/v1/reports", json=WHOLE)
    await door.http.post("/v1/reports", json={})
    await door.http.get("/v1/reports/0000000000000000")
    assert [await count(line) for line in wanted] == [
        before[0] + 1,
        before[1] + 1,
        before[2] + 1,
        before[3] + 2,
    ]
    # The time begins with the whole body: how long a slow line takes is not the door's.
    refused = await count('pioneer_posts_total{code="413"}')
    assert (await door.http.post("/v1/reports", content=in_parts(b"{", b" " * 70_000))).status_code == 413
    assert await count('pioneer_posts_total{code="413"}') == refused + 1
    assert await count(wanted[3]) == before[3] + 2
    assert await count('pioneer_build_info{room="intake"') == 1
    assert await count("pioneer_timekeeper_leading") == 0


async def in_parts(*parts: bytes) -> AsyncIterator[bytes]:
    """A body whose length is not told beforehand."""
    for part in parts:
        yield part
