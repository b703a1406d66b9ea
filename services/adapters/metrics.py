"""The one catalogue of what is measured: every metric with its meaning, labels and the rooms that export it.

Rules: prefix `pioneer_`; labels are those of domain.md 6.7, never an id, a phone number or hub x category.
A metric counts in any process; `expose(room)` exports only that room's own, with the known labels at zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

PREFIX: Final = "pioneer"
ROOMS: Final = ("intake", "router", "timekeeper", "board")

_OF_ROOM: dict[str, list[MetricWrapperBase]] = {room: [] for room in ROOMS}
_KNOWN: list[tuple[MetricWrapperBase, Mapping[str, Iterable[str]]]] = []
_exposed: set[str] = set()


def _keep(metric: MetricWrapperBase, rooms: str, known: Mapping[str, Iterable[str]]) -> None:
    for room in rooms.split():
        _OF_ROOM[room].append(metric)
    if known:
        _KNOWN.append((metric, known))


def _counter(name: str, meaning: str, rooms: str, labels: str = "", **known: Iterable[str]) -> Counter:
    metric = Counter(name, meaning, labels.split(), namespace=PREFIX, registry=None)
    _keep(metric, rooms, known)
    return metric


def _gauge(name: str, meaning: str, rooms: str, labels: str = "") -> Gauge:
    metric = Gauge(name, meaning, labels.split(), namespace=PREFIX, registry=None)
    _keep(metric, rooms, {})
    return metric


def _histogram(
    name: str, meaning: str, rooms: str, buckets: str, labels: str = "", **known: Iterable[str]
) -> Histogram:
    bounds = [float(bound) for bound in buckets.split()]
    metric = Histogram(name, meaning, labels.split(), namespace=PREFIX, registry=None, buckets=bounds)
    _keep(metric, rooms, known)
    return metric


_EVERY = " ".join(ROOMS)
_DOORS = "intake board"
_SHORT = ".001 .0025 .005 .01 .025 .05 .1 .25 .5 1 2.5 5 10"

# Every process
build_info = _gauge("build_info", "Always 1; the labels say what runs here.", _EVERY, "version room")
clock_skew_seconds = _gauge(
    "clock_skew_seconds", "This process's clock minus PostgreSQL's, the shared offset reckoned in.", _EVERY
)
http_requests_total = _counter(
    "http_requests_total", "HTTP requests answered.", _DOORS, "service route method code"
)
http_request_seconds = _histogram(
    "http_request_seconds",
    "Time from the head of a request to the first byte of the answer; an upload's body counts.",
    _DOORS,
    _SHORT,
    "service route method",
)

# intake
posts_total = _counter(
    "posts_total",
    "Posted reports by status code; 202 only after the broker acknowledged.",
    "intake",
    "code",
    code=("202", "422", "503"),
)
post_seconds = _histogram(
    "post_seconds",
    "Time from the whole body of a posted report to its answer; posts whose body was too large are left out.",
    "intake",
    _SHORT,
)
posts_unconfirmed = _gauge(
    "posts_unconfirmed",
    "Messages handed to the producer and not yet acknowledged.",
    "intake board timekeeper",
)
photos_total = _counter(
    "photos_total",
    "Uploaded photos by what became of them.",
    _DOORS,
    "result",
    result=("stored", "known", "not_an_image", "too_many_pixels", "too_large", "busy", "no_room", "failed"),
)

# router
batch_messages = _histogram(
    "batch_messages", "Messages of a batch.", "router", "1 2 5 10 20 50 100 200 500 1000"
)
batch_seconds = _histogram(
    "batch_seconds",
    "Time a batch spent in a phase.",
    "router",
    ".001 .0025 .005 .01 .025 .05 .1 .25 .5 1 2.5 5 10 30",
    "phase",
    phase=("decode", "transaction", "publish"),
)
outcomes_total = _counter(
    "outcomes_total", "Commands decided, by outcome and code of refusal.", "router", "outcome code"
)
cases_filed_total = _counter("cases_filed_total", "Cases filed.", "router", "tier category_group priority")
events_total = _counter("events_total", "Events written to the book.", "router", "type")
dead_letters_total = _counter(
    "dead_letters_total",
    "Messages that could not be read (message) or stored (data).",
    "router",
    "topic kind",
    topic=("reports", "case-commands"),
    kind=("message", "data"),
)
retries_total = _counter(
    "retries_total",
    "Batches tried again in place, by reason.",
    "router",
    "reason",
    reason=("conflict", "world", "publish"),
)
consumer_lag = _gauge("consumer_lag", "Messages not yet committed.", "router", "topic partition")
oldest_unread_seconds = _gauge(
    "oldest_unread_seconds",
    "Age of the oldest message not yet read; the alarm of a router that stands. "
    "NaN while messages wait and none has been seen.",
    "router",
    "topic",
)
skew_clamped_total = _counter(
    "skew_clamped_total", "Messages whose received_at lay ahead of the broker's record time.", "router"
)

# timekeeper
deadline_lateness_seconds = _histogram(
    "deadline_lateness_seconds",
    "Time from the instant of a step to the command that passes it.",
    "timekeeper",
    ".01 .025 .05 .1 .25 .5 1 2.5 5 10 30 60",
)
deadlines_emitted_total = _counter(
    "deadlines_emitted_total", "PassDeadline commands sent, repeats included.", "timekeeper"
)
oldest_due_not_passed_seconds = _gauge(
    "oldest_due_not_passed_seconds",
    "Age of the oldest due step that no decision has passed: the alarm. "
    "NaN while this process stands by or the database is away.",
    "timekeeper",
)
calendar_official_horizon_days = _gauge(
    "calendar_official_horizon_days",
    "Days until working days are only predicted: load the next year's official days before it is 60. "
    "NaN while this process stands by or the database is away.",
    "timekeeper",
)
timekeeper_leading = _gauge(
    "timekeeper_leading", "1 while this process holds the lock and works.", "timekeeper"
)

# board
accept_to_visible_seconds = _histogram(
    "accept_to_visible_seconds",
    "Time from a report's received_at to its first event at the board's viewers.",
    "board",
    ".01 .025 .05 .1 .2 .5 1 2.5 5 10",
)
sse_viewers = _gauge("sse_viewers", "Open SSE streams.", "board")
sse_nudges_total = _counter("sse_nudges_total", "Nudges handed to viewers.", "board")
sse_dropped_total = _counter("sse_dropped_total", "Nudges that a slow viewer lost.", "board")
voices_total = _counter(
    "voices_total",
    "What reporters said with their tracking code, by word and what they were told.",
    "intake",
    "word result",
)
commands_total = _counter(
    "commands_total",
    "Commands of signed-in staff by type and what the caller was told.",
    "board",
    "type result",
)


def expose(room: str, *, version: str = "0.1.0") -> None:
    """Export this room's metrics from this process; a second call for the same room changes nothing."""
    if room in _exposed:
        return
    for metric in _OF_ROOM[room]:
        if not any(metric in _OF_ROOM[other] for other in _exposed):
            REGISTRY.register(metric)
    _exposed.add(room)
    for metric, known in _KNOWN:
        if metric in _OF_ROOM[room]:
            _start_at_zero(metric, known)
    build_info.labels(version=version, room=room).set(1)


def _start_at_zero(metric: MetricWrapperBase, known: Mapping[str, Iterable[str]]) -> None:
    """A series that appears only with its first error has no rate for it."""
    combinations: list[dict[str, str]] = [{}]
    for label, values in known.items():
        combinations = [{**one, label: value} for one in combinations for value in values]
    for combination in combinations:
        metric.labels(**combination)
