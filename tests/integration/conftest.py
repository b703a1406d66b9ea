"""The real broker and the real database, each started once per run by `console run` itself, on free ports.

broker → bootstrap address, topics made.  database_url → a database of the test's own, migrated.
run_console → makes consoles (tests/console_run.py).  data_folder → a folder that PostgreSQL can reach.
door → the real door with a small city, over that database; book → a connection to it.

For modules with `pytestmark = pytest.mark.asyncio(loop_scope="module")`, whose tests share one database:
book_url → its address.  with_city → the small city is loaded into it.  emptied → all but the city is gone.
desk → a router's worker over it (the board's modules have a desk of their own).  db → a look into it.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from services.adapters.clock import Clock
from tests.console_run import Console, console, gone_afterwards, make_data_folder
from tests.integration import one_database
from tests.integration.intake_door import OpenDoor, open_door
from tests.integration.router_desk import Database, Desk, load_city, looking


@pytest.fixture
def run_console() -> Iterator[Callable[..., Console]]:
    with contextlib.ExitStack() as ending:

        def make(*arguments: str, folder: Path | None = None, **settings: str) -> Console:
            return ending.enter_context(gone_afterwards(console(*arguments, folder=folder, **settings)))

        yield make


@pytest.fixture
def data_folder() -> Iterator[Path]:
    folder = make_data_folder()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    """The bootstrap address of a broker with the topics of schemas/topics."""
    with gone_afterwards(console("--only", "kafka")) as one:
        yield one.start().wait_ready().known()["KAFKA_BOOTSTRAP"]
        assert one.stop() == 0


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A migrated database that serves as template: take `database_url`, connect to nothing here."""
    with gone_afterwards(console("--only", "postgres")) as one:
        yield one.start().wait_ready().known()["DATABASE_URL"]
        assert one.stop() == 0


@pytest.fixture
async def database_url(postgres_url: str) -> AsyncIterator[str]:
    """A database of this test's own, as the migrations leave it."""
    async with one_database.made(postgres_url) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def book_url(postgres_url: str) -> AsyncIterator[str]:
    """A database of this module's own, as the migrations leave it."""
    async with one_database.made(postgres_url) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def with_city(book_url: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    await load_city(book_url, tmp_path_factory.mktemp("city"))


@pytest_asyncio.fixture(loop_scope="module")
async def desk(book_url: str) -> AsyncIterator[Desk]:
    desk = Desk(book_url, Clock())
    yield desk
    await desk.book.close()


@pytest_asyncio.fixture(loop_scope="module")
async def db(book_url: str) -> AsyncIterator[Database]:
    async with looking(book_url) as db:
        yield db


@pytest_asyncio.fixture(loop_scope="module")
async def emptied(db: Database) -> None:
    await db.empty()


@pytest.fixture
async def door(broker: str, database_url: str, tmp_path: Path) -> AsyncIterator[OpenDoor]:
    async with open_door(broker, database_url, tmp_path) as door:
        yield door


@pytest.fixture
async def book(database_url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()
