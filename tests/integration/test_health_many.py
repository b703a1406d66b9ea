"""Readiness is asked by several at once: a balancer, Prometheus, the supervisor, the watchdog."""

from __future__ import annotations

import asyncio

import pytest

from services.adapters.clock import Clock
from services.adapters.health import DatabaseHealth

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_many_who_ask_at_once_all_get_the_true_answer(book_url: str) -> None:
    health = DatabaseHealth(book_url, Clock())
    try:
        for _ in range(5):
            assert await asyncio.gather(*(health.check() for _ in range(8))) == [None] * 8
    finally:
        await health.close()


async def test_one_who_gives_up_asking_does_not_spoil_it_for_the_next(book_url: str) -> None:
    """A probe's own time-out cancels the question half way."""
    health = DatabaseHealth(book_url, Clock())
    try:
        for steps in range(12):
            asking = asyncio.create_task(health.check())
            for _ in range(steps):
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            assert await health.check() is None, steps
    finally:
        await health.close()
