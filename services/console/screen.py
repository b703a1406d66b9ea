"""The screen of `console run`: one line per event, the name of who speaks in front, one bar for downloads."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

_WIDTH: Final = 11
_COLOURS: Final = (36, 32, 33, 35, 34, 96, 92, 95)
_LINE_EVERY: Final = 10


class Screen:
    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._coloured = self._console.is_terminal and not self._console.no_color
        self._colours: dict[str, int] = {}
        self._bar: Progress | None = None

    def say(self, name: str, line: str) -> None:
        """Without rich, except above a bar: a busy room says hundreds of lines a second."""
        label = f"{name:<{_WIDTH}}| "
        if self._bar is not None:
            self._bar.console.print(label + line, markup=False)
            return
        if self._coloured:
            colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
            label = f"\x1b[{colour}m{label}\x1b[0m"
        _write(sys.stdout, f"{label}{line}\n")

    def problem(self, text: str) -> None:
        """What stops us, in one sentence."""
        start = "\x1b[1;31mpioneer-hub:\x1b[0m" if self._coloured else "pioneer-hub:"
        _write(sys.stderr, f"{start} {text}\n")

    def box(self, title: str, rows: Sequence[tuple[str, str]]) -> None:
        table = Table.grid(padding=(0, 2))
        for left, right in rows:
            table.add_row(Text(left), Text(right))
        with contextlib.suppress(OSError):
            self._console.print(Panel(table, title=title, expand=False))

    @contextlib.contextmanager
    def download_bar(self, name: str, files: int) -> Iterator[Callable[[int, int], None]]:
        """Yields progress(bytes, files) for threads to call. Without a terminal: a line now and then."""
        lock = threading.Lock()
        count = [0, 0]
        columns = TextColumn("{task.completed:.0f}/{task.total:.0f} jars  {task.fields[megabytes]:5.1f} MB")
        bar = Progress(
            TextColumn(f"{name:<{_WIDTH}}|"), BarColumn(), columns, TimeElapsedColumn(), console=self._console
        )
        task = bar.add_task("", total=files, megabytes=0.0)

        def progress(size: int, whole: int) -> None:
            with lock:
                count[0] += size
                count[1] += whole
                megabytes = count[0] / 1e6
                if self._bar is not None:
                    bar.update(task, completed=count[1], megabytes=megabytes)
                elif whole and (count[1] % _LINE_EVERY == 0 or count[1] == files):
                    self.say(name, f"{count[1]} of {files} jars, {megabytes:.1f} MB")

        if not self._console.is_terminal:
            yield progress
            return
        with bar:
            self._bar = bar
            try:
                yield progress
            finally:
                self._bar = None


def _write(stream: object, text: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads on: the stack goes on
        print(text, end="", file=stream, flush=True)  # type: ignore[call-overload]
