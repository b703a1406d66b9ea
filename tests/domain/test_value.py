from __future__ import annotations

from dataclasses import replace

import pytest

from services.domain.case import Case, Deadline
from services.domain.events import EVENT_TYPES, Event
from services.domain.messages import WIRE_TYPES, Actor, CaseCommand, Outcome, SubmitReport

VALUES = [
    *(SubmitReport, CaseCommand, Outcome, Event, Case, Deadline),
    *EVENT_TYPES.values(),
    *WIRE_TYPES.values(),
]


def test_values_are_equal_and_hashed_by_what_they_say() -> None:
    one, same = (Actor(ref="a", hubs=("V11",)) for _ in range(2))
    assert one == same
    assert hash(one) == hash(same)
    assert one != replace(one, ref="b")
    assert len({one, same, replace(one, ref="b")}) == 2


def test_a_value_is_named_field_by_field() -> None:
    with pytest.raises(TypeError, match="positional"):
        Actor("a")  # type: ignore[call-arg]


def test_a_value_has_its_fields_and_no_other() -> None:
    assert [kind.__name__ for kind in VALUES if kind.__dictoffset__ or kind.__hash__ is None] == []
