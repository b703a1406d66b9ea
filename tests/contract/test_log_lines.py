"""Every line of a log begins with its action: a word for machines, the same in text and in JSON."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from services.adapters.settings import PROJECT

LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
ACTION = re.compile(r"[a-z][a-z0-9_]*")
SOURCES = sorted((PROJECT / "services").rglob("*.py"))


def log_calls(source: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log" | "_log"), attr=level)):
                if level in LEVELS:
                    yield node


def test_the_action_is_the_first_argument_and_no_other_word_takes_its_place() -> None:
    wrong = []
    count = 0
    for source in SOURCES:
        for call in log_calls(source):
            count += 1
            first = call.args[0] if len(call.args) == 1 else None
            is_action = (
                isinstance(first, ast.Constant)
                and isinstance(first.value, str)
                and ACTION.fullmatch(first.value)
            )
            if not is_action or {"action", "event"} & {keyword.arg for keyword in call.keywords}:
                wrong.append(f"{source.relative_to(PROJECT)}:{call.lineno}: {ast.unparse(call)}")
    assert wrong == []
    assert count > 30, "the calls are found"


def test_every_logger_has_a_name_that_is_looked_for_above() -> None:
    for source in SOURCES:
        made = re.findall(
            r"^(\w+)(?:: \w+)? = structlog\.get_logger", source.read_text("utf-8"), re.MULTILINE
        )
        assert set(made) <= {"log", "_log"}, source
        assert len(made) == source.read_text("utf-8").count("structlog.get_logger("), source
