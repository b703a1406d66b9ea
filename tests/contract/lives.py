"""Lives of cases that together leave out no command and no event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from typing import Any, Final

from services.domain.events import Likeness
from services.domain.filing import Known
from services.domain.messages import (
    AcceptCase,
    AddComment,
    AddPhotos,
    AppealDecline,
    AttachCase,
    DecideExtension,
    DecideReturn,
    DecideSuspension,
    DeclineReport,
    DetachReport,
    FailVerification,
    FileCase,
    ForceAssignCase,
    Invited,
    KeepApart,
    PassVerification,
    RaisePriority,
    ReachMilestone,
    ReassignCase,
    RecordCallback,
    RedirectReport,
    ReopenCase,
    ReportIn,
    RequestExtension,
    RequestInfo,
    RequestReturn,
    RestartWork,
    ResumeCase,
    SetCategory,
    SetVariant,
    SplitCase,
    SubmitResolution,
    SuperviseCase,
    SupplyInfo,
    SuspendCase,
    UrgeCase,
    WantedPart,
    Whistle,
    WithdrawReport,
)
from tests.contract.rooms import BANK, CENTRE, GAS, GUARD, PHOTO, T0, TOWN, VILLAGE, WORKS, Rooms


def mended(rooms: Rooms) -> None:
    case = rooms.report("pothole", hub_code="V11", photos=(PHOTO,), captured_at=T0, on_behalf=True)
    rooms.send(VILLAGE, case, AddComment())
    rooms.reporter_sends(case, UrgeCase())
    rooms.begin_work(case)
    rooms.reporter_sends(case, AddPhotos(photos=(PHOTO,)))
    rooms.send(WORKS, case, ReachMilestone(stage="on_site"))
    rooms.claim(case)
    rooms.refuse(WORKS, case, PassVerification(), code="verifier_is_handler")
    for _ in range(2):
        rooms.send(VILLAGE, case, FailVerification())
        rooms.send(WORKS, case, RestartWork())
        rooms.claim(case)
    rooms.send(VILLAGE, case, FailVerification())  # the third time: a problem ticket
    rooms.send(WORKS, case, RestartWork())
    rooms.claim(case)
    rooms.send(VILLAGE, case, PassVerification())
    agent = replace(VILLAGE, roles=("callback_agent",))
    rooms.send(agent, case, RecordCallback(resolved="partly"))
    rooms.reporter_sends(case, RecordCallback(resolved="no", satisfaction=2))
    assert rooms.reporter_sends(case, ReopenCase()).cycle == 2


def late(rooms: Rooms) -> None:
    case = rooms.report("gas", visibility="confidential")
    for _ in range(3):  # accept: warning, due, and no tier above the top to supervise
        rooms.pass_next_step(case)
    rooms.begin_work(case, GAS)
    rooms.send(GAS, case, SubmitResolution(outcome="unfounded"))
    rooms.refuse(GAS, case, SubmitResolution(outcome="unfounded"), code="not_allowed")
    rooms.pass_next_step(case)
    assert rooms.cases[case].unverified
    rooms.pass_next_step(case)
    assert rooms.cases[case].state == "archived"


def looked_at(rooms: Rooms) -> None:
    case = rooms.report(None)
    rooms.send(TOWN, case, RequestInfo())
    rooms.reporter_sends(case, SupplyInfo(photos=(PHOTO,)))
    rooms.send(TOWN, case, DeclineReport(reason="outside"))
    rooms.reporter_sends(case, AppealDecline())
    filed = rooms.send(CENTRE, case, FileCase(category="ads", hub_code="V12"))
    assert filed.owner == "guard"
    silent = rooms.report(None)
    rooms.send(TOWN, silent, RequestInfo())
    rooms.pass_next_step(silent, "info")
    assert rooms.cases[silent].state == "declined"
    burning = rooms.report("fire")
    rooms.send(CENTRE, burning, RedirectReport(to="119", receipt="2026-4711"))


def the_same_problem(rooms: Rooms) -> None:
    one = rooms.report("pothole")
    alike = Likeness(case_id=one, score=0.9, distance_m=12.5)
    other = rooms.report("pothole", known=Known(like=(alike,), recurrence_of=rooms.report("ads")))
    looked_at = rooms.report(None)
    for joins, then in ((other, "dispatched"), (looked_at, "triaging")):
        rooms.send(TOWN, joins, AttachCase(to_case_id=one))
        rooms.send(TOWN, one, DetachReport(report_id=rooms.cases[joins].report_id or ""))
        assert rooms.cases[joins].state == then
    rooms.send(TOWN, other, AttachCase(to_case_id=one))
    rooms.join(one, same_reporter=True)
    came = [rooms.join(one, likeness=alike) for _ in range(3)]  # of three the priority rises, five are many
    assert rooms.cases[one].side.group_issue
    rooms.send(TOWN, one, DetachReport(report_id=came[0]))
    alone = rooms.report("pothole", known=Known(like=(alike,)))
    rooms.send(TOWN, alone, KeepApart(case_id=one))
    rooms.refuse(TOWN, alone, KeepApart(case_id=one), code="invalid")
    assert rooms.reporter_sends(alone, WithdrawReport()).state == "withdrawn"


def whose(rooms: Rooms) -> None:
    case = rooms.report("pothole")
    rooms.send(TOWN, case, SetVariant(variant="deep"))
    rooms.send(TOWN, case, SetCategory(category="ads"))
    rooms.send(WORKS, case, RequestReturn(owner="guard", hub_code="V11"))
    rooms.send(TOWN, case, DecideReturn(approve=True))
    rooms.send(GUARD, case, RequestReturn(clause="7.2"))
    rooms.send(TOWN, case, DecideReturn(approve=False))
    rooms.send(TOWN, case, RaisePriority(reason="school_gate"))
    rooms.send(TOWN, case, ReassignCase(owner="works", hub_code="T1"))
    assert rooms.cases[case].side.problem_ticket
    rooms.send(CENTRE, case, ForceAssignCase(owner="guard", hub_code="V12"))


def in_parts(rooms: Rooms) -> None:
    case = rooms.report("pothole")
    rooms.send(WORKS, case, AcceptCase())
    parts = (
        WantedPart(owner="works"),
        WantedPart(owner="guard", hub_code="V11", category="ads", required=False),
    )
    first, second = rooms.send(TOWN, case, SplitCase(parts=parts, ordered=True)).side.parts
    rooms.begin_work(first.case_id)
    rooms.claim(first.case_id)
    rooms.send(VILLAGE, first.case_id, PassVerification())
    assert rooms.cases[second.case_id].state == "dispatched"
    rooms.claim(case)


def together(rooms: Rooms) -> None:
    case = rooms.report("pothole")
    rooms.begin_work(case)
    rooms.send(TOWN, case, Whistle(invite=(Invited(unit="bank"), Invited(unit="guard", hub_code="V11"))))
    rooms.send(BANK, case, ReportIn(), room="intake")
    rooms.pass_next_step(case, "report_in:guard@V11")
    assert rooms.cases[case].supervised_level == 1
    rooms.send(replace(CENTRE, roles=("supervisor",)), case, SuperviseCase())


def more_time(rooms: Rooms) -> None:
    case = rooms.report("pothole")
    rooms.begin_work(case)
    rooms.send(WORKS, case, RequestExtension(limit="5d"))
    rooms.send(TOWN, case, DecideExtension(approve=False))
    rooms.send(WORKS, case, RequestExtension(limit="2WD OFF"))
    rooms.pass_next_step(case, "decision")
    rooms.send(TOWN, case, DecideExtension(approve=True))
    rooms.pass_next_step(case, "resolve")
    assert rooms.cases[case].side.backlogged


def standing_still(rooms: Rooms) -> None:
    case = rooms.report("pothole")
    rooms.begin_work(case)
    for approve in (False, True):
        rooms.send(WORKS, case, SuspendCase(reason="weather"))
        rooms.send(TOWN, case, DecideSuspension(approve=approve))
    rooms.send(WORKS, case, ResumeCase())
    rooms.send(TOWN, case, SetVariant(variant="deep"))
    rooms.send(replace(TOWN, hubs=("C",)), case, SuspendCase(reason="weather"))
    rooms.pass_next_step(case, "suspension")
    rooms.send(TOWN, case, SuspendCase(reason="waiting_for_reporter"))
    rooms.pass_next_step(case, "suspension")
    assert rooms.cases[case].outcome == "no_response"


def moved(rooms: Rooms) -> None:
    case = rooms.report("pothole")
    for _ in range(3):
        rooms.pass_next_step(case)
    rooms.send(TOWN, case, ReassignCase(owner="town_desk"))
    rooms.recompute(case, 2026)


LIVES: Final[tuple[Callable[[Rooms], None], ...]] = (
    mended,
    late,
    looked_at,
    the_same_problem,
    whose,
    in_parts,
    together,
    more_time,
    standing_still,
    moved,
)


def messages_of(life: Callable[[Rooms], None]) -> list[tuple[Any, str]]:
    rooms = Rooms()
    life(rooms)
    return rooms.sent


def all_messages() -> list[tuple[Any, str]]:
    return list(chain.from_iterable(map(messages_of, LIVES)))
