"""The tables of city.toml that say how a case lives: each value is understood or named as a problem."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from services.domain import city as c
from services.domain.city_problems import Lined, Problem
from services.domain.limits import Limit, parse_limit

SETTINGS: Final = "city.toml"
_LIMITS: Final = (
    "verify_first", "info", "return_within", "decide_within", "appeal_within", "reopen_within",
    "archive_after", "parts_margin", "urge_every",
)  # fmt: skip
_NUMBERS: Final = (
    "most_returns", "most_reworks", "most_owners", "many_reporters", "group_reporters", "most_parts",
    "most_depth",
)  # fmt: skip
_EVIDENCE: Final = ("photo", "position")
_REQUIRED: Final = ("life", "suspensions", "declines")
TABLES: Final = (*_REQUIRED, "partners", "surges", "danger_words")


def policy_of(said: Mapping[str, Any]) -> c.Policy:
    """From tables in which check_policy found nothing wrong."""
    life = said["life"]
    limits: dict[str, Limit] = {name: parse_limit(life[name]) for name in _LIMITS}
    numbers: dict[str, int] = {name: life[name] for name in _NUMBERS}
    return c.Policy(
        needed_to_file=frozenset(life["needed_to_file"]),
        shown_by_photo=frozenset(life["shown_by_photo"]),
        **limits,  # type: ignore[arg-type]
        **numbers,  # type: ignore[arg-type]
        suspensions={reason: parse_limit(limit) for reason, limit in said["suspensions"].items()},
        declines={code: _named(one) for code, one in said["declines"].items()},
        partners={code: _named(one) for code, one in said.get("partners", {}).items()},
        surges={code: _surge(one) for code, one in said.get("surges", {}).items()},
        danger_words={number: tuple(words) for number, words in said.get("danger_words", {}).items()},
    )


def _named(one: Mapping[str, Any]) -> c.Named:
    return c.Named(one["name_zh"], one["name_en"], one.get("channel"), one.get("hub_code"))


def _surge(one: Mapping[str, Any]) -> c.Surge:
    return c.Surge(
        hub_code=one["hub_code"],
        begins=one["begins"],
        ends=one["ends"],
        categories=frozenset(one["categories"]),
        accept=parse_limit(one["accept"]),
        deferred=frozenset(one.get("deferred", ())),
        aid_hub=one.get("aid_hub"),
        notice_zh=one["notice_zh"],
        notice_en=one["notice_en"],
    )


def check_policy(
    settings: Mapping[str, Lined[Any]],
    *,
    calendars: frozenset[str],
    hubs: frozenset[str],
    categories: frozenset[str],
    stages: frozenset[str],
    priorities: frozenset[str],
    hotlines: frozenset[str],
) -> Iterator[Problem]:
    """Every breach in these tables."""
    for table in _REQUIRED:
        if table not in settings:
            yield Problem(SETTINGS, 1, f"the table [{table}] is missing")
    for table in TABLES:
        setting = settings.get(table)
        if setting is None:
            continue
        if not isinstance(setting.value, dict):
            yield Problem(SETTINGS, setting.line, f"`{table}` must be a table, [{table}]")
            continue
        judge = _Judge(table, setting.value, calendars)
        match table:
            case "life":
                judge.life(stages)
            case "suspensions":
                judge.limits(setting.value)
                judge.has(c.WAITING_FOR_REPORTER, "when its time is up the case closes as not answered")
            case "declines":
                judge.each(("name_zh", "name_en"), ("channel",))
                judge.has(c.NO_RESPONSE, "a question that is not answered ends so")
            case "partners":
                judge.each(("name_zh", "name_en", "hub_code"), ())
                judge.among("hub_code", hubs, "a hub of the city")
            case "surges":
                judge.surges(hubs, categories, priorities)
            case _:
                judge.danger_words(hotlines)
        yield from (Problem(SETTINGS, setting.line, rule) for rule in judge.rules)


class _Judge:
    def __init__(self, table: str, said: Mapping[str, Any], calendars: frozenset[str]) -> None:
        self._table = table
        self._said = said
        self._calendars = calendars
        self.rules: list[str] = []

    def _wrong(self, name: str, rule: str) -> None:
        self.rules.append(f"`{self._table}.{name}` {rule}")

    def life(self, stages: frozenset[str]) -> None:
        known = ("needed_to_file", "shown_by_photo", *_LIMITS, *_NUMBERS)
        for name in self._said:
            if name not in known:
                self._wrong(name, f"is not a setting: allowed are {', '.join(known)}")
        self.limits({name: self._said.get(name) for name in _LIMITS})
        for name in _NUMBERS:
            number = self._said.get(name)
            if not isinstance(number, int) or isinstance(number, bool) or number < 1:
                self._wrong(name, "must be a whole number from 1 on")
        needed = self._said.get("needed_to_file")
        if not isinstance(needed, list) or any(one not in _EVIDENCE for one in needed):
            self._wrong("needed_to_file", f"must be a list of {', '.join(_EVIDENCE)}")
        shown = self._said.get("shown_by_photo")
        if not isinstance(shown, list) or not all(isinstance(one, str) and one in stages for one in shown):
            self._wrong("shown_by_photo", "must be a list of milestones of categories.csv")

    def limits(self, limits: Mapping[str, Any]) -> None:
        for name, text in limits.items():
            try:
                limit = parse_limit(text if isinstance(text, str) else "")
            except ValueError as error:
                self._wrong(name, f"must be a limit: {error}")
                continue
            if limit.calendar not in self._calendars:
                self._wrong(name, f"calendar of `{limit}` is not one of calendars.csv")

    def has(self, name: str, why: str) -> None:
        if name not in self._said:
            self._wrong(name, f"is missing: {why}")

    def each(self, texts: tuple[str, ...], optional: tuple[str, ...]) -> None:
        for code, one in self._entries():
            for name in texts:
                if not isinstance(one.get(name), str) or not one[name].strip():
                    self._wrong(f"{code}.{name}", "must be a text")
            for name in optional:
                if not isinstance(one.get(name, ""), str):
                    self._wrong(f"{code}.{name}", "must be a text")
            for name in one:
                if name not in (*texts, *optional):
                    self._wrong(f"{code}.{name}", "is not a setting here")

    def among(self, name: str, known: frozenset[str], what: str) -> None:
        for code, one in self._entries():
            value = one.get(name)
            for each in value if isinstance(value, list) else [value]:
                if each is not None and not (isinstance(each, str) and each in known):
                    self._wrong(f"{code}.{name}", f"`{each}` is not {what}")

    def surges(self, hubs: frozenset[str], categories: frozenset[str], priorities: frozenset[str]) -> None:
        texts, others = ("hub_code", "accept", "notice_zh", "notice_en"), ("begins", "ends", "categories")
        kinds: Mapping[str, Callable[[Any], bool]] = {
            "begins": lambda at: isinstance(at, datetime) and at.tzinfo is not None,
            "ends": lambda at: isinstance(at, datetime) and at.tzinfo is not None,
            "categories": lambda codes: isinstance(codes, list),
        }
        for code, one in self._entries():
            for name in texts:
                if not isinstance(one.get(name), str):
                    self._wrong(f"{code}.{name}", "must be a text")
            for name in others:
                if not kinds[name](one.get(name)):
                    shape = "a list" if name == "categories" else "an instant with an offset"
                    self._wrong(f"{code}.{name}", f"must be {shape}")
                    return
            if one["ends"] <= one["begins"]:
                self._wrong(f"{code}.ends", "must be later than it begins")
            if not isinstance(one.get("deferred", []), list):
                self._wrong(f"{code}.deferred", "must be a list")
            self.limits({f"{code}.accept": one.get("accept")})
        self.among("hub_code", hubs, "a hub of the city")
        self.among("aid_hub", hubs, "a hub of the city")
        self.among("categories", categories, "a category of the city")
        self.among("deferred", priorities, "a priority of the city")

    def danger_words(self, hotlines: frozenset[str]) -> None:
        for number, words in self._said.items():
            if number not in hotlines:
                self._wrong(number, "is not a number of hotlines.csv")
            if not isinstance(words, list) or not all(isinstance(w, str) and w.strip() for w in words):
                self._wrong(number, "must be a list of words")

    def _entries(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for code, one in self._said.items():
            if isinstance(one, dict):
                yield code, one
            else:
                self._wrong(code, f"must be a table, [{self._table}.{code}]")
