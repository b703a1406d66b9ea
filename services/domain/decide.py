"""What a command makes: the bodies of its events, decided on the case as it stands, or a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.domain import events, lanes, life, owning, triage, voices, working
from services.domain.deciding import Decider, Desk, yields
from services.domain.messages import WIRE_TYPES, Actor, CaseCommand


def decide(desk: Desk) -> tuple[Any, ...]:
    """The bodies of the events that a command makes, `On` another case where it says so; or NotAllowed."""
    command = desk.command
    life.check_move(desk.case, command.type, command.actor, command.expected_seq, desk.city)
    return _DECIDE[command.type](desk)


def payload_free(case_id: str, kind: str, actor: Actor, command_id: str, now: datetime) -> CaseCommand:
    """A command without values of its own."""
    return CaseCommand(
        command_id=command_id,
        case_id=case_id,
        type=kind,
        actor=actor,
        received_at=now,
        payload=WIRE_TYPES[kind](),
    )


_DECIDE: Mapping[str, Decider] = {
    "request_info": triage.request_info,
    "supply_info": triage.supply_info,
    "decline": triage.decline,
    "appeal": triage.appeal,
    "redirect": triage.redirect,
    "attach": triage.attach,
    "keep_apart": triage.keep_apart,
    "detach": triage.detach,
    "file_case": triage.file_case,
    "accept": yields(events.CaseAccepted),
    "request_return": owning.request_return,
    "decide_return": owning.decide_return,
    "reassign": owning.reassign,
    "force_assign": owning.force_assign,
    "set_variant": owning.set_variant,
    "set_category": owning.set_category,
    "raise_priority": triage.raise_priority,
    "start_work": yields(events.WorkStarted),
    "reach_milestone": working.reach_milestone,
    "split": lanes.split,
    "whistle": lanes.whistle,
    "report_in": lanes.report_in,
    "request_extension": working.request_extension,
    "decide_extension": working.decide_extension,
    "suspend": working.suspend,
    "decide_suspension": working.decide_suspension,
    "resume": working.resume,
    "submit_resolution": working.submit_resolution,
    "verify_pass": working.verify_pass,
    "verify_fail": working.verify_fail,
    "restart": yields(events.WorkRestarted),
    "record_callback": working.record_callback,
    "reopen": working.reopen,
    "withdraw": voices.withdraw,
    "urge": voices.urge,
    "supervise": voices.supervise,
    "comment": yields(events.CommentAdded),
    "add_photos": voices.add_photos,
}
