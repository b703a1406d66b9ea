"""Datums: every point is kept in WGS-84; what Chinese map programs emit is converted once, at the edge.

GCJ-02 (AMap, Tencent, WeChat maps) is WGS-84 shifted by some 480 m here, BD-09 (Baidu) is GCJ-02 turned
once more; both inverses are found by fixed point. CGCS2000 (Tianditu) equals WGS-84 at this scale.
Outside China's box nothing is shifted, as the map programs themselves do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum
from typing import Final

Point = tuple[float, float]


class Datum(StrEnum):
    WGS84 = "WGS84"
    GCJ02 = "GCJ02"
    BD09 = "BD09"
    CGCS2000 = "CGCS2000"


EARTH_RADIUS_M: Final = 6_371_008.8

_KRASOVSKY_A: Final = 6_378_245.0
_KRASOVSKY_EE: Final = 0.006_693_421_622_965_943
_BAIDU_TURN: Final = math.pi * 3000.0 / 180.0
_STILL_DEG: Final = 1e-11
_MOST_ROUNDS: Final = 30


def to_wgs84(lon: float, lat: float, datum: Datum | str) -> Point:
    """The point in WGS-84; ValueError names the member that is wrong."""
    check_range(lon, lat)
    try:
        read_as = Datum(datum)
    except ValueError:
        raise ValueError(f"datum `{datum}` is unknown: allowed are {', '.join(Datum)}") from None
    match read_as:
        case Datum.WGS84 | Datum.CGCS2000:
            return lon, lat
        case Datum.GCJ02:
            return gcj02_to_wgs84(lon, lat)
        case Datum.BD09:
            return gcj02_to_wgs84(*bd09_to_gcj02(lon, lat))


def check_range(lon: float, lat: float) -> None:
    """ValueError unless the point lies on the globe; NaN and infinity do not."""
    if not -180.0 <= lon <= 180.0:
        raise ValueError(f"lon {lon} is not within -180 and 180 degrees")
    if not -90.0 <= lat <= 90.0:
        raise ValueError(f"lat {lat} is not within -90 and 90 degrees")


def in_china(lon: float, lat: float) -> bool:
    return 72.004 <= lon <= 137.8347 and 0.8293 <= lat <= 55.8271


def wgs84_to_gcj02(lon: float, lat: float) -> Point:
    if not in_china(lon, lat):
        return lon, lat
    east, north = lon - 105.0, lat - 35.0
    ripple = 20.0 * math.sin(6.0 * math.pi * east) + 20.0 * math.sin(2.0 * math.pi * east)
    root = math.sqrt(abs(east))
    shift_lat = (
        -100.0 + 2.0 * east + 3.0 * north + 0.2 * north * north + 0.1 * east * north + 0.2 * root
        + (ripple + 20.0 * math.sin(math.pi * north) + 40.0 * math.sin(math.pi / 3.0 * north)
           + 160.0 * math.sin(math.pi / 12.0 * north) + 320.0 * math.sin(math.pi / 30.0 * north)) * 2.0 / 3.0
    )  # fmt: skip
    shift_lon = (
        300.0 + east + 2.0 * north + 0.1 * east * east + 0.1 * east * north + 0.1 * root
        + (ripple + 20.0 * math.sin(math.pi * east) + 40.0 * math.sin(math.pi / 3.0 * east)
           + 150.0 * math.sin(math.pi / 12.0 * east) + 300.0 * math.sin(math.pi / 30.0 * east)) * 2.0 / 3.0
    )  # fmt: skip
    phi = math.radians(lat)
    magic = 1.0 - _KRASOVSKY_EE * math.sin(phi) ** 2
    meridian_m = math.radians(_KRASOVSKY_A * (1.0 - _KRASOVSKY_EE) / (magic * math.sqrt(magic)))
    parallel_m = math.radians(_KRASOVSKY_A / math.sqrt(magic) * math.cos(phi))
    return lon + shift_lon / parallel_m, lat + shift_lat / meridian_m


def gcj02_to_wgs84(lon: float, lat: float) -> Point:
    return _inverse(wgs84_to_gcj02, lon, lat)


def gcj02_to_bd09(lon: float, lat: float) -> Point:
    if not in_china(lon, lat):
        return lon, lat
    radius = math.hypot(lon, lat) + 0.00002 * math.sin(lat * _BAIDU_TURN)
    angle = math.atan2(lat, lon) + 0.000003 * math.cos(lon * _BAIDU_TURN)
    return radius * math.cos(angle) + 0.0065, radius * math.sin(angle) + 0.006


def bd09_to_gcj02(lon: float, lat: float) -> Point:
    return _inverse(gcj02_to_bd09, lon, lat)


def distance_m(one: Point, other: Point) -> float:
    """Great-circle distance in metres (haversine)."""
    lon1, lat1, lon2, lat2 = map(math.radians, (*one, *other))
    across = math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2.0) ** 2
    half = math.sin((lat2 - lat1) / 2.0) ** 2 + across
    return 2.0 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, half)))


def _inverse(forward: Callable[[float, float], Point], lon: float, lat: float) -> Point:
    if not in_china(lon, lat):
        return lon, lat
    guess_lon, guess_lat = lon, lat
    for _ in range(_MOST_ROUNDS):
        got_lon, got_lat = forward(guess_lon, guess_lat)
        off_lon, off_lat = got_lon - lon, got_lat - lat
        guess_lon, guess_lat = guess_lon - off_lon, guess_lat - off_lat
        if abs(off_lon) < _STILL_DEG and abs(off_lat) < _STILL_DEG:
            break
    return guess_lon, guess_lat
