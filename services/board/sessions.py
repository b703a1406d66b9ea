"""Who is calling: sign-in, sign-out, and the account behind the session cookie of every other route."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from services.adapters.problems import Problem, unavailable
from services.adapters.staff import ABSOLUTE, MAX_PASSWORD, Account, TooManySignIns
from services.board.bodies import Fields, json_answer, json_object
from services.board.parts import Board, Parts
from services.domain.messages import Actor

log = structlog.get_logger()

# Longer is no token of ours, and need not be hashed.
_LONGEST_TOKEN: Final = 128


@dataclass(frozen=True, slots=True)
class SignedIn:
    account: Account
    token: str

    @property
    def actor(self) -> Actor:
        account = self.account
        return Actor(
            ref=account.account_id, roles=(account.role,), hubs=(account.hub_code,), unit=account.unit
        )


def cookie_name(board: Parts) -> str:
    # The prefix makes a browser refuse a cookie that was set without TLS or for another path.
    return "__Host-session" if board.secure_cookie else "session"


async def signed_in(request: Request, board: Board) -> SignedIn:
    token = request.cookies.get(cookie_name(board), "")
    account = await board.staff.session(token) if 0 < len(token) <= _LONGEST_TOKEN else None
    if account is None:
        raise Problem(401, detail="Sign in first: POST /v1/session with username and password.")
    return SignedIn(account, token)


Signed = Annotated[SignedIn, Depends(signed_in)]

routes = APIRouter(tags=["session"])


@routes.post("/v1/session")
async def sign_in(request: Request, board: Board) -> Response:
    fields = Fields(await json_object(request))
    username = fields.text("username", needed=True, longest=64)
    password = fields.text("password", needed=True, longest=MAX_PASSWORD)
    fields.done()
    assert username is not None
    assert password is not None
    address = request.client.host if request.client else ""
    now = asyncio.get_running_loop().time()
    wait_s = board.throttle.try_now(username, address, now)
    if wait_s > 0:
        seconds = math.ceil(wait_s)
        raise Problem(
            429,
            "too_many_failures",
            detail=f"Too many wrong passwords for this name or from your address: try again in {seconds} s.",
            headers={"Retry-After": str(seconds)},
        )
    try:
        entered = await board.staff.sign_in(username, password)
    except TooManySignIns:
        board.throttle.take_back(username, address, now)
        raise unavailable("Many people sign in at this moment: try again.", retry_after=3) from None
    except Exception:
        board.throttle.take_back(username, address, now)
        raise
    if entered is None:
        log.warning("sign_in_failed", address=address)
        raise Problem(401, "wrong_credentials", detail="The name or the password is wrong.")
    board.throttle.succeeded(username, address, now)
    token, account = entered
    log.info("signed_in", account_id=account.account_id, hub_code=account.hub_code)
    answer = json_answer(account_body(account))
    answer.set_cookie(
        cookie_name(board),
        token,
        max_age=int(ABSOLUTE.total_seconds()),
        path="/",
        secure=board.secure_cookie,
        httponly=True,
        samesite="strict",
    )
    return answer


@routes.get("/v1/session")
async def who_am_i(signed: Signed) -> Response:
    return json_answer(account_body(signed.account))


@routes.delete("/v1/session")
async def sign_out(signed: Signed, board: Board) -> Response:
    await board.staff.sign_out(signed.token)
    answer = Response(status_code=204)
    answer.delete_cookie(
        cookie_name(board), path="/", secure=board.secure_cookie, httponly=True, samesite="strict"
    )
    return answer


def account_body(account: Account) -> dict[str, Any]:
    return {
        "account_id": account.account_id,
        "username": account.username,
        "role": account.role,
        "hub_code": account.hub_code,
        "unit": account.unit,
    }
