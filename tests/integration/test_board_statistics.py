"""`GET /v1/statistics` on the real board: whose cases count for whom, its shapes, its limits, its file."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.adapters import statistics as book_statistics
from services.adapters.city_files import read_city, read_folder
from services.adapters.settings import PROJECT
from services.adapters.statistics_sheet import sheet
from services.domain import events, ids
from services.domain.case import Case
from services.domain.filing import file_report
from services.domain.messages import WIRE_TYPES, Actor, CaseCommand, SubmitReport
from services.domain.place import Place
from services.domain.rates import RATES
from services.domain.settling import Settled, settle
from tests.integration.board_desk import COMMUNITY, DISTRICT, ELSEWHERE, SIBLING, TOWN, Desk, open_desk
from tests.integration.laid_book import lay

CITY = read_city(read_folder(PROJECT / "deploy/city/wuzhong"), 1)
NOW = datetime.now(UTC).replace(microsecond=0)
# within C24, whatever day it is: streetlights and the like would wait for an office
CATEGORY = "tree_hazard"  # of the town, urban management: accept 1 h C24, resolve 24 h C24
BEGUN = NOW - timedelta(days=3)
_numbers = itertools.count(1)


@pytest.fixture
async def desk(database_url: str, broker: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, broker, tmp_path) as one:
        yield one


def _actor(hub: str) -> Actor:
    return Actor(ref=f"dispatcher {hub}", roles=("dispatcher",), hubs=(hub,))


class Told:
    """A case of the city from its report on, by commands that must be applied."""

    def __init__(self, category: str = CATEGORY, place: str = COMMUNITY, *, begun: datetime = BEGUN) -> None:
        self.report_id = ids.report_id(b"x" * 32, "test", str(next(_numbers)))
        report = SubmitReport(
            report_id=self.report_id,
            received_at=begun,
            channel="resident",
            category=category,
            visibility="confidential" if CITY.categories[category].confidential else "masked",
        )
        self.begun = begun
        self.events: list[events.Event] = []
        self.case = self._take(file_report(report, place=Place(place, place, "good"), city=CITY, now=begun))
        if self.case.state == "triaging":
            self.do("file_case", _actor(DISTRICT), 0, category=category)

    def _take(self, settled: Settled) -> Case:
        assert settled.refusal is None, settled.refusal
        self.events += settled.events
        self.case = settled.case
        return settled.case

    def do(self, kind: str, actor: Actor, minutes: float, **values: Any) -> Told:
        now = self.begun + timedelta(minutes=minutes)
        command = CaseCommand(
            command_id=ids.command_id(b"x" * 32, actor.ref, self.case.case_id, f"{kind} {minutes}"),
            case_id=self.case.case_id,
            type=kind,
            actor=actor,
            received_at=now,
            payload=WIRE_TYPES[kind](**values),
        )
        self._take(settle(self.case, command, now=now, city=CITY))
        return self

    def handled(self) -> Told:
        hub = _actor(self.case.hub_code)
        self.do("accept", hub, 30).do("start_work", hub, 31)
        self.do("submit_resolution", hub, 60, outcome="fixed", photos=("a" * 32,))
        return self.do("verify_pass", Actor(ref=f"report:{self.report_id}", roles=("reporter",)), 90)


async def put(desk: Desk, *cases: Told) -> None:
    await lay(desk.book, [one.case for one in cases], [event for one in cases for event in one.events])


async def read(client: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    answer = await client.get("/v1/statistics", params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_a_town_and_its_hubs(desk: Desk) -> None:
    await put(desk, Told().handled(), Told(), Told("exposed_garbage"), Told(place="320506001013"))
    client = await desk.sign_in(TOWN)
    body = await read(client)
    assert (body["hub_code"], body["by"], body["next_cursor"], body["total"]) == (TOWN, "hub", None, 2)
    assert [(one["key"], one["name_zh"], one["level"]) for one in body["items"]] == [
        (TOWN, "越溪街道", 2),
        (COMMUNITY, "莫舍社区", 3),
    ]
    town = body["items"][0]
    response = town["response_rate"]
    assert (response["n"], response["hits"], response["rate"], response["rank"]) == (2, 1, 0.5, None)
    # (1 + z²/2) / (2 + z²) ± … = 0.5 ± 0.4055, with z = 1.96
    assert (response["low"], response["high"]) == (
        pytest.approx(0.0945, abs=1e-4),
        pytest.approx(0.9055, abs=1e-4),
    )
    assert (town["on_time_close_rate"]["hits"], town["strict_on_time"]["hits"]) == (1, 1)
    assert (town["resolution_rate"]["hits"], town["callback_coverage"]["rate"]) == (1, 1.0)
    assert town["satisfaction_rate"] == {
        "n": 0,
        "hits": 0,
        "rate": None,
        "low": None,
        "high": None,
        "rank": None,
    }
    assert (town["overdue_open"], town["cycles"], town["accept_due"]) == (1, 2, 2)
    assert town["time_to_accept"] == {"n": 1, "median_s": 1800, "p90_s": 1800}
    assert town["time_to_resolve"] == {"n": 1, "median_s": 3600, "p90_s": 3600}
    assert town["suspended"] == {"n": 0, "elapsed_s": 0, "working_s": 0}
    assert {one.name for one in RATES} <= town.keys()
    assert body["all"]["name_en"] == "All"
    whole = await read(await desk.sign_in(DISTRICT), by="tier")
    assert [(one["key"], one["name_en"], one["cycles"]) for one in whole["items"]] == [
        ("2", CITY.tiers[2].name_en, 3),
        ("3", CITY.tiers[3].name_en, whole["items"][1]["cycles"]),
    ]


async def test_groups_by_category_and_owner(desk: Desk) -> None:
    await put(desk, Told().handled(), Told("elevator_fault"))
    client = await desk.sign_in(TOWN)
    by_category = await read(client, by="category")
    assert [(one["key"], one["name_zh"]) for one in by_category["items"]] == [
        ("elevator_fault", CITY.categories["elevator_fault"].name_zh),
        (CATEGORY, CITY.categories[CATEGORY].name_zh),
    ]
    by_owner = await read(client, by="owner")
    assert {one["key"] for one in by_owner["items"]} == {
        f"property_company@{COMMUNITY}",
        f"town_urban_mgmt@{TOWN}",
    }


async def test_who_may_ask_for_what(desk: Desk) -> None:
    await put(desk, Told(), Told("elevator_fault"))
    community = await desk.sign_in(COMMUNITY)
    assert (await read(community))["all"]["cycles"] == 2, "both are where it is, though the town has one"
    assert (await read(await desk.sign_in(SIBLING)))["all"]["cycles"] == 0
    for hub, status in ((ELSEWHERE, 403), (DISTRICT, 403), ("1", 404)):
        assert (await community.get("/v1/statistics", params={"hub": hub})).status_code == status
    assert (await desk.client().get("/v1/statistics")).status_code == 401


async def test_a_confidential_case_counts_only_for_who_may_read_it(desk: Desk) -> None:
    """Fraud clues go to the police of the town; the district sees them once they are supervised."""
    hidden = Told("fraud_clue", begun=NOW - timedelta(hours=2))
    assert (hidden.case.confidential, hidden.case.hub_code) == (True, TOWN)
    await put(desk, hidden)
    for hub, seen in ((TOWN, 1), (COMMUNITY, 0), (DISTRICT, 0)):
        assert (await read(await desk.sign_in(hub)))["all"]["accept_due"] == seen, hub
    await desk.book.execute("UPDATE cases SET supervised_level = 1")
    for hub, seen in ((TOWN, 1), (COMMUNITY, 0), (DISTRICT, 1)):
        assert (await read(await desk.sign_in(hub)))["all"]["accept_due"] == seen, hub


async def test_the_period_is_that_of_the_dues(desk: Desk) -> None:
    await put(desk, Told())
    client = await desk.sign_in(TOWN)
    due = BEGUN + timedelta(hours=24)
    before = {"from": (due - timedelta(hours=1)).isoformat()}
    assert (await read(client, **before, to=due.isoformat()))["all"]["cycles"] == 0
    until = (due + timedelta(seconds=1)).isoformat()
    assert (await read(client, **before, to=until))["all"]["cycles"] == 1
    # in the city's time zone
    on = due.astimezone(CITY.zone).date()
    dates = {"from": on.isoformat(), "to": (on + timedelta(days=1)).isoformat()}
    body = await read(client, **dates)
    assert body["all"]["cycles"] == 1
    assert datetime.fromisoformat(body["from"]) == datetime(on.year, on.month, on.day, tzinfo=CITY.zone)


async def test_what_lies_ahead_is_left_out(desk: Desk) -> None:
    await put(desk, Told(begun=NOW - timedelta(minutes=70)))
    period = {"from": BEGUN.isoformat(), "to": (NOW + timedelta(days=30)).isoformat()}
    body = await read(await desk.sign_in(TOWN), **period)
    assert (body["all"]["accept_due"], body["all"]["cycles"]) == (1, 0)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "2026-01-01", "to": "2025-01-01"}, "to"),
        ({"from": "2024-01-01", "to": "2025-06-01"}, "from"),
        ({"from": "2030-01-01", "to": "2030-06-01"}, "from"),
        ({"from": "yesterday"}, "from"),
        ({"to": "2026-01-01T00:00"}, "to"),
        ({"to": "0001-01-01"}, "to"),
        ({"by": "courier"}, "by"),
        ({"format": "xlsx"}, "format"),
        ({"partly": "2"}, "partly"),
        ({"partly": "nan"}, "partly"),
        ({"since": "2026-01-01"}, "since"),
    ],
)
async def test_a_wrong_question_names_the_field(desk: Desk, query: dict[str, str], field: str) -> None:
    answer = await (await desk.sign_in(TOWN)).get("/v1/statistics", params=query)
    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_the_file_says_what_the_answer_says(desk: Desk) -> None:
    await put(desk, Told().handled(), Told(), Told("elevator_fault"))
    client = await desk.sign_in(TOWN)
    body = await read(client)
    asked = await client.get("/v1/statistics", params={"format": "csv"})
    wanted = await client.get("/v1/statistics", headers={"Accept": "text/csv, */*;q=0.1"})
    assert asked.content.startswith(b"\xef\xbb\xbf"), "so that a spreadsheet reads the Chinese"
    assert asked.headers["content-type"] == "text/csv; charset=utf-8"
    assert f'filename="statistics-{TOWN}-hub-' in asked.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(asked.content.decode("utf-8-sig"))))
    assert rows == list(csv.DictReader(io.StringIO(wanted.content.decode("utf-8-sig"))))
    assert [row["hub"] for row in rows] == ["all", TOWN, COMMUNITY]
    for row, group in zip(rows, [body["all"], *body["items"]], strict=True):
        assert row["name_zh"] == group["name_zh"]
        assert int(row["overdue_open"]) == group["overdue_open"]
        for one in RATES:
            told = group[one.name]
            assert int(row[one.name + "_n"]) == told["n"]
            assert row[one.name] == ("" if told["rate"] is None else f"{told['rate']:.4f}")
            assert row[one.name + "_high"] == ("" if told["high"] is None else f"{told['high']:.4f}")
            assert row[one.name + "_rank"] == ""
    assert rows[1]["time_to_accept_median_h"] == "0.5000"


def test_no_cell_is_a_formula() -> None:
    names = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "越溪", 'a "b", c']
    rows = list(
        csv.reader(io.StringIO(sheet([{"name": name, "n": -1} for name in names]).decode("utf-8-sig")))
    )
    assert [row[0] for row in rows[1:]] == [*("'" + name for name in names[:6]), "越溪", 'a "b", c']
    assert rows[1][1] == "-1", "a number is a number"


async def test_thirty_make_a_rank(desk: Desk) -> None:
    good = [Told().handled() for _ in range(30)]
    other = [Told(place="320506001013") for _ in range(30)]
    await put(desk, *good, *other)
    body = await read(await desk.sign_in(DISTRICT))
    places = {one["key"]: one["response_rate"]["rank"] for one in body["items"]}
    assert places == {TOWN: 1, ELSEWHERE: 2}
    assert body["all"]["response_rate"]["rank"] is None, "it stands alone"


async def test_what_takes_too_long_is_given_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await desk.sign_in(TOWN)
    monkeypatch.setattr(book_statistics, "STATEMENT_SECONDS", 1)
    async with desk.book.transaction():
        await desk.book.execute("LOCK TABLE deadlines")
        answer = await client.get("/v1/statistics")
    assert (answer.status_code, answer.json()["code"]) == (503, "too_slow")
    assert answer.headers["retry-after"] == "30"
