"""One storm: load, kills until everybody died so often and came back, calm, and then every question asked."""

from __future__ import annotations

import asyncio
import shutil
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

import pytest

from services.adapters.settings import PROJECT
from tests.chaos import checks, quick_city
from tests.chaos.kills import Kill, Killer, schedule
from tests.chaos.ledger import Ledger
from tests.chaos.load import Load
from tests.chaos.replayed import replay_gives_the_rows
from tests.chaos.sabotage import unnoticed
from tests.chaos.seen import Seen, at_rest, see
from tests.chaos.steps import dues_passed, every_step_once, steps_passed
from tests.console_run import make_data_folder
from tests.harness import topics
from tests.harness.stack import Stack, running_stack, until

POSTS_PER_SECOND = 60.0
COMMANDS_PER_SECOND = 25.0
ENOUGH_REPORTS = 2_000
ENOUGH_DUES = 200
BACK_SECONDS = 30.0
# kafka-python shows where it stood when the broker hung up; asyncpg forgets who waits for a COPY cut short.
EXPECTED_IN_LOGS = ("kafka.net.transport", "ConnectionDoesNotExistError")
_SHOWN = 8


@dataclass
class Storm:
    seed: int
    workers: int
    deaths: int
    """Of each of them."""
    said: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"nothing-lost-{self.seed}-{self.workers}"

    def say(self, text: str) -> None:
        line = f"[seed {self.seed}] {text}"
        self.said.append(line)
        print(line, flush=True)

    async def run(self) -> None:
        folder = make_data_folder()
        city = quick_city.write(folder / "quick-city")
        ledger = Ledger()
        try:
            with running_stack(
                self.name, folder=folder, city_folder=str(city), router_workers=str(self.workers)
            ) as stack:
                await self._strike_and_check(stack, ledger)
        except BaseException:
            ledger.keep(PROJECT / "var" / "failed-tests" / self.name / "ledger.jsonl")
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def _strike_and_check(self, stack: Stack, ledger: Ledger) -> None:
        rooms = [
            "router",
            *(f"router-{n}" for n in range(2, self.workers + 1)),
            "timekeeper",
            "intake",
            "board",
        ]
        load = Load(
            ledger,
            stack.url("intake"),
            stack.url("board"),
            self.seed,
            posts=POSTS_PER_SECOND,
            commands=COMMANDS_PER_SECOND,
        )
        killer = Killer(stack, load, rooms, self.seed)
        plan = schedule(self.seed, ("kafka", "postgres", *rooms), self.deaths)
        self.say(f"kills to come: {', '.join(name + ('' if wait else ' with') for name, wait in plan)}")
        started = time.monotonic()
        await load.start()
        try:
            await until(lambda: ledger.count("report", "ok") > 300, 40, "the load to run")
            await asyncio.to_thread(_poison, stack)
            half = len(plan) // 2
            await killer.carry_out(plan[:half])
            load.slow_limits = False  # so that the last ladders do not end long after the last kill
            await killer.carry_out(plan[half:])
            await asyncio.to_thread(_poison, stack)
            await until(lambda: ledger.count("report", "ok") >= ENOUGH_REPORTS, 180, "reports enough")
            await load.finish(30)
            assert not load.failed(), load.failed()
        finally:
            await load.close()
        self.say(f"{time.monotonic() - started:.0f} s of load: {ledger.summary()}")
        for kill in killer.kills:
            self.say(str(kill))
        self.say(await at_rest(stack, drain_s=120, ladder_s=120))
        seen = await see(stack)
        self.say(f"{seen.summary()}; steps {dict(steps_passed(seen))}")
        self._judge(seen, ledger, killer.kills, stack)

    def _judge(self, seen: Seen, ledger: Ledger, kills: list[Kill], stack: Stack) -> None:
        complaints: list[str] = []
        questions = {
            "every report once": checks.every_report_once(seen, ledger),
            "one case per report": checks.one_case_per_report(seen),
            "seqs without a gap": checks.seqs_without_a_gap(seen),
            "every event on the topic": checks.every_event_on_the_topic(seen),
            "every command decided once": checks.every_command_decided_once(seen),
            "every event of one command": checks.every_event_of_one_command(seen),
            "every outcome told": checks.every_outcome_told(seen),
            "every answer of the board true": checks.every_answer_of_the_board_true(seen, ledger),
            "every step once": every_step_once(seen),
            "replay gives the rows": replay_gives_the_rows(seen),
            "no answer without a reason": checks.no_answer_without_a_reason(ledger),
            "the checks notice what is wrong": unnoticed(seen, ledger),
            "enough happened": self._enough(seen, ledger, kills),
            "every kill met something": [str(kill) for kill in kills if not kill.held],
            "no fault in the logs": stack.lines_of_trouble(EXPECTED_IN_LOGS),
        }
        for question, found in questions.items():
            complaints += self._ask(question, found)
        if complaints:
            pytest.fail("\n".join([*self.said, "", *complaints]), pytrace=False)

    def _ask(self, question: str, found: Iterable[str]) -> list[str]:
        broken = list(found)
        if not broken:
            return []
        first = [f"    {one[:600]}" for one in islice(broken, _SHOWN)]
        return [f"NOT SO: {question} ({len(broken)} times)", *first]

    def _enough(self, seen: Seen, ledger: Ledger, kills: list[Kill]) -> Iterable[str]:
        if (acked := ledger.count("report", "ok")) < ENOUGH_REPORTS:
            yield f"only {acked} reports were acknowledged"
        if (dues := dues_passed(seen)) < ENOUGH_DUES:
            yield f"only {dues} deadlines fell due"
        if (applied := ledger.count("command", "ok")) < 200:
            yield f"only {applied} commands were applied"
        if not any(seen.of_topic("dead-letters")):
            yield "no message was put aside"
        back = kills[-1].back_s
        if back is None or back > BACK_SECONDS:
            yield f"after the last kill all were ready again only {back} s later"


def _poison(stack: Stack) -> None:
    """Messages that no router can read, among the good ones: of a version to come, and no JSON at all."""
    headers = [("ce_type", b"pioneer.submit_report.v99"), ("ce_specversion", b"1.0")]
    bodies = [b'{"report_id": "%b"}' % str(uuid.uuid4()).encode() for _ in range(3)]
    topics.write(
        stack.bootstrap,
        [("reports", str(uuid.uuid4()).encode(), headers, body) for body in (*bodies, b"\x00\xff")],
    )
