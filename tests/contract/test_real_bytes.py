"""Bytes that the code makes while three cases live and end in a small city: all of them fit the schemas."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from services.adapters import codec
from services.adapters.city_files import read_city
from services.adapters.seal import SealKeys
from services.domain.case import NEVER, Case
from services.domain.clocks import step_id
from services.domain.events import EVENT_TYPES, Event
from services.domain.filing import file_report
from services.domain.messages import (
    SYSTEM_ACTOR,
    TYPE_OF,
    WIRE_TYPES,
    AcceptCase,
    Actor,
    AddComment,
    AddPhotos,
    CaseCommand,
    Command,
    Content,
    DeadLetter,
    FailVerification,
    Location,
    Outcome,
    PassDeadline,
    PassVerification,
    ReachMilestone,
    ReassignCase,
    RecomputeDues,
    RestartWork,
    StartWork,
    SubmitReport,
    SubmitResolution,
)
from services.domain.place import Place
from services.domain.settling import Settled, settle
from tests.contract.judge import faults, record
from tests.domain.small_city import FILES

CITY = read_city(FILES, 7)
OFFICIAL = read_city(
    {**FILES, "calendar-days/2026.csv": "date,day,name,source\n2026-10-01,holiday,Founding,made up\n"}, 8
)
T0 = datetime(2026, 11, 24, 8, 0, 0, 1, UTC)
KEYS = SealKeys("k1:" + base64.b64encode(bytes(32)).decode())
PHOTO = "0" * 31 + "f"
NEIGHBOUR = "01a20ae8-0000-7000-8000-00000000000a"
WORKS = Actor(ref="01a20ae8-0000-7000-8000-00000000000b", roles=("unit",), hubs=("T1",), unit="works")
GAS = replace(WORKS, hubs=("C",), unit="gas")
VILLAGE = Actor(ref=NEIGHBOUR, roles=("dispatcher",), hubs=("V11",))
TOWN = replace(VILLAGE, ref="01a20ae8-0000-7000-8000-00000000000c", hubs=("T1",))


class Life:
    """One case, from its report on; keeps every message that the rooms would have sent."""

    def __init__(self, number: int, **report: Any) -> None:
        self.sent: list[tuple[Any, str]] = []
        report_id = f"01a20ae8-0000-8000-8000-{number:012x}"
        content = Content(text="words", location=Location(lon=120.58, lat=31.0, datum="BD09"))
        filed = SubmitReport(
            report_id=report_id,
            received_at=T0,
            channel="courier",
            sealed=KEYS.seal(content, command_id=report_id, topic=codec.REPORTS),
            **report,
        )
        settled = file_report(filed, place=Place("V11", "V11", "good"), city=CITY, now=T0)
        self.case: Case = settled.case
        self._keep(filed, "intake", settled, T0)

    def _keep(self, command: SubmitReport | CaseCommand, room: str, settled: Settled, now: datetime) -> None:
        self.case = settled.case
        wrote, refusal = settled.events, settled.refusal
        outcome = Outcome(
            command_id=command.command_id,
            case_id=self.case.case_id,
            outcome="refused" if refusal else "applied",
            decided_at=now,
            code=refusal.code if refusal else None,
            detail=refusal.detail if refusal else None,
            field=refusal.field if refusal else None,
            events=((self.case.case_id, wrote[0].seq, wrote[-1].seq),) if wrote else (),
        )
        self.sent += [(command, room), *((event, "router") for event in wrote), (outcome, "router")]

    def send(self, actor: Actor, payload: Command, after: timedelta, room: str = "board") -> None:
        now = T0 + after
        command_id = f"01a20ae8-0000-8000-9000-{len(self.sent):012x}"
        command = CaseCommand(
            command_id=command_id,
            case_id=self.case.case_id,
            type=TYPE_OF[type(payload)],
            actor=actor,
            received_at=now,
            payload=payload,
            expected_seq=self.case.seq if room == "board" else None,
            sealed=KEYS.seal(Content(text="words"), command_id=command_id, topic=codec.CASE_COMMANDS),
        )
        city = OFFICIAL if room == "console" else CITY
        self._keep(command, room, settle(self.case, command, now=now, city=city), now)

    def pass_next_step(self) -> None:
        deadline = min((d for d in self.case.deadlines if d.next_at), key=lambda d: d.next_at or NEVER)
        assert deadline.next_at
        due = PassDeadline(deadline_id=step_id(self.case.case_id, deadline), step_at=deadline.next_at)
        self.send(SYSTEM_ACTOR, due, deadline.next_at - T0, "timekeeper")


def minutes(number: int) -> timedelta:
    return timedelta(minutes=number)


def lives() -> list[tuple[Any, str]]:
    mended = Life(1, category="pothole", hub_code="V11", photos=(PHOTO,), captured_at=T0)
    reporter = Actor(ref="report:01a20ae8-0000-8000-8000-000000000001", roles=("reporter",))
    mended.send(WORKS, AcceptCase(), minutes(5))
    mended.send(VILLAGE, AddComment(), minutes(6))
    mended.send(WORKS, StartWork(), minutes(10))
    mended.send(reporter, AddPhotos(photos=(PHOTO,)), minutes(15), "intake")
    mended.send(WORKS, ReachMilestone(stage="on_site"), minutes(20))
    mended.send(WORKS, SubmitResolution(outcome="fixed", photos=(PHOTO,)), minutes(30))
    mended.send(WORKS, PassVerification(), minutes(31))  # refused: the handler
    mended.send(VILLAGE, FailVerification(), minutes(40))
    mended.send(WORKS, RestartWork(), minutes(50))
    mended.send(WORKS, SubmitResolution(outcome="fixed"), minutes(60))
    mended.send(VILLAGE, PassVerification(), minutes(70))
    assert mended.case.state == "closed"

    late = Life(2, category="gas", visibility="confidential")
    for _ in range(3):  # accept: warning, due, and no tier above the top to supervise
        late.pass_next_step()
    late.send(GAS, AcceptCase(), minutes(40))
    late.send(GAS, StartWork(), minutes(41))
    late.send(GAS, SubmitResolution(outcome="unfounded"), minutes(42))
    late.send(GAS, SubmitResolution(outcome="unfounded"), minutes(43))  # refused: already claimed
    late.pass_next_step()
    assert late.case.unverified

    moved = Life(3, category="pothole")
    for _ in range(3):
        moved.pass_next_step()
    moved.send(TOWN, ReassignCase(owner="town_desk"), timedelta(hours=30))
    moved.send(SYSTEM_ACTOR, RecomputeDues(years=(2026,)), timedelta(hours=31), "console")
    return mended.sent + late.sent + moved.sent


def test_what_the_code_sends_fits_the_schemas() -> None:
    sent = lives()
    letter = DeadLetter(
        id="case-commands-3-9",
        topic="case-commands",
        partition=3,
        offset=9,
        key=None,
        headers=(("ce_type", b"\xff"),),
        value=b"\x00\xff",
        kind="message",
        reason="ce_type: unknown message or version",
        died_at=T0,
    )
    for message, room in [*sent, (letter, "router")]:
        key, value, headers = record(message, room)
        named = {name: text.decode() for name, text in headers}
        body = json.loads(value)
        assert faults("headers", named) == []
        assert faults(named["ce_type"].removeprefix("pioneer."), body) == [], body
        assert key.decode() in named["ce_id"] or key.decode() == body["case_id"]
        assert codec.decode(headers, value) == message


def test_those_lives_leave_no_type_out() -> None:
    sent = [message for message, _ in lives()]
    assert {m.type for m in sent if isinstance(m, Event)} == set(EVENT_TYPES)
    assert {m.type for m in sent if isinstance(m, CaseCommand)} == set(WIRE_TYPES)
    assert {m.outcome for m in sent if isinstance(m, Outcome)} == {"applied", "refused"}
