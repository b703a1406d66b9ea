"""A hub's queue: its order, its pages, its total, its filters, and who may see which case in it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.adapters.board_views import QUEUE, BoardViews, QueueFilter, Scope, open_board_pool
from services.adapters.city_files import read_city, read_folder
from services.adapters.settings import PROJECT
from services.domain import ids
from services.domain.access import may_read
from services.domain.case import Case, Side
from services.domain.city import City, Surge
from services.domain.events import Invitation, Likeness, Part
from services.domain.limits import parse_limit
from services.domain.messages import Actor
from tests.integration.board_desk import (
    COMMUNITY,
    DISTRICT,
    ELSEWHERE,
    SECRET,
    SIBLING,
    TOWN,
    Desk,
    new_case,
    open_desk,
)

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
async def desk(database_url: str, broker: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, broker, tmp_path) as one:
        yield one


async def read(client: httpx.AsyncClient, hub: str, **query: Any) -> dict[str, Any]:
    answer = await client.get(f"/v1/hubs/{hub}/queue", params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def read_all(client: httpx.AsyncClient, hub: str, limit: int, **query: Any) -> list[dict[str, Any]]:
    """Page after page; every page must tell the same total, and it must be the number of all."""
    items: list[dict[str, Any]] = []
    totals = set()
    cursor: str | None = None
    while True:
        page = await read(client, hub, limit=limit, **query, **({"cursor": cursor} if cursor else {}))
        items += page["items"]
        totals.add(page["total"])
        cursor = page["next_cursor"]
        if cursor is None:
            break
        assert len(page["items"]) == limit
    assert totals == {len(items)}
    return items


async def test_pages_follow_each_other_without_a_gap_in_every_order(desk: Desk) -> None:
    cases = []
    for n in range(23):
        # Equal sort values on purpose: then the case id decides.
        due_at = None if n % 7 == 6 else NOW + timedelta(minutes=n % 5)
        case = new_case(priority=f"P{1 + n % 4}", received_at=NOW - timedelta(minutes=n % 3))
        cases.append((await desk.put(case, due_at=due_at), due_at or datetime.max.replace(tzinfo=UTC)))
    client = await desk.sign_in(TOWN)
    orders: dict[str, Any] = {
        "due": lambda it: (it[1], it[0].case_id),
        "received_at": lambda it: (it[0].received_at, it[0].case_id),
        "priority": lambda it: (it[0].priority, it[0].case_id),
        "newest": lambda it: (it[0].received_at, it[0].case_id),
    }
    for sort, key in orders.items():
        expected = [case.case_id for case, _ in sorted(cases, key=key, reverse=sort == "newest")]
        for limit in (1, 5, 23, 200):
            items = await read_all(client, TOWN, limit, sort=sort)
            assert [item["case_id"] for item in items] == expected, (sort, limit)
    assert (await read(client, TOWN))["hub_code"] == TOWN
    as_of = datetime.fromisoformat((await read(client, TOWN))["as_of"])
    assert abs(as_of - datetime.now(UTC)) < timedelta(seconds=5)


async def test_a_page_holds_whole_cases(desk: Desk) -> None:
    accept, citizen = NOW + timedelta(hours=1), NOW + timedelta(hours=4)
    case = await desk.put(new_case(), due_at=accept)
    await desk.put_due(
        case, "owner", "accept", NOW - timedelta(hours=9), set_seq=1, next_at=None, closed_at=NOW
    )
    await desk.put_due(case, "owner", "accept", accept)
    await desk.put_due(case, "citizen", "resolve", citizen, official=True)
    client = await desk.sign_in(COMMUNITY)
    (item,) = (await read(client, COMMUNITY))["items"]
    assert item["case_id"] == case.case_id
    assert (item["number"], item["place_code"], item["hub_code"]) == (case.number, COMMUNITY, COMMUNITY)
    assert (item["level"], item["supervised_level"], item["category"]) == (3, None, "exposed_garbage")
    assert (item["priority"], item["lane"], item["state"], item["owner"]) == (
        "P3",
        "fast",
        "dispatched",
        "community_office",
    )
    assert (item["seq"], item["cycle"], item["report_count"]) == (2, 1, 1)
    assert datetime.fromisoformat(item["received_at"]) == case.received_at
    dues = [
        (due["clock"], due["stage"], datetime.fromisoformat(due["due_at"]), due["official"], due["met_at"])
        for due in item["dues"]
    ]
    assert dues == [("owner", "accept", accept, False, None), ("citizen", "resolve", citizen, True, None)]
    assert item["allowed"] == [
        "accept", "request_return", "reassign", "set_category", "raise_priority", "comment", "add_photos",
    ]  # fmt: skip


async def test_filters_narrow_page_and_total(desk: Desk) -> None:
    open_one = await desk.put(new_case(), due_at=NOW + timedelta(hours=1))
    later = await desk.put(new_case(category="noise", state="accepted"), due_at=NOW + timedelta(hours=9))
    closed = await desk.put(new_case(state="closed", closed_at=NOW))
    client = await desk.sign_in(TOWN)

    async def found(**query: Any) -> set[str]:
        page = await read(client, TOWN, **query)
        assert page["total"] == len(page["items"])
        return {item["case_id"] for item in page["items"]}

    assert await found() == {open_one.case_id, later.case_id}, "open cases by default"
    assert await found(state="closed") == {closed.case_id}
    assert await found(state=["closed", "accepted"]) == {closed.case_id, later.case_id}
    assert await found(category=["noise", "exposed_garbage"]) == {open_one.case_id, later.case_id}
    assert await found(category="noise") == {later.case_id}
    assert await found(due_before=(NOW + timedelta(hours=2)).isoformat()) == {open_one.case_id}


async def test_closed_cases_are_those_of_the_last_90_days_unless_asked_for_older_ones(desk: Desk) -> None:
    async def put_closed(days: int) -> str:
        at = NOW - timedelta(days=days)
        case = new_case(state="closed", received_at=at - timedelta(hours=1), closed_at=at)
        return (await desk.put(case, changed_at=at)).case_id

    recent, older = await put_closed(89), await put_closed(91)
    long_open = (await desk.put(new_case(received_at=NOW - timedelta(days=300)))).case_id
    client = await desk.sign_in(TOWN)

    async def found(**query: Any) -> set[str]:
        page = await read(client, TOWN, **query)
        assert page["total"] == len(page["items"])
        return {item["case_id"] for item in page["items"]}

    assert await found(state="closed") == {recent}
    since = (NOW - timedelta(days=92)).isoformat()
    assert await found(state="closed", closed_since=since) == {recent, older}
    assert await found(state=["closed", "dispatched"]) == {recent, long_open}, "what is open is never too old"
    assert await found(closed_since=since) == {long_open}, "it is no wish for closed ones"


async def test_bad_parameters_are_named(desk: Desk) -> None:
    client = await desk.sign_in(TOWN)
    await desk.put(new_case())
    await desk.put(new_case())
    of_priority = (await read(client, TOWN, sort="priority", limit=1))["next_cursor"]
    for query, field in (
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"limit": "٣"}, "limit"),
        ({"sort": "colour"}, "sort"),
        ({"state": "asleep"}, "state"),
        ({"category": "dragons"}, "category"),
        ({"due_before": "tomorrow"}, "due_before"),
        ({"due_before": "2026-11-24T08:00:00"}, "due_before"),
        ({"due_before": "0001-01-01T00:00:00+14:00"}, "due_before"),
        ({"closed_since": "yesterday"}, "closed_since"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "ü"}, "cursor"),
        ({"cursor": of_priority}, "cursor"),
        ({"colour": "red"}, "colour"),
        ({"desk": "reception"}, "desk"),
        ({"q": "x" * 65}, "q"),
    ):
        answer = await client.get(f"/v1/hubs/{TOWN}/queue", params=query)
        assert answer.status_code == 422, query
        assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_somebody_elses_hub_is_403_and_no_hub_is_404(desk: Desk) -> None:
    client = await desk.sign_in(TOWN)
    for hub, status in ((TOWN, 200), (COMMUNITY, 200), (DISTRICT, 403), (ELSEWHERE, 403), ("1", 404)):
        answer = await client.get(f"/v1/hubs/{hub}/queue")
        assert answer.status_code == status, hub
        if status == 403:
            assert answer.json()["code"] == "forbidden"


async def test_a_confidential_case_is_in_its_own_hubs_queue_alone(desk: Desk) -> None:
    secret = await desk.put(
        new_case(confidential=True, category="fraud_clue", hub_code=TOWN, level=2, owner_hub_code=TOWN)
    )

    async def seen_by(hub: str, of: str | None = None) -> bool:
        client = await desk.sign_in(hub)
        page = await read(client, of or hub)
        found = [item["case_id"] for item in page["items"]]
        assert page["total"] == len(found)
        whole = await client.get(f"/v1/cases/{secret.case_id}")
        assert whole.status_code == (200 if found or of else 403)
        return secret.case_id in found

    assert await seen_by(TOWN)
    assert not await seen_by(COMMUNITY), "where it is"
    assert not await seen_by(DISTRICT), "the hub above"
    await desk.put(new_case(**{**_fields(secret), "supervised_level": 1}))
    assert await seen_by(DISTRICT), "once it is supervised"
    assert not await seen_by(COMMUNITY)
    assert await seen_by(DISTRICT, of=TOWN)


def _fields(case: Case) -> dict[str, Any]:
    return {field.name: getattr(case, field.name) for field in fields(case)}


# -- the rule of the SQL is the rule of the domain, for whoever looks at whatever hub


def _read_city() -> City:
    return read_city(read_folder(PROJECT / "deploy/city/wuzhong"), 1)


def _stormy_city() -> City:
    """ELSEWHERE gives aid to SIBLING, which is not below it."""
    city = _read_city()
    storm = Surge(
        hub_code=SIBLING,
        begins=NOW,
        ends=NOW + timedelta(days=3),
        categories=frozenset(),
        accept=parse_limit("30m C24"),
        deferred=frozenset(),
        aid_hub=ELSEWHERE,
        notice_zh="台风",
        notice_en="Typhoon",
    )
    return replace(city, policy=replace(city.policy, surges={"typhoon": storm}))


_HUBS = (DISTRICT, TOWN, COMMUNITY, SIBLING, ELSEWHERE, "320506001013", "320506099000")
_UNITS = ("community_office", "town_construction", "gas_co")


def _random_side(chance: random.Random, place_code: str | None) -> Side:
    invited = tuple(
        Invitation(unit=chance.choice(_UNITS), hub_code=chance.choice(_HUBS), partner=chance.random() < 0.2)
        for _ in range(chance.choice([0, 0, 1, 3]))
    )
    aid = ELSEWHERE if place_code == SIBLING and chance.random() < 0.7 else None
    return Side(invited=invited, aid_hub_code=aid, answer=chance.choice([None, "yes"]))


def _random_case(chance: random.Random) -> Case:
    closed = chance.random() < 0.4
    place_code = chance.choice([None, COMMUNITY, SIBLING, "320506001013", "320506099001"])
    return new_case(
        place_code=place_code,
        hub_code=chance.choice(_HUBS),
        owner=chance.choice(_UNITS),
        owner_hub_code=chance.choice(_HUBS),
        confidential=chance.random() < 0.5,
        supervised_level=chance.choice([None, None, 1]),
        resolved_at=chance.choice([None, None, NOW]),
        state=chance.choice(["closed", "declined"]) if closed else "dispatched",
        closed_at=NOW if closed else None,
        side=_random_side(chance, place_code),
    )


def _lies_below(code: str | None, top: str, city: City) -> bool:
    """Climbs from `code`; what the city does not know stands below the root."""
    while code is not None:
        if code == top:
            return True
        code = city.hubs[code].parent if code in city.hubs else city.root
        if code == city.root:
            return top == city.root
    return False


def _belongs(case: Case, hub: str, actor: Actor, city: City) -> bool:
    """Whether it lies in the hub's subtree, or comes to the actor's own hub from elsewhere."""
    if _lies_below(case.place_code, hub, city) or _lies_below(case.hub_code, hub, city):
        return True
    if hub != actor.hubs[0]:
        return False
    asked = any(
        (one.unit, one.hub_code, one.partner) == (actor.unit, hub, False) for one in case.side.invited
    )
    return asked or (actor.unit is None and case.side.aid_hub_code == hub)


ROLES = ("dispatcher", "supervisor", "auditor", "callback_agent")


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_queue_shows_exactly_what_may_be_read(
    database_url: str, broker: str, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    city = _stormy_city()
    async with open_desk(database_url, broker, tmp_path) as desk:
        cases = [await desk.put(_random_case(chance)) for _ in range(200)]
        actors = [
            Actor(ref="a", roles=(role,), hubs=(hub,))
            for role in ROLES
            for hub in (DISTRICT, TOWN, COMMUNITY, SIBLING, ELSEWHERE)
        ]
        actors += [
            Actor(ref="a", roles=("unit",), hubs=(TOWN,), unit="town_construction"),
            Actor(ref="a", roles=("unit",), hubs=(SIBLING,), unit="community_office"),
            Actor(ref="a", roles=("unit",), hubs=(DISTRICT,), unit="gas_co"),
        ]
        pool = await open_board_pool(database_url)
        views = BoardViews(pool)
        seen: Counter[str] = Counter()
        for actor in actors:
            for hub in (DISTRICT, TOWN, COMMUNITY, SIBLING, ELSEWHERE):
                if not _lies_below(hub, actor.hubs[0], city):
                    continue
                scope = Scope.of(hub, actor, city)
                readable = {
                    case.case_id: case
                    for case in cases
                    if _belongs(case, hub, actor, city) and may_read(case, actor, city)
                }
                for states in (["dispatched"], ["closed", "declined"]):
                    page = await views.queue(
                        scope,
                        QueueFilter(states=states, closed_since=NOW - timedelta(days=1), limit=200),
                    )
                    expected = {key for key, case in readable.items() if case.state in states}
                    assert {case.case_id for case in page.cases} == expected, (actor, hub, states)
                    assert page.total == len(expected)
                    seen[actor.roles[0]] += len(expected)
                changed = await views.changed_since(scope, NOW - timedelta(days=1), limit=500)
                assert {change.case.case_id for change in changed} == readable.keys(), (actor, hub)
        assert min(seen.values()) > 50, seen
        assert len(seen) == 5
        aided = [case for case in cases if case.side.aid_hub_code and not case.confidential]
        assert aided
        await pool.close()


async def test_what_waits_for_people_is_a_queue_of_its_own(desk: Desk) -> None:
    likely = Side(suggested=(Likeness(case_id=new_case().case_id, score=0.7, distance_m=12.0),))
    new = await desk.put(new_case(state="triaging", side=Side(triage="no_category")))
    asked = await desk.put(new_case(state="need_info", side=Side(triage="verify_first")))
    appealed = await desk.put(new_case(state="triaging", side=Side(triage="appeal", appealed=True)))
    twin = await desk.put(new_case(side=likely))
    await desk.put(new_case())
    await desk.put(new_case(state="in_progress", side=likely))
    closed = await desk.put(new_case(state="closed", closed_at=NOW))
    await desk.put(new_case(state="closed", closed_at=NOW, side=Side(answer="no")))
    await desk.put(new_case(state="declined", closed_at=NOW))
    client = await desk.sign_in(TOWN)

    async def found(hub: str = TOWN, of: httpx.AsyncClient = client, **query: Any) -> set[str]:
        page = await read(of, hub, **query)
        assert page["total"] == len(page["items"])
        return {item["case_id"] for item in page["items"]}

    assert await found(desk="triage") == {one.case_id for one in (new, asked, appealed, twin)}
    assert await found(desk="triage", state="need_info") == {asked.case_id}
    assert await found(desk="callback") == {closed.case_id}
    agent = await desk.sign_in("callback-agent")
    assert await found(DISTRICT, agent, desk="callback") == {closed.case_id}
    assert await found(DISTRICT, agent, desk="triage") == set(), "an agent sees what has ended"


async def test_a_case_is_found_by_whatever_people_call_it(desk: Desk) -> None:
    day = datetime(2026, 3, 7, 23, 59, 59, tzinfo=_read_city().zone)
    case_id = ids.case_id(day, "a report")
    number = ids.case_number(case_id, day, _read_city().zone)
    part_id, grandchild_id = ids.uuid7(NOW, b"p" * 10), ids.uuid7(NOW, b"q" * 10)

    def side_of(child: str, told: str) -> Side:
        part = Part(
            case_id=child, number=told, required=True, confidential=False, state="dispatched",
            hub_code=TOWN, owner="town_construction", owner_hub_code=TOWN,
        )  # fmt: skip
        return Side(parts=(part,))

    case = await desk.put(
        new_case(
            case_id=case_id,
            root_case_id=case_id,
            number=number,
            received_at=day,
            side=side_of(part_id, f"{number}.1"),
        )
    )
    await desk.put(
        new_case(case_id=part_id, number=f"{number}.1", side=side_of(grandchild_id, f"{number}.1.1"))
    )
    await desk.put(new_case(case_id=grandchild_id, number=f"{number}.1.1"))
    old = await desk.put(
        new_case(state="archived", closed_at=NOW - timedelta(days=400)), changed_at=NOW - timedelta(days=370)
    )
    report_id = await desk.put_report(old)
    secret = bytes.fromhex(SECRET)
    await desk.book.execute(
        "UPDATE reports SET tracking = $1 WHERE report_id = $2::uuid",
        ids.tracking_number(secret, report_id),
        report_id,
    )
    await desk.put(new_case())
    client = await desk.sign_in(TOWN)

    async def found(q: str) -> list[str]:
        page = await read(client, TOWN, q=q)
        assert page["total"] == len(page["items"])
        return [item["case_id"] for item in page["items"]]

    code = ids.tracking_code(secret, report_id)
    assert await found(number) == [case_id]
    assert await found(f" {number.lower()} ") == [case_id]
    assert await found(f"{number}.1") == [part_id]
    assert await found(f"{number}.1.1") == [grandchild_id]
    assert await found(f"{number}.2") == []
    assert await found(case.case_id.upper()) == [case_id]
    assert await found(code) == [old.case_id], "however long ago it ended"
    assert await found(f"{code[:4]} {code[4:8]}-{code[8:]}".lower()) == [old.case_id]
    for nothing in ("", "261399-000000", "井盖", "0" * 16, "999999-8K2M0Q"):
        assert await found(nothing) == [], nothing
    stranger = await desk.sign_in(ELSEWHERE)
    assert (await read(stranger, ELSEWHERE, q=number))["items"] == [], "not theirs to see"


async def test_a_queue_is_read_through_its_indexes(database_url: str) -> None:
    """A page of many open cases is taken from the index in order: nothing is scanned whole or sorted."""
    city = _read_city()
    pool = await open_board_pool(database_url)
    try:
        async with pool.acquire() as connection:
            await connection.execute(
                """
                INSERT INTO cases
                SELECT id, id, n::text, 2, 2, 1, 'dispatched', 'fast', 'noise', 'P3', place, place, 3,
                       NULL, 'community_office', place, 'good', false, false, 1, 0, at, at, NULL, NULL,
                       NULL, NULL, false, NULL, NULL, '{}', at + n % 500 * interval '1 minute', at, 1, at
                FROM (SELECT n, at, ($1::text[])[1 + n % cardinality($1)] AS place,
                             (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')
                              || '7' || left(md5(n::text), 3) || '8' || left(md5(n::text), 15))::uuid AS id
                      FROM (SELECT n, timestamptz '2026-03-01Z' + n * interval '1 minute' AS at
                            FROM generate_series(1, 20000) n) numbered) placed
                """,
                sorted(code for code in city.hubs if city.hubs[code].level == 3),
            )
            await connection.execute("ANALYZE cases_2026")
            for hub in (DISTRICT, TOWN):
                scope = Scope.of(hub, Actor(ref="a", roles=("dispatcher",), hubs=(hub,)), city)
                rows = await connection.fetch(f"EXPLAIN {QUEUE['due']}", *scope.parameters(), *[None] * 8, 51)
                page = "\n".join(row[0] for row in rows).partition("Limit")[2]
                assert "Seq Scan on cases_2026 " not in page, page
                assert "Index Scan using cases_2026_due_at_case_id_idx" in page, page
                assert "Sort Key: chosen" not in page, page
    finally:
        await pool.close()


async def test_closed_cases_of_other_years_are_not_read(database_url: str) -> None:
    """A town's list of what was closed lately, over years of cases: their pages are left alone."""
    pool = await open_board_pool(database_url)
    try:
        async with pool.acquire() as connection:
            await connection.execute(
                """
                INSERT INTO cases
                SELECT id, id, n::text, 2, 2, 1, 'closed', 'fast', 'noise', 'P3', $1, $1, 3,
                       NULL, 'community_office', $1, 'good', false, false, 1, 0, at, at, NULL, NULL,
                       at, NULL, false, NULL, NULL, '{}', 'infinity', at, 1, at
                FROM (SELECT n, at,
                             (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')
                              || '7' || left(md5(n::text), 3) || '8' || left(md5(n::text), 15))::uuid AS id
                      FROM (SELECT n, timestamptz '2024-01-01Z' + n * interval '1 hour' AS at
                            FROM generate_series(1, 25000) n) numbered) placed
                """,
                COMMUNITY,
            )
            await connection.execute("VACUUM ANALYZE cases")
            actor = Actor(ref="a", roles=("dispatcher",), hubs=(TOWN,))
            since = datetime(2026, 9, 1, tzinfo=UTC)
            rows = await connection.fetch(
                f"EXPLAIN {QUEUE['due']}",
                *Scope.of(TOWN, actor, _read_city()).parameters(),
                *(["closed"], since, *[None] * 6, 51),
            )
            plan = "\n".join(row[0] for row in rows)
            for year in (2024, 2025):
                assert f"Bitmap Index Scan on cases_{year}_changed_at_idx" in plan, plan
                assert f"Seq Scan on cases_{year}" not in plan, plan
    finally:
        await pool.close()
