"""`console city`: check a city's folder, or load it into the book as the active version."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from services.adapters.city_book import BookUnusable, load_folder
from services.adapters.city_files import read_city, read_folder
from services.adapters.settings import EXIT_CONFIGURATION, Settings, SettingsError
from services.domain.city_problems import CityProblems

app = typer.Typer(help="The city's data: tiers, hubs, categories, limits.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="such as deploy/city/wuzhong")]


@app.command()
def check(folder: Folder) -> None:
    """Say what is wrong with the folder, as file:line: rule; exit code 1 if anything is."""
    try:
        city = read_city(read_folder(folder), 0)
    except CityProblems as wrong:
        raise _refused(folder, wrong) from None
    typer.echo(f"{city.name_en}: {len(city.hubs)} hubs, {len(city.categories)} categories, nothing wrong")


@app.command()
def load(folder: Folder) -> None:
    """Check the folder and make it the active version in the book; prints its number."""
    try:
        version = asyncio.run(load_folder(Settings().require("database_url"), folder))
    except CityProblems as wrong:
        raise _refused(folder, wrong) from None
    except SettingsError as wrong:
        typer.echo(str(wrong), err=True)
        raise typer.Exit(EXIT_CONFIGURATION) from None
    except BookUnusable as wrong:
        typer.echo(f"{wrong}; is `make run` running, and DATABASE_URL that of its book?", err=True)
        raise typer.Exit(1) from None
    typer.echo(version)


def _refused(folder: Path, wrong: CityProblems) -> typer.Exit:
    for problem in wrong.problems:
        typer.echo(str(folder / problem.file) + f":{problem.line}: {problem.rule}", err=True)
    return typer.Exit(1)
