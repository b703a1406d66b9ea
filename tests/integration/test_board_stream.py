"""The live line: who is nudged and about what, what is caught up after a gap, and how a line ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import httpx
import pytest
import structlog
from prometheus_client import REGISTRY

from services.adapters.board_views import BoardViews, Change, Scope
from services.adapters.clock import Clock
from services.adapters.settings import PROJECT
from services.board import stream
from services.board.active_city import ActiveCity
from services.board.nudges import QUEUE_LIMIT, RESYNC, Nudges, Viewer
from services.domain import events, ids
from services.domain.messages import Actor
from tests.console_run import free_ports
from tests.integration.board_desk import (
    COMMUNITY,
    DISTRICT,
    ELSEWHERE,
    SEAL_KEYS,
    SECRET,
    SIBLING,
    TOWN,
    Desk,
    new_case,
    open_desk,
    until,
)


@pytest.fixture
async def desk(database_url: str, broker: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, broker, tmp_path) as one:
        yield one


def moved(from_hub_code: str, to: str) -> events.CaseReassigned:
    return events.CaseReassigned(
        from_hub_code=from_hub_code,
        from_owner="community_office",
        hub_code=to,
        level=3,
        owner="community_office",
        owner_hub_code=to,
        dues=(),
    )


async def test_what_happens_before_the_city_is_read_is_no_fault() -> None:
    """A board that has just been started hears of cases at once, and has nobody to tell yet."""
    told = asyncio.Event()

    class Views:
        async def changes(self, case_ids: Sequence[str]) -> list[Change]:
            return []

    class Now(Clock):
        def now(self) -> datetime:
            told.set()
            return super().now()

    views = cast("BoardViews", Views())
    nudges = Nudges(views, ActiveCity(views), Now())
    case = new_case()
    happened = events.Event(
        case_id=case.case_id,
        seq=2,
        type="CaseAccepted",
        occurred_at=datetime.now(UTC),
        actor_ref="x",
        command_id=case.case_id,
        cycle=1,
        city_version=1,
        payload=events.CaseAccepted(),
    )
    with structlog.testing.capture_logs() as said:
        running = asyncio.create_task(nudges.run())
        nudges.happened([happened])
        await asyncio.wait_for(told.wait(), 5)
        running.cancel()
    assert said == []


async def test_a_change_is_told_to_the_viewers_of_its_hubs_alone(desk: Desk) -> None:
    case = await desk.put(new_case())
    report = await desk.put_report(case)
    own, above, beside = [await desk.sign_in(hub) for hub in (COMMUNITY, DISTRICT, ELSEWHERE)]
    async with desk.line(own) as here, desk.line(above) as over, desk.line(beside) as other:
        await desk.publish_events(case, 2, events.CaseAccepted())
        await until(lambda: here.told(case) and over.told(case))
        assert here.told(case)[0] == {
            "case_id": case.case_id,
            "seq": 2,
            "hub_code": COMMUNITY,
            "from_hub_code": None,
            "state": "dispatched",
            "report_ids": [report],
        }
        changed_at = await desk.book.fetchval("SELECT changed_at FROM cases WHERE case_id = $1", case.case_id)
        assert here.events[0][2] == str(ids.milliseconds(changed_at))
        # what comes later for the other hub shows that nothing came before it
        theirs = await desk.put(new_case(place_code=None, hub_code=ELSEWHERE, owner_hub_code=ELSEWHERE))
        await desk.publish_events(theirs, 2, events.CaseAccepted())
        await until(lambda: other.told(theirs))
        assert not other.told(case)
        assert not here.told(theirs)


async def test_a_narrower_hub_may_be_watched_and_a_foreign_one_not(desk: Desk) -> None:
    client = await desk.sign_in(TOWN)
    inside, outside = (
        await desk.put(new_case()),
        await desk.put(new_case(place_code=SIBLING, hub_code=SIBLING)),
    )
    async with desk.line(client, f"?hub={COMMUNITY}") as line:
        await desk.publish_events(outside, 2, events.CaseAccepted())
        await desk.publish_events(inside, 2, events.CaseAccepted())
        await until(lambda: line.told(inside))
        assert not line.told(outside)
    assert (await client.get(f"/v1/stream?hub={ELSEWHERE}")).status_code == 403
    assert (await client.get("/v1/stream?hub=1")).status_code == 404
    assert (await client.get("/v1/stream?since=yesterday")).status_code == 422


async def test_a_case_given_away_is_told_to_both_hubs(desk: Desk) -> None:
    case = await desk.put(new_case(place_code=None, hub_code=SIBLING, owner_hub_code=SIBLING, seq=3))
    before, after = [await desk.sign_in(hub) for hub in (COMMUNITY, SIBLING)]
    async with desk.line(before) as old, desk.line(after) as new:
        await desk.publish_events(case, 3, moved(COMMUNITY, SIBLING))
        await until(lambda: old.told(case) and new.told(case))
        assert old.told(case)[0]["from_hub_code"] == COMMUNITY
        assert old.told(case)[0]["hub_code"] == SIBLING
    # and the same after a gap
    await desk.put_event(case, 3, "CaseReassigned", {"from_hub_code": COMMUNITY, "hub_code": SIBLING})
    since = ids.milliseconds(case.received_at)
    async with desk.line(before, f"?since={since}") as line:
        await until(lambda: line.told(case))
        assert line.told(case)[0]["from_hub_code"] == COMMUNITY


async def test_a_unit_is_told_of_a_case_that_was_taken_from_it_live_and_after_a_gap(desk: Desk) -> None:
    """The unit that had it, and no other of the same place; a confidential one is only gone."""
    given = {"owner": "town_desk", "hub_code": TOWN, "owner_hub_code": TOWN, "level": 2, "seq": 3}
    case, secret = await desk.put(new_case(**given)), await desk.put(new_case(**given, confidential=True))
    kept = await desk.put(new_case())
    clients = [await sign_in_unit(desk, hub, "community_office") for hub in (COMMUNITY, SIBLING)]
    clients.append(await sign_in_unit(desk, TOWN, "town_construction"))
    async with desk.line(clients[0]) as had_it:
        for one in (secret, case):
            await desk.publish_events(one, 3, moved(COMMUNITY, TOWN))
        await until(lambda: had_it.told(case))
        assert not had_it.told(secret)
    for one in (secret, case):
        await desk.put_event(
            one,
            3,
            "CaseReassigned",
            {"from_hub_code": COMMUNITY, "from_owner": "community_office", "hub_code": TOWN},
        )
    since = f"?since={ids.milliseconds(case.received_at)}"
    async with desk.line(clients[0], since) as line:
        await until(lambda: line.told(kept))
        assert [told["from_hub_code"] for told in line.told(case)] == [COMMUNITY]
        assert not line.told(secret)
    for other, hub, unit in (
        (clients[1], SIBLING, "community_office"),
        (clients[2], TOWN, "town_construction"),
    ):
        told = await told_until_one_of_their_own(desk, other, since, hub, unit)
        assert not told & {case.case_id, secret.case_id}


async def told_until_one_of_their_own(
    desk: Desk, client: httpx.AsyncClient, since: str, hub_code: str, unit: str
) -> set[str]:
    """The cases that a unit is told of up to one that comes later: what was not told by then never is."""
    async with desk.line(client, since) as line:
        own = await desk.put(
            new_case(place_code=None, hub_code=hub_code, owner=unit, owner_hub_code=hub_code)
        )
        await desk.publish_events(own, 2, events.CaseAccepted())
        await until(lambda: line.told(own))
        return {data["case_id"] for data in line.named("case")}


async def sign_in_unit(desk: Desk, hub_code: str, unit: str) -> httpx.AsyncClient:
    """A unit's account at the hub, in the place of its dispatcher's."""
    await desk.book.execute(
        "UPDATE staff.accounts SET role = 'unit', unit = $1 WHERE username = $2",
        unit,
        f"dispatcher-{hub_code}",
    )
    return await desk.sign_in(hub_code)


async def test_a_confidential_case_is_told_to_its_own_hub_alone(desk: Desk) -> None:
    secret = await desk.put(new_case(confidential=True, hub_code=TOWN, owner_hub_code=TOWN, level=2, seq=3))
    plain = await desk.put(new_case())
    clients = [await desk.sign_in(hub) for hub in (TOWN, DISTRICT, COMMUNITY)]
    async with (
        desk.line(clients[0]) as own,
        desk.line(clients[1]) as above,
        desk.line(clients[2]) as where_it_is,
    ):
        await desk.publish_events(secret, 3, moved(COMMUNITY, TOWN))
        await until(lambda: own.told(secret))
        await desk.publish_events(plain, 2, events.CaseAccepted())
        await until(lambda: above.told(plain) and where_it_is.told(plain))
        assert not above.told(secret)
        assert not where_it_is.told(secret), "neither where it lies nor where it came from"
    async with desk.line(clients[2], "?since=0") as line:
        await until(lambda: line.told(plain))
        assert not line.told(secret)


async def test_what_changed_during_a_gap_is_caught_up_with_fifteen_seconds_to_spare(desk: Desk) -> None:
    now = datetime.now(UTC)
    old = await desk.put(new_case(), changed_at=now - timedelta(seconds=60))
    within = await desk.put(new_case(), changed_at=now - timedelta(seconds=35))
    closed = await desk.put(new_case(state="closed", closed_at=now), changed_at=now - timedelta(seconds=20))
    client = await desk.sign_in(COMMUNITY)
    last = str(ids.milliseconds(now - timedelta(seconds=25)))
    async with desk.line(client, **{"Last-Event-ID": last}) as line:
        await until(lambda: line.told(within) and line.told(closed))
        assert not line.told(old)
    iso = (now - timedelta(seconds=25)).isoformat()
    async with desk.line(client, f"?since={iso.replace('+', '%2B')}") as line:
        await until(lambda: line.told(within) and line.told(closed))


@pytest.mark.parametrize(
    "since", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:14%2B00:00", "0", "1969-12-31T23:59:59Z"]
)
async def test_a_gap_since_the_beginning_of_time_is_caught_up(desk: Desk, since: str) -> None:
    case = await desk.put(new_case())
    client = await desk.sign_in(COMMUNITY)
    async with desk.line(client, f"?since={since}") as line:
        await until(lambda: line.told(case))
        assert not line.ended


async def test_more_than_500_changes_are_one_resync(desk: Desk) -> None:
    for _ in range(500):
        await desk.put(new_case())
    client = await desk.sign_in(COMMUNITY)
    async with desk.line(client, "?since=0") as line:
        await until(lambda: len(line.named("case")) == 500)
        assert not line.named("resync")
    await desk.put(new_case())
    async with desk.line(client, "?since=0") as line:
        await until(lambda: line.named("resync"))
        assert not line.named("case")


async def test_a_slow_viewer_loses_nudges_and_is_told_to_read_again() -> None:
    scope = Scope(hub_code="1", codes=None, own="1", below_own=(), known=(), unit=None)
    viewer = Viewer(scope, Actor(ref="a"))
    for n in range(QUEUE_LIMIT):
        viewer.tell(b"%d," % n)
    assert await viewer.next(0) == b"".join(b"%d," % n for n in range(QUEUE_LIMIT))
    for n in range(QUEUE_LIMIT + 3):
        viewer.tell(b"%d," % n)
    assert await viewer.next(0) == RESYNC
    viewer.tell(b"after")
    assert await viewer.next(0) == b"after"
    assert await viewer.next(0) == b""


async def test_a_line_ends_with_its_session(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "COMMENT_SECONDS", 0.2)
    client = await desk.sign_in(COMMUNITY)
    async with desk.line(client) as line:
        await until(lambda: line.comments >= 3)
        assert not line.events
        await desk.book.execute("DELETE FROM staff.sessions")
        await until(lambda: line.named("bye"))
        await until(lambda: line.ended)
        assert line.named("bye") == [{"reason": "session"}]


async def test_a_line_ends_when_the_account_moves(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "COMMENT_SECONDS", 0.2)
    client = await desk.sign_in(COMMUNITY)
    async with desk.line(client) as line:
        await desk.book.execute(
            "UPDATE staff.accounts SET hub_code = $1 WHERE username = $2", SIBLING, f"dispatcher-{COMMUNITY}"
        )
        await until(lambda: line.ended)
        assert line.named("bye") == [{"reason": "account"}]


async def test_accept_to_visible_is_measured_once_per_case(desk: Desk) -> None:
    def measured() -> float:
        return REGISTRY.get_sample_value("pioneer_accept_to_visible_seconds_count") or 0.0

    before = measured()
    case = await desk.put(new_case())
    filed = events.CaseFiled(
        report_id=case.case_id,
        root_case_id=case.case_id,
        number=case.number,
        channel="courier",
        category=case.category,
        priority="P3",
        lane="fast",
        place_code=COMMUNITY,
        location_quality="good",
        unrouted=False,
        confidential=False,
        received_at=case.received_at,
    )
    client = await desk.sign_in(COMMUNITY)
    async with desk.line(client) as line:
        await desk.publish_events(case, 1, filed)
        await until(lambda: len(line.told(case)) == 1)
        await desk.publish_events(case, 1, filed)
        await until(lambda: len(line.told(case)) == 2)
    assert measured() == before + 1


async def test_an_open_line_does_not_hold_up_the_end_of_the_process(
    desk: Desk, broker: str, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.board",
        cwd=PROJECT,
        env={
            **os.environ,
            "DATABASE_URL": desk.database_url,
            "KAFKA_BOOTSTRAP": broker,
            "PIONEER_SECRET": SECRET,
            "SEAL_KEYS": SEAL_KEYS,
            "PIONEER_DATA": str(tmp_path),
            "BOARD_PORT": str(port),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    client = await desk.sign_in(TOWN)
    other = desk.client()
    other.base_url = f"http://127.0.0.1:{port}"
    other.cookies = client.cookies
    try:
        await _answers(other)
        async with desk.line(other) as line:
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 10.0) == 0
            await until(lambda: line.ended)
    finally:
        if process.returncode is None:
            process.kill()
        output, _ = await process.communicate()
    assert b"Traceback" not in output, output.decode()


async def _answers(client: httpx.AsyncClient) -> None:
    deadline = asyncio.get_running_loop().time() + 30.0
    while True:
        try:
            if (await client.get("/readyz")).status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)
