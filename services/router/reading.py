"""From bytes to what can be decided: decode, unseal, convert. What cannot be read becomes a dead letter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from services.adapters import codec
from services.adapters.seal import SealKeys
from services.domain.errors import Malformed
from services.domain.geo import Point, to_wgs84
from services.domain.messages import CaseCommand, Content, DeadLetter, Location, SubmitReport

_YEARS = range(2020, 2041)
"""The years the book has partitions for; a message outside them was not stamped by a door of ours."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A record as the broker gave it; `appended_at` is the broker's time (LogAppendTime)."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    appended_at: datetime

    @property
    def name(self) -> str:
        return codec.dead_letter_id(self.topic, self.partition, self.offset)


@dataclass(frozen=True, slots=True)
class Read:
    incoming: Incoming
    message: SubmitReport | CaseCommand
    content: Content
    point: Point | None
    """Where `content.location` is in WGS-84."""

    @property
    def command_id(self) -> str:
        return self.message.command_id


def read(incoming: Incoming, keys: SealKeys) -> Read:
    """Raises Malformed."""
    message = codec.decode(incoming.headers, incoming.value)
    expected = SubmitReport if incoming.topic == codec.REPORTS else CaseCommand
    if not isinstance(message, expected):
        raise Malformed("ce_type", f"{type(message).__name__} does not belong on topic {incoming.topic}")
    year = _year_of(message.received_at)
    if year not in _YEARS:
        raise Malformed("received_at", f"{year} is outside {_YEARS[0]}-{_YEARS[-1]}")
    content = Content()
    if message.sealed is not None:
        content = keys.open(message.sealed, command_id=message.command_id, topic=incoming.topic)
    return Read(incoming, message, content, point_of(content.location))


def point_of(location: Location | None) -> Point | None:
    """In WGS-84; Malformed if it is none. A person's point stays sealed: no reason quotes it."""
    if location is None:
        return None
    try:
        return to_wgs84(location.lon, location.lat, location.datum)
    except ValueError:
        raise Malformed("sealed.location", "is not a point on the globe") from None


def _year_of(at: datetime) -> int:
    """In UTC, as the partitions are cut; at the ends of the calendar UTC has no such instant."""
    try:
        return at.astimezone(UTC).year
    except OverflowError:
        return at.year


def dead_letter(incoming: Incoming, kind: str, reason: str, died_at: datetime) -> DeadLetter:
    return DeadLetter(
        id=incoming.name,
        topic=incoming.topic,
        partition=incoming.partition,
        offset=incoming.offset,
        key=incoming.key,
        headers=incoming.headers,
        value=incoming.value or b"",
        kind="data" if kind == "data" else "message",
        reason=reason,
        died_at=died_at,
    )
