"""A case told in words from its events alone: where it is and why, what happened, when each date falls.

Names come from the version of the city that each event was decided by; without it the codes are said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from itertools import accumulate
from typing import Any

from services.console.words import Language, Words
from services.domain.case import Case, Deadline
from services.domain.city import City
from services.domain.events import Event
from services.domain.evolve import evolve, replay
from services.domain.limits import parse_limit

_CODED = (
    "hub", "owner_hub", "from_hub", "owner", "from_owner", "unit", "stage", "clock", "category", "place",
    "reason", "resolved", "state",
)  # fmt: skip
# Of the events that list something: how much it is.
_COUNTED = ("candidates", "parts", "invited")


def story(events: Sequence[Event], cities: Mapping[int, City], language: Language) -> Iterator[str]:
    case = replay(events)
    city = cities.get(case.city_version)
    words = Words(language, city.zone if city is not None else UTC)
    names = _Names(cities, words)
    yield words.say("case.head", number=case.number, case_id=case.case_id)
    for version in sorted({event.city_version for event in events} - cities.keys()):
        yield words.say("case.unreadable", version=version)
    yield from _now(case, names, words)
    yield words.say("case.way")
    for event in events:
        yield f"  {event.seq:>3}  {words.instant(event.occurred_at)}  {_told(event, names, words)}"
    if not case.deadlines:
        yield words.say("case.no_dues")
        return
    yield words.say("case.dues")
    for deadline in case.deadlines:
        yield from _due(deadline, case, events, names, words)


class _Names:
    def __init__(self, cities: Mapping[int, City], words: Words) -> None:
        self._cities = cities
        self._chinese = words.language == "zh"
        self._words = words

    def of(self, kind: str, code: Any, version: int) -> str:
        """`works (施工)`: what a code is called, if the version is there and knows it."""
        if code is None:
            return "-"
        if kind in ("stage", "clock"):
            # a stage may say whose it is: report_in:water_co@320506
            plain, _, whose = str(code).partition(":")
            key = f"{kind}.{plain}"
            said = self._words.say(key) if self._words.has(key) else plain
            return f"{said} ({whose})" if whose else said
        if kind in ("reason", "resolved", "state"):
            return self._reason("answer" if kind == "resolved" else kind, str(code), version)
        city = self._cities.get(version)
        if city is None:
            return str(code)
        if kind.endswith("hub") or kind == "place":
            hub = city.hubs.get(code)
            return f"{hub.name} ({code})" if hub else str(code)
        known: Any = city.categories.get(code) if kind == "category" else city.units.get(code)
        known = known or city.policy.partners.get(code)
        return (known.name_zh if self._chinese else known.name_en) if known else str(code)

    def _reason(self, kind: str, code: str, version: int) -> str:
        key = f"{kind}.{code}"
        if self._words.has(key):
            return self._words.say(key)
        city = self._cities.get(version)
        known = city.policy.declines.get(code) if city else None
        return (known.name_zh if self._chinese else known.name_en) if known else code

    def tier(self, level: int, version: int) -> str:
        city = self._cities.get(version)
        tier = city.tiers.get(level) if city else None
        return str(level) if tier is None else tier.name_zh if self._chinese else tier.name_en

    def calendar(self, code: str, version: int) -> str:
        city = self._cities.get(version)
        known = city.calendars.get(code) if city else None
        return self._words.calendar(known) if known else code


def _now(case: Case, names: _Names, words: Words) -> Iterator[str]:
    version = case.city_version
    state = words.say(f"state.{case.state}")
    if not case.open:
        yield words.say("case.closed", state=state)
        return
    yield words.say(
        "case.now",
        state=state,
        owner=names.of("owner", case.owner, version),
        hub=names.of("hub", case.owner_hub_code, version),
        acts=names.of("hub", case.hub_code, version),
    )
    if case.supervised_level is not None:
        yield words.say("case.supervised", tier=names.tier(case.supervised_level, version))


def _told(event: Event, names: _Names, words: Words) -> str:
    body = event.payload
    values: dict[str, Any] = {name: getattr(body, name) for name in body.__dataclass_fields__}
    if (part := values.get("part")) is not None:
        values |= {"number": part.number, "state": part.state}
    values["count"] = next((len(values[name]) for name in _COUNTED if name in values), 0)
    for name in _CODED:
        code = values.get(name, values.get(f"{name}_code"))
        values[name] = names.of(name, code, event.city_version)
    values["at"] = words.instant(body.step_at) if "step_at" in values else ""
    values["pct"] = values.get("percent")
    if event.type == "DuesRecomputed":
        values |= {"years": _listed(body.years), "count": len(body.dues)}
    unrouted = ".unrouted" if values.get("unrouted") else ""
    said = words.say(f"event.{event.type}{unrouted}", **values)
    return f"{said}; {words.say('case.version', version=event.city_version)}"


def _due(
    deadline: Deadline, case: Case, events: Sequence[Event], names: _Names, words: Words
) -> Iterator[str]:
    setter = events[deadline.set_seq - 1]
    version = setter.city_version
    limit = parse_limit(deadline.limit)
    yield "  " + words.say(
        "due.line",
        clock=names.of("clock", deadline.clock, version),
        stage=names.of("stage", deadline.stage, version),
        due=words.instant(deadline.due_at),
        official=words.official(deadline.official),
    )
    yield "      " + words.say(
        "due.rule",
        limit=words.limit(limit),
        start=words.instant(deadline.start_at),
        seq=setter.seq,
        rule=_rule(deadline, case, setter, names, words),
        version=words.say("case.version", version=version),
    )
    yield "      " + words.say("due.counted", calendar=names.calendar(limit.calendar, version))
    for paused_at, resumed_at in deadline.pauses:
        stood = {"from": words.instant(paused_at), "to": words.instant(resumed_at)}
        yield "      " + words.say("due.stood", **stood)
    for event in events:
        if event.type == "DuesRecomputed":
            for row in event.payload.dues:
                if (row.clock, row.stage, row.set_seq) == deadline.key:
                    yield "      " + words.say(
                        "due.moved",
                        seq=event.seq,
                        years=_listed(event.payload.years),
                        from_due=words.instant(row.from_due_at),
                    )
    if deadline.original_due_at is not None and deadline.extended_by is not None:
        extended = words.limit(parse_limit(deadline.extended_by))
        yield "      " + words.say(
            "due.original", limit=extended, due=words.instant(deadline.original_due_at)
        )
    yield "      " + _end(deadline, events, words)


def _rule(deadline: Deadline, case: Case, setter: Event, names: _Names, words: Words) -> str:
    if deadline.stage in ("verify", "triage"):
        return words.say(f"rule.{deadline.stage}", priority=case.priority)
    if deadline.stage.partition(":")[0] in ("info", "decision", "suspension", "archive", "report_in"):
        return words.say("rule.life")
    category = names.of("category", case.category, setter.city_version)
    kind = "accept" if deadline.stage == "accept" else "milestone"
    rule = words.say(f"rule.{kind}", category=category, stage=deadline.stage)
    return words.say("rule.reassigned", rule=rule) if setter.type == "CaseReassigned" else rule


def _end(deadline: Deadline, events: Sequence[Event], words: Words) -> str:
    ended = deadline.met_at or deadline.closed_at
    if ended is not None:
        key = "due.ended" if deadline.met_at is None else "due.met"
        late = ""
        if key == "due.met" and ended > deadline.due_at:
            key, late = "due.late", words.length(ended - deadline.due_at)
        return words.say(key, at=words.instant(ended), seq=_ended_by(deadline, events), late=late)
    if deadline.step is None or deadline.next_at is None:
        return words.say("due.top" if deadline.step is None else "due.still")
    return words.say("due.next", step=deadline.step, at=words.instant(deadline.next_at))


def _ended_by(deadline: Deadline, events: Sequence[Event]) -> int:
    """The last event after which the row was open no more."""
    seq = 0
    was_open = False
    states = accumulate(events[1:], evolve, initial=evolve(None, events[0]))
    for case in states:
        found = next((d for d in case.deadlines if d.key == deadline.key), None)
        is_open = found is not None and found.open
        if was_open and not is_open:
            seq = case.seq
        was_open = is_open
    return seq


def _listed(years: Sequence[int]) -> str:
    return ", ".join(map(str, years))
