"""Photos as a telephone takes them, but drawn: a street with a manhole; on its side, with its position."""

from __future__ import annotations

import io

from PIL import ExifTags, Image, ImageDraw, ImageFilter

from tests.browser.visit import POSITION

_ASPHALT, _EDGE, _HOLE, _IRON = (96, 97, 99), (168, 160, 140), (16, 15, 14), (122, 112, 100)
_ON_ITS_SIDE = 6


def manhole(*, shut: bool = False, width: int = 1600, height: int = 1200) -> bytes:
    """A JPEG whose EXIF says where it was taken, and that it must be turned to stand upright."""
    street = Image.new("RGB", (width, height), _ASPHALT)
    grain = Image.effect_noise((width, height), 34).convert("RGB")
    street = Image.blend(street, grain, 0.28).filter(ImageFilter.GaussianBlur(1.2))
    pen = ImageDraw.Draw(street)
    pen.rectangle((0, 0, width, height // 9), fill=_EDGE)
    hole = (width * 0.30, height * 0.36, width * 0.72, height * 0.80)
    aside = 0.0 if shut else width * 0.17
    pen.ellipse(hole, fill=_HOLE, outline=_EDGE, width=width // 60)
    lid = (hole[0] + aside, hole[1] + aside * 0.4, hole[2] + aside, hole[3] + aside * 0.4)
    pen.ellipse(lid, fill=_IRON, outline=(70, 64, 58), width=width // 80)
    for share in (0.2, 0.4, 0.6, 0.8):
        y = lid[1] + (lid[3] - lid[1]) * share
        half = (lid[2] - lid[0]) / 2 * (1 - (2 * share - 1) ** 2) ** 0.5 * 0.85
        middle = (lid[0] + lid[2]) / 2
        pen.line((middle - half, y, middle + half, y), fill=(70, 64, 58), width=width // 120)
    kept = io.BytesIO()
    turned = street.filter(ImageFilter.GaussianBlur(0.8)).transpose(Image.Transpose.ROTATE_90)
    turned.save(kept, "JPEG", quality=80, exif=_exif())
    return kept.getvalue()


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "A telephone"
    exif[ExifTags.Base.Orientation] = _ON_ITS_SIDE
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(
        {
            ExifTags.GPS.GPSLatitudeRef: "N",
            ExifTags.GPS.GPSLatitude: _degrees(POSITION["latitude"]),
            ExifTags.GPS.GPSLongitudeRef: "E",
            ExifTags.GPS.GPSLongitude: _degrees(POSITION["longitude"]),
        }
    )
    return exif


def _degrees(value: float) -> tuple[float, float, float]:
    """Degrees, minutes, seconds."""
    minutes = value % 1 * 60
    return float(int(value)), float(int(minutes)), round(minutes % 1 * 60, 2)
