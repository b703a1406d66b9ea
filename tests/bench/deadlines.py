"""`python -m tests.bench.deadlines`: how late deadlines are passed, a lone one and 5,000 of one second.

On the real broker, database, router and timekeeper; then the same with 1,000,000 open deadlines in the table.
Late is the broker's time of `CaseEscalated` on its topic, less the instant of the step.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import asyncpg

from services.adapters import city_book
from services.adapters.settings import PROJECT, Settings
from services.domain.city import City
from services.domain.messages import SubmitReport
from tests.bench import stack as parts
from tests.bench.figures import Report, percentile, spread
from tests.bench.quick import SERVERS, noise
from tests.bench.reports import read_bench_city
from tests.bench.stack import BenchError, room, wait_ready
from tests.console_run import Console, console, gone_afterwards, make_data_folder
from tests.harness import book
from tests.harness.deadline_storm import (
    CATEGORY,
    asked,
    complaints,
    escalations,
    hubs_in_turn,
    lay,
    next_steps,
    not_escalated,
)
from tests.harness.laid import Laying, report

_AHEAD: Final = timedelta(hours=1)
"""What is laid lies so far in the stack's future that laying it can take its time."""
_BEFORE: Final = timedelta(seconds=5)
"""With all rooms up, the clock is set so long before the first deadline."""
_LONE_EVERY: Final = 1.3
_PASSED_SECONDS: Final = 60.0
LONE_AIM: Final = 0.3
STORM_AIM: Final = 5.0


def main() -> None:
    arguments = _arguments()
    report_ = Report(notes=[noise(parts.busy_percent())])
    folder = make_data_folder()
    clock = folder / "clock-offset"
    clock.write_text("0")
    with gone_afterwards(console(*SERVERS, folder=folder, clock_offset_file=str(clock))) as one:
        try:
            asyncio.run(_Bench(one, clock, report_, arguments).run())
        except BenchError as problem:
            raise SystemExit(f"bench: {problem}") from problem
    title = "bench deadlines"
    report_.show(title)
    path = PROJECT / "var" / "bench" / f"deadlines-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.md"
    report_.write(path, f"{title}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    print(f"written to {path.relative_to(PROJECT)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.deadlines", description=__doc__)
    parser.add_argument("--cases", type=int, default=5_000, help="that fall due in the same second")
    parser.add_argument("--lone", type=int, default=30, help="deadlines with nothing else due, in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--open", type=int, default=1_000_000, help="deadlines in the table, 0: not measured")
    return parser.parse_args()


class _Bench:
    def __init__(self, one: Console, clock: Path, report_: Report, arguments: argparse.Namespace) -> None:
        self._stack = one
        self._clock = clock
        self._report = report_
        self._cases: int = arguments.cases
        self._lone: int = arguments.lone
        self._open: int = arguments.open
        self._rounds: int = arguments.rounds
        self._chance = random.Random(1)

    async def run(self) -> None:
        await parts.seconds_to_ready(self._stack)
        self._url = self._stack.known()["DATABASE_URL"]
        self._bootstrap = self._stack.known()["KAFKA_BOOTSTRAP"]
        await city_book.load_folder(self._url, Settings().city_folder)
        self._city, _ = read_bench_city()
        await self._measure("few open deadlines")
        if self._open:
            await self._fill()
            question = "SELECT count(*) AS n FROM deadlines WHERE next_at IS NOT NULL"
            await self._measure(f"{await book.value(self._url, question):,} open deadlines")
        await parts.stop(self._stack)

    async def _measure(self, where: str) -> None:
        alone, together = _Lateness(), _Lateness()
        for number in range(self._rounds):
            await self._round(f"{where} {number}", alone, together)
        self._report.rows.append(alone.row(f"a lone deadline, {where}", LONE_AIM))
        self._report.rows.append(together.row(f"{self._cases:,} of one second, {where}", STORM_AIM))

    async def _round(self, name: str, alone: _Lateness, together: _Lateness) -> None:
        """The lone ones, each with a phase of its own to the timekeeper's ticks, then the storm."""
        begins = datetime.now(UTC) + _AHEAD
        lone_at = [
            begins + timedelta(seconds=_LONE_EVERY * number + self._chance.random() * 0.3)
            for number in range(self._lone)
        ]
        second = (begins + timedelta(seconds=_LONE_EVERY * self._lone + 5)).replace(microsecond=0)
        storm_at = [second + timedelta(seconds=self._chance.random()) for _ in range(self._cases)]
        laying = Laying(self._url)
        lone = await lay(laying, self._city, lone_at, f"{name} lone")
        storm = await lay(laying, self._city, storm_at, f"{name} storm")
        await laying.close()
        await self._check_laid({**lone, **storm})
        ports = self._stack.environment
        async with (
            room(self._stack, "services.router") as router,
            room(self._stack, "services.timekeeper") as timekeeper,
        ):
            await wait_ready(router, int(ports["ROUTER_PORT"]), "router")
            await wait_ready(timekeeper, int(ports["TIMEKEEPER_PORT"]), "timekeeper")
            offset = (begins - _BEFORE - datetime.now(UTC)).total_seconds()
            self._clock.write_text(str(offset))
            await self._all_passed({**lone, **storm}, second - timedelta(seconds=offset))
        self._clock.write_text("0")
        alone.take(self._bootstrap, lone, offset)
        together.take(self._bootstrap, storm, offset)
        await self._forget({**lone, **storm})

    async def _check_laid(self, cases: dict[str, datetime]) -> None:
        found = await next_steps(self._url, cases)
        wrong = [c for c, at in cases.items() if found[c][0] != "supervise" or found[c][1] != at]
        if wrong:
            raise BenchError(f"{len(wrong)} cases do not escalate when they should, such as {wrong[0]}")

    async def _all_passed(self, cases: dict[str, datetime], due_at: datetime) -> None:
        waiting = len(cases)
        end = time.monotonic() + (due_at - datetime.now(UTC)).total_seconds() + _PASSED_SECONDS
        while waiting and time.monotonic() < end:
            await asyncio.sleep(2.0)
            waiting = await not_escalated(self._url, cases)
        if waiting:
            raise BenchError(f"{waiting} of {len(cases)} cases have not escalated")

    async def _forget(self, cases: dict[str, datetime]) -> None:
        """Their later steps would come in the midst of the next round."""
        conn = await asyncpg.connect(self._url)
        for table in ("cases", "events", "deadlines", "reports"):
            await conn.execute(f"DELETE FROM {table} WHERE case_id = ANY ($1::uuid[])", list(cases))
        await conn.close()

    async def _fill(self) -> None:
        """Cases of the next month, all their clocks running."""
        begun = time.monotonic()
        laying = Laying(self._url)
        clocks = len(self._city.categories[CATEGORY].milestones) + 2
        await laying.lay(_filling(self._city, self._open // clocks))
        await laying.close()
        await self._analyze()
        self._report.notes.append(f"Laying the open deadlines took {time.monotonic() - begun:.0f} s.")

    async def _analyze(self) -> None:
        conn = await asyncpg.connect(self._url)
        await conn.execute("VACUUM ANALYZE cases, events, deadlines, reports")
        await conn.close()


def _filling(city: City, count: int) -> Iterator[SubmitReport]:
    begins = datetime.now(UTC) + 2 * _AHEAD
    for number, hub in zip(range(count), hubs_in_turn(city), strict=False):
        at = begins + timedelta(seconds=number * 2_000_000 / count)
        yield report(f"open {number}", CATEGORY, hub, at)


@dataclass
class _Lateness:
    """Seconds late of each round, in order: of the escalations, and of the commands that asked for them."""

    escalated: list[list[float]] = field(default_factory=list)
    asked: list[list[float]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def take(self, bootstrap: str, cases: dict[str, datetime], offset: float) -> None:
        seen, sent = escalations(bootstrap, cases), asked(bootstrap, cases)
        self.wrong += complaints(seen, sent, cases)
        self.escalated.append(sorted(one.appended_at + offset - one.step_at.timestamp() for one in seen))
        self.asked.append(sorted(one.appended_at + offset - one.step_at.timestamp() for one in sent))

    def row(self, name: str, aim: float) -> tuple[str, str, str, str, str]:
        p50, p99, most = (_ms(self.escalated, percent) for percent in (50, 99, 100))
        verdict = "met" if statistics.median(p99) <= aim * 1000 else "MISSED"
        said = (
            f"aim p99 {aim * 1000:,.0f}: {verdict}; the commands alone p50 {spread(_ms(self.asked, 50))},"
            f" p99 {spread(_ms(self.asked, 99))}; {sum(map(len, self.escalated)):,} escalations, each once,"
            " asked for the oldest first"
        )
        if self.wrong:
            said += f": NOT SO, {len(self.wrong)} times, such as {self.wrong[0]}"
        return name, f"p50 {spread(p50)}, p99 {spread(p99)}, max {spread(most)} ms", "", "", said


def _ms(rounds: list[list[float]], percent: float) -> list[float]:
    return [percentile(late, percent) * 1000 for late in rounds]


if __name__ == "__main__":
    main()
