"""Staff accounts and their sessions: argon2id for passwords, opaque tokens of which only the SHA-256 is kept.

Rules: one password is hashed at a time, in a thread; an unknown user costs the same time as a known one; a
session ends 12 hours after it was last used and 7 days after it began.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from services.adapters.city_book import active_version, read_version
from services.adapters.clock import Clock
from services.adapters.postgres import connect, load_sql
from services.domain import ids
from services.domain.city import City

if TYPE_CHECKING:
    import asyncpg

SQL: Final = load_sql("staff")

IDLE: Final = timedelta(hours=12)
ABSOLUTE: Final = timedelta(days=7)
MAX_WAITING_SIGN_INS: Final = 64
MAX_PASSWORD: Final = 200
# Writing "seen" at every request would turn every read into a write.
_SEEN_EVERY: Final = timedelta(minutes=1)
_ACQUIRE_SECONDS: Final = 3.0

Role = Literal["dispatcher", "unit", "supervisor", "callback_agent", "auditor"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)


class TooManySignIns(RuntimeError):
    """More people wait for their password to be checked than one processor checks in a few seconds."""


class UsernameTaken(ValueError):
    """Another account has this name already."""


class NoSuchAccount(LookupError):
    """No account has this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    account_id: str
    username: str
    role: Role
    hub_code: str
    unit: str | None
    disabled_at: datetime | None = None


class Passwords:
    """argon2id, 19 MiB, two passes, one lane: 43 ms of one processor; so one at a time, the rest wait."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
        self._one_at_a_time = asyncio.Semaphore(1)
        self._waiting = 0
        self._nobodys: str | None = None

    async def hash(self, password: str) -> str:
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, password: str, stored: str | None) -> bool:
        """False for `stored` None, after the same work as for a wrong password."""
        if self._waiting >= MAX_WAITING_SIGN_INS:
            raise TooManySignIns
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                if self._nobodys is None:
                    self._nobodys = await asyncio.to_thread(self._hasher.hash, secrets.token_hex(16))
                right = await asyncio.to_thread(self._verify, stored or self._nobodys, password)
                return right and stored is not None
        finally:
            self._waiting -= 1

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False


class Staff:
    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], clock: Clock) -> None:
        self._pool: Any = pool
        self._clock = clock
        self._passwords = Passwords()

    def _connection(self) -> Any:
        return self._pool.acquire(timeout=_ACQUIRE_SECONDS)

    async def add(
        self,
        *,
        username: str,
        password: str,
        hub_code: str,
        unit: str | None = None,
        role: Role | None = None,
    ) -> Account:
        """With `unit` it is that unit's account at the hub, without it a dispatcher of the hub, or `role`."""
        now = self._clock.now()
        role = role or ("dispatcher" if unit is None else "unit")
        account_id = ids.uuid7(now, os.urandom(10))
        hashed = await self._passwords.hash(password)
        async with self._connection() as connection:
            made = await connection.fetchval(
                SQL.insert_account, account_id, username, hashed, role, hub_code, unit, now
            )
        if made is None:
            raise UsernameTaken(f"there is an account named {username!r} already: choose another name")
        return Account(account_id=account_id, username=username, role=role, hub_code=hub_code, unit=unit)

    async def list(self) -> list[Account]:
        async with self._connection() as connection:
            rows = await connection.fetch(SQL.list_accounts)
        return [replace(_account(row), disabled_at=row["disabled_at"]) for row in rows]

    async def disable(self, username: str) -> None:
        """Signed out everywhere and not let in again. Raises NoSuchAccount, as the next two do."""
        await self._change(SQL.disable_account, username, self._clock.now(), signs_out=True)

    async def enable(self, username: str) -> None:
        await self._change(SQL.enable_account, username)

    async def set_password(self, username: str, password: str) -> None:
        """Whoever came in with the one before is signed out."""
        hashed = await self._passwords.hash(password)
        await self._change(SQL.set_password_hash, username, hashed, signs_out=True)

    async def _change(self, statement: str, username: str, *values: Any, signs_out: bool = False) -> None:
        async with self._connection() as connection, connection.transaction():
            account_id = await connection.fetchval(statement, username, *values)
            if account_id is None:
                raise NoSuchAccount(f"there is no account named {username!r}: `staff list` shows all")
            if signs_out:
                await connection.execute(SQL.delete_sessions_of, account_id)

    async def sign_in(self, username: str, password: str) -> tuple[str, Account] | None:
        """The token for the cookie and who it is, or None: wrong name and wrong password look the same."""
        async with self._connection() as connection:
            row = await connection.fetchrow(SQL.account_by_username, username)
        if not await self._passwords.matches(password, row["password_hash"] if row else None) or row is None:
            return None
        now = self._clock.now()
        token = secrets.token_urlsafe(32)
        async with self._connection() as connection, connection.transaction():
            await connection.execute(
                SQL.delete_sessions_before, row["account_id"], now - IDLE, now - ABSOLUTE
            )
            let_in = await connection.fetchval(
                SQL.insert_session, _hash(token), row["account_id"], now, row["password_hash"]
            )
        return (token, _account(row)) if let_in is not None else None

    async def session(self, token: str, *, touch: bool = True) -> Account | None:
        """Who holds this token; `touch` counts as use."""
        now = self._clock.now()
        async with self._connection() as connection:
            row = await connection.fetchrow(SQL.find_session, _hash(token), now - IDLE, now - ABSOLUTE)
            if row is None:
                return None
            if touch and now - row["last_seen_at"] > _SEEN_EVERY:
                await connection.execute(SQL.touch_session, _hash(token), now)
            return _account(row)

    async def sign_out(self, token: str) -> None:
        async with self._connection() as connection:
            await connection.execute(SQL.delete_session, _hash(token))


async def ensure_sample_staff(
    database_url: str, password: str | None, *, now: datetime | None = None
) -> str | None:
    """Of all hubs `dispatcher-<hub code>` and `unit-<hub code>-<unit>`; one of each other role at the top.

    All have one password; `password` sets it, or sets it anew; without one it is made at random once and
    returned only then.
    """
    passwords = Passwords()
    made: str | None = None
    connection = await connect(database_url, room="sample-staff")
    try:
        async with connection.transaction():
            await connection.execute(SQL.lock_sample_staff)
            city, _ = await read_version(connection, await active_version(connection))
            stored: str | None = await connection.fetchval(_of_samples(SQL.sample_hash))
            if password is None:
                if stored is None:
                    password = made = readable_password()
                    stored = await passwords.hash(password)
            elif stored is None or not await passwords.matches(password, stored):
                before, stored = stored, await passwords.hash(password)
                await connection.execute(_of_samples(SQL.set_sample_hash), stored, before)
                await connection.execute(_of_samples(SQL.delete_sample_sessions), stored)
            seats = sorted(_sample_seats(city))
            at = now if now is not None else Clock().now()
            new_ids = [ids.uuid7(at, os.urandom(10)) for _ in seats]
            columns = [list(column) for column in zip(*seats, strict=True)]
            await connection.execute(SQL.insert_sample_staff, new_ids, *columns, stored, at)
    finally:
        await connection.close()
    return made


def _of_samples(statement: str) -> str:
    return statement.replace("is_sample", SQL.is_sample)


def _sample_seats(city: City) -> Iterator[tuple[str, Role, str, str]]:
    """Name, role, hub and unit; the empty unit stands for none."""
    top: tuple[Role, ...] = ("supervisor", "callback_agent", "auditor")
    for role in top:
        yield role.replace("_", "-"), role, city.root, ""
    for code in city.hubs:
        yield f"dispatcher-{code}", "dispatcher", code, ""
        for unit in city.units:
            if city.sits(unit, code):
                yield f"unit-{code}-{unit}", "unit", code, unit


def readable_password() -> str:
    """Four groups of four: 80 bits that can be copied from a screen."""
    return "-".join("".join(secrets.choice(ids.CROCKFORD.lower()) for _ in range(4)) for _ in range(4))


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _account(row: Any) -> Account:
    return Account(
        account_id=row["account_id"],
        username=row["username"],
        role=row["role"],
        hub_code=row["hub_code"],
        unit=row["unit"],
    )
