"""A batch of good messages in a real PostgreSQL: what is written and published, and what a repeat does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.adapters import codec
from services.adapters.clock import Clock
from services.domain import ids
from services.domain.case import NEVER
from services.domain.evolve import replay
from services.domain.messages import SYSTEM_ACTOR, Actor, Content, Location
from tests.domain.small_case import COUNTABLE, T0, WORKS, WORKS_OF_T2, at, dispatcher
from tests.domain.small_town import by_report
from tests.integration.router_desk import (
    SECRET,
    Database,
    Desk,
    Inbox,
    case_of,
    fresh_id,
    in_order,
    load_city,
    message_of,
    not_published,
)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("with_city", "emptied")]


async def test_a_report_becomes_rows_and_messages(desk: Desk, db: Database) -> None:
    inbox = Inbox()
    report = inbox.report(
        "pothole",
        partition=3,
        channel="courier",
        visibility="named",
        captured_at=at(-1),
        photos=("a" * 32, "b" * 32),
        content=Content(
            name="李", phone="13800000000", text="坑", location=Location(lon=120.58, lat=31.0, datum="WGS84")
        ),
    )
    said = await desk.handle(report)
    report_id, case_id = message_of(report).report_id, case_of(report)
    assert await db.counts() == {"reports": 1, "cases": 1, "events": 2, "outcomes": 1, "deadlines": 4}
    row = await db.conn.fetchrow("SELECT * FROM reports")
    assert row is not None
    assert {**row, "report_id": str(row["report_id"]), "case_id": str(row["case_id"])} == {
        "report_id": report_id,
        "tracking": ids.tracking_number(SECRET, report_id),
        "case_id": case_id,
        "channel": "courier",
        "category": "pothole",
        "hub_code": "V11",
        "visibility": "named",
        "captured_at": at(-1),
        "received_at": T0,
        "photos": ["a" * 32, "b" * 32],
        "on_behalf": False,
    }
    content = await db.conn.fetchrow("SELECT * FROM private.report_contents")
    assert content is not None
    assert tuple(content)[1:] == ("李", "13800000000", "坑", 120.58, 31.0, 120.58, 31.0, "WGS84", None)
    case = await db.case(case_id)
    assert (case.hub_code, case.owner, case.place_code, case.location_quality) == (
        "T1",
        "works",
        "V11",
        "good",
    )
    assert case.due_at == at(4)
    assert await db.value("SELECT due_at FROM cases") == at(4)
    assert case == in_order(replay(said.events))
    assert said.events == await db.events(case_id)
    outcome = said.outcome(report)
    assert (outcome.outcome, outcome.case_id, outcome.events) == ("applied", case_id, ((case_id, 1, 2),))
    assert await db.progress() == {("reports", 3): 1}
    assert [topic for topic, _ in said.records] == ["case-events", "case-events", "command-outcomes"]
    assert {record[0] for _, record in said.records} == {case_id.encode()}


async def test_a_case_without_dues_sorts_last_in_the_book(desk: Desk, db: Database) -> None:
    inbox = Inbox()
    report = inbox.report("pothole")
    who = Actor(ref=f"report:{message_of(report).report_id}", roles=("reporter",))
    await desk.handle(report, inbox.command(case_of(report), "withdraw", who))
    assert await db.value("SELECT due_at = 'infinity' FROM cases")
    assert (await db.case(case_of(report))).due_at == NEVER


async def test_a_report_is_placed_by_its_sealed_point(desk: Desk, db: Database) -> None:
    inbox = Inbox()

    def at_point(lon: float, lat: float, **values: object) -> Content:
        return Content(location=Location(lon=lon, lat=lat, datum="WGS84", **values))  # type: ignore[arg-type]

    reports = {
        "inside V12": inbox.report("ads", hub_code=None, content=at_point(120.62, 31.0)),
        "inside V12, said V11": inbox.report("ads", hub_code="V11", content=at_point(120.62, 31.0)),
        "coarse": inbox.report("ads", hub_code=None, content=at_point(120.62, 31.0, accuracy_m=500.0)),
        "near T1": inbox.report("ads", hub_code=None, content=at_point(120.6, 30.97)),
        "far": inbox.report("ads", hub_code=None, content=at_point(121.5, 31.0)),
        "nowhere": inbox.report("ads", hub_code=None),
        "unknown hub": inbox.report("ads", hub_code="V99"),
    }
    await desk.handle(*reports.values())
    found = {}
    for name, report in reports.items():
        case = await db.case(case_of(report))
        found[name] = (case.hub_code, case.place_code, case.location_quality, case.unrouted)
    assert found == {
        "inside V12": ("V12", "V12", "good", False),
        "inside V12, said V11": ("V11", "V11", "low", False),
        "coarse": ("V12", "V12", "low", False),
        "near T1": ("T1", None, "low", False),
        "far": ("C", None, "low", False),
        "nowhere": ("C", None, "low", True),
        "unknown hub": ("C", None, "low", True),
    }


async def test_a_case_that_somebody_found_the_place_of_is_no_longer_unrouted_in_the_book(
    desk: Desk, db: Database
) -> None:
    inbox = Inbox()
    report = inbox.report("ads", hub_code=None)
    await desk.handle(report)
    assert (await db.case(case_of(report))).unrouted
    await desk.handle(
        inbox.command(case_of(report), "file_case", dispatcher("C"), category="pothole", hub_code="V12")
    )
    case = await db.case(case_of(report))
    assert (case.unrouted, case.owner, case.hub_code) == (False, "works", "T1")


async def test_the_same_report_twice_in_a_batch_is_one(desk: Desk, db: Database) -> None:
    inbox = Inbox()
    report_id = fresh_id()
    first = inbox.report("pothole", report_id=report_id)
    second = inbox.report("ads", report_id=report_id, partition=1)
    said = await desk.handle(first, second, inbox.report())
    assert (await db.counts())["reports"] == 2
    assert (await db.case(case_of(first))).category == "pothole", "the first body stands"
    assert len(said.events) == 4
    assert await db.progress() == {("reports", 0): 2, ("reports", 1): 1}


async def test_a_report_that_comes_again_has_its_events_published_again(desk: Desk, db: Database) -> None:
    inbox = Inbox()
    report = inbox.report()
    before = await desk.handle(report)
    counts = await db.counts()
    repeat = inbox.report("ads", report_id=message_of(report).report_id, received_at=at(5))
    after = await desk.handle(repeat)
    assert after.records == before.records, "byte for byte"
    assert await db.counts() == counts
    assert (await desk.handle(report, repeat)).records == before.records


async def test_a_crash_after_the_transaction_replays_to_the_same_messages(desk: Desk, db: Database) -> None:
    """The process dies between the commit and the broker: the next one reads the same offsets."""
    inbox = Inbox()
    report = inbox.report()
    batch = [report, inbox.command(case_of(report), "accept", WORKS), inbox.report("ads")]
    desk.failures.append(RuntimeError("killed"))
    with pytest.raises(RuntimeError, match="killed"):
        await desk.handle(*batch)
    counts = await db.counts()
    assert counts == {"reports": 2, "cases": 2, "events": 5, "outcomes": 3, "deadlines": 7}
    successor = Desk(desk.url, Clock())
    said = await successor.handle(*batch)
    assert await db.counts() == counts
    assert sorted((e.case_id, e.seq) for e in said.events) == sorted(
        [(case_of(report), seq) for seq in (1, 2, 3)] + [(case_of(batch[2]), seq) for seq in (1, 2)]
    )
    assert said.events == [
        event for case in sorted({case_of(report), case_of(batch[2])}) for event in await db.events(case)
    ]
    assert {o.command_id for o in said.outcomes} == {message_of(one).command_id for one in batch}
    await successor.book.close()


async def test_a_command_comes_in_the_same_batch_as_its_report(desk: Desk, db: Database) -> None:
    inbox = Inbox()
    report = inbox.report()
    case_id = case_of(report)
    said = await desk.handle(
        report,
        inbox.command(case_id, "accept", WORKS, received_at=at(1)),
        inbox.command(case_id, "start_work", WORKS, received_at=at(1)),
        inbox.command(case_id, "submit_resolution", WORKS, received_at=at(3), outcome="fixed"),
        inbox.command(case_id, "verify_fail", dispatcher("V11"), received_at=at(5)),
    )
    assert {o.outcome for o in said.outcomes} == {"applied"}
    assert [event.seq for event in said.events] == [1, 2, 3, 4, 5, 6, 7]
    case = await db.case(case_id)
    assert case == in_order(replay(said.events))
    assert (case.state, case.rework_count) == ("rework", 1)
    assert await db.value("SELECT count(*) FROM cases") == 1, "one final row"


async def test_a_refusal_is_remembered_when_the_batch_is_replayed(desk: Desk, db: Database) -> None:
    """[resolve → refused, not started; start → applied]: the replay finds the case started."""
    inbox = Inbox()
    report = inbox.report()
    case_id = case_of(report)
    await desk.handle(report, inbox.command(case_id, "accept", WORKS))
    resolve = inbox.command(case_id, "submit_resolution", WORKS, outcome="fixed")
    start = inbox.command(case_id, "start_work", WORKS)
    before = await desk.handle(resolve, start)
    told = before.outcome(resolve)
    assert (told.outcome, told.code, told.events) == ("refused", "not_allowed", ())
    after = await desk.handle(resolve, start)
    assert after.outcome(resolve) == told
    assert after.outcome(start) == before.outcome(start)
    assert after.events == before.events
    assert (await db.case(case_id)).state == "in_progress"


async def test_a_refused_command_keeps_the_steps_it_passed(desk: Desk, db: Database) -> None:
    inbox = Inbox()
    report = inbox.report()
    case_id = case_of(report)
    await desk.handle(report)
    late = inbox.command(case_id, "accept", WORKS_OF_T2, received_at=at(4))
    said = await desk.handle(late)
    assert [event.type for event in said.events] == ["SlaWarning", "SlaBreached"]
    assert (said.outcome(late).code, said.outcome(late).events) == ("forbidden", ((case_id, 3, 4),))
    assert (await desk.handle(late)).records == said.records


async def test_a_command_on_an_unknown_case_is_refused(desk: Desk, db: Database) -> None:
    inbox = Inbox()
    for unknown in (
        ids.case_id(T0, "nobody"),
        "00000000-0000-0000-0000-000000000000",
        "f" * 8 + "-ffff" * 3 + "-" + "f" * 12,
    ):
        lost = inbox.command(unknown, "accept", WORKS)
        told = (await desk.handle(lost)).outcome(lost)
        assert (told.outcome, told.code, told.field) == ("refused", "not_found", "case_id")
        assert told.case_id == unknown
        assert (await desk.handle(lost)).outcome(lost) == told
    assert (await db.counts())["cases"] == 0


async def test_a_command_twice_in_a_batch_is_decided_once(desk: Desk, db: Database) -> None:
    inbox = Inbox()
    report = inbox.report()
    once = fresh_id()
    said = await desk.handle(
        report,
        inbox.command(case_of(report), "comment", WORKS, command_id=once),
        inbox.command(case_of(report), "comment", WORKS, command_id=once, partition=1),
    )
    assert [event.type for event in said.events] == ["CaseFiled", "CaseDispatched", "CommentAdded"]
    assert (await db.counts())["outcomes"] == 2


async def test_words_rest_in_the_private_schema_and_only_if_the_command_was_applied(
    desk: Desk, db: Database
) -> None:
    inbox = Inbox()
    report = inbox.report()
    case_id = case_of(report)
    kept = inbox.command(case_id, "comment", WORKS, words="明天来修")
    refused = inbox.command(case_id, "comment", WORKS_OF_T2, words="路过")
    said = await desk.handle(report, kept, refused)
    rows = await db.conn.fetch("SELECT command_id::text, case_id::text, text FROM private.command_words")
    assert [tuple(row) for row in rows] == [(message_of(kept).command_id, case_id, "明天来修")]
    assert not any("明天来修".encode() in record[1] for _, record in said.records)


async def test_what_was_erased_is_never_written_back(desk: Desk, db: Database) -> None:
    inbox = Inbox()
    report = inbox.report(content=Content(name="李", text="坑"))
    their_own = by_report(message_of(report).report_id)
    comment = inbox.command(case_of(report), "comment", their_own, words="李家门口")
    erased = [message_of(report).report_id, message_of(comment).command_id]
    await db.conn.executemany(
        "INSERT INTO private.erased (id, erased_at) VALUES ($1, $2)", [(one, T0) for one in erased]
    )
    other = inbox.report(content=Content(text="另一个坑"))
    await desk.handle(report, comment, other)
    assert await db.value("SELECT array_agg(text) FROM private.report_contents") == ["另一个坑"]
    assert await db.value("SELECT count(*) FROM private.command_words") == 0
    assert (await db.counts())["reports"] == 2
    # nor by a replay after it was erased
    await db.conn.execute("DELETE FROM private.report_contents")
    await db.conn.execute(
        "INSERT INTO private.erased (id, erased_at) VALUES ($1, $2)", message_of(other).report_id, T0
    )
    await desk.handle(report, comment, other)
    assert await db.value("SELECT count(*) FROM private.report_contents") == 0


async def test_progress_is_raised_and_never_lowered(desk: Desk, db: Database) -> None:
    inbox = Inbox()
    batch = [inbox.report(partition=number % 2) for number in range(6)]
    await desk.handle(*batch)
    assert await db.progress() == {("reports", 0): 3, ("reports", 1): 3}
    await desk.handle(batch[0])
    assert await db.progress() == {("reports", 0): 3, ("reports", 1): 3}
    await desk.handle(
        inbox.report(partition=1), inbox.command(case_of(batch[0]), "comment", WORKS, partition=1)
    )
    assert await db.progress() == {("case-commands", 1): 1, ("reports", 0): 3, ("reports", 1): 4}


async def test_progress_is_never_used_to_skip(desk: Desk, db: Database) -> None:
    """An offset below the mark without an outcome is decided like any other (a restored broker)."""
    inbox = Inbox()
    early, late = inbox.report(), inbox.report()
    await desk.handle(late)
    assert await db.progress() == {("reports", 0): 2}
    await desk.handle(early)
    assert (await db.counts())["reports"] == 2


async def test_a_stamp_ahead_of_the_brokers_time_is_clamped(desk: Desk, db: Database) -> None:
    inbox = Inbox()
    ahead = inbox.report(received_at=at(1), appended_at=T0)
    near = inbox.report(received_at=T0 + timedelta(seconds=2), appended_at=T0)
    said = await desk.handle(ahead, near)
    assert {e.occurred_at for e in said.events} == {T0 + timedelta(seconds=2)}
    rows = await db.conn.fetch("SELECT received_at FROM reports")
    assert {row[0] for row in rows} == {T0 + timedelta(seconds=2)}


async def test_the_clocks_offset_is_no_skew(book_url: str, db: Database, tmp_path: Path) -> None:
    (tmp_path / "offset").write_text("3600")
    desk = Desk(book_url, Clock(tmp_path / "offset"))
    said = await desk.handle(Inbox().report(received_at=at(1), appended_at=T0))
    assert said.events[0].occurred_at == at(1)
    changed_at = await db.value("SELECT changed_at FROM cases") - timedelta(hours=1)
    assert abs(changed_at - datetime.now(UTC)) < timedelta(minutes=1), "stamped by the same clock"
    await desk.book.close()


async def test_the_instant_a_pass_deadline_names_is_not_clamped(desk: Desk, db: Database) -> None:
    inbox = Inbox()
    report = inbox.report()
    await desk.handle(report)
    named = ids.deadline_id(case_of(report), "owner", "accept", "warning", 2)
    said = await desk.handle(
        inbox.command(
            case_of(report),
            "pass_deadline",
            SYSTEM_ACTOR,
            received_at=at(1),
            appended_at=T0,
            deadline_id=named,
            step_at=at(2),
        )
    )
    assert [(e.type, e.occurred_at) for e in said.events] == [("SlaWarning", at(2))]


async def test_events_carry_the_version_that_was_active(desk: Desk, db: Database, tmp_path: Path) -> None:
    inbox = Inbox()
    report = inbox.report()
    first = await desk.handle(report)
    (tmp_path / "again").mkdir()
    changed = {**COUNTABLE, "city.toml": COUNTABLE["city.toml"].replace("小城", "大城")}
    changed_to = await load_city(desk.url, tmp_path / "again", changed)
    second = await desk.handle(inbox.command(case_of(report), "accept", WORKS))
    assert {e.city_version for e in first.events} == {changed_to - 1}
    assert {e.city_version for e in second.events} == {changed_to}
    assert (await desk.handle(report)).events == first.events, "what was decided stays"


async def test_an_empty_batch_publishes_nothing(desk: Desk) -> None:
    assert (await desk.handle()).records == []


async def test_the_broker_is_asked_again_until_it_has_everything(desk: Desk) -> None:
    desk.failures += [not_published(), not_published()]
    said = await desk.handle(Inbox().report())
    assert len(said.records) == 3
    assert desk.worker.trouble is None
    assert codec.CASE_EVENTS in {topic for topic, _ in said.records}
