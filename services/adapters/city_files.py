"""A city's files: a folder becomes texts, texts become a City or the list of what is wrong with them.

The book keeps exactly these texts, so a city from the book takes the same path as one from a folder.
"""

from __future__ import annotations

import contextlib
import csv
import gc
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from sys import intern
from typing import Any, Final
from zoneinfo import ZoneInfo

from services.adapters.areas import polygon_problems, read_areas
from services.domain.calendar_rows import PREDICTED
from services.domain.city import City
from services.domain.city_problems import CityProblems, Lined, Problem
from services.domain.city_rows import AREAS, FILES, MAY_BE_ABSENT, SETTINGS, Area, Table, header_of, read_rows
from services.domain.city_rules import check

_TOML_LINE: Final = re.compile(r"\(at line (\d+), column \d+\)$")
# io.StringIO would hold four bytes for each character.
_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
_BYTE_ORDER_MARK: Final = "\ufeff"


def read_folder(folder: Path) -> dict[str, str]:
    """The texts of a city's files; others in the folder (README, samples) are no part of the city."""
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    optional = [name for name in MAY_BE_ABSENT if (folder / name).exists()]
    for name in (*FILES, *optional, *_calendar_days(folder)):
        try:
            raw = (folder / name).read_bytes()
            texts[name] = raw.decode("utf-8")
        except FileNotFoundError:
            problems.append(Problem(name, 1, f"is missing in {folder}"))
        except OSError as error:
            problems.append(Problem(name, 1, f"cannot be read: {error.strerror}"))
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            rule = f"is not UTF-8: byte 0x{raw[error.start]:02x}; save it as UTF-8"
            problems.append(Problem(name, line, rule))
    if problems:
        raise CityProblems(problems)
    return texts


def _calendar_days(folder: Path) -> list[str]:
    """A file per official year, and what is predicted of the others: any number of them."""
    found = (folder / Path(PREDICTED).parent).glob("*.csv")
    return sorted(path.relative_to(folder).as_posix() for path in found)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """A country's rows are millions of objects that stay: looking for rubbish among them takes a quarter."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@_uncollected()
def read_city(files: Mapping[str, str], version: int) -> City:
    """The city in these texts. Shapes of rows are judged first, then what they say of each other."""
    problems = [Problem(name, 1, "is missing") for name in FILES if name not in files]
    for name, text in files.items():
        if "\0" in text:
            line = text.count("\n", 0, text.index("\0")) + 1
            problems.append(Problem(name, line, "holds the character U+0000"))
        if name not in FILES and header_of(name) is None:
            rule = f"is neither {PREDICTED} nor named by a year, such as calendar-days/2027.csv"
            problems.append(Problem(name, 1, rule))
    if problems:
        raise CityProblems(problems)
    texts = {name: text.removeprefix(_BYTE_ORDER_MARK) for name, text in files.items()}
    tables = {name: _table(name, texts[name], problems) for name in texts if header_of(name)}
    settings = _settings(texts[SETTINGS], problems)
    areas = _areas(texts[AREAS], problems)
    rows, unread = read_rows(tables=tables, settings=settings, areas=areas)
    problems += unread
    if not problems:
        problems += check(rows)
    zone = None
    if not problems:
        problems += polygon_problems(areas, {row.value.code: row.value.hub_code for row in rows.grids})
        zone = _zone(settings["timezone"], problems)
    if problems or zone is None:
        raise CityProblems(problems)
    return rows.city(version, zone)


def _table(name: str, text: str, problems: list[Problem]) -> Table:
    """Its rows are read as they are asked for: a whole country's would fill the memory twice."""
    lines = csv.reader((line[0] for line in _LINE.finditer(text)), strict=True)
    try:
        header = tuple(next(lines, ()))
    except csv.Error as error:
        problems.append(Problem(name, 1, f"is not CSV: {error}"))
        return Table(name, header_of(name) or (), ())
    return Table(name, header, _rows(name, lines, problems))


def _rows(name: str, lines: Any, problems: list[Problem]) -> Iterator[Lined[tuple[str, ...]]]:
    begins = lines.line_num + 1
    try:
        for cells in lines:
            if cells:
                # a parent, a kind, a level stand in many rows and are kept once
                yield Lined(begins, tuple(map(intern, cells)))
            begins = lines.line_num + 1
    except csv.Error as error:
        problems.append(Problem(name, begins, f"is not CSV: {error}"))


def _settings(text: str, problems: list[Problem]) -> dict[str, Lined[Any]]:
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = _TOML_LINE.search(str(error))
        line = int(at[1]) if at else text.count("\n") + 1
        problems.append(Problem(SETTINGS, line, f"is not TOML: {error}"))
        return {}
    return {name: Lined(_line_of(name, text), value) for name, value in said.items()}


def _line_of(name: str, text: str) -> int:
    found = re.search(rf"^[ \t\[]*[\"']?{re.escape(name)}\b", text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 if found else 1


def _areas(text: str, problems: list[Problem]) -> tuple[Area, ...]:
    try:
        return read_areas(text)
    except ValueError as error:
        line, _, rule = str(error).partition(": ")
        problems.append(Problem(AREAS, int(line), rule))
        return ()


def _zone(setting: Lined[Any], problems: list[Problem]) -> ZoneInfo | None:
    try:
        return ZoneInfo(setting.value)
    except (KeyError, ValueError, OSError):
        rule = f"`timezone` {setting.value} is not an IANA zone, such as `Asia/Shanghai`"
        problems.append(Problem(SETTINGS, setting.line, rule))
        return None
