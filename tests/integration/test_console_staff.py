"""`console staff` on the real book: an account is added, shut, opened again, and given another password."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.adapters import city_book
from services.adapters.clock import Clock
from services.adapters.postgres import open_pool
from services.adapters.settings import PROJECT
from services.adapters.staff import Staff, ensure_sample_staff

DISTRICT, TOWN = "320506000000", "320506003000"


class Office:
    def __init__(self, url: str, folder: Path, staff: Staff) -> None:
        self.staff = staff
        self._environment = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": url,
            "PIONEER_DATA": str(folder),
        }

    async def says(self, *arguments: str, typed: str = "", code: int = 0) -> str:
        """What `console staff …` says, on whichever of its two outputs."""
        ran = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "services.console", "staff", *arguments],
            cwd=PROJECT,
            env=self._environment,
            input=typed,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ran.returncode == code, ran.stdout + ran.stderr
        assert "Traceback" not in ran.stderr
        return ran.stderr if code else ran.stdout

    async def password_of(self, *arguments: str) -> str:
        found = re.search(r"with the password (\S+)", await self.says(*arguments))
        assert found is not None
        return found[1]

    async def session(self, name: str, password: str) -> str | None:
        entered = await self.staff.sign_in(name, password)
        return None if entered is None else entered[0]


@pytest.fixture
async def office(database_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    await city_book.load_folder(database_url, PROJECT / "deploy/city/wuzhong")
    pool = await open_pool(database_url, room="tests", max_size=2)
    yield Office(database_url, tmp_path, Staff(pool, Clock()))
    await pool.close()


async def test_who_left_is_shut_out_at_once_and_may_come_back(office: Office) -> None:
    password = await office.password_of("add", "li.na", "--hub", TOWN)
    token = await office.session("li.na", password)
    assert token is not None
    assert "disabled" not in await office.says("list")

    said = await office.says("disable", "li.na")
    assert said == "li.na cannot sign in any more, and is signed out everywhere\n"
    assert await office.staff.session(token) is None
    assert await office.session("li.na", password) is None
    shown = await office.says("list")
    assert re.fullmatch(
        rf"{TOWN}  dispatcher +  li\.na  disabled since \d{{4}}-\d\d-\d\d \d\d:\d\d UTC\n", shown
    )
    await office.says("disable", "li.na")
    assert await office.says("list") == shown, "since the first time"

    assert await office.says("enable", "li.na") == "li.na can sign in again, with the password as before\n"
    assert await office.staff.session(token) is None, "what was signed out stays so"
    assert await office.session("li.na", password) is not None
    assert "disabled" not in await office.says("list")


async def test_another_password_ends_what_began_with_the_old_one(office: Office) -> None:
    old = await office.password_of("add", "gas.desk", "--hub", DISTRICT, "--unit", "gas_co")
    other = await office.password_of("add", "li.na", "--hub", TOWN)
    token, hers = await office.session("gas.desk", old), await office.session("li.na", other)
    assert token is not None
    assert hers is not None

    new = await office.password_of("password", "gas.desk")
    assert await office.staff.session(token) is None
    assert await office.staff.session(hers) is not None
    assert await office.session("gas.desk", old) is None
    assert await office.session("gas.desk", new) is not None

    typed = "long enough for this\n" * 2
    assert (
        "password"
        not in (await office.says("password", "gas.desk", "--prompt", typed=typed)).splitlines()[-1]
    )
    assert await office.session("gas.desk", new) is None
    assert await office.session("gas.desk", "long enough for this") is not None
    short = await office.says("password", "gas.desk", "--prompt", typed="short\nshort\n", code=1)
    assert "a password has 12 to 200 characters" in short


@pytest.mark.parametrize("command", ["disable", "enable", "password"])
async def test_a_name_that_nobody_has_is_said(office: Office, command: str) -> None:
    said = await office.says(command, "nobody", code=1)
    assert "there is no account named 'nobody'" in said
    assert "staff list" in said


async def test_a_sign_in_under_way_with_the_old_password_does_not_come_through(office: Office) -> None:
    """Its password was right when it was looked at."""
    password = await office.password_of("add", "li.na", "--hub", TOWN)
    passwords = office.staff._passwords
    looking, go_on = asyncio.Event(), asyncio.Event()
    matches = passwords.matches

    async def matches_slowly(password: str, stored: str | None) -> bool:
        found = await matches(password, stored)
        looking.set()
        await go_on.wait()
        return found

    passwords.matches = matches_slowly  # type: ignore[method-assign]
    signing_in = asyncio.create_task(office.staff.sign_in("li.na", password))
    await looking.wait()
    await office.staff.set_password("li.na", "another password")
    go_on.set()
    assert await signing_in is None


async def test_a_password_of_ones_own_is_not_the_sample_password(database_url: str, office: Office) -> None:
    """One of the sample staff gets a password of its own: the setting is for the others from then on."""
    await ensure_sample_staff(database_url, "the sample password")
    await office.staff.set_password(f"dispatcher-{DISTRICT}", "a password of its own")
    await ensure_sample_staff(database_url, "the sample password")
    assert await office.session(f"dispatcher-{DISTRICT}", "a password of its own") is not None
    assert await office.session(f"dispatcher-{TOWN}", "the sample password") is not None
    await ensure_sample_staff(database_url, "the next password")
    assert await office.session(f"dispatcher-{DISTRICT}", "a password of its own") is not None
    assert await office.session(f"dispatcher-{TOWN}", "the next password") is not None
