"""The words people read on a tracking page, in Chinese or English; the texts are data (texts/*.json)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from babel import Locale
from babel.dates import format_skeleton

_FOLDER: Final = Path(__file__).parent / "texts"
_WEIGHT: Final = re.compile(r"q=([01](?:\.\d{0,3})?)$")

Words = Mapping[str, str]

WORDS: Final[Mapping[str, Words]] = {
    path.stem: json.loads(path.read_text("utf-8")) for path in sorted(_FOLDER.glob("*.json"))
}
DEFAULT: Final = "zh"
_LOCALES: Final[Mapping[str, Locale]] = {chosen: Locale(chosen) for chosen in WORDS}


def language(accept_language: str | None) -> str:
    """The best wanted language that there are words in, else Chinese."""
    best, best_weight = DEFAULT, 0.0
    for part in (accept_language or "").split(",")[:20]:
        tag, _, parameter = part.strip().partition(";")
        name = tag.strip().lower().partition("-")[0]
        weight = _WEIGHT.search(parameter.strip())
        wanted = float(weight[1]) if weight else 1.0
        if name in WORDS and wanted > best_weight:
            best, best_weight = name, wanted
    return best


def named(chosen: str, thing: Any) -> str:
    """The name of a tile, category, hotline, reason or city in this language."""
    name: str = thing.name_zh if chosen == DEFAULT else thing.name_en
    return name


def moment(chosen: str, at: str) -> str:
    """`11月24日周二 16:30`; the instant comes in the city's own time."""
    when = datetime.fromisoformat(at)
    day, hour = (
        format_skeleton(shape, when, tzinfo=when.tzinfo, locale=_LOCALES[chosen]) for shape in ("MMMEd", "Hm")
    )
    return f"{day} {hour}"
