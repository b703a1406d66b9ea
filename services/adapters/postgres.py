"""PostgreSQL: the pool with its time-outs, and the named statements of sql/*.sql.

Rules: connecting takes at most 5 s and a command at most 10 s unless the caller says otherwise; SQL stays in
.sql files, one section per statement, headed `-- name: what_it_does`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import asyncpg

CONNECT_SECONDS: Final = 5.0
COMMAND_SECONDS: Final = 10.0
LOST: Final = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What a connection raises that broke under us; the last when the pool still tidies up after the first."""
SQL_FOLDER: Final = Path(__file__).parent / "sql"

_SECTION: Final = re.compile(r"^--\s*name:\s*([a-z_][a-z0-9_]*)\s*$")


async def connect(
    database_url: str,
    *,
    room: str = "pioneer-hub",
    command_timeout: float = COMMAND_SECONDS,
    session: Mapping[str, str] | None = None,
) -> asyncpg.Connection[asyncpg.Record]:
    return await asyncpg.connect(
        database_url,
        timeout=CONNECT_SECONDS,
        command_timeout=command_timeout,
        server_settings={"application_name": room, **(session or {})},
    )


async def open_pool(
    database_url: str,
    *,
    room: str,
    min_size: int = 1,
    max_size: int = 8,
    command_timeout: float = COMMAND_SECONDS,
    session: Mapping[str, str] | None = None,
    init: Any = None,
) -> asyncpg.Pool[asyncpg.Record]:
    """A pool; `session` holds server settings of its sessions, such as transaction_timeout."""
    return await asyncpg.create_pool(
        database_url,
        min_size=min_size,
        max_size=max_size,
        timeout=CONNECT_SECONDS,
        command_timeout=command_timeout,
        server_settings={"application_name": room, **(session or {})},
        init=init,
    )


class Statements(Mapping[str, str]):
    """The statements of one .sql file, as `sql.insert_reports` or `sql["insert_reports"]`."""

    def __init__(self, source: str, sections: Mapping[str, str]) -> None:
        self._source = source
        self._sections = dict(sections)

    def __getattr__(self, name: str) -> str:
        try:
            return self._sections[name]
        except KeyError:
            raise AttributeError(f"{self._source} has no section `-- name: {name}`") from None

    def __getitem__(self, name: str) -> str:
        return self._sections[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sections)

    def __len__(self) -> int:
        return len(self._sections)


@cache
def load_sql(name: str) -> Statements:
    """Read sql/<name>.sql. What stands above the first section is a comment for the reader."""
    path = SQL_FOLDER / f"{name}.sql"
    return Statements(path.name, split_sections(path.read_text("utf-8"), source=path.name))


def split_sections(text: str, *, source: str) -> dict[str, str]:
    sections: dict[str, list[str]] = {}
    current: list[str] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        heading = _SECTION.match(line)
        if heading is not None:
            if heading[1] in sections:
                raise ValueError(f"{source}:{number}: a second section named {heading[1]}")
            current = sections[heading[1]] = []
        elif current is not None:
            current.append(line)
    return {name: "\n".join(lines).strip().removesuffix(";") for name, lines in sections.items()}


def describe(problem: BaseException) -> str:
    """One line about a driver's error, for logs and dead letters."""
    state: Any = getattr(problem, "sqlstate", None)
    return f"{type(problem).__name__}{f' {state}' if state else ''}: {problem}".splitlines()[0]
