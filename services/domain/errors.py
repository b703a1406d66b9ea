"""Who is wrong: the caller (NotAllowed) or the bytes (Malformed). Each names what to mend."""

from __future__ import annotations

from typing import Literal

RefusalCode = Literal["stale", "not_allowed", "forbidden", "verifier_is_handler", "invalid", "not_found"]


class NotAllowed(Exception):
    """A command that was read and cannot be applied. It becomes a recorded refusal, never a dead letter."""

    def __init__(self, code: RefusalCode, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.code: RefusalCode = code
        self.detail = detail
        self.field = field


class Malformed(Exception):
    """Bytes that are not the message they claim to be. At a door it is a 422, in the router a dead letter."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field = field
        self.detail = detail
