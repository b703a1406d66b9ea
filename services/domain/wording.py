"""Words as they are compared: a text without its dress, and whether two texts tell two things."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from services.domain.duplicate_settings import Duplicates

MOST_LETTERS: Final = 200
_BETWEEN_DIGITS: Final = re.compile(r"(?<=[0-9])\W+(?=[0-9])")
_DRESS: Final = re.compile(r"[^\w ]+|(?<![0-9]) +| +(?![0-9])|_+")
_TWO: Final = "两"


def normal_words(text: str | None) -> str | None:
    """Letters and digits in one width and case, the first 200; a blank stays between two numbers only."""
    if not text:
        return None
    plain = unicodedata.normalize("NFKC", text[: 2 * MOST_LETTERS]).lower()
    return _DRESS.sub("", _BETWEEN_DIGITS.sub(" ", plain))[:MOST_LETTERS] or None


def tell_apart(one: str, other: str, rules: Duplicates) -> bool:
    """Whether both number the same kind of thing and no number is common, or use words the city tells apart.

    `3 幢 2 单元` and `三幢 5 单元` are two stairwells, 东门 and 西门 two gates. Takes normal words.
    """
    ours, theirs = _numbers(one, rules), _numbers(other, rules)
    if any(not ours[of] & theirs[of] for of in ours.keys() & theirs.keys()):
        return True
    for group in rules.told_apart:
        here = {word for word in group if word in one}
        there = {word for word in group if word in other}
        if here and there and not here & there:
            return True
    return False


def _numbers(words: str, rules: Duplicates) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for of, number in rules.numbers_in(words):
        found.setdefault(of, set()).add(_value(number))
    return found


def _value(number: str) -> int:
    """Of digits, or of Chinese numerals below a hundred (十二, 三十) or said one by one (一〇三)."""
    if number.isascii():
        return int(number)
    value = 0
    for numeral in number:
        digit = 2 if numeral == _TWO else int(unicodedata.numeric(numeral))
        if digit == 10:
            value = (value or 1) * 10
        else:
            value = value + digit if value and value % 10 == 0 and "十" in number else value * 10 + digit
    return value
