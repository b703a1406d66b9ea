"""One photo, one process: bytes in on stdin, a plain JPEG out on stdout, under limits of memory and time.

Run as a program, apart from the house and without its environment: what a decoder does to this process harms
nothing else. Only JPEG, PNG and WEBP are tried; nothing of the file but its pixels comes through.
"""

from __future__ import annotations

import contextlib
import io
import resource
import sys
import warnings
from typing import Final

MAX_PIXELS: Final = 40_000_000
LONGEST_SIDE: Final = 1600
QUALITY: Final = 85

EXIT_NOT_AN_IMAGE: Final = 3
EXIT_TOO_MANY_PIXELS: Final = 4

_MEMORY_BYTES: Final = 1 << 30
_CPU_SECONDS: Final = 10


def limit() -> None:
    for what, most in (
        (resource.RLIMIT_AS, _MEMORY_BYTES),
        (resource.RLIMIT_CPU, _CPU_SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 16),
    ):
        resource.setrlimit(what, (most, most))


def reencode(uploaded: bytes) -> bytes:
    """Raises ValueError for what is no photo, OverflowError for too many pixels."""
    from PIL import Image, ImageOps

    # The count is checked by us, before a pixel is decoded.
    Image.MAX_IMAGE_PIXELS = None
    try:
        photo: Image.Image = Image.open(io.BytesIO(uploaded), formats=("JPEG", "PNG", "WEBP"))
    except Exception as error:
        raise ValueError("not a JPEG, PNG or WEBP") from error
    if photo.width * photo.height > MAX_PIXELS:
        raise OverflowError(f"{photo.width} x {photo.height} pixels")
    try:
        # A JPEG can be decoded at half, quarter or eighth size: faster, and the large picture never exists.
        photo.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
        photo.load()
        if photo.mode.startswith("I"):
            # Grey of 16 bits: read as 8, all that is not nearly black would be white.
            photo = photo.convert("I").point(lambda grey: grey * (1 / 256)).convert("L")
        photo.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        with contextlib.suppress(Exception):
            # Broken EXIF is no reason to lose the photo: it stays as it lies.
            photo = ImageOps.exif_transpose(photo)
        coloured = photo.convert("RGBA")
        canvas = Image.new("RGB", coloured.size, "white")
        canvas.paste(coloured, mask=coloured.getchannel("A"))
        out = io.BytesIO()
        canvas.save(out, "JPEG", quality=QUALITY, optimize=True)
    except Exception as error:
        raise ValueError("it cannot be decoded") from error
    return out.getvalue()


def main() -> int:
    limit()
    warnings.simplefilter("ignore")
    try:
        encoded = reencode(sys.stdin.buffer.read())
    except OverflowError:
        return EXIT_TOO_MANY_PIXELS
    except (ValueError, MemoryError):
        return EXIT_NOT_AN_IMAGE
    sys.stdout.buffer.write(encoded)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
