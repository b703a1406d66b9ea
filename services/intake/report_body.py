"""The body of POST /v1/reports: its shape, and every rule that can be checked without asking anybody.

Rules: the shape is strict (unknown fields and wrong types are named one at a time, as they are met); what is
wrong with the values is told all at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec

from services.domain.city import City
from services.domain.messages import Channel, Content, Datum, Location, Visibility

MOST_CHARACTERS: Final = 2000
MOST_PHOTOS: Final = 6
FOR_OTHERS: Final[tuple[Channel, ...]] = ("grid_member", "representative", "staff")
"""Who may report for somebody who cannot: a row leader is one of the representatives."""
_MOST_NAME: Final = 100
_MOST_PHONE: Final = 40
_FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 2100


class PointBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    lon: Annotated[float, msgspec.Meta(description="degrees, -180 to 180, in its own datum")]
    lat: Annotated[float, msgspec.Meta(description="degrees, -90 to 90, in its own datum")]
    datum: Datum
    accuracy_m: Annotated[float, msgspec.Meta(description="metres")] | None = None


class ContactBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str | None = None
    phone: str | None = None


class ReportBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At least one of category, text and photos. An instant carries its offset, a point its datum."""

    channel: Channel
    category: Annotated[str, msgspec.Meta(description="a code of GET /v1/categories")] | None = None
    text: Annotated[str, msgspec.Meta(description="at most 2,000 characters, no U+0000")] | None = None
    location: PointBody | None = None
    hub_code: (
        Annotated[str, msgspec.Meta(description="of a hub, grid or row: a code of GET /v1/hubs")] | None
    ) = None
    captured_at: datetime | None = None
    contact: ContactBody | None = None
    on_behalf: Annotated[bool, msgspec.Meta(description="`contact` is somebody else, who asked for it")] = (
        False
    )
    visibility: Visibility = "masked"
    photos: Annotated[list[str], msgspec.Meta(description="ids of POST /v1/photos, at most 6")] | None = None

    def content(self) -> Content | None:
        """The part that travels sealed, or None when there is nothing personal in the report."""
        contact, point = self.contact, self.location
        if contact is None and point is None and self.text is None:
            return None
        return Content(
            name=contact.name if contact else None,
            phone=contact.phone if contact else None,
            text=self.text,
            location=None
            if point is None
            else Location(lon=point.lon, lat=point.lat, datum=point.datum, accuracy_m=point.accuracy_m),
        )


_decode = msgspec.json.Decoder(ReportBody).decode
_PATH: Final = re.compile(r" - at `\$\.?(.*)`$")
_NAMED: Final = re.compile(r"(?:unknown|missing required) field `([^`]*)`")

Fault = tuple[str, str]
"""field, what is wrong with it"""


class BadShape(ValueError):
    """Not JSON, or not of this shape."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.fault: Fault = (field, message)


def decode(body: bytes) -> ReportBody:
    try:
        return _decode(body)
    except msgspec.MsgspecError as error:
        raise BadShape(*fault_of(str(error))) from error
    except UnicodeDecodeError as error:
        raise BadShape("body", "is not UTF-8") from error


def fault_of(words: str) -> Fault:
    """msgspec's words as (field, message). Which field of an object is missing stands within the words."""
    at = _PATH.search(words)
    path = at[1] if at else ""
    message = words[: at.start()] if at else words
    named = _NAMED.search(message)
    if named is not None:
        return f"{path}.{named[1]}" if path else named[1] or "body", message
    return path or "body", message


def faults(body: ReportBody, city: City, photo_exists: Callable[[str], bool]) -> list[Fault]:
    """Everything that is wrong with the values. The usual report passes without a generator being made."""
    found: list[Fault] = []
    text = body.text
    if text is not None and (len(text) > MOST_CHARACTERS or "\0" in text):
        found.append(("text", _wrong_text(text, MOST_CHARACTERS)))
    if body.category is not None and body.category not in city.categories:
        found.append(("category", "is not known; GET /v1/categories lists them"))
    if body.hub_code is not None and city.sign(body.hub_code) is None:
        found.append(("hub_code", "is not known; GET /v1/hubs lists them"))
    if body.category is None and not body.photos and not (text and text.strip()):
        found.append(("category", "say at least one of category, text and photos"))
    if body.location is not None:
        found.extend(_wrong_point(body.location))
    if body.captured_at is not None:
        found.extend(_wrong_instant(body.captured_at))
    if body.contact is not None:
        found.extend(_wrong_contact(body.contact))
    if body.on_behalf:
        found.extend(_wrong_proxy(body))
    if body.photos:
        found.extend(_wrong_photos(body.photos, photo_exists))
    return found


def _wrong_text(text: str, most: int) -> str:
    return (
        f"has {len(text)} characters; {most} are allowed"
        if len(text) > most
        else "holds the character U+0000"
    )


def _wrong_point(point: PointBody) -> Iterator[Fault]:
    if not -180 <= point.lon <= 180:
        yield "location.lon", "must be from -180 to 180 degrees"
    if not -90 <= point.lat <= 90:
        yield "location.lat", "must be from -90 to 90 degrees"
    if point.accuracy_m is not None and not 0 <= point.accuracy_m <= 1e7:
        yield "location.accuracy_m", "must be metres, 0 or more"


def _wrong_instant(at: datetime) -> Iterator[Fault]:
    if at.tzinfo is None:
        yield "captured_at", "needs an offset, e.g. 2026-11-24T08:00:00+08:00"
    elif not _FIRST_YEAR <= at.year < _LAST_YEAR:
        yield "captured_at", f"must lie between {_FIRST_YEAR} and {_LAST_YEAR}"


def _wrong_contact(contact: ContactBody) -> Iterator[Fault]:
    for field, value, most in (
        ("contact.name", contact.name, _MOST_NAME),
        ("contact.phone", contact.phone, _MOST_PHONE),
    ):
        if value is not None and (len(value) > most or "\0" in value):
            yield field, _wrong_text(value, most)


def _wrong_proxy(body: ReportBody) -> Iterator[Fault]:
    """Whoever is called back must be the one it is about, who may have no telephone of their own."""
    contact = body.contact
    if body.channel not in FOR_OTHERS:
        yield "on_behalf", f"is for the channels {', '.join(FOR_OTHERS)}"
    if contact is None or not any(known and known.strip() for known in (contact.name, contact.phone)):
        yield "contact", "say for whom: a name or a telephone number of the person to call back"


def _wrong_photos(photos: list[str], photo_exists: Callable[[str], bool]) -> Iterator[Fault]:
    if len(photos) > MOST_PHOTOS:
        yield "photos", f"{MOST_PHOTOS} are allowed"
        return
    for index, photo_id in enumerate(photos):
        if not photo_exists(photo_id):
            yield f"photos[{index}]", "is not known; POST /v1/photos gives an id"


def schemas() -> tuple[dict[str, Any], dict[str, Any]]:
    """JSON Schema of the body, and of the shapes it refers to, for the API documents."""
    (body,), parts = msgspec.json.schema_components([ReportBody], ref_template="#/components/schemas/{name}")
    return body, parts
