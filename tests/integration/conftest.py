"""The real broker and the real database, each started once per run by `console run` itself, on free ports.

broker → bootstrap address, topics made.  database_url → a database of the test's own, migrated.
run_console → makes consoles (tests/console_run.py).  data_folder → a folder that PostgreSQL can reach.
door → the real door with a small city, over that database; book → a connection to it.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.adapters.postgres import connect
from tests.console_run import Console, console, gone_afterwards, make_data_folder
from tests.integration.intake_door import OpenDoor, open_door


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


_numbers = itertools.count(1)


@pytest.fixture
async def database_url(postgres_url: str) -> AsyncIterator[str]:
    """A database of this test's own, as the migrations leave it."""
    server, _, template = postgres_url.rpartition("/")
    name = f"test_{next(_numbers)}"
    await _administer(f"{server}/postgres", f"CREATE DATABASE {name} TEMPLATE {template}")
    yield f"{server}/{name}"
    await _administer(f"{server}/postgres", f"DROP DATABASE {name} WITH (FORCE)")


async def _administer(url: str, statement: str) -> None:
    connection = await connect(url, room="tests", command_timeout=30.0)
    try:
        await connection.execute(statement)
    finally:
        await connection.close(timeout=5.0)


@pytest.fixture
async def door(broker: str, database_url: str, tmp_path: Path) -> AsyncIterator[OpenDoor]:
    async with open_door(broker, database_url, tmp_path) as door:
        yield door


@pytest.fixture
async def book(database_url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()
