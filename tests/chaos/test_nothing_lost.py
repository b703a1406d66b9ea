"""Nothing lost: whoever is killed, every acknowledged report is one report and every step comes once.

In `make test` everybody dies once; in `make test-long` twice, with another seed, and with two router workers.
"""

from __future__ import annotations

import pytest

from tests.chaos.storm import Storm


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("seed", "workers", "deaths"),
    [
        (1, 1, 1),
        pytest.param(2, 1, 2, marks=pytest.mark.long),
        pytest.param(4, 2, 2, marks=pytest.mark.long),
    ],
)
async def test_nothing_is_lost(seed: int, workers: int, deaths: int) -> None:
    await Storm(seed, workers, deaths).run()
