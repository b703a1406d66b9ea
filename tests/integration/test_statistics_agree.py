"""What the views count is what the events alone say: of random lives, group by group and row by row."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from services.adapters.postgres import connect
from services.adapters.statistics import Books, differences, open_books
from services.domain.case import Case
from services.domain.events import Event
from services.domain.filing import Known, file_report
from services.domain.messages import Actor
from services.domain.rate_facts import Assignment, CaseFacts, Cycle, read_case, with_recurrences
from services.domain.rates import BYS, counted
from services.domain.settling import Settled, settle
from tests.domain.random_life import walk
from tests.domain.small_case import CITY, IN_V11, T0, WORKS, command, dispatcher, filing, report
from tests.integration import one_database
from tests.integration.laid_book import lay

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIVES = range(400)


@dataclass
class Town:
    """Everything that happened in it, and how it stands."""

    cases: dict[str, Case] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def take(self, settled: Settled) -> Case:
        self.cases |= {**settled.others, settled.case.case_id: settled.case}
        self.events += settled.events
        return settled.case

    def act(self, case: Case, kind: str, actor: Actor, now: datetime, **values: Any) -> Case:
        """Refused or not; the case as it stands then."""
        wanted = command(case, kind, actor, received_at=now, **values)
        others = {key: one for key, one in self.cases.items() if key != case.case_id}
        return self.take(settle(self.cases[case.case_id], wanted, now=now, city=CITY, others=others))

    def histories(self) -> list[list[Event]]:
        of_case: dict[str, list[Event]] = defaultdict(list)
        for event in self.events:
            of_case[event.case_id].append(event)
        return list(of_case.values())


@pytest.fixture(scope="module")
def town() -> Town:
    town = Town()
    for seed in LIVES:
        life = walk(seed, length=30 + seed % 40, later=CITY)
        town.cases |= life.family
        town.events += life.family_events
    chance = random.Random(5)
    _old_problems_again(town, chance)
    for _ in range(60):
        _merged_and_perhaps_not(town, chance)
        _kept_by_its_unit(town, chance)
    for hours in (1, 2, 12):
        _suspended(town, hours)
    return town


def _old_problems_again(town: Town, chance: random.Random) -> None:
    cycles = [one for history in town.histories() for one in read_case(history).cycles]
    for cycle in chance.sample(cycles, len(cycles) // 2):
        if cycle.closed_at is None:
            continue
        at: datetime = cycle.closed_at + chance.choice(
            (timedelta(hours=1), timedelta(days=9), timedelta(days=30))
        )
        known = Known(recurrence_of=cycle.case_id)
        again = file_report(report("ads", received_at=at), place=IN_V11, city=CITY, now=at, known=known)
        case = town.take(again)
        if chance.random() < 0.3:
            town.act(case, "withdraw", Actor(ref=f"report:{case.report_id}", roles=("reporter",)), at)


def _merged_and_perhaps_not(town: Town, chance: random.Random) -> None:
    first, second = (town.take(filing(report(), place=IN_V11)) for _ in range(2))
    now = T0 + timedelta(hours=chance.choice((1, 3)))
    second = town.act(second, "attach", dispatcher("T1"), now, to_case_id=first.case_id)
    assert second.state == "attached"
    for kind, actor, values in (
        ("detach", dispatcher("T1"), {"report_id": second.report_id}),
        ("accept", WORKS, {}),
        ("start_work", WORKS, {}),
    ):
        if chance.random() < 0.3:
            return
        now += timedelta(hours=chance.choice((0, 1, 6)))
        town.act(first if kind == "detach" else second, kind, actor, now, **values)


def _kept_by_its_unit(town: Town, chance: random.Random) -> None:
    """Under another hub its limit goes on; then something sets that limit again, or somebody accepts."""
    case = town.take(filing(report(), place=IN_V11))
    case = town.act(
        case, "reassign", dispatcher("T1"), T0 + timedelta(hours=1), owner="works", hub_code="V12"
    )
    assert (case.hub_code, case.owner) == ("V12", "works")
    for kind, values in (
        ("raise_priority", {"reason": "child"}),
        ("set_category", {"category": "ads"}),
        ("force_assign", {"owner": "works", "hub_code": "V11"}),
        ("force_assign", {"owner": "works", "hub_code": "T1"}),
        ("accept", {}),
    ):
        if chance.random() < 0.5:
            town.act(case, kind, dispatcher("C"), T0 + timedelta(hours=2), **values)


def _suspended(town: Town, hours: float) -> None:
    """It stands still to this day, before its due (10 h) or after it."""
    case = town.take(filing(report(), place=IN_V11))
    for kind, actor in (("accept", WORKS), ("start_work", WORKS)):
        town.act(case, kind, actor, T0)
    town.act(case, "suspend", dispatcher("T1"), T0 + timedelta(hours=hours), reason="weather")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(postgres_url: str, town: Town) -> AsyncIterator[str]:
    async with one_database.made(postgres_url) as url:
        conn = await connect(url, room="tests", command_timeout=60)
        await lay(conn, town.cases.values(), town.events)
        await conn.execute("ANALYZE")
        await conn.close()
        yield url


@pytest_asyncio.fixture(loop_scope="module")
async def books(url: str) -> AsyncIterator[Books]:
    async with open_books(url) as books:
        yield books


PERIODS = (
    (T0, T0 + timedelta(days=400)),
    (T0 + timedelta(hours=4), T0 + timedelta(hours=10)),
    (T0 + timedelta(hours=10), T0 + timedelta(hours=10, minutes=1)),
    (T0 + timedelta(days=2), T0 + timedelta(days=5)),
)


async def test_every_count_of_every_group(books: Books) -> None:
    for by in BYS:
        of_book = await books.table(since=PERIODS[0][0], until=PERIODS[0][1], by=by)
        of_events = await books.table_from_events(since=PERIODS[0][0], until=PERIODS[0][1], by=by)
        assert list(differences(of_book, of_events)) == []
        never = [name for name, count in of_book[None].counts.items() if count == 0]
        assert never == [], "these lives would not show a difference"


async def test_every_period(books: Books, town: Town) -> None:
    facts = [read_case(history) for history in town.histories()]
    assignments = [one for fact in facts for one in fact.assignments]
    for since, until in PERIODS[1:]:
        of_book = await books.table(since=since, until=until, by="hub")
        of_events = counted(assignments, _cycles(facts), since=since, until=until, by="hub")
        assert list(differences(of_book, of_events)) == []
        assert of_book[None].counts["cycles"] > 0


def _cycles(facts: list[CaseFacts]) -> list[Cycle]:
    again = defaultdict(list)
    for fact in facts:
        if fact.recurrence is not None:
            again[fact.recurrence[0]].append(fact.recurrence[1])
    return with_recurrences((one for fact in facts for one in fact.cycles), again)


async def test_every_row(url: str, town: Town) -> None:
    facts = [read_case(history) for history in town.histories()]
    conn = await connect(url, room="tests", command_timeout=60)
    try:
        for view, expected in (
            ("assignments", [one for fact in facts for one in fact.assignments]),
            ("cycles", _cycles(facts)),
        ):
            rows = await conn.fetch(f"SELECT * FROM statistics.{view}")
            assert len(rows) == len(expected) > 300
            wanted = {_key(one): one for one in expected}
            for row in rows:
                one = wanted[_row_key(view, row)]
                for name in (column.name for column in fields(one)):
                    assert _value(row, name) == getattr(one, name), (name, one)
    finally:
        await conn.close()


def _key(one: Assignment | Cycle) -> tuple[Any, ...]:
    return one.case_id, one.cycle, one.seq if isinstance(one, Assignment) else None


def _row_key(view: str, row: Any) -> tuple[Any, ...]:
    return str(row["case_id"]), row["cycle"], row["seq"] if view == "assignments" else None


def _value(row: Any, name: str) -> Any:
    value = row["limit_text" if name == "limit" else name]
    if name == "case_id":
        return str(value)
    return tuple(value) if isinstance(value, list) else value
