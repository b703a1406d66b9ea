"""A recount: years became official, so each case they reach is asked to count its provisional dues again.

One ordinary command per case, decided by the router like any other; asking twice is harmless. What was asked
and answered is marked in the book, so what was cut off is asked again by the next start or load.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from services.adapters import codec
from services.adapters.city_book import BookUnusable, load_files
from services.adapters.city_files import read_city, read_folder
from services.adapters.clock import Clock
from services.adapters.kafka_producer import NotConfirmed, Producer
from services.adapters.recount_rows import Recounted, RecountRows, recount_rows
from services.adapters.settings import Settings
from services.domain import ids
from services.domain.city import City
from services.domain.messages import SYSTEM_ACTOR, CaseCommand, RecomputeDues

AT_ONCE: Final = 500
_READY_SECONDS: Final = 10.0
_DECIDED_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.2


class NotRecounted(RuntimeError):
    """The version is loaded and its years are official, but not every case has been asked or has answered."""


@dataclass(frozen=True, slots=True)
class Loaded:
    version: int
    city: City
    new_years: tuple[int, ...]
    """Official now and not when all was last recounted; none with the first version."""


async def load(database_url: str, folder: Path) -> Loaded:
    """Make the folder the active version. Raises CityProblems and BookUnusable."""
    files = read_folder(folder)
    city = read_city(files, 0)
    version = await load_files(database_url, files)
    async with recount_rows(database_url) as rows:
        recounted = await rows.recounted_years()
    return Loaded(version, city, tuple(sorted(city.days.years - recounted)))


async def recount(settings: Settings, version: int, years: Sequence[int], city: City) -> list[Recounted]:
    """Ask every case that the years reach; what changed. Raises BookUnusable, NotRecounted, NotConfirmed."""
    async with recount_rows(settings.require("database_url")) as rows:
        found = await _recount(rows, settings, version, tuple(years), city) if years else []
        await rows.mark_recounted(version)
        return found


async def _recount(
    rows: RecountRows, settings: Settings, version: int, years: tuple[int, ...], city: City
) -> list[Recounted]:
    if not await rows.older_have_ended():
        raise NotRecounted("a transaction that began before the load has not ended")
    case_ids = await rows.reached(years, city)
    if not case_ids:
        return []
    now = Clock(settings.clock_offset_file).now()
    commands = [_command(case_id, version, years, now) for case_id in case_ids]
    await _send(settings.require("kafka_bootstrap"), commands)
    return await _answers(rows, commands)


async def at_start(loaded: Loaded, settings: Settings, bootstrap: str, database_url: str) -> list[str]:
    """What to say of the dues that the city of this start has moved; nothing on most starts."""
    known = settings.model_copy(update={"kafka_bootstrap": bootstrap, "database_url": database_url})
    try:
        found = await recount(known, loaded.version, loaded.new_years, loaded.city)
    except (NotRecounted, NotConfirmed, BookUnusable) as wrong:
        return [f"{wrong}; `console calendar recount` asks again"]
    return list(told(loaded.new_years, found, loaded.city)) if found else []


def _command(case_id: str, version: int, years: tuple[int, ...], now: datetime) -> CaseCommand:
    return CaseCommand(
        command_id=ids.recount_id(case_id, version, years),
        case_id=case_id,
        type="recompute_dues",
        actor=SYSTEM_ACTOR,
        received_at=now,
        payload=RecomputeDues(years=years),
    )


async def _send(bootstrap: str, commands: Sequence[CaseCommand]) -> None:
    producer = Producer(bootstrap, client_id="console-recount")
    await producer.start()
    try:
        for _ in range(int(_READY_SECONDS / _LOOK_SECONDS)):
            if producer.ready:
                break
            await asyncio.sleep(_LOOK_SECONDS)
        else:
            raise NotRecounted(f"the broker at {bootstrap} does not answer: is it up?")
        for i in range(0, len(commands), AT_ONCE):
            await asyncio.gather(
                *(
                    producer.send(codec.CASE_COMMANDS, codec.command_record(command, "console"))
                    for command in commands[i : i + AT_ONCE]
                )
            )
    finally:
        await producer.stop()


async def _answers(rows: RecountRows, commands: Sequence[CaseCommand]) -> list[Recounted]:
    wanted = [command.command_id for command in commands]
    for _ in range(int(_DECIDED_SECONDS / _LOOK_SECONDS)):
        decided = await rows.decided(wanted)
        if decided == len(wanted):
            return await rows.recounted([command.case_id for command in commands], wanted)
        await asyncio.sleep(_LOOK_SECONDS)
    raise NotRecounted(
        f"{len(wanted)} cases were asked and {decided} have answered after {_DECIDED_SECONDS:.0f} s:"
        " the others will when the router is up"
    )


def told(years: Sequence[int], found: Sequence[Recounted], city: City) -> Iterator[str]:
    """One line for each due that moved, and the sum."""
    moved = 0
    official = 0
    for case in found:
        for due in case.body.dues:
            official += due.official
            if due.due_at != due.from_due_at:
                moved += 1
                before, after = (
                    at.astimezone(city.zone).isoformat(timespec="minutes")
                    for at in (due.from_due_at, due.due_at)
                )
                flag = "official" if due.official else "provisional"
                yield f"{case.number}  {due.clock:<7}  {due.stage:<12}  {before} -> {after}  {flag}"
    said = ", ".join(map(str, years))
    yield f"{said} official: {official} dues of {len(found)} cases counted again, {moved} moved"
