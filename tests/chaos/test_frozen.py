"""Frozen, not dead: the broker, then PostgreSQL, stopped by SIGSTOP: connections stay open, nothing answers.

Rules: the door answers all the while; after the thaw the same processes go on, and what was acknowledged is
in the book exactly once.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import psutil
import pytest

from tests.harness import book
from tests.harness.stack import Stack, running_stack, until

pytestmark = pytest.mark.long

BROKER_FROZEN, BOOK_FROZEN = 150.0, 60.0
ANSWER_SECONDS = 10.0
AGAIN_SECONDS, DRAIN_SECONDS = 15.0, 30.0
REPORT = {"channel": "resident", "category": "illegal_ads", "hub_code": "320506003004"}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running_stack("frozen") as running:
        yield running


@dataclass(slots=True)
class Post:
    key: str
    begun_at: float
    ended_at: float
    status: int


class Posts:
    """At a steady pace, each in a task of its own: a slow answer slows nobody down."""

    def __init__(self, url: str) -> None:
        self.done: list[Post] = []
        self._http = httpx.AsyncClient(base_url=url, timeout=ANSWER_SECONDS)
        self._running: set[asyncio.Task[Post]] = set()

    async def one(self) -> Post:
        key, begun_at = str(uuid.uuid4()), time.monotonic()
        body = {**REPORT, "text": key}
        answer = await self._http.post("/v1/reports", json=body, headers={"Idempotency-Key": key})
        post = Post(key, begun_at, time.monotonic(), answer.status_code)
        self.done.append(post)
        return post

    async def at_pace(self, every: float, seconds: float) -> list[Post]:
        """Returns when so much time has passed: those answered by then. `all_answered` waits for the rest."""
        ends_at = due = time.monotonic() + seconds
        due -= seconds
        before = len(self.done)
        while due < ends_at:
            self._running.add(asyncio.create_task(self.one()))
            due = min(due + every, ends_at)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        return self.done[before:]

    async def all_answered(self) -> None:
        """A post without an answer fails the test here."""
        await asyncio.gather(*self._running)

    def with_status(self, status: int) -> list[str]:
        return [post.key for post in self.done if post.status == status]

    async def close(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._http.aclose()


@contextlib.contextmanager
def frozen(stack: Stack, name: str) -> Iterator[None]:
    """The process first, so that it starts no more children, then all of its children."""
    top = stack.family(name)[0]
    top.suspend()
    family = stack.family(name)
    try:
        for process in family[1:]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        yield
    finally:
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


async def times_in_book(stack: Stack, keys: list[str]) -> dict[str, int]:
    question = """SELECT c.text, count(*) AS n FROM reports JOIN private.report_contents c USING (report_id)
                  WHERE c.text = ANY ($1) GROUP BY c.text"""
    return {row["text"]: row["n"] for row in await book.rows(stack.database_url, question, keys)}


async def acknowledged_once(stack: Stack, posts: Posts, seconds: float) -> float:
    """Waits until all that got 202 is in the book exactly once; what got 503 is there at most once."""
    acknowledged = dict.fromkeys(posts.with_status(202), 1)
    seen: dict[str, int] = {}

    async def all_there() -> bool:
        nonlocal seen
        seen = await times_in_book(stack, list(acknowledged))
        return seen.keys() == acknowledged.keys()

    took = await until(
        all_there, seconds, lambda: f"{len(acknowledged)} in the book, but {len(seen)}", every=0.1
    )
    assert await times_in_book(stack, list(acknowledged)) == acknowledged
    unsure = await times_in_book(stack, posts.with_status(503))
    assert set(unsure.values()) <= {1}, unsure
    return took


def pids(stack: Stack) -> dict[str, int]:
    return {name: one["pid"] for name, one in stack.processes().items()}


async def all_ready(stack: Stack, seconds: float) -> float:
    names = ("kafka", "postgres", "intake", "board", "router", "timekeeper")
    waiting: list[str] = []

    async def ready() -> bool:
        nonlocal waiting
        waiting = await asyncio.to_thread(stack.not_ready, names)
        return not waiting

    return await until(ready, seconds, lambda: f"all ready; not yet {waiting}", every=0.2)


@pytest.mark.timeout(330)
async def test_the_broker_frozen_for_150_s_and_thawed(stack: Stack) -> None:
    posts = Posts(stack.url("intake"))
    try:
        assert {post.status for post in await posts.at_pace(0.1, 3.0)} == {202}
        await posts.all_answered()
        before = pids(stack)
        with frozen(stack, "kafka"):
            meanwhile = await posts.at_pace(2.0, BROKER_FROZEN)
        thawed_at = time.monotonic()
        assert {post.status for post in meanwhile} == {503}
        slowest = max(post.ended_at - post.begun_at for post in meanwhile)
        await until(accepting := Accepting(posts), AGAIN_SECONDS, "a 202 after the thaw", every=0.2)
        accepted_s = time.monotonic() - thawed_at
        assert {post.status for post in await posts.at_pace(0.1, 3.0)} == {202}
        await posts.all_answered()
        in_book_s = await acknowledged_once(stack, posts, 60.0)
        ready_s = await all_ready(stack, 30.0)
        after = pids(stack)
        restarted = sorted(name for name in before if before[name] != after.get(name))
        print(
            f"\nbroker frozen {BROKER_FROZEN:g} s: {len(meanwhile)} posts got 503, slowest {slowest:.1f} s;"
            f" first 202 {accepted_s:.1f} s after the thaw (try {accepting.tries}), all in the book"
            f" {in_book_s:.1f} s after the last post, all ready {ready_s:.1f} s later; restarted: {restarted}"
        )
        assert {"intake", "board", "kafka"}.isdisjoint(restarted)
    finally:
        await posts.close()


class Accepting:
    """Whether the door accepts: posted once more at each call."""

    def __init__(self, posts: Posts) -> None:
        self.tries = 0
        self._posts = posts

    async def __call__(self) -> bool:
        self.tries += 1
        return (await self._posts.one()).status == 202


@pytest.mark.timeout(200)
async def test_postgresql_frozen_for_60_s_and_thawed(stack: Stack) -> None:
    posts = Posts(stack.url("intake"))
    try:
        before = pids(stack)
        with frozen(stack, "postgres"):
            meanwhile = await posts.at_pace(0.1, BOOK_FROZEN)
        thawed_at = time.monotonic()
        assert {post.status for post in meanwhile} == {202}
        slowest = max(post.ended_at - post.begun_at for post in meanwhile)
        await posts.all_answered()
        await acknowledged_once(stack, posts, DRAIN_SECONDS)
        drained_s = time.monotonic() - thawed_at
        assert drained_s <= DRAIN_SECONDS
        ready_s = await all_ready(stack, 30.0)
        after = pids(stack)
        restarted = sorted(name for name in before if before[name] != after.get(name))
        print(
            f"\nPostgreSQL frozen {BOOK_FROZEN:g} s: {len(meanwhile)} posts got 202, slowest {slowest:.2f} s;"
            f" all in the book {drained_s:.1f} s after the thaw, all ready {ready_s:.1f} s later;"
            f" restarted: {restarted}"
        )
        assert restarted == []
    finally:
        await posts.close()
