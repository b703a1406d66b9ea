"""Bytes that the code makes while cases live and end in a small city: all of them fit the schemas."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from services.adapters import codec
from services.domain.events import EVENT_TYPES, Event
from services.domain.messages import WIRE_TYPES, CaseCommand, DeadLetter, Outcome
from tests.contract.judge import faults, record
from tests.contract.lives import LIVES, all_messages, messages_of
from tests.contract.rooms import T0, Rooms

LETTER = DeadLetter(
    id="case-commands-3-9",
    topic="case-commands",
    partition=3,
    offset=9,
    key=None,
    headers=(("ce_type", b"\xff"),),
    value=b"\x00\xff",
    kind="message",
    reason="ce_type: unknown message or version",
    died_at=T0,
)


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.__name__)
def test_what_the_code_sends_fits_the_schemas(life: Callable[[Rooms], None]) -> None:
    for message, room in messages_of(life):
        assert_fits(message, room)


def test_a_dead_letter_fits_its_schema() -> None:
    assert_fits(LETTER, "router")


def assert_fits(message: Any, room: str) -> None:
    key, value, headers = record(message, room)
    named = {name: text.decode() for name, text in headers}
    body = json.loads(value)
    assert faults("headers", named) == []
    assert faults(named["ce_type"].removeprefix("pioneer."), body) == [], body
    assert key.decode() in named["ce_id"] or key.decode() == body["case_id"]
    assert codec.decode(headers, value) == message


def test_those_lives_leave_no_type_out() -> None:
    sent = [message for message, _ in all_messages()]
    assert {m.type for m in sent if isinstance(m, Event)} == set(EVENT_TYPES)
    assert {m.type for m in sent if isinstance(m, CaseCommand)} == set(WIRE_TYPES)
    assert {m.outcome for m in sent if isinstance(m, Outcome)} == {"applied", "refused"}
