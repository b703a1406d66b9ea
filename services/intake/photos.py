"""Photos: uploaded before a report, added to one later, and shown to whoever holds the tracking code."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from services.adapters import codec
from services.adapters.photo_uploads import FIELD, keep_photo, read_photo
from services.adapters.problems import Problem, invalid, unavailable
from services.adapters.public_status import PublicReport
from services.domain import ids
from services.domain.messages import Actor, AddPhotos, CaseCommand
from services.intake.door import Door, door_of
from services.intake.report_body import MOST_PHOTOS
from services.intake.reports import confirmed
from services.intake.status import find, read_code

_encode = msgspec.json.Encoder().encode


async def post_photo(request: Request) -> Response:
    """Upload one photo, as part `photo` of a form; its id goes into a report. The same photo, the same id."""
    door = door_of(request)
    return _created(await keep_photo(door.photos, await read_photo(request)))


async def post_report_photo(request: Request) -> Response:
    """Add a photo to a report of one's own."""
    door = door_of(request)
    _, tracking = read_code(door, request)
    uploaded = await read_photo(request)
    report = await find(door, tracking)
    if report is None:
        raise unavailable("The report is on its way into the book; send the photo again.", retry_after=2)
    before = report.photos_before
    if door.photos.id_of(uploaded) not in before and len(before) >= MOST_PHOTOS:
        raise invalid([(FIELD, f"a report may have {MOST_PHOTOS} photos")])
    photo_id = await keep_photo(door.photos, uploaded)
    if photo_id not in before:
        command = _add(door, report, photo_id)
        await confirmed(door, codec.CASE_COMMANDS, codec.command_record(command, "intake"))
    return _created(photo_id)


def _add(door: Door, report: PublicReport, photo_id: str) -> CaseCommand:
    """The same photo for the same report is the same command."""
    return CaseCommand(
        command_id=ids.command_id(door.secret, report.actor_ref, report.case.case_id, photo_id),
        case_id=report.case.case_id,
        type="add_photos",
        actor=Actor(ref=report.actor_ref, roles=("reporter",)),
        received_at=door.clock.now(),
        payload=AddPhotos(photos=(photo_id,), kind="before"),
    )


async def get_photo(request: Request) -> Response:
    """A photo of this report, or of the resolution of its case."""
    door = door_of(request)
    _, tracking = read_code(door, request)
    photo_id: str = request.path_params["photo_id"]
    report = await find(door, tracking)
    theirs = report is not None and photo_id in (*report.photos_before, *report.photos_after)
    if not theirs or not door.photos.exists(photo_id):
        raise Problem(404, detail="This report has no such photo.")
    return FileResponse(
        door.photos.path(photo_id),
        media_type="image/jpeg",
        headers={
            "Cache-Control": "private, max-age=86400",
            "Content-Disposition": 'inline; filename="photo.jpg"',
        },
    )


def _created(photo_id: str) -> Response:
    return Response(_encode({"id": photo_id}), status_code=201, media_type="application/json")
