"""How long something may take, as the city writes it: an amount, a unit and the calendar it is counted on.

`15m C24`, `4h OFF`, `5WD OFF`, `3Cd C24`. Only the text is understood here; clocks.py counts.
A limit without a calendar is refused unless the reader hands in the one that is meant; only WH names its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, cast

LimitUnit = Literal["s", "m", "h", "WH", "WD", "Cd"]

WALL_CLOCK: Final = "C24"
OFFICE: Final = "OFF"
ALLOWED: Final = (
    "a whole number above 0, one of s, m, h, WH (office hours), WD or d (working days), Cd (calendar days), "
    "a space and the calendar, such as `15m C24` or `5WD OFF`"
)

_TEXT: Final = re.compile(r"([0-9]{1,6})(s|m|h|WH|WD|d|Cd)(?: ([A-Z][A-Z0-9_]{0,15}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Limit:
    """`str` gives back the text; `d` has become `WD`."""

    amount: int
    unit: LimitUnit
    calendar: str

    def __str__(self) -> str:
        return f"{self.amount}{self.unit} {self.calendar}"


def parse_limit(text: str, *, calendar: str | None = None) -> Limit:
    """Read `5WD OFF`; `calendar` is the one meant when the text itself names none."""
    found = _TEXT.fullmatch(text)
    if found is None or int(found[1]) == 0:
        raise ValueError(f"limit `{text}` is not understood: allowed is {ALLOWED}")
    unit = cast("LimitUnit", "WD" if found[2] == "d" else found[2])
    named = found[3] or calendar or (OFFICE if unit == "WH" else None)
    if named is None:
        raise ValueError(f"limit `{text}` names no calendar: allowed is {ALLOWED}")
    if unit == "WH" and named != OFFICE:
        raise ValueError(f"limit `{text}`: WH are hours of {OFFICE}; on another calendar write h")
    return Limit(int(found[1]), unit, named)
