"""`console statistics` on a real book: what it prints, what --check finds; what docs/statistics.md says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.adapters.postgres import connect
from services.adapters.settings import PROJECT
from services.console.app import app
from services.domain.rates import RATES
from tests.domain.small_case import at
from tests.domain.test_rates import Life
from tests.integration.laid_book import lay
from tests.integration.router_desk import load_city

PERIOD = ("--from", "2026-11-24", "--to", "2026-11-26")


@pytest.fixture
async def book(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """Two potholes: one went well, one was left alone; it is two days later."""
    await load_city(database_url, tmp_path)
    clock = tmp_path / "clock"
    clock.write_text(str((at(48) - datetime.now(UTC)).total_seconds()))
    monkeypatch.setenv("CLOCK_OFFSET_FILE", str(clock))
    monkeypatch.setenv("DATABASE_URL", database_url)
    conn = await connect(database_url, room="tests")
    for life in (Life().closed(), Life()):
        await lay(conn, life.cases.values(), life.events)
    yield conn
    await conn.close(timeout=5)


async def told(*arguments: str) -> tuple[int, list[str], str]:
    result = await asyncio.to_thread(CliRunner().invoke, app, ["statistics", *arguments])
    return result.exit_code, result.stdout.splitlines(), result.stderr


async def test_the_table_and_the_same_from_the_events(book: Any) -> None:
    code, lines, _ = await told(*PERIOD, "--by", "hub", "--check")
    assert code == 0
    heads, town, whole = (line.split() for line in lines[:3])
    assert len(heads) == len(RATES) + 2
    assert (heads[0], heads[1], heads[-1]) == ("hub", "response", "overdue_open")
    # 1 of 2 in time: 9 % to 91 % by Wilson
    assert (town[0], town[1], town[2]) == ("T1", "9%-91%", "2")
    assert (whole[0], whole[1], whole[-1]) == ("all", "9%-91%", "1")
    assert lines[-1] == "counted again from the events alone: the events say the same"


async def test_a_row_that_is_not_what_happened_is_named(book: Any) -> None:
    await book.execute(
        "UPDATE deadlines SET due_at = $1 WHERE stage = 'resolve' AND met_at IS NOT NULL", at(4)
    )
    code, lines, said = await told(*PERIOD, "--check")
    assert code == 1
    assert "all: closed_on_time: 0 by the views, 1 by the events" in said.splitlines()
    assert lines[-1].endswith("counts differ")
    assert (await told(*PERIOD))[0] == 0, "without --check it tells what the rows say"


async def test_what_lies_ahead_is_left_out(book: Any) -> None:
    _, lines, _ = await told("--from", at(5).isoformat(), "--to", "2030-01-01", "--by", "hub")
    assert lines[1].split()[:2] == ["T1", "-"], "both acceptances fell due before"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--from", "soon", "--to", "2026-11-26"), "--from soon is neither a date nor an instant"),
        (("--from", "2026-11-24T00:00", "--to", "2026-11-26"), "is neither a date nor an instant"),
        ((*PERIOD, "--by", "courier"), "--by courier is not one of hub, tier, category, owner"),
    ],
)
async def test_a_wrong_question_is_said(book: Any, arguments: tuple[str, ...], why: str) -> None:
    code, lines, said = await told(*arguments)
    assert (code, lines) == (2, [])
    assert why in said


async def test_the_questions_of_the_page_are_answered(book: Any) -> None:
    text = (PROJECT / "docs" / "statistics.md").read_text("utf-8")
    (block,) = re.findall(r"```sql\n(.*?)```", text, flags=re.S)
    on_time, missed, sampled = [question for question in block.split(";") if question.strip()]
    (row,) = await book.fetch(on_time)
    assert (row["hub_code"], row["n"], float(row["on_time_close_rate"])) == ("T1", 2, 0.5)
    (row,) = await book.fetch(missed)
    assert (row["owner"], row["owner_hub_code"], row["n"], row["missed"]) == ("works", "T1", 2, 1)
    assert [row["low"], row["high"]] == pytest.approx([0.0945, 0.9055], abs=1e-4)
    assert await book.fetch(sampled) == []


def test_every_rate_is_defined_on_the_page() -> None:
    text = (PROJECT / "docs" / "statistics.md").read_text("utf-8")
    assert re.findall(r"^\| `([a-z0-9_]+)` \|", text, flags=re.M) == [one.name for one in RATES]
