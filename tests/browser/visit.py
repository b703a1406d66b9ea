"""A person's browser window: how big, by which light, in which language; and all that went wrong in it.

async with visiting(browser, stack, Look("phone", "dark", "en")) as visit:
    await visit.go("board", "/")
At the end no request may have left the doors of the stack, and the console must have stayed silent.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Literal, get_args
from urllib.parse import urlsplit

import pytest
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Geolocation,
    Page,
    Request,
    ViewportSize,
    WebError,
)

from tests.harness.stack import DOORS, PASSWORD, Stack

Size = Literal["phone", "desk"]
Light = Literal["light", "dark"]
Language = Literal["zh", "en"]
SIZES: dict[Size, ViewportSize] = {
    "phone": {"width": 390, "height": 844},
    "desk": {"width": 1440, "height": 900},
}
LOCALES: dict[Language, str] = {"zh": "zh-CN", "en": "en-GB"}
# WGS-84, as a phone gives it: in 320506009014, a community of the town 320506009000
POSITION: Geolocation = {"longitude": 120.63, "latitude": 31.26, "accuracy": 15.0}
SECONDS = 15.0
_OWN_SCHEMES = ("data", "blob", "about")
# The policy of the door is broken from within, where the console may say nothing: say it there.
_TELL_VIOLATIONS = """
addEventListener('securitypolicyviolation', (event) =>
  console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`))
"""


@dataclass(frozen=True)
class Look:
    size: Size = "desk"
    light: Light = "light"
    language: Language = "zh"

    def __str__(self) -> str:
        return f"{self.size}-{self.light}-{self.language}"


LOOKS = [Look(*each) for each in product(get_args(Size), get_args(Light), get_args(Language))]


@dataclass
class Visit:
    stack: Stack
    look: Look
    page: Page
    requests: list[Request] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def context(self) -> BrowserContext:
        return self.page.context

    async def go(self, room: str, path: str = "/") -> None:
        await self.page.goto(self.stack.url(room) + path)

    async def sign_in(self, hub: str) -> None:
        """Without the form: the cookie only. The next page of the board is the dispatcher's."""
        answer = await self.context.request.post(
            f"{self.stack.url('board')}/v1/session",
            data={"username": f"dispatcher-{hub}", "password": PASSWORD},
        )
        assert answer.status == 200, await answer.text()

    async def mark(self) -> None:
        """A page that is loaded again forgets this."""
        await self.page.evaluate("window.markedByTheTest = true")

    async def is_the_same_page(self) -> bool:
        return bool(await self.page.evaluate("window.markedByTheTest === true"))

    async def slow_network(self, *, kbit_s: float = 400.0, latency_ms: float = 300.0) -> None:
        """From now on, as in a cellar with one bar of signal."""
        line = await self.context.new_cdp_session(self.page)
        bytes_s = kbit_s * 1000 / 8
        await line.send(
            "Network.emulateNetworkConditions",
            {
                "offline": False,
                "latency": latency_ms,
                "downloadThroughput": bytes_s,
                "uploadThroughput": bytes_s,
            },
        )

    async def bytes_received(self) -> int:
        """Of all answers so far that have ended, heads and bodies, as they came over the line."""
        total = 0
        for request in self.requests:
            if (await request.response()) is not None:
                sizes = await request.sizes()
                total += sizes["responseHeadersSize"] + sizes["responseBodySize"]
        return total

    def strays(self) -> list[str]:
        """What was asked of anybody but the doors of this stack."""
        own = {urlsplit(self.stack.url(room)).netloc for room in DOORS}
        asked = [(request.url, urlsplit(request.url)) for request in self.requests]
        return [url for url, parts in asked if parts.scheme not in _OWN_SCHEMES and parts.netloc not in own]

    def judge(self, forgiven: Sequence[str] = ()) -> None:
        """`forgiven`: patterns of complaints that are no fault in this visit."""
        faults = [*self.faults, *(f"a request left the house: {url}" for url in self.strays())]
        faults += [
            f"the console said: {said}"
            for said in self.complaints
            if not any(re.search(pattern, said) for pattern in forgiven)
        ]
        if faults:
            told = "\n".join(dict.fromkeys(faults))
            pytest.fail(f"in the window {self.look}:\n{told}", pytrace=False)


@contextlib.asynccontextmanager
async def visiting(
    browser: Browser,
    stack: Stack,
    look: Look,
    *,
    forgiven: Sequence[str] = (),
    position: bool = True,
    sharpness: float = 1,
) -> AsyncIterator[Visit]:
    """Judged at the end, unless the test has failed already.

    `position`: the person lets the page know it; `sharpness`: pixels of a picture for each of the page.
    """
    phone = look.size == "phone"
    context = await browser.new_context(
        viewport=SIZES[look.size],
        device_scale_factor=sharpness,
        is_mobile=phone,
        has_touch=phone,
        color_scheme=look.light,
        locale=LOCALES[look.language],
        timezone_id="Asia/Shanghai",
        reduced_motion="reduce",
        geolocation=POSITION,
        permissions=["geolocation"] if position else [],
    )
    context.set_default_timeout(SECONDS * 1000)
    try:
        await context.add_init_script(_TELL_VIOLATIONS)
        visit = Visit(stack, look, await context.new_page())
        _listen(context, visit)
        yield visit
        visit.judge(forgiven)
    finally:
        await context.close()


def _listen(context: BrowserContext, visit: Visit) -> None:
    def asked(request: Request) -> None:
        visit.requests.append(request)

    def said(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert"):
            visit.complaints.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    def failed(error: WebError) -> None:
        visit.complaints.append(f"not caught: {error.error}")

    context.on("request", asked)
    context.on("console", said)
    context.on("weberror", failed)
