"""The secret key of a workspace, and what is drawn with it.

Seeds and stand-ins must be the same at the next try and say nothing of the source to somebody who holds it. So they
are HMAC-SHA256 (RFC 2104) under 32 random bytes that lie in the workspace and nowhere else: no log, no audit event, no
answer of the app and no release carries the key or a digest of it.
"""

from __future__ import annotations

import hmac
import json

NAME = "secret.key"
BYTES = 32


class Secret:
    """A key that draws: the same purpose and parts give the same bytes, and nobody without the key can tell which."""

    __slots__ = ("__key",)

    def __init__(self, key: bytes) -> None:
        if len(key) != BYTES:
            raise ValueError(f"A key has {BYTES} bytes.")
        self.__key = key

    def __repr__(self) -> str:
        return "Secret(...)"

    def __reduce__(self) -> str:
        raise TypeError("A key is not copied out of its process.")

    def derive(self, purpose: str, *parts: str | int) -> bytes:
        """32 bytes for a purpose and its parts."""
        message = json.dumps([purpose, *parts], separators=(",", ":")).encode()
        return hmac.digest(self.__key, message, "sha256")

    def seed(self, purpose: str, *parts: str | int) -> int:
        """A seed from 0 to 2**31 - 1 for a purpose and its parts."""
        return int.from_bytes(self.derive(purpose, *parts)[:4], "big") & 0x7FFFFFFF
