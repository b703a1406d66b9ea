"""Why something is not possible now, as its reporter understands it: plain words, the city's own time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from services.adapters.public_status import PublicReport
from services.domain.case import ENDED
from services.domain.city import City
from services.domain.limits import Limit
from services.intake.story import is_withdrawn
from services.intake.voices import allowed_words
from services.intake.words import WORDS, moment

_CLAIMED: Final = ("resolved", "verifying")


def why_not(word: str, code: str, report: PublicReport, city: City, now: datetime, chosen: str) -> str:
    """`report` as it stands after the router's no, whose `code` is given."""
    key, at = _reason(word, code, report, city, now)
    local = at.astimezone(ZoneInfo(city.timezone)).isoformat() if at else None
    return WORDS[chosen][f"refused.{key}"].format(at=moment(chosen, local) if local else "")


def _reason(
    word: str, code: str, report: PublicReport, city: City, now: datetime
) -> tuple[str, datetime | None]:
    """Its key in the texts, and the moment that they name."""
    case, policy = report.case, city.policy
    if is_withdrawn(report):
        return "withdrawn", None
    if code == "forbidden":
        return "yours", None
    ended = case.state in ENDED
    if word == "appeal":
        if case.state != "declined":
            return "appeal", None
        over = _ends(case.closed_at, policy.appeal_within, city)
        return ("appeal.once", None) if case.side.appealed or over is None else ("appeal.over", over)
    if word == "not_fixed" and case.state == "closed":
        over = _ends(case.closed_at, policy.reopen_within, city)
        return ("not_fixed.over", over) if over is not None and over < now else ("other", None)
    if word == "urge" and not ended:
        again = _ends(case.side.urged_at, policy.urge_every, city)
        return ("urge", _whole_minute(again)) if again is not None and again > now else ("other", None)
    if word == "rate" and case.state == "verifying":
        may = "rate" in allowed_words(case, report.report_id, city, now)
        return "rate.verifying" if may else "rate.late", None
    if word in ("rate", "not_fixed", "urge", "withdraw") and ended:
        return f"{word}.ended", None
    if word in ("supply_info", "withdraw") or (word in ("rate", "not_fixed") and case.state not in _CLAIMED):
        return word, None
    return "other", None


def _ends(since: datetime | None, limit: Limit, city: City) -> datetime | None:
    return city.working_time(limit.calendar).due(limit, since)[0] if since is not None else None


def _whole_minute(at: datetime) -> datetime:
    """Not before `at`."""
    return (at + timedelta(seconds=59, microseconds=999_999)).replace(second=0, microsecond=0)
