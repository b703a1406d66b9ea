"""A photo as it comes to a door: read out of its form, kept in the store, every refusal said in one way.

Rules: whatever a program calls the part, the one file is the photo; what became of it is counted.
"""

from __future__ import annotations

from typing import Final

import structlog
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from services.adapters import metrics
from services.adapters.guard import PHOTO_LIMIT, too_large
from services.adapters.photos import Busy, NoRoom, NotAPhoto, PhotoStore
from services.adapters.problems import invalid, unavailable

FIELD: Final = "photo"

_log = structlog.get_logger()


async def read_photo(request: Request) -> bytes:
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise invalid([("Content-Type", f"send the photo as multipart/form-data, in the part `{FIELD}`")])
    try:
        async with request.form(max_files=1, max_fields=4) as form:
            part = form.get(FIELD)
            if not isinstance(part, UploadFile):
                part = next((value for value in form.values() if isinstance(value, UploadFile)), None)
            uploaded = await part.read() if part is not None else b""
    except HTTPException as error:
        raise invalid([(FIELD, f"the multipart form cannot be read: {error.detail}")]) from error
    if len(uploaded) > PHOTO_LIMIT:
        metrics.photos_total.labels("too_large").inc()
        raise too_large(PHOTO_LIMIT)
    if not uploaded:
        raise invalid([(FIELD, "the form has no file")])
    return uploaded


async def keep_photo(photos: PhotoStore, uploaded: bytes) -> str:
    """The id of the photo, which is on the disk now."""
    try:
        return await photos.put(uploaded)
    except NotAPhoto as error:
        raise invalid([(FIELD, str(error))]) from error
    except Busy as error:
        raise unavailable("Too many photos at once; send it again.", retry_after=2, code="busy") from error
    except NoRoom as error:
        raise unavailable(
            "There is no room for photos now; words are taken as ever.", retry_after=300, code="no_room"
        ) from error
    except OSError as error:
        metrics.photos_total.labels("failed").inc()
        _log.exception("photo_not_stored")
        raise unavailable("The photo could not be stored; send it again.", retry_after=10) from error
