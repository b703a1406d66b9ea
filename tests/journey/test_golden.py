"""The golden scenarios: what the sources tell of, on the whole stack, with the clock moved.

They run in the order of time, from Tuesday 24 November 2026, 09:30; every instant was worked out by hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from tests.console_run import make_data_folder
from tests.harness import book
from tests.harness.doors import Intake
from tests.harness.moved_clock import MovedClock, local
from tests.harness.stack import Stack, running_stack, until
from tests.journey.people import COMMUNITY, DISTRICT, TOWN, Json, in_town
from tests.journey.wuzhong import cell_of, rows

pytestmark = pytest.mark.timeout(120)
BEGINNING = "2026-11-24 09:30"
Moved = tuple[Stack, MovedClock]


@pytest.fixture(scope="module")
def moved() -> Iterator[Moved]:
    folder = make_data_folder()
    clock = MovedClock(folder, local(BEGINNING))
    with running_stack("golden", folder=folder, clock_offset_file=str(clock.file)) as stack:
        yield stack, clock


def due_of(case: Json, clock: str, stage: str) -> datetime:
    """The due that runs, or the last that ran."""
    found = [due for due in case["dues"] if (due["clock"], due["stage"]) == (clock, stage)]
    return datetime.fromisoformat(found[-1]["due_at"])


async def test_1_road_that_turned_to_sand_and_a_cyclist_who_fell(moved: Moved) -> None:
    """A representative reports; the injury lifts it; the town mends; another unit verifies; called back."""
    async with in_town(moved) as town:
        one = await town.report(
            "road_surface", channel="representative", text="路面成了沙地，骑手摔倒擦伤，什么时候修？"
        )
        desk, works = await town.desk(TOWN), await town.unit("town_construction", TOWN)
        before = due_of(await town.case(one.case_id), "owner", "accept")
        await desk.applied(one.case_id, "raise_priority", reason="injury")
        lifted = await town.case(one.case_id)
        assert lifted["priority"] == "P2"
        assert due_of(lifted, "owner", "accept") < before, "an hour by the wall clock, not four of the office"
        await works.applied(one.case_id, "accept")
        await works.applied(one.case_id, "start_work")
        await works.applied(
            one.case_id, "submit_resolution", outcome="fixed", photos=[await town.photo()], note="已热补沥青"
        )
        seq = (await town.case(one.case_id))["seq"]
        barred = await works.command(one.case_id, {"type": "verify_pass", "expected_seq": seq})
        assert (barred.status_code, barred.json()["code"]) == (403, "verifier_is_handler")
        await (await town.desk(COMMUNITY)).applied(one.case_id, "verify_pass")
        agent = await town.account("callback-agent")
        await agent.applied(one.case_id, "record_callback", resolved="yes", satisfaction=5)
        closed = await town.case(one.case_id)
        assert (closed["state"], closed["answer"], closed["satisfaction"]) == ("closed", "yes", 5)
        status = await town.status(one.code)
        assert status["status"] == "closed"
        assert len(status["photos_after"]) == 1


async def test_2_corridor_ads_and_somebody_who_was_defrauded(moved: Moved) -> None:
    """The property takes the ads down; the police get a part of their own that the property never reads."""
    async with in_town(moved) as town:
        one = await town.report(
            "illegal_ads", text="楼道又贴小广告，有人被骗了", contact={"name": "王某", "phone": "13800001111"}
        )
        desk, property_co = await town.desk(TOWN), await town.unit("property_company", COMMUNITY)
        await property_co.applied(one.case_id, "accept")
        told = await property_co.case(one.case_id)
        assert "13800001111" not in str(told)
        assert "王某" not in str(told)
        police = {"owner": "police_station", "hub_code": TOWN, "category": "fraud_clue", "required": False}
        await desk.applied(one.case_id, "split", parts=[police], note="被骗线索转派出所")
        part = (await desk.case(one.case_id))["case"]["parts"][0]
        refused = await property_co.get(f"/v1/cases/{part['case_id']}")
        assert refused.status_code == 403
        assert (await property_co.case(one.case_id))["case"]["parts"] == []
        officer = await town.unit("police_station", TOWN)
        theirs = await officer.case(part["case_id"])
        assert theirs["case"]["confidential"] is True
        assert theirs["events"][0]["text"] == "被骗线索转派出所"
        photo = await town.photo(120)
        await property_co.applied(one.case_id, "submit_resolution", outcome="fixed", photos=[photo])
        await desk.applied(one.case_id, "verify_pass")
        assert (await town.case(one.case_id))["state"] == "closed"


async def test_3_a_pothole_that_is_a_hollow_culvert(moved: Moved) -> None:
    """A courier without signal; P1 after the look on site; joint; safe in 2 h, mended in 12 days."""
    async with in_town(moved) as town:
        moved[1].at_least(local("2026-11-24 14:00"))
        photo = await town.photo(60)
        one = await town.report(
            "road_surface",
            channel="courier",
            photos=[photo],
            captured_at="2026-11-24T12:40:00+08:00",
        )
        desk, works = await town.desk(TOWN), await town.unit("town_construction", TOWN)
        start = datetime.fromisoformat((await town.case(one.case_id))["dispatched_at"])
        await desk.applied(one.case_id, "set_category", category="road_collapse")
        collapsed = await town.case(one.case_id)
        assert collapsed["priority"] == "P1"
        # 3 Cd from the beginning, not from the look: what was counted stays counted
        assert due_of(collapsed, "owner", "resolve") == start + timedelta(days=3)
        assert due_of(collapsed, "citizen", "resolve") == start + timedelta(days=3)
        await works.applied(one.case_id, "accept")
        await works.applied(one.case_id, "start_work")
        await desk.applied(
            one.case_id,
            "whistle",
            invite=[{"unit": "water_co"}, {"unit": "traffic_police"}],
            reason="涵洞空了",
        )
        water = await town.unit("water_co", DISTRICT)
        await water.applied(one.case_id, "report_in")
        await works.applied(one.case_id, "reach_milestone", stage="on_site", photos=[photo])
        await works.applied(one.case_id, "reach_milestone", stage="make_safe", photos=[photo])
        # the traffic police stay away: 30 minutes of P1, then one tier up
        moved[1].at_least(start + timedelta(minutes=31))
        await town.becomes(one.case_id, "CaseSupervised")
        joint = await town.case(one.case_id)
        assert (joint["lane"], joint["owner"], joint["supervised_level"]) == ("joint", "town_construction", 1)
        came = {i["unit"]: i["reported_in"] for i in joint["invited"]}
        assert came == {"water_co": True, "traffic_police": False}
        moved[1].at_least(start + timedelta(days=12))
        await town.becomes(one.case_id, "DutyLeaderAlerted")
        await works.applied(one.case_id, "submit_resolution", outcome="fixed", photos=[photo])
        await (await town.desk(DISTRICT)).applied(one.case_id, "verify_pass")
        events = await town.events(one.case_id)
        late = [
            e["payload"]["stage"]
            for e in events
            if e["type"] == "SlaBreached" and e["payload"]["clock"] == "owner"
        ]
        assert late == ["report_in:traffic_police@" + DISTRICT, "resolve"], "made safe in time, mended late"


PROBLEMS = 24
REPORTS = 60
SAID = "路边堆了一大堆暴露垃圾，味道很大，一直没有人来清理"


async def test_6_an_hour_of_typhoon(moved: Moved) -> None:
    """Sixty reports of 24 problems at once, a router killed among them: none lost, no case twice."""
    stack, clock = moved
    clock.at_least(local("2026-12-07 10:00"))
    spots = [(float(hub["lon"]), float(hub["lat"])) for hub in rows("hubs") if hub["level"] == "3"]
    spots = [spot for spot in spots if cell_of(spot)][:PROBLEMS]
    assert len(spots) == PROBLEMS
    before = await book.value(stack.database_url, "SELECT count(*) AS n FROM cases")

    async with Intake(stack.url("intake")) as intake:

        async def report(number: int) -> str:
            lon, lat = spots[number % PROBLEMS]
            at = {"lon": lon, "lat": lat, "datum": "WGS84", "accuracy_m": 10}
            body = {"channel": "resident", "category": "exposed_garbage", "text": SAID, "location": at}
            return str((await intake.report(body))["report_id"])

        ids = [report(number) for number in range(REPORTS)]
        half = await asyncio.gather(*ids[: REPORTS // 2])
        stack.kill("router")
        reported = {*half, *await asyncio.gather(*ids[REPORTS // 2 :])}
    assert len(reported) == REPORTS

    async def all_filed() -> bool:
        question = "SELECT count(*) AS n FROM reports WHERE report_id = ANY ($1::uuid[])"
        return bool(await book.value(stack.database_url, question, [*reported]) == REPORTS)

    await until(all_filed, 30, "sixty reports in the book")
    home = "SELECT DISTINCT case_id FROM reports WHERE report_id = ANY ($1::uuid[])"
    cases = [row["case_id"] for row in await book.rows(stack.database_url, home, [*reported])]
    assert len(cases) == PROBLEMS
    assert await book.value(stack.database_url, "SELECT count(*) AS n FROM cases") == before + PROBLEMS
    counted = "SELECT sum(report_count) AS n FROM cases WHERE case_id = ANY ($1::uuid[])"
    assert await book.value(stack.database_url, counted, cases) == REPORTS
    # an hour of OPS to accept: every case breaches, and each of them once
    clock.at_least(local("2026-12-07 11:30"))
    breached = """SELECT case_id, count(*) AS n FROM events
        WHERE case_id = ANY ($1::uuid[]) AND type = 'SlaBreached' AND payload ->> 'stage' = 'accept'
        GROUP BY case_id"""

    async def all_late() -> bool:
        return len(await book.rows(stack.database_url, breached, cases)) == PROBLEMS

    await until(all_late, 30, "every case is late")
    assert {row["n"] for row in await book.rows(stack.database_url, breached, cases)} == {1}


async def test_7_a_case_that_nobody_wants(moved: Moved) -> None:
    """Two returns, then the tier above assigns; the citizen's clock has not moved."""
    async with in_town(moved) as town:
        moved[1].at_least(local("2026-12-08 09:05"))
        one = await town.report("green_damage")
        desk, district = await town.desk(TOWN), await town.desk(DISTRICT)
        promised = due_of(await town.case(one.case_id), "citizen", "resolve")
        manage = await town.unit("town_urban_mgmt", TOWN)
        await manage.applied(
            one.case_id, "request_return", owner="town_construction", reason="属于道路绿化带改造"
        )
        await desk.applied(one.case_id, "decide_return", approve=True)
        works = await town.unit("town_construction", TOWN)
        await works.applied(
            one.case_id, "request_return", owner="community_office", hub_code=COMMUNITY, reason="社区内部"
        )
        seq = (await town.case(one.case_id))["seq"]
        second = await desk.command(
            one.case_id, {"type": "decide_return", "approve": True, "expected_seq": seq}
        )
        assert (second.status_code, second.json()["code"]) == (409, "not_allowed")
        await district.applied(one.case_id, "decide_return", approve=True)
        office = await town.unit("community_office", COMMUNITY)
        seq = (await town.case(one.case_id))["seq"]
        third = await office.command(
            one.case_id,
            {"type": "request_return", "owner": "town_urban_mgmt", "reason": "不", "expected_seq": seq},
        )
        assert third.status_code == 409
        await district.applied(
            one.case_id, "force_assign", owner="town_urban_mgmt", hub_code=TOWN, reason="裁定"
        )
        forced = await town.case(one.case_id)
        assert (forced["owner"], forced["problem_ticket"]) == ("town_urban_mgmt", True)
        assert due_of(forced, "citizen", "resolve") == promised
        assert (await town.types(one.case_id)).count("ReturnRequested") == 2


async def test_9_a_point_that_says_one_thing_and_a_sign_that_says_another(moved: Moved) -> None:
    """GCJ-02 called WGS-84 half a kilometre away: the sign wins, and people look before it is filed."""
    async with in_town(moved) as town:
        point = {"lon": 120.6420, "lat": 31.2600, "datum": "WGS84"}
        one = await town.report("public_facility", location=point)
        case = await town.case(one.case_id)
        assert (case["place_code"], case["location_quality"]) == (COMMUNITY, "low")
        assert (case["state"], case["triage"]) == ("triaging", "verify_first")
        await (await town.desk(COMMUNITY)).applied(one.case_id, "file_case", category="public_facility")
        assert (await town.case(one.case_id))["state"] == "dispatched"
