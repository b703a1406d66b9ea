"""A whole stack for a test: its addresses, its processes, a sure ending, logs that outlive a failure.

with running_stack("demo", sample_staff_password=PASSWORD) as stack: …
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import shutil
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from services.adapters.settings import PROJECT
from tests.console_run import Console, console, gone_afterwards

PASSWORD = "a-password-for-tests"
DOORS = ("intake", "board")
_KEPT_LINES = 60
_TROUBLE = ("Traceback", "Task was destroyed", "never retrieved", "never awaited", "Unhandled exception")


@dataclass
class Stack:
    console: Console

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.console.environment['KAFKA_PORT']}"

    @property
    def database_url(self) -> str:
        return self.console.known()["DATABASE_URL"]

    def url(self, room: str) -> str:
        return f"http://127.0.0.1:{self.console.environment[f'{room.upper()}_PORT']}"

    def processes(self) -> dict[str, dict[str, int]]:
        """name → {pid, port} of every child that lives now."""
        return self.console.running()

    def pid(self, name: str) -> int | None:
        return self.processes().get(name, {}).get("pid")

    def kill(self, name: str) -> int:
        """kill -9; ProcessLookupError when it is not running just now."""
        pid = self.pid(name)
        if pid is None:
            raise ProcessLookupError(f"{name} is not running")
        os.kill(pid, signal.SIGKILL)
        return pid

    def family(self, name: str) -> list[psutil.Process]:
        """The process and all that it started."""
        pid = self.pid(name)
        if pid is None:
            raise ProcessLookupError(f"{name} is not running")
        top = psutil.Process(pid)
        return [top, *top.children(recursive=True)]

    def not_ready(self, names: Sequence[str]) -> list[str]:
        """`name: reason` of those that do not answer 200 at /readyz (servers: that are not running)."""
        running = self.processes()
        reasons = {
            name: _not_ready(name, running[name]["port"]) if name in running else "is not running"
            for name in names
        }
        return [f"{name}: {reason}" for name, reason in reasons.items() if reason is not None]

    def lines_of_trouble(self, expected: Sequence[str] = ()) -> list[str]:
        """Lines that speak of a fault nobody handled, each with the line before it of the same process.

        `expected` are parts of lines that are no fault, or may be followed by a traceback.
        """
        found: list[str] = []
        before: dict[str, str] = {}
        for line in self.console.output.splitlines():
            name, _, said = line.partition("| ")
            last = before.get(name, "")
            if any(word in said for word in _TROUBLE) and not any(part in last + said for part in expected):
                found.append(f"{last} / {line}")
            before[name] = said
        return found


def _not_ready(name: str, port: int) -> str | None:
    if name in ("kafka", "postgres"):
        return None
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=3.0)
    try:
        asked.request("GET", "/readyz")
        answer = asked.getresponse()
        return None if answer.status == 200 else answer.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return repr(error)
    finally:
        asked.close()


@contextlib.contextmanager
def running_stack(name: str, *arguments: str, folder: Path | None = None, **settings: str) -> Iterator[Stack]:
    """Whatever happens in the body, no process and no file stays; after a failure the logs do, in var/."""
    one = console(*arguments, folder=folder, **{"sample_staff_password": PASSWORD, **settings})
    with gone_afterwards(one):
        try:
            one.start().wait_ready()
            assert "not ready yet" not in one.output, one.output
            yield Stack(one)
        except BaseException:
            print(keep_logs(one, name))
            raise
        finally:
            with contextlib.suppress(Exception):
                one.stop()


def keep_logs(one: Console, name: str) -> str:
    """Copy what the processes said to var/failed-tests/<name>; returns the last of it."""
    kept = PROJECT / "var" / "failed-tests" / name
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for output in one.outputs:
        shutil.copy(output, kept)
    shutil.copytree(one.folder / "logs", kept / "logs", dirs_exist_ok=True, ignore_dangling_symlinks=True)
    last = "\n".join(one.output.splitlines()[-_KEPT_LINES:]) if one.outputs else "it was not started"
    return f"{last}\n— all that was said is kept in {kept}"


async def until(
    condition: Callable[[], Awaitable[bool]] | Callable[[], bool],
    seconds: float,
    what: str | Callable[[], str],
    every: float = 0.05,
) -> float:
    """Waits for the condition and returns how long it took; a failure of the test after `seconds`."""
    started = time.monotonic()
    while True:
        met = condition()
        if not isinstance(met, bool):
            met = await met
        took = time.monotonic() - started
        if met:
            return took
        if took > seconds:
            pytest.fail(f"not within {seconds:g} s: {what if isinstance(what, str) else what()}")
        await asyncio.sleep(every)
