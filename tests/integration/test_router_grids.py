"""Reports from a grid, on the real book: by the sign at a row, by the point, and for somebody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from services.adapters.clock import Clock
from services.domain.messages import Content, Location
from tests.domain.small_case import COUNTABLE
from tests.domain.small_city import with_grids
from tests.integration.router_desk import Database, Desk, Inbox, case_of, load_city, looking, message_of


@pytest_asyncio.fixture
async def db(database_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    await load_city(database_url, tmp_path, with_grids(files=COUNTABLE))
    async with looking(database_url) as db:
        yield db


@pytest_asyncio.fixture
async def desk(database_url: str, db: Database) -> AsyncIterator[Desk]:
    desk = Desk(database_url, Clock())
    yield desk
    await desk.book.close()


def at_point(lon: float, accuracy_m: float | None = None) -> Content:
    return Content(location=Location(lon=lon, lat=31.0, datum="WGS84", accuracy_m=accuracy_m))


async def test_a_report_is_placed_down_to_the_grid_and_acted_on_by_the_hub(
    desk: Desk, db: Database, database_url: str, tmp_path: Path
) -> None:
    inbox = Inbox()
    reports = {
        "sign at a row": inbox.report("ads", hub_code="V12001-R05"),
        "sign at a grid": inbox.report("ads", hub_code="V12002"),
        "point in a grid": inbox.report("ads", hub_code=None, content=at_point(120.61)),
        "point beside the grids": inbox.report("ads", hub_code=None, content=at_point(120.63)),
        "coarse point": inbox.report("ads", hub_code="V12", content=at_point(120.61, 500.0)),
        "sign against the point": inbox.report("ads", hub_code="V21001", content=at_point(120.61)),
    }
    await desk.handle(*reports.values())
    found = {}
    for name, report in reports.items():
        case = await db.case(case_of(report))
        found[name] = (case.hub_code, case.place_code, case.grid_code, case.location_quality)
    assert found == {
        "sign at a row": ("V12", "V12", "V12001", "good"),
        "sign at a grid": ("V12", "V12", "V12002", "good"),
        "point in a grid": ("V12", "V12", "V12001", "good"),
        "point beside the grids": ("V12", "V12", None, "good"),
        "coarse point": ("V12", "V12", None, "good"),
        "sign against the point": ("V21", "V21", "V21001", "low"),
    }
    # The row stands in the report alone, as it was named.
    named = await db.value("SELECT hub_code FROM reports WHERE hub_code LIKE '%-R%'")
    assert named == "V12001-R05"
    # The city gives up its grids: the signs still hang, and what was filed stays as it was.
    (tmp_path / "grids.csv").unlink()
    await load_city(database_url, tmp_path, COUNTABLE)
    later = inbox.report("ads", hub_code="V12001-R05")
    await desk.handle(later)
    case = await db.case(case_of(later))
    assert (case.hub_code, case.place_code, case.grid_code, case.city_version) == ("V12", "V12", None, 2)
    assert (await db.case(case_of(reports["sign at a row"]))).grid_code == "V12001"


async def test_a_report_for_somebody_else_is_kept_as_one(desk: Desk, db: Database) -> None:
    inbox = Inbox()
    elder = Content(name="八旬老人", phone="13800000080", text="楼道灯不亮")
    proxy = inbox.report(
        "ads", channel="representative", hub_code="V12001-R05", on_behalf=True, content=elder
    )
    await desk.handle(proxy, inbox.report("ads"))
    kept = await db.conn.fetch("SELECT report_id::text FROM reports WHERE on_behalf")
    assert [row["report_id"] for row in kept] == [message_of(proxy).report_id]
    contact = await db.conn.fetchrow("SELECT name, phone FROM private.report_contents")
    assert contact is not None
    assert tuple(contact) == ("八旬老人", "13800000080")
