"""How long something may take, as the city writes it: an amount, a unit and the calendar it is counted on.

`15m C24`, `4h OFF`, `5WD OFF`, `3Cd C24`. Only the text is understood here; working_time.py counts.
A limit without a calendar is refused unless the reader hands in the one meant; WH and Cd name their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Final, Literal, cast

LimitUnit = Literal["s", "m", "h", "WH", "WD", "Cd"]

WALL_CLOCK: Final = "C24"
OFFICE: Final = "OFF"
ALLOWED: Final = (
    "a whole number above 0, one of s, m, h, WH (office hours), WD or d (working days), Cd (calendar days), "
    "a space and the calendar, such as `15m C24` or `5WD OFF`"
)

LONGEST: Final[dict[str, int]] = {"h": 10_000, "WH": 10_000, "WD": 2_000, "Cd": 3_660}
"""Longer limits are slips of the pen; seconds and minutes have no room for them."""

_OWN: Final = {"WH": OFFICE, "Cd": WALL_CLOCK}
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "WH": 3600, "WD": 86_400, "Cd": 86_400}
CALENDAR_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{0,15}", re.ASCII)
_TEXT: Final = re.compile(rf"([0-9]{{1,6}})(s|m|h|WH|WD|d|Cd)(?: ({CALENDAR_CODE.pattern}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Limit:
    """`str` gives back the text; `d` has become `WD`."""

    amount: int
    unit: LimitUnit
    calendar: str

    def __str__(self) -> str:
        return f"{self.amount}{self.unit} {self.calendar}"

    @property
    def length(self) -> timedelta:
        """Of hours: the working time; of days: what they last by the wall clock."""
        return timedelta(seconds=self.amount * _SECONDS[self.unit])


@lru_cache(maxsize=1024)
def parse_limit(text: str, *, calendar: str | None = None) -> Limit:
    """Read `5WD OFF`; `calendar` is the one meant when the text itself names none."""
    found = _TEXT.fullmatch(text)
    if found is None or int(found[1]) == 0:
        raise ValueError(f"limit `{text}` is not understood: allowed is {ALLOWED}")
    unit = cast("LimitUnit", "WD" if found[2] == "d" else found[2])
    if int(found[1]) > LONGEST.get(unit, int(found[1])):
        raise ValueError(f"limit `{text}` is too long: the longest is {LONGEST[unit]}{unit}")
    named = found[3] or calendar or _OWN.get(unit)
    if named is None:
        raise ValueError(f"limit `{text}` names no calendar: allowed is {ALLOWED}")
    if unit == "WH" and named != OFFICE:
        raise ValueError(f"limit `{text}`: WH are hours of {OFFICE}; on another calendar write h")
    if unit == "Cd" and named != WALL_CLOCK:
        raise ValueError(f"limit `{text}`: Cd run by the wall clock, {WALL_CLOCK}; elsewhere write WD")
    return Limit(int(found[1]), unit, named)
