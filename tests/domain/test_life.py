"""Every state, command and role, allowed and forbidden, against a table written by hand from the rules.

The case: a pothole in village V11, so it stands at town T1 and belongs to the works of T1, one of whose
accounts claims the repair; gas of C and the partner bank were asked to join once it was accepted. Rules:
domain.md 6.6 and the contract's "who may act"; nothing here is read from LIFE.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import pytest

from services.domain import ids
from services.domain.case import STATES, Case
from services.domain.events import Likeness
from services.domain.life import LIFE, allowed_commands
from services.domain.messages import OF_THE_SYSTEM, SYSTEM_ACTOR, WIRE_TYPES, Actor, Invited, WantedPart
from services.domain.settling import settle
from tests.domain.small_case import (
    GUARD_OF_V11,
    GUARD_OF_V21,
    NOBODY,
    T0,
    WORKS,
    WORKS_COLLEAGUE,
    WORKS_OF_T2,
    act,
    at,
    changed,
    claimed,
    command,
    dispatcher,
    done,
    filed,
    some_id,
    under_way,
)
from tests.domain.small_town import SOMETHING, Town, by_report, partner, types, unit, with_role

CITY = changed(
    "categories.csv",
    "on_site=6h C24;resolve=10h C24,,S",
    "on_site=6h C24;resolve=10h C24,deep:resolve=20h C24,S",
)
"""A pothole may be deep."""

ACTORS = {
    "handler": WORKS,
    "colleague": WORKS_COLLEAGUE,
    "same unit elsewhere": WORKS_OF_T2,
    "unit of the place": GUARD_OF_V11,
    "unit elsewhere": GUARD_OF_V21,
    "own dispatcher": dispatcher("T1"),
    "dispatcher above": dispatcher("C"),
    "dispatcher of the place": dispatcher("V11"),
    "dispatcher of a neighbour village": dispatcher("V12"),
    "dispatcher of another town": dispatcher("T2"),
    "supervisor": with_role("supervisor", "T1"),
    "supervisor above": with_role("supervisor", "C"),
    "supervisor of the place": with_role("supervisor", "V11"),
    "supervisor elsewhere": with_role("supervisor", "T2"),
    "callback agent": with_role("callback_agent", "T1"),
    "callback agent elsewhere": with_role("callback_agent", "T2"),
    "auditor": with_role("auditor", "C"),
    "invited unit": unit("gas", "C"),
    "invited partner": partner("bank", "T1"),
    "partner nobody asked": partner("shop", "T1"),
    "reporter": by_report("the report"),
    "somebody else's reporter": by_report("another report"),
    "system": SYSTEM_ACTOR,
    "nobody": NOBODY,
}

UNIT = {"handler", "colleague"}
DISPATCHERS = {"own dispatcher", "dispatcher above"}
INVITED = {"invited unit", "invited partner"}
WHO: dict[str, set[str]] = {
    "owner": UNIT | DISPATCHERS,
    # of a case that stands still for the weather; test_suspensions tells of one that waits for its reporter
    "resumer": UNIT | DISPATCHERS,
    "unit": UNIT,
    "dispatcher": DISPATCHERS,
    "above": {"dispatcher above", "supervisor", "supervisor above"},
    # of a case that stands at a town; test_joint tells of one that stands at a village
    "whistler": DISPATCHERS,
    "verifier": {
        *DISPATCHERS, "dispatcher of the place", "reporter", "supervisor", "supervisor above",
        "supervisor of the place",
    },
    "caller": {"callback agent", "reporter"},
    "reopener": {"dispatcher above", "supervisor", "supervisor above", "reporter"},
    "reporter": {"reporter"},
    "invited": INVITED,
    "party": {
        *UNIT, *DISPATCHERS, *INVITED, "dispatcher of the place", "supervisor", "supervisor above",
        "supervisor of the place", "callback agent", "auditor", "reporter", "system",
    },
    "system": {"system"},
}  # fmt: skip

TRIAGE = {"triaging", "need_info"}
AT_WORK = {"accepted", "in_progress"}
GIVEN = {"dispatched", *AT_WORK}
UNDER_WAY = {"filed", *GIVEN}
BEFORE_CLAIM = {*TRIAGE, *UNDER_WAY, "suspended", "rework"}
OPEN = {*BEFORE_CLAIM, "resolved", "verifying"}
OVER = {"declined", "redirected", "attached", "closed", "archived", "withdrawn"}
NO_OWNER_YET = {*TRIAGE, "declined", "redirected"}
"""The town's desk looks at it: no unit has it."""
NOBODY_ASKED = {*NO_OWNER_YET, "filed", "dispatched", "attached", "withdrawn"}
REPORT_IS_GONE = {"attached", "withdrawn"}


@dataclass(frozen=True)
class Rule:
    """`who` may do it in `states`: then it is `target` (None: it stays) after `events`.

    `stales`: whoever still looks at the case as it was before must look again.
    """

    who: str
    states: set[str]
    target: str | None
    events: str
    stales: bool
    values: dict[str, Any] = field(default_factory=dict)


TWIN = ids.case_id(T0, "the twin's report")
LIKE = ids.case_id(T0, "a like report")
PART = WantedPart(owner="guard", hub_code="V12")
V12 = {"owner": "guard", "hub_code": "V12"}
# fmt: off
EXPECTED: dict[str, Rule] = {
    "request_info": Rule("dispatcher", {"triaging"}, "need_info", "InfoRequested", True),
    "supply_info": Rule("reporter", {"need_info"}, "triaging", "InfoSupplied", True),
    "decline": Rule("dispatcher", TRIAGE, "declined", "ReportDeclined", True, {"reason": "outside"}),
    "appeal": Rule("reporter", {"declined"}, "triaging", "DeclineAppealed", True),
    "redirect": Rule("dispatcher", {"triaging"}, "redirected", "ReportRedirected", True, {"to": "119"}),
    "attach": Rule("dispatcher", {*TRIAGE, "dispatched"}, "attached",
                   "ReportAttached ReportAdded", True, {"to_case_id": TWIN}),
    "keep_apart": Rule("dispatcher", {*TRIAGE, *UNDER_WAY}, None, "LikenessDismissed", False,
                       {"case_id": LIKE}),
    "detach": Rule("dispatcher", OPEN, None, "ReportRemoved TriageStarted", False, {"report_id": "joined"}),
    "file_case": Rule("dispatcher", {"triaging"}, "dispatched", "CaseFiled CaseDispatched", True,
                      {"category": "pothole"}),
    "accept": Rule("owner", {"dispatched"}, "accepted", "CaseAccepted", True),
    "request_return": Rule("owner", {"dispatched"}, None, "ReturnRequested", True, {"owner": "gas"}),
    "decide_return": Rule("dispatcher", {"dispatched"}, "dispatched", "ReturnApproved", True,
                          {"approve": True, **V12}),
    "reassign": Rule("dispatcher", UNDER_WAY, "dispatched", "CaseReassigned", True, V12),
    "force_assign": Rule("above", UNDER_WAY, "dispatched", "CaseReassigned", True, {"owner": "works"}),
    "set_variant": Rule("dispatcher", GIVEN, None, "VariantSet", False, {"variant": "deep"}),
    "set_category": Rule("dispatcher", GIVEN, None, "CategoryChanged", False, {"category": "leak"}),
    "raise_priority": Rule("dispatcher", BEFORE_CLAIM, None, "PriorityRaised", False, {"reason": "injury"}),
    "start_work": Rule("owner", {"accepted"}, "in_progress", "WorkStarted", True),
    "reach_milestone": Rule("owner", {"in_progress"}, None, "MilestoneReached", False, {"stage": "on_site"}),
    "split": Rule("owner", AT_WORK, "in_progress", "PartFiled CaseDispatched CaseDecomposed", True,
                  {"parts": (PART,)}),
    "whistle": Rule("whistler", AT_WORK, None, "JointRequested", True,
                    {"invite": (Invited(unit="city_desk"),)}),
    "report_in": Rule("invited", {*GIVEN, "suspended", "rework"}, None, "UnitReportedIn", False),
    "request_extension": Rule("owner", AT_WORK, None, "ExtensionRequested", True, {"limit": "24h C24"}),
    "decide_extension": Rule("dispatcher", AT_WORK, None, "ExtensionGranted", True, {"approve": True}),
    "suspend": Rule("dispatcher", {"in_progress"}, "suspended", "CaseSuspended", True, {"reason": "weather"}),
    "decide_suspension": Rule("dispatcher", {"in_progress"}, "suspended", "CaseSuspended", True,
                              {"approve": True}),
    "resume": Rule("resumer", {"suspended"}, "in_progress", "CaseResumed", True),
    "submit_resolution": Rule("owner", {"in_progress"}, "verifying",
                              "ResolutionSubmitted VerificationAssigned", True, {"outcome": "fixed"}),
    "verify_pass": Rule("verifier", {"verifying"}, "closed", "VerificationPassed", True),
    "verify_fail": Rule("verifier", {"verifying"}, "rework", "VerificationFailed", True),
    "restart": Rule("owner", {"rework"}, "in_progress", "WorkRestarted", True),
    "record_callback": Rule("caller", {"closed"}, None, "CallbackRecorded", False, {"resolved": "yes"}),
    "reopen": Rule("reopener", {"closed"}, "dispatched", "CaseReopened", True),
    "withdraw": Rule("reporter", BEFORE_CLAIM, "withdrawn", "ReportWithdrawn CaseWithdrawn", True),
    "urge": Rule("reporter", OPEN, None, "CaseUrged", False),
    "supervise": Rule("above", OPEN, None, "CaseSupervised", False),
    "comment": Rule("party", OPEN, None, "CommentAdded", False),
    "add_photos": Rule("party", {*OPEN, "closed"}, None, "PhotosAdded", False, {"photos": ("a",)}),
    # never refused to the timekeeper; nothing is due in this test, so they write nothing
    "pass_deadline": Rule("system", set(STATES), None, "", False, SOMETHING),
    "recompute_dues": Rule("system", set(STATES), None, "", False, {"years": (2027,)}),
}
# What the same command makes in other hands, or when it says no.
OTHERWISE: list[tuple[str, Rule]] = [
    ("suspend", Rule("unit", {"in_progress"}, None, "SuspensionRequested", True, {"reason": "weather"})),
    ("decide_return", Rule("dispatcher", {"dispatched"}, None, "ReturnRejected", True, {"approve": False})),
    ("decide_extension", Rule("dispatcher", AT_WORK, None, "ExtensionRefused", True, {"approve": False})),
    ("decide_suspension", Rule("dispatcher", {"in_progress"}, None, "SuspensionRefused", True,
                               {"approve": False})),
]
# What nobody sends: the area tests say when it follows. Event, from where, to where, and whether it stales.
SYSTEM: list[tuple[str, set[str], str | None, bool]] = [
    ("TriageStarted", set(), "triaging", True),
    ("CaseFiled", set(), "filed", True),
    ("PartFiled", set(), "filed", True),
    ("CaseDispatched", {"filed"}, "dispatched", True),
    ("ReportAdded", {*OPEN, "closed"}, None, False),
    ("DuplicatesSuggested", {*TRIAGE, *UNDER_WAY}, None, False),
    ("DutyDeskPaged", OPEN, None, False),
    ("PriorityRaised", OPEN, None, False),
    ("GroupIssueDeclared", OPEN, None, False),
    ("ReportDetached", {"attached"}, "triaging", True),
    ("CaseDetached", {"attached"}, "dispatched", True),
    ("ChildChanged", {*OPEN, "closed", "archived", "withdrawn"} - {*TRIAGE, "filed"}, None, False),
    ("ChildResolved", {*OPEN, "closed", "archived", "withdrawn"} - {*TRIAGE, "filed"}, None, False),
    ("VerificationAssigned", {"resolved"}, "verifying", True),
    ("DuesRecomputed", OPEN, None, False),
    ("SlaWarning", OPEN, None, False),
    ("SlaBreached", OPEN, None, False),
    ("CaseEscalated", OPEN, None, False),
    ("DutyLeaderAlerted", OPEN, None, False),
    ("WaitEnded", OPEN, None, False),
    ("CaseBacklogged", OPEN, None, False),
    # the tier above leads: another hub
    ("ProblemTicketOpened", BEFORE_CLAIM, None, True),
    ("NoResponseClosed", {"suspended"}, "closed", True),
    ("VerificationLapsed", {"verifying"}, "closed", True),
    ("CaseArchived", {"closed"}, "archived", True),
]

# The way to each state; the report has no category where people look first.
Path = list[tuple[str, Actor, dict[str, Any]]]
WHISTLED: Path = [("accept", WORKS, {}),
            ("whistle", dispatcher("T1"), {"invite": (Invited(unit="gas"), Invited(unit="bank"))})]
WORKED: Path = [*WHISTLED, ("start_work", WORKS, {})]
CLAIMED: Path = [*WORKED, ("submit_resolution", WORKS, {"outcome": "fixed"})]
CLOSED: Path = [*CLAIMED, ("verify_pass", dispatcher("V11"), {})]
PATHS: dict[str, Path] = {
    "triaging": [],
    "need_info": [("request_info", dispatcher("T1"), {})],
    "declined": [("decline", dispatcher("T1"), {"reason": "outside"})],
    "redirected": [("redirect", dispatcher("T1"), {"to": "119"})],
    "attached": [("attach", dispatcher("T1"), {"to_case_id": TWIN})],
    "filed": [],
    "dispatched": [],
    "accepted": WHISTLED,
    "in_progress": WORKED,
    "suspended": [*WORKED, ("suspend", dispatcher("T1"), {"reason": "weather"})],
    "resolved": CLAIMED,
    "verifying": CLAIMED,
    "rework": [*CLAIMED, ("verify_fail", dispatcher("V11"), {})],
    "closed": CLOSED,
    "archived": CLOSED,
    "withdrawn": [("withdraw", by_report("the report"), {})],
}
# What must have happened, in a state that allows it, for a command to make sense.
NEEDS: dict[str, tuple[str, Actor, dict[str, Any]]] = {
    "decide_return": ("request_return", WORKS, {"owner": "gas"}),
    "decide_extension": ("request_extension", WORKS, {"limit": "24h C24"}),
    "decide_suspension": ("suspend", WORKS, {"reason": "weather"}),
}
# fmt: on
PREPARED = {*NEEDS, "detach", "keep_apart"}


@cache
def town_in(state: str) -> tuple[Town, Case]:
    """Beside the case stands its twin, to be attached to."""
    town = Town(city=CITY)
    town.report(report_id="the twin's report")
    case = town.report(None if state in NO_OWNER_YET else "pothole", report_id="the report")
    for kind, actor, values in PATHS[state]:
        case = town.do(case, kind, actor, **values)
    if state == "archived":
        town.wait(at(31 * 24))
        case = town[case]
    if state in ("filed", "resolved"):
        # passed through in one decision: only an ordered part stays filed, and nothing stays resolved
        as_if: Any = state
        case = town.cases[case.case_id] = replace(case, state=as_if)
    assert case.state == state
    return town, case


@cache
def ready(kind: str, state: str) -> tuple[Town, Case]:
    """The case in that state, prepared for the command if it can be."""
    town, case = town_in(state)
    if state not in EXPECTED[kind].states or kind not in PREPARED:
        return town, case
    prepared = Town(*town.cases.values(), city=CITY)
    if kind == "detach":
        prepared.join(case, report_id="joined")
    elif kind == "keep_apart":
        suggested = (Likeness(case_id=LIKE, score=0.7),)
        prepared.cases[case.case_id] = replace(case, side=replace(case.side, suggested=suggested))
    else:
        asked, actor, values = NEEDS[kind]
        prepared.do(case, asked, actor, **values)
    return prepared, prepared[case]


def may(rule: Rule, state: str) -> set[str]:
    who = set(WHO[rule.who])
    verifies = rule.who == "verifier"
    if state in NO_OWNER_YET:
        who -= UNIT
    if state in NOBODY_ASKED and not verifies:
        who -= INVITED
    if state in REPORT_IS_GONE:
        who -= {"reporter"}
    if state not in OVER:
        who -= {"callback agent"}
    return who


def refused_right(rule: Rule, name: str, state: str) -> str:
    handled = rule.who == "verifier" and name in UNIT and state not in NO_OWNER_YET
    return "verifier_is_handler" if handled else "forbidden"


@pytest.mark.parametrize("state", STATES)
def test_every_command_and_role_in(state: str) -> None:
    for kind, usual in EXPECTED.items():
        town, case = ready(kind, state)
        others = {key: one for key, one in town.cases.items() if key != case.case_id}
        for name, actor in ACTORS.items():
            named = f"{name}: {kind} while {state}"
            rule = OTHERWISE[0][1] if (kind, name in UNIT) == ("suspend", True) else usual
            settled = settle(
                case, command(case, kind, actor, **rule.values), now=T0, city=CITY, others=others
            )
            refused = settled.refusal.code if settled.refusal else None
            if name in may(rule, state) and state in rule.states:
                assert refused is None, f"{named}: {settled.refusal}"
                assert types(settled.events) == rule.events.split(), named
                assert settled.case.state == (rule.target or state), named
                assert (settled.case.stale_seq > case.stale_seq) is rule.stales, named
            else:
                # the right comes first, so that nobody learns a state that is not his to see
                right = "not_allowed" if name in may(rule, state) else refused_right(rule, name, state)
                assert refused == right, named
                assert (settled.case, settled.events) == (case, ()), named


@pytest.mark.parametrize("state", STATES)
def test_what_a_viewer_is_offered_is_what_would_be_decided_in(state: str) -> None:
    """`allowed`: nothing that would be refused, and nothing less. In `ready` one more thing is possible."""
    _, case = town_in(state)
    for name, actor in ACTORS.items():
        can = {
            kind
            for kind, rule in EXPECTED.items()
            if state in rule.states
            and kind not in OF_THE_SYSTEM
            and (name in may(rule, state) or (kind == "suspend" and name in UNIT))
        }
        offered = allowed_commands(case, actor, CITY)
        assert offered == [kind for kind in WIRE_TYPES if kind in offered], "in the order of the table"
        assert set(offered) == can - PREPARED, name
        for kind in PREPARED & can:
            assert kind in allowed_commands(ready(kind, state)[1], actor, CITY), name


@pytest.mark.parametrize(("kind", "rule"), OTHERWISE, ids=lambda one: getattr(one, "events", one))
def test_the_other_end_of(kind: str, rule: Rule) -> None:
    for state in sorted(rule.states):
        _, case = ready(kind, state)
        for name in sorted(WHO[rule.who]):
            settled = act(case, kind, ACTORS[name], city=CITY, **rule.values)
            assert settled.refusal is None
            assert types(settled.events) == rule.events.split()
            assert (settled.case.state, settled.case.stale_seq > case.stale_seq) == (state, rule.stales)


def test_every_row_of_the_table_is_named_by_the_expectation() -> None:
    """By event, where it may come from, where it leads to, and whether it stales; no row more, none less."""
    made_beside = {"TriageStarted", "VerificationAssigned", "CaseDispatched", "PartFiled", "ReportAdded"}
    expected = {
        (event, frozenset(rule.states), target_of(rule, event), rule.stales and event != "ReportWithdrawn")
        for rule in (*EXPECTED.values(), *(rule for _, rule in OTHERWISE))
        for event in rule.events.split()
        if event not in made_beside
    } | {(event, frozenset(states), target, stales) for event, states, target, stales in SYSTEM}
    table = {(move.event, frozenset(move.sources), move.target, move.stales) for move in LIFE}
    assert table - expected == set()
    assert expected - table == set()


def target_of(rule: Rule, event: str) -> str | None:
    """Where two events are written in one decision, the first has led somewhere too."""
    return {"CaseFiled": "filed", "ResolutionSubmitted": "resolved", "ReportWithdrawn": None}.get(
        event, rule.target
    )


def test_the_expectation_covers_all_there_is() -> None:
    assert set(EXPECTED) == set(WIRE_TYPES)
    assert {state for rule in EXPECTED.values() for state in rule.states} == set(STATES) == set(PATHS)
    assert {move.who for move in LIFE} == set(WHO) - {"unit"}
    roles = {role for actor in ACTORS.values() for role in actor.roles}
    assert roles == {
        "unit", "dispatcher", "supervisor", "callback_agent", "auditor", "partner", "reporter", "system",
    }  # fmt: skip
    assert {name for who in WHO.values() for name in who} <= set(ACTORS)


# What a caller must have seen.


def test_who_looks_at_what_has_moved_on_looks_again() -> None:
    before = under_way()
    after = done(before, "submit_resolution", WORKS, outcome="fixed")
    # a restart is not possible either: what the caller saw is judged before the state
    settled = act(after, "restart", WORKS, expected_seq=before.seq)
    assert settled.refusal is not None
    assert (settled.refusal.code, settled.refusal.field) == ("stale", "expected_seq")


def test_warnings_breaches_and_supervision_do_not_make_stale() -> None:
    case = filed().case
    late = act(case, "accept", WORKS, at(9), expected_seq=case.seq)
    assert late.refusal is None
    assert types(late.events) == [
        "SlaWarning",
        "SlaBreached",
        "CaseEscalated",
        "SlaBreached",
        "DutyLeaderAlerted",
        "SlaWarning",
        "CaseAccepted",
    ]


def test_a_lapsed_verification_makes_stale() -> None:
    case = claimed(at(1))
    settled = act(case, "verify_pass", dispatcher("V11"), at(50), expected_seq=case.seq)
    assert types(settled.events) == ["VerificationLapsed"]
    assert settled.refusal is not None
    assert settled.refusal.code == "stale"


@pytest.mark.parametrize(("kind", "values"), [("comment", {}), ("add_photos", {"photos": ("a",)})])
def test_an_addition_is_never_stale(kind: str, values: dict[str, Any]) -> None:
    assert act(under_way(), kind, WORKS, expected_seq=1, **values).refusal is None


@pytest.mark.parametrize("name", ["reporter", "invited partner"])
def test_a_reporter_and_a_guest_need_not_have_seen_anything(name: str) -> None:
    """They have a link, not a desk."""
    _, case = town_in("in_progress")
    kind = "withdraw" if name == "reporter" else "comment"
    assert act(case, kind, ACTORS[name], city=CITY, expected_seq=1).refusal is None


def test_the_present_seq_and_one_that_only_additions_followed_are_fresh() -> None:
    case = done(under_way(), "comment", WORKS)
    for seen in (case.seq, case.seq - 1):
        assert act(case, "submit_resolution", WORKS, outcome="fixed", expected_seq=seen).refusal is None
    assert act(case, "submit_resolution", WORKS, outcome="fixed", expected_seq=case.seq - 2).refusal


def test_a_seq_that_the_case_has_not_reached_was_never_seen() -> None:
    case = filed().case
    settled = act(case, "accept", WORKS, expected_seq=3)
    assert settled.refusal is not None
    assert (settled.refusal.code, settled.refusal.field) == ("invalid", "expected_seq")
    assert settled.refusal.detail == "the case is only at 2: read it again and send the seq that you then see"
    assert settled.case is case
    # where nothing is expected, nothing is compared
    assert act(case, "comment", WORKS, expected_seq=99).refusal is None


def test_only_the_system_passes_deadlines_and_nobody_else_moves_the_clock() -> None:
    case = filed().case
    forged: dict[str, Any] = {"deadline_id": some_id(), "step_at": at(1000)}
    for actor in (WORKS, dispatcher("C"), by_report(case.reports[0]), Actor(ref="system")):
        settled = act(case, "pass_deadline", actor, at(1), **forged)
        assert settled.refusal is not None
        assert settled.refusal.code == "forbidden"
        assert settled.case is case
