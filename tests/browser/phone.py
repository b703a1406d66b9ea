"""A reporter's telephone at the door: the taps of a report, and what is read afterwards.

one = await phone(); await one.open(); await one.shoot(one.tile("路面"), manhole()); await one.send()
code = await one.tracking_code(); await one.open(f"/r/{code}")
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from playwright.async_api import Locator, Page, expect

from tests.browser.visit import Visit

SEND = {"zh": "发送", "en": "Send"}
CODE = re.compile(r"/r/([0-9A-HJKMNP-TV-Z]{16})$")


@dataclass
class Phone:
    """`taps` counts what a finger did, the shutter of the camera included."""

    visit: Visit
    taps: int = field(default=0, init=False)

    @property
    def page(self) -> Page:
        return self.visit.page

    async def open(self, path: str = "/") -> None:
        await self.visit.go("intake", path)

    def tile(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name)

    async def tap(self, target: Locator) -> None:
        self.taps += 1
        await target.tap()

    async def shoot(self, opener: Locator, image: bytes) -> None:
        """Tap what opens the camera, then the shutter."""
        async with self.page.expect_file_chooser() as opened:
            await self.tap(opener)
        camera = await opened.value
        self.taps += 1
        await camera.set_files({"name": "IMG_0001.jpg", "mimeType": "image/jpeg", "buffer": image})

    async def send(self) -> None:
        await self.tap(self.page.get_by_role("button", name=SEND[self.visit.look.language]))

    def follow(self) -> Locator:
        """The link to the tracking page of what was just sent."""
        return self.page.locator('a[href^="/r/"]:visible')

    async def tracking_code(self) -> str:
        await expect(self.follow()).to_have_attribute("href", CODE)
        found = CODE.search(await self.follow().get_attribute("href") or "")
        assert found is not None
        return found[1]
