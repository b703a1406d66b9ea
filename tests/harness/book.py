"""The book as anybody with SQL may read it: rows as dictionaries, all of one moment."""

from __future__ import annotations

import json
from typing import Any

from services.adapters.postgres import connect

Row = dict[str, Any]


async def rows(database_url: str, statement: str, *values: Any) -> list[Row]:
    (found,) = await look(database_url, (statement, *values))
    return found


async def value(database_url: str, statement: str, *values: Any) -> Any:
    (row,) = await rows(database_url, statement, *values)
    (only,) = row.values()
    return only


async def look(database_url: str, *questions: tuple[Any, ...]) -> list[list[Row]]:
    """The rows of each (statement, *values), as of one moment."""
    connection = await connect(database_url, room="tests", command_timeout=60.0)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return [
                [_plain(row) for row in await connection.fetch(statement, *values)]
                for statement, *values in questions
            ]
    finally:
        await connection.close(timeout=5.0)


def _plain(row: Any) -> Row:
    """Ids as text, JSON as what it says."""
    plain: Row = {}
    for name, found in row.items():
        if name in ("payload", "ranges") and isinstance(found, str):
            plain[name] = json.loads(found)
        elif name.endswith("_id") and found is not None:
            plain[name] = str(found)
        else:
            plain[name] = found
    return plain
