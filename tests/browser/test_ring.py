"""The ring itself: what is missing is said and never skipped, and what is wrong in a window is seen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.browser import chromium, judged
from tests.browser.board_pages import NOBODY_YET
from tests.browser.visit import Look, visiting
from tests.harness.stack import Stack

NOWHERE = Path("/nowhere/chrome")


def program(folder: Path, name: str) -> str:
    file = folder / name
    file.write_text("#!/bin/sh\n", "utf-8")
    file.chmod(0o755)
    return str(file)


def test_what_is_chosen_comes_before_the_path_and_the_path_before_playwrights_own(tmp_path: Path) -> None:
    on_path = {"PATH": str(tmp_path)}
    brought = Path(program(tmp_path, "brought"))
    assert chromium.find(on_path, brought) == str(brought)
    chrome = program(tmp_path, "google-chrome")
    assert chromium.find(on_path, brought) == chrome
    debian = program(tmp_path, "chromium")
    assert chromium.find(on_path, brought) == debian
    assert chromium.find({**on_path, "CHROMIUM": chrome}, brought) == chrome


def test_without_a_browser_one_sentence_says_what_to_install(tmp_path: Path) -> None:
    nothing = {"PATH": str(tmp_path)}
    with pytest.raises(chromium.Missing, match=r"^no Chromium .*apt install chromium fonts-noto-cjk"):
        chromium.find(nothing, NOWHERE)
    with pytest.raises(chromium.Missing, match=r"^CHROMIUM=/nowhere/else is no program"):
        chromium.find({**nothing, "CHROMIUM": "/nowhere/else"}, NOWHERE)


def test_without_chinese_letters_one_sentence_says_what_to_install(tmp_path: Path) -> None:
    empty = tmp_path / "fonts.conf"
    empty.write_text(f"<fontconfig><dir>{tmp_path}</dir></fontconfig>", "utf-8")
    with pytest.raises(chromium.Missing, match=r"^no font with Chinese letters .*fonts-noto-cjk"):
        chromium.demand_chinese_letters({**os.environ, "FONTCONFIG_FILE": str(empty)})
    with pytest.raises(chromium.Missing, match=r"^fc-list was not found"):
        chromium.demand_chinese_letters({"PATH": str(tmp_path)})


INLINE_SCRIPT = "document.body.append(Object.assign(document.createElement('script'), {textContent: '1'}))"
TOO_WIDE = "document.body.append(Object.assign(new Image(2000, 9), {src: '/static/icon.svg'}))"
NOT_CAUGHT = "setTimeout(() => { throw new Error('on the page') })"
# Nobody on this machine listens there.
STRANGER = "http://127.0.0.1:9/pixel"


async def trouble(browser: Browser, stack: Stack) -> None:
    async with visiting(browser, stack, Look("phone"), forgiven=[NOBODY_YET]) as visit:
        page = visit.page
        await visit.go("board")
        await expect(page.get_by_role("button", name="登录")).to_be_visible()
        await page.evaluate(INLINE_SCRIPT)
        await page.evaluate(TOO_WIDE)
        await judged.no_fault(visit, "a page")
        await judged.nothing_beyond_the_edge(visit, "a page")
        async with page.expect_event("pageerror"):
            await page.evaluate(NOT_CAUGHT)
        other = await visit.context.new_page()
        async with other.expect_event("requestfailed"):
            await other.set_content(f'<img src="{STRANGER}">', wait_until="commit")


async def test_every_kind_of_fault_in_a_window_is_told(browser: Browser, stack: Stack) -> None:
    with pytest.raises(pytest.fail.Exception) as told:
        await trouble(browser, stack)
    said = str(told.value)
    assert "axe on a page: image-alt (critical)" in said
    assert "a page is 2000 pixels wide" in said
    assert "policy violated: script-src" in said
    assert "not caught: on the page" in said
    assert f"a request left the house: {STRANGER}" in said
