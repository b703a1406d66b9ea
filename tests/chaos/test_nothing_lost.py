"""Nothing lost: whoever is killed, every acknowledged report is one report and every step comes once.

One seed belongs to `make test`; another, and one with two router workers, to `make test-long`.
"""

from __future__ import annotations

import pytest

from tests.chaos.storm import Storm


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("seed", "workers"),
    [
        (1, 1),
        pytest.param(2, 1, marks=pytest.mark.long),
        pytest.param(4, 2, marks=pytest.mark.long),
    ],
)
async def test_nothing_is_lost(seed: int, workers: int) -> None:
    await Storm(seed, workers).run()
