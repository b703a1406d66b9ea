"""What the router makes of a batch's reports beside the real table, and how the table follows the cases.

The small city compares potholes within 30 m; sure is 0.8, people are asked from 0.5 on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from services.adapters import book as book_of_record
from services.adapters.duplicate_rows import SIGHTINGS, Sightings
from services.domain import ids
from services.domain.case import Case
from services.domain.city import City
from services.domain.duplicates import Attach, Reopen, Suggest, Urge, Verdict
from services.domain.geo import Point
from services.domain.messages import Content, Location
from services.domain.place import Place
from services.router.reading import Incoming, Read
from services.router.repeats import Repeats
from tests.domain.small_case import CITY, COUNTABLE, IN_V11, T0, city_of, filing, report

SECRET = b"x" * 32
SPOT = (120.58, 31.0)
WORDS = "路中间一个大坑，前轮陷进去"
ME, YOU = "13800000001", "13800000002"
DAY = timedelta(days=1)


def north(metres: float) -> Point:
    return SPOT[0], SPOT[1] + metres / 111_195.08


def read(
    point: Point | None = SPOT,
    text: str | None = WORDS,
    *,
    category: str | None = "pothole",
    phone: str | None = None,
    error_m: float | None = 0.0,
    at: datetime = T0,
    **values: Any,
) -> Read:
    location = Location(lon=point[0], lat=point[1], datum="WGS84", accuracy_m=error_m) if point else None
    one = report(category, received_at=at, **values)
    content = Content(phone=phone, text=text, location=location)
    return Read(Incoming("reports", 0, 0, None, None, (), at), one, content, point)


class Town:
    """Batches through Repeats, filed as the router does, without its book: cases are kept here."""

    def __init__(self, conn: Any, city: City = CITY) -> None:
        self.conn, self.city = conn, city
        self.table = Sightings(conn)
        self.cases: dict[str, Case] = {}

    async def batch(
        self, *reads: Read, place: Place = IN_V11, meanwhile: dict[str, Case] | None = None
    ) -> list[tuple[Verdict, str]]:
        """Each with its verdict and the case it stands with; `meanwhile` changes before the locks."""
        repeats = Repeats(self.city, SECRET)
        await repeats.look(self.table, reads)
        targets = set(repeats.targets())
        self.cases |= meanwhile or {}
        before = {case_id: self.cases[case_id] for case_id in targets}
        after, ended = dict(before), []
        for one in reads:
            report_id, now = one.command_id, one.message.received_at
            verdict = repeats.verdict(report_id, place, now, after)
            joined = isinstance(verdict, Urge | Attach | Reopen)
            if isinstance(verdict, Urge | Attach | Reopen):
                case = after[verdict.like.case_id]
            else:
                case = filing(one.message, place=place, city=self.city, now=now).case  # type: ignore[arg-type]
            after[case.case_id] = case
            repeats.filed(report_id, case, joined=joined)
            ended.append((verdict, case.case_id))
        await self.conn.copy_records_to_table(
            "sightings", schema_name="private", columns=SIGHTINGS, records=repeats.rows
        )
        await repeats.follow(self.table, before, after, {})
        self.cases |= after
        return ended

    async def become(self, case: Case, homes: dict[str, str] | None = None, **changes: Any) -> Case:
        """As a command of somebody's leaves the case."""
        changed = replace(case, **changes)
        after = {**self.cases, case.case_id: changed}
        await Repeats(self.city, SECRET).follow(self.table, self.cases, after, homes or {})
        self.cases = after
        return changed

    async def rows(self) -> int:
        count: int = await self.conn.fetchval("SELECT count(*) FROM private.sightings")
        return count


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    conn = await asyncpg.connect(database_url, timeout=5, server_settings=book_of_record._SESSION)
    await conn.execute("SET transaction_timeout = 0")
    yield Town(conn)
    await conn.close()


def about(verdict: Verdict) -> tuple[str, ...]:
    """The verdict's name and its cases."""
    if verdict is None:
        return ("nothing",)
    found = verdict.suggested if isinstance(verdict, Suggest) else (verdict.like,)
    return (type(verdict).__name__, *(one.case_id for one in found))


async def test_a_report_joins_what_an_earlier_batch_has_filed(town: Town) -> None:
    [(_, first)] = await town.batch(read())
    [(verdict, case_id)] = await town.batch(read(north(6), "大坑在路中间", at=T0 + timedelta(hours=1)))
    assert about(verdict) == ("Attach", first)
    assert case_id == first
    assert await town.rows() == 2


async def test_a_report_joins_what_its_own_batch_has_filed_before_it(town: Town) -> None:
    ended = await town.batch(read(), read(north(200)), read(north(3)), read(north(202), phone=ME))
    (_, one), (_, other), (third, _), (fourth, _) = ended
    assert about(third) == ("Attach", one)
    assert about(fourth) == ("Attach", other)


async def test_who_stands_behind_a_case_urges_it(town: Town) -> None:
    """Even through a report that joined the case by itself, in this batch or long ago."""
    [(_, first), (joined, _), (urged, _)] = await town.batch(
        read(phone=ME), read(phone=YOU), read(phone=f"+86 {YOU}")
    )
    assert about(joined) == ("Attach", first)
    assert about(urged) == ("Urge", first)
    late = T0 + 20 * DAY
    again = await town.batch(
        read(phone=YOU, at=late), read(phone=ME, at=late), read(phone="13800000003", at=late)
    )
    assert [about(verdict) for verdict, _ in again[:2]] == [("Urge", first), ("Urge", first)]
    assert about(again[2][0]) == ("nothing",)


async def test_a_joined_report_is_no_place_for_others_to_join(town: Town) -> None:
    """Else a case would creep along a street, report by report."""
    await town.batch(read(), read(north(6)))
    [(verdict, _)] = await town.batch(read(north(33)))
    assert about(verdict) == ("nothing",)


async def test_what_is_less_sure_is_suggested_and_stands_alone(town: Town) -> None:
    [(_, first)] = await town.batch(read())
    [(verdict, case_id)] = await town.batch(read(north(10), "井边上塌了一块"))
    assert about(verdict) == ("Suggest", first)
    assert case_id != first


async def test_texts_that_tell_two_things_are_not_alike(town: Town) -> None:
    [(_, three), (verdict, _)] = await town.batch(read(text="3幢门口大坑"), read(text="5幢门口大坑"))
    assert isinstance(verdict, Suggest)
    assert [(one.case_id, one.score) for one in verdict.suggested] == [(three, 0.6)]


async def test_words_of_danger_are_never_put_under_another_case(town: Town) -> None:
    [(_, first), (verdict, _)] = await town.batch(read(text="坑边着火了"), read(text="坑边着火了"))
    assert about(verdict) == ("Suggest", first)


class Unasked:
    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name}: the book was asked")


@pytest.mark.parametrize(
    "given",
    [
        {"visibility": "confidential"},
        {"category": "secret"},
        {"category": "ads"},
        {"point": None},
        {"error_m": 201.0},
    ],
)
async def test_what_is_never_compared_costs_no_look_and_leaves_no_trace(
    town: Town, given: dict[str, Any]
) -> None:
    await town.batch(read())
    repeats, one = Repeats(CITY, SECRET), read(**given)
    await repeats.look(Unasked(), [one])  # type: ignore[arg-type]
    assert list(repeats.targets()) == []
    assert repeats.verdict(one.command_id, IN_V11, T0, {}) is None
    repeats.filed(one.command_id, filing(one.message, place=IN_V11).case, joined=False)  # type: ignore[arg-type]
    assert repeats.rows == []


async def test_a_doubtful_place_is_not_compared(town: Town) -> None:
    await town.batch(read())
    [(verdict, _)] = await town.batch(read(), place=Place("V11", "V11", "low"))
    assert verdict is None
    assert await town.rows() == 1


async def test_a_report_without_a_category_is_shown_what_is_near(town: Town) -> None:
    [(_, first)] = await town.batch(read())
    [(verdict, other)] = await town.batch(read(category=None))
    assert about(verdict) == ("Suggest", first)
    await town.become(town.cases[other], category="pothole")
    [(both, _)] = await town.batch(read())
    assert isinstance(both, Attach)
    await town.become(town.cases[first], state="declined", closed_at=T0)
    [(verdict, _)] = await town.batch(read())
    assert about(verdict) == ("Attach", other)


async def test_what_changed_before_the_locks_is_judged_as_it_is(town: Town) -> None:
    [(_, first)] = await town.batch(read())
    case, later = town.cases[first], T0 + timedelta(hours=2)
    for meanwhile, expected in (
        (replace(case, state="closed", closed_at=T0 + timedelta(hours=1)), ("Reopen", first)),
        (replace(case, state="closed", closed_at=later + timedelta(hours=1)), ("Suggest", first)),
        (replace(case, state="attached", closed_at=T0), ("nothing",)),
        (replace(case, confidential=True), ("nothing",)),
        (replace(case, category="ads"), ("nothing",)),
    ):
        repeats, one = Repeats(CITY, SECRET), read(at=later)
        await repeats.look(town.table, [one])
        assert list(repeats.targets()) == [first]
        assert about(repeats.verdict(one.command_id, IN_V11, later, {first: meanwhile})) == expected


async def test_a_case_that_is_not_held_is_only_suggested(town: Town) -> None:
    [(_, first)] = await town.batch(read())
    repeats, one = Repeats(CITY, SECRET), read()
    await repeats.look(town.table, [one])
    assert about(repeats.verdict(one.command_id, IN_V11, T0, {})) == ("Suggest", first)


async def test_the_table_follows_the_lives_of_cases(town: Town) -> None:
    (_, first), _ = await town.batch(read(), read(phone=ME))
    closed = await town.become(town.cases[first], state="closed", closed_at=T0 + DAY)
    day_two = T0 + 2 * DAY
    [(verdict, _)] = await town.batch(read(at=day_two))
    assert about(verdict) == ("Reopen", first)
    opened = await town.become(closed, state="dispatched", closed_at=None)
    [(verdict, _)] = await town.batch(read(at=T0 + timedelta(hours=3)))
    assert about(verdict) == ("Attach", first)
    closed = await town.become(opened, state="closed", closed_at=T0 + DAY)
    [(verdict, again)] = await town.batch(read(at=T0 + 20 * DAY))
    assert about(verdict) == ("Recurrence", first)
    assert again != first
    rows = await town.rows()
    await town.become(closed, state="archived")
    assert await town.rows() == rows - 4


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "withdrawn", "closed_at": T0},
        {"state": "redirected", "closed_at": T0},
        {"confidential": True},
    ],
)
async def test_what_can_be_met_no_more_is_forgotten(town: Town, changes: dict[str, Any]) -> None:
    [(_, first)] = await town.batch(read())
    await town.become(town.cases[first], **changes)
    assert await town.rows() == 0


async def test_a_case_that_ends_in_the_batch_that_filed_it_is_forgotten(town: Town) -> None:
    repeats, one = Repeats(CITY, SECRET), read()
    await repeats.look(town.table, [one])
    case = filing(one.message, place=IN_V11).case  # type: ignore[arg-type]
    repeats.filed(one.command_id, case, joined=False)
    await town.conn.copy_records_to_table(
        "sightings", schema_name="private", columns=SIGHTINGS, records=repeats.rows
    )
    gone = replace(case, state="withdrawn", closed_at=T0)
    await repeats.follow(town.table, {}, {case.case_id: gone}, {})
    assert await town.rows() == 0


async def test_a_report_that_people_attached_is_met_at_its_new_case(town: Town) -> None:
    one, other = read(), read(north(25), "桥头路面塌了半边")
    [(_, first)], [(verdict, second)] = await town.batch(one), await town.batch(other)
    assert verdict is None
    attached = replace(town.cases[second], state="attached", closed_at=T0)
    homes = {other.command_id: first}
    after = {**town.cases, second: attached, first: replace(town.cases[first])}
    await Repeats(CITY, SECRET).follow(town.table, town.cases, after, homes)
    town.cases = after
    [(verdict, _)] = await town.batch(read(north(26), "桥头路面塌了半边"))
    assert about(verdict) == ("Attach", first)
    assert await town.rows() == 3


class Counting(Sightings):
    def __init__(self, conn: Any) -> None:
        super().__init__(conn)
        self.updated: list[str] = []

    async def update(self, changed: Any) -> None:
        self.updated += [case_id for case_id, *_ in changed]
        await super().update(changed)


async def test_a_report_that_joins_a_case_changes_no_sighting_of_the_others(town: Town) -> None:
    """Else a case of a thousand reports would be written whole with the next one."""
    [(_, first)] = await town.batch(read())
    town.table = counting = Counting(town.conn)
    repeats, one = Repeats(CITY, SECRET), read()
    await repeats.look(counting, [one])
    before = {first: town.cases[first]}
    assert about(repeats.verdict(one.command_id, IN_V11, T0, before)) == ("Attach", first)
    repeats.filed(one.command_id, before[first], joined=True)
    await repeats.follow(counting, before, {first: replace(before[first])}, {one.command_id: first})
    assert counting.updated == []
    await town.become(before[first], state="closed", closed_at=T0)
    assert counting.updated == [first]


async def test_a_case_that_stays_closed_is_known_as_closed(town: Town) -> None:
    """Its time to be opened again was over when the router decided: the report joined it all the same."""
    [(_, first)] = await town.batch(read())
    closed = await town.become(town.cases[first], state="closed", closed_at=T0 + DAY)
    repeats, one = Repeats(CITY, SECRET), read(at=T0 + 2 * DAY)
    await repeats.look(town.table, [one])
    assert about(repeats.verdict(one.command_id, IN_V11, T0, {first: closed})) == ("Reopen", first)
    repeats.filed(one.command_id, closed, joined=True)
    assert [row[SIGHTINGS.index("closed_at")] for row in repeats.rows] == [T0 + DAY]


async def test_in_a_flood_a_look_stays_short(town: Town) -> None:
    """All different in their words: none joins another, and yet only 16 are compared with what comes."""
    texts = [chr(0x4E00 + number) * 8 for number in range(40)]
    ended = await town.batch(*(read(text=text) for text in texts[:20]))
    ended += [each for text in texts[20:] for each in await town.batch(read(text=text))]
    assert len({case_id for _, case_id in ended}) == 40
    assert await town.conn.fetchval("SELECT count(*) FROM private.sightings WHERE compared") == 16
    [(verdict, _)] = await town.batch(read(text=texts[3]))
    assert about(verdict) == ("Attach", ended[3][1])


async def test_in_a_surge_the_radius_is_wider_in_its_area_only(town: Town) -> None:
    surge = f"""
[surges.flood]
hub_code = "T1"
begins = {(T0 - DAY).isoformat()}
ends = {(T0 + DAY).isoformat()}
categories = ["pothole"]
accept = "30m C24"
notice_zh = "汛"
notice_en = "Flood"
"""
    town.city = city_of({**COUNTABLE, "city.toml": COUNTABLE["city.toml"] + surge})
    [(_, first)] = await town.batch(read())
    [(verdict, _)] = await town.batch(read(north(36)))
    assert about(verdict) == ("Attach", first)
    [(verdict, _)] = await town.batch(read(north(-36)), place=Place("V21", "V21", "good"))
    assert about(verdict) == ("nothing",)
    [(verdict, _)] = await town.batch(read(north(36), at=T0 + timedelta(hours=25)))
    assert about(verdict) == ("nothing",)


async def test_the_reporters_key_is_not_the_number(town: Town) -> None:
    await town.batch(read(phone=ME))
    stored = await town.conn.fetchval("SELECT reporter FROM private.sightings")
    assert stored == ids.reporter_key(SECRET, ME)
    assert str(stored)[:11] != ME
