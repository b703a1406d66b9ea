"""`console calendar`: bring the official days of a year, and count again what was only predicted."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from services.adapters.city_book import BookUnusable, content_hash, load_hash
from services.adapters.city_files import read_city, read_folder
from services.adapters.kafka_producer import NotConfirmed
from services.adapters.recount_rows import recount_rows
from services.adapters.settings import EXIT_CONFIGURATION, Settings, SettingsError
from services.console.recount import Loaded, NotRecounted, load, recount, told
from services.domain.calendar_rows import YEAR, year_file
from services.domain.city_problems import CityProblems

app = typer.Typer(help="The official days of each year.", no_args_is_help=True)

City = Annotated[Path | None, typer.Option("--city", metavar="FOLDER", help="the city's; else CITY_FOLDER")]


@app.command("load")
def load_year(
    file: Annotated[Path, typer.Argument(metavar="YEAR.csv", help="date,day,name,source; such as 2027.csv")],
    city: City = None,
) -> None:
    """Put YEAR.csv into the city's folder, load the folder, and list every due that moved."""
    settings = Settings()
    folder = city if city is not None else settings.city_folder
    found = YEAR.fullmatch(f"calendar-days/{file.name}")
    if found is None:
        _refuse(f"{file.name} is not named by its year, such as 2027.csv")
    try:
        text = file.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as wrong:
        _refuse(f"{file} cannot be read: {wrong}")
    name = year_file(int(found[1]))
    try:
        files = read_folder(folder)
        read_city({**files, name: text}, 0)
        asyncio.run(_demand_active(settings.require("database_url"), files, folder))
        _put(folder / name, text)
    except CityProblems as wrong:
        _refuse("\n".join(str(problem) for problem in wrong.problems))
    except SettingsError as wrong:
        _refuse(str(wrong), EXIT_CONFIGURATION)
    except BookUnusable as wrong:
        _refuse(f"{wrong}; is `make run` running, and DATABASE_URL that of its book?")
    load_and_recount(settings, folder)


@app.command("recount")
def recount_all(city: City = None) -> None:
    """After a load that was cut off: ask every case that an official year of the city reaches again."""
    settings = Settings()
    folder = city if city is not None else settings.city_folder
    try:
        known = read_city(read_folder(folder), 0)
        active = asyncio.run(_active(settings.require("database_url")))
    except CityProblems as wrong:
        _refuse("\n".join(str(problem) for problem in wrong.problems))
    except SettingsError as wrong:
        _refuse(str(wrong), EXIT_CONFIGURATION)
    except BookUnusable as wrong:
        _refuse(f"{wrong}; is `make run` running, and DATABASE_URL that of its book?")
    if active is None:
        _refuse("no city is loaded: run `python -m services.console city load FOLDER`")
    version, years = active
    recount_and_tell(settings, Loaded(version, known, tuple(sorted(years))))


def load_and_recount(settings: Settings, folder: Path) -> None:
    """What `city load` does too. Raises CityProblems before anything is loaded."""
    try:
        loaded = asyncio.run(load(settings.require("database_url"), folder))
    except SettingsError as wrong:
        _refuse(str(wrong), EXIT_CONFIGURATION)
    except BookUnusable as wrong:
        _refuse(f"{wrong}; is `make run` running, and DATABASE_URL that of its book?")
    typer.echo(loaded.version)
    recount_and_tell(settings, loaded)


def recount_and_tell(settings: Settings, loaded: Loaded) -> None:
    try:
        found = asyncio.run(recount(settings, loaded.version, loaded.new_years, loaded.city))
    except (NotRecounted, NotConfirmed, BookUnusable, SettingsError) as wrong:
        _refuse(f"version {loaded.version} is active; {wrong}. `console calendar recount` asks again")
    for line in told(loaded.new_years, found, loaded.city) if loaded.new_years else ():
        typer.echo(line)


async def _active(database_url: str) -> tuple[int, frozenset[int]] | None:
    async with recount_rows(database_url) as rows:
        return await rows.active_years()


async def _demand_active(database_url: str, files: dict[str, str], folder: Path) -> None:
    """The year goes into this folder: the book must not hold another city, or this one otherwise."""
    if await load_hash(database_url) not in (None, content_hash(files)):
        _refuse(
            f"the active version is not what {folder} says: run `console city load {folder}` first,"
            " or name the right folder with --city"
        )


def _put(path: Path, text: str) -> None:
    beside = path.with_suffix(".new")
    try:
        path.parent.mkdir(exist_ok=True)
        beside.write_text(text, "utf-8", newline="")
        beside.replace(path)
    except OSError as wrong:
        with contextlib.suppress(OSError):
            beside.unlink()
        _refuse(f"{path} cannot be written ({wrong.strerror}): put the file there yourself, then `city load`")


def _refuse(why: str, code: int = 1) -> NoReturn:
    typer.echo(f"pioneer-hub: {why}", err=True)
    raise typer.Exit(code)
