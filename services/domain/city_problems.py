"""What is wrong with a city's files, named by file, line and rule; and the line a value stands on."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    file: str
    line: int
    rule: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule}"


class Lined(NamedTuple, Generic[T]):
    line: int
    value: T


class CityProblems(ValueError):
    """The files are not a city; nothing was loaded. One line per problem, in order of file and line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def twice(file: str, what: str, seen: Iterable[tuple[int, Hashable]]) -> Iterator[Problem]:
    first: dict[Hashable, int] = {}
    for line, value in seen:
        if value in first:
            yield Problem(file, line, f"{what} `{value}` stands already on line {first[value]}")
        else:
            first[value] = line
