"""`python -m tests.bench.replay`: how many events a second `console rebuild --check` replays, in what memory.

Over 100,000 open cases laid by the router's own transaction, a tenth with ten events, the rest with two.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import time
from datetime import UTC, datetime

from services.adapters import city_book
from services.adapters.settings import PROJECT, Settings
from tests.bench import stack as parts
from tests.bench.figures import Report, spread
from tests.bench.quick import noise
from tests.bench.reports import read_bench_city
from tests.bench.stack import BenchError
from tests.console_run import Console, console, gone_afterwards
from tests.harness import watched
from tests.harness.laid import Laying, lay_open_cases


def main() -> None:
    arguments = _arguments()
    report = Report(notes=[noise(parts.busy_percent())])
    with gone_afterwards(console("--only", "postgres")) as one:
        try:
            asyncio.run(_measure(one, report, arguments))
        except BenchError as problem:
            raise SystemExit(f"bench: {problem}") from problem
    title = "bench replay"
    report.show(title)
    path = PROJECT / "var" / "bench" / f"replay-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.md"
    report.write(path, f"{title}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    print(f"written to {path.relative_to(PROJECT)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.replay", description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


async def _measure(one: Console, report: Report, arguments: argparse.Namespace) -> None:
    await parts.seconds_to_ready(one)
    await _lay(one, report, arguments.cases)
    await _replay(one, report, arguments.rounds)
    await parts.stop(one)


async def _lay(one: Console, report: Report, cases: int) -> None:
    url = one.known()["DATABASE_URL"]
    await city_book.load_folder(url, Settings().city_folder)
    city, _ = read_bench_city()
    begun = time.monotonic()
    laying = Laying(url)
    await lay_open_cases(laying, city, cases, lively=cases // 10)
    await laying.close()
    report.notes.append(f"Laying {cases:,} cases took {time.monotonic() - begun:.0f} s.")


async def _replay(one: Console, report: Report, rounds: int) -> None:
    rates, most, what = [], 0, ""
    for _ in range(rounds):
        ended = await watched.run(
            *[sys.executable, "-m", "services.console", "rebuild", "--check"],
            environment={**one.environment, **one.known()},
        )
        found = re.search(r"^(.*) in .* \(([\d,]+) events a second\): nothing differs$", ended.said)
        if ended.code or found is None:
            raise BenchError(f"rebuild --check ended with {ended.code}: {ended.said} {ended.complained}")
        what = found[1]
        rates.append(float(found[2].replace(",", "")))
        most = max(most, ended.most_bytes)
    memory = f"at most {most / 2**20:.0f} MiB of memory"
    report.single("events replayed a second", spread(rates), f"{what}; {memory}")


if __name__ == "__main__":
    main()
