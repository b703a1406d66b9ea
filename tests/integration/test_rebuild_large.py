"""100,000 open cases, some with ten events: `console rebuild --check` passes, in bounded memory."""

from __future__ import annotations

import os
import re
import sys

import pytest

from services.adapters import city_book
from services.adapters.city_files import read_city, read_folder
from services.adapters.settings import PROJECT
from tests.harness import watched
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
    ended = await watched.run(
        *[sys.executable, "-m", "services.console", "rebuild", "--check"],
        environment={**os.environ, "DATABASE_URL": database_url},
    )
    print(ended.said)
    assert (ended.code, ended.complained) == (0, "")
    assert re.match(r"100,000 cases, \d+,\d+ events replayed in .*: nothing differs$", ended.said)
    assert 0 < ended.most_bytes < MOST_MEMORY_MIB * 2**20
