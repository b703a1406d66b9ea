"""Ids made at the edge: layouts of RFC 9562, order in time, and codes that nobody can make up."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.domain import ids

SECRET = b"s" * 32
OTHER_SECRET = b"t" * 32
AT = datetime(2026, 11, 24, 16, 30, 0, 123_456, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
REPORT = ids.report_id(SECRET, "intake", "6f8d9a52-8a77-4a5e-9c0f-0d1e2f3a4b5c")


def test_every_id_is_a_uuid_of_the_kind_it_says() -> None:
    made = {
        7: [ids.uuid7(AT, bytes(range(10))), ids.case_id(AT, REPORT)],
        8: [REPORT, ids.command_id(SECRET, "a", "c", "k"), ids.deadline_id("c", "owner", "accept", "due", 2)],
    }
    for version, some in made.items():
        for one in some:
            parsed = uuid.UUID(one)
            assert str(parsed) == one
            assert (parsed.version, parsed.variant) == (version, uuid.RFC_4122)


@pytest.mark.parametrize("random_bytes", [bytes(10), b"\xff" * 10, b"\xff" * 16])
def test_version_and_variant_hold_whatever_the_random_bytes_are(random_bytes: bytes) -> None:
    parsed = uuid.UUID(ids.uuid7(AT, random_bytes))
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert parsed.int >> 80 == 1_795_537_800_123


def test_the_known_answer_of_rfc_9562() -> None:
    """Appendix A.6: 2022-02-22 14:22:22.00 GMT-05:00."""
    at = datetime(2022, 2, 22, 14, 22, 22, tzinfo=ZoneInfo("America/New_York"))
    assert ids.uuid7(at, bytes.fromhex("0cc318c4dc0c0c07398f")) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


def test_the_time_in_an_id_is_in_whole_milliseconds_rounded_down() -> None:
    chance = random.Random(3)
    for _ in range(20_000):
        at = EPOCH + timedelta(microseconds=chance.randrange(1_577_836_800_000_000, 2_240_524_800_000_000))
        assert ids.milliseconds(at) == (at - EPOCH) // timedelta(milliseconds=1), at
    for microsecond in range(0, 1_000_000, 1000):
        at = AT.replace(microsecond=microsecond)
        assert ids.milliseconds(at) == (at - EPOCH) // timedelta(milliseconds=1), at


def test_case_ids_grow_with_time_and_differ_within_a_millisecond() -> None:
    chance = random.Random(4)
    at, made = datetime(2020, 1, 1, tzinfo=UTC), []
    for number in range(5_000):
        at += timedelta(milliseconds=chance.choice((1, 7, 1000, 10**7)))
        made.append(ids.case_id(at, f"report-{number}"))
    assert made == sorted(made)
    same_instant = {ids.case_id(AT, f"report-{number}") for number in range(5_000)}
    assert len(same_instant) == 5_000


def test_a_case_id_is_the_same_each_time_and_in_every_zone() -> None:
    local = AT.astimezone(ZoneInfo("Asia/Shanghai"))
    assert ids.case_id(AT, REPORT) == ids.case_id(local, REPORT)


def test_the_same_door_and_key_are_the_same_report() -> None:
    assert ids.report_id(SECRET, "intake", "k") == ids.report_id(SECRET, "intake", "k")
    different = {
        ids.report_id(SECRET, "intake", "k"),
        ids.report_id(SECRET, "intake", "K"),
        ids.report_id(SECRET, "open311", "k"),
        ids.report_id(OTHER_SECRET, "intake", "k"),
        ids.command_id(SECRET, "intake", "k", ""),
    }
    assert len(different) == 5


def test_parts_of_a_derived_id_do_not_run_into_each_other() -> None:
    assert ids.command_id(SECRET, "ab", "c", "k") != ids.command_id(SECRET, "a", "bc", "k")
    assert ids.deadline_id("c", "owner", "accept", "due", 12) != ids.deadline_id(
        "c", "owner", "accept", "due1", 2
    )


def test_each_step_of_each_setting_has_an_id_of_its_own() -> None:
    made = [
        ids.deadline_id(case, clock, stage, step, seq)
        for case in ("c1", "c2")
        for clock in ("owner", "citizen")
        for stage in ("accept", "resolve")
        for step in ("warning", "due")
        for seq in (2, 3, 22)
    ]
    assert len(set(made)) == len(made) == 48
    assert ids.deadline_id("c1", "owner", "accept", "due", 2) == ids.deadline_id(
        "c1", "owner", "accept", "due", 2
    )


def test_a_number_for_the_telephone_has_the_local_date() -> None:
    case = ids.case_id(AT, REPORT)
    number = ids.case_number(case, AT, ZoneInfo("Asia/Shanghai"))
    assert number.startswith("261125-"), "half past midnight in Suzhou"
    assert len(number) == 13
    assert set(number[7:]) <= set(ids.CROCKFORD)
    numbers = {ids.case_number(ids.case_id(AT, f"r{i}"), AT, UTC) for i in range(2_000)}
    assert len(numbers) > 1_990, "six characters: a clash within a day is rare, and no key rests on it"


# Tracking codes.


def test_our_codes_are_known_again() -> None:
    for number in range(500):
        report = f"report-{number}"
        code = ids.tracking_code(SECRET, report)
        assert len(code) == 16
        assert set(code) <= set(ids.CROCKFORD)
        assert ids.read_tracking_code(SECRET, code) == ids.tracking_number(SECRET, report)


def test_the_number_fits_the_books_column() -> None:
    numbers = [ids.tracking_number(SECRET, f"report-{number}") for number in range(2_000)]
    assert all(0 <= number < 1 << 60 for number in numbers)
    assert len(set(numbers)) == 2_000
    assert max(numbers) > 1 << 58


def test_how_people_write_it_does_not_matter() -> None:
    code = next(
        code
        for number in range(1000)
        if {"0", "1"} <= set(code := ids.tracking_code(SECRET, f"report-{number}"))
    )
    known = ids.read_tracking_code(SECRET, code)
    assert known is not None
    grouped = "-".join(code[i : i + 4] for i in range(0, 16, 4))
    for written in (
        code.lower(),
        grouped,
        grouped.replace("-", " "),
        f" {code} ",
        code.replace("0", "O"),
        code.replace("0", "o"),
        code.replace("1", "I"),
        code.replace("1", "l"),
        code.replace("1", "L"),
    ):
        assert ids.read_tracking_code(SECRET, written) == known, written


def test_a_slip_of_the_pen_is_noticed() -> None:
    """Any one character changed, any two neighbours swapped: 20 check bits let one in a million through."""
    code = ids.tracking_code(SECRET, REPORT)
    for at in range(16):
        for other in ids.CROCKFORD:
            if other != code[at]:
                assert ids.read_tracking_code(SECRET, code[:at] + other + code[at + 1 :]) is None
    for at in range(15):
        swapped = code[:at] + code[at + 1] + code[at] + code[at + 2 :]
        assert swapped == code or ids.read_tracking_code(SECRET, swapped) is None


def test_a_thousand_made_up_codes_are_not_ours() -> None:
    chance = random.Random(6)
    for _ in range(1_000):
        forged = "".join(chance.choice(ids.CROCKFORD) for _ in range(16))
        assert ids.read_tracking_code(SECRET, forged) is None


def test_a_code_under_another_secret_is_not_ours() -> None:
    for number in range(200):
        code = ids.tracking_code(OTHER_SECRET, f"report-{number}")
        assert ids.read_tracking_code(SECRET, code) is None


@pytest.mark.parametrize(
    "text", ["", "0" * 15, "0" * 17, "U" * 16, "0" * 15 + "!", "路" * 16, "\u0000" * 16, "ß" * 8, "-" * 16]
)
def test_what_is_no_code_is_not_ours(text: str) -> None:
    assert ids.read_tracking_code(SECRET, text) is None


@pytest.mark.parametrize(
    "phone",
    ["13800001001", "138 0000 1001", "+86 138-0000-1001", "0086-13800001001", "１３８００００１００１"],
)
def test_a_telephone_number_is_one_reporter_however_it_is_written(phone: str) -> None:
    key = ids.reporter_key(SECRET, phone)
    assert key == ids.reporter_key(SECRET, "13800001001")
    assert key is not None
    assert 0 <= key < 2**63
    assert key != ids.reporter_key(OTHER_SECRET, phone)


def test_other_numbers_are_others_and_what_is_none_is_nobody() -> None:
    phones = [f"1380000{number:04}" for number in range(2_000)] + ["0512-65251234", "65251234"]
    assert len({ids.reporter_key(SECRET, phone) for phone in phones}) == len(phones)
    for text in (None, "", "110", "王先生", "微信同号"):
        assert ids.reporter_key(SECRET, text) is None
