"""What a first look stumbles over: cut words, internal codes, false alarms, a keyboard that is lost."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.board_pages import NOBODY_YET, section, tab_to
from tests.browser.busy_town import TOWN, BusyTown
from tests.browser.conftest import OpenPhone, OpenVisit
from tests.browser.judged import judge, picture
from tests.browser.visit import LOOKS, Language, Look
from tests.harness.doors import Desk, Intake
from tests.harness.stack import Stack, until

ELSEWHERE = "320506005000"
ON_A_PHONE = [look for look in LOOKS if look.size == "phone"]
BOTH: list[Language] = ["zh", "en"]
_CONTRAST = """(field) => {
  const light = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map((n) => n / 255)
    .map((n) => n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4)
    .reduce((sum, n, i) => sum + n * [0.2126, 0.7152, 0.0722][i], 0)
  const style = getComputedStyle(field)
  const [high, low] = [light(style.borderTopColor), light(style.backgroundColor)].sort((a, b) => b - a)
  return (high + 0.05) / (low + 0.05)
}"""
_PLACEHOLDER_FITS = """(field) => {
  const style = getComputedStyle(field)
  const pen = document.createElement('canvas').getContext('2d')
  pen.font = style.font
  const room = field.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight)
  return pen.measureText(field.placeholder).width <= room
}"""


async def _edges_are_seen(page: Page) -> None:
    fields = await page.locator("input:visible, textarea:visible, select:visible").all()
    assert fields
    for field in fields:
        assert await field.evaluate(_CONTRAST) >= 3, await field.get_attribute("name")


async def _height(part: Locator) -> float:
    box = await part.bounding_box()
    assert box is not None
    return box["height"]


@pytest.mark.parametrize("look", ON_A_PHONE, ids=str)
async def test_on_a_phone_the_head_leaves_room_for_the_page(
    visit: OpenVisit, town: BusyTown, look: Look
) -> None:
    desk = await visit(look, forgiven=[NOBODY_YET])
    page = desk.page
    await desk.go("board")
    await expect(page.locator("main img")).to_be_hidden()
    await _edges_are_seen(page)
    await desk.sign_in(TOWN)
    await desk.go("board")
    await expect(page.locator("#rows li").first).to_be_visible()
    await expect(page.locator("#live")).to_have_attribute("data-kind", "on")
    assert await _height(page.locator("#top")) <= 90
    assert await page.get_by_role("searchbox").evaluate(_PLACEHOLDER_FITS)
    await picture(desk, "head")
    # What is scrolled away is the first line; whose desk it is and whether it lives stay.
    await page.evaluate("scrollTo(0, 600)")
    await expect(page.locator("#live")).to_be_in_viewport()
    assert await page.locator("#top").evaluate("(top) => top.getBoundingClientRect().bottom") <= 50
    # Who comes to it by keyboard sees where the focus is.
    await page.get_by_role("link", name=re.compile("队列|Queue")).focus()
    await expect(page.get_by_role("link", name=re.compile("队列|Queue"))).to_be_in_viewport()


@pytest.mark.parametrize("language", BOTH)
async def test_at_a_desk_the_search_says_all_of_what_it_takes(
    visit: OpenVisit, town: BusyTown, language: Language
) -> None:
    desk = await visit(Look("desk", "dark", language), forgiven=[NOBODY_YET])
    await desk.go("board")
    await expect(desk.page.locator("main img")).to_be_visible()
    await _edges_are_seen(desk.page)
    await desk.sign_in(TOWN)
    await desk.go("board")
    assert await desk.page.get_by_role("searchbox").evaluate(_PLACEHOLDER_FITS)


async def test_the_first_tab_leads_past_the_head(visit: OpenVisit, town: BusyTown) -> None:
    desk = await visit()
    page, keys = desk.page, desk.page.keyboard
    await desk.sign_in(TOWN)
    await desk.go("board")
    await expect(page.locator("#rows li").first).to_be_visible()
    await keys.press("Tab")
    skip = page.get_by_role("link", name="跳到主要内容")
    await expect(skip).to_be_focused()
    await expect(skip).to_be_in_viewport()
    await keys.press("Enter")
    await keys.press("Tab")
    await expect(page.get_by_role("searchbox")).to_be_focused()


async def test_escape_puts_a_form_away_and_the_keyboard_stays_where_it_was(
    visit: OpenVisit, town: BusyTown
) -> None:
    desk = await visit()
    page, keys = desk.page, desk.page.keyboard
    await desk.sign_in(TOWN)
    await desk.go("board", f"/cases/{town.cases['accepted']}")
    opener = page.get_by_role("button", name="补充说明", exact=True)
    for leave in ("Escape", "Enter"):
        await tab_to(page, opener)
        await keys.press("Enter")
        await expect(page.get_by_label("内容")).to_be_focused()
        if leave == "Enter":
            await tab_to(page, page.get_by_role("button", name="取消"))
        await keys.press(leave)
        await expect(page.locator("#form form")).to_have_count(0)
        await expect(opener).to_be_focused()
    # A form that the fold hides keeps its fold.
    await page.locator("summary").click()
    folded = page.locator("details button").first
    await folded.click()
    await page.locator("summary").click()
    await keys.press("Escape")
    await expect(page.locator("summary")).to_be_focused()


async def test_letters_in_a_form_of_the_triage_desk_are_no_shortcuts(visit: OpenVisit, stack: Stack) -> None:
    async with Intake(stack.url("intake")) as intake, Desk(stack.url("board"), ELSEWHERE) as other:
        await intake.report({"channel": "resident", "text": "路边有东西", "hub_code": ELSEWHERE})

        async def there() -> bool:
            return len(await other.queue(desk="triage")) > 0

        await until(there, 20, "a case at the triage desk")
    desk = await visit()
    page, keys = desk.page, desk.page.keyboard
    await desk.sign_in(ELSEWHERE)
    await desk.go("board", "/triage")
    await expect(page.locator("#head h2")).to_be_visible()
    await keys.press("i")
    question = page.get_by_label("问题")
    await expect(question).to_be_focused()
    await keys.type("fidran jk")
    await expect(question).to_have_value("fidran jk")
    await tab_to(page, page.get_by_role("button", name="取消"))
    await keys.press("d")
    await expect(question).to_have_value("fidran jk")
    await keys.press("Escape")
    await expect(question).to_have_count(0)
    await expect(page.get_by_role("button", name="请补充信息")).to_be_focused()


@pytest.mark.parametrize("language", BOTH)
async def test_every_row_of_the_triage_desk_has_a_clock(
    visit: OpenVisit, town: BusyTown, language: Language
) -> None:
    """A case that went out already and looks like another waits here too."""
    desk = await visit(Look("phone", "light", language))
    await desk.sign_in(TOWN)
    await desk.go("board", "/triage")
    rows = desk.page.locator("#rows li")
    await expect(rows.first).to_be_visible()
    told = await rows.locator(".when").all_text_contents()
    assert any(re.search("签收|Accept", one) for one in told)
    for one in told:
        assert re.search("还剩|超时|停表|left|late|still", one), one


@pytest.mark.parametrize(
    ("language", "said"), [("zh", "申请延期 5 个工作日"), ("en", "Extension asked: 5 working days")]
)
async def test_limits_are_said_in_words(
    visit: OpenVisit, stack: Stack, language: Language, said: str
) -> None:
    async with Intake(stack.url("intake")) as intake, Desk(stack.url("board"), ELSEWHERE) as other:
        body = {"channel": "resident", "category": "road_surface", "text": said, "hub_code": ELSEWHERE}
        await intake.report(body)

        async def there() -> bool:
            return len(await other.queue(state="dispatched", category="road_surface")) > 0

        await until(there, 20, "a case to accept")
        case_id = (await other.queue(state="dispatched", category="road_surface"))[0]["case_id"]
        await other.applied(case_id, "accept")
        await other.applied(case_id, "start_work")
        desk = await visit(Look("phone", "dark", language))
        page = desk.page
        await desk.sign_in(ELSEWHERE)
        await desk.go("board", f"/cases/{case_id}")
        await page.locator("summary").click()
        await page.locator("[data-do=request_extension]").click()
        await expect(page.get_by_text(re.compile("10 (个工作日|working days)"))).to_be_visible()
        await page.get_by_role("spinbutton", name=re.compile("工作日|Working days")).fill("5")
        await page.locator("#form textarea").fill("等材料")
        await page.locator("#form .primary").click()
        await expect(section(page, "经过" if language == "zh" else "History")).to_contain_text(said)
        await page.locator("[data-do=decide_extension]").click()
        await expect(page.locator("#form .asked")).to_contain_text(re.compile("5 (个工作日|working days)"))
        await expect(page.locator("body")).not_to_contain_text(re.compile(r"\dWD|OFF|C24"))


async def test_units_of_limits_and_the_number_one(visit: OpenVisit, town: BusyTown) -> None:
    """In both languages, by the page's own words for them."""
    expected = {
        "zh": ["30 分钟（连续计时）", "4 小时（只计工作时间）", "1 个工作日", "7 天", "30 Moons"],
        "en": ["30 minutes by the clock", "4 hours of office time", "1 working day", "7 days", "30 Moons"],
    }
    for language in BOTH:
        desk = await visit(Look(language=language))
        await desk.sign_in(TOWN)
        await desk.go("board")
        await expect(desk.page.locator("#rows li").first).to_be_visible()
        said = await desk.page.evaluate(
            """async () => {
              const { limitWords, t } = await import('/static/page.js')
              return [...['30m C24', '4h OFF', '1WD OFF', '7Cd C24', '30 Moons'].map(limitWords),
                t('event.DuplicatesSuggested', { n: 1 }), t('event.DuplicatesSuggested', { n: 2 })]
            }"""
        )
        assert said[:5] == expected[language]
        if language == "en":
            assert said[5:] == ["1 likely duplicate found", "2 likely duplicates found"]


async def test_a_case_that_is_not_open_to_one_is_no_fault_of_the_network(
    visit: OpenVisit, town: BusyTown
) -> None:
    desk = await visit(forgiven=["status of 403"])
    page = desk.page
    await desk.sign_in("320506003000")
    await desk.go("board", f"/cases/{town.late}")
    await expect(page.get_by_text("这个案件不对您的枢纽开放。")).to_be_visible()
    await expect(page.locator("#live")).to_be_empty()
    assert not [one.url for one in desk.requests if "/v1/stream" in one.url]


@pytest.mark.parametrize("look", LOOKS, ids=str)
async def test_a_partner_reads_what_is_asked_until_when_and_who_leads(
    visit: OpenVisit, town: BusyTown, look: Look
) -> None:
    async with Desk(town.stack.url("board"), TOWN) as dispatcher:
        told = await dispatcher.case(town.cases["in_progress"])
    guest = await visit(look)
    page = guest.page
    await guest.go("board", told["partner_links"][0]["path"])
    name = "报到" if look.language == "zh" else "Report in"
    lead = "牵头" if look.language == "zh" else "leads"
    await expect(page.get_by_text(lead)).to_be_visible()
    await expect(page.get_by_label("现场情况" if look.language == "zh" else "What you found")).to_be_visible()
    button = page.get_by_role("button", name=name, exact=True)
    if await button.count():
        above, below = (
            await page.locator(".guest > :has(+ #result)").bounding_box(),
            await button.bounding_box(),
        )
        assert above is not None
        assert below is not None
        assert below["y"] - above["y"] - above["height"] < 30
    await _edges_are_seen(page)
    await judge(guest, "partner-asked")


@pytest.mark.parametrize(("language", "said"), [("zh", "待回访"), ("en", "to call back")])
async def test_the_callbacks_are_headed_as_what_they_are(
    visit: OpenVisit, town: BusyTown, language: Language, said: str
) -> None:
    desk = await visit(Look("phone", "light", language))
    await desk.sign_in(TOWN)
    await desk.go("board", "/callbacks")
    await expect(desk.page.get_by_role("heading", level=1)).to_contain_text(said)


@pytest.mark.parametrize("look", ON_A_PHONE, ids=str)
async def test_the_steps_of_a_report_stand_in_one_line(phone: OpenPhone, town: BusyTown, look: Look) -> None:
    one = await phone(look)
    await one.open(f"/r/{town.tracking_code}")
    steps = one.page.locator(".steps li")
    await expect(steps).to_have_count(5)
    for step in await steps.all():
        assert await _height(step) < 40, await step.text_content()
    await judge(one.visit, "tracking-steps")
