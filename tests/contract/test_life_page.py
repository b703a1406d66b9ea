"""The page of the life is that of the table, and its diagram leaves no state out."""

from __future__ import annotations

import re

from services.domain.case import STATES
from services.domain.life import LIFE
from tests.contract.life_page import PAGE, page


def test_the_page_is_made_from_the_table() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `.venv/bin/python -m tests.contract.life_page`"


def test_every_state_is_drawn_or_said_and_every_move_has_its_row() -> None:
    text = page()
    drawn = set(re.findall(r"\w+", text.partition("```mermaid")[2].partition("## Who")[0]))
    assert set(STATES) <= drawn
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) == len(LIFE)
    assert {row.split(" | ")[4].strip("`") for row in rows} == {move.event for move in LIFE}


def test_every_who_is_explained() -> None:
    explained = set(re.findall(r"^- \*\*(\w+)\*\*: \S", page(), re.M))
    assert explained == {move.who for move in LIFE}
