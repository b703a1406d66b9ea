"""A page as it is shown now, judged: no fault that axe knows, nothing beyond the edge; a picture is kept.

What is found is told at the end of the visit, all at once.
"""

from __future__ import annotations

import io
from typing import Any

from axe_playwright_python.async_playwright import Axe
from PIL import Image

from services.adapters.settings import PROJECT
from tests.browser.visit import SIZES, Visit

PICTURES = PROJECT / "var" / "screenshots"
_FEWEST_COLOURS = 16


async def judge(visit: Visit, name: str) -> None:
    """Everything; the picture is var/screenshots/<name>-<look>.png."""
    await no_fault(visit, name)
    await nothing_beyond_the_edge(visit, name)
    await picture(visit, name)


async def no_fault(visit: Visit, name: str) -> None:
    for violation in (await Axe().run(visit.page)).response["violations"]:
        visit.faults.append(_told(name, violation))


def _told(name: str, violation: dict[str, Any]) -> str:
    places = "".join(f"\n    {_where(node)}: {_why(node)}" for node in violation["nodes"])
    return f"axe on {name}: {violation['id']} ({violation['impact']}): {violation['help']}{places}"


def _where(node: dict[str, Any]) -> str:
    return " ".join(map(str, node["target"]))


def _why(node: dict[str, Any]) -> str:
    return "; ".join(check["message"] for kind in ("any", "all", "none") for check in node[kind])


async def nothing_beyond_the_edge(visit: Visit, name: str) -> None:
    """A phone zooms out when something is too wide, so the width that was asked for counts."""
    wide = await visit.page.evaluate("document.scrollingElement.scrollWidth")
    if wide > SIZES[visit.look.size]["width"]:
        visit.faults.append(f"{name} is {wide} pixels wide")


async def picture(visit: Visit, name: str) -> None:
    """The whole page, however long."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    taken = await visit.page.screenshot(
        path=PICTURES / f"{name}-{visit.look}.png", full_page=True, animations="disabled"
    )
    with Image.open(io.BytesIO(taken)) as image:
        size = SIZES[visit.look.size]
        assert image.width == size["width"]
        assert image.height >= size["height"]
        colours = image.convert("RGB").getcolors(maxcolors=1 << 24)
        assert colours is not None
        assert len(colours) >= _FEWEST_COLOURS, f"{name} ({visit.look}) is an empty page"
