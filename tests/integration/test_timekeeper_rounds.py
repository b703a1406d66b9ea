"""The rounds over real rows: what is due is sent, oldest first, and again only while it stays open."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
import pytest_asyncio

from services.adapters.due_rows import BookAway, DueRows, DueStep, Mark
from services.domain import ids
from services.timekeeper.rounds import Rounds
from tests.domain.small_case import T0, at
from tests.integration.router_desk import Database, fresh_id, looking, wait_for

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def db(book_url: str) -> AsyncIterator[Database]:
    async with looking(book_url) as db:
        await db.conn.execute("TRUNCATE deadlines")
        yield db


@pytest_asyncio.fixture(loop_scope="module")
async def rows(book_url: str) -> AsyncIterator[DueRows]:
    rows = DueRows(book_url)
    yield rows
    await rows.close()


class Sent:
    """What the rounds sent; `breaks_at` is the number of the one that fails."""

    def __init__(self) -> None:
        self.steps: list[DueStep] = []
        self.breaks_at: int | None = None

    async def __call__(self, step: DueStep) -> None:
        if self.breaks_at is not None and len(self.steps) >= self.breaks_at:
            raise ConnectionError("the broker is away")
        self.steps.append(step)

    def taken(self) -> list[DueStep]:
        steps, self.steps = self.steps, []
        return steps


def some_case() -> str:
    return ids.case_id(T0, fresh_id())


async def put(
    db: Database,
    next_at: datetime | None,
    *,
    case_id: str | None = None,
    stage: str = "accept",
    set_seq: int = 1,
) -> DueStep:
    """A deadline in the book, and the step that it is due."""
    case_id = case_id or some_case()
    await db.conn.execute(
        "INSERT INTO deadlines (case_id, clock, stage, set_seq, limit_text, start_at, due_at, official, step,"
        " next_at, pauses) VALUES ($1, 'owner', $2, $3, '4h C24', $4, $4, false, 'due', $5, '{}')",
        case_id,
        stage,
        set_seq,
        T0,
        next_at,
    )
    return DueStep(case_id, ids.deadline_id(case_id, "owner", stage, "due", set_seq), next_at or T0)


async def put_many(db: Database, count: int) -> list[str]:
    """Cases that are due one second after another from T0 on, given in an order of their own."""
    cases = [some_case() for _ in range(count)]
    await db.conn.copy_records_to_table(
        "deadlines",
        columns=("case_id", "clock", "stage", "set_seq", "limit_text", "start_at", "due_at", "official",
                 "step", "next_at", "pauses"),
        records=[
            (case, "owner", "accept", 1, "4h", T0, T0, False, "due", T0 + timedelta(seconds=second), [])
            for second, case in sorted(enumerate(cases), key=lambda one: one[1][-4:])
        ],
    )  # fmt: skip
    return cases


async def test_what_is_due_is_sent_once_and_the_oldest_first(db: Database, rows: DueRows) -> None:
    sent = Sent()
    rounds = Rounds(rows, sent)
    late, early = await put(db, at(2)), await put(db, at(1))
    await put(db, at(9))
    await put(db, None)
    assert await rounds.look(now=at(3)) == 2
    assert sent.taken() == [early, late]
    for second in range(10):
        assert await rounds.look(now=at(3) + timedelta(seconds=second)) == 0
    assert sent.taken() == []


async def test_a_step_is_due_at_its_instant_and_not_before(db: Database, rows: DueRows) -> None:
    sent = Sent()
    rounds = Rounds(rows, sent)
    step = await put(db, at(1))
    assert await rounds.look(now=at(1) - timedelta(microseconds=1)) == 0
    assert await rounds.look(now=at(1)) == 1
    assert sent.steps == [step]


async def test_more_than_a_page_is_sent_in_one_look(db: Database, rows: DueRows) -> None:
    sent = Sent()
    cases = await put_many(db, 1203)
    assert await Rounds(rows, sent).look(now=at(1)) == 1203
    assert [step.case_id for step in sent.steps] == cases


async def test_many_that_are_due_at_the_same_instant(db: Database, rows: DueRows) -> None:
    sent = Sent()
    await put_many(db, 1203)
    await db.conn.execute("UPDATE deadlines SET next_at = $1", at(1))
    assert await Rounds(rows, sent).look(now=at(1)) == 1203
    assert len({step.case_id for step in sent.steps}) == 1203


async def test_what_was_asked_for_is_looked_at_again_once_a_second(db: Database, rows: DueRows) -> None:
    """In a storm the router needs the time that ten looks a second at all of it would take."""
    sent, read = Sent(), []

    class Counted(DueRows):
        async def due(self, *, now: datetime, after: Mark, limit: int) -> list[DueStep]:
            page = await rows.due(now=now, after=after, limit=limit)
            read.append(len(page))
            return page

    rounds = Rounds(Counted(""), sent)
    await put_many(db, 100)
    now = T0 + timedelta(seconds=100)
    await rounds.look(now=now)
    await put(db, now + timedelta(milliseconds=250))
    for tenth in range(1, 13):
        await rounds.look(now=now + timedelta(seconds=tenth / 10))
    # the eleventh look goes back to 95.9 s: four of the hundred, and the new one
    assert read == [100, 0, 0, 1, 0, 0, 0, 0, 0, 0, 5, 0, 0]
    assert len(sent.steps) == 101


async def test_what_stays_open_is_sent_again_after_longer_and_longer(db: Database, rows: DueRows) -> None:
    sent = Sent()
    rounds = Rounds(rows, sent)
    step = await put(db, T0)
    seconds = []
    for second in range(1100):
        if await rounds.look(now=T0 + timedelta(seconds=second)):
            assert sent.taken() == [step]
            seconds.append(second)
    assert len(seconds) == 8
    pauses = [late - early for early, late in itertools.pairwise(seconds)]
    for pause, wanted in zip(pauses, (10, 20, 40, 80, 160, 300, 300), strict=True):
        assert wanted <= pause <= wanted + 30, "what is old is looked for twice a minute"


async def test_what_was_passed_is_not_sent_again(db: Database, rows: DueRows) -> None:
    sent = Sent()
    rounds = Rounds(rows, sent)
    step = await put(db, T0)
    await rounds.look(now=T0)
    await db.conn.execute(
        "UPDATE deadlines SET next_at = NULL, met_at = $2 WHERE case_id = $1", step.case_id, T0
    )
    for second in range(0, 120, 5):
        await rounds.look(now=T0 + timedelta(seconds=second))
    assert sent.steps == [step]
    assert rounds._sent == {}, "nothing of it is kept"


async def test_a_step_that_moved_or_was_set_anew_is_another(db: Database, rows: DueRows) -> None:
    sent = Sent()
    rounds = Rounds(rows, sent)
    step = await put(db, T0)
    await rounds.look(now=T0)
    moved_to = T0 + timedelta(seconds=1)
    await db.conn.execute("UPDATE deadlines SET next_at = $2 WHERE case_id = $1", step.case_id, moved_to)
    await rounds.look(now=moved_to)
    await db.conn.execute("UPDATE deadlines SET next_at = NULL WHERE case_id = $1", step.case_id)
    anew = await put(db, moved_to, case_id=step.case_id, set_seq=5)
    await rounds.look(now=moved_to)
    assert sent.steps == [step, DueStep(step.case_id, step.deadline_id, moved_to), anew]


async def test_a_row_committed_after_its_instant_is_found(db: Database, rows: DueRows) -> None:
    sent = Sent()
    rounds = Rounds(rows, sent)
    await rounds.look(now=at(1))
    just_before = await put(db, at(1) - timedelta(seconds=2))
    assert await rounds.look(now=at(1) + timedelta(seconds=1)) == 1
    await db.conn.execute("UPDATE deadlines SET next_at = NULL")
    long_before = await put(db, T0)
    found = [await rounds.look(now=at(1) + timedelta(seconds=second)) for second in range(2, 31)]
    assert sum(found) == 1
    assert sent.steps == [just_before, long_before]


async def test_one_command_for_a_case_however_many_of_its_steps_are_due(db: Database, rows: DueRows) -> None:
    sent = Sent()
    case_id = some_case()
    await put(db, at(2), case_id=case_id, stage="resolve")
    oldest = await put(db, at(1), case_id=case_id)
    await put(db, at(3), case_id=case_id, stage="verify")
    other = await put(db, at(2))
    assert await Rounds(rows, sent).look(now=at(4)) == 2
    assert sent.steps == [oldest, other]


async def test_what_one_command_passes_is_not_asked_for_again(db: Database, rows: DueRows) -> None:
    """The router may take a while; its backlog must not grow by commands that find nothing to do."""
    sent = Sent()
    rounds = Rounds(rows, sent)
    case_id, now = some_case(), at(1)
    instants = [now - timedelta(seconds=second) for second in (3, 2, 1)]
    steps = [await put(db, one, case_id=case_id, stage=f"s{one:%S}") for one in instants]
    assert await rounds.look(now=now) == 1
    for tenth in range(1, 100):
        assert await rounds.look(now=now + timedelta(seconds=tenth / 10)) == 0
    assert await rounds.look(now=now + timedelta(seconds=40)) == 1
    assert sent.steps == [steps[0], steps[0]]


async def test_one_command_for_a_case_whose_steps_lie_pages_apart(db: Database, rows: DueRows) -> None:
    sent = Sent()
    case_id = some_case()
    oldest = await put(db, at(-1), case_id=case_id)
    others = await put_many(db, 1203)
    await put(db, at(1), case_id=case_id, stage="resolve")
    assert await Rounds(rows, sent).look(now=at(1)) == 1204
    assert [step.case_id for step in sent.steps] == [case_id, *others]
    assert sent.steps[0] == oldest


async def test_a_step_that_comes_after_the_command_is_asked_for_at_once(db: Database, rows: DueRows) -> None:
    sent = Sent()
    rounds = Rounds(rows, sent)
    case_id = some_case()
    first, second = (
        await put(db, at(1), case_id=case_id),
        await put(db, at(2), case_id=case_id, stage="resolve"),
    )
    await rounds.look(now=at(2) - timedelta(microseconds=1))
    await rounds.look(now=at(2))
    assert sent.steps == [first, second]


async def test_a_send_that_fails_loses_nothing(db: Database, rows: DueRows) -> None:
    sent = Sent()
    rounds = Rounds(rows, sent)
    cases = await put_many(db, 1203)
    now = at(1)
    for breaks_at in (0, 100, 700):
        sent.breaks_at = breaks_at
        with pytest.raises(ConnectionError):
            await rounds.look(now=now)
        sent.taken()
        now += timedelta(milliseconds=100)
    sent.breaks_at = None
    await rounds.look(now=now)
    # The first page went through in the third look; it is sent again only when it is not passed in time.
    assert [step.case_id for step in sent.taken()] == cases[500:]
    await rounds.look(now=now + timedelta(seconds=40))
    assert [step.case_id for step in sent.taken()] == cases


async def test_a_successor_sends_what_its_predecessor_may_have_lost(db: Database, rows: DueRows) -> None:
    first, second = Sent(), Sent()
    step = await put(db, T0)
    await Rounds(rows, first).look(now=T0)
    await Rounds(rows, second).look(now=T0)
    assert first.steps == second.steps == [step]


async def test_a_clock_set_back_leaves_nothing_out(db: Database, rows: DueRows) -> None:
    sent = Sent()
    rounds = Rounds(rows, sent)
    await rounds.look(now=at(5))
    step = await put(db, at(1))
    assert await rounds.look(now=at(2)) == 1
    assert sent.steps == [step]


async def test_a_session_that_ended_is_opened_again_and_nothing_is_lost(db: Database, rows: DueRows) -> None:
    sent = Sent()
    rounds = Rounds(rows, sent)
    step = await put(db, T0)
    await rows.oldest()
    assert rows._conn is not None
    assert await db.value(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'timekeeper' AND datname = current_database()"
    )

    async def looked() -> bool:
        try:
            return bool(await rounds.look(now=T0))
        except BookAway:
            return False

    await wait_for(looked, "a look succeeds")
    assert sent.steps == [step]


async def test_the_oldest_is_told_due_or_not(db: Database, rows: DueRows) -> None:
    assert await rows.oldest() is None
    await put(db, at(7))
    await put(db, None)
    assert await rows.oldest() == at(7)
    await put(db, at(-7))
    assert await rows.oldest() == at(-7)


async def test_a_database_that_is_away_is_said_so(unused_tcp_port: int) -> None:
    rows = DueRows(f"postgresql://postgres@127.0.0.1:{unused_tcp_port}/none")
    with pytest.raises(BookAway):
        await rows.due(now=T0, after=(T0, some_case()), limit=1)
