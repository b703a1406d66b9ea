"""GET /v1/reports/{tracking_code}: what the book says, in the words of the public."""

from __future__ import annotations

from typing import Any, get_args

from services.adapters.public_status import PUBLIC_EVENTS
from services.domain import events
from services.domain.messages import ResolutionOutcome
from services.intake.words import WORDS
from tests.integration.filed_report import Filed, filed_event
from tests.integration.intake_door import OpenDoor, problem


def _to(hub_code: str) -> events.CaseDispatched:
    return events.CaseDispatched(hub_code=hub_code, level=2, owner="works", owner_hub_code=hub_code, dues=())


async def test_a_code_of_ours_that_is_not_in_the_book_yet_reads_received(door: OpenDoor) -> None:
    for not_ours in ("0000000000000000", "nonsense", "x" * 500, "0" * 15, "%00"):
        assert problem(await door.http.get(f"/v1/reports/{not_ours}"), 404)["code"] == "not_found"
    code = Filed().code
    answer = await door.http.get(f"/v1/reports/{code}")
    assert answer.status_code == 200
    assert answer.json() == {
        "tracking_code": code,
        "status": "received",
        "status_text": "已收到，正在登记",
        "hub_name": None,
        "due_at": None,
        "history": [],
        "photos_before": [],
        "photos_after": [],
    }
    # People copy codes by hand: case, hyphens and letters that look alike do not matter.
    clumsy = "-".join((code[:4], code[4:8], code[8:].lower().replace("0", "o").replace("1", "l")))
    assert (await door.http.get(f"/v1/reports/{clumsy}")).json() == answer.json()


async def test_a_case_of_which_everything_happened(door: OpenDoor, book: Any) -> None:
    before, later, stranger, after, more = ("0" * 31 + digit for digit in "12345")
    filed = Filed(state="closed", photos=[before])
    filed.event(filed_event(filed.report_id))
    filed.event(_to("T1"))
    filed.event(events.CaseAccepted(), by="7f1c-account")
    filed.event(events.CommentAdded(), by="7f1c-account")
    filed.event(events.PhotosAdded(photos=(later,), kind="before"), by=f"report:{filed.report_id}")
    filed.event(events.PhotosAdded(photos=(stranger,), kind="before"), by="report:somebody-else")
    filed.event(events.WorkStarted())
    filed.event(
        events.ResolutionSubmitted(
            outcome="fixed", photos=(after,), handler_unit="works", handler_hubs=("T1",)
        ),
        by="7f1c-account",
    )
    filed.event(events.PhotosAdded(photos=(more,), kind="after"), by="7f1c-account")
    filed.event(events.VerificationAssigned(dues=()))
    filed.event(events.VerificationPassed())
    await filed.write(book)

    answer = await door.http.get(filed.url)
    assert answer.status_code == 200
    status = answer.json()
    assert status["status"] == "closed"
    assert status["status_text"] == "已核实并办结"
    assert status["hub_name"] == "东镇"
    assert status["due_at"] == "2026-11-29T09:00:00+08:00"
    assert status["photos_before"] == [f"{filed.url}/photos/{before}", f"{filed.url}/photos/{later}"]
    assert status["photos_after"] == [f"{filed.url}/photos/{after}", f"{filed.url}/photos/{more}"]
    assert [entry["text"] for entry in status["history"]] == [
        "收到您的反映",
        "已登记立案",
        "已派到东镇",
        "处理单位已接单",
        "补充了照片",
        "开始处理",
        "处理完毕",
        "已安排处理人以外的人核实",
        "核实通过，办结",
    ]
    assert status["history"][0]["at"] == "2026-11-24T09:00:00+08:00"
    assert status["history"][-1]["at"] == "2026-11-24T09:11:00+08:00"
    assert "7f1c" not in answer.text
    assert answer.headers["cache-control"] == "no-store"

    english = (
        await door.http.get(filed.url, headers={"Accept-Language": "fr, en-GB;q=0.9, zh;q=0.5"})
    ).json()
    assert english["status_text"] == "Verified and closed"
    assert [entry["text"] for entry in english["history"]][2] == "Sent to 东镇"


async def test_a_case_that_nobody_verified_in_time_does_not_read_as_verified(
    door: OpenDoor, book: Any
) -> None:
    lapsed = Filed(state="closed", unverified=True)
    await lapsed.write(book)
    said = []
    for language in ("zh", "en"):
        status = (await door.http.get(lapsed.url, headers={"Accept-Language": language})).json()
        said.append((status["status"], status["status_text"]))
    assert said == [
        ("closed", "已办结，未能按时核实"),
        ("closed", "Closed; nobody verified it in time"),
    ]


READS = {
    "triaging": "filed",
    "filed": "filed",
    "dispatched": "filed",
    "accepted": "in_progress",
    "in_progress": "in_progress",
    "rework": "in_progress",
    "suspended": "suspended",
    "resolved": "resolved",
    "verifying": "resolved",
    "closed": "closed",
    "archived": "closed",
    "need_info": "need_info",
    "attached": "attached",
    "declined": "declined",
    "redirected": "redirected",
    "withdrawn": "withdrawn",
}


async def test_every_state_reads_as_the_contract_says(door: OpenDoor, book: Any) -> None:
    for state, reads in READS.items():
        filed = Filed(state=state, hub_code="V-gone")
        await filed.write(book, citizen_due=None)
        for language in ("zh", "en"):
            status = (await door.http.get(filed.url, headers={"Accept-Language": language})).json()
            assert (status["status"], status["due_at"]) == (reads, None)
            assert status["status_text"]
            # A hub that the city no longer has is shown by its code.
            assert status["hub_name"] == "V-gone"


async def test_every_public_event_has_words_in_both_languages() -> None:
    texts = {f"event.{name}" for name in PUBLIC_EVENTS if name != "ResolutionSubmitted"} | {
        f"event.ResolutionSubmitted.{outcome}" for outcome in get_args(ResolutionOutcome)
    }
    assert set(PUBLIC_EVENTS) <= events.EVENT_TYPES.keys()
    assert WORDS.keys() == {"zh", "en"}
    assert WORDS["zh"].keys() == WORDS["en"].keys()
    told = {key for key in WORDS["zh"] if key.startswith(("event.", "status."))}
    assert told == texts | {"event.received"} | {f"status.{reads}" for reads in READS.values()} | {
        "status.received",
        "status.closed_unverified",
    }
