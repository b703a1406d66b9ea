"""One row of a city's file: every cell is asked for by name and either understood or named as a problem."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, TypeVar

from services.domain.calendars import Span
from services.domain.city import Milestone
from services.domain.city_problems import Problem
from services.domain.limits import WALL_CLOCK, Limit, parse_limit

T = TypeVar("T")

_HUB_CODE: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,31}", re.ASCII)
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}", re.ASCII)
_WHOLE: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_REAL: Final = re.compile(r"-?[0-9]{1,4}(\.[0-9]{1,15})?", re.ASCII)
_DATE: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", re.ASCII)
_MONTH_DAY: Final = re.compile(r"([0-9]{2})-([0-9]{2})", re.ASCII)
_TELEPHONE: Final = re.compile(r"\+?[0-9]{2,15}", re.ASCII)
_DRAWING: Final = re.compile(r"[Mm][MmLlHhVvCcSsQqTtAaZz0-9 .,-]{1,999}", re.ASCII)
_HOUR: Final = "[01][0-9]|2[0-3]"
_SPAN: Final = re.compile(rf"({_HOUR}):([0-5][0-9])-({_HOUR}|24(?=:00)):([0-5][0-9])", re.ASCII)
_SOME_LEAP_YEAR: Final = 2024
_FLAGS: Final = ("confidential", "restricted", "transient", "council")
_NUMBERED_FLAGS: Final = ("hotline", "redirect")


@dataclass(slots=True)
class Cells:
    """One row; a cell that cannot be read leaves a problem and stands in with an empty value."""

    file: str
    line: int
    named: Mapping[str, str]
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, rule: str) -> None:
        self.problems.append(Problem(self.file, self.line, rule))

    def matching(self, name: str, charset: re.Pattern[str], allowed: str) -> str:
        text = self.named[name]
        if not charset.fullmatch(text):
            self.wrong(f"{name} `{text}` is not {allowed}" if text.strip() else f"{name} is empty")
        return text

    def code(self, name: str) -> str:
        return self.matching(name, _CODE, "a letter and then up to 39 letters, digits or _")

    def hub_code(self, name: str) -> str:
        return self.matching(name, _HUB_CODE, "1 to 32 letters, digits, _ or -")

    def telephone(self, name: str) -> str:
        return self.matching(name, _TELEPHONE, "a telephone number of 2 to 15 digits")

    def drawing(self, name: str) -> str:
        return self.matching(name, _DRAWING, "an SVG path that begins with M, of 1,000 characters at most")

    def listed(self, name: str) -> tuple[str, ...]:
        """`one;other`: which of them are known is judged elsewhere."""
        return tuple(self.named[name].split(";")) if self.named[name] else ()

    def words(self, name: str) -> str:
        text = self.named[name]
        if not text.strip():
            self.wrong(f"{name} is empty")
        return text

    def whole(self, name: str) -> int:
        known = len(self.problems)
        text = self.matching(name, _WHOLE, "a whole number")
        return int(text) if len(self.problems) == known else 0

    def real(self, name: str) -> float:
        known = len(self.problems)
        text = self.matching(name, _REAL, "a number of degrees such as 120.628125")
        return float(text) if len(self.problems) == known else 0.0

    def dated(self, name: str) -> date:
        return self._day(name, _DATE, "a date such as 2026-10-08")

    def month_day(self, name: str) -> tuple[int, int]:
        day = self._day(name, _MONTH_DAY, "a month and day such as 10-01")
        return day.month, day.day

    def _day(self, name: str, charset: re.Pattern[str], allowed: str) -> date:
        found = charset.fullmatch(self.named[name])
        numbers = [int(number) for number in found.groups()] if found else []
        try:
            year, month, day = numbers if charset is _DATE else [_SOME_LEAP_YEAR, *numbers]
            return date(year, month, day)
        except ValueError:
            self.wrong(f"{name} `{self.named[name]}` is not {allowed}")
            return date(1970, 1, 1)

    def spans(self, name: str) -> tuple[Span, ...]:
        """`09:00-12:00;13:00-17:00`: one after the other, within one day."""
        spans: list[Span] = []
        for part in self.named[name].split(";"):
            found = _SPAN.fullmatch(part)
            if found is None:
                self.wrong(f"{name} `{part}` is not `from-to`, such as `09:00-12:00`")
                continue
            h, m, to_h, to_m = map(int, found.groups())
            opens, closes = h * 60 + m, to_h * 60 + to_m
            if opens >= closes:
                self.wrong(f"{name} `{part}` does not end after it begins")
            elif spans and opens <= spans[-1][1]:
                self.wrong(f"{name} `{part}` does not begin after the span before it ends")
            spans.append((opens, closes))
        return tuple(spans)

    def one_of(self, name: str, allowed: tuple[str, ...]) -> Any:
        text = self.named[name]
        if text not in allowed:
            self.wrong(f"{name} `{text}` is not one of {', '.join(allowed)}")
        return text

    def optional(self, name: str, read: Callable[[str], T]) -> T | None:
        return read(name) if self.named[name] else None

    def limit(self, name: str) -> Limit:
        return self.limit_of(name, self.named[name])

    def limit_of(self, name: str, text: str, calendar: str | None = None) -> Limit:
        try:
            return parse_limit(text, calendar=calendar)
        except ValueError as error:
            self.wrong(f"{name}: {error}")
            return Limit(1, "s", WALL_CLOCK)

    def milestones(self, name: str, text: str) -> tuple[Milestone, ...]:
        stages: list[Milestone] = []
        for part in text.split(";") if text else ():
            stage, equals, limit = part.partition("=")
            if not equals or not _CODE.fullmatch(stage):
                self.wrong(f"{name} `{part}` is not `stage=limit`, such as `resolve=5WD OFF`")
                continue
            if stage in (known.stage for known in stages):
                self.wrong(f"{name} names the stage `{stage}` twice")
            stages.append(Milestone(stage, self.limit_of(f"{name} {stage}", limit)))
        return tuple(stages)

    def variants(self, milestones: tuple[Milestone, ...]) -> dict[str, tuple[Milestone, ...]]:
        """A variant replaces the stages it names, in their place; a stage it adds comes before the last."""
        variants: dict[str, tuple[Milestone, ...]] = {}
        for part in self.named["variants"].split("|") if self.named["variants"] else ():
            name, colon, text = part.partition(":")
            if not colon or not text or not _CODE.fullmatch(name):
                self.wrong(f"variants `{part}` is not `name:stage=limit`, such as `complex:resolve=15WD OFF`")
                continue
            if name in variants:
                self.wrong(f"variants name `{name}` twice")
            given = {new.stage: new for new in self.milestones(f"variant {name}", text)}
            kept = [given.pop(old.stage, old) for old in milestones]
            variants[name] = (*kept[:-1], *given.values(), *kept[-1:])
        return variants

    def flags(self) -> dict[str, Any]:
        flags: dict[str, Any] = {}
        for part in self.named["flags"].split(";") if self.named["flags"] else ():
            name, colon, number = part.partition(":")
            known = name in _NUMBERED_FLAGS and number.isdecimal() if colon else name in _FLAGS
            if not known:
                allowed = ", ".join((*_FLAGS, *(f"{numbered}:<number>" for numbered in _NUMBERED_FLAGS)))
                self.wrong(f"flag `{part}` is not one of {allowed}")
            elif name in flags:
                self.wrong(f"flag `{name}` stands twice")
            else:
                flags[name] = number or True
        return flags
