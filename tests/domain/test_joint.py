"""Beyond one unit's power others are whistled for (domain.md 6.4): within 2 hours; urgent, 30 minutes."""

from __future__ import annotations

import pytest

from services.domain import access
from services.domain.case import Case
from services.domain.messages import Invited
from tests.domain.small_case import CITY, GUARD_OF_V11, WORKS, at, dispatcher, filed, under_way
from tests.domain.small_town import Town, open_dues, partner, row, rows, told, told_at, types, unit

DESK = dispatcher("T1")
GAS, BANK = unit("gas", "C"), partner("bank", "T1")
BOTH = (Invited(unit="gas"), Invited(unit="bank"))


def whistled(category: str = "pothole") -> tuple[Town, Case]:
    case = under_way(category)
    town = Town(case)
    return town, town.do(case, "whistle", DESK, at(1), invite=BOTH)


def test_who_is_whistled_for_has_two_hours_to_turn_up_and_the_lead_stays() -> None:
    _, case = whistled()
    assert (case.lane, case.state, case.owner) == ("joint", "in_progress", "works")
    assert [(i.unit, i.hub_code, i.partner, i.reported_in) for i in case.side.invited] == [
        ("gas", "C", False, False),
        ("bank", "T1", True, False),
    ]
    assert open_dues(case) == {
        "on_site": at(6), "resolve": at(10), "report_in:gas@C": at(3), "report_in:bank@T1": at(3),
    }  # fmt: skip


def test_an_urgent_case_waits_half_an_hour() -> None:
    _, case = whistled("leak")
    assert open_dues(case)["report_in:gas@C"] == at(1.5)


def test_reporting_in_ends_the_wait_of_that_unit_alone() -> None:
    town, case = whistled()
    came = town.do(case, "report_in", GAS, at(2))
    assert [d.met_at for d in rows(came, "report_in:gas@C")] == [at(2)]
    assert row(came, "report_in:bank@T1").open
    assert [i.reported_in for i in came.side.invited] == [True, False]
    assert told(town.act(case, "report_in", GAS, at(2))) == ("not_allowed", None), "once"
    assert town.do(case, "report_in", BANK, at(2)).side.invited[1].reported_in


def test_silence_goes_one_tier_up() -> None:
    town, case = whistled()
    town.do(case, "report_in", BANK, at(2))
    events = town.wait(at(3))
    assert told_at(events) == [("SlaBreached", "report_in:gas@C", at(3))]
    assert (events[1].type, events[1].payload.to_level, events[1].payload.reason) == (
        "CaseSupervised", 1, "not_reported_in",
    )  # fmt: skip
    assert town[case].supervised_level == 1
    assert town.do(case, "report_in", GAS, at(5)).side.invited[0].reported_in, "late, but there"


def test_a_neighbourhood_cannot_whistle_for_departments() -> None:
    """`ads` stand at the village V11: its own dispatcher directs the case, but it is T1 that whistles."""
    town = Town()
    case = town.report("ads")
    town.do(case, "accept", GUARD_OF_V11)
    assert told(town.act(case, "whistle", dispatcher("V11"), invite=BOTH)) == ("forbidden", None)
    assert told(town.act(case, "whistle", GUARD_OF_V11, invite=BOTH)) == ("forbidden", None)
    assert town.do(case, "whistle", DESK, invite=BOTH).lane == "joint"


@pytest.mark.parametrize(
    ("invite", "field"),
    [
        ((), "invite"),
        ((Invited(unit="dragons"),), "invite[0].unit"),
        ((Invited(unit="guard"),), "invite[0].unit"),  # none sits at T1 or above
        ((Invited(unit="gas", hub_code="V99"),), "invite[0].unit"),
        ((Invited(unit="works"),), "invite[0].unit"),  # the lead
        ((Invited(unit="gas"), Invited(unit="gas", hub_code="C")), "invite[1].unit"),
    ],
)
def test_who_is_invited_is_known_and_asked_once(invite: tuple[Invited, ...], field: str) -> None:
    case = under_way()
    assert told(Town(case).act(case, "whistle", DESK, invite=invite)) == ("invalid", field)


def test_who_was_asked_already_is_not_asked_again() -> None:
    town, case = whistled()
    assert told(town.act(case, "whistle", DESK, invite=(Invited(unit="bank"),))) == (
        "invalid",
        "invite[0].unit",
    )
    more = town.do(case, "whistle", DESK, at(2), invite=(Invited(unit="guard", hub_code="V12"),))
    assert [i.unit for i in more.side.invited] == ["gas", "bank", "guard"]


def test_a_partner_assists_and_never_leads() -> None:
    town, case = whistled()
    assert told(town.act(case, "reassign", DESK, owner="bank")) == ("invalid", "owner")
    assert told(town.act(case, "submit_resolution", BANK, outcome="fixed")) == ("forbidden", None)
    assert town.act(case, "comment", BANK, at(2)).refusal is None
    assert town.act(case, "add_photos", BANK, at(2), photos=("p",)).refusal is None


def test_guests_see_the_case_they_were_asked_to_and_no_other() -> None:
    _, case = whistled()
    other = filed().case
    for guest in (GAS, BANK):
        assert access.may_read(case, guest, CITY)
        assert not access.may_read(other, guest, CITY)
    assert not access.may_read(case, partner("bank", "C"), CITY)
    assert not access.may_read(case, unit("bank", "T1"), CITY), "a unit of that name is somebody else"


def test_a_claim_ends_every_wait() -> None:
    town, case = whistled()
    claimed = town.do(case, "submit_resolution", WORKS, at(2), outcome="fixed")
    assert open_dues(claimed) == {"verify": at(50)}
    assert types(town.wait(at(5))) == []
    assert told(town.act(case, "report_in", GAS, at(5))) == ("not_allowed", None)


def test_who_was_asked_is_still_waited_for_when_the_lead_changes() -> None:
    town, case = whistled()
    given_on = town.do(case, "reassign", DESK, at(2), owner="guard", hub_code="V12")
    assert (given_on.lane, row(given_on, "report_in:gas@C").due_at) == ("joint", at(3))
    assert town.do(case, "report_in", GAS, at(2.5)).state == "dispatched"
