"""A check that never complains proves nothing: each is shown, on the storm's own data, one thing gone wrong.

Every sabotage alters a copy and names the question that must notice.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from tests.chaos import checks
from tests.chaos.ledger import Ledger
from tests.chaos.replayed import replay_gives_the_rows
from tests.chaos.seen import Seen
from tests.chaos.steps import TIMER_EVENTS, every_step_once

Question = Callable[[Seen, Ledger], Iterable[str]]


def unnoticed(seen: Seen, ledger: Ledger) -> Iterator[str]:
    for alter, question in _SABOTAGES:
        spoiled = alter(_copy(seen))
        if not any(True for _ in question(spoiled, ledger)):
            yield f"{alter.__name__}: {getattr(question, '__name__', question)} did not notice"


def _copy(seen: Seen) -> Seen:
    """The containers are new, the rows the same: a sabotage replaces rows, it does not alter them."""
    return replace(
        seen,
        reports=list(seen.reports),
        cases=dict(seen.cases),
        events={case: list(events) for case, events in seen.events.items()},
        deadlines={case: list(rows) for case, rows in seen.deadlines.items()},
        outcomes=dict(seen.outcomes),
        records=list(seen.records),
    )


def _some_step(seen: Seen) -> tuple[str, int]:
    """Where a timer event stands that is not the last of its case."""
    return next(
        (case_id, index)
        for case_id, events in seen.events.items()
        for index, event in enumerate(events[:-1])
        if event["type"] in TIMER_EVENTS
    )


def a_report_is_lost(seen: Seen) -> Seen:
    del seen.reports[len(seen.reports) // 2]
    return seen


def a_report_is_there_twice(seen: Seen) -> Seen:
    seen.reports.append(seen.reports[-1])
    return seen


def a_later_body_stands(seen: Seen) -> Seen:
    row = seen.reports[0]
    seen.reports[0] = row | {"text": row["text"].replace(" first", " other")}
    return seen


def two_reports_share_a_case(seen: Seen) -> Seen:
    seen.reports[0] = seen.reports[0] | {"case_id": seen.reports[1]["case_id"]}
    return seen


def an_event_is_lost(seen: Seen) -> Seen:
    case_id, index = _some_step(seen)
    del seen.events[case_id][index]
    return seen


def an_event_was_never_published(seen: Seen) -> Seen:
    case_id, index = _some_step(seen)
    name = f"{case_id}/{seen.events[case_id][index]['seq']}".encode()
    seen.records = [record for record in seen.records if record.headers.get("ce_id") != name]
    return seen


def an_event_differs_from_the_book(seen: Seen) -> Seen:
    case_id, index = _some_step(seen)
    event = copy.deepcopy(seen.events[case_id][index])
    event["payload"]["percent"] += 1
    seen.events[case_id][index] = event
    return seen


def an_outcome_is_lost(seen: Seen) -> Seen:
    del seen.outcomes[next(iter(seen.outcomes))]
    return seen


def two_outcomes_claim_an_event(seen: Seen) -> Seen:
    first, other, *_ = (key for key, row in seen.outcomes.items() if row["ranges"])
    seen.outcomes[other] = seen.outcomes[other] | {"ranges": seen.outcomes[first]["ranges"]}
    return seen


def a_dead_letter_is_lost(seen: Seen) -> Seen:
    seen.records = [record for record in seen.records if record.topic != "dead-letters"]
    return seen


def an_applied_command_is_refused(seen: Seen) -> Seen:
    for key, row in seen.outcomes.items():
        if row["outcome"] == "applied":
            seen.outcomes[key] = row | {"outcome": "refused", "code": "stale"}
    return seen


def a_step_comes_twice(seen: Seen) -> Seen:
    case_id, index = _some_step(seen)
    seen.events[case_id].insert(index, seen.events[case_id][index])
    return seen


def a_step_comes_early(seen: Seen) -> Seen:
    case_id, index = _some_step(seen)
    event: dict[str, Any] = seen.events[case_id][index]
    seen.events[case_id][index] = event | {"occurred_at": seen.cases[case_id]["received_at"]}
    return seen


def a_row_is_behind_its_events(seen: Seen) -> Seen:
    case_id, _ = _some_step(seen)
    seen.cases[case_id] = seen.cases[case_id] | {"stale_seq": 1_000}
    return seen


def _of(question: Callable[[Seen], Iterable[str]]) -> Question:
    def asked(seen: Seen, _ledger: Ledger) -> Iterable[str]:
        return question(seen)

    asked.__name__ = question.__name__
    return asked


_SABOTAGES: tuple[tuple[Callable[[Seen], Seen], Question], ...] = (
    (a_report_is_lost, checks.every_report_once),
    (a_report_is_there_twice, checks.every_report_once),
    (a_later_body_stands, checks.every_report_once),
    (two_reports_share_a_case, _of(checks.one_case_per_report)),
    (an_event_is_lost, _of(checks.seqs_without_a_gap)),
    (an_event_is_lost, _of(checks.every_event_on_the_topic)),
    (an_event_is_lost, _of(every_step_once)),
    (an_event_was_never_published, _of(checks.every_event_on_the_topic)),
    (an_event_differs_from_the_book, _of(checks.every_event_on_the_topic)),
    (an_outcome_is_lost, _of(checks.every_command_decided_once)),
    (an_outcome_is_lost, _of(checks.every_outcome_told)),
    (two_outcomes_claim_an_event, _of(checks.every_event_of_one_command)),
    (a_dead_letter_is_lost, _of(checks.every_command_decided_once)),
    (an_applied_command_is_refused, checks.every_answer_of_the_board_true),
    (a_step_comes_twice, _of(every_step_once)),
    (a_step_comes_early, _of(every_step_once)),
    (a_row_is_behind_its_events, _of(replay_gives_the_rows)),
)
