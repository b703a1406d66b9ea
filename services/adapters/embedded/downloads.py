"""Downloads: the broker's jars, straight from a Maven repository, as lock/jars.txt pins them.

Nothing is resolved at run time: a resolver would be more code, more answers to trust and more seconds, and
could only find what the lock already says byte for byte. A file that is there was whole when it got its name
(temporary file, fsync, rename); every start checks size and SHA-256 again.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.adapters.embedded.cannot_start import CannotStart
from services.adapters.settings import PROJECT

LOCK: Final = PROJECT / "lock" / "jars.txt"

FIRST_PAUSE: Final = 0.5
_CONNECTIONS: Final = 6
_TRIES: Final = 5
_SILENCE_SECONDS: Final = 20.0
_ABANDONED_SECONDS: Final = 600.0
_BLOCK: Final = 1 << 16

Progress = Callable[[int, int], None]
"""progress(more bytes, more whole files); bytes are negative when a file has to be begun again"""


@dataclass(frozen=True, slots=True)
class Jar:
    sha256: str
    path: str
    """Below the Maven repository."""

    def file(self, folder: Path) -> Path:
        return folder / self.path.rpartition("/")[2]


class _Stopped(Exception):
    pass


def read_lock(lock: Path = LOCK) -> list[Jar]:
    jars = []
    for number, line in enumerate(lock.read_text("utf-8").splitlines(), start=1):
        digest, _, path = line.partition("  ")
        if len(digest) != 64 or not path.endswith(".jar") or ".." in path:
            raise CannotStart(
                f"{lock}:{number} is not `sha256  path.jar`: take the file from the repository again"
            )
        jars.append(Jar(digest, path))
    return jars


def missing(jars: list[Jar], folder: Path) -> list[Jar]:
    """The jars that are absent or not as pinned. Reads each whole: 44 MB in a tenth of a second."""
    return [jar for jar in jars if not _is_pinned(jar, folder)]


def _is_pinned(jar: Jar, folder: Path) -> bool:
    try:
        with jar.file(folder).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == jar.sha256
    except FileNotFoundError:
        return False


def fetch(jars: list[Jar], folder: Path, *, mirror: str, stop: threading.Event, progress: Progress) -> None:
    """Download into `folder`, a few at a time. `progress` is told from threads; `stop` ends it early."""
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    with ThreadPoolExecutor(_CONNECTIONS, thread_name_prefix="download") as pool:
        running = [pool.submit(_fetch_one, jar, folder, mirror, progress, stop) for jar in jars]
        try:
            done, _ = wait(running, return_when=FIRST_EXCEPTION)
        finally:
            stop.set()  # one failure, or Ctrl-C, ends the others at their next block
            for future in running:
                future.cancel()
    for future in done:
        if not isinstance(future.exception(), _Stopped):
            future.result()


def _sweep(folder: Path) -> None:
    """Remove what a start that was killed left behind; one that runs beside this one touches its files."""
    for part in folder.glob(".*.part"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - part.stat().st_mtime > _ABANDONED_SECONDS:
                part.unlink()


def _fetch_one(jar: Jar, folder: Path, mirror: str, progress: Progress, stop: threading.Event) -> None:
    url = f"{mirror.rstrip('/')}/{jar.path}"
    problem: Exception | None = None
    for attempt in range(_TRIES):
        if attempt and stop.wait(FIRST_PAUSE * 2**attempt):
            raise _Stopped
        try:
            _download(url, jar, folder, progress, stop)
            return
        except urllib.error.HTTPError as refused:
            problem = refused
            refused.close()
            if refused.code in (401, 403, 404, 410):
                break
        except (OSError, http.client.HTTPException, _WrongBytes) as failed:
            problem = failed
    raise CannotStart(
        f"could not download {url} ({problem}):"
        " check the network, or set MAVEN_MIRROR to a mirror of Maven Central"
    )


class _WrongBytes(Exception):
    pass


def _download(url: str, jar: Jar, folder: Path, progress: Progress, stop: threading.Event) -> None:
    part = folder / f".{jar.file(folder).name}.{os.getpid()}.part"
    counted = 0
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "pioneer-hub"})
        with urllib.request.urlopen(request, timeout=_SILENCE_SECONDS) as answer, part.open("wb") as file:
            digest = hashlib.sha256()
            while block := answer.read(_BLOCK):
                if stop.is_set():
                    raise _Stopped
                digest.update(block)
                file.write(block)
                counted += len(block)
                progress(len(block), 0)
            if digest.hexdigest() != jar.sha256:
                raise _WrongBytes(f"SHA-256 is {digest.hexdigest()}, lock/jars.txt says {jar.sha256}")
            file.flush()
            os.fsync(file.fileno())
        part.replace(jar.file(folder))
        progress(0, 1)
    except BaseException:
        progress(-counted, 0)  # what comes again is not counted twice
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
        raise
