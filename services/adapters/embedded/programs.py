"""Programs: runs one of the stack's programs (initdb, StorageTool) to its end; a failure tells its words."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.adapters.children import as_user, dies_with_parent
from services.adapters.embedded.cannot_start import CannotStart


async def run(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    user: tuple[int, int] | None = None,
    seconds: float = 60.0,
) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
        env=dict(environment),
        start_new_session=True,
        **as_user(user),
        preexec_fn=dies_with_parent(signal.SIGKILL),
    )
    name = Path(command[0]).name
    try:
        async with asyncio.timeout(seconds):
            output, _ = await process.communicate()
    except TimeoutError:
        raise CannotStart(f"{name} did not finish within {seconds:.0f} s: is the disk overloaded?") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    text = output.decode("utf-8", "replace").strip()
    if process.returncode:
        last = " | ".join(text.splitlines()[-3:])
        raise CannotStart(f"{name} failed with exit code {process.returncode}: {last}")
    return text
