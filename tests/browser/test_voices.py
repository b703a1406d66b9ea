"""The tracking page as a place to speak: confirm, send back, answer, rate, withdraw; in every look."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import OpenPhone
from tests.browser.judged import judge, no_fault
from tests.browser.reports_of_every_kind import QUESTION, asked, every_kind, to_verify
from tests.browser.street_photos import manhole
from tests.browser.visit import LOOKS, Look
from tests.harness.stack import Stack
from tests.integration.reporter_town import Reporter, Town, in_town

THUMB = 56
"""The smallest that a finger in a glove hits, in pixels."""
FORBIDDEN = r"status of (403|409|422|503) .*/r/"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def people(stack: Stack) -> AsyncIterator[Town]:
    async with in_town(stack) as one:
        yield one


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def codes(people: Town) -> dict[str, str]:
    return await every_kind(people)


async def _heading(page: Page, words: str) -> None:
    await expect(page.get_by_role("heading", level=1)).to_have_text(words)


@pytest.mark.parametrize("look", LOOKS, ids=str)
async def test_wherever_a_report_is_its_page_is_without_fault(
    phone: OpenPhone, codes: dict[str, str], look: Look
) -> None:
    one = await phone(look)
    for where, code in codes.items():
        await one.open(f"/r/{code}")
        await expect(one.page.locator("#tracking")).to_be_visible()
        await judge(one.visit, f"tracking-{where}")
        for target in await one.page.locator("#voice :is(button, summary, .choice):visible").all():
            box = await target.bounding_box()
            assert box is not None
            assert box["height"] >= THUMB, await target.text_content()
        folded = one.page.locator("#voice details:not([open]) > summary")
        while await folded.count():
            await folded.first.click()
        await no_fault(one.visit, f"tracking-{where} unfolded")


async def test_fixed_is_one_tap_and_then_how_content(phone: OpenPhone, people: Town) -> None:
    reporter = await to_verify(people)
    one = await phone()
    await one.open(f"/r/{reporter.code}")
    await _heading(one.page, "已处理，等待他人核实")
    await expect(one.page.get_by_role("img", name="处理后照片 1")).to_be_visible()
    button = one.page.get_by_role("button", name="修好了")
    await expect(button).to_be_in_viewport()
    await one.visit.mark()
    await one.tap(button)
    await _heading(one.page, "已核实并办结")
    await expect(one.page.get_by_role("status")).to_have_text("谢谢，您的话已记下。")
    await one.tap(one.page.get_by_role("radio", name="很满意"))
    await one.tap(one.page.get_by_role("button", name="提交评价"))
    await expect(one.page.get_by_text("您的评价：解决了 · 很满意")).to_be_visible()
    assert one.taps == 3
    assert await one.visit.is_the_same_page()
    status = await reporter.status()
    assert (status["status"], status["answer"], status["satisfaction"]) == ("closed", "yes", 5)


async def test_not_fixed_goes_back_with_the_reason(phone: OpenPhone, people: Town) -> None:
    reporter = await to_verify(people)
    one = await phone()
    await one.open(f"/r/{reporter.code}")
    await one.tap(one.page.get_by_text("没修好"))
    await one.page.get_by_label("哪里还没好？").fill("还有半边")
    await one.tap(one.page.get_by_role("button", name="退回重新处理"))
    await _heading(one.page, "没有通过核实，越溪街道重新处理")
    await expect(one.page.get_by_text("您说没修好，退回重新处理")).to_be_visible()
    await expect(one.page.get_by_role("status")).to_be_focused()
    failed = await people.events(reporter.case_id, "VerificationFailed")
    assert [event["actor_ref"] for event in failed] == [f"report:{reporter.report_id}"]


async def test_the_question_is_answered_with_a_photo(phone: OpenPhone, people: Town) -> None:
    reporter = await asked(people)
    one = await phone()
    await one.open(f"/r/{reporter.code}")
    await expect(one.page.get_by_text(QUESTION)).to_be_in_viewport()
    await one.page.get_by_label("您的回答").fill("三号楼门口")
    image = {"name": "IMG_0002.jpg", "mimeType": "image/jpeg", "buffer": manhole()}
    await one.page.get_by_label("加一张照片（可以不加）").set_input_files(image)  # type: ignore[arg-type]
    await one.tap(one.page.get_by_role("button", name="发送回答"))
    await expect(one.page.get_by_role("status")).to_have_text("您的回答已收到。")
    await expect(one.page.get_by_text(QUESTION)).to_have_count(0)
    photo = one.page.get_by_role("img", name="处理前照片 1")
    await expect(photo).to_have_js_property("naturalWidth", 1600)


async def test_the_page_does_not_take_away_what_is_being_written(phone: OpenPhone, people: Town) -> None:
    reporter = await to_verify(people)
    one = await phone()
    await one.page.clock.install()
    await one.open(f"/r/{reporter.code}")
    await one.tap(one.page.get_by_text("没修好"))
    words = one.page.get_by_label("哪里还没好？")
    await words.fill("还有")
    await reporter.done("rate", resolved=True)
    await one.page.clock.run_for(20_000)
    await expect(words).to_have_value("还有")
    await words.fill("")
    await one.page.clock.run_for(20_000)
    await _heading(one.page, "已核实并办结")
    # What is unfolded stays so.
    await expect(words).to_be_visible()


async def test_news_are_there_within_seconds_while_the_page_is_new(phone: OpenPhone, people: Town) -> None:
    reporter = await people.reports()
    one = await phone()
    await one.open(f"/r/{reporter.code}")
    await _heading(one.page, "已登记，由越溪街道安排处理")
    # Unchanged, so nothing comes over the line.
    await one.page.wait_for_event(
        "response", lambda r: (r.url.endswith(reporter.code), r.status) == (True, 304), timeout=6_000
    )
    await reporter.done("withdraw")
    await expect(one.page.get_by_role("heading", level=1)).to_have_text("已撤回", timeout=6_000)


async def test_without_a_network_it_says_so_and_is_done_once(phone: OpenPhone, people: Town) -> None:
    reporter = await people.reports()
    one = await phone(forgiven=[r"net::ERR_INTERNET_DISCONNECTED"])
    await one.open(f"/r/{reporter.code}")
    await one.visit.context.set_offline(True)
    urge = one.page.get_by_role("button", name="催一下")
    await one.tap(urge)
    await expect(one.page.get_by_role("status")).to_contain_text("没有发出")
    await one.visit.context.set_offline(False)
    await one.tap(urge)
    await expect(one.page.get_by_role("status")).to_have_text("已替您催办。")
    assert len(await people.events(reporter.case_id, "CaseUrged")) == 1


async def test_what_has_moved_on_is_told_and_shown(phone: OpenPhone, people: Town) -> None:
    reporter = await people.reports()
    one = await phone(forgiven=[FORBIDDEN])
    await one.page.clock.install()
    await one.open(f"/r/{reporter.code}")
    await one.tap(one.page.get_by_text("撤回这件反映"))
    await reporter.done("withdraw")
    await one.tap(one.page.get_by_role("button", name="确认撤回"))
    await expect(one.page.get_by_role("status")).to_contain_text("没有发出")
    await _heading(one.page, "已撤回")


async def test_all_of_it_works_without_a_script(browser: Browser, people: Town) -> None:
    reporter = await to_verify(people)
    context = await browser.new_context(java_script_enabled=False, locale="en-GB")
    page = await context.new_page()
    try:
        await page.goto(f"{people.stack.url('intake')}/r/{reporter.code}")
        await page.get_by_text("No, it is not fixed").click()
        await page.get_by_label("What is still wrong?").fill("half of it")
        await page.get_by_role("button", name="Send it back to work").click()
        await expect(page.get_by_role("status")).to_have_text("It goes back to work.")
        await _told_in_english(page, reporter)
    finally:
        await context.close()


async def _told_in_english(page: Page, reporter: Reporter) -> None:
    await _heading(page, "It did not pass; 越溪街道 must work on it again")
    await page.get_by_role("button", name="Send a reminder").click()
    await expect(page.get_by_role("status")).to_have_text("Your reminder was passed on.")
    await expect(page).to_have_url(re.compile(rf"/r/{reporter.code}\?said=urge$"))
    await expect(page.get_by_label("Add a photo")).to_have_count(0)
