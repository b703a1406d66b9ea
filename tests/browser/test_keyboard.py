"""A dispatcher without a mouse: signs in, watches the queue fill, opens a case and accepts it."""

from __future__ import annotations

import re

from playwright.async_api import expect

from tests.browser.board_pages import NOBODY_YET, row, section, tab_to
from tests.browser.conftest import OpenVisit
from tests.harness.doors import Desk, Intake
from tests.harness.stack import PASSWORD, Stack

QUIET_TOWN = "320506003000"
ITS_NAME = "越溪街道"
MANHOLE = {
    "channel": "courier",
    "category": "manhole_damaged",
    "text": "文曲路井盖松动，车压过去咣当响",
    "location": {"lon": 120.5814, "lat": 31.2151, "datum": "WGS84", "accuracy_m": 12},
}


async def test_from_signing_in_to_the_accepted_case(visit: OpenVisit, stack: Stack) -> None:
    desk = await visit(forgiven=[NOBODY_YET])
    page, keys = desk.page, desk.page.keyboard
    await desk.go("board")
    await expect(page.get_by_label("用户名")).to_be_focused()
    await keys.type(f"dispatcher-{QUIET_TOWN}")
    await keys.press("Tab")
    await keys.type(PASSWORD)
    await keys.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_contain_text(ITS_NAME)
    await expect(page.get_by_text("实时", exact=True)).to_be_visible()

    # The queue fills while it is watched.
    manhole = row(page, "井盖缺损松动")
    await expect(manhole).to_have_count(0)
    await desk.mark()
    async with Intake(stack.url("intake")) as intake:
        await intake.report(MANHOLE)
    await expect(manhole).to_have_count(1)
    await expect(manhole).to_contain_text("待签收")
    assert await desk.is_the_same_page()

    # Of five minutes less and less is left.
    async with Intake(stack.url("intake")) as intake:
        await intake.report({**MANHOLE, "category": "gas_smell", "text": "楼道里有燃气味"})
    countdown = row(page, "燃气异味").get_by_text(re.compile(r"还剩 4 分 \d\d 秒"))
    left = await countdown.text_content()
    assert left is not None
    await expect(countdown).not_to_have_text(left)

    # The gas is due first.
    await keys.press("j")
    await keys.press("j")
    await expect(manhole).to_be_focused()
    await keys.press("Enter")
    await expect(page).to_have_url(re.compile(r"/cases/[0-9a-f-]{36}$"))
    await expect(section(page, "经过")).to_contain_text(f"派遣给 {ITS_NAME}")
    await expect(section(page, "经过")).not_to_contain_text("签收")
    await desk.mark()
    await tab_to(page, page.get_by_role("button", name="签收", exact=True))
    await keys.press("Enter")
    await tab_to(page, page.get_by_role("button", name="确定", exact=True))
    await keys.press("Enter")
    await expect(page.get_by_text("签收：已完成。")).to_be_visible()
    await expect(section(page, "经过").get_by_role("listitem").first).to_contain_text(
        re.compile(f"签收.*{ITS_NAME}")
    )
    await expect(page.get_by_role("button", name="开始处置", exact=True)).to_be_visible()
    assert await desk.is_the_same_page()


async def test_what_another_hand_does_shows_in_queue_and_case(visit: OpenVisit, stack: Stack) -> None:
    queue, case = await visit(), await visit()
    await queue.sign_in(QUIET_TOWN)
    await case.sign_in(QUIET_TOWN)
    await queue.go("board")
    async with Intake(stack.url("intake")) as intake, Desk(stack.url("board"), QUIET_TOWN) as other:
        await intake.report({**MANHOLE, "category": "tree_hazard", "text": "行道树断枝挂在电线上"})
        tree = row(queue.page, "树木倾倒/枯枝")
        await expect(tree).to_contain_text("待签收")
        path = await tree.get_attribute("href")
        assert path is not None
        await case.go("board", path)
        await expect(case.page.get_by_text("待签收")).to_be_visible()
        await queue.mark()
        await case.mark()
        await other.applied(path.rpartition("/")[2], "accept")
        await expect(tree).to_contain_text("已签收")
        await expect(section(case.page, "经过").get_by_role("listitem").first).to_contain_text("签收")
    assert await queue.is_the_same_page()
    assert await case.is_the_same_page()
