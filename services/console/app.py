"""The command line: `python -m services.console …`. Each command has its own module, gathered here."""

from __future__ import annotations

import importlib
import importlib.util
import sys

import typer

from services.adapters.embedded import running
from services.adapters.embedded.cannot_start import CannotStart
from services.adapters.settings import EXIT_CONFIGURATION, SettingsError
from services.console.run import run

app = typer.Typer(
    name="console",
    help="Pioneer Hub: problem reports seen through three tiers of hubs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run")(run)
for _name in ("city", "staff", "dead_letters"):
    if importlib.util.find_spec(f"services.console.{_name}") is not None:
        _module = importlib.import_module(f"services.console.{_name}")
        app.add_typer(_module.app, name=_name.replace("_", "-"))
if importlib.util.find_spec("services.console.feed") is not None:
    app.command("feed")(importlib.import_module("services.console.feed").feed)


@app.callback()
def _find_running_stack(context: typer.Context) -> None:
    if context.invoked_subcommand != "run":
        running.adopt()


def main() -> None:
    try:
        app()
    except (CannotStart, SettingsError) as problem:
        print(f"pioneer-hub: {problem}", file=sys.stderr)
        sys.exit(EXIT_CONFIGURATION)
