"""The stack that is measured: `console run` in a folder of its own, single rooms beside it, their memory."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import psutil
import pytest

from services.adapters.embedded.ports import says_ready
from services.adapters.settings import PROJECT
from tests.console_run import Console

_START_SECONDS: Final = 180.0
_READY_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 20.0


class BenchError(RuntimeError):
    """A part did not do what it must; its log is named."""


async def seconds_to_ready(stack: Console) -> float:
    begun = time.perf_counter()
    try:
        await asyncio.to_thread(lambda: stack.start().wait_ready(_START_SECONDS))
    except pytest.fail.Exception as problem:
        raise BenchError(str(problem)) from problem
    return time.perf_counter() - begun


async def stop(stack: Console) -> None:
    await asyncio.to_thread(stack.stop)


@contextlib.asynccontextmanager
async def room(
    stack: Console, module: str, *arguments: str, job: Any = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """One of our processes, or of the bench's own, beside the stack's servers; ended with the block."""
    log = stack.folder / f"{module.rpartition('.')[2]}.log"
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", module, *arguments],
            cwd=PROJECT,
            env={**stack.environment, **stack.known(), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE if job is not None else subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        if job is not None:
            assert process.stdin is not None
            process.stdin.write(json.dumps(job).encode())
            process.stdin.close()
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _STOP_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()


async def wait_ready(process: asyncio.subprocess.Process, port: int, name: str) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and process.returncode is None:
        if await says_ready("127.0.0.1", port):
            return
        await asyncio.sleep(0.05)
    raise BenchError(f"{name} was not ready after {_READY_SECONDS:g} s")


async def load(stack: Console, job: dict[str, Any]) -> dict[str, Any]:
    """Run the load generator and give back its result."""
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "tests.bench.load"],
        cwd=PROJECT,
        env=stack.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await process.communicate(json.dumps(job).encode())
    if process.returncode:
        raise BenchError(f"the load generator failed: {err.decode('utf-8', 'replace').strip()[-1500:]}")
    result: dict[str, Any] = json.loads(out)
    if result["refused"]:
        raise BenchError(f"posts were not accepted: {result['refused']}")
    return result


def cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def memory(stack: Console) -> dict[str, tuple[int, int]]:
    """Process → RSS and PSS in bytes. A server's children count to it; PSS shares out what they share."""
    found: dict[str, tuple[int, int]] = {}
    named = {name: running["pid"] for name, running in stack.running().items()}
    if stack.process is not None:
        named["console"] = stack.process.pid
    for name, pid in named.items():
        process = psutil.Process(pid)
        family = [process] if name == "console" else [process, *process.children(recursive=True)]
        rss = pss = 0
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one = member.memory_full_info()
                rss += one.rss
                pss += getattr(one, "pss", one.rss)
        found[name] = rss, pss
    return found


def busy_percent(seconds: float = 2.0) -> float:
    """How much of the processors others take before anything of ours runs."""
    return float(psutil.cpu_percent(seconds))


def log_tail(folder: Path, module: str) -> str:
    log = folder / f"{module.rpartition('.')[2]}.log"
    return log.read_text("utf-8", "replace")[-1500:] if log.exists() else ""
