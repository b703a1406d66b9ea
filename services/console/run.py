"""`console run`: everything on one machine, until Ctrl-C.

Exit code 0 after a stop that was asked for, 78 when starting is impossible (one sentence says why and what to
do), 130 after a second Ctrl-C, which kills.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from services.adapters.embedded import folder as data_folder
from services.adapters.embedded.cannot_start import CannotStart
from services.adapters.embedded.folder import DataFolder
from services.adapters.settings import EXIT_CONFIGURATION, Settings
from services.console.screen import Screen
from services.console.stack import PARTS, Stack

_SAMPLE_USER = "dispatcher-320506000000"


def run(
    only: Annotated[
        list[str] | None,
        typer.Option(help=f"Start only this part; may be given again. Parts: {', '.join(PARTS)}."),
    ] = None,
    feed: Annotated[
        Path | None, typer.Option(metavar="FILE", help="When all is ready, play this file (see `feed`).")
    ] = None,
) -> None:
    """Start everything: broker, database, all rooms. Ctrl-C stops it, a second one kills it."""
    unknown = set(only or ()) - set(PARTS)
    if unknown:
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: the parts are {', '.join(PARTS)}")
    screen = Screen()
    try:
        asyncio.run(_serve(Settings(), screen, only or PARTS, feed))
    except CannotStart as problem:
        screen.problem(str(problem))
        raise typer.Exit(EXIT_CONFIGURATION) from None


async def _serve(settings: Settings, screen: Screen, parts: Sequence[str], feed: Path | None) -> None:
    folder = data_folder.choose(settings)
    data_folder.prepare(folder)
    if folder.note:
        screen.say("data", folder.note)
    with data_folder.alone(folder):
        stack = Stack(settings, folder, screen, parts)
        stop = _stop_event(stack, screen)
        coming_up = asyncio.create_task(stack.up())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([coming_up, stopping], return_when=asyncio.FIRST_COMPLETED)
            if coming_up.done():
                _demand_success(coming_up, folder)
                _greet(stack)
                if feed is not None:
                    stack.play(feed)
                await stopping
        finally:
            coming_up.cancel()
            stopping.cancel()
            await asyncio.gather(coming_up, stopping, return_exceptions=True)
            await stack.down()
    screen.say("run", "stopped")


def _stop_event(stack: Stack, screen: Screen) -> asyncio.Event:
    stop = asyncio.Event()

    def asked() -> None:
        if stop.is_set():
            stack.kill()
            os._exit(128 + signal.SIGINT)
        screen.say("run", "stopping; once more kills")
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, asked)
    return stop


def _demand_success(coming_up: asyncio.Task[None], folder: DataFolder) -> None:
    problem = coming_up.exception()
    if isinstance(problem, OSError) and problem.errno == errno.ENOSPC:
        raise CannotStart(
            f"the disk of {folder.path} is full:"
            " free some space, or set PIONEER_DATA to a folder on another disk"
        )
    if isinstance(problem, OSError):
        raise CannotStart(f"cannot start: {problem}")
    if problem is not None:
        raise problem


def _greet(stack: Stack) -> None:
    settings = stack.settings
    rows = []
    if "intake" in stack.parts:
        rows.append(("report a problem", f"http://{settings.host}:{settings.intake_port}/"))
    if "board" in stack.parts:
        rows.append(("the desk", f"http://{settings.host}:{settings.board_port}/"))
        rows.append(("sample user", _SAMPLE_USER))
    if stack.password is not None:
        rows.append(("password", f"{stack.password}  (all sample users; shown only now)"))
    rows.append(("data and logs", str(stack.folder.path)))
    rows.append(("stop", "Ctrl-C"))
    if stack.not_ready:
        rows.append(("not ready yet", f"{', '.join(stack.not_ready)}: see the lines above"))
    stack.screen.box("Pioneer Hub is ready" if not stack.not_ready else "Pioneer Hub is up in part", rows)
