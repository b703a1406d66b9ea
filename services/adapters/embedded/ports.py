"""Ports: are they free, and do they answer?"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from typing import Final

import psutil

from services.adapters.embedded.cannot_start import CannotStart

_LOOKS: Final = 30
_LOOK_SECONDS: Final = 0.1
_ANSWER_SECONDS: Final = 2.0


async def demand_free(host: str, port: int, variable: str) -> None:
    """A process of a start that was killed may take a moment to leave; who stays is named."""
    for _ in range(_LOOKS):
        if _is_free(host, port):
            return
        await asyncio.sleep(_LOOK_SECONDS)
    raise CannotStart(
        f"port {port} on {host} is taken{_by(port)}: stop that, or set {variable} to a free port"
    )


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as place:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            place.bind((host, port))
        except OSError as problem:
            if problem.errno == errno.EADDRINUSE:
                return False
            raise CannotStart(f"cannot listen on {host}:{port}: {problem.strerror}") from None
    return True


def _by(port: int) -> str:
    with contextlib.suppress(psutil.Error, OSError):
        for found in psutil.net_connections("tcp"):
            if found.status == psutil.CONN_LISTEN and found.laddr.port == port and found.pid:
                return f" by process {found.pid} ({psutil.Process(found.pid).name()})"
    return ""


async def listens(host: str, port: int) -> bool:
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_ANSWER_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
            return True
    return False


async def says_ready(host: str, port: int) -> bool:
    """GET /readyz answers 200."""
    with contextlib.suppress(OSError, TimeoutError, ValueError):
        async with asyncio.timeout(_ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(f"GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                await writer.drain()
                status = await reader.readline()
            finally:
                writer.close()
            return status.split(b" ")[1:2] == [b"200"]
    return False
