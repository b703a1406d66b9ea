"""A bound on guessing passwords: so many failures per name and address, then a pause.

Rules: time is handed in as seconds; memory is bounded, the oldest key is forgotten first.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

MAX_KEYS: Final = 10_000


class SignInThrottle:
    def __init__(self, *, failures: int = 10, within_s: float = 300.0) -> None:
        self._failures = failures
        self._within_s = within_s
        self._failed: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def wait_s(self, key: tuple[str, str], now: float) -> float:
        """0 if this name may be tried from this address now, else the seconds until it may."""
        failed = self._failed.get(key)
        if failed is None or len(failed) < self._failures:
            return 0.0
        return max(0.0, failed[0] + self._within_s - now)

    def failed(self, key: tuple[str, str], now: float) -> None:
        # The bound of the deque drops the oldest failure: what counts are the last so many.
        self._failed.setdefault(key, deque(maxlen=self._failures)).append(now)
        self._failed.move_to_end(key)
        while len(self._failed) > MAX_KEYS:
            self._failed.popitem(last=False)

    def succeeded(self, key: tuple[str, str]) -> None:
        self._failed.pop(key, None)
