"""`console run` for tests: a stack of its own, in a folder of its own, on free ports.

one = console("--only", "kafka", "--only", "postgres", sample_staff_password="…").start().wait_ready()
one.known()["DATABASE_URL"]; one.running()["router"]["pid"]; one.stop()
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from services.adapters.settings import PROJECT

PORT_VARIABLES = (
    "INTAKE_PORT",
    "BOARD_PORT",
    "ROUTER_PORT",
    "TIMEKEEPER_PORT",
    "KAFKA_PORT",
    "KAFKA_CONTROLLER_PORT",
    "POSTGRES_PORT",
)


_blocks = itertools.count()


def free_ports(count: int) -> list[int]:
    """Next to each other in a block of fifty of our own: room for router slots (+10 each).

    Below the range from which the system hands out ports to clients, so nobody takes one meanwhile.
    """
    while True:
        first = 10_000 + (os.getpid() * 7 + next(_blocks)) % 400 * 50
        with contextlib.ExitStack() as held:
            try:
                for port in range(first, first + 50):
                    held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
        return list(range(first, first + count))


def make_data_folder() -> Path:
    """Outside pytest's own folders: those are closed to others, and PostgreSQL does not run as root."""
    folder = Path(tempfile.mkdtemp(prefix="pioneer-test-"))
    folder.chmod(0o711)
    return folder


@dataclass
class Console:
    """`python -m services.console run` in a folder of its own."""

    folder: Path
    environment: dict[str, str]
    arguments: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    outputs: list[Path] = field(default_factory=list)

    def start(self) -> Console:
        output = self.folder / f"console-{len(self.outputs)}.log"
        self.outputs.append(output)
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.console", "run", *self.arguments],
                cwd=PROJECT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    @property
    def output(self) -> str:
        return self.outputs[-1].read_text("utf-8")

    def wait_ready(self, seconds: float = 90.0) -> Console:
        self.wait_for(lambda: "Pioneer Hub is" in self.output, seconds)
        return self

    def wait_for(self, condition: Callable[[], Any], seconds: float) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := condition():
                return found
            assert self.process is not None
            if self.process.poll() is not None:
                pytest.fail(f"console run ended with {self.process.returncode}:\n{self.output[-4000:]}")
            time.sleep(0.05)
        pytest.fail(f"not within {seconds:.0f} s; console run said:\n{self.output[-4000:]}")

    def running(self) -> dict[str, dict[str, int]]:
        """run.json: name → {pid, port}"""
        run: dict[str, dict[str, int]] = json.loads((self.folder / "run.json").read_text("utf-8"))
        return run

    def known(self) -> dict[str, str]:
        """KAFKA_BOOTSTRAP, DATABASE_URL and the secrets of the running stack."""
        known: dict[str, str] = json.loads((self.folder / "secrets" / "environment.json").read_text("utf-8"))
        return known

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 30.0) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(seconds)


def console(*arguments: str, folder: Path | None = None, **settings: str) -> Console:
    """A console on free ports; `settings` are environment variables, written in lower case."""
    ports = dict(zip(PORT_VARIABLES, map(str, free_ports(len(PORT_VARIABLES))), strict=True))
    chosen = {name.upper(): value for name, value in settings.items()}
    folder = folder or make_data_folder()
    inherited = {
        name: value for name, value in os.environ.items() if name not in ("KAFKA_BOOTSTRAP", "DATABASE_URL")
    }
    return Console(folder, {**inherited, **ports, "PIONEER_DATA": str(folder), **chosen}, arguments)


@contextlib.contextmanager
def gone_afterwards(one: Console) -> Iterator[Console]:
    """Whatever the test did: no process and no file of it stays."""
    try:
        yield one
    finally:
        if one.process is not None and one.process.poll() is None:
            one.process.kill()
            one.process.wait(10)
        shutil.rmtree(one.folder, ignore_errors=True)
