from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.geo import (
    Datum,
    Point,
    bd09_to_gcj02,
    distance_m,
    gcj02_to_bd09,
    gcj02_to_wgs84,
    in_china,
    to_wgs84,
    wgs84_to_gcj02,
)

lons = st.floats(119.91, 120.91)
lats = st.floats(30.92, 31.33)


@given(lons, lats)
def test_gcj02_there_and_back_is_the_same_point(lon: float, lat: float) -> None:
    assert distance_m(gcj02_to_wgs84(*wgs84_to_gcj02(lon, lat)), (lon, lat)) < 0.2


@given(lons, lats)
def test_bd09_there_and_back_is_the_same_point(lon: float, lat: float) -> None:
    gcj = wgs84_to_gcj02(lon, lat)
    bd = gcj02_to_bd09(*gcj)
    assert distance_m(bd09_to_gcj02(*bd), gcj) < 0.2
    assert distance_m(to_wgs84(*bd, Datum.BD09), (lon, lat)) < 0.2


@given(lons, lats)
def test_a_wrong_datum_is_half_a_kilometre_off_in_this_district(lon: float, lat: float) -> None:
    assert 460 < distance_m(wgs84_to_gcj02(lon, lat), (lon, lat)) < 520


# By PRCoords 1.0.2 (eviltransform 0.1.1 agrees within 1 cm): WGS-84, GCJ-02, BD-09, offset of the first two.
GOLDEN = [
    (
        (120.581362, 31.215148),
        (120.585536642073, 31.212929342662),
        (120.591980724141, 31.219195368410),
        467.41,
    ),
    (
        (120.305907, 31.132666),
        (120.310476703855, 31.130633895139),
        (120.317065511996, 31.136328280237),
        490.14,
    ),
    (
        (120.858864, 31.269265),
        (120.863057984404, 31.267104976400),
        (120.869517596799, 31.273232067625),
        465.38,
    ),
]


@pytest.mark.parametrize(("wgs", "gcj", "bd", "offset_m"), GOLDEN)
def test_three_town_centres_in_three_datums(wgs: Point, gcj: Point, bd: Point, offset_m: float) -> None:
    assert wgs84_to_gcj02(*wgs) == pytest.approx(gcj, abs=1e-10)
    assert gcj02_to_bd09(*gcj) == pytest.approx(bd, abs=1e-10)
    assert to_wgs84(*gcj, Datum.GCJ02) == pytest.approx(wgs, abs=1e-9)
    assert to_wgs84(*bd, Datum.BD09) == pytest.approx(wgs, abs=1e-9)
    assert distance_m(wgs, gcj) == pytest.approx(offset_m, abs=0.01)


def test_cgcs2000_is_taken_as_wgs84() -> None:
    assert to_wgs84(120.6, 31.2, "CGCS2000") == to_wgs84(120.6, 31.2, Datum.WGS84) == (120.6, 31.2)


@pytest.mark.parametrize(("lon", "lat"), [(2.35, 48.85), (-74.0, 40.7), (139.7, 35.7), (151.2, -33.9)])
def test_outside_china_nothing_is_shifted(lon: float, lat: float) -> None:
    assert not in_china(lon, lat)
    assert to_wgs84(lon, lat, Datum.GCJ02) == to_wgs84(lon, lat, Datum.BD09) == (lon, lat)
    assert wgs84_to_gcj02(lon, lat) == gcj02_to_bd09(lon, lat) == (lon, lat)


@pytest.mark.parametrize(
    ("lon", "lat", "named"),
    [
        (120.6, 131.0, "lat 131.0"),
        (180.1, 31.0, "lon 180.1"),
        (math.nan, 31.0, "lon nan"),
        (120.6, math.inf, "lat inf"),
    ],
)
def test_a_point_off_the_globe_is_refused_by_name(lon: float, lat: float, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        to_wgs84(lon, lat, Datum.WGS84)


def test_an_unknown_datum_is_refused_with_the_allowed_ones() -> None:
    with pytest.raises(ValueError, match="`WGS72` is unknown: allowed are WGS84, GCJ02, BD09, CGCS2000"):
        to_wgs84(120.6, 31.2, "WGS72")


def test_a_degree_of_latitude_is_111_195_metres() -> None:
    assert distance_m((120.0, 31.0), (120.0, 32.0)) == pytest.approx(math.radians(1) * 6_371_008.8)
    assert distance_m((120.0, 31.0), (120.0, 31.0)) == 0
