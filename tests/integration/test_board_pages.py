"""The words of the board's pages: what the modules ask for exists in both languages, nothing lies unused."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable
from functools import cache
from typing import Final, get_args

import pytest

from services.adapters.city_files import read_city, read_folder
from services.adapters.settings import PROJECT
from services.adapters.staff import ROLES
from services.board.queue import SORTS
from services.domain import events, messages
from services.domain.case import ARCHIVE, STATES
from services.domain.city import City
from services.domain.deciding import DECISION, INFO, SUSPENSION, TRIAGE
from services.domain.life import LIFE
from services.domain.limits import LimitUnit

STATIC: Final = PROJECT / "services/board/static"
MODULES: Final = {path.name: path.read_text("utf-8") for path in sorted(STATIC.glob("*.js"))}
SOURCE: Final = "\n".join(MODULES.values())
TEXTS: Final[dict[str, dict[str, str]]] = json.loads((STATIC / "texts.json").read_text("utf-8"))
WAITED_FOR: Final = (TRIAGE, INFO, DECISION, SUSPENSION)
LANGUAGES: Final = ("zh", "en")
# Words of the domain's refusals, each the key of what the page says for it.
REASONS: Final = {key.removeprefix("because.") for key in TEXTS["zh"] if key.startswith("because.")}


@cache
def sample_city() -> City:
    return read_city(read_folder(PROJECT / "deploy/city/wuzhong"), 1)


def sample_stages() -> set[str]:
    return {"accept", "verify", "report_in", ARCHIVE, *WAITED_FOR} | {
        milestone.stage
        for category in sample_city().categories.values()
        for milestones in (category.milestones, *category.variants.values())
        for milestone in milestones
    }


COMMANDS: Final = {move.command for move in LIFE if move.who != "system"}
# Keys that the modules put together: what comes after the dot.
KINDS: Final[dict[str, Iterable[str]]] = {
    "state": STATES,
    "event": events.EVENT_TYPES,
    "stage": sample_stages(),
    "clock": get_args(events.Clock),
    "due": get_args(events.Clock),
    # null: filed by whoever had looked at it
    "channel": (*get_args(messages.Channel), "null"),
    "outcome": get_args(messages.ResolutionOutcome),
    "photo": get_args(messages.PhotoKind),
    "do": COMMANDS,
    "sure": ("accept", "start_work", "restart", "resume", "verify_pass", "keep_apart"),
    "field": set(re.findall(r"\b(?:field|words|choice|line|tick)\('(\w+)'", MODULES["fields.js"]))
    | {"owner", "unit"},
    "role": ROLES,
    "view": ("/", "/triage", "/callbacks"),
    "triage": get_args(events.TriageReason),
    "request": ("return", "extension", "suspension"),
    "raise": get_args(messages.RaiseReason),
    "why": (*get_args(events.PageReason), *get_args(events.SuperviseReason), "reworks", "owners"),
    "suspension": sample_city().policy.suspensions,
    "answer": get_args(messages.CallbackAnswer),
    "content": ("1", "2", "3", "4", "5"),
    "approve": ("true", "false"),
    "limit": get_args(LimitUnit),
    "unit": get_args(LimitUnit),
    "calendar": ("C24", "OFF", "OPS"),
    "sort": SORTS,
    "case": ("403", "404"),
    "sign_in": ("wrong_credentials", "too_many_failures", "unavailable", "nobody", "invalid"),
    "refused": (
        "stale", "not_allowed", "forbidden", "verifier_is_handler", "invalid", "not_found", "not_confirmed",
        "unavailable", "foreign_origin", "not_signed_in", "nobody",
    ),
    "because": REASONS,
}  # fmt: skip


def asked_by_name() -> set[str]:
    """`t('key')`, `t(… ? 'key' : 'key')`, and the names that a module's own small functions hand on."""
    asked = {
        key
        for one, other in re.findall(r"\bt\((?:[^'`()]*\? )?'([\w.]+)'(?: : '([\w.]+)')?", SOURCE)
        for key in (one, other)
        if key
    }
    asked |= set(re.findall(r"\bfact\('([\w.]+)'", SOURCE))
    asked |= set(re.findall(r"\b(?:select|field)\('(\w+)'", MODULES["queue.js"]))
    return asked


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_that_a_module_asks_for_is_there(language: str) -> None:
    texts = TEXTS[language]
    named = asked_by_name()
    assert {"due.left", "due.late", "map.away", "span.days", "username", "sort"} <= named, (
        "the patterns find keys"
    )
    put_together = {f"{kind}.{code}" for kind, codes in KINDS.items() for code in codes}
    assert sorted((named | put_together) - set(texts)) == []
    assert all(words.strip() for words in texts.values())


def test_both_languages_say_the_same_with_the_same_values() -> None:
    zh, en = (TEXTS[language] for language in LANGUAGES)
    assert set(zh) == set(en)
    different = [
        key for key in zh if set(re.findall(r"\{\w+\}", zh[key])) != set(re.findall(r"\{\w+\}", en[key]))
    ]
    assert different == []


def test_the_kinds_of_keys_that_are_put_together_are_all_known_here() -> None:
    assert set(re.findall(r"\bt\(`(\w+)\.\$\{", SOURCE)) | set(
        re.findall(r"\bworded\('(\w+)'", SOURCE)
    ) <= set(KINDS)


def test_no_text_lies_unused() -> None:
    put_together = {f"{kind}.{code}" for kind, codes in KINDS.items() for code in codes}
    unused = [key for key in TEXTS["zh"] if key not in put_together and f"'{key}'" not in SOURCE]
    assert unused == []


def test_the_domain_still_says_what_a_reason_is_known_by() -> None:
    """Each in one sentence of it, and no sentence is known by two."""
    said = {
        node.value
        for path in (PROJECT / "services/domain").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    found = {words: [one for one in said if words in one] for words in REASONS}
    assert {words: len(sentences) for words, sentences in found.items()} == dict.fromkeys(REASONS, 1)
    assert len({sentences[0] for sentences in found.values()}) == len(REASONS) > 0


def test_every_state_has_an_icon_and_a_colour() -> None:
    style = (STATIC / "board.css").read_text("utf-8")
    for state in STATES:
        assert re.search(rf"^  {state}: 'M", MODULES["page.js"], re.MULTILINE), state
        # filed is left within the same decision: it wears the plain chip
        assert f".chip.state-{state}" in style or state == "filed", state
