"""One report in every place of its life that its reporter may find it in: where → its tracking code."""

from __future__ import annotations

from services.domain.messages import (
    AcceptCase,
    AttachCase,
    DecideExtension,
    DeclineReport,
    RedirectReport,
    RequestExtension,
    RequestInfo,
    SplitCase,
    StartWork,
    SubmitResolution,
    SuspendCase,
    WantedPart,
)
from tests.integration.reporter_town import DISTRICT, Reporter, Town, picture

QUESTION = "是几号楼？门口还是楼后？"


async def every_kind(town: Town) -> dict[str, str]:
    codes = {
        "asked": await asked(town),
        "declined": await _declined(town),
        "passed-on": await _passed_on(town),
        "merged": await _merged(town),
        "in-parts": await _in_parts(town),
        "waits-for-you": await _suspended(town, "waiting_for_reporter"),
        "to-verify": await to_verify(town),
        "closed": await _closed(town),
        "withdrawn": await _withdrawn(town),
    }
    return {where: reporter.code for where, reporter in codes.items()}


async def asked(town: Town) -> Reporter:
    reporter = await town.reports(hub_code=None)
    await reporter.staff(RequestInfo(), hub=DISTRICT, words=QUESTION)
    return reporter


async def _declined(town: Town) -> Reporter:
    reporter = await town.reports(hub_code=None)
    await reporter.staff(DeclineReport(reason="outside"), hub=DISTRICT)
    return reporter


async def _passed_on(town: Town) -> Reporter:
    reporter = await town.reports(hub_code=None)
    await reporter.staff(RedirectReport(to="110", receipt="110-2026-0007"), hub=DISTRICT)
    return reporter


async def _merged(town: Town) -> Reporter:
    first, reporter = await town.reports(), await town.reports()
    await first.staff(AcceptCase())
    await reporter.staff(AttachCase(to_case_id=first.case_id))
    return reporter


async def _at_work(town: Town) -> Reporter:
    reporter = await town.reports()
    for payload in (AcceptCase(), StartWork()):
        await reporter.staff(payload)
    return reporter


async def _in_parts(town: Town) -> Reporter:
    """With more time than was promised first."""
    reporter = await _at_work(town)
    parts = WantedPart(owner="town_construction"), WantedPart(owner="town_urban_mgmt", category="road_dirty")
    await reporter.staff(RequestExtension(limit="3WD OFF"))
    await reporter.staff(DecideExtension(approve=True))
    await reporter.staff(SplitCase(parts=parts))
    return reporter


async def _suspended(town: Town, reason: str) -> Reporter:
    reporter = await _at_work(town)
    await reporter.staff(SuspendCase(reason=reason))
    return reporter


async def to_verify(town: Town) -> Reporter:
    """With a photo of before, and one of after."""
    reporter = await town.reports()
    await town.http.post(f"{reporter.url}/photos", files={"photo": ("a.jpg", picture(40), "image/jpeg")})
    shown = await town.http.post("/v1/photos", files={"photo": ("b.jpg", picture(200), "image/jpeg")})
    for payload in (
        AcceptCase(),
        StartWork(),
        SubmitResolution(outcome="fixed", photos=(shown.json()["id"],)),
    ):
        await reporter.staff(payload)
    return reporter


async def _closed(town: Town) -> Reporter:
    reporter = await to_verify(town)
    await reporter.done("rate", resolved=True)
    return reporter


async def _withdrawn(town: Town) -> Reporter:
    reporter = await town.reports()
    await reporter.done("withdraw")
    return reporter
