"""A bound on guessing passwords: so many tries of a name from an address, and so many from an address in all.

Rules: a try counts before it is looked at, so tries made at once are no more than tries made in turn; whoever
comes in has not tried. Time is handed in as seconds; memory is bounded, the oldest key is forgotten first.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections import OrderedDict, deque
from typing import Final

OF_NAME: Final = 10
FROM_ADDRESS: Final = 100
"""More than may wait for their passwords to be looked at: an office may begin all at once."""
WRONG_LINKS: Final = 50
WITH_ONE_LINK: Final = 60
WITHIN_SECONDS: Final = 300.0
MAX_KEYS: Final = 10_000


class SignInThrottle:
    def __init__(self) -> None:
        self._of_name = _Tries(OF_NAME)
        self._from_address = _Tries(FROM_ADDRESS)

    def try_now(self, name: str, address: str, now: float) -> float:
        """Counts a try and answers 0; or, if none is left, the seconds until there is."""
        caller = _caller(address)
        wait_s = max(self._of_name.wait_s((name, caller), now), self._from_address.wait_s(caller, now))
        if wait_s == 0:
            self._of_name.add((name, caller), now)
            self._from_address.add(caller, now)
        return wait_s

    def take_back(self, name: str, address: str, now: float) -> None:
        """The try of `now` was not looked at."""
        caller = _caller(address)
        self._of_name.remove((name, caller), now)
        self._from_address.remove(caller, now)

    def succeeded(self, name: str, address: str, now: float) -> None:
        """Who knows the password may have mistyped it before; the address keeps its other tries."""
        caller = _caller(address)
        self._of_name.forget((name, caller))
        self._from_address.remove(caller, now)

    def __len__(self) -> int:
        return len(self._of_name) + len(self._from_address)


class GuestThrottle:
    """Of whoever comes with a link: wrong ones from an address, and what is done with one that is right."""

    def __init__(self) -> None:
        self._wrong = _Tries(WRONG_LINKS)
        self._done = _Tries(WITH_ONE_LINK)

    def wait_s(self, address: str, now: float) -> float:
        return self._wrong.wait_s(_caller(address), now)

    def count_wrong(self, address: str, now: float) -> None:
        self._wrong.add(_caller(address), now)

    def act(self, token: str, now: float) -> float:
        """Counts a deed and answers 0; or, if none is left, the seconds until there is."""
        wait_s = self._done.wait_s(token, now)
        if wait_s == 0:
            self._done.add(token, now)
        return wait_s


class _Tries:
    def __init__(self, most: int) -> None:
        self._most = most
        self._of: OrderedDict[object, deque[float]] = OrderedDict()

    def wait_s(self, key: object, now: float) -> float:
        tries = self._of.get(key)
        if tries is None or len(tries) < self._most:
            return 0.0
        return max(0.0, tries[0] + WITHIN_SECONDS - now)

    def add(self, key: object, now: float) -> None:
        # The bound of the deque drops the oldest try: what counts are the last so many.
        self._of.setdefault(key, deque(maxlen=self._most)).append(now)
        self._of.move_to_end(key)
        while len(self._of) > MAX_KEYS:
            self._of.popitem(last=False)

    def remove(self, key: object, now: float) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._of[key].remove(now)

    def forget(self, key: object) -> None:
        self._of.pop(key, None)

    def __len__(self) -> int:
        return len(self._of)


def _caller(address: str) -> str:
    """Whoever has one address of IPv6 has the whole network of 64 bits."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if known.version == 6:
        return str(known.ipv4_mapped or ipaddress.ip_network((int(known), 64), strict=False))
    return str(known)
