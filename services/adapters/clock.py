"""The one Clock: every "now" of the running system. A file can move it for all processes at once (tests)."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

_LOOK_EVERY_S = 0.05


class Clock:
    """`offset_file` holds seconds as text; it is looked at 20 times a second at most."""

    def __init__(self, offset_file: Path | None = None) -> None:
        self._file = offset_file
        self._offset = timedelta(0)
        self._looked_at = float("-inf")

    @property
    def offset(self) -> timedelta:
        if self._file is not None and time.monotonic() - self._looked_at > _LOOK_EVERY_S:
            self._looked_at = time.monotonic()
            # Absent or caught half written: keep the last known offset.
            with contextlib.suppress(FileNotFoundError, ValueError):
                self._offset = timedelta(seconds=float(self._file.read_text()))
        return self._offset

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset
