"""`console city`: check a city's folder, or load it into the book as the active version."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from services.adapters.city_files import read_city, read_folder
from services.adapters.clock import Clock
from services.adapters.settings import Settings
from services.console.calendar import load_and_recount
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
    now: datetime = Clock(Settings().clock_offset_file).now()
    until = city.days.official_until(now.astimezone(city.zone).date())
    typer.echo(
        f"{city.name_en}: {len(city.hubs)} hubs, {len(city.categories)} categories, nothing wrong;"
        f" working days are official until {until}"
    )


@app.command()
def load(folder: Folder) -> None:
    """Check the folder and make it the active version; prints its number, and every due that it moved.

    Only years that become official move a due, and only one that was counted over their predicted days.
    """
    try:
        load_and_recount(Settings(), folder)
    except CityProblems as wrong:
        raise _refused(folder, wrong) from None


def _refused(folder: Path, wrong: CityProblems) -> typer.Exit:
    for problem in wrong.problems:
        typer.echo(str(folder / problem.file) + f":{problem.line}: {problem.rule}", err=True)
    return typer.Exit(1)
