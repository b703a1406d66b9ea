"""`@value`: a fact of the domain as it travels, compared and hashed by what it says.

The type checker holds it frozen, Python does not: a frozen dataclass sets every field by a function call,
and a report makes some two hundred of them. Nobody sets a field of a value; `replace` makes another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def value(cls: type[T]) -> type[T]:
    return dataclass(slots=True, kw_only=True, unsafe_hash=True)(cls)
