"""The run-time folder: where the embedded stack keeps its data, and who may use it.

Rules: one stack per folder (flock); secrets are files of mode 0600 in secrets/. PostgreSQL never runs as
root: started by root it runs as an unprivileged user, who must be able to reach the folder.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import pwd
import secrets
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from services.adapters.children import as_user
from services.adapters.embedded.cannot_start import CannotStart
from services.adapters.settings import PROJECT, Settings

UNPRIVILEGED: Final = "nobody"
LEAST_FREE_BYTES: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class DataFolder:
    path: Path
    user: tuple[int, int] | None
    """(uid, gid) that PostgreSQL runs as; None: as ourselves, who are not root."""
    note: str | None = None
    """One line for people when the folder is not where they would look."""

    def part(self, name: str, mode: int = 0o700) -> Path:
        folder = self.path / name
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
        return folder


def choose(settings: Settings) -> DataFolder:
    """The folder of these settings. Makes nothing."""
    user = unprivileged() if os.geteuid() == 0 else None
    if "pioneer_data" in settings.model_fields_set:
        return DataFolder(settings.pioneer_data.absolute(), user)
    path = settings.pioneer_data
    if user is None or can_reach(user, PROJECT):
        return DataFolder(path, user)
    digest = hashlib.sha256(str(PROJECT).encode()).hexdigest()[:12]
    elsewhere = Path("/var/tmp") / f"pioneer-hub-{digest}"  # a fixed name: a second start finds the data
    return DataFolder(
        elsewhere, user, f"{PROJECT} is closed to the user {UNPRIVILEGED}: data is in {elsewhere}"
    )


def prepare(folder: DataFolder) -> None:
    """Make the folder, or say why it cannot be used."""
    path = folder.path
    try:
        path.mkdir(mode=0o711 if folder.user else 0o700, parents=True, exist_ok=True)
        owner = path.lstat()
        if stat.S_ISLNK(owner.st_mode) and path.parent == Path("/var/tmp"):
            raise CannotStart(f"{path} is a symbolic link in a folder open to all: remove it")
        if owner.st_uid != os.geteuid():
            raise CannotStart(
                f"{path} belongs to another user: remove it, or set PIONEER_DATA to another folder"
            )
        free = shutil.disk_usage(path).free
    except OSError as problem:
        raise CannotStart(
            f"cannot use {path} ({problem.strerror}): set PIONEER_DATA to another folder"
        ) from None
    if free < LEAST_FREE_BYTES:
        raise CannotStart(
            f"only {free // 1_000_000} MB are free for {path}:"
            f" free {LEAST_FREE_BYTES // 1_000_000} MB, or set PIONEER_DATA to a folder on another disk"
        )
    if folder.user is not None and not can_reach(folder.user, path):
        raise CannotStart(
            f"the user {UNPRIVILEGED}, who runs PostgreSQL when you are root, cannot reach {path}:"
            " set PIONEER_DATA to a folder such as /var/tmp/pioneer-hub, or start as an ordinary user"
        )


def unprivileged() -> tuple[int, int]:
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        raise CannotStart(
            f"PostgreSQL refuses to run as root and no user {UNPRIVILEGED} exists: start as an ordinary user"
        ) from None
    return entry.pw_uid, entry.pw_gid


def can_reach(user: tuple[int, int], path: Path) -> bool:
    """Asked of the system, as that user: permission bits alone would miss parents and ACLs."""
    asked = subprocess.run(
        ["/bin/sh", "-c", 'if [ -d "$0" ]; then cd "$0"; else [ -r "$0" ]; fi', path],
        cwd="/",
        env={},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=10,
        check=False,
        **as_user(user),
    )
    return asked.returncode == 0


@contextlib.contextmanager
def alone(folder: DataFolder) -> Iterator[None]:
    """Hold the folder for this process; the system lets go of it however the process ends."""
    with (folder.path / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise CannotStart(
                f"another start (process {file.read().strip() or 'unknown'}) works on {folder.path}:"
                " stop it, or set PIONEER_DATA and the ports to run a second one beside it"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def secret(folder: DataFolder, name: str, make: Callable[[], str]) -> str:
    """The secret of this name, made the first time."""
    path = folder.part("secrets") / name
    with contextlib.suppress(FileNotFoundError):
        return path.read_text("utf-8").strip()
    value = make()
    write_whole(path, value + "\n")
    return value


def hex_secret() -> str:
    return secrets.token_hex(32)


def seal_keys() -> str:
    return f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}"


def write_whole(path: Path, text: str, mode: int = 0o600) -> None:
    """Readers see the old text or the new one, never a part."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(
        os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8"
    ) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def write_json(path: Path, value: Mapping[str, Any], mode: int = 0o644) -> None:
    write_whole(path, json.dumps(value, indent=2, sort_keys=True) + "\n", mode)
