from __future__ import annotations

import pytest

from services.domain.limits import Limit, parse_limit


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("2s C24", Limit(2, "s", "C24")),
        ("15m C24", Limit(15, "m", "C24")),
        ("4h OFF", Limit(4, "h", "OFF")),
        ("4WH OFF", Limit(4, "WH", "OFF")),
        ("5WD OFF", Limit(5, "WD", "OFF")),
        ("3Cd C24", Limit(3, "Cd", "C24")),
        ("20WD OPS", Limit(20, "WD", "OPS")),
    ],
)
def test_a_limit_is_read_and_gives_back_its_text(text: str, limit: Limit) -> None:
    assert parse_limit(text) == limit
    assert str(limit) == text


def test_d_is_another_word_for_working_days() -> None:
    assert parse_limit("5d OFF") == parse_limit("5WD OFF")


def test_the_calendar_may_be_handed_in() -> None:
    assert parse_limit("30m", calendar="C24") == Limit(30, "m", "C24")
    assert parse_limit("30m OPS", calendar="C24") == Limit(30, "m", "OPS")
    assert parse_limit("4WH") == Limit(4, "WH", "OFF")


@pytest.mark.parametrize(
    "text",
    ["", "C24", "0h C24", "-1h C24", "1.5h C24", "4 h OFF", "4h  OFF", "4h off", "4H OFF", "5D OFF", "1w OFF",
     " 4h OFF", "4h OFF\n", "٤h OFF", "1234567h C24"],
)  # fmt: skip
def test_what_is_not_a_limit_is_named_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not understood: allowed is .*`15m C24` or `5WD OFF`") as caught:
        parse_limit(text)
    assert f"`{text}`" in str(caught.value)


def test_a_limit_without_a_calendar_is_refused() -> None:
    with pytest.raises(ValueError, match="names no calendar"):
        parse_limit("30m")


def test_office_hours_are_counted_on_no_other_calendar() -> None:
    with pytest.raises(ValueError, match="WH are hours of OFF"):
        parse_limit("4WH C24")
