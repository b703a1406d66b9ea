"""The words of texts.toml in one language, and how instants, lengths, limits and calendars are said."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from datetime import date, datetime, timedelta, tzinfo
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from services.domain.calendars import Calendar
from services.domain.limits import Limit

Language = Literal["en", "zh"]
_TEXTS: Final = Path(__file__).parent / "texts.toml"


@cache
def texts() -> dict[str, dict[str, Any]]:
    return tomllib.loads(_TEXTS.read_text("utf-8"))


class Words:
    def __init__(self, language: Language, zone: tzinfo) -> None:
        self.language = language
        self._zone = zone
        self._texts = texts()[language]

    def say(self, key: str, **values: object) -> str:
        text: str = self._texts[key]
        return text.format(**values)

    def has(self, key: str) -> bool:
        return key in self._texts

    def list(self, parts: Iterable[str]) -> str:
        comma: str = self._texts["comma"]
        return comma.join(parts)

    def day(self, on: date) -> str:
        return f"{self._texts['weekdays'][on.weekday()]} {on}"

    def instant(self, at: datetime) -> str:
        local = at.astimezone(self._zone)
        seconds = f":{local:%S}" if local.second or local.microsecond else ""
        return f"{self.day(local.date())} {local:%H:%M}{seconds}"

    def clock(self, at: datetime, *, closing: bool = False) -> str:
        """A time of day; the end of a day is 24:00, not the start of the next."""
        local = at.astimezone(self._zone)
        if closing and local.hour == local.minute == 0:
            return "24:00"
        return f"{local:%H:%M:%S}".removesuffix(":00")

    def spans(self, spans: tuple[tuple[datetime, datetime], ...]) -> str:
        return self.list(f"{self.clock(a)}-{self.clock(b, closing=True)}" for a, b in spans)

    def length(self, length: timedelta) -> str:
        seconds = round(length.total_seconds())
        parts = [("h", seconds // 3600), ("m", seconds // 60 % 60), ("s", seconds % 60)]
        said = [self.say(f"length.{unit}", n=n) for unit, n in parts if n]
        return " ".join(said) or self.say("length.m", n=0)

    def limit(self, limit: Limit) -> str:
        return self.say(f"unit.{limit.unit}", n=limit.amount)

    def official(self, official: bool) -> str:
        return self.say("official" if official else "provisional")

    def calendar(self, calendar: Calendar) -> str:
        spans = self.list(f"{a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02}" for a, b in calendar.spans)
        name = calendar.name_zh if self.language == "zh" else calendar.name_en
        kind = self.say(f"kind.{calendar.kind}")
        return self.say("calendar", code=calendar.code, name=name, kind=kind, spans=spans)
