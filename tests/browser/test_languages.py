"""Chinese first; English for a browser that asks for it, or for whoever presses the button."""

from __future__ import annotations

from playwright.async_api import expect

from tests.browser.board_pages import NOBODY_YET, row, section
from tests.browser.busy_town import TOWN, BusyTown
from tests.browser.conftest import OpenVisit
from tests.browser.visit import Look


async def test_chinese_is_what_stands_there(visit: OpenVisit, town: BusyTown) -> None:
    desk = await visit(Look(language="zh"), forgiven=[NOBODY_YET])
    page = desk.page
    await desk.go("board")
    await expect(page.get_by_role("button", name="登录", exact=True)).to_be_visible()
    await expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    await desk.sign_in(TOWN)
    await desk.go("board")
    await expect(row(page, "井盖缺损松动").first).to_contain_text("待签收")
    await desk.go("board", f"/cases/{town.late}")
    await expect(section(page, "经过")).to_contain_text("派遣给")


async def test_an_english_browser_reads_english(visit: OpenVisit, town: BusyTown) -> None:
    desk = await visit(Look(language="en"), forgiven=[NOBODY_YET])
    page = desk.page
    await desk.go("board")
    await expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await desk.sign_in(TOWN)
    await desk.go("board")
    await expect(row(page, "Damaged or loose manhole cover").first).to_contain_text("To accept")
    await desk.go("board", f"/cases/{town.late}")
    await expect(section(page, "History")).to_contain_text("Dispatched to")


async def test_the_button_changes_the_language_and_it_stays(visit: OpenVisit, town: BusyTown) -> None:
    desk = await visit(Look(language="zh"))
    page = desk.page
    await desk.sign_in(TOWN)
    await desk.go("board")
    await page.get_by_role("button", name="English").click()
    await expect(row(page, "Damaged or loose manhole cover").first).to_be_visible()
    await desk.go("board", f"/cases/{town.late}")
    await expect(section(page, "History")).to_contain_text("Dispatched to")
    await page.get_by_role("button", name="中文").click()
    await expect(section(page, "经过")).to_contain_text("派遣给")
