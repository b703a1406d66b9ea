"""Reading what callers send: JSON objects whose every fault is named with its field, ids, instants."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec
from fastapi import Request
from fastapi.responses import Response

from services.adapters.problems import Problem, invalid

MAX_WORDS: Final = 2_000

T = TypeVar("T")

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_encode = msgspec.json.Encoder().encode


def json_answer(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """People's data: never kept by a browser or a proxy."""
    return Response(
        _encode(body),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def uuid_or_none(text: str) -> str | None:
    lower = text.lower()
    return lower if _UUID.fullmatch(lower) else None


def uuid_or_404(text: str, what: str) -> str:
    found = uuid_or_none(text)
    if found is None:
        raise Problem(404, detail=f"There is no {what} with this id.")
    return found


def instant(field: str, text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is not None:
            # The first hours of year 1 and the last of 9999 leave the calendar on the way to UTC.
            return at.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise invalid([(field, "must be ISO 8601 with an offset, e.g. 2026-11-24T08:00:00+08:00")])


async def json_object(request: Request) -> dict[str, Any]:
    """JSON alone: a form of another site cannot send it (design.md section 5)."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, detail="Send the body as Content-Type: application/json.")
    try:
        body = msgspec.json.decode(await request.body())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise invalid([("body", f"is not JSON: {wrong}")]) from None
    if not isinstance(body, dict):
        raise invalid([("body", "must be a JSON object")])
    return body


class Fields:
    """The fields of a JSON object: each is taken once, faults are collected and raised together."""

    def __init__(
        self, body: dict[str, Any], *, inside: str = "", faults: list[tuple[str, str]] | None = None
    ) -> None:
        self._left = dict(body)
        self._inside = inside
        self._faults = [] if faults is None else faults

    def fault(self, field: str, message: str) -> None:
        self._faults.append((self._inside + field, message))

    def _take(self, field: str, *, needed: bool) -> Any:
        value = self._left.pop(field, None)
        if value is None and needed:
            self.fault(field, "is required")
        return value

    def text(self, field: str, *, needed: bool, longest: int = MAX_WORDS) -> str | None:
        value = self._take(field, needed=needed)
        if value is None:
            return None
        if not isinstance(value, str):
            self.fault(field, "must be a string")
        elif "\x00" in value:
            self.fault(field, "may not contain the character U+0000")
        elif len(value) > longest:
            self.fault(field, f"may have {longest} characters at most, it has {len(value)}")
        elif value.strip():
            return value
        elif needed:
            self.fault(field, "may not be empty")
        return None

    def code(self, field: str, known: Callable[[str], bool], what: str, *, needed: bool) -> str | None:
        value = self.text(field, needed=needed, longest=64)
        if value is not None and not known(value):
            self.fault(field, f"is not {what}")
            return None
        return value

    def one_of(self, field: str, choices: Iterable[str], *, default: str | None = None) -> str | None:
        allowed = list(choices)
        return self.code(
            field, lambda v: v in allowed, f"one of {', '.join(allowed)}", needed=default is None
        ) or (default)

    def number(self, field: str, *, needed: bool, most: int | None = None) -> int | None:
        value = self._take(field, needed=needed)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= (most or 2**31 - 1):
            self.fault(field, f"must be a whole number from 1 {'on' if most is None else f'to {most}'}")
            return None
        return value

    def flag(self, field: str, *, default: bool | None = None) -> bool | None:
        value = self._take(field, needed=default is None)
        if value is not None and not isinstance(value, bool):
            self.fault(field, "must be true or false")
            return default
        return default if value is None else value

    def uuid(self, field: str) -> str | None:
        value = self.text(field, needed=True, longest=64)
        known = uuid_or_none(value) if value is not None else None
        if value is not None and known is None:
            self.fault(field, "must be a UUID")
        return known

    def objects(self, field: str, read: Callable[[Fields], T], *, most: int) -> tuple[T, ...]:
        """A list of objects, none of it empty; `read` takes the fields of one."""
        value = self._take(field, needed=True)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            self.fault(field, "must be a list of objects")
        elif not value:
            self.fault(field, "may not be empty")
        elif len(value) > most:
            self.fault(field, f"may have {most} entries at most")
        else:
            return tuple(self._read_within(f"{field}[{n}].", one, read) for n, one in enumerate(value))
        return ()

    def _read_within(self, inside: str, body: dict[str, Any], read: Callable[[Fields], T]) -> T:
        fields = Fields(body, inside=self._inside + inside, faults=self._faults)
        found = read(fields)
        fields._tell_unknown()
        return found

    def texts(self, field: str, *, needed: bool, most: int) -> tuple[str, ...]:
        value = self._take(field, needed=needed)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            self.fault(field, "must be a list of strings")
            return ()
        if len(value) > most:
            self.fault(field, f"may have {most} entries at most")
            return ()
        if needed and not value:
            self.fault(field, "may not be empty")
        return tuple(dict.fromkeys(value))

    def done(self) -> None:
        """Raises 422 with every fault, unknown fields among them."""
        self._tell_unknown()
        if self._faults:
            raise invalid(self._faults)

    def _tell_unknown(self) -> None:
        for field in self._left:
            self.fault(str(field), "is not a field of this message")
