"""A town of cases that people attach, take apart, give on and reopen in any order: domain.md 6.6 holds.

Every rule is one message, as the router settles it; hypothesis looks for the shortest story that breaks one.
"""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from services.domain.case import ENDED, Case
from services.domain.events import Event, Likeness
from services.domain.evolve import evolve
from services.domain.filing import Known
from services.domain.life import allowed_commands
from services.domain.messages import OF_THE_SYSTEM, SYSTEM_ACTOR, WIRE_TYPES, Actor
from tests.domain import invariants
from tests.domain.random_life import BY_REPORTER, CATEGORIES, someone, values
from tests.domain.small_case import CITY, IN_OFFICIAL_YEARS, T0, dispatcher, ids_begin_again
from tests.domain.small_town import Town, by_report, partner, unit

CHANCE = st.integers(0, 2**32 - 1).map(random.Random)
MINUTES = st.sampled_from((0, 0, 0, 1, 5, 30, 90, 240, 600, 3000))
NEXT = {
    "triaging": ("file_case",),
    "need_info": ("supply_info",),
    "declined": ("appeal",),
    "dispatched": ("accept",),
    "accepted": ("start_work",),
    "in_progress": ("submit_resolution",),
    "suspended": ("resume",),
    "verifying": ("verify_pass", "verify_fail"),
    "rework": ("restart",),
    "closed": ("reopen",),
}
"""The way that a case goes if nothing comes between."""


def everybody(case: Case) -> list[Actor]:
    return [
        *(dispatcher(hub) for hub in ("C", "T1", "V11")),
        *(by_report(one) for one in case.reports),
        *(
            partner(one.unit, one.hub_code) if one.partner else unit(one.unit, one.hub_code)
            for one in case.side.invited
        ),
        unit(case.owner, case.owner_hub_code),
    ]


class World(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        ids_begin_again()
        self.town = Town()
        self.now = T0
        self.told: dict[str, list[tuple[Event, Case]]] = {}
        self.seen = 0
        self.settled: Case | None = None

    @initialize(category=st.sampled_from(CATEGORIES))
    def it_begins(self, category: str | None) -> None:
        self.town.report(category, self.now)

    @rule(minutes=MINUTES)
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        self.settled = None

    @rule(category=st.sampled_from(CATEGORIES), danger=st.booleans(), chance=CHANCE)
    def somebody_reports(self, category: str | None, danger: bool, chance: random.Random) -> None:
        like = Likeness(case_id=self.some_case(chance).case_id, score=0.8)
        self.settled = self.town.report(category, self.now, Known(danger=danger, like=(like,)))

    @rule(chance=CHANCE, same_reporter=st.booleans())
    def somebody_reports_what_is_known(self, chance: random.Random, same_reporter: bool) -> None:
        """The router joins reports to cases that are open or closed, and neither secret nor parts."""
        case = self.some_case(chance)
        known = case.state not in ENDED or case.state == "closed"
        if known and not case.confidential and case.side.parent_case_id is None:
            self.settled = self.town.join(case, self.now, same_reporter=same_reporter).case

    @rule(chance=CHANCE, minutes=MINUTES, times=st.integers(1, 12))
    def people_act(self, chance: random.Random, minutes: int, times: int) -> None:
        for _ in range(times):
            self.somebody_acts(chance)
            self.now += timedelta(minutes=chance.choice((0, minutes)))

    def somebody_acts(self, chance: random.Random) -> None:
        """Any command that somebody may send to a case now, each as likely as the others."""
        case = self.some_case(chance)
        able = {kind: [SYSTEM_ACTOR] for kind in sorted(OF_THE_SYSTEM)}
        for actor in everybody(case):
            for kind in allowed_commands(case, actor, CITY):
                able.setdefault(kind, []).append(actor)
        kind = chance.choice(sorted(able))
        self.send(kind, case, chance.choice(able[kind]), chance)

    @rule(chance=CHANCE, minutes=MINUTES)
    def somebody_errs(self, chance: random.Random, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        case = self.some_case(chance)
        kind = chance.choice(sorted(WIRE_TYPES.keys() - OF_THE_SYSTEM))
        self.send(kind, case, someone(chance, case, kind), chance)

    def send(self, kind: str, case: Case, actor: Actor, chance: random.Random) -> None:
        others = sorted(self.town.cases.keys() - {case.case_id})
        wanted: dict[str, Any] = values(chance, kind, case, others)
        self.town.city = IN_OFFICIAL_YEARS if kind == "recompute_dues" else CITY
        self.settled = self.town.act(case, kind, actor, self.now, **wanted).case

    @rule(chance=CHANCE, steps=st.integers(1, 6))
    def a_case_goes_its_way(self, chance: random.Random, steps: int) -> None:
        case = self.some_case(chance)
        for _ in range(steps):
            kinds = NEXT.get(case.state)
            if kinds is None:
                return
            kind = chance.choice(kinds)
            desk = dispatcher("V11" if kind.startswith("verify") else "C")
            actor = by_report(chance.choice(case.reports)) if kind in BY_REPORTER and case.reports else desk
            wanted: dict[str, Any] = values(chance, kind, case)
            case = self.settled = self.town.act(case, kind, actor, self.now, **wanted).case

    def cases(self) -> list[Case]:
        return [self.town.cases[key] for key in sorted(self.town.cases)]

    def some_case(self, chance: random.Random) -> Case:
        open_ones = [case for case in self.cases() if case.open]
        return chance.choice(open_ones if open_ones and chance.random() < 0.8 else self.cases())

    # What holds after every message.

    @invariant()
    def the_stream_tells_the_same_cases(self) -> None:
        """Applied event by event, each as it was written."""
        new = self.town.events[self.seen :]
        self.seen = len(self.town.events)
        for event in new:
            past = self.told.setdefault(event.case_id, [])
            past.append((event, evolve(past[-1][1] if past else None, event)))
        for case_id in {event.case_id for event in new}:
            assert self.told[case_id][-1][1] == self.town.cases[case_id]

    @invariant()
    def all_cases_together_keep_theirs(self) -> None:
        invariants.every_report_stands_with_one_case(self.town.events, self.town.cases)
        invariants.a_parent_whose_work_is_done_has_no_required_part_open(self.town.cases)
        invariants.parts_in_order_wait_for_each_other(self.town.cases)

    @invariant()
    def what_has_come_was_passed(self) -> None:
        if self.settled is not None:
            invariants.nothing_that_has_come_is_left(self.settled, self.settled.last_event_at)

    def teardown(self) -> None:
        """The whole stories; and however they are delivered, twice and out of order, they end the same."""
        for history in self.told.values():
            for holds in invariants.OF_A_CASE:
                holds(history)
        chance = random.Random(len(self.town.events))
        sent = self.town.events + chance.sample(self.town.events, len(self.town.events) // 2)
        chance.shuffle(sent)
        assert invariants.consumed(sent) == self.town.cases


class OtherWorld(World):
    """Longer stories, and more of them."""


BOUNDED = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
"""The same stories every time: a build does not fail by chance."""
IN_PATIENCE = pytest.mark.timeout(900)
"""A story that fails is told again and again until it is the shortest."""

TestWorld: Any = IN_PATIENCE(World.TestCase)
TestWorld.settings = BOUNDED
TestOtherWorld: Any = pytest.mark.long(IN_PATIENCE(OtherWorld.TestCase))
TestOtherWorld.settings = settings(BOUNDED, max_examples=400, stateful_step_count=60)
