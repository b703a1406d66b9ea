"""Personal data on its way: AES-256-GCM, key id in clear, command id and topic as associated data."""

from __future__ import annotations

import base64
import binascii
import os

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.domain.errors import Malformed
from services.domain.messages import Content, Sealed

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Content)


class SealKeys:
    """`text` is `key_id:base64,key_id:base64`; the first seals, all open. Each key is 32 bytes."""

    def __init__(self, text: str) -> None:
        self._keys: dict[str, AESGCM] = {}
        for part in filter(None, (p.strip() for p in text.split(","))):
            key_id, _, encoded = part.partition(":")
            try:
                key = base64.b64decode(encoded, validate=True)
            except binascii.Error:
                key = b""
            if not key_id or len(key) != 32:
                raise ValueError("SEAL_KEYS: write key_id:base64 of 32 bytes, separated by commas")
            self._keys[key_id] = AESGCM(key)
        if not self._keys:
            raise ValueError("SEAL_KEYS: at least one key is needed")
        self._first = next(iter(self._keys))

    def seal(self, content: Content, *, command_id: str, topic: str) -> Sealed:
        nonce = os.urandom(12)
        box = self._keys[self._first].encrypt(nonce, _encoder.encode(content), _associated(command_id, topic))
        return Sealed(key_id=self._first, nonce=nonce, box=box)

    def open(self, sealed: Sealed, *, command_id: str, topic: str) -> Content:
        """Raises Malformed when the key is not known or the box was not sealed for this command and topic."""
        key = self._keys.get(sealed.key_id)
        if key is None:
            raise Malformed("sealed.key_id", f"key {sealed.key_id!r} is not in SEAL_KEYS")
        try:
            return _decoder.decode(key.decrypt(sealed.nonce, sealed.box, _associated(command_id, topic)))
        except (InvalidTag, ValueError, msgspec.MsgspecError) as error:
            raise Malformed(
                "sealed.box", "it does not open with that key for this command and topic"
            ) from error


def _associated(command_id: str, topic: str) -> bytes:
    return f"{topic}\x1f{command_id}".encode()
