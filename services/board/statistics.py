"""The rates of a hub and a period (docs/statistics.md), as JSON and as a file for a spreadsheet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any, Final, cast

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.adapters.problems import Problem, invalid
from services.adapters.statistics import TOO_SLOW, Table
from services.adapters.statistics_sheet import hours_cells, rate_cells, sheet
from services.board.bodies import instant, json_answer
from services.board.parts import Board
from services.board.queue import scope_of
from services.board.sessions import Signed
from services.domain.city import City
from services.domain.rates import (
    BYS,
    RATES,
    STANDING,
    By,
    Figures,
    Rate,
    Took,
    peer,
    ranks,
    rates_of,
    stood_still,
)

LONGEST: Final = timedelta(days=400)
USUAL: Final = timedelta(days=30)
FIRST_YEAR, LAST_YEAR = 2000, 2100
_PARAMETERS: Final = frozenset({"hub", "from", "to", "by", "partly", "format"})
_SHOWN_BESIDE: Final = ("cycles", "accept_due", "overdue_open", "no_response", STANDING)
_CSV: Final = "text/csv; charset=utf-8"

routes = APIRouter(tags=["statistics"])


@routes.get("/v1/statistics", responses={200: {"content": {"text/csv": {}}}})
async def statistics(request: Request, board: Board, signed: Signed) -> Response:
    """Query: hub= (own), from=, to= (30 days up to now), by=hub|tier|category|owner, partly=0…1, format=csv.

    What fell due from `from` up to `to`, which is not included; a date is its midnight in the city's time
    zone. At most 400 days. A due that still lies ahead is left out. `Accept: text/csv` or `format=csv` gives
    the same as a file. Rates come with n and the Wilson interval of 95 %, with a rank only from n = 30 on.
    Cases count for whoever may read them in the queue: a confidential one is in nobody else's numbers.
    """
    city, now = board.city.now, board.clock.now()
    query = request.query_params
    unknown = [(name, "is not a parameter of statistics") for name in query if name not in _PARAMETERS]
    if unknown:
        raise invalid(unknown)
    scope = scope_of(query.get("hub", signed.actor.hubs[0]), signed.actor, city)
    by = cast("By", _one_of("by", query.get("by", "hub"), BYS))
    form = _one_of("format", query.get("format", _wanted(request)), ("json", "csv"))
    until = _when("to", query["to"], city.zone) if "to" in query else now
    since = _when("from", query["from"], city.zone) if "from" in query else until - USUAL
    _check_period(since, until, now)
    partly = _share("partly", query.get("partly", "0"))
    try:
        table = await board.statistics.table(scope, since=since, until=min(until, now), by=by)
    except TOO_SLOW:
        detail = "So much cannot be counted in the time there is: ask for a shorter period, or later."
        raise Problem(503, "too_slow", detail=detail, headers={"Retry-After": "30"}) from None
    ranked = ranked_rates(table, by, partly)
    if form == "csv":
        rows = [_row(key, by, table[key], rates, city, now) for key, rates in ranked.items()]
        name = f"statistics-{scope.hub_code}-{by}-{_local(since, city)}-{_local(until, city)}.csv"
        headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{name}"'}
        return Response(sheet(rows), media_type=_CSV, headers=headers)
    groups = {key: _group(key, by, table[key], rates, city, now) for key, rates in ranked.items()}
    items = [group for key, group in groups.items() if key is not None]
    return json_answer(
        {
            "hub_code": scope.hub_code,
            "from": since,
            "to": until,
            "as_of": now,
            "by": by,
            "partly": partly,
            "all": groups[None],
            "items": items,
            "next_cursor": None,
            "total": len(items),
        }
    )


def ranked_rates(table: Table, by: By, partly: float) -> dict[str | None, dict[str, Rate]]:
    """All together first, then the groups by key, ranked among those of their kind."""
    keys = sorted(key for key in table if key is not None)
    rates = {key: rates_of(table[key], partly=partly) for key in (None, *keys)}
    kinds: dict[str, list[str]] = {}
    for key in keys:
        kinds.setdefault(peer(key, by, table[key].level), []).append(key)
    for alike in kinds.values():
        for one in RATES:
            places = ranks([rates[key][one.name] for key in alike], one.best)
            for key, rank in zip(alike, places, strict=True):
                rates[key][one.name] = replace(rates[key][one.name], rank=rank)
    return rates


def _group(
    key: str | None, by: By, figures: Figures, rates: Mapping[str, Rate], city: City, now: datetime
) -> dict[str, Any]:
    elapsed, working = stood_still(figures, now=now, city=city)
    return {
        "key": key,
        **_names(key, by, city),
        "level": figures.level if by == "hub" else None,
        **{name: figures.counts[name] for name in _SHOWN_BESIDE},
        **{one.name: asdict(rates[one.name]) for one in RATES},
        "unverified": {"n": figures.counts["unverified"], "sampled": figures.counts["sampled"]},
        "suspended": {
            "n": figures.counts["suspended"] + figures.counts[STANDING],
            "elapsed_s": round(elapsed.total_seconds()),
            "working_s": round(working.total_seconds()),
        },
        "time_to_accept": _took(figures.to_accept),
        "time_to_resolve": _took(figures.to_resolve),
    }


def _row(
    key: str | None, by: By, figures: Figures, rates: Mapping[str, Rate], city: City, now: datetime
) -> dict[str, Any]:
    elapsed, working = stood_still(figures, now=now, city=city)
    return {
        by: "all" if key is None else key,
        **_names(key, by, city),
        **{name: figures.counts[name] for name in _SHOWN_BESIDE},
        **dict(rate_cells(rates)),
        "unverified_sampled": figures.counts["sampled"],
        "suspended_n": figures.counts["suspended"] + figures.counts[STANDING],
        "suspended_elapsed_h": elapsed.total_seconds() / 3600,
        "suspended_working_h": working.total_seconds() / 3600,
        **dict(hours_cells("time_to_accept", figures.to_accept)),
        **dict(hours_cells("time_to_resolve", figures.to_resolve)),
    }


def _took(took: Took) -> dict[str, Any]:
    seconds = [None if one is None else round(one.total_seconds()) for one in (took.median, took.p90)]
    return {"n": took.n, "median_s": seconds[0], "p90_s": seconds[1]}


def _names(key: str | None, by: By, city: City) -> dict[str, str | None]:
    """What a later version has dropped goes by its code."""
    if key is None:
        return {"name_zh": "全部", "name_en": "All"}
    if by == "hub":
        name = city.hubs[key].name if key in city.hubs else key
        return {"name_zh": name, "name_en": name}
    if by == "owner":
        unit, _, seat = key.partition("@")
        at = city.hubs[seat].name if seat in city.hubs else seat
        zh, en = _both(city.units.get(unit), unit)
        return {"name_zh": f"{at} {zh}", "name_en": f"{en}, {at}"}
    known: Any = city.tiers.get(int(key)) if by == "tier" else city.categories.get(key)
    zh, en = _both(known, key)
    return {"name_zh": zh, "name_en": en}


def _both(named: Any, otherwise: str) -> tuple[str, str]:
    return (named.name_zh, named.name_en) if named is not None else (otherwise, otherwise)


def _wanted(request: Request) -> str:
    """The first of the two that is asked for; a browser that takes anything gets JSON."""
    kinds = [kind.partition(";")[0].strip() for kind in request.headers.get("accept", "").split(",")]
    return next(
        (kind.partition("/")[2] for kind in kinds if kind in ("text/csv", "application/json")), "json"
    )


def _one_of(field: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise invalid([(field, f"is not one of {', '.join(choices)}")])
    return value


def _when(field: str, text: str, zone: tzinfo) -> datetime:
    try:
        at = datetime.combine(date.fromisoformat(text), time(), zone)
    except ValueError:
        at = instant(field, text)
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise invalid([(field, f"must be of the years {FIRST_YEAR} to {LAST_YEAR}")])
    return at


def _check_period(since: datetime, until: datetime, now: datetime) -> None:
    if since >= until:
        raise invalid([("to", "must be later than from")])
    if until - since > LONGEST:
        raise invalid([("from", f"may be {LONGEST.days} days before to at most")])
    if since >= now:
        raise invalid([("from", "lies ahead: nothing has fallen due yet")])


def _share(field: str, text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise invalid([(field, "must be a number from 0 to 1")])
    return share


def _local(at: datetime, city: City) -> str:
    return at.astimezone(city.zone).date().isoformat()
