"""browser → one Chromium; town, stack → the whole house at work; visit → windows, each judged at its end.

All tests of the ring live on one event loop, because the browser does.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser import busy_town, chromium
from tests.browser.busy_town import BusyTown
from tests.browser.phone import Phone
from tests.browser.visit import SECONDS, Look, Visit, visiting
from tests.harness.stack import Stack, keep_logs

HERE = Path(__file__).parent
IN_A_HAND = Look("phone", "light", "zh")
AT_A_DESK = Look("desk", "light", "zh")
OpenVisit = Callable[..., Awaitable[Visit]]
OpenPhone = Callable[..., Awaitable[Phone]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session", autouse=True)
async def browser() -> AsyncIterator[Browser]:
    """First of all: without a browser nothing else needs to start."""
    expect.set_options(timeout=SECONDS * 1000)
    async with contextlib.AsyncExitStack() as ending:
        try:
            found = await ending.enter_async_context(chromium.running())
        except chromium.Missing as missing:
            pytest.exit(f"pioneer-hub: {missing}", returncode=1)
        yield found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def town(browser: Browser, request: pytest.FixtureRequest) -> AsyncIterator[BusyTown]:
    """With a town that has cases of every kind; the others are quiet."""
    failed_before = request.session.testsfailed
    async with busy_town.running("browser") as town:
        yield town
        if request.session.testsfailed > failed_before:
            said = keep_logs(town.stack.console, "browser")
            request.config.get_terminal_writer().line(f"\nthe stack of the browser ring said last:\n{said}")


@pytest.fixture(scope="session")
def stack(town: BusyTown) -> Stack:
    return town.stack


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser, stack: Stack) -> AsyncIterator[OpenVisit]:
    """await visit(): a window at a desk, light and Chinese; visit(Look("phone", "dark", "en"), …) another."""
    async with contextlib.AsyncExitStack() as ending:

        async def opened(look: Look = AT_A_DESK, **how: Any) -> Visit:
            return await ending.enter_async_context(visiting(browser, stack, look, **how))

        yield opened


@pytest.fixture
def phone(visit: OpenVisit) -> OpenPhone:
    """await phone(): a telephone at the door; phone(Look("phone", "dark", "en"), position=False) another."""

    async def opened(look: Look = IN_A_HAND, **how: Any) -> Phone:
        return Phone(await visit(look, **how))

    return opened
