"""Ids made at the edge, once, and derived wherever a repeat must give the same id (design.md decision 10).

Every id is the 36-character text of a UUID; randomness and secrets are handed in.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from collections.abc import Iterable
from datetime import datetime, tzinfo
from functools import lru_cache

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CROCKFORD_VALUE = {c: i for i, c in enumerate(CROCKFORD)} | {"O": 0, "I": 1, "L": 1}
TRACKING_LENGTH = 16


def _uuid_text(value: int, version: int) -> str:
    value = value & ~(0xF << 76) | version << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    h = f"{value:032x}"
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def _hashed(version: int, *parts: str) -> str:
    digest = hashlib.blake2b("\x1f".join(parts).encode(), digest_size=16).digest()
    return _uuid_text(int.from_bytes(digest, "big"), version)


def _keyed(secret: bytes, *parts: str) -> int:
    code = _keyed_hash(secret).copy()
    code.update("\x1f".join(parts).encode())
    return int.from_bytes(code.digest()[:16], "big")


@lru_cache(maxsize=4)
def _keyed_hash(secret: bytes) -> hmac.HMAC:
    """The key's own two blocks are hashed once."""
    return hmac.new(secret, digestmod="sha256")


def milliseconds(at: datetime) -> int:
    """Unix time in whole milliseconds, rounded down."""
    return int(at.timestamp() * 1000)


def uuid7(at: datetime, random_bytes: bytes) -> str:
    """A UUIDv7 of `at`; `random_bytes` are ten random bytes."""
    return _uuid_text(milliseconds(at) << 80 | int.from_bytes(random_bytes[:10], "big"), 7)


def report_id(secret: bytes, door: str, idempotency_key: str) -> str:
    """The same door and key give the same report, so a repeat is the same command."""
    return _uuid_text(_keyed(secret, "report", door, idempotency_key), 8)


def command_id(secret: bytes, account_id: str, case_id: str, idempotency_key: str) -> str:
    return _uuid_text(_keyed(secret, "command", account_id, case_id, idempotency_key), 8)


def partner_token(secret: bytes, case: str, unit: str, hub_code: str) -> str:
    """What a partner without an account is handed: the case, and the proof that it was invited to it."""
    proof = _keyed(secret, "partner", case, unit, hub_code)
    return case.replace("-", "") + _crockford(proof & (1 << 125) - 1, 25).lower()


def case_of_partner_token(token: str) -> str | None:
    """The case that a token speaks of, whether its proof is right or not."""
    h = token[:32]
    if len(token) != 57 or any(c not in "0123456789abcdef" for c in h):
        return None
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def case_id(received_at: datetime, report: str) -> str:
    """UUIDv7 layout: it grows with time, and its random part is hashed from the first report."""
    digest = hashlib.blake2b(report.encode(), digest_size=10, person=b"case").digest()
    return _uuid_text(milliseconds(received_at) << 80 | int.from_bytes(digest, "big"), 7)


def first_of(at: datetime) -> str:
    """No id of this instant or later comes before it."""
    return _uuid_text(milliseconds(at) << 80, 7)


def deadline_id(case: str, clock: str, stage: str, step: str, set_seq: int) -> str:
    """One id per step of one setting of a due time; whatever happens at it happens once."""
    return _hashed(8, "deadline", case, clock, stage, step, str(set_seq))


def recount_id(case: str, version: int, years: Iterable[int]) -> str:
    """The command that counts a case's dues again after these years became official with this version."""
    return _hashed(8, "recompute_dues", case, str(version), *map(str, years))


def case_number(case: str, received_at: datetime, zone: tzinfo) -> str:
    """What people say on the phone: local date and six Crockford characters of the id's hashed part."""
    on = received_at.astimezone(zone)
    tail = int(case[-8:], 16) & 0x3FFFFFFF
    return f"{on.year % 100:02}{on.month:02}{on.day:02}-{_crockford(tail, 6)}"


def _crockford(value: int, length: int) -> str:
    return "".join(CROCKFORD[value >> 5 * i & 31] for i in reversed(range(length)))


def _check_bits(secret: bytes, number: int) -> int:
    return _keyed(secret, "tracking-check", str(number)) >> 108


def tracking_number(secret: bytes, report: str) -> int:
    """60 bits that stand for the report; the book indexes them."""
    return _keyed(secret, "tracking", report) >> 68


def tracking_code(secret: bytes, report: str) -> str:
    number = tracking_number(secret, report)
    return _crockford(number << 20 | _check_bits(secret, number), TRACKING_LENGTH)


def reporter_key(secret: bytes, phone: str | None) -> int | None:
    """63 bits that stand for a telephone number, however it is written; None for what is no number.

    The last eleven digits count: a prefix of the country may stand before them or not.
    """
    digits = "".join(c for c in unicodedata.normalize("NFKC", phone or "") if c.isascii() and c.isdigit())
    return _keyed(secret, "reporter", digits[-11:]) >> 65 if len(digits) >= 7 else None


def read_tracking_code(secret: bytes, code: str) -> int | None:
    """The 60 bits, or None for a code no door of ours gave out. Case, blanks and hyphens do not matter."""
    value = 0
    characters = code.upper().replace("-", "").replace(" ", "")
    if len(characters) != TRACKING_LENGTH:
        return None
    for character in characters:
        digit = _CROCKFORD_VALUE.get(character)
        if digit is None:
            return None
        value = value << 5 | digit
    number = value >> 20
    return number if value & 0xFFFFF == _check_bits(secret, number) else None
