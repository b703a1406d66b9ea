"""The door's pure parts: reading a body, choosing a language, the checksum and partition of a message."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiokafka.partitioner import murmur2 as murmur2_of_aiokafka
from aiokafka.record.util import calc_crc32c as compiled_crc32c
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2
from kafka.record.util import calc_crc32c

from services.adapters import kafka_link
from services.adapters.city_files import read_city
from services.intake.report_body import BadShape, ReportBody, decode, faults
from services.intake.words import language
from tests.domain.small_city import FILES

CITY = read_city(FILES, 1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
FIELDS = (
    "channel",
    "category",
    "text",
    "location",
    "hub_code",
    "captured_at",
    "contact",
    "visibility",
    "photos",
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass")))
def test_any_bytes_are_a_report_or_a_bad_shape(body: bytes) -> None:
    try:
        read: ReportBody | BadShape = decode(body)
    except BadShape as error:
        read = error
    assert isinstance(read, ReportBody) or all(read.fault)


@given(st.dictionaries(st.sampled_from(FIELDS), JSON), st.sampled_from(["resident", "courier"]))
def test_any_values_are_fine_or_named(values: dict[str, Any], channel: str) -> None:
    body = json.dumps({**values, "channel": channel}).encode()
    try:
        found = faults(decode(body), CITY, lambda photo: False)
    except BadShape as error:
        found = [error.fault]
    assert all(field.split(".")[0].split("[")[0] in (*FIELDS, "body") for field, _ in found)


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        (None, "zh"),
        ("", "zh"),
        ("*", "zh"),
        ("en", "en"),
        ("EN-us,en;q=0.5", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("fr;q=1.0, en;q=0.3, zh;q=0.2", "en"),
        ("en;q=0", "zh"),
        ("en;q=rubbish", "en"),
        ("," * 10_000, "zh"),
    ],
)
def test_the_best_language_that_there_are_words_in(header: str | None, chosen: str) -> None:
    assert language(header) == chosen


def test_messages_carry_the_right_checksum_by_compiled_code() -> None:
    # kafka_link puts it in. The number is the check value of CRC-32C (Castagnoli).
    assert calc_crc32c(memview=b"123456789") == 0xE3069283
    assert kafka_link.DELIVERY_SECONDS == 5
    assert calc_crc32c.__defaults__ == (compiled_crc32c,)


@given(st.binary(min_size=1, max_size=64))
def test_a_key_lies_in_the_same_partition_whoever_sends_it(key: bytes) -> None:
    assert murmur2(key) == murmur2_of_aiokafka(key)
