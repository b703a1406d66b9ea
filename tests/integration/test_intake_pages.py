"""The phone's pages as the server writes them; what a browser makes of them is tried in tests/browser."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import httpx

from services.adapters.city_book import load_folder
from services.domain import events
from services.intake.words import WORDS
from tests.integration.filed_report import AT, Filed
from tests.integration.intake_door import NOWHERE, OpenDoor, eventually, open_door

MOST_BYTES = 150 * 1000
ENGLISH = {"Accept-Language": "en-GB, zh;q=0.5"}


def _tiles(page: httpx.Response) -> list[tuple[str, str]]:
    return re.findall(r'data-tile="(\w+)"><svg .*?</svg><span>(.*?)</span>', page.text)


def _choices(page: httpx.Response, tile: str) -> list[tuple[str, str, str]]:
    """category, whom to call, words"""
    (fieldset,) = re.findall(rf'<fieldset data-of="{tile}".*?</fieldset>', page.text, re.DOTALL)
    return re.findall(r'value="(\w+)" data-calls="([\d ]*)".*?<span>(.*?)</span>', fieldset)


async def test_the_tiles_are_the_citys_in_chinese_first_and_english_for_who_speaks_it(door: OpenDoor) -> None:
    page = await door.http.get("/")
    assert page.status_code == 200
    assert _tiles(page) == [("road", "路"), ("danger", "险")]
    assert _choices(page, "road") == [("pothole", "", "坑"), ("secret", "", "密")]
    # Whom the tile names and whom the category names, once each.
    assert _choices(page, "danger") == [("gas", "119", "燃气"), ("fire", "119", "火")]
    assert 'href="tel:119"' in page.text
    assert "火警" in page.text
    assert (page.headers["content-language"], '<html lang="zh-CN">' in page.text) == ("zh", True)

    english = await door.http.get("/", headers=ENGLISH)
    assert _tiles(english) == [("road", "Road"), ("danger", "Danger")]
    assert "Fire brigade" in english.text
    assert '<html lang="en">' in english.text


async def test_the_language_that_was_chosen_stays(door: OpenDoor) -> None:
    chosen = await door.http.get("/?lang=en")
    assert chosen.headers["content-language"] == "en"
    assert "HttpOnly" in chosen.headers["set-cookie"]
    again = await door.http.get("/", headers={"Accept-Language": "zh-CN"})
    assert again.headers["content-language"] == "en"
    assert "set-cookie" not in again.headers
    unknown = await door.http.get("/?lang=tlh")
    assert (unknown.headers["content-language"], "set-cookie" in unknown.headers) == ("en", False)


async def test_a_code_at_a_site_says_where_it_is(door: OpenDoor) -> None:
    site = await door.http.get("/?hub=V11")
    assert "这里是东一" in site.text
    assert '<data id="site" value="V11">' in site.text
    # The other language keeps the place.
    assert 'href="/?lang=en&amp;hub=V11"' in site.text
    gone = await door.http.get("/?hub=%3Cscript%3E")
    assert WORDS["zh"]["page.unknown_hub"] in gone.text
    assert 'id="site"' not in gone.text
    assert "<script>" not in gone.text.replace('<script type="module"', "")


async def test_a_code_at_a_row_of_houses_names_community_grid_and_row(door: OpenDoor) -> None:
    row = await door.http.get("/?hub=V12001-R05", headers=ENGLISH)
    assert "You are at 东二 · 东二一格 · R05" in row.text
    assert '<data id="site" value="V12001-R05">' in row.text
    assert 'href="/?lang=zh&amp;hub=V12001-R05"' in row.text
    assert '<data id="site" value="V12002">' in (await door.http.get("/?hub=V12002")).text
    # What hangs at a grid that is gone still names the community.
    outlived = await door.http.get("/?hub=V12009-R01")
    assert "这里是东二<" in outlived.text
    assert '<data id="site" value="V12">' in outlived.text


async def test_a_new_tile_and_whom_it_calls_are_data(
    door: OpenDoor, database_url: str, tmp_path: Path
) -> None:
    city = tmp_path / "city"
    with (city / "tiles.csv").open("a", encoding="utf-8") as tiles:
        tiles.write("river,河&岸,River,M3 3h1,ads,other,119;12345\n")
    with (city / "hotlines.csv").open("a", encoding="utf-8") as hotlines:
        hotlines.write("12345,热线,City line\n")
    await load_folder(database_url, city)

    async def shown() -> httpx.Response | None:
        page = await door.http.get("/")
        return page if len(_tiles(page)) == 3 else None

    page = await eventually(shown)
    assert unescape(_tiles(page)[-1][1]) == "河&岸"
    assert _choices(page, "river") == [("ads", "119 12345", "广告"), ("other", "119 12345", "其他")]
    assert 'href="tel:12345"' in page.text


async def test_everything_before_the_first_report_is_small_and_may_be_kept(door: OpenDoor) -> None:
    page = await door.http.get("/")
    assert page.headers["cache-control"] == "no-cache"
    assert page.headers["content-encoding"] == "gzip"
    assets = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text))
    total = len(page.content)
    for asset in assets:
        answer = await door.http.get(asset)
        assert answer.status_code == 200, asset
        assert "immutable" in answer.headers["cache-control"]
        total += len(answer.content)
        # What a module imports comes with it, and is asked for before it is needed.
        for imported in re.findall(r"from '\./(\w+\.js)'", answer.text):
            assert any(other.endswith(f"/{imported}") for other in assets), imported
    assert total < MOST_BYTES
    assert 'style="' not in page.text
    assert not re.search(r"<script(?! type=\"(module|application/json)\")", page.text)


async def test_what_the_script_says_is_there_in_both_languages(door: OpenDoor) -> None:
    page = await door.http.get("/")
    texts = json.loads(re.findall(r'id="texts">(.*?)</script>', page.text)[0])
    wanted: set[str] = set()
    for script in re.findall(r'="(/static/[^"]+\.js)"', page.text):
        wanted |= set(re.findall(r"'(page\.[\w.]+)'", (await door.http.get(script)).text))
    assert len(wanted) > 10
    assert wanted <= texts.keys()
    assert WORDS["zh"].keys() == WORDS["en"].keys()


async def test_the_tracking_page_tells_the_whole_story(door: OpenDoor, book: Any) -> None:
    before, after = ("0" * 31 + digit for digit in "12")
    filed = Filed(state="verifying", photos=[before])
    filed.event(events.CaseAccepted())
    filed.event(events.WorkStarted())
    filed.event(
        events.ResolutionSubmitted(
            outcome="fixed", photos=(after,), handler_unit="works", handler_hubs=("T1",)
        )
    )
    await filed.write(book, citizen_due=datetime(2020, 1, 1, 4, 30, tzinfo=UTC))
    page = await door.http.get(f"/r/{filed.code.lower()}")
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    assert "<h1>已处理，等待他人核实</h1>" in page.text
    assert re.findall(r"<strong>(.*?)</strong> <time", page.text) == [
        *("处理完毕", "开始处理", "处理单位已接单", "收到您的反映"),
    ]
    assert '<time class="soft" datetime="2026-11-24T09:00:00+08:00">11月24日周二 09:00</time>' in page.text
    assert '<time datetime="2020-01-01T12:30:00+08:00">1月1日周三 12:30</time>' in page.text
    assert page.text.index("处理前") < page.text.index(before) < page.text.index("处理后")
    assert page.text.index("处理后") < page.text.index(after)
    assert '<li class="now" aria-current="step">待核实</li>' in page.text
    assert page.text.count('class="done"') == 3
    # It was handled; that it was late is no longer pressed for.
    assert WORDS["zh"]["page.late"] not in page.text

    english = (await door.http.get(f"/r/{filed.code}?lang=en")).text
    assert "Tue, Nov 24 09:00" in english
    assert "Handled; somebody else verifies it" in english


async def test_the_last_step_is_done_and_not_under_way(door: OpenDoor, book: Any) -> None:
    closed = Filed(state="closed")
    await closed.write(book)
    page = await door.http.get(f"/r/{closed.code}")
    assert '<li class="done" aria-current="step">办结</li>' in page.text
    assert page.text.count('class="done"') == 5


async def test_a_promise_that_was_not_kept_is_said(door: OpenDoor, book: Any) -> None:
    late, in_time, declined = Filed(), Filed(), Filed(state="declined")
    await declined.write(book, citizen_due=AT - timedelta(days=900))
    assert WORDS["zh"]["page.late"] not in (await door.http.get(f"/r/{declined.code}")).text
    await late.write(book, citizen_due=AT - timedelta(days=900))
    await in_time.write(book, citizen_due=datetime(2039, 1, 1, tzinfo=UTC))
    assert WORDS["zh"]["page.late"] in (await door.http.get(f"/r/{late.code}")).text
    assert WORDS["zh"]["page.late"] not in (await door.http.get(f"/r/{in_time.code}")).text


async def test_a_wrong_code_and_one_that_is_new(door: OpenDoor) -> None:
    wrong = await door.http.get("/r/%3Cimg%20src=x%3E")
    assert wrong.status_code == 404
    assert "<h1>没有这个查询码</h1>" in wrong.text
    assert "<img src=x" not in wrong.text
    new = await door.http.get(f"/r/{Filed().code}")
    assert new.status_code == 200
    assert 'data-status="received"' in new.text
    typed = await door.http.get("/r", params={"code": " abcd-efgh/../?x "})
    assert (typed.status_code, typed.headers["location"]) == (303, "/r/abcd-efgh%2F..%2F%3Fx")


async def test_without_the_database_the_page_is_there_and_tracking_says_later(
    broker: str, tmp_path: Path
) -> None:
    async with open_door(broker, NOWHERE, tmp_path) as door:
        assert len(_tiles(await door.http.get("/"))) == 2
        away = await door.http.get(f"/r/{Filed().code}")
        assert away.status_code == 503
        assert "<h1>现在查不到</h1>" in away.text
