"""What a reporter may say with the tracking code, and which command each word is on the case as it stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec

from services.domain.case import Case
from services.domain.city import WAITING_FOR_REPORTER, City
from services.domain.life import allowed_commands
from services.domain.limits import Limit
from services.domain.messages import (
    Actor,
    AddPhotos,
    AppealDecline,
    CallbackAnswer,
    FailVerification,
    PassVerification,
    RecordCallback,
    ReopenCase,
    ResumeCase,
    SupplyInfo,
    UrgeCase,
    WithdrawReport,
)

DOOR_WORDS: Final = ("supply_info", "rate", "not_fixed", "appeal", "urge", "withdraw")
"""In the order in which a page offers them."""

_Words = Annotated[str, msgspec.Meta(description="at most 2,000 characters, no U+0000")]


class _Voice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    pass


class SupplyInfoBody(_Voice, tag="supply_info", frozen=True):
    """The answer to what was asked."""

    text: _Words
    photos: Annotated[list[str], msgspec.Meta(description="ids of POST /v1/photos, at most 6")] = []


class WithdrawBody(_Voice, tag="withdraw", frozen=True):
    reason: _Words | None = None


class UrgeBody(_Voice, tag="urge", frozen=True):
    text: _Words | None = None


class AppealBody(_Voice, tag="appeal", frozen=True):
    reason: _Words


class RateBody(_Voice, tag="rate", frozen=True):
    """While it is verified `yes` closes it; after it is closed, how it ended. `true` is yes, `false` no."""

    resolved: Literal["yes", "partly", "no"] | bool
    satisfaction: Annotated[int, msgspec.Meta(ge=1, le=5)] | None = None

    @property
    def answer(self) -> CallbackAnswer:
        if isinstance(self.resolved, bool):
            return "yes" if self.resolved else "no"
        return self.resolved


class NotFixedBody(_Voice, tag="not_fixed", frozen=True):
    """Back to work: while it is verified, or for some days after it was closed."""

    reason: _Words


Voice = SupplyInfoBody | WithdrawBody | UrgeBody | AppealBody | RateBody | NotFixedBody
Step = tuple[str, Any, str | None]
"""A command's type, its payload, and the words that go with it, sealed."""


def reporter(report_id: str) -> Actor:
    return Actor(ref=f"report:{report_id}", roles=("reporter",))


def words_of(said: Voice) -> tuple[str, str | None]:
    """The field they came in, and the words."""
    match said:
        case SupplyInfoBody(text=words) | UrgeBody(text=words):
            return "text", words
        case RateBody():
            return "reason", None
        case _:
            return "reason", said.reason


def awaits_reporter(case: Case) -> bool:
    """The unit has stopped because it needs the reporter: what comes now sets it going again."""
    return case.state == "suspended" and case.side.suspension == WAITING_FOR_REPORTER


def steps(said: Voice, case: Case) -> Iterator[Step]:
    """The commands that these words are, on this case. The first is the one that is answered for."""
    _, words = words_of(said)
    match said:
        case SupplyInfoBody() if awaits_reporter(case):
            yield "resume", ResumeCase(), words
            if said.photos:
                yield "add_photos", AddPhotos(photos=tuple(said.photos), kind="before"), None
        case SupplyInfoBody():
            yield "supply_info", SupplyInfo(photos=tuple(said.photos)), words
        case RateBody():
            if case.state == "verifying":
                yield "verify_pass", PassVerification(), None
            if case.state != "verifying" or said.satisfaction is not None:
                # what a verification cannot hold is said of the case that it closes
                callback = RecordCallback(resolved=said.answer, satisfaction=said.satisfaction)
                yield "record_callback", callback, None
        case NotFixedBody():
            if case.state == "verifying":
                yield "verify_fail", FailVerification(), words
            else:
                yield "reopen", ReopenCase(), words
        case AppealBody():
            yield "appeal", AppealDecline(), words
        case UrgeBody():
            yield "urge", UrgeCase(), words
        case WithdrawBody():
            yield "withdraw", WithdrawReport(), words


def allowed_words(case: Case, report_id: str, city: City, now: datetime) -> list[str]:
    """What would be done if the reporter said it now."""
    may = set(allowed_commands(case, reporter(report_id), city))
    return [word for word in DOOR_WORDS if _command_of(word, case) in may and _in_time(word, case, city, now)]


def _command_of(word: str, case: Case) -> str:
    verifying = case.state == "verifying"
    match word:
        case "rate":
            return "verify_pass" if verifying else "record_callback"
        case "not_fixed":
            return "verify_fail" if verifying else "reopen"
        case "supply_info" if awaits_reporter(case):
            return "resume"
        case _:
            return word


def _in_time(word: str, case: Case, city: City, now: datetime) -> bool:
    """The limits that only the decision itself looks at."""
    policy, side = city.policy, case.side

    def ends(since: datetime, limit: Limit) -> datetime:
        return city.working_time(limit.calendar).due(limit, since)[0]

    if word == "urge":
        return side.urged_at is None or now >= ends(side.urged_at, policy.urge_every)
    limit = {"appeal": policy.appeal_within, "not_fixed": policy.reopen_within}.get(word)
    if limit is None or case.closed_at is None:
        return True
    return now <= ends(case.closed_at, limit)


def of_texts(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """A form's fields as the JSON they stand for: what was left empty was not said."""
    said: dict[str, Any] = {}
    for name, value in pairs:
        if name == "photos":
            said.setdefault("photos", []).append(value)
        elif value.strip():
            said[name] = int(value) if name == "satisfaction" and value in "12345" else value
    return said
