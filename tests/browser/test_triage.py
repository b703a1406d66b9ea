"""The triage desk without a mouse, and the page of a partner who has no account."""

from __future__ import annotations

import re

from playwright.async_api import expect

from tests.browser.board_pages import row, section, tab_to
from tests.browser.busy_town import BusyTown
from tests.browser.conftest import OpenVisit
from tests.browser.street_photos import manhole
from tests.harness.doors import Desk, Intake
from tests.harness.stack import Stack, until

TOWN = "320506004000"
WORDS = "路口堆了一地砖头，晚上看不清"


async def _told(stack: Stack, count: int) -> None:
    """So many reports without a category, in the place's town."""
    async with Intake(stack.url("intake")) as intake, Desk(stack.url("board"), TOWN) as desk:
        before = len(await desk.queue(desk="triage"))
        for number in range(count):
            body = {"channel": "resident", "text": f"{WORDS} {number}", "hub_code": TOWN}
            await intake.report(body)

        async def all_there() -> bool:
            return len(await desk.queue(desk="triage")) == before + count

        await until(all_there, 20, f"{count} more cases at the triage desk")


async def test_a_case_is_filed_and_another_declined_by_keyboard(visit: OpenVisit, stack: Stack) -> None:
    await _told(stack, 2)
    desk = await visit()
    page, keys = desk.page, desk.page.keyboard
    await desk.sign_in(TOWN)
    await desk.go("board", "/triage")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("待研判 2 件")
    await expect(page.locator("#rows")).to_contain_text(re.compile("研判(还剩|超时)"))
    await expect(page.get_by_text(WORDS)).to_be_visible()
    await keys.press("j")
    await keys.press("k")
    await keys.press("f")
    category = page.get_by_role("combobox", name="类别")
    await expect(category).to_be_focused()
    await category.select_option(label="路面破损/沙化/坑洼")
    await tab_to(page, page.get_by_role("button", name="确定", exact=True))
    await keys.press("Enter")
    await expect(page.get_by_text("立案：已完成。")).to_be_visible()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("待研判 1 件")

    await keys.press("d")
    await page.get_by_role("combobox", name="原因").select_option(label="不在本区范围内")
    await tab_to(page, page.get_by_role("button", name="确定", exact=True))
    await keys.press("Enter")
    await expect(page.get_by_text("没有需要研判的案件。")).to_be_visible()

    await desk.go("board")
    await expect(row(page, "路面破损")).to_contain_text("待签收")
    await page.get_by_label("显示").select_option(label="不予受理")
    await row(page, "不予受理").click()
    await expect(section(page, "经过")).to_contain_text("不予受理：不在本区范围内")


async def test_likely_duplicates_are_dismissed_by_hand_and_by_key(visit: OpenVisit, stack: Stack) -> None:
    """The second looks like the first, the third like both."""
    async with Intake(stack.url("intake")) as intake, Desk(stack.url("board"), TOWN) as dispatcher:
        for category in ({"category": "exposed_garbage"}, {"category": "construction_waste"}, {}):
            point = {"lon": 120.67126, "lat": 31.26434, "datum": "CGCS2000", "accuracy_m": 5}
            body = {"channel": "resident", "text": WORDS, "location": point, **category}
            filed = (await intake.report(body))["tracking_code"]

            async def known(code: str = filed) -> bool:
                return bool((await intake.status(code))["status"] != "received")

            await until(known, 20, "the report's case")

        async def both_there() -> bool:
            return len(await dispatcher.queue(desk="triage")) == 2

        await until(both_there, 20, "two cases with a likeness at the triage desk")

    desk = await visit()
    page, keys = desk.page, desk.page.keyboard
    await desk.sign_in(TOWN)
    await desk.go("board", "/triage")
    alike = section(page, "可能是同一问题")
    await row(page, "建筑垃圾").click()
    await expect(alike.get_by_role("link", name=re.compile(r"^\d{6}-"))).to_have_count(1)
    await alike.get_by_role("button", name="不是同一问题").click()
    await page.get_by_role("button", name="确定", exact=True).click()
    await expect(page.get_by_text("不是同一问题：已完成。")).to_be_visible()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("待研判 1 件")

    await expect(alike.get_by_role("button", name="都不是")).to_be_visible()
    await keys.press("n")
    await expect(page.get_by_text("确认 2 个疑似重复不是同一问题")).to_be_visible()
    await page.get_by_role("button", name="确定", exact=True).click()
    await expect(alike).to_have_count(0)
    await expect(page.get_by_role("heading", level=1)).to_contain_text("待研判 1 件")
    await keys.press("n")
    await expect(page.get_by_role("button", name="确定", exact=True)).to_have_count(0)

    await keys.press("d")
    await page.get_by_role("combobox", name="原因").select_option(label="不在本区范围内")
    await page.get_by_role("button", name="确定", exact=True).click()
    await expect(page.get_by_text("没有需要研判的案件。")).to_be_visible()


async def test_a_partner_reports_in_and_shows_what_it_did(visit: OpenVisit, town: BusyTown) -> None:
    async with Desk(town.stack.url("board"), "320506009000") as dispatcher:
        case_id = town.cases["in_progress"]
        links = (await dispatcher.case(case_id))["partner_links"]
        assert [one["unit"] for one in links] == ["delivery_platform"]
        guest = await visit()
        page = guest.page
        await guest.go("board", links[0]["path"])
        await expect(page.get_by_text("邀请某外卖平台站点(示例)协助")).to_be_visible()
        await page.get_by_role("button", name="报到", exact=True).click()
        await expect(page.get_by_text("报到：已完成。")).to_be_visible()
        await page.get_by_label("现场情况").fill("骑手已绕行")
        await page.get_by_role("button", name="补充说明").click()
        await expect(page.get_by_text("补充说明：已完成。")).to_be_visible()
        await page.get_by_label("照片").set_input_files(
            {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": manhole(shut=True)}
        )
        await page.get_by_role("button", name="补充照片").click()
        await expect(page.get_by_text("补充照片：已完成。")).to_be_visible()
        await expect(page.get_by_role("img", name="照片 1")).to_be_visible()
        told = await dispatcher.case(case_id)
    by_guest = [one["type"] for one in told["events"] if one["actor_ref"] == "partner:delivery_platform"]
    assert by_guest == ["UnitReportedIn", "CommentAdded", "PhotosAdded"]
    assert [one["reported_in"] for one in told["case"]["invited"]] == [False, True]
