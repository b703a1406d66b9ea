"""From events to viewers: which cases changed, and who is told (design.md decision 11).

Rules: nudges are gathered for 20 ms at most, one read for all cases that changed; a viewer who is slow costs
no memory: past 256 nudges become one `resync`; confidential cases are told only to those who may read them.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

import msgspec
import structlog

from services.adapters import metrics
from services.adapters.board_views import AWAY, BoardViews, Change, Scope
from services.adapters.clock import Clock
from services.board.active_city import ActiveCity
from services.domain import ids
from services.domain.access import may_read
from services.domain.city import City
from services.domain.events import CaseFiled, CaseReassigned, Event, ReturnApproved, TriageStarted
from services.domain.messages import Actor

log = structlog.get_logger()

QUEUE_LIMIT: Final = 256
MAX_VIEWERS: Final = 2_000
MAX_VIEWERS_OF_ACCOUNT: Final = 100
RESYNC: Final = b"event: resync\ndata: {}\n\n"

_GATHER_SECONDS: Final = 0.02
_CASES_AT_ONCE: Final = 1_000
_MAX_PENDING: Final = 20_000
_BACK_OFF: Final = (0.1, 0.3, 1.0)

Moved = CaseReassigned | ReturnApproved
"""What takes a case from one unit to another."""

_encode = msgspec.json.Encoder().encode


class Viewer:
    """One open stream and what it has not yet been told."""

    def __init__(self, scope: Scope, actor: Actor) -> None:
        self.scope = scope
        self.actor = actor
        self._waiting: deque[bytes] = deque()
        self._resync = False
        self._wake = asyncio.Event()

    def tell(self, message: bytes) -> None:
        if self._resync:
            metrics.sse_dropped_total.inc()
            return
        if len(self._waiting) >= QUEUE_LIMIT:
            metrics.sse_dropped_total.inc(len(self._waiting) + 1)
            self.read_all_again()
            return
        self._waiting.append(message)
        self._wake.set()

    def read_all_again(self) -> None:
        self._waiting.clear()
        self._resync = True
        self._wake.set()

    def wake(self) -> None:
        self._wake.set()

    async def next(self, timeout_s: float) -> bytes:
        """What there is to send, empty when nothing came in time."""
        if not self._wake.is_set():
            try:
                await asyncio.wait_for(self._wake.wait(), max(timeout_s, 0.0))
            except TimeoutError:
                return b""
        self._wake.clear()
        if self._resync:
            self._resync = False
            return RESYNC
        messages = b"".join(self._waiting)
        self._waiting.clear()
        return messages


class Nudges:
    def __init__(self, views: BoardViews, city: ActiveCity, clock: Clock) -> None:
        self._views = views
        self._city = city
        self._clock = clock
        self._viewers: dict[str, set[Viewer]] = {}
        self._count = 0
        self._of_account: dict[str, int] = {}
        # Cases that changed since they were last read, each with its last reassignment.
        self._pending: dict[str, Moved | None] = {}
        # Instants of acceptance of the cases whose first event came and was not told yet.
        self._filed: dict[str, datetime] = {}
        self._seen_filed: OrderedDict[str, None] = OrderedDict()
        self._wake = asyncio.Event()
        self.closed = False

    # -- viewers

    def room_for(self, account_id: str) -> bool:
        return self._count < MAX_VIEWERS and self._of_account.get(account_id, 0) < MAX_VIEWERS_OF_ACCOUNT

    def join(self, viewer: Viewer) -> None:
        self._viewers.setdefault(viewer.scope.hub_code, set()).add(viewer)
        self._count += 1
        self._of_account[viewer.actor.ref] = self._of_account.get(viewer.actor.ref, 0) + 1
        metrics.sse_viewers.set(self._count)

    def leave(self, viewer: Viewer) -> None:
        watching = self._viewers.get(viewer.scope.hub_code, set())
        watching.discard(viewer)
        if not watching:
            self._viewers.pop(viewer.scope.hub_code, None)
        self._count -= 1
        left = self._of_account.get(viewer.actor.ref, 1) - 1
        if left > 0:
            self._of_account[viewer.actor.ref] = left
        else:
            self._of_account.pop(viewer.actor.ref, None)
        metrics.sse_viewers.set(self._count)

    def close(self) -> None:
        """The process ends: every stream ends now."""
        self.closed = True
        for viewer in self._all():
            viewer.wake()

    def everybody_reads_again(self) -> None:
        for viewer in self._all():
            viewer.read_all_again()

    def _all(self) -> Iterable[Viewer]:
        return [viewer for watching in self._viewers.values() for viewer in watching]

    # -- what happened

    def happened(self, events: Iterable[Event]) -> None:
        for event in events:
            body = event.payload
            moved = body if isinstance(body, Moved) else self._pending.get(event.case_id)
            self._pending[event.case_id] = moved
            begins = event.seq == 1 and isinstance(body, CaseFiled | TriageStarted)
            if begins and event.case_id not in self._seen_filed:
                # An event may be published again; a case becomes visible once.
                self._seen_filed[event.case_id] = None
                if len(self._seen_filed) > _MAX_PENDING:
                    self._filed.pop(self._seen_filed.popitem(last=False)[0], None)
                self._filed[event.case_id] = body.received_at
        if len(self._pending) > _MAX_PENDING:
            log.warning("nudges_dropped", cases=len(self._pending))
            self._pending.clear()
            self.everybody_reads_again()
        self._wake.set()

    async def run(self) -> None:
        """Runs until it is cancelled."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            await self._wake.wait()
            begun = loop.time()
            chosen = list(self._pending)[:_CASES_AT_ONCE]
            moves = {case_id: self._pending.pop(case_id) for case_id in chosen}
            if not self._pending:
                self._wake.clear()
            if not chosen:
                continue
            try:
                changes = await self._views.changes(chosen)
                failures = 0
            except AWAY as problem:
                if failures == 0:
                    log.warning("nudges_wait_for_the_book", reason=str(problem) or type(problem).__name__)
                for case_id, moved in moves.items():
                    self._pending.setdefault(case_id, moved)
                self._wake.set()
                await asyncio.sleep(_BACK_OFF[min(failures, len(_BACK_OFF) - 1)])
                failures += 1
                continue
            except Exception:
                log.exception("nudges_not_read")
                self.everybody_reads_again()
                await asyncio.sleep(_BACK_OFF[-1])
                continue
            try:
                self._tell(changes, moves)
            except Exception:
                log.exception("nudges_not_told")
                self.everybody_reads_again()
            await asyncio.sleep(max(0.0, _GATHER_SECONDS - (loop.time() - begun)))

    def _tell(self, changes: Sequence[Change], moves: dict[str, Moved | None]) -> None:
        if self._viewers:
            self._tell_viewers(changes, moves, self._city.now)
        now = self._clock.now()
        for change in changes:
            accepted_at = self._filed.pop(change.case.case_id, None)
            if accepted_at is not None:
                metrics.accept_to_visible_seconds.observe(max(0.0, (now - accepted_at).total_seconds()))

    def _tell_viewers(self, changes: Iterable[Change], moves: dict[str, Moved | None], city: City) -> None:
        told = 0
        for change in changes:
            moved = moves.get(change.case.case_id)
            if moved is not None:
                change = replace(change, from_hub_code=moved.from_hub_code)
            message: bytes | None = None
            for viewer in self._concerned(change, city):
                if concerns(change, moved, viewer.actor, viewer.scope, city):
                    message = message or nudge(change)
                    viewer.tell(message)
                    told += 1
        if told:
            metrics.sse_nudges_total.inc(told)

    def _concerned(self, change: Change, city: City) -> Iterable[Viewer]:
        """The viewers of the hubs that the case belongs to or came from: few of all."""
        hubs = {city.root}
        side = change.case.side
        near = (change.case.place_code, change.case.hub_code, change.from_hub_code, side.aid_hub_code)
        for code in (*near, *(one.hub_code for one in side.invited)):
            if code is not None and code in city.hubs:
                hubs.update(city.ancestors(code))
        return [viewer for hub in hubs for viewer in self._viewers.get(hub, ())]


def concerns(change: Change, moved: Moved | None, actor: Actor, scope: Scope, city: City) -> bool:
    """Whether this viewer is told: may read the case, or it just left the viewer's hub or unit."""
    if may_read(change.case, actor, city):
        return True
    if change.case.confidential or change.from_hub_code is None or scope.ended_only:
        return False
    if actor.unit is not None:
        return moved is not None and moved.from_owner == actor.unit and change.from_hub_code in city.hubs
    return scope.codes is None or change.from_hub_code in scope.codes


def nudge(change: Change) -> bytes:
    data = {
        "case_id": change.case.case_id,
        "seq": change.case.seq,
        "hub_code": change.case.hub_code,
        "from_hub_code": change.from_hub_code,
        "state": change.case.state,
        "report_ids": change.report_ids,
    }
    return b"id: %d\nevent: case\ndata: %b\n\n" % (ids.milliseconds(change.changed_at), _encode(data))
