"""The photo store: a folder of re-encoded photos, each under an id that is a keyed hash of what was uploaded.

Rules: what `put` has answered is on the disk, its name too; no byte of an upload is decoded in this process;
two are decoded at a time and a few wait, the rest are told to come again; the last of the disk is not taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Final

import structlog

from services.adapters import metrics, photo_worker

ID: Final = re.compile(r"[0-9a-f]{32}")

FREE_BYTES: Final = 1 << 30
"""Left free on the photos' disk: anybody may send photos without end, and where the broker's log or the book
lies on the same disk, a full one would stop the house. Photos stop before that."""

_AT_A_TIME: Final = 2
_MAY_WAIT: Final = 8
_WALL_SECONDS: Final = 20.0

_log = structlog.get_logger()


class NotAPhoto(ValueError):
    """The upload cannot become a photo; the text says why and what to do."""


class Busy(RuntimeError):
    """Too many photos are being decoded; the same upload may be sent again."""


class NoRoom(RuntimeError):
    """The disk is nearly full: no photo is taken until there is room again."""


class PhotoStore:
    def __init__(self, folder: Path, secret: bytes, *, free_bytes: int = FREE_BYTES) -> None:
        self.free_bytes = free_bytes
        self._folder = folder
        self._secret = secret
        self._slots = asyncio.Semaphore(_AT_A_TIME)
        self._present = 0

    def id_of(self, uploaded: bytes) -> str:
        return hmac.digest(self._secret, b"photo\x1f" + uploaded, "sha256").hex()[:32]

    def path(self, photo_id: str) -> Path:
        return self._folder / photo_id[:2] / f"{photo_id}.jpg"

    def exists(self, photo_id: str) -> bool:
        return ID.fullmatch(photo_id) is not None and self.path(photo_id).is_file()

    async def put(self, uploaded: bytes) -> str:
        """Raises NotAPhoto, Busy or NoRoom; an OSError means that the disk did not take it."""
        photo_id = self.id_of(uploaded)
        if self.exists(photo_id):
            metrics.photos_total.labels("known").inc()
            return photo_id
        if self._present >= _AT_A_TIME + _MAY_WAIT:
            metrics.photos_total.labels("busy").inc()
            raise Busy("too many photos at once")
        if self._free() < self.free_bytes:
            metrics.photos_total.labels("no_room").inc()
            raise NoRoom(f"less than {self.free_bytes} bytes are free where the photos lie")
        self._present += 1
        try:
            async with self._slots:
                encoded = await self._reencode(uploaded)
            await asyncio.to_thread(_write_durably, self.path(photo_id), encoded)
        finally:
            self._present -= 1
        metrics.photos_total.labels("stored").inc()
        return photo_id

    def _free(self) -> int:
        self._folder.mkdir(parents=True, exist_ok=True)
        return shutil.disk_usage(self._folder).free

    async def _reencode(self, uploaded: bytes) -> bytes:
        worker = await asyncio.create_subprocess_exec(
            *[sys.executable, "-I", "-B", photo_worker.__file__],
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
        )
        try:
            async with asyncio.timeout(_WALL_SECONDS):
                encoded, _ = await worker.communicate(uploaded)
        except TimeoutError:
            metrics.photos_total.labels("not_an_image").inc()
            raise NotAPhoto("it takes too long to decode; send it smaller") from None
        finally:
            if worker.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    worker.kill()
                await worker.wait()
        if worker.returncode == 0 and encoded:
            return encoded
        if worker.returncode == photo_worker.EXIT_TOO_MANY_PIXELS:
            metrics.photos_total.labels("too_many_pixels").inc()
            most = photo_worker.MAX_PIXELS // 1_000_000
            raise NotAPhoto(f"it has more than {most} million pixels; send it smaller")
        if worker.returncode != photo_worker.EXIT_NOT_AN_IMAGE:
            # Killed by one of its limits, most likely: the upload is hostile or broken, not we.
            _log.warning("photo_worker_ended", returncode=worker.returncode, upload_bytes=len(uploaded))
        metrics.photos_total.labels("not_an_image").inc()
        raise NotAPhoto("it is not a JPEG, PNG or WEBP photo")


def _write_durably(path: Path, content: bytes) -> None:
    """Whole or not at all, and still there after the power went: file, name and folder are synced."""
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        _sync_folder(path.parent.parent)
    draft = path.with_name(f"{path.stem}.{os.urandom(6).hex()}.draft")
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
