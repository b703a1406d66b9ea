"""Who may see, act on and verify a case: every guard. Rules: the contract's "who may act"."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.domain import access
from services.domain.case import Case
from services.domain.errors import NotAllowed
from services.domain.messages import SYSTEM_ACTOR, Actor
from services.domain.place import Place
from tests.domain.small_case import (
    CITY,
    GUARD_OF_V11,
    GUARD_OF_V21,
    NOBODY,
    REPORTER,
    T0,
    WORKS,
    WORKS_COLLEAGUE,
    WORKS_OF_T2,
    act,
    at,
    changed,
    claimed,
    dispatcher,
    done,
    filed,
    under_way,
)

HUBS = ("C", "T1", "T2", "V11", "V12", "V21")


def told(case: Case, actor: Actor) -> str | None:
    try:
        access.check_verifier(case, actor, CITY)
    except NotAllowed as refusal:
        return refusal.code
    return None


def readers(case: Case) -> set[str]:
    return {hub for hub in HUBS if access.may_read(case, dispatcher(hub), CITY)}


def directors(case: Case) -> set[str]:
    return {hub for hub in HUBS if access.directs(case, dispatcher(hub), CITY)}


# The verifier is somebody else: three forms of "handler".


def test_when_a_unit_claimed_the_repair_its_accounts_may_not_verify_and_the_desks_may() -> None:
    case = claimed(T0, by=WORKS)
    assert told(case, WORKS) == "verifier_is_handler"
    assert told(case, WORKS_COLLEAGUE) == "verifier_is_handler"
    assert {hub: told(case, dispatcher(hub)) for hub in HUBS} == {
        "C": None,
        "T1": None,
        "V11": None,
        "T2": "forbidden",
        "V12": "forbidden",
        "V21": "forbidden",
    }


@pytest.mark.parametrize("hub", ["T1", "C"])
def test_when_a_dispatcher_claimed_it_that_desk_and_the_owners_unit_may_not(hub: str) -> None:
    case = claimed(T0, by=dispatcher(hub))
    assert told(case, dispatcher(hub)) == "verifier_is_handler"
    assert told(case, dispatcher(hub, "another-at-the-desk")) == "verifier_is_handler"
    assert told(case, WORKS) == "verifier_is_handler", "the owner's unit is barred whoever claimed it"
    others = {"T1", "C", "V11"} - {hub}
    assert {other for other in HUBS if told(case, dispatcher(other)) is None} == others


def test_the_account_that_claimed_it_stays_barred_wherever_it_sits_now() -> None:
    case = claimed(T0, by=WORKS)
    moved = Actor(ref=WORKS.ref, roles=("dispatcher",), hubs=("V11",))
    assert told(case, moved) == "verifier_is_handler"


def test_who_claimed_an_earlier_repair_is_barred_until_the_next_cycle() -> None:
    case = claimed(T0, by=dispatcher("C"))
    case = done(case, "verify_fail", dispatcher("V11"))
    case = done(done(case, "restart", WORKS), "submit_resolution", WORKS, outcome="fixed")
    assert told(case, dispatcher("C")) == "verifier_is_handler"
    assert told(case, WORKS) == "verifier_is_handler"
    case = done(
        done(case, "verify_pass", dispatcher("V11")),
        "reopen",
        Actor(ref="s", roles=("supervisor",), hubs=("C",)),
    )
    case = done(done(case, "accept", WORKS), "start_work", WORKS)
    case = done(case, "submit_resolution", WORKS, outcome="fixed")
    assert told(case, dispatcher("C")) is None


def test_units_do_not_verify_what_they_may_not_see() -> None:
    case = claimed(T0)
    assert told(case, GUARD_OF_V11) == "forbidden"
    assert told(case, Actor(ref="g", roles=("unit",), hubs=("C",), unit="gas")) == "forbidden"
    assert told(case, GUARD_OF_V21) == "forbidden"
    assert told(case, WORKS_OF_T2) == "forbidden"
    assert told(case, REPORTER) == "forbidden"
    assert told(case, NOBODY) == "forbidden"
    assert told(case, Actor(ref="x", hubs=("V11",))) == "forbidden", "a hub without a role gives no right"


def test_a_desk_that_owns_the_case_is_the_owners_unit_too() -> None:
    case = filed("nobody").case
    assert (case.owner, case.owner_hub_code) == ("village_desk", "V11")
    desk = Actor(ref="desk", roles=("unit",), hubs=("V11",), unit="village_desk")
    case = done(done(case, "accept", desk), "start_work", desk)
    case = done(case, "submit_resolution", desk, outcome="fixed", photos=("after",))
    assert told(case, Actor(ref="d2", roles=("unit",), hubs=("V11",), unit="village_desk")) == (
        "verifier_is_handler"
    )
    assert told(case, dispatcher("V11")) is None


# The place chain.


def test_the_chain_goes_from_the_place_to_the_root() -> None:
    assert access.place_chain(filed().case, CITY) == ("V11", "T1", "C")


def test_where_the_place_is_not_known_the_acting_hub_begins_the_chain() -> None:
    assert access.place_chain(filed(place=Place("T2", None, "low")).case, CITY) == ("T2", "C")
    assert access.place_chain(filed(place=Place("C", None, "low", unrouted=True)).case, CITY) == ("C",)


def test_a_case_given_to_another_village_is_verified_where_it_is() -> None:
    case = done(filed().case, "reassign", dispatcher("T1"), owner="guard", hub_code="V12")
    assert access.place_chain(case, CITY) == ("V11", "T1", "C")
    guard = Actor(ref="g12", roles=("unit",), hubs=("V12",), unit="guard")
    case = done(done(case, "accept", guard), "start_work", dispatcher("V12"))
    case = done(case, "submit_resolution", dispatcher("V12"), outcome="fixed")
    assert told(case, dispatcher("V11")) is None
    assert told(case, dispatcher("V12")) == "forbidden"


# Reading.


def test_an_open_case_is_read_on_the_chains_of_place_and_acting_hub() -> None:
    assert readers(filed().case) == {"C", "T1", "V11"}
    given_on = done(filed().case, "reassign", dispatcher("T1"), owner="guard", hub_code="V12")
    assert readers(given_on) == {"C", "T1", "V11", "V12"}
    assert readers(filed(place=Place("C", None, "low")).case) == {"C"}


def test_units_read_their_own_cases_alone() -> None:
    case = filed().case
    assert access.may_read(case, WORKS, CITY)
    assert not access.may_read(case, WORKS_OF_T2, CITY)
    assert not access.may_read(case, GUARD_OF_V11, CITY)
    assert not access.may_read(case, REPORTER, CITY)
    assert access.may_read(case, SYSTEM_ACTOR, CITY)


def test_a_confidential_case_is_its_own_hubs_alone_and_its_owners() -> None:
    case = filed("secret").case
    assert (case.hub_code, case.confidential) == ("T1", True)
    assert readers(case) == {"T1"}
    assert access.may_read(case, WORKS, CITY)
    assert directors(case) == {"T1"}, "who may not see it may not act on it either"


def test_a_confidential_case_opens_to_the_next_hub_above_once_resolved() -> None:
    case = claimed(T0, category="secret")
    assert readers(case) == {"C", "T1"}
    assert told(case, dispatcher("C")) is None
    assert told(case, dispatcher("T1")) is None
    assert told(case, dispatcher("V11")) == "forbidden", "on the chain, but it is not open to the place"
    assert told(case, GUARD_OF_V11) == "forbidden"


def test_a_confidential_case_opens_to_the_next_hub_above_once_supervised() -> None:
    case = filed("secret").case
    assert readers(act(case, "comment", WORKS, at(5)).case) == {"T1"}, "breached, not yet supervised"
    assert readers(act(case, "comment", WORKS, at(6)).case) == {"C", "T1"}


def test_next_above_is_one_tier_and_no_more() -> None:
    case = replace(filed("ads").case, confidential=True, supervised_level=1)
    assert case.hub_code == "V11"
    assert readers(case) == {"T1", "V11"}


def test_a_confidential_case_of_the_root_has_nobody_above() -> None:
    case = replace(claimed(T0), hub_code="C", confidential=True)
    assert readers(case) == {"C"}


# Acting.


def test_a_dispatcher_directs_the_own_hub_and_below_never_above_or_beside() -> None:
    assert directors(filed().case) == {"C", "T1"}
    assert directors(filed("ads").case) == {"C", "T1", "V11"}
    assert directors(filed("gas").case) == {"C"}


@pytest.mark.parametrize(
    ("actor", "may"),
    [
        (WORKS, True),
        (WORKS_OF_T2, False),
        (GUARD_OF_V11, False),
        (Actor(ref="u", roles=("unit",), hubs=("T1",), unit=None), False),
        (Actor(ref="u", roles=(), hubs=("T1",), unit="works"), False),
        (dispatcher("T1"), True),
        (dispatcher("C"), True),
        (dispatcher("V11"), False),
        (dispatcher("T2"), False),
        (Actor(ref="d", roles=("dispatcher",), hubs=("T2", "T1")), True),
        (REPORTER, False),
        (SYSTEM_ACTOR, False),
    ],
)
def test_who_speaks_for_the_owner(actor: Actor, may: bool) -> None:
    assert access.speaks_for_owner(filed().case, actor, CITY) is may


def test_a_dispatcher_acts_for_an_owner_that_sits_higher_up() -> None:
    """`lost` names a unit that sits nowhere, else works: at T1, while the case stands at V11."""
    case = filed("lost").case
    assert (case.hub_code, case.owner, case.owner_hub_code) == ("V11", "works", "T1")
    assert done(case, "accept", dispatcher("V11")).state == "accepted"
    assert done(case, "accept", WORKS).state == "accepted"


# Reassigning.


def reassigned(case: Case, actor: Actor, owner: str, hub_code: str | None = None) -> str:
    settled = act(case, "reassign", actor, owner=owner, hub_code=hub_code)
    if settled.refusal is not None:
        return f"{settled.refusal.code} {settled.refusal.field}"
    return f"{settled.case.owner}@{settled.case.owner_hub_code} at {settled.case.hub_code}"


@pytest.mark.parametrize(
    ("hub", "owner", "to", "expected"),
    [
        ("T1", "town_desk", None, "town_desk@T1 at T1"),
        ("T1", "works", None, "invalid owner"),  # they have it
        ("T1", "guard", "V12", "guard@V12 at V12"),
        ("T1", "works", "V12", "works@T1 at V12"),
        ("T1", "gas", "V11", "gas@C at V11"),
        ("T1", "guard", "V21", "forbidden hub_code"),
        ("T1", "works", "T2", "forbidden hub_code"),
        ("T1", "gas", "C", "forbidden hub_code"),
        ("C", "works", "T2", "works@T2 at T2"),
        ("C", "gas", "C", "gas@C at C"),
        ("T1", "guard", None, "invalid owner"),  # guards sit at villages, below
        ("T1", "works", "V99", "invalid hub_code"),
        ("T1", "dragons", None, "invalid owner"),
        ("T1", "nobody_yet", None, "invalid owner"),
    ],
)
def test_a_case_is_given_within_the_own_subtree_to_a_unit_that_sits_there(
    hub: str, owner: str, to: str | None, expected: str
) -> None:
    assert reassigned(filed().case, dispatcher(hub), owner, to) == expected


def test_the_level_follows_the_hub() -> None:
    case = done(filed().case, "reassign", dispatcher("C"), owner="guard", hub_code="V21")
    assert (case.level, case.place_code) == (3, "V11")


def test_a_dispatcher_of_the_place_below_may_not_take_a_case() -> None:
    assert reassigned(filed().case, dispatcher("V11"), "guard", "V11") == "forbidden None"


# A version of the city that no longer knows something.


def test_a_hub_that_is_gone_stands_below_the_root() -> None:
    city = changed("hubs.csv", "V11,T1,3,village,东一,120.58,31.0,centre\n", "")
    case = filed("ads").case
    assert access.place_chain(case, city) == ("V11", "C")
    assert access.directs(case, dispatcher("C"), city)
    assert access.directs(case, dispatcher("V11"), city)
    settled = act(case, "reassign", dispatcher("C"), city=city, owner="guard", hub_code=None)
    assert settled.refusal is not None
    assert (settled.refusal.code, settled.refusal.field) == ("invalid", "hub_code")
    assert done(case, "reassign", dispatcher("C"), city=city, owner="guard", hub_code="V12").hub_code == "V12"


def test_an_owner_that_is_gone_keeps_its_case() -> None:
    city = changed("units.csv", "guard,3,物,Guard\n", "")
    case = done(filed("ads").case, "accept", dispatcher("V11"), city=city)
    assert case.owner == "guard"
    case = done(under_way(), "submit_resolution", WORKS, city=city, outcome="fixed")
    assert case.state == "verifying"
