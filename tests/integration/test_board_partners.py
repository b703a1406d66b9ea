"""The link of a partner unit: what it shows and hides, what may be done with it, and when it is dead."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from services.board import throttle
from services.domain.case import Case, Side
from services.domain.events import Invitation
from services.domain.messages import AddPhotos, Outcome
from tests.integration.board_desk import COMMUNITY, DISTRICT, TOWN, Desk, new_case, open_desk

BANK = Invitation(unit="bank_branch", hub_code=TOWN, partner=True)
PLATFORM = Invitation(unit="delivery_platform", hub_code=DISTRICT, partner=True)
GAS = Invitation(unit="gas_co", hub_code=DISTRICT)
JSON = {"Accept": "application/json"}


@pytest.fixture
async def desk(database_url: str, broker: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, broker, tmp_path) as one:
        yield one


def joint_case(**changes: Any) -> Case:
    side = Side(invited=(BANK, PLATFORM, GAS))
    return new_case(state="in_progress", level=2, hub_code=TOWN, owner_hub_code=TOWN, side=side, **changes)


async def links(desk: Desk, case: Case, seat: str = TOWN) -> dict[str, str]:
    body = (await (await desk.sign_in(seat)).get(f"/v1/cases/{case.case_id}")).json()
    return {one["unit"]: one["path"] for one in body.get("partner_links", ())}


def a_photo() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), (20, 90, 200)).save(out, "JPEG")
    return out.getvalue()


async def test_only_who_directs_the_case_is_given_links_and_only_for_partners(desk: Desk) -> None:
    case = await desk.put(joint_case())
    assert (await links(desk, case)).keys() == {"bank_branch", "delivery_platform"}
    assert (await links(desk, case, DISTRICT)) == (await links(desk, case))
    for seat in (COMMUNITY, "supervisor", "auditor", f"unit-{DISTRICT}-gas_co"):
        assert await links(desk, case, seat) == {}, seat


async def test_the_page_shows_the_masked_case_and_neither_reporter_nor_words(desk: Desk) -> None:
    case = await desk.put(joint_case())
    due_at = datetime(2026, 11, 24, 12, tzinfo=UTC)
    await desk.put_due(case, "owner", f"report_in:bank_branch@{TOWN}", due_at)
    client = await desk.sign_in(TOWN)
    photo = (await client.post("/v1/photos", files={"photo": ("a.jpg", a_photo(), "image/jpeg")})).json()[
        "id"
    ]
    await desk.put_report(case, photos=(photo,), name="王建国", phone="13812345678", text="楼道里的秘密")
    path = (await links(desk, case))["bank_branch"]
    guest = desk.client()
    page = await guest.get(path)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["cache-control"] == "no-store"
    assert '<meta name="referrer" content="no-referrer">' in page.text
    answer = await guest.get(path, headers=JSON)
    assert answer.headers["cache-control"] == "no-store"
    shown = answer.json()
    # the guest's own clock may be off: what is left is counted from this one
    assert abs(datetime.fromisoformat(shown.pop("as_of")) - datetime.now(UTC)) < timedelta(seconds=30)
    assert shown == {
        "number": case.number, "category": "exposed_garbage", "place_code": COMMUNITY, "hub_code": TOWN,
        "owner": "community_office", "owner_hub_code": TOWN,
        "state": "in_progress", "unit": "bank_branch", "reported_in": False, "due_at": "2026-11-24T12:00:00Z",
        "photos": [f"{path}/photos/{photo}"], "allowed": ["report_in", "comment", "add_photos"],
    }  # fmt: skip
    picture = await guest.get(f"{path}/photos/{photo}")
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/jpeg")
    assert (await guest.get(f"{path}/photos/{'a' * 32}")).status_code == 404
    for hidden in ("王", "138", "秘密"):
        assert hidden not in answer.text
    secret = await desk.put(replace(case, confidential=True))
    assert (await guest.get((await links(desk, secret))["bank_branch"], headers=JSON)).json()["photos"] == []
    assert (await guest.get(f"{path}/photos/{photo}")).status_code == 404


async def test_what_a_partner_does_is_a_command_of_its_own(desk: Desk) -> None:
    case = await desk.put(joint_case())
    path = (await links(desk, case))["delivery_platform"]
    guest = desk.client()
    photo = (await guest.post(f"{path}/photos", files={"photo": ("a.jpg", a_photo(), "image/jpeg")})).json()[
        "id"
    ]
    async with desk.commands() as next_command:
        deeds: list[dict[str, Any]] = [
            {"type": "report_in"},
            {"type": "add_photos", "photos": [photo], "kind": "after"},
        ]
        for body in deeds:
            answering = asyncio.create_task(guest.post(f"{path}/commands", json=body))
            command = await next_command()
            actor = command.actor
            assert (actor.ref, actor.roles, actor.unit, actor.hubs) == (
                "partner:delivery_platform", ("partner",), "delivery_platform", (DISTRICT,),
            )  # fmt: skip
            assert (command.case_id, command.type) == (case.case_id, body["type"])
            now = datetime.now(UTC)
            await desk.settle(
                Outcome(
                    command_id=command.command_id, case_id=case.case_id, outcome="applied", decided_at=now
                )
            )
            answer = await answering
            assert (answer.status_code, answer.json()) == (200, {"outcome": "applied"})
        assert command.payload == AddPhotos(photos=(photo,), kind="after")
        refusing = asyncio.create_task(guest.post(f"{path}/commands", json={"type": "report_in"}))
        command = await next_command()
        refused = Outcome(
            command_id=command.command_id,
            case_id=case.case_id,
            outcome="refused",
            decided_at=now,
            code="not_allowed",
            detail="you have reported in already",
        )
        await desk.settle(refused)
        answer = await refusing
        assert (answer.status_code, answer.json()["code"]) == (409, "not_allowed")
        assert "case" not in answer.json(), "the whole case is not a guest's to see"
    for wrong_body, field in (
        ({"type": "accept", "expected_seq": 2}, "type"),
        ({"type": "comment"}, "text"),
        ({"type": "add_photos", "photos": ["x"]}, "photos[0]"),
    ):
        wrong = await guest.post(f"{path}/commands", json=wrong_body)
        assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, field)


async def test_a_link_is_of_one_unit_and_one_case_and_dies_with_it(desk: Desk) -> None:
    case, other = await desk.put(joint_case()), await desk.put(joint_case())
    path = (await links(desk, case))["bank_branch"]
    theirs = (await links(desk, other))["bank_branch"]
    token = path.removeprefix("/p/")
    guest = desk.client()
    forged = [
        theirs[:35] + token[32:],
        path[:-1] + ("0" if path[-1] != "0" else "1"),
        path.upper().replace("/P/", "/p/"),
        "/p/" + "é" * 57,
        "/p/x",
        "/p/" + "f" * 57,
    ]
    for wrong in forged:
        assert (await guest.get(wrong, headers=JSON)).status_code == 404, wrong
        assert (await guest.post(f"{wrong}/commands", json={"type": "report_in"})).status_code == 404
    assert (await guest.get(path, headers=JSON)).status_code == 200
    await desk.put(replace(case, state="closed", closed_at=datetime.now(UTC)))
    assert (await guest.get(path, headers=JSON)).status_code == 404
    assert (await guest.post(f"{path}/commands", json={"type": "comment", "text": "x"})).status_code == 404
    assert await links(desk, case) == {}


def test_what_is_tried_and_done_with_links_is_bounded() -> None:
    guests = throttle.GuestThrottle()
    for n in range(throttle.WRONG_LINKS):
        assert guests.wait_s("10.0.0.1", float(n)) == 0
        guests.count_wrong("10.0.0.1", float(n))
    assert guests.wait_s("10.0.0.1", 50.0) == throttle.WITHIN_SECONDS - 50.0
    assert guests.wait_s("10.0.0.2", 50.0) == 0
    assert [guests.act("one", 0.0) for _ in range(throttle.WITH_ONE_LINK)] == [0.0] * throttle.WITH_ONE_LINK
    assert guests.act("one", 1.0) == throttle.WITHIN_SECONDS - 1.0
    assert guests.act("two", 1.0) == 0.0
    assert guests.act("one", throttle.WITHIN_SECONDS + 1.0) == 0.0
