"""Running: what other processes are told about the stack that runs from a data folder.

Rooms get it as environment; commands in a second terminal find it in secrets/environment.json, as long as
somebody holds the folder; tests find process ids and ports in run.json.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from services.adapters.children import Child
from services.adapters.embedded.folder import DataFolder, choose, hex_secret, seal_keys, secret, write_json
from services.adapters.settings import Settings

RUN: Final = "run.json"
_ENVIRONMENT: Final = "environment.json"


def addresses_and_secrets(
    settings: Settings, folder: DataFolder, *, kafka_bootstrap: str, database_url: str
) -> dict[str, str]:
    """What a room must know that its own environment may lack. Secrets that nobody gave are made here."""
    return {
        "PIONEER_DATA": str(folder.path),
        "CITY_FOLDER": str(settings.city_folder.absolute()),
        "KAFKA_BOOTSTRAP": kafka_bootstrap,
        "DATABASE_URL": database_url,
        "PIONEER_SECRET": settings.pioneer_secret or secret(folder, "pioneer_secret", hex_secret),
        "SEAL_KEYS": settings.seal_keys or secret(folder, "seal_keys", seal_keys),
        **({"CLOCK_OFFSET_FILE": str(file.absolute())} if (file := settings.clock_offset_file) else {}),
    }


def room_environment(known: Mapping[str, str]) -> dict[str, str]:
    """Our own environment and what is known. No buffer for lines: they are read as they are said."""
    return {**os.environ, **known, "PYTHONUNBUFFERED": "1"}


def remember(folder: DataFolder, known: Mapping[str, str]) -> None:
    write_json(folder.part("secrets") / _ENVIRONMENT, known, mode=0o600)


def forget(folder: DataFolder) -> None:
    (folder.part("secrets") / _ENVIRONMENT).unlink(missing_ok=True)


def adopt() -> None:
    """Take what the running stack remembers into this process's environment; what is set already stays."""
    folder = choose(Settings()).path
    if not _is_held(folder):
        return
    with contextlib.suppress(OSError, ValueError):
        for name, value in json.loads((folder / "secrets" / _ENVIRONMENT).read_text("utf-8")).items():
            os.environ.setdefault(name, value)


def _is_held(folder: Path) -> bool:
    try:
        with (folder / "lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def write_run(folder: DataFolder, children: Iterable[Child]) -> None:
    """run.json: name → {pid, port} of every child that lives now."""
    living = {
        child.spec.name: {"pid": child.pid, "port": child.spec.port}
        for child in children
        if child.pid is not None
    }
    write_json(folder.path / RUN, living)
