"""The pages: small shells of HTML that belong to nobody; what stands in them is read with the session.

Rules: no inline script or style (the content security policy forbids both); the shells and the modules are
revalidated at every visit, so a new version is seen at once.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from services.board.bodies import uuid_or_none

HERE: Final = Path(__file__).parent
_HEADERS: Final = {"Cache-Control": "no-cache"}
_templates: Final = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    auto_reload=False,
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)

routes = APIRouter(include_in_schema=False)


@cache
def template(name: str) -> str:
    """A whole page: base.html with what is this page's own. Nothing of it depends on who asks."""
    return _templates.get_template(name).render()


@routes.get("/")
@routes.get("/callbacks")
async def queue_page() -> Response:
    return HTMLResponse(template("queue.html"), headers=_HEADERS)


@routes.get("/triage")
async def triage_page() -> Response:
    return HTMLResponse(template("triage.html"), headers=_HEADERS)


@routes.get("/cases/{case_id}")
async def case_page(case_id: str) -> Response:
    known = uuid_or_none(case_id) is not None
    return HTMLResponse(template("case.html"), status_code=200 if known else 404, headers=_HEADERS)


class _Revalidated(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_HEADERS)
        return response


def mount_static(app: FastAPI) -> None:
    app.mount("/static", _Revalidated(directory=HERE / "static"), name="static")
