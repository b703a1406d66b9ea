"""The phone's pages: report a problem in three taps, and see how far a report is.

Rules: filled on the server, so that a slow phone shows something at once; texts are data (texts/*.json),
tiles are the city's; no inline script or style (the content security policy forbids both).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from services.domain.city import City
from services.domain.grids import Sign
from services.intake.door import door_of
from services.intake.report_body import FOR_OTHERS
from services.intake.words import WORDS, language, moment, named

HERE: Final = Path(__file__).parent
CHANNELS: Final = ("courier", "resident", *(one for one in FOR_OTHERS if one != "staff"))
_COOKIE: Final = "lang"
_YEAR_S: Final = 365 * 24 * 3600
SQUEEZED: Final = [Middleware(GZipMiddleware, minimum_size=1000)]

_templates: Final = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    auto_reload=False,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


async def report_page(request: Request) -> Response:
    """`?hub=CODE`, of a hub, grid or row, is what a QR code at a site carries: the place then is known."""
    city = door_of(request).known_city()
    given = request.query_params.get("hub")
    sign = city.sign(given) if given else None
    return page(
        request,
        "report.html",
        city=city,
        site=_site(city, sign) if sign else None,
        unknown_site=bool(given) and sign is None,
    )


@dataclass(frozen=True, slots=True)
class Site:
    code: str
    name: str


def _site(city: City, sign: Sign) -> Site:
    """`莫舍社区 · 莫舍第1网格 · R05`, as far as the sign names it."""
    grid = city.grids[sign.grid_code].name if sign.grid_code else None
    return Site(sign.code, " · ".join(filter(None, (city.hubs[sign.hub_code].name, grid, sign.row))))


async def look_up(request: Request) -> Response:
    return RedirectResponse(f"/r/{quote(request.query_params.get('code', '').strip()[:64], safe='')}", 303)


def page(request: Request, template: str, *, status_code: int = 200, **values: Any) -> Response:
    chosen = chosen_language(request)
    city = door_of(request).known_city()
    html = _templates.get_template(template).render(
        t=partial(_text, chosen),
        name=partial(named, chosen),
        moment=partial(moment, chosen),
        assets=_assets(),
        lang=chosen,
        other_language=next(other for other in WORDS if other != chosen),
        city_name=named(chosen, city),
        here=request.url.path,
        channels=CHANNELS,
        for_others=FOR_OTHERS,
        script_texts={key: text for key, text in WORDS[chosen].items() if key.startswith("page.")},
        **values,
    )
    headers = {"Cache-Control": "no-cache", "Content-Language": chosen, "Vary": "Accept-Language, Cookie"}
    response = HTMLResponse(html, status_code, headers=headers)
    if request.query_params.get(_COOKIE) == chosen:
        response.set_cookie(_COOKIE, chosen, max_age=_YEAR_S, httponly=True, samesite="lax")
    return response


def chosen_language(request: Request) -> str:
    """What was chosen on the page, else what the telephone speaks."""
    for chosen in (request.query_params.get(_COOKIE), request.cookies.get(_COOKIE)):
        if chosen in WORDS:
            return str(chosen)
    return language(request.headers.get("accept-language"))


def _text(chosen: str, key: str, **values: object) -> str:
    return WORDS[chosen][key].format(**values)


@cache
def _assets() -> str:
    """An address that changes with the files, so that telephones may keep them."""
    content = hashlib.sha256()
    for path in sorted((HERE / "static").iterdir()):
        content.update(path.read_bytes())
    return f"/static/{content.hexdigest()[:12]}"


class _Kept(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = f"public, max-age={_YEAR_S}, immutable"
        return response


def page_routes() -> list[BaseRoute]:
    return [
        Route("/", report_page, middleware=SQUEEZED),
        Route("/r", look_up),
        Mount(_assets(), _Kept(directory=HERE / "static"), name="static", middleware=SQUEEZED),
    ]
