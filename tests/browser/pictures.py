"""The pictures of the README: `make pictures` takes them from a running town and writes docs/pictures/*.png.

Small files: no more colours than fit into LARGEST bytes.
"""

from __future__ import annotations

import asyncio
import io
import sys
from dataclasses import dataclass

from PIL import Image
from playwright.async_api import Browser

from services.adapters.settings import PROJECT
from tests.browser import busy_town, chromium
from tests.browser.busy_town import TOWN, BusyTown
from tests.browser.visit import Look, Size, visiting

FOLDER = PROJECT / "docs" / "pictures"
LARGEST = 150_000
_SHARPNESS: dict[Size, float] = {"phone": 2, "desk": 1}
_COLOURS = (256, 128, 64, 32, 16)


@dataclass(frozen=True)
class Picture:
    """`path` may name the case `{late}` and `{tracking_code}`; `shows` is waited for."""

    name: str
    room: str
    path: str
    look: Look
    shows: str


PICTURES = [
    Picture("report", "intake", "/", Look("phone", "light", "zh"), "button.tile"),
    Picture("tracking", "intake", "/r/{tracking_code}", Look("phone", "light", "zh"), "img[src*='/photos/']"),
    Picture("queue", "board", "/", Look("desk", "light", "zh"), "li a[href^='/cases/']"),
    Picture("case", "board", "/cases/{late}", Look("desk", "light", "zh"), "img[src*='/photos/']"),
    Picture("queue-phone", "board", "/", Look("phone", "dark", "zh"), "li a[href^='/cases/']"),
]


async def take(browser: Browser, town: BusyTown, picture: Picture) -> int:
    """Returns the size of the file."""
    async with visiting(browser, town.stack, picture.look, sharpness=_SHARPNESS[picture.look.size]) as visit:
        if picture.room == "board":
            await visit.sign_in(TOWN)
        await visit.go(picture.room, picture.path.format(late=town.late, tracking_code=town.tracking_code))
        await visit.page.locator(picture.shows).first.wait_for()
        await visit.page.wait_for_function("[...document.images].every((image) => image.complete)")
        small = squeezed(await visit.page.screenshot(animations="disabled"))
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{picture.name}.png").write_bytes(small)
    return len(small)


def squeezed(png: bytes) -> bytes:
    image = Image.open(io.BytesIO(png)).convert("RGB")
    for colours in _COLOURS:
        kept = io.BytesIO()
        image.quantize(colours, dither=Image.Dither.NONE).save(kept, "PNG", optimize=True)
        if kept.tell() <= LARGEST:
            return kept.getvalue()
    raise ValueError(f"no picture of {_COLOURS[-1]} colours is as small as {LARGEST} bytes")


async def main() -> None:
    async with chromium.running() as browser, busy_town.running("pictures") as town:
        for picture in PICTURES:
            size = await take(browser, town, picture)
            print(f"{FOLDER.relative_to(PROJECT) / picture.name}.png  {size / 1000:.0f} kB")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except chromium.Missing as missing:
        sys.exit(f"pioneer-hub: {missing}")
