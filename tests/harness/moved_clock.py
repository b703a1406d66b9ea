"""Time moved for a whole running stack: the one offset that every process of it reads."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Shanghai")


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


class MovedClock:
    """The shared offset of all processes. Only ever forward."""

    def __init__(self, folder: Path, begins: datetime) -> None:
        self.file = folder / "clock-offset"
        self.offset = (begins - datetime.now(UTC)).total_seconds()
        self._write()

    def at_least(self, instant: datetime) -> None:
        """From now on it is that instant, or later."""
        self.offset = max(self.offset, (instant - datetime.now(UTC)).total_seconds())
        self._write()

    def _write(self) -> None:
        draft = self.file.with_suffix(".new")
        draft.write_text(str(self.offset), "utf-8")
        draft.replace(self.file)
