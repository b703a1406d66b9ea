"""Realistic reports for the bench: the city's sample reports, as bodies for a door and as sealed records.

Only what the district's dispatcher may see, and what becomes an ordinary case: not confidential, no hotline.
"""

from __future__ import annotations

import itertools
import json
import random
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from services.adapters import codec
from services.adapters.areas import Areas
from services.adapters.city_files import read_city, read_folder
from services.adapters.seal import SealKeys
from services.adapters.settings import Settings
from services.domain import ids
from services.domain.city import City, Hub
from services.domain.city_rows import AREAS
from services.domain.messages import Content, Location, SubmitReport

SAMPLE: Final = "sample-reports.jsonl"
_NEAR_DEG: Final = 0.006


def read_bench_city() -> tuple[City, Areas]:
    """The city of the settings, as the book keeps it."""
    files = read_folder(Settings().city_folder)
    city = read_city(files, 1)
    return city, Areas.parse(files[AREAS], city)


def bodies(city: City, *, seed: int = 1, spots: int = 1) -> list[dict[str, Any]]:
    """Bodies of POST /v1/reports, each with a category and words; each text at so many spots of the city.

    What is sent again from the same spot is a duplicate, and joins a case instead of beginning one.
    """
    chance = random.Random(seed)
    found = []
    for line in (Settings().city_folder / SAMPLE).read_text("utf-8").splitlines():
        body: dict[str, Any] = json.loads(line)["body"]
        category = city.categories.get(body.get("category") or "")
        ordinary = category is not None and category.redirect is None and not category.confidential
        if not ordinary or not body.get("text") or body.get("visibility") == "confidential":
            continue
        body.pop("photos", None)
        found.append(body)
    places = places_of(city)
    return [{**body, "location": somewhere(places, chance)} for _ in range(spots) for body in found]


def places_of(city: City) -> list[Hub]:
    return [hub for hub in city.hubs.values() if hub.level == city.place_level]


def somewhere(places: Sequence[Hub], chance: random.Random) -> dict[str, Any]:
    """A GCJ-02 point near one of the places."""
    hub = chance.choice(places)
    return {
        "lon": round(hub.lon + chance.uniform(-_NEAR_DEG, _NEAR_DEG), 6),
        "lat": round(hub.lat + chance.uniform(-_NEAR_DEG, _NEAR_DEG), 6),
        "datum": "GCJ02",
        "accuracy_m": chance.randint(5, 60),
    }


def content_of(body: dict[str, Any]) -> Content:
    contact = body.get("contact") or {}
    return Content(
        name=contact.get("name"),
        phone=contact.get("phone"),
        text=body["text"],
        location=Location(**body["location"]),
    )


def report_of(body: dict[str, Any], report_id: str, keys: SealKeys) -> SubmitReport:
    """What the door would make of the body now."""
    return SubmitReport(
        report_id=report_id,
        received_at=datetime.now(UTC),
        channel=body["channel"],
        category=body["category"],
        hub_code=body.get("hub_code"),
        visibility=body.get("visibility", "masked"),
        sealed=keys.seal(content_of(body), command_id=report_id, topic=codec.REPORTS),
    )


def records(city: City, *, secret: bytes, seal_keys: str, count: int) -> Iterator[codec.Record]:
    """As many different sealed reports as wanted, each stamped when it is asked for."""
    keys, chance, places = SealKeys(seal_keys), random.Random(2), places_of(city)
    for text in itertools.islice(itertools.cycle(bodies(city)), count):
        body = {**text, "location": somewhere(places, chance)}
        report_id = ids.report_id(secret, "bench", str(uuid.uuid4()))
        yield codec.report_record(report_of(body, report_id, keys))
