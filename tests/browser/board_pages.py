"""The pages of the board as a dispatcher finds them: by words and roles, never by the names in the code."""

from __future__ import annotations

from playwright.async_api import Locator, Page, expect

# The page finds out by asking that nobody has signed in, and a browser prints every 401.
NOBODY_YET = r"status of 401 .*/v1/session\)$"
_MOST_TABS = 60


async def tab_to(page: Page, target: Locator) -> None:
    """By the keyboard alone: as often as it takes, as long as it is reachable at all."""
    for _ in range(_MOST_TABS):
        if await target.evaluate("(element) => element === document.activeElement"):
            return
        await page.keyboard.press("Tab")
    await expect(target).to_be_focused()


def row(page: Page, words: str) -> Locator:
    """A line of the queue, which leads to its case."""
    return page.get_by_role("listitem").get_by_role("link").filter(has_text=words)


def section(page: Page, heading: str) -> Locator:
    return page.locator("section").filter(has=page.get_by_role("heading", name=heading))
