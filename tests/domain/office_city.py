"""The small city with office hours and the shipped days of 2026: what climbs over weekends and holidays."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from services.domain import ids
from services.domain.case import Case
from services.domain.city import City
from services.domain.messages import SYSTEM_ACTOR
from services.domain.settling import Settled
from tests.domain.small_case import COUNTABLE, act, city_of, filed
from tests.domain.wuzhong import FOLDER, YEAR_2027, ZONE

FILES: Final = {
    **COUNTABLE,
    "categories.csv": """\
code,name_zh,name_en,kind,tier,owner,else_owner,assist,priority,accept,milestones,variants,verify,flags,basis
ads,广告,Ads,thing,3,guard,village_desk,,P3,4h OFF,resolve=2WD OFF,,P,,
pothole,坑,Pothole,thing,2,works,,,P3,4h OFF,on_site=1WD OFF;resolve=5WD OFF,,S,,
sweep,扫,Sweeping,thing,3,guard,,,P3,1h OPS,resolve=4h OPS,,P,,
slow,慢,Slow,thing,2,works,,,P3,1WD OFF,resolve=20WD OFF,,S,,
urgent,急,Urgent by office,thing,2,works,,,P1,1h OFF,resolve=3h OFF,,S,,
other,其他,Other,thing,2,town_desk,,,P3,4h OFF,resolve=5WD OFF,,P,,
""",
    "tiles.csv": """\
tile,name_zh,name_en,icon,category,alternatives,hotlines
road,路,Road,M3 3h18,pothole,ads;other,
""",
    "priorities.csv": COUNTABLE["priorities.csv"].replace("48h C24", "2WD OFF"),
    "calendars.csv": (FOLDER / "calendars.csv").read_text("utf-8"),
    "calendar-days/predicted.csv": (FOLDER / "calendar-days/predicted.csv").read_text("utf-8"),
    "calendar-days/2026.csv": (FOLDER / "calendar-days/2026.csv").read_text("utf-8"),
}
CITY: Final[City] = city_of(FILES)
WITH_2027: Final[City] = city_of({**FILES, "calendar-days/2027.csv": YEAR_2027}, version=8)


def local(text: str) -> datetime:
    """`2026-10-08 10:00` in the city."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


def said(at: datetime | None) -> str | None:
    return at.astimezone(ZONE).strftime("%Y-%m-%d %H:%M") if at else None


def filed_at(category: str, text: str) -> Case:
    return filed(category, city=CITY, now=local(text)).case


def time_passes(case: Case, now: datetime, city: City = CITY) -> Settled:
    """The timekeeper's command at `now`, for a step that nobody knows."""
    unknown = ids.deadline_id("x", "owner", "x", "x", 1)
    return act(case, "pass_deadline", SYSTEM_ACTOR, now, city=city, deadline_id=unknown, step_at=now)


def climbed(case: Case, text: str, city: City = CITY) -> Settled:
    return time_passes(case, local(text), city)


def steps(settled: Settled) -> list[tuple[str, str, str, str | None]]:
    return [
        (e.type, f"{e.payload.clock} {e.payload.stage}", e.payload.step, said(e.payload.step_at))
        for e in settled.events
        if hasattr(e.payload, "step_at")
    ]
