"""`console explain` on the real book: which case is meant. The words are in test_console_due.py."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from typer.testing import CliRunner

from services.console.app import app
from tests.integration.filed_report import Filed, filed_event

NUMBER = "n"  # Filed gives every case this one


async def explain(case: str) -> tuple[int, str, str]:
    result = await asyncio.to_thread(CliRunner().invoke, app, ["explain", case])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
async def two_of_one_number(database_url: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A number has 30 bits a day: in a large country two cases may share one."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    book = await asyncpg.connect(database_url)
    case_ids = []
    for _ in range(2):
        filed = Filed(state="filed")
        filed.event(filed_event(filed.report_id, number=NUMBER, root_case_id=filed.case_id))
        await filed.write(book)
        case_ids.append(filed.case_id)
    await book.close()
    return sorted(case_ids)


async def test_a_number_that_two_cases_have_names_both_and_explains_neither(
    two_of_one_number: list[str],
) -> None:
    first, second = two_of_one_number
    assert await explain(NUMBER) == (
        1,
        "",
        f"pioneer-hub: 2 cases have the number {NUMBER}: {first}, {second}; name one by its case_id\n",
    )
    for case_id in two_of_one_number:
        code, told, _ = await explain(case_id)
        assert code == 0
        assert case_id in told.splitlines()[0]


async def test_a_case_that_is_not_there_is_said(two_of_one_number: list[str]) -> None:
    for nothing in ("261124-000000", "00000000-0000-7000-8000-000000000000"):
        assert await explain(nothing) == (1, "", f"pioneer-hub: there is no case {nothing}\n")
