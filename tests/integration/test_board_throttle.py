"""Guessing passwords: how many tries a name and an address have, made in turn or all at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from services.board.throttle import FROM_ADDRESS, MAX_KEYS, OF_NAME, WITHIN_SECONDS, SignInThrottle
from tests.integration.board_desk import COMMUNITY, PASSWORD, TOWN, Desk, open_desk

HERE, THERE = "192.0.2.1", "192.0.2.2"


def test_ten_tries_of_a_name_from_an_address_and_the_next_when_the_first_is_old() -> None:
    throttle = SignInThrottle()
    for n in range(10):
        assert throttle.try_now("ann", HERE, 100.0 + n) == 0
    assert throttle.try_now("ann", HERE, 110.0) == 290.0
    assert throttle.try_now("ann", THERE, 110.0) == 0, "who knows the password comes in from elsewhere"
    assert throttle.try_now("bob", HERE, 110.0) == 0
    assert throttle.try_now("ann", HERE, 400.0) == 0, "the first is 300 s old"
    assert throttle.try_now("ann", HERE, 400.0) == 1.0, "the second is not"


def test_a_hundred_tries_from_one_address_whatever_the_names() -> None:
    throttle = SignInThrottle()
    for n in range(100):
        assert throttle.try_now(f"name {n}", HERE, 0.0) == 0
    assert throttle.try_now("another name", HERE, 1.0) == 299.0
    assert throttle.try_now("another name", THERE, 1.0) == 0


def test_whoever_comes_in_has_not_tried() -> None:
    throttle = SignInThrottle()
    for _ in range(1000):
        assert throttle.try_now("ann", HERE, 0.0) == 0
        throttle.take_back("ann", HERE, 0.0)
    for n in range(9):
        assert throttle.try_now("ann", HERE, float(n)) == 0
    assert throttle.try_now("ann", HERE, 9.0) == 0
    throttle.succeeded("ann", HERE, 9.0)
    for _ in range(10):
        assert throttle.try_now("ann", HERE, 10.0) == 0, "the failures before are forgiven to the name"
    for n in range(81):
        assert throttle.try_now(f"name {n}", HERE, 11.0) == 0
    assert throttle.try_now("bob", HERE, 12.0) > 0, "9 + 10 + 81 failures: not to the address"


def test_an_ipv6_caller_is_its_network() -> None:
    """Whoever has one address of it has 2^64 more."""
    throttle = SignInThrottle()
    for n in range(10):
        assert throttle.try_now("ann", f"2001:db8:1:2::{n:x}", 0.0) == 0
    assert throttle.try_now("ann", "2001:db8:1:2:ffff::1", 0.0) > 0
    assert throttle.try_now("ann", "2001:db8:1:3::1", 0.0) == 0
    for _ in range(10):
        assert throttle.try_now("bob", "::ffff:192.0.2.9", 0.0) == 0
    assert throttle.try_now("bob", "192.0.2.9", 0.0) > 0, "the same caller, written otherwise"


def test_it_remembers_no_more_than_it_must() -> None:
    throttle = SignInThrottle()
    for n in range(MAX_KEYS + 50):
        throttle.try_now("ann", f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", 0.0)
    assert len(throttle) <= 2 * MAX_KEYS


@pytest.fixture
async def desk(database_url: str, broker: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, broker, tmp_path) as one:
        yield one


async def statuses(client: httpx.AsyncClient, *bodies: dict[str, str]) -> Counter[int]:
    answers = await asyncio.gather(*(client.post("/v1/session", json=body) for body in bodies))
    return Counter(answer.status_code for answer in answers)


async def test_tries_made_at_once_are_no_more_than_tries_made_in_turn(desk: Desk) -> None:
    guess = {"username": f"dispatcher-{TOWN}", "password": "guess"}
    assert await statuses(desk.client(), *[guess] * 40) == {401: 10, 429: 30}


async def test_many_names_from_one_address_do_not_shut_the_others_out(desk: Desk) -> None:
    throttle: SignInThrottle = desk.app.state.parts.throttle
    for n in range(FROM_ADDRESS):
        assert throttle.try_now(f"guessed {n}", "127.0.0.1", asyncio.get_running_loop().time()) == 0
    client = desk.client()
    right = {"username": f"dispatcher-{COMMUNITY}", "password": PASSWORD}
    refused = await client.post("/v1/session", json=right)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_failures")
    assert 0 < int(refused.headers["Retry-After"]) <= WITHIN_SECONDS


async def test_a_whole_office_signs_in_at_eight(desk: Desk) -> None:
    """Behind one address, all at once and each with the right password: nobody is taken for a guesser."""
    right = {"username": f"dispatcher-{COMMUNITY}", "password": PASSWORD}
    for _ in range(3):
        assert await statuses(desk.client(), *[right] * OF_NAME) == {200: OF_NAME}
