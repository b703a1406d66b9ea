"""Children: processes that this one starts, watches, starts again and stops.

Rules: each child lives in its own session and dies with this process; one that ends is started again after a
back-off; exit code 78 means that starting again would not help. Readiness is asked, never slept for.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from services.adapters.settings import EXIT_CONFIGURATION

FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 5.0
STEADY_SECONDS: Final = 30.0
GRACE_SECONDS: Final = 8.0
_LOOP_ENDS: Final = 5
_PROBE_PAUSE: Final = 0.05
_LAST_WORDS_SECONDS: Final = 0.5
_LONGEST_LINE: Final = 64_000

Say = Callable[[str, str], None]
"""say(name of the child, one line)"""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    ready: Callable[[], Awaitable[bool]]
    folder: Path
    port: int | None = None
    before: Callable[[], Awaitable[None]] | None = None
    """Runs before every start: what the last one may have left behind is cleared away here."""
    shows: Callable[[str], bool] = lambda _line: True
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGKILL
    """What the child gets from the system when this process dies."""
    user: tuple[int, int] | None = None
    once: bool = False
    """Its work has an end: it is not started again."""


class Child:
    def __init__(self, spec: ChildSpec, say: Say, changed: Callable[[], None]) -> None:
        self.spec = spec
        self.pid: int | None = None
        self.refuses = False
        """It ended with exit code 78 and is not started again."""
        self.ends = 0
        self.last_line = ""
        self._say = say
        self._changed = changed
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep(), name=f"keep {self.spec.name}")

    async def wait_ready(self, seconds: float, *, first: bool = False) -> bool:
        """True when the child answers as ready; False when it refuses, or after `seconds`.

        At its first start one that keeps ending is not waited for: what is wrong then does not pass.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.refuses and not self._stopping.is_set():
                    if first and self.ends >= _LOOP_ENDS:
                        return False
                    if self.pid is not None and await self.spec.ready() and self.pid is not None:
                        return True
                    await asyncio.sleep(_PROBE_PAUSE)
        return False

    async def stop(self, grace: float = GRACE_SECONDS) -> None:
        self._stopping.set()
        if self._task is None:
            return
        self._signal(self.spec.stop_signal)
        done, _ = await asyncio.wait([self._task], timeout=grace)
        if not done:
            self._say(self.spec.name, f"did not stop within {grace:.0f} s: killed")
            self.kill()
            await asyncio.wait([self._task], timeout=grace)
        self._task.cancel()

    def kill(self) -> None:
        self._stopping.set()
        self._signal(signal.SIGKILL)
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        pause, recent_ends = FIRST_PAUSE, 0
        while not self._stopping.is_set():
            started = loop.time()
            code = await self._live_once()
            if self._stopping.is_set() or self.spec.once:
                return
            self.ends += 1
            if loop.time() - started >= STEADY_SECONDS:
                pause, recent_ends = FIRST_PAUSE, 0
            recent_ends += 1
            if code == EXIT_CONFIGURATION:
                self.refuses = True
                self._say(
                    self.spec.name, "cannot work with this configuration (said above): not started again"
                )
                return
            if recent_ends <= _LOOP_ENDS:
                self._say(self.spec.name, f"ended ({_how(code)}); started again in {pause:.1f} s")
            if recent_ends == _LOOP_ENDS:
                self._say(
                    self.spec.name,
                    f"keeps ending, now tried every {LONGEST_PAUSE:.0f} s; its last line: {self.last_line}",
                )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _live_once(self) -> int:
        """One life from start to end. A start that fails counts as a life that ended with 127."""
        spec = self.spec
        try:
            if spec.before is not None:
                await spec.before()
            process, output, pipe = await spawn(spec)
        except OSError as problem:
            self.last_line = str(problem)
            self._say(spec.name, f"could not be started: {problem}")
            return 127
        self._process, self.pid = process, process.pid
        self._changed()
        hearing = asyncio.create_task(pump(output, self._hear))
        back = asyncio.create_task(self._say_when_back()) if self.ends else None
        try:
            if self._stopping.is_set():  # asked to stop while it was being started
                self._signal(spec.stop_signal)
            return await process.wait()
        finally:
            self.pid = None
            # What the child itself started must not outlive it, or it would hold ports and files.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            if back is not None:
                back.cancel()
            await asyncio.wait([hearing], timeout=_LAST_WORDS_SECONDS)
            hearing.cancel()
            pipe.close()
            self._changed()

    async def _say_when_back(self) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        if await self.wait_ready(120.0):
            self._say(self.spec.name, f"ready again {loop.time() - started:.1f} s after it was started")

    def _hear(self, line: str) -> None:
        self.last_line = line or self.last_line
        if self.spec.shows(line):
            self._say(self.spec.name, line)


async def spawn(
    spec: ChildSpec,
) -> tuple[asyncio.subprocess.Process, asyncio.StreamReader, asyncio.BaseTransport]:
    """The child's output comes on one pipe; its input is empty.

    The pipe is ours, not asyncio's: a grandchild that keeps it open must not hide the child's end from us.
    """
    loop = asyncio.get_running_loop()
    receiving, sending = os.pipe()
    output = asyncio.StreamReader()
    pipe, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(output), os.fdopen(receiving, "rb", 0)
    )
    try:
        process = await asyncio.create_subprocess_exec(
            *spec.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=sending,
            stderr=sending,
            cwd=spec.folder,
            env=dict(spec.environment),
            start_new_session=True,
            **as_user(spec.user),
            preexec_fn=dies_with_parent(spec.orphan_signal),
        )
    except BaseException:
        pipe.close()
        raise
    finally:
        os.close(sending)
    return process, output, pipe


async def pump(stream: asyncio.StreamReader, hear: Callable[[str], None]) -> None:
    """Hand on line by line until the other end closes; a line without an end is cut, not collected."""
    rest = b""
    while chunk := await stream.read(_LONGEST_LINE):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            hear(line.decode("utf-8", "replace").rstrip("\r"))
        if len(rest) > _LONGEST_LINE:
            hear(rest.decode("utf-8", "replace"))
            rest = b""
    if rest:
        hear(rest.decode("utf-8", "replace"))


def as_user(user: tuple[int, int] | None) -> dict[str, Any]:
    """Arguments of subprocess for running as (uid, gid) without any other group."""
    return {} if user is None else {"user": user[0], "group": user[1], "extra_groups": []}


def dies_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """Linux sends `number` to the child when this process dies, however it dies."""
    if sys.platform != "linux":
        return None
    prctl, parent, set_signal = ctypes.CDLL(None).prctl, os.getpid(), 1  # PR_SET_PDEATHSIG

    def before_exec() -> None:
        prctl(set_signal, int(number))
        if os.getppid() != parent:  # it died between fork and prctl
            os._exit(1)

    return before_exec


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
