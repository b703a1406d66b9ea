"""A form of the case page that was not taken: sent again it is the same command, corrected it is another."""

from __future__ import annotations

from playwright.async_api import Route, expect

from tests.browser.busy_town import TOWN, BusyTown
from tests.browser.conftest import OpenVisit

REFUSED = {"status": 422, "code": "invalid", "errors": [{"field": "text", "message": "made up"}]}


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
