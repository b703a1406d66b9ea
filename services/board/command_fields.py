"""The fields of each command that people send, one row each; the words that go with it are messages.WORDS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, get_args

from services.adapters.photos import PhotoStore
from services.board.bodies import Fields
from services.domain.city import City
from services.domain.messages import (
    OF_THE_SYSTEM,
    WIRE_TYPES,
    CallbackAnswer,
    Invited,
    PhotoKind,
    RaiseReason,
    ResolutionOutcome,
    WantedPart,
)

MAX_PHOTOS: Final = 6
MAX_INVITED: Final = 20
TYPES: Final = tuple(name for name in WIRE_TYPES if name not in OF_THE_SYSTEM)

Read = Callable[[Fields, str, City, PhotoStore], Any]


def read_payload(kind: str, fields: Fields, city: City, photos: PhotoStore) -> dict[str, Any]:
    """The command's own values; faults stay with `fields`."""
    rows = _FIELDS.get(kind, {})
    return {name: read(fields, name, city, photos) for name, read in rows.items()}


def _text(longest: int, *, needed: bool = True) -> Read:
    return lambda fields, name, city, photos: fields.text(name, needed=needed, longest=longest)


def _among(what: str, known: Callable[[City], Any], *, needed: bool = True) -> Read:
    return lambda fields, name, city, photos: fields.code(name, known(city).__contains__, what, needed=needed)


def _one_of(choices: tuple[str, ...], default: str | None = None) -> Read:
    return lambda fields, name, city, photos: fields.one_of(name, choices, default=default)


def _flag(default: bool | None = None) -> Read:
    return lambda fields, name, city, photos: fields.flag(name, default=default)


def _uuid(fields: Fields, name: str, city: City, photos: PhotoStore) -> str | None:
    return fields.uuid(name)


def _photos(*, needed: bool) -> Read:
    def read(fields: Fields, name: str, city: City, photos: PhotoStore) -> tuple[str, ...]:
        found = fields.texts(name, needed=needed, most=MAX_PHOTOS)
        for index, photo in enumerate(found):
            if not photos.exists(photo):
                fields.fault(
                    f"{name}[{index}]", "is not a photo that was uploaded here: POST /v1/photos first"
                )
        return found

    return read


def _parts(fields: Fields, name: str, city: City, photos: PhotoStore) -> tuple[WantedPart, ...]:
    def read(one: Fields) -> WantedPart:
        return WantedPart(
            owner=_UNIT(one, "owner", city, photos) or "",
            hub_code=_HUB(one, "hub_code", city, photos),
            category=_among("a category of the city", lambda known: known.categories, needed=False)(
                one, "category", city, photos
            ),
            required=one.flag("required", default=True) is not False,
        )

    return fields.objects(name, read, most=city.policy.most_parts)


def _invited(fields: Fields, name: str, city: City, photos: PhotoStore) -> tuple[Invited, ...]:
    def read(one: Fields) -> Invited:
        return Invited(
            unit=_GUEST(one, "unit", city, photos) or "", hub_code=_HUB(one, "hub_code", city, photos)
        )

    return fields.objects(name, read, most=MAX_INVITED)


_HUB: Final = _among("a hub of the city", lambda city: city.hubs, needed=False)
_UNIT: Final = _among("a unit of the city", lambda city: city.units)
_UNIT_OR_NONE: Final = _among("a unit of the city", lambda city: city.units, needed=False)
_GUEST: Final = _among("a unit or a partner of the city", lambda city: {*city.units, *city.policy.partners})
_CATEGORY: Final = _among("a category of the city", lambda city: city.categories)

_FIELDS: Final[Mapping[str, Mapping[str, Read]]] = {
    "supply_info": {"photos": _photos(needed=False)},
    "decline": {"reason": _among("a reason of the city", lambda city: city.policy.declines)},
    "redirect": {
        "to": _among("a hotline of the city", lambda city: city.hotlines),
        "receipt": _text(64, needed=False),
    },
    "attach": {"to_case_id": _uuid},
    "keep_apart": {"case_id": _uuid},
    "detach": {"report_id": _uuid},
    "file_case": {"category": _CATEGORY, "hub_code": _HUB},
    "request_return": {"owner": _UNIT_OR_NONE, "hub_code": _HUB, "clause": _text(200, needed=False)},
    "decide_return": {"approve": _flag(), "owner": _UNIT_OR_NONE, "hub_code": _HUB},
    "reassign": {"owner": _UNIT, "hub_code": _HUB},
    "force_assign": {"owner": _UNIT, "hub_code": _HUB},
    "set_variant": {"variant": _text(64, needed=False)},
    "set_category": {"category": _CATEGORY},
    "raise_priority": {"reason": _one_of(get_args(RaiseReason))},
    "reach_milestone": {"stage": _text(64), "photos": _photos(needed=False)},
    "split": {"parts": _parts, "ordered": _flag(False)},
    "whistle": {"invite": _invited},
    "request_extension": {"limit": _text(32)},
    "decide_extension": {"approve": _flag()},
    "suspend": {"reason": _among("a reason of the city", lambda city: city.policy.suspensions)},
    "decide_suspension": {"approve": _flag()},
    "submit_resolution": {"outcome": _one_of(get_args(ResolutionOutcome)), "photos": _photos(needed=False)},
    "record_callback": {
        "resolved": _one_of(get_args(CallbackAnswer)),
        "satisfaction": lambda fields, name, city, photos: fields.number(name, needed=False, most=5),
    },
    "add_photos": {"kind": _one_of(get_args(PhotoKind), "before"), "photos": _photos(needed=True)},
}
