"""What is asked under load: bodies of reports, good and bad, and of the commands that a case allows."""

from __future__ import annotations

import random
from typing import Any

from tests.chaos.quick_city import POINTS

Json = dict[str, Any]

# A redirected category has no dues: half of the reports make no work for the timekeeper.
_KINDS = ("pothole", "ads", "gas", "fire", "fire", "fire")
_SLOW_KINDS = ("secret", "other")
_WEIGHTS = {
    "accept": 8,
    "start_work": 8,
    "reach_milestone": 8,
    "submit_resolution": 8,
    "verify_pass": 8,
    "verify_fail": 4,
    "restart": 8,
    "comment": 1,
    "reassign": 1,
}


def report_body(pick: random.Random, key: str, *, good: bool, slow_limits: bool) -> Json:
    """Its text begins with the key: so the book itself says whose report a row is."""
    kinds = (*_KINDS, *_SLOW_KINDS) if slow_limits else _KINDS
    village = pick.choice(tuple(POINTS))
    lon, lat = POINTS[village]
    body: Json = {"channel": "resident", "category": pick.choice(kinds), "text": f"{key} first"}
    if pick.random() < 0.5:
        body["hub_code"] = village
    else:
        body["location"] = {"lon": lon, "lat": lat, "datum": "WGS84", "accuracy_m": 10}
    return body if good else body | _fault(pick, lon, lat)


def _fault(pick: random.Random, lon: float, lat: float) -> Json:
    faults: tuple[Json, ...] = (
        {"category": "nonsense"},
        {"hub_code": "V99"},
        {"location": {"lon": lon, "lat": lat}},
        {"location": {"lon": lon, "lat": 131.0, "datum": "WGS84"}},
        {"channel": 7},
    )
    return pick.choice(faults)


def command_body(pick: random.Random, case: Json) -> Json | None:
    """One of the commands that the board says are allowed; None when there is none to make."""
    known = [kind for kind in case["allowed"] if kind in _WEIGHTS]
    if not known:
        return None
    (kind,) = pick.choices(known, [_WEIGHTS[kind] for kind in known])
    body: Json = {"type": kind}
    if kind == "comment":
        return body | {"text": "seen"}
    # Now and then somebody acts on a page that is old.
    body["expected_seq"] = max(1, case["seq"] - (3 if pick.random() < 0.05 else 0))
    match kind:
        case "reach_milestone":
            stages = _open_milestones(case)
            return body | {"stage": stages[0]} if stages else None
        case "submit_resolution":
            return body | {"outcome": "fixed"}
        case "verify_fail":
            return body | {"reason": "it is still there"}
        case "reassign":
            return body | {"owner": "town_desk" if case["level"] > 1 else "city_desk", "reason": "theirs"}
    return body


def _open_milestones(case: Json) -> list[str]:
    return [
        due["stage"]
        for due in case["dues"]
        if due["clock"] == "owner"
        and due["stage"] not in ("accept", "resolve", "verify")
        and due["met_at"] is None
        and due["closed_at"] is None
    ]
