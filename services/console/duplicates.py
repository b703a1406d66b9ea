"""`console duplicates`: how well the scores tell repeats, at each threshold, on pairs that are labelled.

Where attach_score and suggest_score of a city come from: docs/duplicates.md. Each pair is judged as it was
sent, and again and again with the errors of the phones drawn anew: one draw may be a lucky one.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from services.adapters.city_files import read_city, read_folder
from services.adapters.settings import PROJECT
from services.adapters.similarity import compare
from services.domain.city import City
from services.domain.city_problems import CityProblems
from services.domain.duplicates import Candidate, Sighting, seen_at
from services.domain.geo import EARTH_RADIUS_M, distance_m, to_wgs84
from services.domain.wording import normal_words

PAIRS: Final = "sample-pairs.jsonl"
REPORTS: Final = "sample-reports.jsonl"
THRESHOLDS: Final = (0.95, 0.90, 0.85, 0.80, 0.75, 0.70, 0.65, 0.60, 0.55, 0.50, 0.45, 0.40)
WALKS: Final = 50
_SEED: Final = 2026
_NEIGHBOURS_M: Final = 300
_BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="a city with sample-pairs.jsonl")]


@dataclass(frozen=True, slots=True)
class Judged:
    """A pair: whether people say it is one problem, and what the score says (0: out of reach)."""

    same: bool
    score: float
    strict: bool
    why: str


@dataclass(frozen=True, slots=True)
class Counted:
    """Of the pairs said to be the same: how many, and how many of them are. `all_same`: to be found."""

    said: int
    right: int
    all_same: int

    @property
    def precision(self) -> float:
        return self.right / self.said if self.said else 1.0

    @property
    def recall(self) -> float:
        return self.right / self.all_same if self.all_same else 1.0


def duplicates(folder: Folder = PROJECT / "deploy" / "city" / "wuzhong") -> None:
    """Precision and recall of attaching and of suggesting, at each threshold, on labelled pairs."""
    try:
        city = read_city(read_folder(folder), 0)
    except CityProblems as wrong:
        raise typer.BadParameter(f"{folder} is no city: see `city check`\n{wrong}") from None
    rules = city.duplicates
    pairs = judge_pairs(city, _lines(folder / PAIRS))
    same = sum(one.same for one in pairs)
    typer.echo(f"{PAIRS}: {len(pairs) // WALKS} pairs, {same // WALKS} of one problem, {WALKS} walks each")
    typer.echo("\n".join(table(pairs)))
    neighbours = judge_neighbours(city, _lines(folder / REPORTS)) if (folder / REPORTS).exists() else []
    for name, judged in ((PAIRS, pairs), (f"neighbours in {REPORTS}", neighbours)):
        attach = counted(judged, rules.attach_score, strict=True)
        suggest = counted(judged, rules.suggest_score)
        typer.echo(
            f"{name}: attach from {rules.attach_score:.2f}: {_said(attach)};"
            f" suggest from {rules.suggest_score:.2f}: {_said(suggest)}"
        )


def table(judged: Iterable[Judged]) -> Iterator[str]:
    """In Markdown, one row per threshold; attaching also asks for category and radius, strictly."""
    judged = [*judged]
    yield "| score | attach | precision | recall | suggest | precision | recall |"
    yield "|---|---|---|---|---|---|---|"
    for threshold in THRESHOLDS:
        attach = counted(judged, threshold, strict=True)
        suggest = counted(judged, threshold)
        cells = (f"{one.said} | {one.precision:.3f} | {one.recall:.3f}" for one in (attach, suggest))
        yield f"| {threshold:.2f} | {' | '.join(cells)} |"


def counted(judged: Iterable[Judged], threshold: float, *, strict: bool = False) -> Counted:
    judged = [*judged]
    said = [one for one in judged if one.score >= threshold and (one.strict or not strict)]
    return Counted(len(said), sum(one.same for one in said), sum(one.same for one in judged))


def judge_pairs(city: City, lines: Iterable[Mapping[str, Any]], walks: int = WALKS) -> list[Judged]:
    """Lines as the README of the sample city describes them."""
    chance = random.Random(_SEED)
    judged = []
    for line in lines:
        later = _BEGIN + timedelta(seconds=line["after_s"])
        for walk in range(walks):
            first, second = (_walked(line[one], chance) if walk else line[one] for one in ("first", "second"))
            score, strict = _score(city, (first, _BEGIN), (second, later), own=line["same_reporter"])
            judged.append(Judged(line["same"], score, strict, line["why"]))
    return judged


def _walked(report: Mapping[str, Any], chance: random.Random) -> dict[str, Any]:
    """Sent from where it stood, once more: two fixes of three lie within the stated accuracy."""
    spread_m = report["location"]["accuracy_m"] / 1.51
    east, north = chance.gauss(0, spread_m), chance.gauss(0, spread_m)
    lon, lat = report["stood"]["lon"], report["stood"]["lat"]
    per_deg = math.radians(EARTH_RADIUS_M)
    at = {"lon": lon + east / per_deg / math.cos(math.radians(lat)), "lat": lat + north / per_deg}
    return {**report, "location": {**report["location"], **at, "datum": "WGS84"}}


def judge_neighbours(city: City, lines: Iterable[Mapping[str, Any]]) -> list[Judged]:
    """Every two reports of a feed that lie within 300 m and in one family, by its marks of duplicates."""
    rules = city.duplicates
    placed = []
    for number, line in enumerate(lines, start=1):
        body = line["body"]
        family = rules.family_of(body.get("category"))
        if line["expect"]["status"] == 202 and family and "location" in body:
            at = _BEGIN + timedelta(seconds=line["at_s"])
            report = {**body, "captured_before_s": line["captured_before_s"]}
            placed.append((line["expect"].get("duplicate_of", number), family, report, at))
    judged = []
    for (one, family, first, at), (other, its_family, second, later) in combinations(placed, 2):
        if family == its_family and distance_m(_point(first), _point(second)) <= _NEIGHBOURS_M:
            score, strict = _score(city, (first, at), (second, later), own=False)
            why = f"{first.get('text')} / {second.get('text')}"
            judged.append(Judged(one == other, score, strict, why))
    return judged


def _score(
    city: City,
    first: tuple[Mapping[str, Any], datetime],
    second: tuple[Mapping[str, Any], datetime],
    *,
    own: bool,
) -> tuple[float, bool]:
    known = Candidate(case_id="", seen=_sighting(city, *first), own=own)
    new = _sighting(city, *second)
    words, others = (normal_words(report.get("text")) for report in (second[0], first[0]))
    near = compare(new, words, known, others, rules=city.duplicates)
    return (near.score, near.strict) if near else (0.0, False)


def _sighting(city: City, report: Mapping[str, Any], received_at: datetime) -> Sighting:
    captured_at = received_at - timedelta(seconds=report["captured_before_s"])
    return Sighting(
        category=report["category"],
        point=_point(report),
        error_m=report["location"]["accuracy_m"],
        seen_at=seen_at(captured_at, received_at, city.duplicates.window),
    )


def _point(report: Mapping[str, Any]) -> tuple[float, float]:
    at = report["location"]
    return to_wgs84(at["lon"], at["lat"], at["datum"])


def _said(one: Counted) -> str:
    return (
        f"{one.right} of {one.said} right, precision {one.precision:.3f}, recall {one.recall:.3f}"
        f" of {one.all_same}"
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{path} cannot be read: {error}") from None
