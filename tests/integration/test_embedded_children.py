"""The supervisor's children, with small Python programs as children."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from services.adapters import children
from services.adapters.children import Child, ChildSpec
from services.adapters.settings import PROJECT

WAIT = "import time; print('up', flush=True); time.sleep(60)"


class Nursery:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.pids: list[int] = []
        self.children: list[Child] = []

    def child(self, program: str, **more: Any) -> Child:
        async def is_ready() -> bool:
            return "up" in self.said

        spec = ChildSpec(
            name="room",
            command=[sys.executable, "-c", program],
            environment=dict(os.environ),
            ready=more.pop("ready", is_ready),
            folder=self.folder,
            **more,
        )
        child = Child(spec, lambda _name, line: self.said.append(line), self._changed)
        self.children.append(child)
        child.start()
        return child

    def _changed(self) -> None:
        self.pids += [child.pid for child in self.children if child.pid is not None]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.01)


@pytest.fixture
async def nursery(tmp_path: Path) -> AsyncIterator[Nursery]:
    made = Nursery(tmp_path)
    yield made
    await asyncio.gather(*(child.stop(grace=1.0) for child in made.children))
    assert not [pid for pid in made.pids if psutil.pid_exists(pid)]


async def test_one_that_dies_is_started_again_as_another_process(nursery: Nursery) -> None:
    child = nursery.child(WAIT)
    assert await child.wait_ready(10)
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await nursery.until(lambda: child.pid not in (None, first))
    assert "ended (SIGKILL); started again in 0.2 s" in nursery.said


async def test_pauses_double_and_a_loop_is_said_once(
    nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(children, "LONGEST_PAUSE", 0.05)
    child = nursery.child("print('no door today'); raise SystemExit(3)")
    await nursery.until(lambda: child.ends >= 8)
    told = [line for line in nursery.said if line.startswith("ended")]
    assert [line.split()[-2] for line in told] == ["0.0", "0.0", "0.0", "0.1", "0.1"]
    assert all("exit code 3" in line for line in told)
    (loop,) = [line for line in nursery.said if line.startswith("keeps ending")]
    assert "no door today" in loop
    assert not await child.wait_ready(10, first=True)


async def test_exit_code_78_means_do_not_try_again(nursery: Nursery) -> None:
    child = nursery.child("import sys; print('SEAL_KEYS is not set'); sys.exit(78)")
    assert not await child.wait_ready(10)
    assert child.refuses
    assert len(nursery.pids) == 1
    assert "SEAL_KEYS is not set" in nursery.said


async def test_one_with_an_end_is_not_started_again(nursery: Nursery) -> None:
    nursery.child("print('played')", once=True)
    await nursery.until(lambda: "played" in nursery.said and nursery.children[0].pid is None)
    assert len(nursery.pids) == 1


async def test_one_that_does_not_listen_to_term_is_killed_after_the_grace(nursery: Nursery) -> None:
    child = nursery.child("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + WAIT)
    assert await child.wait_ready(10)
    await child.stop(grace=0.3)
    assert child.pid is None
    assert "did not stop within 0 s: killed" in nursery.said


async def test_a_grandchild_that_keeps_the_pipe_open_does_not_hide_the_end(nursery: Nursery) -> None:
    program = (
        "import subprocess, sys, os, time\n"
        "helper = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print('helper', helper.pid, flush=True); print('up', flush=True); time.sleep(60)"
    )
    child = nursery.child(program)
    assert await child.wait_ready(10)
    helper = int(nursery.said[0].split()[1])
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await nursery.until(lambda: child.pid not in (None, first))
    await nursery.until(lambda: not psutil.pid_exists(helper) or is_zombie(helper))


async def test_a_line_without_end_is_cut_and_bytes_that_are_no_text_are_shown(nursery: Nursery) -> None:
    nursery.child("import sys; sys.stdout.buffer.write(b'x' * 300_000 + b'\\n\\xff!\\n')", once=True)
    await nursery.until(lambda: "\ufffd!" in nursery.said)
    assert sum(len(line) for line in nursery.said if line.startswith("x")) == 300_000
    assert max(map(len, nursery.said)) <= 130_000


async def test_a_program_that_is_not_there_is_said(nursery: Nursery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    child = nursery.child("")
    await nursery.until(lambda: child.ends >= 1)
    assert any("could not be started" in line and "/nowhere/python" in line for line in nursery.said)


@pytest.mark.skipif(sys.platform != "linux", reason="the system call is Linux's")
def test_children_die_with_their_parent_however_it_dies(tmp_path: Path) -> None:
    parent_program = (
        "import asyncio, os, sys\n"
        "from pathlib import Path\n"
        "from services.adapters.children import Child, ChildSpec\n"
        "async def main():\n"
        "    command = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
        "    ready = lambda: asyncio.sleep(0, True)\n"
        "    spec = ChildSpec('room', command, dict(os.environ), ready, Path('/'))\n"
        "    child = Child(spec, lambda *_: None, lambda: None)\n"
        "    child.start()\n"
        "    await child.wait_ready(10)\n"
        "    print(child.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent_program], cwd=PROJECT, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        child.wait(10)


def is_zombie(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
