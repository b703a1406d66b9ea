"""One database for a whole module of tests: cheaper than one each, so its tests count only what they put in.

The module declares `pytestmark = pytest.mark.asyncio(loop_scope="module")` and a fixture around `made`.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import AsyncIterator

from services.adapters.postgres import connect

_numbers = itertools.count(1)


@contextlib.asynccontextmanager
async def made(postgres_url: str, *, migrated: bool = True) -> AsyncIterator[str]:
    """The address of a new database, as the migrations leave it or empty."""
    server, _, template = postgres_url.rpartition("/")
    name = f"one_{os.getpid()}_{next(_numbers)}"
    await _administer(
        f"{server}/postgres", f"CREATE DATABASE {name} TEMPLATE {template if migrated else 'template0'}"
    )
    try:
        yield f"{server}/{name}"
    finally:
        await _administer(f"{server}/postgres", f"DROP DATABASE {name} WITH (FORCE)")


async def _administer(url: str, statement: str) -> None:
    connection = await connect(url, room="tests", command_timeout=30.0)
    try:
        await connection.execute(statement)
    finally:
        await connection.close(timeout=5.0)
