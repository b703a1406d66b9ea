"""The table [duplicates] of city.toml: which reports may be of one problem, and how sure one must be.

Everything here is the city's: radii by kind of category, families of categories that people mistake for one
another, and the words by which two texts say that they mean two things.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, TypeGuard

from services.domain.city_problems import Lined, Problem
from services.domain.limits import WALL_CLOCK, parse_limit

SETTINGS: Final = "city.toml"
TABLE: Final = "duplicates"
_LIMITS: Final = ("window", "recurrence_within")
_SCORES: Final = ("suggest_score", "attach_score")
_NUMBERS: Final = ("surge_factor", "most_error_m")
_LISTS: Final = ("numbered", "told_apart")
_TABLES: Final = ("radius_m", "families")
_KNOWN: Final = (*_LIMITS, *_SCORES, *_NUMBERS, *_LISTS, *_TABLES)
_MOST_RADIUS_M: Final = 1000
_DIGITS: Final = "0-9〇零一二两三四五六七八九十"


@dataclass(frozen=True, slots=True)
class Duplicates:
    """`families` hold categories by the family's name, `radius_m` metres by category, of those in a family.

    `numbered`: words of one group count the same things, as in 3 幢, 3 栋. `told_apart`: words of one group
    are different things, as 东门, 西门.
    """

    window: timedelta
    recurrence_within: timedelta
    suggest_score: float
    attach_score: float
    surge_factor: float
    most_error_m: float
    radius_m: Mapping[str, float]
    families: Mapping[str, tuple[str, ...]]
    numbered: tuple[tuple[str, ...], ...]
    told_apart: tuple[frozenset[str], ...]
    widest_m: Mapping[str, float] = field(init=False, repr=False, compare=False)
    """By family: the widest radius of its categories."""
    _family_of: Mapping[str, str] = field(init=False, repr=False, compare=False)
    _things: Mapping[str, str] = field(init=False, repr=False, compare=False)
    _number: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        family_of = {code: name for name, codes in self.families.items() for code in codes}
        things = {word: group[0] for group in self.numbered for word in group}
        words = "|".join(map(re.escape, sorted(things, key=len, reverse=True))) or "(?!)"
        for name, value in (
            ("widest_m", {of: max(self.radius_m[code] for code in has) for of, has in self.families.items()}),
            ("_family_of", family_of),
            ("_things", things),
            ("_number", re.compile(rf"([{_DIGITS}]+)({words})|([a-z]+)([0-9]+)")),
        ):
            object.__setattr__(self, name, value)

    def family_of(self, category: str | None) -> str | None:
        """None: reports of this category are never compared."""
        return self._family_of.get(category or "")

    def numbers_in(self, words: str) -> Iterator[tuple[str, str]]:
        """What is numbered in normal words, and its number as it is written."""
        for number, of, prefix, code in self._number.findall(words):
            yield (self._things[of], number) if of else (prefix, code)


def duplicates_of(said: Mapping[str, Any], kinds: Mapping[str, str]) -> Duplicates:
    """From a table in which check_duplicates found nothing wrong, and each category's kind."""
    families = {name: tuple(codes) for name, codes in said["families"].items()}
    return Duplicates(
        window=parse_limit(said["window"]).length,
        recurrence_within=parse_limit(said["recurrence_within"]).length,
        suggest_score=float(said["suggest_score"]),
        attach_score=float(said["attach_score"]),
        surge_factor=float(said["surge_factor"]),
        most_error_m=float(said["most_error_m"]),
        radius_m={
            code: float(said["radius_m"][kinds[code]]) for codes in families.values() for code in codes
        },
        families=families,
        numbered=tuple(tuple(words) for words in said["numbered"]),
        told_apart=tuple(frozenset(words) for words in said["told_apart"]),
    )


def check_duplicates(
    setting: Lined[Any] | None, *, kinds: Mapping[str, str], never: Mapping[str, str]
) -> Iterator[Problem]:
    """Every breach. `kinds` has each category's kind; `never` has, for some, why they are in no family."""
    if setting is None:
        yield Problem(SETTINGS, 1, f"the table [{TABLE}] is missing")
    elif not isinstance(setting.value, dict):
        yield Problem(SETTINGS, setting.line, f"`{TABLE}` must be a table, [{TABLE}]")
    else:
        for name, rule in _breaches(setting.value, kinds, never):
            yield Problem(SETTINGS, setting.line, f"`{TABLE}.{name}` {rule}")


def _breaches(
    said: Mapping[str, Any], kinds: Mapping[str, str], never: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    for name in said:
        if name not in _KNOWN:
            yield name, f"is not a setting: allowed are {', '.join(_KNOWN)}"
    for name in _KNOWN:
        if name not in said:
            yield name, "is missing"
    for name in _LIMITS:
        if name in said:
            yield from _limit(name, said[name])
    for name in _SCORES:
        if name in said and not _within(said[name], 0, 1):
            yield name, "must be a number above 0, at most 1"
    suggest, attach = said.get("suggest_score"), said.get("attach_score")
    if _within(suggest, 0, 1) and _within(attach, 0, 1) and suggest >= attach:
        yield "suggest_score", "must be below attach_score"
    factor = said.get("surge_factor", 1)
    if not (_within(factor, 0, 10) and factor >= 1):
        yield "surge_factor", "must be a number from 1 to 10"
    if "most_error_m" in said and not _within(said["most_error_m"], 0, _MOST_RADIUS_M):
        yield "most_error_m", f"must be a number above 0, at most {_MOST_RADIUS_M}"
    yield from _words(said)
    radii = said.get("radius_m", {})
    yield from _radii(radii, frozenset(kinds.values()))
    yield from _families(said.get("families", {}), radii, kinds, never)


def _limit(name: str, text: Any) -> Iterator[tuple[str, str]]:
    try:
        limit = parse_limit(text if isinstance(text, str) else "")
    except ValueError as error:
        yield name, f"must be a limit: {error}"
        return
    if limit.calendar != WALL_CLOCK:
        yield name, f"`{limit}` must run by the wall clock, {WALL_CLOCK}"


def _within(number: Any, above: float, most: float) -> TypeGuard[float]:
    return isinstance(number, int | float) and not isinstance(number, bool) and above < number <= most


def _words(said: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, least, rule in (("numbered", 1, "words"), ("told_apart", 2, "two words or more")):
        groups = said.get(name, [])
        if not isinstance(groups, list) or not all(_are_words(group, least) for group in groups):
            yield name, f"must be a list of lists of {rule}"


def _are_words(words: Any, least: int) -> bool:
    return (
        isinstance(words, list)
        and len(words) >= least
        and all(isinstance(w, str) and w.strip() for w in words)
    )


def _radii(radii: Any, kinds: frozenset[str]) -> Iterator[tuple[str, str]]:
    if not isinstance(radii, dict):
        yield "radius_m", "must be a table of metres by kind of category"
        return
    for kind, metres in radii.items():
        if kind not in kinds:
            yield f"radius_m.{kind}", "is not a kind of a category of the city"
        if not _within(metres, 0, _MOST_RADIUS_M):
            yield f"radius_m.{kind}", f"must be a number above 0, at most {_MOST_RADIUS_M}"


def _families(
    families: Any, radii: Any, kinds: Mapping[str, str], never: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    if not isinstance(families, dict):
        yield "families", "must be a table of lists of categories"
        return
    seen: dict[str, str] = {}
    for name, codes in families.items():
        if not _are_words(codes, 1):
            yield f"families.{name}", "must be a list of categories"
            continue
        for code in codes:
            if code not in kinds:
                yield f"families.{name}", f"`{code}` is not a category of the city"
            elif code in never:
                yield f"families.{name}", f"`{code}` is {never[code]}: its reports are never compared"
            elif isinstance(radii, dict) and kinds[code] not in radii:
                yield f"families.{name}", f"`{code}` is of kind `{kinds[code]}`, which has no radius_m"
            if code in seen:
                yield f"families.{name}", f"`{code}` stands already in `{seen[code]}`"
            seen[code] = name
