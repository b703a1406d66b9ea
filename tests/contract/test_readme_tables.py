"""The READMEs name every setting and every console command there is, and no others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from services.adapters.settings import Settings
from services.console.app import app

ROOT = Path(__file__).parents[2]
READMES = ("README.md", "README.zh-CN.md")
# read by pip, not by us
OTHERS = {"PIP_INDEX_URL"}


@pytest.mark.parametrize("name", READMES)
def test_the_table_of_settings_is_whole(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    table = text[text.index("| `PIONEER_DATA`") :].split("\n\n")[0]
    first_cells = [line.split("|")[1] for line in table.splitlines()]
    named = {word for cell in first_cells for word in re.findall(r"`([A-Z_]+)`", cell)}
    assert named - OTHERS == {field.upper() for field in Settings.model_fields}


@pytest.mark.parametrize("name", READMES)
def test_every_console_command_is_named(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    named: dict[str, set[str]] = {}
    for word, rest in re.findall(r"python -m services\.console ([a-z-]+) ?([a-z|-]*)", text):
        named.setdefault(word, set()).update(rest.split("|") if rest else ())
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert named.keys() == commands.keys()
    for word, inner in named.items():
        assert inner == set(getattr(commands[word], "commands", {}))
