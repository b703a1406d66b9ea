"""Every page of the board, at phone and desk size, light and dark, Chinese and English: judged, pictured."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.board_pages import NOBODY_YET, row
from tests.browser.busy_town import TOWN, BusyTown
from tests.browser.conftest import OpenVisit
from tests.browser.judged import judge, no_fault
from tests.browser.visit import LOOKS, Look

WORDS = {
    "zh": {
        "sign in": "登录",
        "urgent": "井盖缺损松动",
        "comment": "补充说明",
        "triage": "研判台",
        "link": "交给该单位的链接",
        "to look at": "待研判",
    },
    "en": {
        "sign in": "Sign in",
        "urgent": "Damaged or loose manhole cover",
        "comment": "Comment",
        "triage": "Triage",
        "link": "Link to hand to this unit",
        "to look at": "To look at",
    },
}


@pytest.mark.parametrize("look", LOOKS, ids=str)
async def test_every_page_of_the_board(visit: OpenVisit, town: BusyTown, look: Look) -> None:
    words = WORDS[look.language]
    board = await visit(look, forgiven=[NOBODY_YET])
    page = board.page
    await board.go("board")
    await expect(page.get_by_role("button", name=words["sign in"], exact=True)).to_be_visible()
    await judge(board, "sign-in")

    await board.sign_in(TOWN)
    await board.go("board")
    await expect(row(page, words["urgent"]).first).to_be_visible()
    await judge(board, "queue")

    await board.go("board", f"/cases/{town.late}")
    await expect(page.get_by_role("heading", level=1)).to_have_text(words["urgent"])
    await judge(board, "case")
    for button in await page.get_by_role("button").filter(has_text=words["comment"]).all():
        await button.click()
    await no_fault(board, "case with a form")

    await board.go("board", "/triage")
    await expect(page.get_by_role("heading", level=1)).to_contain_text(words["triage"])
    await expect(page.locator("#work")).to_be_visible()
    await judge(board, "triage-likely")
    await page.locator("#rows a").filter(has_text=words["to look at"]).first.click()
    await page.keyboard.press("f")
    await expect(page.locator("#form form")).to_be_visible()
    await judge(board, "triage")

    await board.go("board", f"/cases/{town.cases['in_progress']}")
    link = page.get_by_label(words["link"])
    await expect(link).to_be_visible()
    await page.locator("summary").click()
    await judge(board, "case-joint")
    await page.goto(await link.input_value())
    await expect(page.get_by_role("button", name=words["comment"], exact=True)).to_be_visible()
    await judge(board, "partner")

    await board.go("board", f"/cases/{town.cases['closed']}")
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await judge(board, "case-closed")
