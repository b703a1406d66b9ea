"""What a case must be like, beyond its state, for a command to make sense; each says what is in the way."""

from __future__ import annotations

from collections.abc import Callable

from services.domain import access
from services.domain.case import Case
from services.domain.city import City
from services.domain.errors import NotAllowed
from services.domain.messages import Actor

Guard = Callable[[Case, Actor, City], str | None]


def why_not(case: Case, command: str, actor: Actor, city: City) -> str | None:
    """What is in the way of a command that the state would allow, or None."""
    guard = _GUARDS.get(command)
    return guard(case, actor, city) if guard else None


def _nothing_asked(case: Case) -> str | None:
    asked = case.side.request
    return f"there is a request already ({asked.kind}): decide that first" if asked else None


def _asked(kind: str) -> Guard:
    def guard(case: Case, actor: Actor, city: City) -> str | None:
        request = case.side.request
        return None if request is not None and request.kind == kind else f"no {kind} is asked for"

    return guard


def _request_return(case: Case, actor: Actor, city: City) -> str | None:
    if case.side.forced:
        return "the tier above has assigned this case: no return is taken"
    if case.side.return_asked:
        return "a return may be asked for once"
    if case.side.returns >= city.policy.most_returns:
        return f"after {case.side.returns} returns the tier above assigns it by force"
    return _nothing_asked(case)


def _decide_return(case: Case, actor: Actor, city: City) -> str | None:
    missing = _asked("return")(case, actor, city)
    if missing is None and case.side.returns > 1 and not access.stands_above(case, actor, city):
        return "it is the second return: the tier above decides"
    return missing


def _request_extension(case: Case, actor: Actor, city: City) -> str | None:
    if case.side.extended:
        return "a case is extended once"
    known = city.priorities.get(case.priority)
    if known is None or known.extension is None:
        return f"priority {case.priority} has no extension: a dispatcher may set a variant of its limits"
    return _nothing_asked(case)


def _no_open_parts(case: Case, actor: Actor, city: City) -> str | None:
    hidden = access.hidden_parts(case, actor, city)
    left = [part.number for part in case.open_parts if part.case_id not in hidden]
    if left:
        return f"parts are still open: {', '.join(left)}"
    return "parts are still open" if case.open_parts else None


def _verify_pass(case: Case, actor: Actor, city: City) -> str | None:
    """Else whoever has the case in hand sends a report like it, and confirms the claim with that."""
    report_id = actor.ref.removeprefix("report:")
    late = report_id in (*case.side.late_reports, *case.joined_in_hand())
    if "reporter" in actor.roles and late and report_id != case.report_id:
        return "a report that came when the case was in hand may not confirm the claim"
    return _no_open_parts(case, actor, city)


def _attach(case: Case, actor: Actor, city: City) -> str | None:
    if case.confidential:
        return "a confidential case is never merged"
    if case.side.parts or case.side.parent_case_id:
        return "a case of parts, or a part of one, is not merged"
    if case.accepted_at is not None or case.side.in_hand_since is not None:
        return "somebody has had it in hand: it is done, not merged"
    return _nothing_asked(case) if case.reports else "no report stands with it"


def _request_info(case: Case, actor: Actor, city: City) -> str | None:
    return None if case.reports else "there is no reporter to ask"


def _keep_apart(case: Case, actor: Actor, city: City) -> str | None:
    """Whoever names a case then has seen one that is suggested no more: it is that field that is wrong."""
    if not case.side.suggested:
        raise NotAllowed("invalid", "no case is suggested as the same problem", "case_id")
    return None


def _detach(case: Case, actor: Actor, city: City) -> str | None:
    attached = {one.report_id for one in case.side.attached}
    if not attached & set(case.reports):
        return "no other report is attached to it"
    return None if len(case.reports) > 1 else "no other report stands with it: this one's case it is now"


def _appeal(case: Case, actor: Actor, city: City) -> str | None:
    return "a decision is appealed against once" if case.side.appealed else None


def _set_variant(case: Case, actor: Actor, city: City) -> str | None:
    known = city.categories.get(case.category)
    if not (known and known.variants) and case.side.variant is None:
        return f"category {case.category} has no variants"
    return None


def _raise_priority(case: Case, actor: Actor, city: City) -> str | None:
    return f"{case.priority} is the highest" if city.higher(case.priority) == case.priority else None


def _report_in(case: Case, actor: Actor, city: City) -> str | None:
    waited_for = any(
        (one.unit, one.reported_in) == (actor.unit, False) and one.hub_code in actor.hubs
        for one in case.side.invited
    )
    return None if waited_for else "you have reported in already"


def _record_callback(case: Case, actor: Actor, city: City) -> str | None:
    if access.is_handler(case, actor):
        return "who handled the case may not record how it ended"
    if case.side.parent_case_id is not None:
        return "nobody reported a part: ask about the case it is a part of"
    if case.side.answered_by_reporter and not access.is_reporter(case, actor, city):
        return "the reporter has said it already"
    return None


_GUARDS: dict[str, Guard] = {
    "request_info": _request_info,
    "request_return": _request_return,
    "decide_return": _decide_return,
    "request_extension": _request_extension,
    "decide_extension": _asked("extension"),
    "suspend": lambda case, actor, city: _nothing_asked(case),
    "decide_suspension": _asked("suspension"),
    "submit_resolution": _no_open_parts,
    "verify_pass": _verify_pass,
    "attach": _attach,
    "keep_apart": _keep_apart,
    "detach": _detach,
    "appeal": _appeal,
    "set_variant": _set_variant,
    "raise_priority": _raise_priority,
    "report_in": _report_in,
    "record_callback": _record_callback,
}
