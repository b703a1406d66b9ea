"""Every state, command and kind of actor, against a table written by hand from the rules, not from LIFE.

The case: a pothole in village V11, so it stands at town T1 and belongs to the works of T1; a works account
claimed the repair. Rules: domain.md 6.6 as far as they are built, and the contract's "who may act".
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.domain.case import STATES, Case
from services.domain.life import LIFE, allowed_commands
from services.domain.messages import OF_THE_SYSTEM, SYSTEM_ACTOR, WIRE_TYPES, Actor
from tests.domain.small_case import (
    CITY,
    GUARD_OF_V11,
    GUARD_OF_V21,
    NOBODY,
    REPORTER,
    T0,
    WORKS,
    WORKS_COLLEAGUE,
    WORKS_OF_T2,
    act,
    at,
    claimed,
    command,
    dispatcher,
    done,
    filed,
    some_id,
    under_way,
)

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
    "reporter": REPORTER,
    "system": SYSTEM_ACTOR,
    "nobody": NOBODY,
}

OWNER_SIDE = {"handler", "colleague", "own dispatcher", "dispatcher above"}
DISPATCHERS = {"own dispatcher", "dispatcher above"}
VERIFIERS = {"unit of the place", "own dispatcher", "dispatcher above", "dispatcher of the place"}
READERS = {*OWNER_SIDE, "dispatcher of the place", "reporter", "system"}
BEFORE_THE_END = {"filed", "dispatched", "accepted", "in_progress", "resolved", "verifying", "rework"}

# command: who, from which states, to which state (None: it stays), with which events
EXPECTED: dict[str, tuple[set[str], set[str], str | None, list[str]]] = {
    "accept": (OWNER_SIDE, {"dispatched"}, "accepted", ["CaseAccepted"]),
    "start_work": (OWNER_SIDE, {"accepted"}, "in_progress", ["WorkStarted"]),
    "reach_milestone": (OWNER_SIDE, {"in_progress"}, None, ["MilestoneReached"]),
    "submit_resolution": (
        OWNER_SIDE,
        {"in_progress"},
        "verifying",
        ["ResolutionSubmitted", "VerificationAssigned"],
    ),
    "verify_pass": (VERIFIERS, {"verifying"}, "closed", ["VerificationPassed"]),
    "verify_fail": (VERIFIERS, {"verifying"}, "rework", ["VerificationFailed"]),
    "restart": (OWNER_SIDE, {"rework"}, "in_progress", ["WorkRestarted"]),
    "reassign": (
        DISPATCHERS,
        {"filed", "dispatched", "accepted", "in_progress"},
        "dispatched",
        ["CaseReassigned"],
    ),
    "comment": (READERS, BEFORE_THE_END, None, ["CommentAdded"]),
    "add_photos": (READERS, {*BEFORE_THE_END, "closed"}, None, ["PhotosAdded"]),
    # never refused to the timekeeper; nothing is due in this test, so it writes nothing
    "pass_deadline": ({"system"}, {*BEFORE_THE_END, "closed"}, None, []),
    # nor this; what it recounts is told in test_recomputed.py
    "recompute_dues": ({"system"}, {*BEFORE_THE_END, "closed"}, None, []),
}
PAYLOADS: dict[str, dict[str, Any]] = {
    "reach_milestone": {"stage": "on_site"},
    "submit_resolution": {"outcome": "fixed"},
    "reassign": {"owner": "guard", "hub_code": "V12"},
    "add_photos": {"photos": ("a",)},
    "pass_deadline": {"deadline_id": some_id(), "step_at": T0},
    "recompute_dues": {"years": (2027,)},
}


def case_in(state: str) -> Case:
    match state:
        case "filed":
            # passed through at once today
            return replace(filed().case, state="filed")
        case "dispatched":
            return filed().case
        case "accepted":
            return done(filed().case, "accept", WORKS)
        case "in_progress":
            return under_way()
        case "resolved":
            # left in the same decision
            return replace(claimed(T0), state="resolved")
        case "verifying":
            return claimed(T0)
        case "rework":
            return done(claimed(T0), "verify_fail", dispatcher("V11"))
        case _:
            return done(claimed(T0), "verify_pass", dispatcher("V11"))


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("kind", WIRE_TYPES)
def test_every_state_command_and_kind_of_actor(kind: str, state: str) -> None:
    who, sources, target, events = EXPECTED[kind]
    case = case_in(state)
    assert case.state == state
    for name, actor in ACTORS.items():
        settled = act(case, kind, actor, **PAYLOADS.get(kind, {}))
        told = settled.refusal.code if settled.refusal else None
        if name in who and state in sources:
            assert told is None, f"{name} may {kind} while {state}: {settled.refusal}"
            assert [event.type for event in settled.events] == events, name
            assert settled.case.state == (target or state), name
        else:
            wanted = "not_allowed" if name in who else refused_right(kind, name, case)
            assert told == wanted, f"{name} may not {kind} while {state}"
            assert settled.case is case
            assert settled.events == ()


def refused_right(kind: str, name: str, case: Case) -> str:
    if kind in ("verify_pass", "verify_fail") and name in ("handler", "colleague"):
        return "verifier_is_handler"
    return "forbidden"


@pytest.mark.parametrize("state", STATES)
def test_what_a_viewer_is_offered_is_what_would_be_decided(state: str) -> None:
    case = case_in(state)
    for name, actor in ACTORS.items():
        offered = [
            kind
            for kind, (who, sources, *_) in EXPECTED.items()
            if name in who and state in sources and kind not in OF_THE_SYSTEM
        ]
        assert sorted(allowed_commands(case, actor, CITY)) == sorted(offered), name


def test_every_row_of_the_table_is_named_by_the_expectation() -> None:
    made_by_commands = {event for *_, events in EXPECTED.values() for event in events}
    made_by_others = {
        "CaseFiled",
        "CaseDispatched",
        "SlaWarning",
        "SlaBreached",
        "CaseEscalated",
        "DutyLeaderAlerted",
        "VerificationLapsed",
        "DuesRecomputed",
    }
    assert {move.event for move in LIFE} == made_by_commands | made_by_others


# What an older expected_seq makes stale: a change of state, owner, hub or lane; never what people only add.

STALES = {
    "accept": True,
    "start_work": True,
    "reach_milestone": False,
    "submit_resolution": True,
    "reassign": True,
    "comment": False,
    "add_photos": False,
}


@pytest.mark.parametrize(("kind", "stales"), STALES.items())
def test_only_a_move_makes_what_the_caller_saw_stale(kind: str, stales: bool) -> None:
    state = min(EXPECTED[kind][1] - {"filed"})
    before = case_in(state)
    after = done(before, kind, dispatcher("T1"), **PAYLOADS.get(kind, {}))
    assert after.seq > before.seq
    # somebody who still looks at `before` comments on nothing but acts on what has changed
    # (a reassign is no longer possible after a claim: what the caller saw is judged before the state)
    settled = act(after, "reassign", dispatcher("C"), owner="gas", hub_code="C", expected_seq=before.seq)
    told = (settled.refusal.code, settled.refusal.field) if settled.refusal else None
    assert told == (("stale", "expected_seq") if stales else None)


@pytest.mark.parametrize("kind", ["verify_pass", "verify_fail"])
def test_a_verification_makes_stale(kind: str) -> None:
    before = claimed(T0)
    after = done(before, kind, dispatcher("V11"))
    settled = act(after, "restart", WORKS, expected_seq=before.seq)
    assert settled.refusal is not None
    assert settled.refusal.code == "stale"


def test_a_restart_makes_stale() -> None:
    before = case_in("rework")
    after = done(before, "restart", WORKS)
    settled = act(after, "submit_resolution", WORKS, outcome="fixed", expected_seq=before.seq)
    assert settled.refusal is not None
    assert settled.refusal.code == "stale"


def test_warnings_breaches_and_supervision_do_not_make_stale() -> None:
    case = filed().case
    late = act(case, "accept", WORKS, at(9), expected_seq=case.seq)
    assert late.refusal is None
    assert [event.type for event in late.events] == [
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
    assert [event.type for event in settled.events] == ["VerificationLapsed"]
    assert settled.refusal is not None
    assert settled.refusal.code == "stale"


@pytest.mark.parametrize("kind", ["comment", "add_photos"])
def test_an_addition_is_never_stale(kind: str) -> None:
    case = under_way()
    assert act(case, kind, WORKS, expected_seq=1, **PAYLOADS.get(kind, {})).refusal is None


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
    for actor in (WORKS, dispatcher("C"), REPORTER, Actor(ref="system")):
        settled = act(case, "pass_deadline", actor, at(1), **forged)
        assert settled.refusal is not None
        assert settled.refusal.code == "forbidden"
        assert settled.case is case


def test_a_command_carries_its_type_once() -> None:
    for kind, payload_type in WIRE_TYPES.items():
        made = command(filed().case, kind, WORKS, **PAYLOADS.get(kind, {}))
        assert type(made.payload) is payload_type
