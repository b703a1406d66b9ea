"""Where a report stands follows from the events of its case."""

from __future__ import annotations

from functools import reduce

from services.domain.report_homes import reports_after
from tests.domain.random_life import walk
from tests.domain.small_case import filed

NONE: frozenset[str] = frozenset()


def test_a_report_stands_with_the_case_that_it_begins() -> None:
    begun = filed()
    first, *rest = begun.events
    here = reports_after(NONE, first)
    assert here == {first.payload.report_id}
    for event in rest:
        assert reports_after(here, event) is here


def test_through_a_whole_life() -> None:
    for seed in range(30):
        life = walk(seed)
        assert reduce(reports_after, life.events, NONE) == {life.report.report_id}
