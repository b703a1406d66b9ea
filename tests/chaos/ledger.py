"""The ledger: every request that was made, when, with which key and body, and how it ended.

ok (202 of a report, 200 of a command) · refused (4xx) · unknown (503, cut, no answer, outcome pending) ·
unsent (nobody listened).  Only what is written here may be believed afterwards.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Kind = Literal["report", "command"]
End = Literal["open", "ok", "refused", "unknown", "unsent"]


@dataclass(slots=True)
class Attempt:
    kind: Kind
    key: str
    body: dict[str, Any]
    begun_at: float
    case_id: str | None = None
    end: End = "open"
    ended_at: float = 0.0
    status: int | None = None
    answer: dict[str, Any] = field(default_factory=dict)
    said: str = ""


class Ledger:
    def __init__(self) -> None:
        self.attempts: list[Attempt] = []

    def begin(self, kind: Kind, key: str, body: dict[str, Any], case_id: str | None = None) -> Attempt:
        attempt = Attempt(kind, key, body, time.time(), case_id)
        self.attempts.append(attempt)
        return attempt

    def finish(self, attempt: Attempt, end: End, *, said: str = "") -> None:
        attempt.end, attempt.ended_at, attempt.said = end, time.time(), said

    def count(self, kind: Kind, end: End) -> int:
        """Keys with at least one attempt that ended so."""
        return len({a.key for a in self.attempts if a.kind == kind and a.end == end})

    def by_key(self, kind: Kind) -> dict[str, list[Attempt]]:
        found: dict[str, list[Attempt]] = {}
        for attempt in self.attempts:
            if attempt.kind == kind:
                found.setdefault(attempt.key, []).append(attempt)
        return found

    def summary(self) -> str:
        return ", ".join(
            f"{number} {kind}s {end}"
            for (kind, end), number in sorted(Counter((a.kind, a.end) for a in self.attempts).items())
        )

    def lines(self) -> Iterator[str]:
        for attempt in self.attempts:
            yield json.dumps(asdict(attempt), ensure_ascii=False, default=str)

    def keep(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(self.lines()) + "\n", "utf-8")
