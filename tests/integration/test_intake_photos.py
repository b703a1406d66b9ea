"""Photos at the door: what is taken, what comes through, what is refused, who sees them."""

from __future__ import annotations

import asyncio
import io
import re
import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
from PIL import Image

from services.adapters import codec
from services.domain.messages import AddPhotos
from tests.integration.filed_report import Filed
from tests.integration.intake_door import (
    NOWHERE,
    OpenDoor,
    eventually,
    fields,
    messages,
    open_door,
    problem,
)


def photo(size: tuple[int, int] = (60, 40), kind: str = "JPEG", mode: str = "RGB", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, 200).save(out, kind, **options) if mode == "1" else Image.new(mode, size).save(
        out, kind, **options
    )
    return out.getvalue()


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(broker: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OpenDoor]:
    async with open_door(broker, NOWHERE, tmp_path_factory.mktemp("door")) as door:
        yield door


async def _upload(
    door: OpenDoor, content: bytes, url: str = "/v1/photos", name: str = "a.jpg"
) -> httpx.Response:
    return await door.http.post(url, files={"photo": (name, content, "image/jpeg")})


async def test_a_photo_is_stored_without_its_metadata_and_upright(door: OpenDoor) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    exif[0x010E] = "where I live"
    exif.get_ifd(0x8825)[1] = "N"
    uploaded = photo((60, 40), exif=exif.tobytes())
    assert b"where I live" in uploaded
    answer = await _upload(door, uploaded)
    assert answer.status_code == 201
    assert answer.json().keys() == {"id"}
    photo_id = answer.json()["id"]
    assert re.fullmatch("[0-9a-f]{32}", photo_id)
    stored = door.parts.photos.path(photo_id).read_bytes()
    assert b"where I live" not in stored
    with Image.open(io.BytesIO(stored)) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (40, 60))
        assert dict(image.getexif()) == {}
    # The same bytes are the same photo; the id tells nothing to whoever has the photo but not the key.
    assert (await _upload(door, uploaded)).json()["id"] == photo_id
    left = [path for path in door.parts.photos.path(photo_id).parent.iterdir() if path.suffix != ".jpg"]
    assert left == []


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (photo((4000, 3000)), (1600, 1200)),
        (photo((300, 3200), "PNG"), (150, 1600)),
        (photo((50, 50), "PNG", "RGBA"), (50, 50)),
        (photo((50, 50), "PNG", "P"), (50, 50)),
        (photo((50, 50), "PNG", "I;16"), (50, 50)),
        (photo((50, 50), "WEBP", "RGBA"), (50, 50)),
        (photo((50, 50), "JPEG", "CMYK"), (50, 50)),
    ],
)
async def test_large_and_odd_ones_come_through(door: OpenDoor, content: bytes, size: tuple[int, int]) -> None:
    answer = await _upload(door, content)
    assert answer.status_code == 201, answer.text
    with Image.open(door.parts.photos.path(answer.json()["id"])) as image:
        assert (image.format, image.size) == ("JPEG", size)


def png_of_16_bits(*greys: int) -> bytes:
    """One band of 16 x 16 points for each grey, chunk by chunk as the PNG specification says."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    line = b"\x00" + b"".join(struct.pack(">H", grey) * 16 for grey in greys)
    header = struct.pack(">IIBBBBB", 16 * len(greys), 16, 16, 0, 0, 0, 0)
    lines = zlib.compress(line * 16)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


async def test_sixteen_bits_of_grey_keep_their_shades(door: OpenDoor) -> None:
    answer = await _upload(door, png_of_16_bits(0x0000, 0x4000, 0x8000, 0xFFFF), name="scan.png")
    assert answer.status_code == 201
    with Image.open(door.parts.photos.path(answer.json()["id"])) as image:
        seen = [image.getpixel((16 * band + 8, 8)) for band in range(4)]
    for found, grey in zip(seen, (0, 64, 128, 255), strict=True):
        assert isinstance(found, tuple)
        assert all(abs(part - grey) <= 3 for part in found), seen


@pytest.mark.parametrize(
    "content",
    [
        b"this is a text named .jpg",
        b"\xff\xd8\xff\xe0 begins like one",
        photo((400, 400))[:300],
        photo((50, 50), "GIF", "P"),
        photo((50, 50), "BMP"),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"",
    ],
)
async def test_what_is_no_photo_is_refused_by_name(door: OpenDoor, content: bytes) -> None:
    assert fields(await _upload(door, content)) == ["photo"]


async def test_a_picture_of_30000_by_30000_pixels_is_refused(door: OpenDoor) -> None:
    bomb = photo((30_000, 30_000), "PNG", "1")
    assert len(bomb) < 1_000_000
    answer = await _upload(door, bomb)
    assert fields(answer) == ["photo"]
    assert "40 million pixels" in answer.text


async def test_a_photo_over_10_mb_is_too_large_at_any_stage(door: OpenDoor) -> None:
    for size in (10 * 1024 * 1024 + 1, 10 * 1024 * 1024 + 20_000, 20_000_000):
        problem(await _upload(door, b"\xff\xd8" + b"x" * size), 413)
    assert (await _upload(door, photo())).status_code == 201


async def test_other_forms_and_no_form(door: OpenDoor) -> None:
    assert fields(await door.http.post("/v1/photos", json={})) == ["Content-Type"]
    assert fields(
        await door.http.post("/v1/photos", content=b"x", headers={"content-type": "image/jpeg"})
    ) == ["Content-Type"]
    for content_type in ("multipart/form-data", "multipart/form-data; boundary=x"):
        answer = await door.http.post(
            "/v1/photos", content=b"rubbish", headers={"content-type": content_type}
        )
        assert fields(answer) == ["photo"]
    assert fields(await door.http.post("/v1/photos", files={"photo": (None, "text")})) == ["photo"]
    named_otherwise = await door.http.post("/v1/photos", files={"file": ("a.jpg", photo(), "image/jpeg")})
    assert named_otherwise.status_code == 201


async def test_too_many_at_once_are_told_to_come_again(door: OpenDoor) -> None:
    different = [photo((1500, 1000 + n)) for n in range(16)]
    slots = door.parts.photos._slots
    async with slots, slots:  # none is decoded meanwhile
        uploads = [asyncio.create_task(_upload(door, content)) for content in different]

        async def all_are_judged() -> bool:
            return door.parts.photos._present + sum(one.done() for one in uploads) == 16

        await eventually(all_are_judged)
        refused = [one for one in uploads if one.done()]
    answers = await asyncio.gather(*uploads)
    assert [answer.status_code for answer in answers].count(201) == 10, "two at work and eight that wait"
    assert len(refused) == 6
    for one in refused:
        assert problem(one.result(), 503)["code"] == "busy"
        assert int(one.result().headers["retry-after"]) >= 1


async def test_the_last_of_the_disk_is_not_taken(door: OpenDoor) -> None:
    async def refusals() -> float:
        text = (await door.http.get("/metrics")).text
        found = re.search(r'^pioneer_photos_total\{result="no_room"\} (.+)$', text, re.M)
        assert found is not None
        return float(found[1])

    known = photo((20, 20))
    assert (await _upload(door, known)).status_code == 201
    before, free_bytes = await refusals(), door.parts.photos.free_bytes
    door.parts.photos.free_bytes = 1 << 62
    try:
        refused = await _upload(door, photo((21, 21)))
        assert problem(refused, 503)["code"] == "no_room"
        assert int(refused.headers["retry-after"]) >= 60
        assert (await _upload(door, known)).status_code == 201, "it lies there already"
        words = await door.http.post("/v1/reports", json={"channel": "resident", "text": "井盖松动"})
        assert words.status_code == 202
    finally:
        door.parts.photos.free_bytes = free_bytes
    assert await refusals() == before + 1
    assert (await _upload(door, photo((21, 21)))).status_code == 201


async def test_a_report_with_a_photo(door: OpenDoor, broker: str) -> None:
    photo_id = (await _upload(door, photo())).json()["id"]
    body = {"channel": "resident", "photos": [photo_id]}
    answer = await door.http.post("/v1/reports", json=body)
    assert answer.status_code == 202
    ((_, sent),) = await messages(
        broker, codec.REPORTS, lambda message: message.report_id == answer.json()["report_id"]
    )
    assert (sent.photos, sent.sealed) == ((photo_id,), None)
    body["photos"] = [photo_id, photo_id[::-1]]
    assert fields(await door.http.post("/v1/reports", json=body)) == ["photos[1]"]


@pytest.mark.asyncio(loop_scope="function")
async def test_a_photo_for_a_report(broker: str, database_url: str, tmp_path: Path) -> None:
    async with open_door(broker, database_url, tmp_path) as door:
        own = (await _upload(door, photo((10, 10)))).json()["id"]
        foreign = (await _upload(door, photo((11, 11)))).json()["id"]
        filed = Filed(photos=[own])
        # Not ours; ours and not in the book yet.
        problem(await _upload(door, photo(), "/v1/reports/0000000000000000/photos"), 404)
        early = await _upload(door, photo(), f"{filed.url}/photos")
        assert problem(early, 503)["code"] == "unavailable"
        assert int(early.headers["retry-after"]) >= 1

        book = await asyncpg.connect(database_url)
        await filed.write(book)
        added = [(await _upload(door, photo((12, 12)), f"{filed.url}/photos")) for _ in range(2)]
        assert [answer.status_code for answer in added] == [201, 201]
        commands = await messages(
            broker, codec.CASE_COMMANDS, lambda message: message.case_id == filed.case_id
        )
        # Twice the same photo is twice the same command: the router drops the repeat.
        assert len(commands) == 2
        assert len({command.command_id for _, command in commands}) == 1
        record, command = commands[0]
        assert record.key == filed.case_id.encode()
        assert command.type == "add_photos"
        assert command.payload == AddPhotos(photos=(added[0].json()["id"],), kind="before")
        assert (command.actor.ref, command.actor.roles) == (f"report:{filed.report_id}", ("reporter",))

        seen = await door.http.get(f"{filed.url}/photos/{own}")
        assert (seen.status_code, seen.headers["content-type"]) == (200, "image/jpeg")
        with Image.open(io.BytesIO(seen.content)) as image:
            assert image.size == (10, 10)
        for photo_id in (foreign, "0" * 32, "..%2f..%2fetc%2fpasswd"):
            problem(await door.http.get(f"{filed.url}/photos/{photo_id}"), 404)

        full = Filed(photos=[own, *(f"{n:032x}" for n in range(5))])
        await full.write(book)
        assert fields(await _upload(door, photo((13, 13)), f"{full.url}/photos")) == ["photo"]
        assert (await _upload(door, photo((10, 10)), f"{full.url}/photos")).status_code == 201
        await book.close()


async def test_a_photo_for_a_report_while_the_database_is_away(door: OpenDoor) -> None:
    answer = await _upload(door, photo(), f"{Filed().url}/photos")
    assert problem(answer, 503)["code"] == "unavailable"
