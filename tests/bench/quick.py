"""`make bench-quick`: door and router apart, each beside its bare limit, and accept → event; three minutes.

`--visible` measures accept → visible on the board instead, three runs of a minute. Rounds alternate, so what
disturbs one disturbs the other; ratios count, not absolute numbers.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from datetime import UTC, datetime
from typing import Any, Final

from services.adapters.settings import PROJECT
from tests.bench import stack as parts
from tests.bench.drains import Drainage
from tests.bench.figures import Report, milliseconds, spread
from tests.bench.stack import BenchError, load, room, wait_ready
from tests.console_run import Console, console, free_ports, gone_afterwards

DISPATCHER: Final = "dispatcher-320506000000"
PASSWORD: Final = "bench-only-password-of-a-folder-that-goes"
SERVERS: Final = ("--only", "kafka", "--only", "postgres")
_RATIOS: Final = (
    "Ratios count, not absolute numbers: a ratio carries over to another machine, a rate does not."
)


def main() -> None:
    arguments = _arguments()
    busy = parts.busy_percent()
    report = Report(notes=[_RATIOS, noise(busy)])
    begun = time.monotonic()
    title = "bench-quick --visible" if arguments.visible else "bench-quick"
    with gone_afterwards(console(sample_staff_password=PASSWORD)) as one:
        try:
            asyncio.run(
                _visible(one, report, arguments) if arguments.visible else _quick(one, report, arguments)
            )
        except BenchError as problem:
            raise SystemExit(f"bench: {problem}") from problem
    report.notes.append(f"It took {time.monotonic() - begun:.0f} s.")
    report.show(title)
    path = PROJECT / "var" / "bench" / f"{title.replace(' --', '-')}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.md"
    report.write(path, f"{title}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    print(f"written to {path.relative_to(PROJECT)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.quick", description=__doc__)
    parser.add_argument("--visible", action="store_true", help="accept → visible on the board's stream")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--door-seconds", type=float, default=8.0)
    parser.add_argument("--reports", type=int, default=12_000, help="to drain in each round")
    parser.add_argument("--paced-seconds", type=float, default=10.0, help="of each rate of accept → event")
    parser.add_argument("--visible-reports", type=int, default=3_000)
    parser.add_argument(
        "--only", action="append", choices=("door", "router", "event"), help="measure only this; repeatable"
    )
    return parser.parse_args()


def noise(busy: float) -> str:
    if busy > 15:
        return f"NOISY: other programs used {busy:.0f} % of the processors at the start; take a quiet moment."
    return f"Other programs used {busy:.0f} % of the processors at the start."


async def _quick(one: Console, report: Report, arguments: argparse.Namespace) -> None:
    wanted = arguments.only or ("door", "router", "event")
    first = await parts.seconds_to_ready(one)
    await parts.stop(one)
    second = await parts.seconds_to_ready(one)
    report.single("start, all parts", f"{second:.1f} s", f"second start; first in a new folder {first:.1f} s")
    if "event" in wanted:
        await _events(one, report, arguments)
    _memory(one, report)
    await parts.stop(one)
    one.arguments = SERVERS
    await parts.seconds_to_ready(one)
    if "router" in wanted:
        await _router(one, report, arguments)
    if "door" in wanted:
        await _door(one, report, arguments)
    await parts.stop(one)


async def _events(one: Console, report: Report, arguments: argparse.Namespace) -> None:
    for rate in (50, 500):
        found = await load(
            one,
            {
                "what": "event",
                "port": one.running()["intake"]["port"],
                "bootstrap": one.known()["KAFKA_BOOTSTRAP"],
                "rate": rate,
                "count": int(rate * arguments.paced_seconds),
                "warm_up": 4.0,
            },
        )
        _paced(report, f"accept → CaseFiled on case-events, {rate}/s", found)


def _paced(report: Report, name: str, found: dict[str, Any]) -> None:
    lost = f", {found['unseen']} NEVER SEEN" if found["unseen"] else ""
    report.single(
        name,
        f"p50 {milliseconds(found['from_202_p50'])}, p99 {milliseconds(found['from_202_p99'])}",
        f"from its 202; from the request's start p50 {milliseconds(found['from_start_p50'])},"
        f" p99 {milliseconds(found['from_start_p99'])}; {found['count']:,} reports{lost}",
    )


def _memory(one: Console, report: Report) -> None:
    total = 0
    for name, (rss, pss) in sorted(parts.memory(one).items()):
        total += pss
        report.single(f"memory of {name}", f"{rss / 2**20:.0f} MiB RSS", f"{pss / 2**20:.0f} MiB PSS")
    report.single("memory of all", f"{total / 2**20:.0f} MiB PSS")


async def _router(one: Console, report: Report, arguments: argparse.Namespace) -> None:
    ours, bare, lockless = await Drainage(one, count=arguments.reports).measure(arguments.rounds)
    aim = "met" if statistics.median(ours.by_book) >= 4000 else "MISSED"
    report.pair(
        "router reports/s, by changed_at",
        ours.by_book,
        bare.by_book,
        aim=0.6,
        remarks=f"aim 4,000/s: {aim}; bare = decision 2 whole; {arguments.reports:,} reports a round",
    )
    report.pair("router reports/s, by offsets", ours.by_offsets, bare.by_offsets, aim=None)
    report.pair("… beside the bare loop without locks and look-ups", ours.by_book, lockless.by_book, aim=None)
    report.rows.append(
        ("… cost of a report", ours.cost(), bare.cost(), "", f"without locks {lockless.cost()}")
    )


async def _door(one: Console, report: Report, arguments: argparse.Namespace) -> None:
    bootstrap = one.known()["KAFKA_BOOTSTRAP"]
    (bare_port,) = free_ports(1)
    doors = {"ours": int(one.environment["INTAKE_PORT"]), "bare": bare_port}
    rates: dict[str, list[float]] = {"ours": [], "bare": []}
    costs: dict[str, list[float]] = {"ours": [], "bare": []}
    p99: dict[str, list[float]] = {"ours": [], "bare": []}
    async with (
        room(one, "services.intake") as ours,
        room(one, "tests.bench.bare_door", bootstrap, str(bare_port)) as bare,
    ):
        processes = {"ours": ours, "bare": bare}
        for name, process in processes.items():
            await wait_ready(process, doors[name], name)
        for _ in range(arguments.rounds):
            for name, process in processes.items():
                before = parts.cpu_seconds(process.pid)
                found = await load(
                    one,
                    {
                        "what": "drive",
                        "port": doors[name],
                        "connections": 64,
                        "warm_up": 1.0,
                        "seconds": arguments.door_seconds,
                    },
                )
                spent = parts.cpu_seconds(process.pid) - before
                rates[name].append(found["accepted"] / found["seconds"])
                costs[name].append(1e6 * spent / (rates[name][-1] * (found["seconds"] + 1.0)))
                p99[name].append(found["latencies"][1] * 1000)
    report.pair(
        "door posts/s, 64 connections",
        rates["ours"],
        rates["bare"],
        aim=0.6,
        remarks=f"p99 {spread(p99['ours'])} ms, bare {spread(p99['bare'])} ms",
    )
    ours_us, bare_us = (f"{statistics.median(costs[name]):.0f} µs CPU" for name in ("ours", "bare"))
    report.rows.append(("… cost of a post", ours_us, bare_us, "", ""))


async def _visible(one: Console, report: Report, arguments: argparse.Namespace) -> None:
    await parts.seconds_to_ready(one)
    p99 = []
    for run in range(1, 4):
        found = await load(
            one,
            {
                "what": "visible",
                "port": one.running()["intake"]["port"],
                "board_port": one.running()["board"]["port"],
                "username": DISPATCHER,
                "password": PASSWORD,
                "rate": 50,
                "count": arguments.visible_reports,
                "warm_up": 10.0 if run == 1 else 2.0,
            },
        )
        _paced(report, f"accept → visible on the board, 50/s, run {run}", found)
        p99.append(float("inf") if found["unseen"] else found["from_202_p99"])
    verdict = "met" if min(p99) <= 0.2 else "MISSED"
    report.single("best p99 of three", milliseconds(min(p99)), f"aim 200 ms: {verdict}")
    _memory(one, report)
    await parts.stop(one)


if __name__ == "__main__":
    main()
