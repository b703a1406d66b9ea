"""What a reporter says with the tracking code, on the whole stack, and while parts of the stack are away."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from services.domain import ids
from services.domain.messages import (
    AcceptCase,
    AttachCase,
    DeclineReport,
    RequestInfo,
    StartWork,
    SubmitResolution,
    SuspendCase,
)
from services.intake.throttle import MAX_CODES, MOST, Throttle
from services.intake.words import WORDS
from tests.harness.stack import Stack, running_stack
from tests.integration.filed_report import Filed
from tests.integration.intake_door import NOWHERE, eventually, fields, open_door, problem
from tests.integration.reporter_town import DISTRICT, Reporter, Town, in_town, picture

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running_stack("voices") as one:
        yield one


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(stack: Stack) -> AsyncIterator[Town]:
    async with in_town(stack) as one:
        yield one


async def _verified_next(town: Town, outcome: Any = "fixed") -> Reporter:
    """A report whose case waits to be verified."""
    reporter = await town.reports()
    for payload in (AcceptCase(), StartWork(), SubmitResolution(outcome=outcome)):
        await reporter.staff(payload)
    return reporter


async def _words(town: Town, command_id: str) -> Any:
    return await town.book.fetchval(
        "SELECT text FROM private.command_words WHERE command_id = $1", command_id
    )


async def test_what_is_asked_is_answered_with_words_and_a_photo(town: Town) -> None:
    reporter = await town.reports(hub_code=None)
    assert problem(await reporter.says("supply_info", text="三号楼"), 409)["code"] == "not_allowed"
    await reporter.staff(RequestInfo(), hub=DISTRICT, words="几号楼？")
    asked = await reporter.status()
    assert (asked["status"], asked["question"]) == ("need_info", "几号楼？")
    assert asked["allowed"] == ["supply_info", "urge", "withdraw"]
    uploaded = await town.http.post("/v1/photos", files={"photo": ("a.jpg", picture(7), "image/jpeg")})
    photo_id = uploaded.json()["id"]
    key = str(uuid.uuid4())
    answer = await reporter.says("supply_info", key, text="三号楼东侧", photos=[photo_id])
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert [event["type"] for event in told["events"]] == ["InfoSupplied"]
    assert await _words(town, told["command_id"]) == "三号楼东侧"
    assert "三号楼" not in answer.text
    # The same key again: the same answer, and nothing is done twice.
    assert (await reporter.says("supply_info", key, text="三号楼东侧", photos=[photo_id])).json() == told
    assert len(await town.events(reporter.case_id, "InfoSupplied")) == 1
    status = await reporter.status()
    assert (status["status"], status["photos_before"]) == ("filed", [f"{reporter.url}/photos/{photo_id}"])
    assert "question" not in status
    assert (await town.http.get(status["photos_before"][0])).status_code == 200


async def test_a_reminder_is_passed_on_once_a_day(town: Town) -> None:
    reporter = await town.reports()
    key = str(uuid.uuid4())
    assert await reporter.done("urge", key, text="很急") == ["CaseUrged"]
    assert await reporter.done("urge", key, text="很急") == ["CaseUrged"]
    problem(await reporter.says("appeal", key, reason="不同意"), 409)
    refused = problem(await reporter.says("urge"), 409)
    assert refused["code"] == "not_allowed"
    assert refused["case"].pop("case_id") == reporter.case_id
    assert refused["case"] == {"seq": 3, "state": "dispatched", "allowed": ["withdraw"]}
    assert len(await town.events(reporter.case_id, "CaseUrged")) == 1
    status = await reporter.status()
    assert (status["history"][-1]["text"], status["allowed"]) == ("您催办了一次", ["withdraw"])


async def test_a_report_is_withdrawn_and_then_nobody_speaks_for_it(town: Town) -> None:
    reporter = await town.reports()
    assert await reporter.done("withdraw", reason="已经有人修了") == ["ReportWithdrawn", "CaseWithdrawn"]
    status = await reporter.status()
    assert (status["status"], status["status_text"], status["allowed"]) == ("withdrawn", "已撤回", [])
    # Also the second time, and whatever else is said then.
    for word in ("withdraw", "urge"):
        again = problem(await reporter.says(word), 409)
        assert (again["code"], again["detail"]) == ("not_allowed", "您已经撤回了这件反映。")
    page = await reporter.fills("withdraw")
    assert page.status_code == 409
    assert "没有发出：您已经撤回了这件反映。" in page.text
    # Urgent work goes on without its reporter.
    urgent = await town.reports("manhole_damaged")
    assert await urgent.done("withdraw") == ["ReportWithdrawn"]
    assert (await urgent.status())["status"] == "withdrawn"
    state = await town.book.fetchval("SELECT state FROM cases WHERE case_id = $1", urgent.case_id)
    assert state == "dispatched"


async def test_too_early_or_too_late_is_told_in_plain_words_of_the_reader(town: Town) -> None:
    reporter = await town.reports()
    plain = {
        "rate": (
            "还没有处理完，处理完以后再评价。",
            "The work is not finished yet: say how it went once it is.",
        ),
        "not_fixed": (
            "还没有处理完。处理完以后如果没修好，再告诉我们。",
            "The work is not finished yet: tell us if it is not fixed once it is.",
        ),
        "supply_info": ("现在没有要您补充的内容。", "Nothing is asked of you now."),
        "appeal": (
            "这件反映没有被退回，不用申请复核。",
            "It was not turned down, so there is nothing to appeal against.",
        ),
    }
    more = {"rate": {"resolved": "yes"}, "supply_info": {"text": "三号楼"}}
    for word, told in plain.items():
        for language, words in zip(("zh-CN", "en-GB"), told, strict=True):
            body = {"type": word, **more.get(word, {"reason": "坑还在"})}
            answer = await town.http.post(
                f"{reporter.url}/commands", json=body, headers={"Accept-Language": language}
            )
            refused = problem(answer, 409)
            assert (refused["code"], refused["detail"]) == ("not_allowed", words)
    await reporter.done("withdraw")
    other = await _verified_next(town)
    await other.done("rate", resolved=True)
    for word, words in (
        ("withdraw", "这件反映已经结束，不用撤回。"),
        ("urge", "这件反映已经结束，不用再催。"),
        ("appeal", "这件反映没有被退回，不用申请复核。"),
    ):
        told_more = {"reason": "坑还在"} if word == "appeal" else {}
        assert problem(await other.says(word, **told_more), 409)["detail"] == words


async def test_a_second_reminder_is_told_from_when_on_by_the_clock_on_the_wall(town: Town) -> None:
    """A day after the first, in the city's time, rounded up to the minute."""
    reporter = await town.reports()
    await reporter.done("urge")
    [first] = await town.events(reporter.case_id, "CaseUrged")
    again = (first["occurred_at"] + timedelta(days=1, seconds=59, microseconds=999_999)).astimezone(
        ZoneInfo("Asia/Shanghai")
    )
    zh = f"{again.month}月{again.day}日周{'一二三四五六日'[again.weekday()]} {again:%H:%M}"
    en = f"{again:%a, %b} {again.day} {again:%H:%M}"
    assert problem(await reporter.says("urge"), 409)["detail"] == f"已经催过了，{zh} 以后可以再催。"
    answer = await town.http.post(
        f"{reporter.url}/commands", json={"type": "urge"}, headers={"Accept-Language": "en"}
    )
    words = f"A reminder was sent already; you may send another from {en} on."
    assert problem(answer, 409)["detail"] == words
    assert zh in (await reporter.fills("urge")).text


async def test_a_declined_report_is_appealed_against_once(town: Town) -> None:
    reporter = await town.reports(hub_code=None)
    assert problem(await reporter.says("appeal", reason="?"), 409)["code"] == "not_allowed"
    await reporter.staff(DeclineReport(reason="outside"), hub=DISTRICT, words="内部备注")
    declined = await reporter.status()
    assert (declined["status"], declined["allowed"]) == ("declined", ["appeal"])
    assert (declined["reason_text"], declined["channel"]) == ("不在本区范围内", "苏州市 12345")
    assert "内部备注" not in str(declined)
    assert await reporter.done("appeal", reason="就在吴中") == ["DeclineAppealed"]
    status = await reporter.status()
    assert (status["status"], status["status_text"]) == ("filed", "您的申诉由吴中区复核")
    await reporter.staff(DeclineReport(reason="outside"), hub=DISTRICT)
    assert (await reporter.status())["allowed"] == []
    twice = problem(await reporter.says("appeal", reason="还是"), 409)
    assert (twice["code"], twice["detail"]) == ("not_allowed", "已经复核过一次，不能再申请。")


async def test_who_reported_it_confirms_that_it_is_fixed(town: Town) -> None:
    for yes in (True, "yes"):
        reporter = await _verified_next(town)
        assert (await reporter.status())["allowed"] == ["rate", "not_fixed", "urge"]
        key = str(uuid.uuid4())
        assert await reporter.done("rate", key, resolved=yes) == ["VerificationPassed"]
        # Closed meanwhile, where the same word would be another command: the key decides.
        assert await reporter.done("rate", key, resolved=yes) == ["VerificationPassed"]
        status = await reporter.status()
        assert (status["status"], status["answer"], status["history"][-1]["text"]) == (
            *("closed", "yes", "您确认修好了，办结"),
        )
        assert await town.events(reporter.case_id, "CallbackRecorded") == []
    assert await reporter.done("rate", resolved="partly", satisfaction=4) == ["CallbackRecorded"]
    status = await reporter.status()
    assert (status["answer"], status["satisfaction"]) == ("partly", 4)


async def test_how_content_the_reporter_is_is_kept_though_a_verification_cannot_hold_it(town: Town) -> None:
    reporter = await _verified_next(town)
    assert await reporter.done("rate", resolved=True, satisfaction=5) == ["VerificationPassed"]

    async def kept() -> bool:
        return (await reporter.status()).get("satisfaction") == 5

    await eventually(kept)


async def test_what_is_not_fixed_goes_back_to_work_with_the_reason(town: Town) -> None:
    reporter = await _verified_next(town)
    half = problem(await reporter.says("rate", resolved="partly"), 409)
    assert "not_fixed" in half["detail"]
    assert half["case"]["state"] == "verifying"
    answer = await reporter.says("not_fixed", reason="还有半边没修")
    assert [event["type"] for event in answer.json()["events"]] == ["VerificationFailed"]
    assert await _words(town, answer.json()["command_id"]) == "还有半边没修"
    status = await reporter.status()
    assert (status["status"], status["status_text"]) == ("in_progress", "没有通过核实，越溪街道重新处理")


async def test_who_joined_when_the_work_was_in_hand_is_told_why_others_confirm_it(town: Town) -> None:
    first, late = await town.reports(), await town.reports()
    await first.staff(AcceptCase())
    await late.staff(AttachCase(to_case_id=first.case_id))
    for payload in (StartWork(), SubmitResolution(outcome="fixed")):
        await first.staff(payload)
    assert (await late.status())["allowed"] == ["not_fixed", "urge"]
    zh = "您反映时，这个问题已经在处理了，所以修没修好要由别人来确认。如果没修好，请告诉我们哪里还没好。"
    en = (
        "The work was already under way when your report came, so others have to confirm that it is fixed."
        " If it is not fixed, tell us what is still wrong."
    )
    for language, words in (("zh-CN", zh), ("en-GB", en)):
        answer = await town.http.post(
            f"{late.url}/commands",
            json={"type": "rate", "resolved": "yes"},
            headers={"Accept-Language": language},
        )
        refused = problem(answer, 409)
        assert (refused["code"], refused["detail"]) == ("not_allowed", words)
    page = await late.fills("rate", resolved="yes")
    assert page.status_code == 409
    assert f"没有发出：{zh}" in page.text
    # What it is told to do instead, it may do; and who was there first still confirms.
    half = problem(await late.says("rate", resolved="partly"), 409)
    assert half["detail"] == WORDS["zh"]["refused.rate.verifying"]
    assert await late.done("not_fixed", reason="还有半边没修") == ["VerificationFailed"]


async def test_what_was_closed_and_is_still_there_is_opened_again(town: Town) -> None:
    reporter = await _verified_next(town, "unfounded")
    assert (await reporter.status())["status_text"] == "查后认为不属实，等待他人核实"
    await reporter.done("rate", resolved=True)
    assert await reporter.done("rate", resolved=False, satisfaction=1) == ["CallbackRecorded"]
    assert await reporter.done("not_fixed", reason="又塌了") == ["CaseReopened"]
    status = await reporter.status()
    assert (status["status"], status["history"][-1]["text"]) == ("filed", "您说问题还在，重新办理")
    # What was said of the cycle before is no answer to this one.
    assert "answer" not in status
    assert problem(await reporter.says("not_fixed", reason="又"), 409)["code"] == "not_allowed"


async def test_who_is_waited_for_answers_and_work_goes_on(town: Town) -> None:
    reporter = await town.reports()
    for payload in (AcceptCase(), StartWork(), SuspendCase(reason="waiting_for_reporter")):
        await reporter.staff(payload)
    status = await reporter.status()
    assert (status["status"], status["reason"]) == ("suspended", "waiting_for_reporter")
    assert status["allowed"] == ["supply_info", "urge", "withdraw"]
    assert await reporter.done("supply_info", text="下午在家") == ["CaseResumed"]
    assert (await reporter.status())["status"] == "in_progress"
    told = [entry["text"] for entry in (await reporter.status())["history"][-2:]]
    assert told == ["暂停处理", "继续处理"]


async def test_every_bad_command_names_its_field(town: Town) -> None:
    reporter = await town.reports()
    for body, field in (
        ({"type": "fly"}, "type"),
        ({}, "type"),
        ({"type": "accept"}, "type"),
        ({"type": "urge", "expected_seq": 2}, "expected_seq"),
        ({"type": "urge", "text": "字" * 2001}, "text"),
        ({"type": "urge", "text": "a\0b"}, "text"),
        ({"type": "supply_info"}, "text"),
        ({"type": "supply_info", "text": " "}, "text"),
        ({"type": "supply_info", "text": "x", "photos": ["0" * 32]}, "photos[0]"),
        ({"type": "supply_info", "text": "x", "photos": ["0" * 32] * 7}, "photos"),
        ({"type": "appeal"}, "reason"),
        ({"type": "not_fixed", "reason": ""}, "reason"),
        ({"type": "rate"}, "resolved"),
        ({"type": "rate", "resolved": "perhaps"}, "resolved"),
        ({"type": "rate", "resolved": "yes", "satisfaction": 6}, "satisfaction"),
        ({"type": "rate", "resolved": "yes", "satisfaction": True}, "satisfaction"),
    ):
        assert fields(await town.http.post(f"{reporter.url}/commands", json=body)) == [field], body
    assert fields(await reporter.says("urge", "not a key")) == ["Idempotency-Key"]
    form = await town.http.post(f"{reporter.url}/commands", data={"type": "urge"})
    assert fields(form) == ["Content-Type"]
    foreign = {"Origin": "https://elsewhere.example"}
    answer = await town.http.post(f"{reporter.url}/commands", json={"type": "urge"}, headers=foreign)
    assert problem(answer, 403)["code"] == "foreign_origin"
    assert await town.events(reporter.case_id, "CaseUrged") == []


async def test_a_code_that_is_not_ours_and_one_that_is_not_in_the_book_yet(town: Town) -> None:
    answer = await town.http.post("/v1/reports/0000000000000000/commands", json={"type": "urge"})
    assert problem(answer, 404)["code"] == "not_found"
    early = ids.tracking_code(town.secret, str(uuid.uuid4()))
    answer = await town.http.post(f"/v1/reports/{early}/commands", json={"type": "urge"})
    problem(answer, 503)
    assert int(answer.headers["retry-after"]) >= 1


async def test_of_one_code_so_much_is_taken_in_a_minute(town: Town) -> None:
    reporter, other = await town.reports(), await town.reports()
    key = str(uuid.uuid4())
    for _ in range(MOST):
        assert (await reporter.says("urge", key)).status_code == 200
    answer = await reporter.says("urge", key)
    assert problem(answer, 429)["code"] == "too_many_requests"
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert await other.done("urge") == ["CaseUrged"]


async def test_the_bound_of_a_minute_reckoned_by_hand() -> None:
    throttle = Throttle()
    for second in range(MOST):
        assert throttle.try_now(1, float(second)) == 0
    assert throttle.try_now(1, 20.0) == 40.0
    assert throttle.try_now(2, 20.0) == 0
    assert throttle.try_now(1, 60.0) == 0
    assert throttle.try_now(1, 60.5) == 0.5
    for code in range(MAX_CODES + 5):
        throttle.try_now(code, 100.0)
    assert len(throttle._said) == MAX_CODES


@contextlib.contextmanager
def _frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_while_nobody_decides_the_answer_is_where_to_ask(town: Town, stack: Stack) -> None:
    reporter, other = await town.reports(), await town.reports()
    pid = stack.pid("router")
    assert pid is not None
    with _frozen(pid):
        begun = time.monotonic()
        answer = await reporter.says("urge")
        assert 2 < time.monotonic() - begun < 8
        assert answer.status_code == 202, answer.text
        told = answer.json()
        assert told["outcome_url"] == f"{reporter.url}/commands/{told['command_id']}"
        assert answer.headers["location"] == told["outcome_url"]
        pending = (await town.http.get(told["outcome_url"])).json()
        assert pending == {"command_id": told["command_id"], "outcome": "pending", "events": []}
        form = await reporter.fills("withdraw")
        assert form.headers["location"] == f"/r/{reporter.code}?said=pending"

    async def decided() -> Any:
        outcome = (await town.http.get(told["outcome_url"])).json()
        return outcome if outcome["outcome"] != "pending" else None

    outcome = await eventually(decided)
    assert (outcome["outcome"], [e["type"] for e in outcome["events"]]) == ("applied", ["CaseUrged"])
    # It is nobody else's to ask for, and no id is no command.
    theirs = f"{other.url}/commands/{told['command_id']}"
    assert (await town.http.get(theirs)).json()["outcome"] == "pending"
    problem(await town.http.get(f"{other.url}/commands/nonsense"), 404)
    refused = await other.says("appeal", reason="x")
    asked = await town.http.get(f"{other.url}/commands/{refused.json()['command_id']}")
    told = asked.json()
    assert (told["outcome"], told["code"], told["detail"]) == (
        *("refused", "not_allowed", "按现在的情况，不能这样做。"),
    )


async def test_the_forms_of_the_page_do_the_same_without_a_script(town: Town) -> None:
    reporter = await _verified_next(town)
    page = await town.http.get(f"/r/{reporter.code}")
    version = page.headers["etag"]
    assert page.headers["cache-control"] == "no-store"
    again = await town.http.get(f"/r/{reporter.code}", headers={"If-None-Match": version})
    assert (again.status_code, again.content) == (304, b"")
    # Without words it is said what is missing; nothing that was chosen is lost.
    bare = await reporter.fills("not_fixed", reason="  ")
    assert bare.status_code == 422
    assert WORDS["zh"]["trouble.words"] in bare.text
    long = await reporter.fills("not_fixed", reason="还有<b>坑" + "字" * 2000)
    assert long.status_code == 422
    assert "还有&lt;b&gt;坑" in long.text
    foreign = await town.http.post(
        f"/r/{reporter.code}", data={"type": "rate"}, headers={"Origin": "https://elsewhere.example"}
    )
    assert foreign.status_code == 403
    assert (await town.http.post(f"/r/{reporter.code}", json={"type": "rate"})).status_code == 415
    assert (await town.http.post("/r/0000000000000000", data={"type": "urge"})).status_code == 404

    fixed = await reporter.fills("rate", resolved="yes", satisfaction="")
    assert (fixed.status_code, fixed.headers["location"]) == (303, f"/r/{reporter.code}?said=rate")
    told = await town.http.get(fixed.headers["location"])
    assert WORDS["zh"]["said.rate"] in told.text
    assert "<h1>已核实并办结</h1>" in told.text
    # Another telephone still shows the forms of before.
    late = await reporter.fills("withdraw")
    assert late.status_code == 409
    assert "没有发出：这件反映已经结束，不用撤回。" in late.text
    content = await reporter.fills("rate", resolved="yes", satisfaction="5")
    assert content.status_code == 303
    assert (await reporter.status())["satisfaction"] == 5
    assert "很满意" in (await town.http.get(f"/r/{reporter.code}")).text
    assert (await town.http.get(f"/r/{reporter.code}", headers={"If-None-Match": version})).status_code == 200


async def test_the_same_form_sent_twice_is_one_command(town: Town) -> None:
    reporter = await town.reports()
    key = str(uuid.uuid4())
    for _ in range(2):
        sent = await reporter.fills("urge", key=key)
        assert sent.headers["location"] == f"/r/{reporter.code}?said=urge"
    assert len(await town.events(reporter.case_id, "CaseUrged")) == 1


async def test_while_the_book_is_away_nothing_is_sent(broker: str, tmp_path: Path) -> None:
    async with open_door(broker, NOWHERE, tmp_path) as door:
        code = Filed().code
        answer = await door.http.post(f"/v1/reports/{code}/commands", json={"type": "urge"})
        problem(answer, 503)
        assert int(answer.headers["retry-after"]) >= 1
        page = await door.http.post(f"/r/{code}", data={"type": "urge"})
        assert page.status_code == 503
        assert "<h1>现在查不到</h1>" in page.text


@pytest.mark.long
async def test_while_the_broker_is_away_it_is_a_503_and_the_same_key_does_it_once(
    town: Town, stack: Stack
) -> None:
    reporter = await town.reports()
    pid = stack.pid("kafka")
    assert pid is not None
    key = str(uuid.uuid4())
    with _frozen(pid):
        answer = await reporter.says("urge", key)
        assert problem(answer, 503)["code"] == "not_confirmed"
        assert int(answer.headers["retry-after"]) >= 1
        page = await reporter.fills("urge")
        assert page.status_code == 503
        assert WORDS["zh"]["trouble.away"] in page.text

    async def done() -> bool:
        return (await reporter.says("urge", key)).status_code == 200

    await eventually(done, 30)
    assert len(await town.events(reporter.case_id, "CaseUrged")) == 1
