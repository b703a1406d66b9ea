"""What the rooms would send while cases live in the small city: the domain's own code decides and writes."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from services.adapters import codec
from services.adapters.city_files import read_city
from services.adapters.seal import SealKeys
from services.domain.case import NEVER, Case
from services.domain.clocks import step_id
from services.domain.errors import RefusalCode
from services.domain.events import Event, Likeness
from services.domain.filing import NOTHING_KNOWN, Known, add_report, file_report
from services.domain.messages import (
    SYSTEM_ACTOR,
    TYPE_OF,
    AcceptCase,
    Actor,
    CaseCommand,
    Content,
    Location,
    Outcome,
    PassDeadline,
    RecomputeDues,
    StartWork,
    SubmitReport,
    SubmitResolution,
)
from services.domain.place import Place
from services.domain.settling import Settled, settle
from tests.domain.small_city import FILES

CITY: Final = read_city(FILES, 7)
OFFICIAL: Final = read_city(
    {**FILES, "calendar-days/2026.csv": "date,day,name,source\n2026-10-01,holiday,Founding,made up\n"}, 8
)
T0: Final = datetime(2026, 11, 24, 8, 0, 0, 1, UTC)
KEYS: Final = SealKeys("k1:" + base64.b64encode(bytes(32)).decode())
PHOTO: Final = "0" * 31 + "f"

WORKS: Final = Actor(ref="01a20ae8-0000-7000-8000-00000000000b", roles=("unit",), hubs=("T1",), unit="works")
GAS: Final = replace(WORKS, hubs=("C",), unit="gas")
GUARD: Final = Actor(ref="01a20ae8-0000-7000-8000-00000000000d", roles=("unit",), hubs=("V11",), unit="guard")
VILLAGE: Final = Actor(ref="01a20ae8-0000-7000-8000-00000000000a", roles=("dispatcher",), hubs=("V11",))
TOWN: Final = replace(VILLAGE, ref="01a20ae8-0000-7000-8000-00000000000c", hubs=("T1",))
CENTRE: Final = replace(VILLAGE, ref="01a20ae8-0000-7000-8000-00000000000e", hubs=("C",))
BANK: Final = Actor(ref="partner:bank", roles=("partner",), hubs=("T1",), unit="bank")


class Rooms:
    """Every message of some cases in the order of sending, each with the room that sends it."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, str]] = []
        self.cases: dict[str, Case] = {}
        self.now = T0

    def report(self, category: str | None, *, known: Known = NOTHING_KNOWN, **values: Any) -> str:
        """The case that a report of something in V11 begins."""
        one = self._submit(category, values)
        settled = file_report(one, place=Place("V11", "V11", "good"), city=CITY, now=self.now, known=known)
        self._keep(one, "intake", settled)
        return settled.case.case_id

    def join(self, case_id: str, *, likeness: Likeness | None = None, same_reporter: bool = False) -> str:
        """One more report of a case that is known."""
        case = self.cases[case_id]
        one = self._submit(case.category, {})
        settled = add_report(
            one,
            case,
            likeness=likeness,
            same_reporter=same_reporter,
            now=self.now,
            city=CITY,
            others=self._others(case_id),
        )
        self._keep(one, "intake", settled)
        return one.report_id

    def send(self, actor: Actor, case_id: str, payload: Any, *, room: str = "board") -> Case:
        """A command that is applied, five minutes after what came before."""
        settled = self._send(actor, case_id, payload, self.now + timedelta(minutes=5), room)
        assert settled.refusal is None, f"{TYPE_OF[type(payload)]}: {settled.refusal.detail}"
        return settled.case

    def refuse(self, actor: Actor, case_id: str, payload: Any, *, code: RefusalCode) -> None:
        settled = self._send(actor, case_id, payload, self.now, "board")
        assert settled.refusal is not None
        assert settled.refusal.code == code

    def reporter_sends(self, case_id: str, payload: Any) -> Case:
        actor = Actor(ref=f"report:{self.cases[case_id].report_id}", roles=("reporter",))
        return self.send(actor, case_id, payload, room="intake")

    def begin_work(self, case_id: str, by: Actor = WORKS) -> None:
        self.send(by, case_id, AcceptCase())
        self.send(by, case_id, StartWork())

    def claim(self, case_id: str, by: Actor = WORKS) -> None:
        self.send(by, case_id, SubmitResolution(outcome="fixed", photos=(PHOTO,)))

    def pass_next_step(self, case_id: str, stage: str | None = None) -> None:
        """The timekeeper's command for the next step, of any stage or of this one."""
        waiting = [d for d in self.cases[case_id].deadlines if d.next_at and stage in (None, d.stage)]
        deadline = min(waiting, key=lambda d: d.next_at or NEVER)
        assert deadline.next_at
        due = PassDeadline(deadline_id=step_id(case_id, deadline), step_at=deadline.next_at)
        self._send(SYSTEM_ACTOR, case_id, due, deadline.next_at, "timekeeper")

    def recompute(self, case_id: str, *years: int) -> None:
        self._send(SYSTEM_ACTOR, case_id, RecomputeDues(years=years), self.now, "console")

    def _submit(self, category: str | None, values: dict[str, Any]) -> SubmitReport:
        report_id = f"01a20ae8-0000-8000-8000-{len(self.sent):012x}"
        content = Content(text="words", location=Location(lon=120.58, lat=31.0, datum="BD09"))
        return SubmitReport(
            report_id=report_id,
            received_at=self.now,
            channel="courier",
            category=category,
            sealed=KEYS.seal(content, command_id=report_id, topic=codec.REPORTS),
            **values,
        )

    def _send(self, actor: Actor, case_id: str, payload: Any, now: datetime, room: str) -> Settled:
        self.now = max(self.now, now)
        case = self.cases[case_id]
        command_id = f"01a20ae8-0000-8000-9000-{len(self.sent):012x}"
        command = CaseCommand(
            command_id=command_id,
            case_id=case_id,
            type=TYPE_OF[type(payload)],
            actor=actor,
            received_at=self.now,
            payload=payload,
            expected_seq=case.seq if room == "board" else None,
            sealed=KEYS.seal(Content(text="words"), command_id=command_id, topic=codec.CASE_COMMANDS),
        )
        city = OFFICIAL if room == "console" else CITY
        settled = settle(case, command, now=self.now, city=city, others=self._others(case_id))
        self._keep(command, room, settled)
        return settled

    def _others(self, case_id: str) -> dict[str, Case]:
        return {key: one for key, one in self.cases.items() if key != case_id}

    def _keep(self, command: SubmitReport | CaseCommand, room: str, settled: Settled) -> None:
        self.cases |= {**settled.others, settled.case.case_id: settled.case}
        refusal = settled.refusal
        outcome = Outcome(
            command_id=command.command_id,
            case_id=settled.case.case_id,
            outcome="refused" if refusal else "applied",
            decided_at=self.now,
            code=refusal.code if refusal else None,
            detail=refusal.detail if refusal else None,
            field=refusal.field if refusal else None,
            events=_ranges(settled.events),
        )
        self.sent += [(command, room), *((one, "router") for one in settled.events), (outcome, "router")]


def _ranges(written: tuple[Event, ...]) -> tuple[tuple[str, int, int], ...]:
    cases = dict.fromkeys(event.case_id for event in written)
    seqs = {case: [event.seq for event in written if event.case_id == case] for case in cases}
    return tuple((case, min(of), max(of)) for case, of in seqs.items())
