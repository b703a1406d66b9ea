"""`python -m tests.bench.replay`: how many events a second `console rebuild --check` replays, in what memory.

Over 100,000 open cases laid by the router's own transaction, a tenth with ten events, the rest with two.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import resource
import subprocess
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
from tests.harness.laid import Laying, lay_open_cases


def main() -> None:
    arguments = _arguments()
    report = Report(notes=[noise(parts.busy_percent())])
    with gone_afterwards(console("--only", "postgres")) as one:
        try:
            asyncio.run(_lay(one, report, arguments.cases))
            _replay(one, report, arguments.rounds)
            asyncio.run(parts.stop(one))
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


async def _lay(one: Console, report: Report, cases: int) -> None:
    await parts.seconds_to_ready(one)
    url = one.known()["DATABASE_URL"]
    await city_book.load_folder(url, Settings().city_folder)
    city, _ = read_bench_city()
    begun = time.monotonic()
    laying = Laying(url)
    await lay_open_cases(laying, city, cases, lively=cases // 10)
    await laying.close()
    report.notes.append(f"Laying {cases:,} cases took {time.monotonic() - begun:.0f} s.")


def _replay(one: Console, report: Report, rounds: int) -> None:
    rates, said = [], ""
    for _ in range(rounds):
        told = subprocess.run(
            [sys.executable, "-m", "services.console", "rebuild", "--check"],
            cwd=PROJECT,
            env={**one.environment, **one.known()},
            capture_output=True,
            text=True,
            check=False,
        )
        said = told.stdout.strip()
        found = re.search(r"\(([\d,]+) events a second\): nothing differs$", said)
        if told.returncode or found is None:
            raise BenchError(f"rebuild --check ended with {told.returncode}: {said} {told.stderr}")
        rates.append(float(found[1].replace(",", "")))
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    report.single(
        "events replayed a second", spread(rates), f"{said.split(' in ')[0]}; most memory {most:.0f} MiB"
    )


if __name__ == "__main__":
    main()
