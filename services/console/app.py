"""The command line: `python -m services.console …`. Each command has its own module, gathered here."""

from __future__ import annotations

import sys

import typer

from services.adapters import logs
from services.adapters.embedded import running
from services.adapters.embedded.cannot_start import CannotStart
from services.adapters.settings import EXIT_CONFIGURATION, Settings, SettingsError
from services.console import calendar, city, dead_letters, staff
from services.console.due import due
from services.console.duplicates import duplicates
from services.console.explain import explain
from services.console.feed import feed
from services.console.rebuild import rebuild
from services.console.run import run
from services.console.statistics import statistics

app = typer.Typer(
    name="console",
    help="Pioneer Hub: problem reports seen through three tiers of hubs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run")(run)
app.command("feed")(feed)
app.command("due")(due)
app.command("explain")(explain)
app.command("duplicates")(duplicates)
app.command("rebuild")(rebuild)
app.command("statistics")(statistics)
app.add_typer(city.app, name="city")
app.add_typer(calendar.app, name="calendar")
app.add_typer(staff.app, name="staff")
app.add_typer(dead_letters.app, name="dead-letters")


@app.callback()
def _find_running_stack(context: typer.Context) -> None:
    if context.invoked_subcommand != "run":
        running.adopt()


def main() -> None:
    try:
        # what a command says goes to standard output; adapters may only warn, and beside it
        quiet = Settings().model_copy(update={"log_level": "WARNING"})
        logs.configure("console", quiet, stream=sys.stderr)
        app()
    except (CannotStart, SettingsError) as problem:
        print(f"pioneer-hub: {problem}", file=sys.stderr)
        sys.exit(EXIT_CONFIGURATION)
