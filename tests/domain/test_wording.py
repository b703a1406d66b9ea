from __future__ import annotations

import pytest

from services.adapters.city_files import read_city, read_folder
from services.adapters.similarity import text_likeness
from services.domain.wording import normal_words, tell_apart
from tests.domain.wuzhong import FOLDER

RULES = read_city(read_folder(FOLDER), 1).duplicates


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, None),
        ("", None),
        ("？！ …", None),
        ("路灯 不亮，ＬＸ－０１７！", "路灯不亮lx017"),
        ("15、16、22 幢，楼道", "15 16 22幢楼道"),
        ("约 1.2×0.8 米", "约1 2 0 8米"),
        ("Pot-hole on 5th_street🙏", "potholeon5thstreet"),
        ("路" * 500, "路" * 200),
    ],
)
def test_texts_without_their_dress(text: str | None, words: str | None) -> None:
    assert normal_words(text) == words


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ("8幢1单元三楼堆满纸箱", "8幢1单元五楼堆满纸箱", True),
        ("8幢1单元三楼堆满纸箱", "8 幢 1 单元 3 层堆满纸箱", False),
        ("12幢2单元楼道", "12栋三单元楼道", True),
        ("十二栋楼道", "12幢楼道", False),
        ("三十楼", "30层", False),
        ("二十一号门前", "21号门前", False),
        ("一〇三室", "103室", False),
        ("一〇三室", "104室", True),
        ("两幢楼之间", "2幢楼之间", False),
        ("15、16、22 幢楼道", "22幢楼道", False),
        ("5幢门口", "有人堵门", False),
        ("杆号 LX-017", "杆号LX-018", True),
        ("灯杆号 LX-017 至 LX-025", "LX-025 不亮", False),
        ("约 20 米", "约 30 米", False),
        ("玲珑湾东门不让进", "玲珑湾西门不让进", True),
        ("东门和西门都堵了", "西门堵了", False),
        ("雨水井盖松动", "电力井盖松动", True),
        ("雨水井盖松动", "井盖松动", False),
    ],
)
def test_texts_that_tell_two_things(one: str, other: str, apart: bool) -> None:
    ours, theirs = normal_words(one), normal_words(other)
    assert ours
    assert theirs
    assert tell_apart(ours, theirs, RULES) is apart
    assert tell_apart(theirs, ours, RULES) is apart


@pytest.mark.parametrize(
    ("one", "other", "likeness"),
    [
        ("井盖坏了", "井盖坏了", 1.0),
        ("abcd", "acbd", 0.75),
        ("路灯", "垃圾", 0.0),
        ("x", None, None),
        ("", "x", None),
    ],
)
def test_likeness_is_counted_by_hand(one: str | None, other: str | None, likeness: float | None) -> None:
    """Twice the longest common subsequence over both lengths."""
    assert text_likeness(one, other) == likeness
