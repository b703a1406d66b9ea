"""A bound on what is said with one tracking code: so many commands within a minute, whatever they are.

Rules: time is handed in as seconds; memory is bounded, the code that was longest silent is forgotten first.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

MOST: Final = 20
WITHIN_SECONDS: Final = 60.0
MAX_CODES: Final = 10_000


class Throttle:
    def __init__(self) -> None:
        self._said: OrderedDict[int, deque[float]] = OrderedDict()

    def try_now(self, tracking: int, now: float) -> float:
        """Counts and answers 0; or, if none is left, the seconds until there is one."""
        said = self._said.setdefault(tracking, deque(maxlen=MOST))
        self._said.move_to_end(tracking)
        if len(said) == MOST and now < said[0] + WITHIN_SECONDS:
            return said[0] + WITHIN_SECONDS - now
        said.append(now)
        while len(self._said) > MAX_CODES:
            self._said.popitem(last=False)
        return 0.0
