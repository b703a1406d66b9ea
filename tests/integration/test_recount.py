"""A made-up official 2027 is loaded into a real book: who is asked, what they answer, what the rows say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.adapters import codec
from services.adapters.book import Book
from services.adapters.clock import Clock
from services.adapters.due_rows import DueRows
from services.adapters.recount_rows import recount_rows
from services.adapters.settings import Settings
from services.console import recount
from services.domain import ids
from services.domain.case import Case
from services.domain.messages import SYSTEM_ACTOR
from tests.domain.office_city import FILES, local, said
from tests.domain.wuzhong import YEAR_2027
from tests.integration.intake_door import eventually, messages
from tests.integration.router_desk import Database, Desk, Inbox, case_of, looking


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "calendar-days").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


@pytest.fixture
async def desk(database_url: str, folder: Path) -> AsyncIterator[Desk]:
    assert (await recount.load(database_url, folder)).new_years == ()
    desk = Desk(database_url, Clock())
    yield desk
    await desk.book.close()


@pytest.fixture
async def db(desk: Desk) -> AsyncIterator[Database]:
    async with looking(desk.url) as db:
        yield db


def dues(case: Case) -> dict[tuple[str, str], tuple[str | None, bool]]:
    return {(d.clock, d.stage): (said(d.due_at), d.official) for d in case.deadlines}


async def test_loading_a_year_asks_exactly_the_cases_it_reaches(
    desk: Desk, db: Database, folder: Path
) -> None:
    inbox = Inbox()
    late, early, clocked = (
        inbox.report(category, received_at=local(at), appended_at=local(at))
        for category, at in (
            ("pothole", "2026-12-28 10:00"),
            ("pothole", "2026-12-01 10:00"),
            ("sweep", "2026-12-31 19:30"),
        )
    )
    await desk.handle(late, early, clocked)
    before = {report: await db.case(case_of(report)) for report in (late, early, clocked)}
    assert dues(before[late])["owner", "resolve"] == ("2027-01-05 17:00", False)

    (folder / "calendar-days/2027.csv").write_text(YEAR_2027, "utf-8")
    loaded = await recount.load(desk.url, folder)
    assert (loaded.version, loaded.new_years) == (2, (2027,))
    async with recount_rows(desk.url) as rows:
        assert await rows.active_years() == (2, frozenset({2026, 2027}))
        assert await rows.older_have_ended()
        reached = await rows.reached(loaded.new_years, loaded.city)
        assert reached == [case_of(late)], "not what lies in 2026, nor what is open every day"
        asked = inbox.command(
            reached[0],
            "recompute_dues",
            SYSTEM_ACTOR,
            received_at=local("2026-12-28 11:00"),
            command_id=ids.recount_id(reached[0], 2, (2027,)),
            years=(2027,),
        )
        assert await rows.decided([ids.recount_id(reached[0], 2, (2027,))]) == 0
        published = await desk.handle(asked)
        assert [e.type for e in published.events] == ["DuesRecomputed"]
        assert await rows.decided([ids.recount_id(reached[0], 2, (2027,))]) == 1
        found = await rows.recounted(reached, [ids.recount_id(reached[0], 2, (2027,))])
        assert await rows.reached(loaded.new_years, loaded.city) == [case_of(late)], "its warning is in 2027"

    after = await db.case(case_of(late))
    assert dues(after) == {
        ("owner", "accept"): ("2026-12-28 15:00", True),
        ("owner", "on_site"): ("2026-12-29 17:00", True),
        ("owner", "resolve"): ("2027-01-06 17:00", True),
        ("citizen", "resolve"): ("2027-01-06 17:00", True),
    }
    assert (await desk.handle(asked)).events == published.events, "a repeat is the same command"
    assert await db.case(case_of(early)) == before[early]
    number = after.number
    assert list(recount.told((2027,), found, loaded.city)) == [
        f"{number}  citizen  resolve       2027-01-05T17:00+08:00 -> 2027-01-06T17:00+08:00  official",
        f"{number}  owner    resolve       2027-01-05T17:00+08:00 -> 2027-01-06T17:00+08:00  official",
        "2027 official: 2 dues of 1 cases counted again, 2 moved",
    ]


async def test_a_recount_that_was_cut_off_is_made_up_for_at_the_next_start(
    desk: Desk, db: Database, folder: Path, broker: str
) -> None:
    inbox = Inbox()
    late = inbox.report(received_at=local("2026-12-28 10:00"), appended_at=local("2026-12-28 10:00"))
    await desk.handle(late)
    (folder / "calendar-days/2027.csv").write_text(YEAR_2027, "utf-8")
    assert (await recount.load(desk.url, folder)).new_years == (2027,)
    # The process ends here, and in the next start too; before the third somebody mends a name.
    again = await recount.load(desk.url, folder)
    assert (again.version, again.new_years) == (2, (2027,))
    city = folder / "city.toml"
    city.write_text(city.read_text("utf-8").replace('name_en = "', 'name_en = "New ', 1), "utf-8")
    third = await recount.load(desk.url, folder)
    assert (third.version, third.new_years) == (3, (2027,))

    settings = Settings(kafka_bootstrap=broker, database_url=desk.url)
    counting = asyncio.create_task(recount.recount(settings, third.version, third.new_years, third.city))

    async def asked() -> list[tuple[Any, Any]]:
        return await messages(broker, codec.CASE_COMMANDS, lambda one: one.case_id == case_of(late))

    ((record, _),) = await eventually(asked)
    command = record.key, record.value, record.headers
    await desk.handle(inbox.put(codec.CASE_COMMANDS, command, appended_at=local("2026-12-28 11:00")))
    (found,) = await asyncio.wait_for(counting, 20.0)
    assert found.number == (await db.case(case_of(late))).number
    assert dues(await db.case(case_of(late)))["owner", "resolve"] == ("2027-01-06 17:00", True)
    assert (await recount.load(desk.url, folder)).new_years == (), "and that is remembered"


async def test_a_year_that_was_taken_back_is_asked_for_when_it_comes_again(desk: Desk, folder: Path) -> None:
    settings = Settings(database_url=desk.url)
    year = folder / "calendar-days/2027.csv"
    for text, new_years in ((YEAR_2027, (2027,)), (None, ()), (YEAR_2027, (2027,))):
        if text is None:
            year.unlink()
        else:
            year.write_text(text, "utf-8")
        loaded = await recount.load(desk.url, folder)
        assert loaded.new_years == new_years
        assert await recount.recount(settings, loaded.version, loaded.new_years, loaded.city) == []
        assert (await recount.load(desk.url, folder)).new_years == ()


async def test_loading_the_same_again_asks_nobody(desk: Desk, folder: Path) -> None:
    assert (await recount.load(desk.url, folder)).new_years == ()
    assert (await recount.load(desk.url, folder)).version == 1


async def test_a_batch_that_began_before_the_load_is_waited_for(desk: Desk) -> None:
    """Its cases are still counted by the version before: only after its end is it asked who is reached."""
    book = Book(desk.url)
    async with recount_rows(desk.url) as rows:
        async with book.transaction() as tx:
            await tx.lock_progress([("reports", 0)])
            waiting = asyncio.create_task(rows.older_have_ended())
            done, _ = await asyncio.wait({waiting}, timeout=0.5)
            assert not done
        assert await asyncio.wait_for(waiting, 5.0)
    await book.close()


async def test_the_timekeeper_knows_the_official_years(desk: Desk) -> None:
    rows = DueRows(desk.url)
    assert await rows.official_years() == {2026}
    await rows.close()
