"""One case: its history with the words, its reports with a masked contact, its photos; who may not see it."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from tests.integration.board_desk import COMMUNITY, DISTRICT, ELSEWHERE, TOWN, Desk, new_case, open_desk


@pytest.fixture
async def desk(database_url: str, broker: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, broker, tmp_path) as one:
        yield one


def a_photo(colour: tuple[int, int, int]) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(out, "JPEG")
    return out.getvalue()


async def test_a_case_with_its_events_and_reports(desk: Desk) -> None:
    case = await desk.put(new_case(state="accepted", seq=4))
    dispatcher = await desk.account_id(TOWN)
    report = await desk.put_report(
        case, name="王建国", phone="13812345678", text="井盖响\n两天了", lon=120.58, lat=31.21
    )
    await desk.put_event(case, 1, "CaseFiled", {"channel": "courier"}, actor_ref=f"report:{report}")
    await desk.put_event(case, 2, "CaseDispatched", {"hub_code": COMMUNITY})
    command = await desk.put_event(case, 4, "CommentAdded", {}, actor_ref=dispatcher)
    # a step that the same command passed on its way: the words are not told twice
    await desk.put_event(case, 3, "SlaWarning", {"stage": "accept"}, command_id=command)
    await desk.book.execute(
        "INSERT INTO private.command_words VALUES ($1, $2, '已派人去看')", command, case.case_id
    )
    client = await desk.sign_in(TOWN)
    answer = await client.get(f"/v1/cases/{case.case_id.upper()}")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert set(body) == {"case", "events", "reports", "as_of"}
    assert (body["case"]["case_id"], body["case"]["state"], body["case"]["seq"]) == (
        case.case_id,
        "accepted",
        4,
    )
    events = body["events"]
    assert [(e["seq"], e["type"], e.get("text")) for e in events] == [
        (1, "CaseFiled", None),
        (2, "CaseDispatched", None),
        (3, "SlaWarning", None),
        (4, "CommentAdded", "已派人去看"),
    ]
    assert set(events[0]) == {
        "case_id", "seq", "type", "occurred_at", "actor_ref", "command_id", "payload",
    }  # fmt: skip
    assert events[0]["payload"] == {"channel": "courier"}
    assert events[3]["actor"] == {"role": "dispatcher", "hub_code": TOWN, "unit": None}
    (told,) = body["reports"]
    assert (told["report_id"], told["channel"], told["text"]) == (report, "courier", "井盖响\n两天了")
    assert told["contact"] == {"name": "王**", "phone": "138****78"}
    assert told["location"] == {"lon": 120.58, "lat": 31.21, "datum": "WGS84", "accuracy_m": None}
    assert "王建国" not in answer.text
    assert "12345" not in answer.text


async def test_no_case_is_404_and_somebody_elses_is_403_without_a_word_of_it(desk: Desk) -> None:
    case = await desk.put(new_case())
    await desk.put_report(case, text="secret words")
    client = await desk.sign_in(ELSEWHERE)
    for wrong in ("01a20bc7-7a25-7aff-b810-dde73740b36a", "x", "%00", "1" * 4000):
        assert (await client.get(f"/v1/cases/{wrong}")).status_code == 404
    for path in ("", f"/photos/{'a' * 32}"):
        refused = await client.get(f"/v1/cases/{case.case_id}{path}")
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert "secret words" not in refused.text
        assert COMMUNITY not in refused.text


async def test_a_photo_is_taken_in_and_shown_with_its_case_alone(desk: Desk) -> None:
    client = await desk.sign_in(TOWN)
    ids = []
    for colour in ((200, 10, 10), (10, 200, 10)):
        answer = await client.post("/v1/photos", files={"photo": ("a.jpg", a_photo(colour), "image/jpeg")})
        assert answer.status_code == 201, answer.text
        assert set(answer.json()) == {"id"}
        ids.append(answer.json()["id"])
    again = await client.post("/v1/photos", files={"photo": ("b.jpg", a_photo((200, 10, 10)), "image/jpeg")})
    assert again.json()["id"] == ids[0]
    case = await desk.put(new_case())
    other = await desk.put(new_case())
    await desk.put_report(case, photos=(ids[0],))
    await desk.put_event(case, 3, "ResolutionSubmitted", {"photos": [ids[1]]})
    for photo in ids:
        shown = await client.get(f"/v1/cases/{case.case_id}/photos/{photo}")
        assert (shown.status_code, shown.headers["content-type"]) == (200, "image/jpeg")
        assert Image.open(io.BytesIO(shown.content)).size == (64, 48)
        assert (await client.get(f"/v1/cases/{other.case_id}/photos/{photo}")).status_code == 404
    for wrong in ("a" * 32, "..%2f..%2fpioneer_secret", "x"):
        assert (await client.get(f"/v1/cases/{case.case_id}/photos/{wrong}")).status_code == 404


async def test_a_photo_does_not_stay_on_the_desk_of_who_has_left(desk: Desk) -> None:
    client = await desk.sign_in(TOWN)
    uploaded = await client.post("/v1/photos", files={"photo": ("a.jpg", a_photo((9, 9, 200)), "image/jpeg")})
    photo = uploaded.json()["id"]
    case = await desk.put(new_case())
    await desk.put_report(case, photos=(photo,))
    path = f"/v1/cases/{case.case_id}/photos/{photo}"
    shown = await client.get(path)
    assert shown.headers["cache-control"] == "private, no-cache"
    asked = {"If-None-Match": shown.headers["etag"]}
    unchanged = await client.get(path, headers=asked)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert (unchanged.headers["etag"], unchanged.headers["cache-control"]) == (
        shown.headers["etag"],
        "private, no-cache",
    )
    assert (await client.get(path, headers={"If-None-Match": '"another"'})).status_code == 200
    # What the browser kept is shown only to whoever may still see it.
    assert (await (await desk.sign_in(ELSEWHERE)).get(path, headers=asked)).status_code == 403
    assert (await client.delete("/v1/session")).status_code == 204
    assert (await client.get(path, headers=asked)).status_code == 401


async def test_a_photo_of_a_confidential_case_is_kept_nowhere(desk: Desk) -> None:
    client = await desk.sign_in(TOWN)
    uploaded = await client.post("/v1/photos", files={"photo": ("a.jpg", a_photo((9, 99, 9)), "image/jpeg")})
    photo = uploaded.json()["id"]
    case = await desk.put(
        new_case(confidential=True, category="fraud_clue", hub_code=TOWN, level=2, owner_hub_code=TOWN)
    )
    await desk.put_report(case, photos=(photo,))
    shown = await client.get(
        f"/v1/cases/{case.case_id}/photos/{photo}", headers={"If-None-Match": f'"{photo}"'}
    )
    assert (shown.status_code, shown.headers["cache-control"]) == (200, "no-store")


async def test_what_is_no_photo_is_refused(desk: Desk) -> None:
    client = await desk.sign_in(TOWN)
    text = await client.post("/v1/photos", files={"photo": ("a.jpg", b"not a picture", "image/jpeg")})
    assert (text.status_code, text.json()["errors"][0]["field"]) == (422, "photo")
    empty = await client.post("/v1/photos", data={"photo": "words"}, files={})
    assert (empty.status_code, empty.json()["errors"][0]["field"]) == (422, "Content-Type")
    broken = await client.post(
        "/v1/photos", content=b"rubbish", headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert (broken.status_code, broken.json()["errors"][0]["field"]) == (422, "photo")
    none = await client.post("/v1/photos", files={"photo": ("a.jpg", b"", "image/jpeg")})
    assert (none.status_code, none.json()["errors"][0]["message"]) == (422, "the form has no file")
    nothing = await client.post(
        "/v1/photos",
        content=b'--x\r\nContent-Disposition: form-data; name="photo"\r\n\r\nwords\r\n--x--\r\n',
        headers={"content-type": "multipart/form-data; boundary=x"},
    )
    assert (nothing.status_code, nothing.json()["errors"][0]["field"]) == (422, "photo")
    for size in ((10 << 20) + 1, 11 << 20):
        huge = await client.post("/v1/photos", files={"photo": ("a.jpg", b"x" * size, "image/jpeg")})
        assert huge.status_code == 413
    assert re.search(r'photos_total\{result="too_large"\} [1-9]', (await client.get("/metrics")).text)


async def test_names_of_the_city_are_read_once(desk: Desk) -> None:
    client = desk.client()
    first = await client.get("/v1/city")
    body = first.json()
    assert len(body["hubs"]) == 224
    assert body["root"] == DISTRICT
    assert {"code": COMMUNITY, "parent": TOWN, "level": 3, "name": "莫舍社区"} in body["hubs"]
    again = await client.get("/v1/city", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_the_pages_need_no_inline_script_and_stay_small(desk: Desk) -> None:
    client = desk.client()
    case_page = f"/cases/{new_case().case_id}"
    for path in ("/", "/triage", "/callbacks", case_page):
        page = await client.get(path)
        assert page.status_code == 200
        assert "default-src 'self'" in page.headers["content-security-policy"]
        assert "<script>" not in page.text
        assert "style=" not in page.text
    assert (await client.get("/cases/x")).status_code == 404
    weight = {}
    for name in (
        "page.js",
        "live.js",
        "queue.js",
        "triage.js",
        "partner.js",
        "case.js",
        "forms.js",
        "fields.js",
        "shown.js",
        "map.js",
        "board.css",
        "texts.json",
        "icon.svg",
    ):
        file = await client.get(f"/static/{name}")
        assert file.status_code == 200, name
        assert file.headers["cache-control"] == "no-cache"
        weight[name] = len(file.content)
    shared = weight["page.js"] + weight["live.js"]
    assert shared + weight["queue.js"] < 25_000
    # Seventeen commands more have a form of their own, and reports and likenesses are shown on two pages.
    worked_on = shared + sum(weight[f"{name}.js"] for name in ("forms", "fields", "shown", "map"))
    assert worked_on + weight["case.js"] < 48_000
    assert worked_on + weight["triage.js"] < 45_000
    assert sum(bytes_ for name, bytes_ in weight.items() if name.endswith(".js")) <= 66_000
    assert weight["page.js"] + weight["partner.js"] < 16_000
    assert (await client.get("/static/../app.py")).status_code == 404
