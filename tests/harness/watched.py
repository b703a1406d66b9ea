"""A command run to its end, with the most memory it held: a child's own figure would count its parent's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from services.adapters.settings import PROJECT

_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Ended:
    code: int | None
    said: str
    complained: str
    most_bytes: int


async def run(*command: str, environment: Mapping[str, str]) -> Ended:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=PROJECT,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    ended = asyncio.create_task(process.communicate())
    most = 0
    while not ended.done():
        with contextlib.suppress(psutil.NoSuchProcess):
            most = max(most, psutil.Process(process.pid).memory_info().rss)
        await asyncio.wait({ended}, timeout=_LOOK_SECONDS)
    said, complained = await ended
    return Ended(process.returncode, said.decode().strip(), complained.decode().strip(), most)
