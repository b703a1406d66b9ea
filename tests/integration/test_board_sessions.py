"""Who may come in: sign-in, sessions and their end, foreign pages, guessing, the sample staff."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.adapters import city_book
from services.adapters.clock import Clock
from services.adapters.postgres import connect, open_pool
from services.adapters.settings import PROJECT
from services.adapters.staff import Staff, UsernameTaken, ensure_sample_staff
from tests.integration.board_desk import COMMUNITY, DISTRICT, PASSWORD, TOWN, Desk, open_desk

# 224 dispatchers; a supervisor, a callback agent and an auditor; 20 units of the district, 7 in each of
# 14 towns, 5 in each of 209 communities
SAMPLE_ACCOUNTS = 224 + 3 + 20 + 14 * 7 + 209 * 5


@pytest.fixture
async def desk(database_url: str, broker: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, broker, tmp_path) as one:
        yield one


async def test_a_session_begins_with_the_password_and_ends_with_sign_out(desk: Desk) -> None:
    client = desk.client()
    for hub, password in ((TOWN, "not this one"), ("999999999999", PASSWORD)):
        refused = await client.post(
            "/v1/session", json={"username": f"dispatcher-{hub}", "password": password}
        )
        assert (refused.status_code, refused.json()["code"]) == (401, "wrong_credentials")
    answer = await client.post("/v1/session", json={"username": f"dispatcher-{TOWN}", "password": PASSWORD})
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("session=")
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secure" not in cookie
    who = (await client.get("/v1/session")).json()
    assert (who["username"], who["role"], who["hub_code"]) == (f"dispatcher-{TOWN}", "dispatcher", TOWN)
    token = client.cookies["session"]
    stored = await desk.book.fetchval("SELECT string_agg(token_hash::text, '') FROM staff.sessions")
    assert token not in stored
    assert (await client.delete("/v1/session")).status_code == 204
    client.cookies.set("session", token)
    assert (await client.get(f"/v1/hubs/{TOWN}/queue")).status_code == 401


async def test_a_forged_or_missing_session_is_401_everywhere(desk: Desk) -> None:
    case = "01a20bc7-7a25-7aff-b810-dde73740b36a"
    client = desk.client()
    for cookie in (None, "x", "A" * 43, "A" * 5000, "ü"):
        headers = {} if cookie is None else {"cookie": f"session={cookie}".encode()}
        for method, path in (
            ("GET", f"/v1/hubs/{TOWN}/queue"),
            ("GET", f"/v1/cases/{case}"),
            ("POST", f"/v1/cases/{case}/commands"),
            ("GET", f"/v1/commands/{case}"),
            ("GET", "/v1/stream"),
            ("POST", "/v1/photos"),
            ("GET", f"/v1/cases/{case}/photos/{'a' * 32}"),
            ("DELETE", "/v1/session"),
        ):
            answer = await client.request(method, path, headers=headers)  # type: ignore[arg-type]
            assert answer.status_code == 401, (method, path, cookie)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["code"] == "not_signed_in"


async def test_a_session_ends_after_twelve_idle_hours_and_after_seven_days(desk: Desk) -> None:
    client = await desk.sign_in(TOWN)

    async def status_after(hours: float) -> int:
        desk.clock_file.write_text(str(hours * 3600))
        await _clock_was_read()
        return (await client.get("/v1/session")).status_code

    assert await status_after(11) == 200
    assert await status_after(22) == 200
    for day in range(1, 14):
        assert await status_after(min(22 + 11 * day, 167)) == 200
    assert await status_after(169) == 401, "used all the time, but seven days are over"
    again = await desk.sign_in(TOWN)
    desk.clock_file.write_text(str((169 + 12.1) * 3600))
    await _clock_was_read()
    assert (await again.get("/v1/session")).status_code == 401, "idle for twelve hours"


async def _clock_was_read() -> None:
    """The clock looks at its file 20 times a second at most."""
    await asyncio.sleep(0.06)


async def test_pages_of_other_sites_are_refused_and_programs_are_not(desk: Desk) -> None:
    client = await desk.sign_in(TOWN)
    path = "/v1/session"
    body = {"username": f"dispatcher-{TOWN}", "password": PASSWORD}
    for header, value in (
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ):
        answer = await client.post(path, json=body, headers={header: value})
        assert answer.status_code == 403, (header, value)
        assert answer.json()["errors"][0]["field"] == header
    own = await client.post(path, json=body, headers={"Origin": desk.url, "Sec-Fetch-Site": "same-origin"})
    assert own.status_code == 200
    form = await client.post(path, data=body)
    assert form.status_code == 415, "a form of another site can send this without asking"


async def test_a_bad_sign_in_names_the_field(desk: Desk) -> None:
    client = desk.client()
    for content, field in (
        (b"{", "body"),
        (b"[]", "body"),
        (b'{"username": 7, "password": "x"}', "username"),
        (b'{"username": "x"}', "password"),
        (b'{"username": "x\\u0000", "password": "x"}', "username"),
        (b'{"username": "x", "password": "\\ud800"}', "body"),
        (b'{"username": "x", "password": "y", "admin": true}', "admin"),
    ):
        answer = await client.post(
            "/v1/session", content=content, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 422, content
        assert answer.json()["errors"][0]["field"] == field


async def test_guessing_is_slowed_for_that_name_alone(desk: Desk) -> None:
    client = desk.client()
    for _ in range(10):
        body = {"username": f"dispatcher-{TOWN}", "password": "guess"}
        assert (await client.post("/v1/session", json=body)).status_code == 401
    stopped = await client.post("/v1/session", json={"username": f"dispatcher-{TOWN}", "password": PASSWORD})
    assert stopped.status_code == 429
    assert 0 < int(stopped.headers["Retry-After"]) <= 300
    other = await client.post(
        "/v1/session", json={"username": f"dispatcher-{COMMUNITY}", "password": PASSWORD}
    )
    assert other.status_code == 200


async def test_the_sample_staff_is_made_once_and_the_setting_resets_its_password(database_url: str) -> None:
    await city_book.load_folder(database_url, PROJECT / "deploy/city/wuzhong")
    made = await ensure_sample_staff(database_url, None)
    assert made is not None
    assert len(made) >= 16
    assert await ensure_sample_staff(database_url, None) is None, "told once"
    pool = await open_pool(database_url, room="tests", max_size=2)
    try:
        assert await pool.fetchval("SELECT count(*) FROM staff.accounts") == SAMPLE_ACCOUNTS
        staff = Staff(pool, Clock())
        assert await staff.sign_in(f"dispatcher-{DISTRICT}", made) is not None
        entered = await staff.sign_in(f"dispatcher-{COMMUNITY}", made)
        assert entered is not None
        assert await ensure_sample_staff(database_url, "another password") is None
        assert await staff.session(entered[0]) is None, "who came in with the old password is out"
        assert await staff.sign_in(f"dispatcher-{COMMUNITY}", made) is None
        assert await staff.sign_in(f"dispatcher-{COMMUNITY}", "another password") is not None
        assert await ensure_sample_staff(database_url, "another password") is None
        assert await pool.fetchval("SELECT count(*) FROM staff.sessions") == 1, "nothing was reset"
    finally:
        await pool.close()


async def test_accounts_have_names_of_their_own(database_url: str) -> None:
    pool = await open_pool(database_url, room="tests", max_size=2)
    try:
        staff = Staff(pool, Clock())
        unit = await staff.add(username="gas", password=PASSWORD, hub_code=DISTRICT, unit="gas_co")
        assert (unit.role, unit.unit) == ("unit", "gas_co")
        with pytest.raises(UsernameTaken, match="gas"):
            await staff.add(username="gas", password=PASSWORD, hub_code=TOWN)
        assert [account.username for account in await staff.list()] == ["gas"]
        connection = await connect(database_url, room="tests")
        hashed = await connection.fetchval("SELECT password_hash FROM staff.accounts")
        await connection.close(timeout=5.0)
        assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    finally:
        await pool.close()
