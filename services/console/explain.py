"""`console explain CASE`: why a case is where it is, and when each date falls, from its events alone."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from services.adapters.case_history import SeveralCases, read_history
from services.adapters.city_book import BookUnusable
from services.adapters.settings import EXIT_CONFIGURATION, Settings, SettingsError
from services.console.due import language_of
from services.console.story import story


def explain(
    case: Annotated[str, typer.Argument(metavar="CASE", help="case_id, or its number such as 261124-8K2M0Q")],
    lang: Annotated[str, typer.Option(metavar="en|zh")] = "en",
) -> None:
    """Say in words why the case is where it is and when each date falls: rule, calendar, version."""
    language = language_of(lang)
    try:
        events, cities = asyncio.run(read_history(Settings().require("database_url"), case))
    except SettingsError as wrong:
        typer.echo(f"pioneer-hub: {wrong}", err=True)
        raise typer.Exit(EXIT_CONFIGURATION) from None
    except SeveralCases as several:
        typer.echo(f"pioneer-hub: {several}", err=True)
        raise typer.Exit(1) from None
    except BookUnusable as wrong:
        typer.echo(
            f"pioneer-hub: {wrong}; is `make run` running, and DATABASE_URL that of its book?", err=True
        )
        raise typer.Exit(1) from None
    if not events:
        typer.echo(f"pioneer-hub: there is no case {case}", err=True)
        raise typer.Exit(1)
    for line in story(events, cities, language):
        typer.echo(line)
