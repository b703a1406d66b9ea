"""`console feed FILE`: play a file of reports through the public API, as residents and couriers do.

A line is `{"at_s": …, "captured_before_s": …, "expect": {"status": …}, "body": {…}}`: sent at_s seconds after
the start, captured that long before it is sent. The file is read before anything is sent, and every line gets
its own Idempotency-Key, so a repeated attempt is never a second report.
"""

from __future__ import annotations

import asyncio
import json
import math
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urljoin

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from services.adapters.clock import Clock
from services.adapters.public_api import Answer, NobodyThere, PublicApi
from services.adapters.settings import Settings

AT_ONCE: Final = 16
SHOWN: Final = 5
ACCEPTED: Final = 202
LONGEST_BEFORE_S: Final = 10 * 366 * 86_400


@dataclass(frozen=True, slots=True)
class Line:
    number: int
    at_s: float
    expected: int
    body: Mapping[str, Any]
    captured_before_s: float | None = None

    def body_at(self, now: datetime) -> Mapping[str, Any]:
        """The body as it is sent now."""
        if self.captured_before_s is None:
            return self.body
        captured_at = now - timedelta(seconds=self.captured_before_s)
        return {**self.body, "captured_at": captured_at.isoformat(timespec="milliseconds")}


def feed(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="such as a city's sample-reports.jsonl")],
    speed: Annotated[float, typer.Option(help="how many times faster than the file's own times")] = 1.0,
    url: Annotated[str, typer.Option(help="the address of the public door")] = "http://127.0.0.1:8000",
) -> None:
    """Play the reports of FILE through the public API at N times their speed."""
    terminal = Console()
    clock = Clock(Settings().clock_offset_file)
    if not (math.isfinite(speed) and speed > 0):
        raise typer.BadParameter("must be above 0", param_hint="--speed")
    try:
        lines = read_lines(file)
        answers = asyncio.run(_play(lines, speed, url, clock, terminal))
    except (OSError, ValueError) as error:
        terminal.print(_sentence(file, error), style="red", soft_wrap=True, markup=False, highlight=False)
        raise typer.Exit(1) from None
    _summarise(file, lines, answers, url, terminal)
    if any(answers[line.number].status != line.expected for line in lines):
        raise typer.Exit(1)


def read_lines(file: Path) -> list[Line]:
    """The lines in order of time; ValueError names file, line and what is wrong."""
    lines = []
    for number, text in enumerate(file.read_text("utf-8").splitlines(), start=1):
        if text.strip():
            try:
                lines.append(_line(number, text))
            except ValueError as error:
                raise ValueError(f"{file}:{number}: {error}") from None
    if not lines:
        raise ValueError(f"{file}:1: holds no report")
    return sorted(lines, key=lambda line: line.at_s)


def _line(number: int, text: str) -> Line:
    try:
        said = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg} at column {error.colno}") from None
    match said:
        case {"body": dict() as body}:
            at_s = said.get("at_s", 0)
        case _:
            raise ValueError('is not an object with a "body" that is an object')
    if not _is_seconds(at_s):
        raise ValueError(f'"at_s" must be seconds from the start, 0 or more, not {at_s!r}')
    before_s = said.get("captured_before_s")
    if before_s is not None and not (_is_seconds(before_s) and before_s <= LONGEST_BEFORE_S):
        raise ValueError(
            f'"captured_before_s" must be seconds, 0 to {LONGEST_BEFORE_S} (ten years), not {before_s!r}'
        )
    if before_s is not None and "captured_at" in body:
        raise ValueError('says both "captured_before_s" and "captured_at" of the body: keep one')
    expect = said.get("expect", {})
    expected = expect.get("status", ACCEPTED) if isinstance(expect, dict) else None
    if not isinstance(expected, int) or isinstance(expected, bool):
        raise ValueError('"expect" must be an object whose "status" is a whole number')
    return Line(number, float(at_s), expected, body, None if before_s is None else float(before_s))


def _is_seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


async def _play(
    lines: list[Line], speed: float, url: str, clock: Clock, terminal: Console
) -> dict[int, Answer]:
    answers: dict[int, Answer] = {}
    async with PublicApi(url, connections=AT_ONCE) as door:
        await door.look()
        columns = (TextColumn("[bold]reports"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=terminal) as progress:
            task = progress.add_task("reports", total=len(lines))
            await _send_all(lines, speed, door, clock, answers, lambda: progress.advance(task))
    return answers


async def _send_all(
    lines: list[Line],
    speed: float,
    door: PublicApi,
    clock: Clock,
    answers: dict[int, Answer],
    sent: Callable[[], None],
) -> None:
    elapsed = asyncio.get_running_loop().time
    begun = elapsed()
    free = asyncio.Semaphore(AT_ONCE)

    async def send(line: Line) -> None:
        try:
            answers[line.number] = await door.post_report(line.body_at(clock.now()), key=str(uuid.uuid4()))
        finally:
            free.release()
        sent()

    async with asyncio.TaskGroup() as senders:
        for line in lines:
            await asyncio.sleep(max(0.0, begun + line.at_s / speed - elapsed()))
            await free.acquire()
            senders.create_task(send(line))


def _summarise(
    file: Path, lines: list[Line], answers: Mapping[int, Answer], url: str, terminal: Console
) -> None:
    kinds = Counter(_kind(answers[line.number]) for line in lines)
    kinds["as expected"] = sum(answers[line.number].status == line.expected for line in lines)
    shown = ("accepted", "refused", "not confirmed", "as expected")
    totals = Table(title=f"{len(lines)} reports", title_justify="left")
    for kind in shown:
        totals.add_column(kind, justify="right")
    totals.add_row(*(str(kinds[kind]) for kind in shown))
    terminal.print(totals)
    accepted = [answer for line in lines if (answer := answers[line.number]).status == ACCEPTED]
    if accepted:
        codes = Table(title="the first tracking codes", title_justify="left")
        codes.add_column("tracking code", no_wrap=True)
        codes.add_column("its page", overflow="fold")
        for answer in accepted[:SHOWN]:
            code = str(answer.body.get("tracking_code"))
            codes.add_row(code, urljoin(url, f"/r/{code}"))
        terminal.print(codes)
    for line in lines:
        answer = answers[line.number]
        if answer.status != line.expected:
            failing = f"{file}:{line.number}: expected HTTP {line.expected}, got {_failing(answer)}"
            terminal.print(failing, style="red", soft_wrap=True, markup=False, highlight=False)


def _kind(answer: Answer) -> str:
    if answer.status is None or answer.status >= 500:
        return "not confirmed"
    return "accepted" if answer.status == ACCEPTED else "refused"


def _failing(answer: Answer) -> str:
    if answer.status is None:
        return f"no confirmation after {answer.attempts} attempts: {answer.detail}"
    if answer.status == ACCEPTED:
        return f"HTTP {ACCEPTED}: accepted"
    errors = [error for error in answer.body.get("errors") or () if isinstance(error, dict)]
    fields = "; ".join(f"{error.get('field')}: {error.get('message')}" for error in errors)
    said = fields or answer.body.get("detail") or answer.body.get("title") or "without a reason"
    return f"HTTP {answer.status}: {said}"


def _sentence(file: Path, error: Exception) -> str:
    match error:
        case NobodyThere():
            return str(error)
        case UnicodeDecodeError():
            return f"{file}: is not UTF-8 text"
        case OSError():
            return f"{file}: cannot be read: {error.strerror or error}"
        case _:
            return str(error)
