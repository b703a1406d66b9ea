"""GET /v1/reports/{tracking_code}: what the book says, in the words of the public."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from services.adapters.public_status import PUBLIC_EVENTS
from services.domain import events
from services.domain.messages import CallbackAnswer, ResolutionOutcome
from services.intake.words import WORDS
from tests.integration.filed_report import AT, Filed, filed_event
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
        "allowed": [],
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
    assert set(PUBLIC_EVENTS) <= events.EVENT_TYPES.keys()
    assert WORDS.keys() == {"zh", "en"}
    assert WORDS["zh"].keys() == WORDS["en"].keys()
    told = WORDS["zh"].keys()
    said_by_variant = {"ResolutionSubmitted": ResolutionOutcome, "CallbackRecorded": CallbackAnswer}
    for name in PUBLIC_EVENTS:
        variants = get_args(said_by_variant[name]) if name in said_by_variant else ()
        assert {f"event.{name}.{one}" for one in variants} <= told
        assert f"event.{name}" in told or variants, name
    assert {f"status.{reads}" for reads in READS.values()} | {"status.received", "status.other"} <= told
    assert {key.split(".")[1] for key in told if key.startswith("event.")} == {*PUBLIC_EVENTS, "received"}


def _told(status: Any) -> list[str]:
    return [entry["text"] for entry in status["history"]]


async def _read(door: OpenDoor, filed: Filed, language: str = "zh") -> Any:
    answer = await door.http.get(filed.url, headers={"Accept-Language": language})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_what_is_asked_may_be_read_and_answered_by_the_reporter_alone(
    door: OpenDoor, book: Any
) -> None:
    asked = Filed(state="need_info")
    asked.event(events.InfoRequested(dues=()), by="7f1c-account")
    asked.event(events.InfoSupplied(photos=(), reopened=()), by=f"report:{asked.report_id}")
    asked.event(events.InfoRequested(dues=()), by="7f1c-account")
    await asked.write(book)
    commands = await book.fetch("SELECT seq, command_id FROM events WHERE case_id = $1", asked.case_id)
    for seq, words in ((1, "几号楼？"), (3, "几层？"), (2, "三号楼")):
        command = next(row["command_id"] for row in commands if row["seq"] == seq)
        await book.execute(
            "INSERT INTO private.command_words (command_id, case_id, text) VALUES ($1, $2, $3)",
            *(command, asked.case_id, words),
        )
    status = await _read(door, asked)
    assert (status["status"], status["question"]) == ("need_info", "几层？")
    assert status["allowed"] == ["supply_info", "urge", "withdraw"]
    assert _told(status)[1:] == ["请您补充信息", "您补充了信息", "请您补充信息"]
    # Once it is answered it is no longer asked.
    await book.execute("UPDATE cases SET state = 'triaging' WHERE case_id = $1", asked.case_id)
    assert "question" not in await _read(door, asked)


async def test_a_declined_report_says_why_where_else_and_how_to_appeal_in_time(
    door: OpenDoor, book: Any
) -> None:
    declined = Filed(state="declined", side={"reason": "outside"})
    declined.event(events.ReportDeclined(reason="outside", channel="12345"))
    await declined.write(book)
    status = await _read(door, declined)
    assert (status["reason"], status["reason_text"], status["channel"]) == ("outside", "界外", "12345")
    assert (await _read(door, declined, "en"))["reason_text"] == "Outside"
    for days, allowed in ((-6, ["appeal"]), (-8, [])):
        closed_at = datetime.now(UTC) + timedelta(days=days)
        await book.execute("UPDATE cases SET closed_at = $2 WHERE case_id = $1", declined.case_id, closed_at)
        assert (await _read(door, declined))["allowed"] == allowed
    gone = Filed(state="declined", side={"reason": "a reason of an older city", "appealed": True})
    await gone.write(book)
    status = await _read(door, gone)
    assert (status["reason"], status["allowed"]) == ("a reason of an older city", [])
    assert "reason_text" not in status


async def test_a_redirected_report_says_whom_to_call_and_their_receipt(door: OpenDoor, book: Any) -> None:
    redirected = Filed(state="redirected", side={"reason": "119"})
    redirected.event(events.ReportRedirected(to="119", receipt="A-7"))
    await redirected.write(book)
    status = await _read(door, redirected)
    assert (status["call"], status["call_name"], status["receipt"]) == ("119", "火警", "A-7")
    assert (_told(status)[-1], status["allowed"]) == ("已转告 119", [])


async def test_a_suspended_case_says_why_and_who_is_waited_for_may_answer(door: OpenDoor, book: Any) -> None:
    said = []
    for reason in ("weather", "waiting_for_reporter", "a reason that is new"):
        stands = Filed(state="suspended", side={"suspension": reason})
        await stands.write(book)
        status = await _read(door, stands)
        said.append((status["reason"], status["reason_text"], "supply_info" in status["allowed"]))
        assert status["status"] == "suspended"
    assert said == [
        ("weather", "天气原因", False),
        ("waiting_for_reporter", "处理单位需要您的回复或配合", True),
        ("a reason that is new", "条件暂不具备", False),
    ]


async def test_an_extension_moves_the_promise_and_keeps_the_first(door: OpenDoor, book: Any) -> None:
    extended = Filed(state="in_progress")
    await extended.write(book)
    assert "original_due_at" not in await _read(door, extended)
    await book.execute(
        """
        INSERT INTO deadlines (case_id, clock, stage, set_seq, limit_text, start_at, due_at, official, pauses,
            extended_by, original_due_at)
        VALUES ($1, 'citizen', 'resolve', 9, '5WD OFF', $2, $3, true, '{}', '5WD OFF', $4)
        """,
        *(extended.case_id, AT, AT + timedelta(days=12), AT + timedelta(days=5)),
    )
    status = await _read(door, extended)
    assert (status["due_at"], status["original_due_at"]) == (
        *("2026-12-06T09:00:00+08:00", "2026-11-29T09:00:00+08:00"),
    )


async def test_a_merged_report_reads_as_the_case_it_stands_with_from_then_on(
    door: OpenDoor, book: Any
) -> None:
    first, mine = Filed(state="dispatched"), Filed(state="attached")
    first.event(filed_event(first.report_id))
    first.event(_to("T1"))
    first.event(events.ReportAdded(report_id="somebody-else"))
    first.event(events.ReportAdded(report_id=mine.report_id, from_case_id=mine.case_id))
    first.event(events.CaseAccepted())
    first.event(events.CaseUrged(report_id=first.report_id), by=f"report:{first.report_id}")
    mine.event(events.PhotosAdded(photos=("1" * 32,), kind="before"), by=f"report:{mine.report_id}")
    mine.event(filed_event(mine.report_id))
    mine.event(_to("T1"))
    mine.event(events.ReportAttached(to_case_id=first.case_id))
    first.side = {"attached": [{"report_id": mine.report_id, "from_case_id": mine.case_id}]}
    await first.write(book)
    await mine.write(book)
    await book.execute("UPDATE reports SET case_id = $2 WHERE report_id = $1", mine.report_id, first.case_id)
    status = await _read(door, mine)
    assert (status["status"], status["merged"]) == ("attached", True)
    assert status["status_text"] == "与先前反映的同一问题合并，由东镇安排处理"
    assert _told(status) == [
        *("收到您的反映", "补充了照片", "已登记立案", "已派到东镇", "与先前反映的同一问题合并"),
        "处理单位已接单",
    ]
    assert status["photos_before"] == [f"{mine.url}/photos/{'1' * 32}"]
    assert status["allowed"] == ["urge", "withdraw"]
    await book.execute("UPDATE cases SET state = 'in_progress' WHERE case_id = $1", first.case_id)
    status = await _read(door, mine)
    assert (status["status"], status["merged"], status["status_text"]) == (
        "in_progress",
        True,
        "东镇正在处理",
    )
    # The first reporter reads nothing of the second.
    theirs = await _read(door, first)
    assert "merged" not in theirs
    assert _told(theirs) == ["收到您的反映", "已登记立案", "已派到东镇", "处理单位已接单", "您催办了一次"]


async def test_who_withdrew_reads_nothing_of_what_came_after(door: OpenDoor, book: Any) -> None:
    left = Filed(state="in_progress")
    left.side = {"gone": [left.report_id]}
    left.event(filed_event(left.report_id))
    left.event(events.ReportWithdrawn(report_id="somebody-else"), by="report:somebody-else")
    left.event(events.ReportWithdrawn(report_id=left.report_id), by=f"report:{left.report_id}")
    left.event(events.WorkStarted())
    await left.write(book)
    status = await _read(door, left)
    assert (status["status"], status["allowed"]) == ("withdrawn", [])
    assert _told(status) == ["收到您的反映", "已登记立案", "您撤回了反映"]


async def test_the_parts_of_a_case_are_told_by_number_name_and_state(door: OpenDoor, book: Any) -> None:
    parts = []
    for number, state, hub_code, confidential in (
        ("261124-A", "accepted", "V11", False),
        ("261124-B", "verifying", "T2", True),
        ("261124-C", "closed", "T2", True),
        ("261124-D", "levitating", "T2", False),
    ):
        part = Filed(state=state)
        await part.write(book)
        own = {"case_id": part.case_id, "number": number, "state": state, "hub_code": hub_code}
        whose = {"required": True, "confidential": confidential, "owner": "works", "owner_hub_code": "T1"}
        parts.append({**own, **whose})
    whole = Filed(state="in_progress", side={"parts": parts})
    await whole.write(book)
    told = (await _read(door, whole, "en"))["parts"]
    assert [tuple(part.values()) for part in told] == [
        ("261124-A", "Pothole", "东一", "in_progress", "东一 is working on it"),
        # Of a confidential one no more than that it is there, and whether it has ended.
        ("261124-B", None, None, "in_progress", "Under way"),
        ("261124-C", None, None, "closed", "Closed"),
        ("261124-D", "Pothole", "西镇", "levitating", "Under way"),
    ]
    assert told[0].keys() == {"number", "name", "hub_name", "status", "status_text"}


async def test_how_it_ended_is_said_as_it_was(door: OpenDoor, book: Any) -> None:
    said = {}
    for outcome in ("fixed", "gone_on_arrival", "unfounded", "not_feasible", "no_response", "new"):
        ended = Filed(state="closed", outcome=outcome)
        await ended.write(book)
        said[outcome] = (await _read(door, ended))["status_text"]
    assert said == {
        "fixed": "已核实并办结",
        "gone_on_arrival": "已核实：问题已不在，办结",
        "unfounded": "已核实：不属实，办结",
        "not_feasible": "已核实：目前办不了，办结",
        "no_response": "没有等到您的回复，已办结",
        "new": "已核实并办结",
    }


async def test_milestones_that_the_resolution_met_do_not_read_as_if_somebody_had_been_there(
    door: OpenDoor, book: Any
) -> None:
    been = Filed(state="verifying")
    been.event(events.WorkStarted())
    been.event(events.MilestoneReached(stage="on_site", photos=()))
    been.event(events.MilestoneReached(stage="a stage that is new", photos=()))
    await been.write(book)
    assert _told(await _read(door, been))[2:] == ["已有人到场", "处理有进展"]
    claimed = Filed(state="verifying")
    claimed.event(events.WorkStarted())
    claimed.event(
        events.ResolutionSubmitted(outcome="unfounded", photos=(), handler_unit=None, handler_hubs=("T1",))
    )
    await claimed.write(book)
    await book.execute(
        "UPDATE deadlines SET stage = 'on_site', met_at = $2 WHERE case_id = $1 AND clock = 'owner'",
        *(claimed.case_id, AT),
    )
    assert _told(await _read(door, claimed))[1:] == ["开始处理", "经查不属实"]


async def test_what_a_newer_router_wrote_does_not_break_the_page(door: OpenDoor, book: Any) -> None:
    newer = Filed(state="levitating", side={"triage": "a reason of tomorrow", "surge": "gone", "later": 1})
    newer.event(events.CaseAccepted())
    newer.event(events.CallbackRecorded(resolved="yes", satisfaction=None, by_reporter=True))
    await newer.write(book)
    await book.execute(
        """UPDATE events SET payload = '{"resolved": "perhaps", "by_reporter": true}', actor_ref = $2
           WHERE case_id = $1 AND seq = 2""",
        *(newer.case_id, f"report:{newer.report_id}"),
    )
    await book.execute(
        """INSERT INTO events (case_id, seq, type, occurred_at, actor_ref, command_id, cycle, city_version,
               payload)
           VALUES ($1, 3, 'CaseTeleported', $2, 'system', $1, 1, 1, '{}')""",
        *(newer.case_id, AT),
    )
    for language in ("zh", "en"):
        status = await _read(door, newer, language)
        assert status["status"] == "levitating"
        assert status["status_text"] == WORDS[language]["status.other"]
        assert len(status["history"]) == 2
        assert (await door.http.get(f"/r/{newer.code}?lang={language}")).status_code == 200


async def test_what_the_reporter_may_say_in_each_state(door: OpenDoor, book: Any) -> None:
    said = {}
    for state in READS:
        filed = Filed(state=state)
        await filed.write(book)
        if state in ("closed", "declined"):
            await book.execute(
                "UPDATE cases SET closed_at = $2 WHERE case_id = $1", filed.case_id, datetime.now(UTC)
            )
        said[state] = (await _read(door, filed))["allowed"]
    on_its_way = ["urge", "withdraw"]
    assert said == {
        **dict.fromkeys(("triaging", "filed", "dispatched", "accepted", "in_progress"), on_its_way),
        **dict.fromkeys(("suspended", "rework"), on_its_way),
        "need_info": ["supply_info", "urge", "withdraw"],
        # Nobody waits in resolved: a verifier is named in the same decision.
        "resolved": ["urge"],
        "verifying": ["rate", "not_fixed", "urge"],
        "closed": ["rate", "not_fixed"],
        "declined": ["appeal"],
        **{state: [] for state in ("archived", "attached", "redirected", "withdrawn")},
    }


async def test_a_reminder_may_be_sent_once_in_the_citys_while(door: OpenDoor, book: Any) -> None:
    for hours, allowed in ((23, False), (25, True)):
        urged = datetime.now(UTC) - timedelta(hours=hours)
        filed = Filed(state="dispatched", side={"urged_at": urged.isoformat()})
        await filed.write(book)
        assert ("urge" in (await _read(door, filed))["allowed"]) == allowed
