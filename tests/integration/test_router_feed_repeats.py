"""The sample feed through the router's own transactions: its duplicates are attached or suggested."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest

from services.adapters import city_book
from services.adapters.book import Book
from services.adapters.clock import Clock
from services.domain import ids
from services.domain.events import Event
from services.domain.messages import Content, Location, SubmitReport
from services.router.batch import settle_batch
from services.router.reading import Incoming, Read, point_of
from tests.domain.small_case import T0
from tests.integration.test_city_files import WUZHONG

SECRET = b"x" * 32
BATCH = 40


def read(number: int, line: dict[str, Any]) -> Read:
    body, contact = line["body"], line["body"].get("contact") or {}
    at = T0 + timedelta(seconds=line["at_s"])
    location = Location(**body["location"]) if "location" in body else None
    report = SubmitReport(
        report_id=ids.report_id(SECRET, "feed", str(number)),
        received_at=at,
        channel=body["channel"],
        category=body.get("category"),
        hub_code=body.get("hub_code"),
        captured_at=at - timedelta(seconds=line["captured_before_s"]),
        visibility=body.get("visibility", "masked"),
    )
    content = Content(phone=contact.get("phone"), text=body.get("text"), location=location)
    return Read(Incoming("reports", 0, number, b"", b"", (), at), report, content, point_of(location))


@pytest.fixture
async def events(database_url: str) -> list[Event]:
    await city_book.load_folder(database_url, WUZHONG, now=T0)
    lines = [json.loads(line) for line in (WUZHONG / "sample-reports.jsonl").read_text("utf-8").splitlines()]
    reads = [read(n, line) for n, line in enumerate(lines, start=1) if line["expect"]["status"] == 202]
    written, book = [], Book(database_url)
    for start in range(0, len(reads), BATCH):
        settlement = await settle_batch(book, reads[start : start + BATCH], Clock(None), SECRET)
        assert settlement.letters == []
        written += settlement.events
    await book.close()
    return written


async def test_duplicates_of_the_feed_are_attached_or_suggested_and_nothing_else_is_attached(
    events: list[Event],
) -> None:
    lines = [json.loads(line) for line in (WUZHONG / "sample-reports.jsonl").read_text("utf-8").splitlines()]
    problem = {
        ids.report_id(SECRET, "feed", str(n)): line["expect"].get("duplicate_of", n)
        for n, line in enumerate(lines, start=1)
    }
    of_case = {e.case_id: problem[e.payload.report_id] for e in events if e.seq == 1}
    own_case = {e.payload.report_id: e.case_id for e in events if e.seq == 1}
    attached = {e.payload.report_id: e.case_id for e in events if e.type == "ReportAdded"}
    suggested: defaultdict[str, set[str]] = defaultdict(set)
    for event in events:
        if event.type == "DuplicatesSuggested":
            suggested[event.case_id] |= {one.case_id for one in event.payload.candidates}
    assert attached
    for report_id, case_id in attached.items():
        assert problem[report_id] == of_case[case_id]
    repeats = [i for i, n in problem.items() if i != ids.report_id(SECRET, "feed", str(n))]
    found = {
        report_id
        for report_id in repeats
        if report_id in attached
        or any(of_case[one] == problem[report_id] for one in suggested[own_case[report_id]])
    }
    assert len(repeats) == 26
    assert found == set(repeats)
    wrong = [
        case_id for case_id, cases in suggested.items() if of_case[case_id] not in {of_case[c] for c in cases}
    ]
    assert len(wrong) <= 1
