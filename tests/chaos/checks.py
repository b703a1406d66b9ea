"""What must hold afterwards, each rule with plain code of its own. A rule answers with what breaks it.

Nothing of the product is used here but what it left behind: rows, records and answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tests.chaos.ledger import Attempt, Ledger
from tests.chaos.seen import INBOX, Seen

Complaints = Iterator[str]


def every_report_once(seen: Seen, ledger: Ledger) -> Complaints:
    """Acknowledged: exactly once. Refused or never sent: never. Unknown: at most once. Nobody else's."""
    in_book: dict[str, list[dict[str, Any]]] = {}
    for row in seen.reports:
        in_book.setdefault((row["text"] or "").split(" ")[0], []).append(row)
    keys = ledger.by_key("report")
    yield from (f"a report that nobody posted: {text!r}" for text in in_book.keys() - keys.keys())
    for key, attempts in keys.items():
        rows = in_book.get(key, [])
        ends = {attempt.end for attempt in attempts}
        if "open" in ends:
            yield f"{key}: the ledger does not know how it ended"
        elif "ok" in ends:
            yield from _acknowledged(key, attempts, rows)
        elif "unknown" in ends and len(rows) > 1:
            yield f"{key}: not confirmed, and {len(rows)} times in the book"
        elif "unknown" not in ends and rows:
            yield f"{key}: {sorted(ends)} and yet in the book"


def _acknowledged(key: str, attempts: list[Attempt], rows: list[dict[str, Any]]) -> Complaints:
    answers = [attempt.answer for attempt in attempts if attempt.end == "ok"]
    if len(rows) != 1:
        yield f"{key}: acknowledged, and {len(rows)} times in the book"
        return
    for field in ("report_id", "tracking_code", "status_url"):
        told = {answer[field] for answer in answers}
        if len(told) != 1:
            yield f"{key}: one key, several {field}: {told}"
    if rows[0]["report_id"] != answers[0]["report_id"]:
        yield f"{key}: acknowledged as {answers[0]['report_id']}, in the book as {rows[0]['report_id']}"
    if rows[0]["text"] != f"{key} first":
        yield f"{key}: the first body does not stand, but {rows[0]['text']!r}"


def one_case_per_report(seen: Seen) -> Complaints:
    of_case = Counter(row["case_id"] for row in seen.reports)
    yield from (f"case {case} has {number} reports" for case, number in of_case.items() if number != 1)
    yield from (f"case {case} has no report" for case in seen.cases.keys() - of_case.keys())
    yield from (f"a report's case {case} does not exist" for case in of_case.keys() - seen.cases.keys())


def seqs_without_a_gap(seen: Seen) -> Complaints:
    yield from (
        f"events of a case that is not there: {case}" for case in seen.events.keys() - seen.cases.keys()
    )
    for case_id, case in seen.cases.items():
        seqs = [event["seq"] for event in seen.events.get(case_id, [])]
        if seqs != list(range(1, case["seq"] + 1)):
            yield f"{case_id}: the case is at {case['seq']}, its events are {seqs}"


def every_event_on_the_topic(seen: Seen) -> Complaints:
    """Every stored event at least once, with equal content, under the case's key; and no other event."""
    stored = {(event["case_id"], event["seq"]): event for events in seen.events.values() for event in events}
    heard: set[tuple[str, int]] = set()
    for record in seen.of_topic("case-events"):
        body = record.body() or {}
        name = body["case_id"], body["seq"]
        heard.add(name)
        event = stored.get(name)
        if event is None:
            yield f"{record.name}: {name} was published and is not in the book"
        elif _event_of(body) != event:
            yield f"{record.name}: {name} differs from the book: {_event_of(body)} is not {event}"
        if record.key != name[0].encode():
            yield f"{record.name}: the key is {record.key!r}"
    yield from (f"{name} is in the book and was never published" for name in stored.keys() - heard)


def _event_of(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"occurred_at": datetime.fromisoformat(body["occurred_at"])}


def every_command_decided_once(seen: Seen) -> Complaints:
    """Each distinct command_id: exactly one outcome or, if none, at least one dead letter of its message."""
    asked: dict[str, list[str]] = {}
    for record in seen.of_topic(*INBOX):
        field = "report_id" if record.topic == "reports" else "command_id"
        command_id = (record.body() or {}).get(field, record.name)
        asked.setdefault(command_id, []).append(record.name)
    buried = {(record.body() or {}).get("id") for record in seen.of_topic("dead-letters")}
    for command_id, names in asked.items():
        if command_id not in seen.outcomes and not buried & set(names):
            yield f"command {command_id} ({names}) has neither outcome nor dead letter"
    yield from (
        f"outcome of a command that nobody sent: {one}" for one in seen.outcomes.keys() - asked.keys()
    )
    sent = {name for names in asked.values() for name in names}
    yield from (f"dead letter of a message that is not there: {one}" for one in buried - sent)


def every_event_of_one_command(seen: Seen) -> Complaints:
    """The ranges of the outcomes cover the events exactly once, each under the command that made it."""
    covered: Counter[tuple[str, int]] = Counter()
    made_by = {(e["case_id"], e["seq"]): e["command_id"] for events in seen.events.values() for e in events}
    for command_id, outcome in seen.outcomes.items():
        for case_id, first, last in outcome["ranges"]:
            for seq in range(first, last + 1):
                covered[case_id, seq] += 1
                if made_by.get((case_id, seq)) != command_id:
                    yield f"outcome {command_id} claims ({case_id}, {seq}) of {made_by.get((case_id, seq))}"
    yield from (f"{name} is claimed by {n} outcomes" for name, n in covered.items() if n != 1)
    yield from (f"{name} is claimed by no outcome" for name in made_by.keys() - covered.keys())


def every_outcome_told(seen: Seen) -> Complaints:
    told: set[str] = set()
    for record in seen.of_topic("command-outcomes"):
        body = record.body() or {}
        told.add(body["command_id"])
        row = seen.outcomes.get(body["command_id"])
        if row is None:
            yield f"{record.name}: outcome of {body['command_id']} was told and is not in the book"
            continue
        same = (
            all(body[field] == row[field] for field in ("case_id", "outcome", "code", "detail", "field"))
            and body["events"] == row["ranges"]
            and datetime.fromisoformat(body["decided_at"]) == row["decided_at"]
        )
        if not same:
            yield f"{record.name}: {body} differs from {row}"
    yield from (f"outcome {one} was never told" for one in seen.outcomes.keys() - told)


def every_answer_of_the_board_true(seen: Seen, ledger: Ledger) -> Complaints:
    """200: applied, with the events that were told. Refused with an id: refused, for the reason told."""
    events = {(e["case_id"], e["seq"]): e for found in seen.events.values() for e in found}
    applied: Counter[str] = Counter()
    for key, attempts in ledger.by_key("command").items():
        ids = {a.answer["command_id"] for a in attempts if a.answer.get("command_id")}
        if len(ids) > 1:
            yield f"command {key}: one key, several commands {ids}"
        for attempt in attempts:
            outcome = seen.outcomes.get(attempt.answer.get("command_id") or "")
            if attempt.end == "ok":
                if outcome is None or outcome["outcome"] != "applied":
                    yield f"command {key}: answered 200, the book says {outcome}"
                applied.update(ids)
                for told in attempt.answer["events"]:
                    event = events.get((told["case_id"], told["seq"]), {})
                    if any(event.get(f) != told[f] for f in ("type", "actor_ref", "command_id", "payload")):
                        yield f"command {key}: told {told}, the book says {event}"
            elif attempt.end == "refused" and attempt.answer.get("command_id"):
                code = attempt.answer["code"]
                if outcome is None or outcome["code"] != code:
                    yield f"command {key}: answered {code}, the book says {outcome}"
            elif attempt.end == "open":
                yield f"command {key}: the ledger does not know how it ended"


def no_answer_without_a_reason(ledger: Ledger) -> Complaints:
    """Whoever was killed: a door says 503 or hangs up; 500 means that nobody thought of it."""
    for attempt in ledger.attempts:
        if attempt.status is not None and attempt.status >= 500 and attempt.status != 503:
            yield f"{attempt.kind} {attempt.key} was answered {attempt.status}: {attempt.answer}"
