"""100,000 open cases, some with ten events: `console rebuild --check` passes, in bounded memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys

import psutil
import pytest

from services.adapters import city_book
from services.adapters.city_files import read_city, read_folder
from services.adapters.settings import PROJECT
from tests.harness.laid import Laying, lay_open_cases

FOLDER = PROJECT / "deploy" / "city" / "wuzhong"
CASES, LIVELY = 100_000, 10_000
MOST_MEMORY_MIB = 150


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_hundred_thousand_open_cases_replay(database_url: str) -> None:
    await city_book.load_folder(database_url, FOLDER)
    laying = Laying(database_url)
    await lay_open_cases(laying, read_city(read_folder(FOLDER), 1), CASES, lively=LIVELY)
    await laying.close()
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "services.console", "rebuild", "--check"],
        cwd=PROJECT,
        env={**os.environ, "DATABASE_URL": database_url},
        stdout=asyncio.subprocess.PIPE,
    )
    ended = asyncio.create_task(process.communicate())
    most = 0
    while not ended.done():
        with contextlib.suppress(psutil.NoSuchProcess):
            most = max(most, psutil.Process(process.pid).memory_info().rss)
        await asyncio.wait({ended}, timeout=0.2)
    said = (await ended)[0].decode().strip()
    print(said)
    assert process.returncode == 0, said
    assert re.match(r"100,000 cases, \d+,\d+ events replayed in .*: nothing differs$", said)
    assert 0 < most < MOST_MEMORY_MIB * 2**20
