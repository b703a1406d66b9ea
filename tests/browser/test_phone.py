"""The telephone's page: three taps, danger first, no position, a poor network; and how far the report is."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.board_pages import row, tab_to
from tests.browser.busy_town import BusyTown
from tests.browser.conftest import OpenPhone, OpenVisit
from tests.browser.judged import judge
from tests.browser.phone import Phone
from tests.browser.street_photos import manhole
from tests.browser.visit import LOOKS, POSITION, SECONDS, Look
from tests.harness.doors import Desk
from tests.harness.stack import Stack, until
from tests.journey.wuzhong import DISTRICT

# Where the telephones of this ring stand.
TOWN = "320506009000"
COMMUNITY = "320506009014"
YUEXI = "越溪街道"
MOST_BYTES = 150_000
OFFLINE = r"net::ERR_INTERNET_DISCONNECTED"
STOPPED = r"net::ERR_ABORTED"
WORDS: dict[str, dict[str, Any]] = {
    "zh": {
        "road": "路面/井盖",
        "danger": "老人/安全",
        "received": "收到了",
        "filed": re.compile("已登记，由.+安排处理"),
        "tracking": re.compile("已登记|正在处理|已处理"),
        "trouble": "没有这个查询码",
    },
    "en": {
        "road": "Road or manhole",
        "danger": "Elders or safety",
        "received": "Received",
        "filed": re.compile("Registered; .+ arranges the work"),
        "tracking": re.compile("Registered|working on it|Handled"),
        "trouble": "No report has this tracking code",
    },
}


async def _reports(desk: Desk, case_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await desk.case(case_id))["reports"]
    return found


async def _title(page: Page, words: Any) -> None:
    await expect(page.get_by_role("heading", level=1).and_(page.locator(":visible"))).to_have_text(words)


async def test_three_taps_and_the_hub_has_it(phone: OpenPhone, visit: OpenVisit, stack: Stack) -> None:
    desk = await visit()
    await desk.sign_in(TOWN)
    await desk.go("board")
    manholes = row(desk.page, "井盖缺损松动")
    await expect(manholes.first).to_be_visible()
    before = await manholes.count()
    await desk.mark()

    one = await phone()
    await one.open()
    await expect(one.tile("路面/井盖")).to_be_visible()
    assert await one.visit.bytes_received() < MOST_BYTES
    await one.shoot(one.tile("路面/井盖"), manhole())
    await one.send()
    assert one.taps == 3
    await _title(one.page, "收到了")
    await expect(one.page.get_by_text("已登记，由城南街道安排处理")).to_be_visible()
    await expect(manholes).to_have_count(before + 1)
    assert await desk.is_the_same_page()

    code = await one.tracking_code()
    await one.follow().tap()
    await _title(one.page, "已登记，由城南街道安排处理")
    await expect(one.page.get_by_text("承诺办结")).to_be_visible()
    photo = one.page.get_by_role("img", name="处理前照片 1")
    await expect(photo).to_have_js_property("naturalWidth", 1600)
    # What the telephone knew of itself stays on the telephone; where it stood, the hub may know.
    async with Desk(stack.url("board"), TOWN) as dispatcher:
        newest = max(await dispatcher.queue(category="manhole_damaged"), key=lambda c: c["received_at"])
        assert newest["place_code"] == COMMUNITY
        (report,) = await _reports(dispatcher, newest["case_id"])
        assert report["channel"] == "courier"
        assert report["location"]["lon"] == POSITION["longitude"]

        # The page moves while it is looked at.
        await one.visit.mark()
        await one.page.clock.install()
        await one.open(f"/r/{code}")
        await dispatcher.applied(newest["case_id"], "accept")
        await one.page.clock.run_for(20_000)
        await _title(one.page, "城南街道正在处理")


@pytest.mark.parametrize("look", LOOKS, ids=str)
async def test_every_page_of_the_telephone(phone: OpenPhone, town: BusyTown, look: Look) -> None:
    words = WORDS[look.language]
    one = await phone(look, forgiven=[r"status of 404 .*/r/0{16}\)$"])
    await one.open()
    await expect(one.tile(words["road"])).to_be_visible()
    await judge(one.visit, "home")
    await one.tap(one.tile(words["danger"]))
    await _title(one.page, words["danger"])
    await judge(one.visit, "danger")
    await one.page.go_back()
    await one.shoot(one.tile(words["road"]), manhole())
    await expect(one.page.locator("#preview")).to_be_visible()
    await judge(one.visit, "review")
    await one.send()
    await expect(one.page.locator("#now")).to_have_text(words["filed"])
    await judge(one.visit, "receipt")
    await one.open(f"/r/{town.tracking_code}")
    await _title(one.page, words["tracking"])
    await judge(one.visit, "tracking")
    await one.open()
    await expect(one.page.locator("#mine a")).to_have_count(1)
    await judge(one.visit, "home-again")
    await one.open(f"/r/{'0' * 16}")
    await _title(one.page, words["trouble"])
    await judge(one.visit, "trouble")


async def test_in_danger_the_telephone_is_offered_first_and_the_report_is_still_taken(
    phone: OpenPhone, stack: Stack
) -> None:
    one = await phone()
    await one.open()
    choosers: list[object] = []
    one.page.on("filechooser", lambda chooser: choosers.append(chooser))
    await one.tap(one.tile("老人/安全"))
    calls = one.page.locator("a[href^='tel:']:visible")
    await expect(calls).to_have_count(3)
    assert [await call.get_attribute("href") for call in await calls.all()] == [
        *("tel:119", "tel:120", "tel:110"),
    ]
    await expect(calls.first).to_be_in_viewport()
    assert choosers == []
    await one.page.get_by_role("radio", name="火情/冒烟").tap()
    await one.send()
    await _title(one.page, "收到了")
    # Here, too, before anything else.
    await expect(one.page.get_by_role("link", name="拨打 119 火警")).to_be_visible()
    async with Desk(stack.url("board"), DISTRICT) as district:

        async def filed() -> bool:
            return len(await district.queue(category="fire_smoke")) == 1

        await until(filed, SECONDS, "the fire is in the district's queue")


async def test_without_a_position_a_community_is_chosen(phone: OpenPhone, stack: Stack) -> None:
    one = await phone(position=False)
    page = one.page
    await one.open()
    await one.shoot(one.tile("垃圾/广告"), manhole())
    await expect(page.get_by_text("没有定位，可以选社区")).to_be_visible()
    await page.get_by_role("button", name="选社区").tap()
    await page.get_by_label("镇、街道").select_option(label=YUEXI)
    places = page.get_by_label("社区、村")
    await expect(places).to_be_enabled()
    await places.select_option(label="莫舍社区")
    await expect(page.get_by_text("已选：莫舍社区")).to_be_visible()
    await page.get_by_role("radio", name="建筑垃圾/渣土乱倒").tap()
    await page.get_by_label("补充几句（可以不填）").fill("楼后空地倒了一车渣土")
    await page.get_by_role("radio", name="网格员").tap()
    await one.send()
    await expect(page.locator("#now")).to_have_text(f"已登记，由{YUEXI}安排处理")
    async with Desk(stack.url("board"), "320506003000") as town:
        newest = max(await town.queue(category="construction_waste"), key=lambda c: c["received_at"])
        assert newest["place_code"] == "320506003004"
        (report,) = await _reports(town, newest["case_id"])
        assert (report["channel"], report["text"]) == ("grid_member", "楼后空地倒了一车渣土")
        assert report["location"] is None
    # Who one is, is remembered on the telephone alone.
    await one.open()
    await one.tap(one.tile("老人/安全"))
    await expect(page.get_by_label("网格员")).to_be_checked()


async def test_a_code_at_the_site_needs_no_position(phone: OpenPhone) -> None:
    one = await phone(position=False)
    await one.open("/?hub=320506003004")
    await expect(one.page.get_by_text("这里是莫舍社区")).to_be_visible()
    await one.shoot(one.tile("消防通道/堵塞"), manhole())
    await one.send()
    await expect(one.page.locator("#now")).to_have_text("已登记，由莫舍社区安排处理")


async def test_a_row_leader_reports_for_an_elder_from_the_sign_at_the_row(
    phone: OpenPhone, stack: Stack
) -> None:
    one = await phone(position=False)
    page = one.page
    await one.open("/?hub=320506003004005-R07")
    await expect(page.get_by_text("这里是莫舍社区 · 莫舍第5网格(示例) · R07")).to_be_visible()
    await one.shoot(one.tile("垃圾/广告"), manhole())
    for_somebody = page.get_by_role("checkbox", name="我替别人上报")
    name, telephone = page.get_by_label("姓名"), page.get_by_label("电话")
    await expect(page.get_by_role("radio", name="网格员")).to_be_visible()
    await expect(for_somebody).to_be_hidden()
    await page.get_by_role("radio", name="居民代表、排长").tap()
    await expect(for_somebody).to_be_visible()
    await expect(name).to_be_hidden()
    await for_somebody.tap()
    await expect(name).to_be_visible()
    await judge(one.visit, "behalf")
    # Nobody to call back: the page stays as it is.
    await one.send()
    await expect(name).to_be_focused()
    await name.fill("陈奶奶")
    await telephone.fill("13800000080")
    await one.send()
    await expect(page.locator("#now")).to_have_text("已登记，由莫舍社区安排处理")
    async with Desk(stack.url("board"), "320506003004") as community:
        newest = max(await community.queue(), key=lambda c: c["received_at"])
        (report,) = await _reports(community, newest["case_id"])
        assert (report["channel"], report["hub_code"]) == ("representative", "320506003004005-R07")
        assert report["contact"]["name"].startswith("陈")
    # A courier speaks for nobody else.
    await one.open()
    await one.tap(one.tile("老人/安全"))
    await page.get_by_role("radio", name="小哥").tap()
    await expect(for_somebody).to_be_hidden()


async def test_over_a_poor_network_the_report_goes_first_and_its_photo_follows(phone: OpenPhone) -> None:
    one = await phone(forgiven=[STOPPED])
    await one.open()
    await expect(one.tile("路面/井盖")).to_be_visible()
    await one.visit.slow_network(kbit_s=250)
    await one.shoot(one.tile("路面/井盖"), _grainy())
    await one.send()
    await _title(one.page, "收到了")
    upload = one.page.locator("#upload")
    await expect(upload).to_have_text("照片还在上传…")
    code = await one.tracking_code()
    await expect(upload).to_have_text("照片已收到", timeout=60_000)
    other = await phone()
    await other.open(f"/r/{code}")
    await expect(other.page.get_by_role("img", name="处理前照片 1")).to_be_visible()


def _grainy() -> bytes:
    """A photo that stays large however it is squeezed."""
    import io
    import random

    from PIL import Image

    noise = Image.frombytes("RGB", (1600, 1200), random.Random(4).randbytes(1600 * 1200 * 3))
    kept = io.BytesIO()
    noise.save(kept, "JPEG", quality=70)
    return kept.getvalue()


async def test_without_a_network_nothing_is_lost_and_nothing_is_sent_twice(
    phone: OpenPhone, stack: Stack
) -> None:
    one = await phone(forgiven=[OFFLINE, r"Failed to load resource"])
    page = one.page
    await page.clock.install()
    await one.open("/?hub=320506003004")
    await one.tap(one.tile("老人/安全"))
    await page.get_by_label("补充几句（可以不填）").fill("三号楼老人两天没有出门")
    await one.visit.context.set_offline(True)
    await one.send()
    for _ in range(5):
        await page.clock.run_for(10_000)
    await expect(page.get_by_role("alert").filter(has_text="没有发出去")).to_be_visible()
    await one.visit.context.set_offline(False)
    await one.tap(page.get_by_role("button", name="再试一次"))
    await page.clock.run_for(5_000)
    await _title(page, "收到了")
    async with Desk(stack.url("board"), "320506003004") as community:

        async def told() -> int:
            cases = await community.queue(category="elder_welfare")
            reports = [await _reports(community, case["case_id"]) for case in cases]
            return [one["text"] for of in reports for one in of].count("三号楼老人两天没有出门")

        async def filed() -> bool:
            return await told() > 0

        await until(filed, SECONDS, "the report is in the book")
        assert await told() == 1


async def test_who_rides_is_told_to_stop_first(phone: OpenPhone) -> None:
    one = await phone()
    line = await one.visit.context.new_cdp_session(one.page)
    await one.open()
    where = {"latitude": POSITION["latitude"], "longitude": POSITION["longitude"], "accuracy": 9}
    await line.send("Emulation.setGeolocationOverride", {**where, "speed": 6.5})
    await one.tap(one.tile("老人/安全"))
    await expect(one.page.get_by_role("alert")).to_have_text("您在行进中：请先停稳，再反映。")


async def test_the_keyboard_alone_and_the_other_language(phone: OpenPhone) -> None:
    one = await phone(Look("desk", "light", "zh"))
    page, keys = one.page, one.page.keyboard
    await one.open("/?hub=320506003004")
    await tab_to(page, page.get_by_role("link", name="English"))
    await keys.press("Enter")
    await expect(page.get_by_text("You are at 莫舍社区")).to_be_visible()
    tile = page.get_by_role("button", name="Road or manhole")
    await expect(tile).to_be_enabled()
    await tab_to(page, tile)
    async with page.expect_file_chooser() as opened:
        await keys.press("Enter")
    await (await opened.value).set_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": manhole()})
    await expect(page.get_by_role("button", name="Send")).to_be_focused()
    await keys.press("Enter")
    await _title(page, "Received")
    await tab_to(page, one.follow())
    await keys.press("Enter")
    await _title(page, re.compile("Registered; .+ arranges the work"))
    await _looked_up(one, page)


async def _looked_up(one: Phone, page: Page) -> None:
    """By hand, with the code as people write it."""
    code = (await page.locator(".code").first.text_content() or "").strip()
    await one.open()
    await tab_to(page, page.get_by_role("textbox", name="Follow a report"))
    await page.keyboard.type(f"{code[:8].lower()} {code[8:]}")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(r"/r/[\w%]+$"))
    await _title(page, re.compile("Registered; .+ arranges the work"))
