"""private.sightings on the real database: what a look finds, against slow code, and how it is planned."""

from __future__ import annotations

import math
import random
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from services.adapters import book, duplicate_rows
from services.adapters.duplicate_rows import SIGHTINGS, Sightings, look_around, sighting_row
from services.adapters.postgres import connect
from services.domain import ids
from services.domain.duplicates import Candidate, Sighting
from services.domain.geo import Point, distance_m
from tests.domain.small_case import T0
from tests.integration import one_database
from tests.integration.test_book_plans import assert_never_scans, plans

pytestmark = pytest.mark.asyncio(loop_scope="module")

Conn = Any
"""An asyncpg.Connection."""
CENTRE = (120.58, 31.0)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OPEN_SINCE, CLOSED_SINCE = T0 - 72 * HOUR, T0 - 30 * DAY

_FILL = """
INSERT INTO private.sightings
SELECT (lpad(to_hex((extract(epoch FROM timestamptz '2026-11-01Z') * 1000)::bigint + n), 12, '0')
        || '7000' || '8000' || lpad(to_hex(n), 12, '0'))::uuid,
    md5('report' || n)::uuid, 7700 + n % 100, 'family ' || n % 10, 120.3 + n % 997 * 0.0005,
    30.9 + n % 991 * 0.0004, 12, timestamptz '2026-11-01Z' + n * interval '1 minute', 'category',
    CASE WHEN n % 3 > 0 THEN timestamptz '2026-11-20Z' END, CASE WHEN n % 4 = 0 THEN n END, n % 5 > 0, 'words'
FROM generate_series(1, 20000) n
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fresh_url(postgres_url: str) -> AsyncIterator[str]:
    async with one_database.made(postgres_url) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled_url(postgres_url: str) -> AsyncIterator[str]:
    async with one_database.made(postgres_url) as url:
        conn = await connect(url, room="tests", command_timeout=60)
        await conn.execute(_FILL)
        await conn.execute("ANALYZE private.sightings")
        await conn.close()
        yield url


@pytest.fixture(params=["fresh", "filled"])
def url(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@pytest_asyncio.fixture(loop_scope="module")
async def router(url: str) -> AsyncIterator[Conn]:
    """A session as the router's book opens it."""
    conn = await asyncpg.connect(url, timeout=5, command_timeout=15, server_settings=book._SESSION)
    yield conn
    await conn.close()


@pytest_asyncio.fixture(loop_scope="module")
async def conn(fresh_url: str) -> AsyncIterator[Conn]:
    """Whatever a test writes is gone after it."""
    conn = await asyncpg.connect(fresh_url, timeout=5, command_timeout=15, server_settings=book._SESSION)
    transaction = conn.transaction()
    await transaction.start()
    yield conn
    await transaction.rollback()
    await conn.close()


BOXES = [
    (
        n,
        7700 + n % 100,
        f"family {n % 10}",
        120.3 + n / 1000,
        30.9 + n / 1000,
        0.001,
        0.001,
        0.36,
        "category",
        n,
    )
    for n in range(500)
]
CASES = [ids.case_id(T0, f"report {number}") for number in range(500)]
GIVEN: dict[str, tuple[Any, ...]] = {
    "sightings_near": (*map(list, zip(*BOXES, strict=True)), OPEN_SINCE, CLOSED_SINCE),
    "move_sightings": (CASES, CASES[::-1], CASES),
    "update_sightings": (CASES, ["category"] * 500, ["family 1"] * 500, [None] * 500),
    "delete_sightings": (CASES,),
}


async def test_a_look_reads_stretches_of_strips_and_one_index_more_for_the_reporter(router: Conn) -> None:
    for plan in await plans(router, duplicate_rows.SQL["sightings_near"], *GIVEN["sightings_near"]):
        assert_never_scans(plan)
        assert re.search(
            r"Index Scan using sightings_by_place on sightings s .*\n"
            r" +Index Cond: \(\(band = a\.strip\) AND \(family = \(a\.kin\)::text\)"
            r" AND \(lon >= \(a\.x - a\.dx\)\) AND \(lon <= \(a\.x \+ a\.dx\)\)"
            r" AND \(lat >= \(a\.y - a\.dy\)\) AND \(lat <= \(a\.y \+ a\.dy\)\)\)",
            plan,
        ), plan
        assert re.search(
            r"Index Only Scan using sightings_by_reporter|Index Scan using sightings_by_reporter", plan
        )
        assert "Index Cond: ((reporter = a.who) AND (case_id = s.case_id))" in plan


@pytest.mark.parametrize("name", ["move_sightings", "update_sightings", "delete_sightings"])
async def test_sightings_are_changed_by_their_cases(router: Conn, name: str) -> None:
    for plan in await plans(router, duplicate_rows.SQL[name], *GIVEN[name]):
        assert_never_scans(plan)
        assert re.search(r"sightings_pkey on sightings", plan), plan
        assert re.search(r"Index Cond: .*case_id = ", plan), plan


async def test_every_statement_is_known_here() -> None:
    assert set(duplicate_rows.SQL) == GIVEN.keys()


def moved(point: Point, east_m: float, north_m: float) -> Point:
    lon, lat = point
    return lon + east_m / 111_195.08 / math.cos(math.radians(lat)), lat + north_m / 111_195.08


async def put(conn: Conn, *rows: tuple[Any, ...]) -> None:
    await conn.copy_records_to_table("sightings", schema_name="private", columns=SIGHTINGS, records=rows)


def row(
    name: str,
    point: Point = CENTRE,
    *,
    case: str | None = None,
    family: str = "street",
    category: str = "pothole",
    at: datetime = T0,
    closed_at: datetime | None = None,
    reporter: int | None = None,
    compared: bool = True,
    text: str | None = "坑",
) -> tuple[Any, ...]:
    seen = Sighting(category=category, point=point, error_m=12.0, seen_at=at)
    candidate = Candidate(case_id=case or case_of(name), seen=seen, closed_at=closed_at)
    return sighting_row(
        report_of(name), candidate, family=family, reporter=reporter, compared=compared, text=text
    )


def case_of(name: str) -> str:
    return ids.case_id(T0, name)


def report_of(name: str) -> str:
    return ids.report_id(b"x", "test", name)


async def looked(conn: Conn, *looks: duplicate_rows.Look) -> list[tuple[int, Candidate, str | None]]:
    near = await Sightings(conn).near(looks, open_since=OPEN_SINCE, closed_since=CLOSED_SINCE)
    return [(number, candidate, text) for number, (candidate, text) in near]


def look(
    point: Point = CENTRE,
    reach_m: float = 80.0,
    *,
    families: tuple[str, ...] = ("street",),
    category: str | None = "pothole",
    reporter: int | None = None,
) -> duplicate_rows.Look:
    return look_around(point, reach_m, families, closed_m=0.6 * reach_m, category=category, reporter=reporter)


async def test_what_was_written_comes_back_whole(conn: Conn) -> None:
    closed = T0 - DAY
    await put(conn, row("one"), row("two", closed_at=closed, text=None), row("long", text="坑" * 900))
    found = {candidate.case_id: (candidate, text) for _, candidate, text in await looked(conn, look())}
    seen = Sighting(category="pothole", point=CENTRE, error_m=12.0, seen_at=T0)
    assert found == {
        case_of("one"): (Candidate(case_id=case_of("one"), seen=seen), "坑"),
        case_of("two"): (Candidate(case_id=case_of("two"), seen=seen, closed_at=closed), None),
        case_of("long"): (Candidate(case_id=case_of("long"), seen=seen), "坑" * 200),
    }


async def test_a_thousand_sightings_against_the_slow_way(conn: Conn) -> None:
    """Within half a metre of the edge either answer is right: the look measures on the plane."""
    chance = random.Random(9)
    rows, seen = [], []
    for number in range(1000):
        point = moved(CENTRE, chance.uniform(-500, 500), chance.uniform(-500, 500))
        family = chance.choice(["street", "air"])
        category = chance.choice(["pothole", "ads"])
        age = timedelta(hours=chance.uniform(0, 100))
        closed_at = chance.choice([None, None, T0 - timedelta(days=chance.uniform(0, 60))])
        reporter, compared = chance.choice([None, 1, 2, 3]), chance.random() < 0.8
        given: dict[str, Any] = {
            "family": family,
            "category": category,
            "at": T0 - age,
            "closed_at": closed_at,
        }
        rows.append(row(str(number), point, reporter=reporter, compared=compared, **given))
        seen.append((str(number), point, reporter, compared, given))
    await put(conn, *rows)
    looks = []
    for _ in range(60):
        point = moved(CENTRE, chance.uniform(-450, 450), chance.uniform(-450, 450))
        families = chance.choice([("street",), ("air",), ("street", "air")])
        asked: str | None = chance.choice([None, "pothole", "ads"])
        who = chance.choice([None, 1, 9])
        reach_m = chance.uniform(20, 300)
        looks.append(look(point, reach_m, families=families, category=asked, reporter=who))
    found: dict[int, set[str]] = {number: set() for number in range(len(looks))}
    for number, candidate, _ in await looked(conn, *looks):
        assert candidate.case_id not in found[number]
        found[number].add(candidate.case_id)
    hits = 0
    for number, one in enumerate(looks):
        of = {family for _, family in one.spots}
        reach_m = one.high * 111_195.08
        for name, point, reporter, compared, given in seen:
            closed_at = given["closed_at"]
            own = one.reporter is not None and one.reporter == reporter
            far = distance_m(one.point, point)
            edge = reach_m * (0.6 if closed_at else 1.0)
            if closed_at:
                due = closed_at >= CLOSED_SINCE and given["category"] == one.category
            else:
                due = given["at"] >= OPEN_SINCE or own
            due = due and compared and given["family"] in of
            if abs(far - edge) > 0.5:
                assert (case_of(name) in found[number]) == (due and far < edge), (one, name, far)
                hits += due and far < edge
    assert hits > 300


async def test_a_reporter_stands_behind_a_case_through_a_report_that_is_not_compared(conn: Conn) -> None:
    await put(
        conn, row("one", reporter=1), row("more", case=case_of("one"), reporter=2, compared=False), row("two")
    )
    looks = [look(reporter=who) for who in (None, 1, 2, 3)]
    own = {(number, c.case_id): c.own for number, c, _ in await looked(conn, *looks)}
    assert own == {
        **{(number, case_of("one")): number in (1, 2) for number in range(4)},
        **{(number, case_of("two")): False for number in range(4)},
    }


async def test_a_moved_report_is_met_at_its_new_case_and_compared(conn: Conn) -> None:
    await put(conn, row("one"), row("two", compared=False), row("three"))
    homes = {report_of("two"): case_of("one")}
    await Sightings(conn).move(homes, [case_of("one"), case_of("two")])
    assert sorted(c.case_id for _, c, _ in await looked(conn, look())) == sorted(
        [case_of("one"), case_of("one"), case_of("three")]
    )
    await Sightings(conn).move({report_of("three"): case_of("one")}, [case_of("one")])
    assert case_of("three") in {c.case_id for _, c, _ in await looked(conn, look())}


async def test_sightings_follow_their_cases(conn: Conn) -> None:
    await put(conn, row("one"), row("more", case=case_of("one")), row("two"), row("three"))
    table = Sightings(conn)
    await table.update([(case_of("one"), "leak", "water", T0)])
    await table.remove([case_of("two")])
    assert [c.case_id for _, c, _ in await looked(conn, look())] == [case_of("three")]
    water = await looked(conn, look(families=("water",), category="leak"))
    assert [(c.case_id, c.seen.category, c.closed_at) for _, c, _ in water] == [
        (case_of("one"), "leak", T0)
    ] * 2
    await table.update([(case_of("one"), "pothole", "street", None)])
    assert len(await looked(conn, look())) == 3


@pytest.mark.parametrize("lat", [0.0, 31.0, -54.8, 78.2])
async def test_a_look_goes_as_far_at_every_latitude(conn: Conn, lat: float) -> None:
    point = (15.6, lat)
    corners = {
        f"{east} {north}": moved(point, east, north) for east in (-79, 0, 79) for north in (-79, 0, 79)
    }
    await put(conn, *(row(name, at) for name, at in corners.items()))
    found = {c.case_id for _, c, _ in await looked(conn, look(point))}
    assert found == {case_of(name) for name in corners if "0" in name.split()}
