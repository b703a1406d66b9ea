"""A form of the case page that was not taken: sent again it is the same command, corrected it is another.

Why it was not is told in the reader's language, and what would be refused anyway is not offered.
"""

from __future__ import annotations

import pytest
from playwright.async_api import Route, expect

from services.domain.messages import AcceptCase, RequestExtension, StartWork
from tests.browser.busy_town import TOWN, BusyTown
from tests.browser.conftest import OpenVisit
from tests.browser.judged import no_fault
from tests.browser.visit import Language, Look
from tests.harness.stack import Stack
from tests.integration import reporter_town

REFUSED = {"status": 422, "code": "invalid", "errors": [{"field": "text", "message": "made up"}]}
PASSED = "the due has passed meanwhile, and a breach is not mended: refuse it"


async def test_what_is_corrected_is_not_answered_with_the_old_refusal(
    visit: OpenVisit, town: BusyTown
) -> None:
    desk = await visit(forgiven=[r"status of 422"])
    page = desk.page
    keys: list[str] = []

    async def refuse(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        await route.fulfill(status=422, json=REFUSED)

    await page.route("**/commands", refuse)
    await desk.sign_in(TOWN)
    await desk.go("board", f"/cases/{town.cases['accepted']}")
    await page.get_by_role("button", name="补充说明", exact=True).click()
    text, send = page.get_by_label("内容"), page.get_by_role("button", name="确定", exact=True)
    await text.fill("路边有一堆砖")
    for sent in (1, 2):
        await send.click()
        await expect(page.get_by_text("made up")).to_be_visible()
        await expect(send).to_be_enabled()
        assert len(keys) == sent
    await text.fill("路边有两堆砖")
    await send.click()
    await expect(send).to_be_enabled()
    assert len(keys) == 3
    assert keys[0] == keys[1] != keys[2]


async def test_the_domain_says_why_not_in_the_words_of_the_reader(visit: OpenVisit, town: BusyTown) -> None:
    desk = await visit(forgiven=[r"status of 422"])
    page = desk.page
    await desk.sign_in(TOWN)
    await desk.go("board", f"/cases/{town.cases['accepted']}")
    await page.locator("#buttons summary").click()
    await page.get_by_role("button", name="改类别", exact=True).click()
    await page.get_by_role("button", name="确定", exact=True).click()
    await expect(page.locator("#result")).to_have_text("内容有误：案件已经是这个类别。")


NOT_NOW = "现在不能这样做：{}。案件已重新读取。"
NOT_NOW_EN = "That is not possible now: {}. The case was read again."
FORBIDDEN = "a case is given within your own hub and below; ask the tier above"
PASSED_EN = "the owner's due has passed, and more time does not mend that; it can only be refused"


@pytest.mark.parametrize(
    ("language", "status", "code", "detail", "told"),
    [
        ("zh", 409, "not_allowed", PASSED, NOT_NOW.format("承办时限已过，超时不能用延期补救，只能不同意")),
        ("zh", 409, "not_allowed", "made up", NOT_NOW.format("系统给出的原因（英文）：made up")),
        ("zh", 403, "forbidden", FORBIDDEN, "您没有权限这样做：只能派给本枢纽及以下，请找上级。"),
        ("en", 409, "not_allowed", PASSED, NOT_NOW_EN.format(PASSED_EN)),
        ("en", 409, "not_allowed", "made up", NOT_NOW_EN.format("made up")),
    ],
)
async def test_a_refusal_is_shown_with_its_reason(
    visit: OpenVisit, town: BusyTown, language: Language, status: int, code: str, detail: str, told: str
) -> None:
    desk = await visit(Look(language=language), forgiven=[rf"status of {status}"])
    page = desk.page

    async def refuse(route: Route) -> None:
        body = {"status": status, "code": code, "detail": detail, "errors": []}
        await route.fulfill(status=status, json=body)

    await page.route("**/commands", refuse)
    await desk.sign_in(TOWN)
    await desk.go("board", f"/cases/{town.cases['accepted']}")
    await page.locator("#buttons [data-do=comment]").click()
    await page.locator("#form textarea").fill("路边有一堆砖")
    await page.locator("#form .primary").click()
    await expect(page.locator("#result")).to_have_text(told)


async def test_past_the_due_an_extension_can_only_be_refused(visit: OpenVisit, stack: Stack) -> None:
    """First in time, where both are offered; then the page reads the case as it stands a while later."""
    async with reporter_town.in_town(stack) as people:
        reporter = await people.reports()
        for payload in (AcceptCase(), StartWork(), RequestExtension(limit="3WD OFF")):
            await reporter.staff(payload)
    desk = await visit()
    page = desk.page
    await desk.sign_in(reporter_town.TOWN)
    path = f"/cases/{reporter.case_id}"
    why = page.get_by_text("承办时限已过，超时不能用延期补救，只能不同意。")
    answers = page.get_by_role("combobox", name="决定").locator("option")

    async def decides() -> None:
        await desk.go("board", path)
        await page.get_by_role("button", name="审批延期", exact=True).click()

    await decides()
    await expect(answers).to_have_text(["同意", "不同意"])
    await expect(why).to_have_count(0)

    async def later(route: Route) -> None:
        answer = await route.fetch()
        body = await answer.json()
        for due in body["case"]["dues"]:
            if (due["clock"], due["stage"]) == ("owner", "resolve"):
                due["due_at"] = body["as_of"]
        await route.fulfill(response=answer, json=body)

    await page.route(f"**/v1{path}", later)
    await decides()
    await expect(answers).to_have_text(["不同意"])
    await expect(why).to_be_visible()
    await no_fault(desk, "decide-extension past the due")
    await page.get_by_role("button", name="确定", exact=True).click()
    await expect(page.locator("#result")).to_have_text("审批延期：已完成。")
    async with reporter_town.in_town(stack) as people:
        assert len(await people.events(reporter.case_id, "ExtensionRefused")) == 1


async def test_a_form_that_is_no_longer_possible_says_that_the_case_has_changed(
    visit: OpenVisit, stack: Stack
) -> None:
    """Joining it to another is being written when the unit accepts it."""
    desk = await visit()
    page = desk.page
    await desk.sign_in(reporter_town.TOWN)
    async with reporter_town.in_town(stack) as people:
        reporter = await people.reports()
        await desk.go("board", f"/cases/{reporter.case_id}")
        await page.locator("#buttons summary").click()
        await page.get_by_role("button", name="并案", exact=True).click()
        await expect(page.locator("#form form")).to_be_visible()
        await reporter.staff(AcceptCase())
    await expect(page.locator("#result")).to_have_text("案件刚刚有变化，已重新读取，请看过后再做。")
    await expect(page.locator("#form form")).to_have_count(0)
