"""The Chromium that is found, and the Chinese letters it draws with. What is missing is told in one sentence.

A browser is never downloaded here: CHROMIUM, then the PATH, then one that Playwright once brought by itself.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from playwright.async_api import Browser, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
REMEDY = "install what the browser ring needs (Debian: apt install chromium fonts-noto-cjk fontconfig)"


class Missing(Exception):
    """What is not there, and what to install."""


def find(environment: Mapping[str, str], brought: Path) -> str:
    """The program to start; `brought` is where Playwright's own would be."""
    path = environment.get("PATH", os.defpath)
    if chosen := environment.get("CHROMIUM"):
        if found := shutil.which(chosen, path=path):
            return found
        raise Missing(f"CHROMIUM={chosen} is no program: correct it, or unset it and {REMEDY}")
    for name in NAMES:
        if found := shutil.which(name, path=path):
            return found
    if brought.exists():
        return str(brought)
    raise Missing(f"no Chromium was found ({', '.join(NAMES)} on the PATH): {REMEDY}, or set CHROMIUM to one")


def demand_chinese_letters(environment: Mapping[str, str]) -> None:
    """Without them every word of the pages would be a box, and every picture useless."""
    lister = shutil.which("fc-list", path=environment.get("PATH", os.defpath))
    if lister is None:
        raise Missing(f"fc-list was not found, so nobody can say which fonts there are: {REMEDY}")
    listed = subprocess.run(
        [lister, ":lang=zh", "family"],
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if not listed.stdout.strip():
        raise Missing(f"no font with Chinese letters was found (fc-list :lang=zh is empty): {REMEDY}")


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        kind = playwright.chromium
        program = find(os.environ, Path(kind.executable_path))
        demand_chinese_letters(os.environ)
        # Root has no sandbox to give; everybody else keeps it.
        browser = await kind.launch(executable_path=program, chromium_sandbox=os.geteuid() != 0)
        try:
            yield browser
        finally:
            await browser.close()
