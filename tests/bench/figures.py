"""Figures with their spread, and the one table they stand in: on the screen, and as markdown in a file."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

_HEAD = ("measured", "ours", "bare limit", "ours ÷ bare", "remarks")


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Nearest rank of values in order; infinity when there are none."""
    if not ordered:
        return float("inf")
    return ordered[max(0, -(-len(ordered) * int(percent * 10) // 1000) - 1)]


def spread(values: Sequence[float], form: str = "{:,.0f}") -> str:
    """Median (lowest to highest)."""
    if not values:
        return "-"
    middle = form.format(statistics.median(values))
    if len(values) == 1:
        return middle
    return f"{middle} ({form.format(min(values))}-{form.format(max(values))})"


def ratios(ours: Sequence[float], bare: Sequence[float]) -> list[float]:
    """Round by round: what disturbs a round disturbs both."""
    return [one / other for one, other in zip(ours, bare, strict=True) if other]


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"


@dataclass
class Report:
    rows: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def pair(
        self, name: str, ours: Sequence[float], bare: Sequence[float], *, aim: float | None, remarks: str = ""
    ) -> None:
        ratio = ratios(ours, bare)
        verdict = ""
        if aim is not None and ratio:
            verdict = f", aim {aim:g}: {'met' if statistics.median(ratio) >= aim else 'MISSED'}"
        self.rows.append((name, spread(ours), spread(bare), spread(ratio, "{:.2f}") + verdict, remarks))

    def single(self, name: str, value: str, remarks: str = "") -> None:
        self.rows.append((name, value, "", "", remarks))

    def show(self, title: str) -> None:
        table = Table(title=title, title_justify="left", show_lines=False)
        for heading in _HEAD:
            table.add_column(heading, overflow="fold")
        for row in self.rows:
            table.add_row(*row)
        screen = Console(width=None if Console().is_terminal else 170)
        screen.print(table)
        for note in self.notes:
            screen.print(note, highlight=False)

    def write(self, path: Path, title: str) -> None:
        lines = [f"# {title}", "", *self.notes, "", f"| {' | '.join(_HEAD)} |", "|" + " --- |" * len(_HEAD)]
        lines += [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in self.rows]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", "utf-8")
