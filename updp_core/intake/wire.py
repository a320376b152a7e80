"""How the app and its decoder processes talk: a JSON head and a body of bytes, each behind its length.

Nothing is pickled: a decoder that an image has taken over must not be able to run code in the app.
"""

from __future__ import annotations

import json
import struct
from typing import IO, Any

_LENGTHS = struct.Struct(">IQ")
MAX_HEAD = 16 * 2**20
MAX_BODY = 2**30


def send(stream: IO[bytes], head: dict[str, Any], body: bytes = b"") -> None:
    """Write one message. Raises OSError where the other side is gone, ValueError where the message is too long."""
    text = json.dumps(head).encode("ascii")
    if len(text) > MAX_HEAD or len(body) > MAX_BODY:
        raise ValueError("the message is too long")
    stream.write(_LENGTHS.pack(len(text), len(body)))
    stream.write(text)
    stream.write(body)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """Read one message. Raises EOFError where the other side is gone, ValueError where it is no message."""
    head_length, body_length = _LENGTHS.unpack(_exactly(stream, _LENGTHS.size))
    if head_length > MAX_HEAD or body_length > MAX_BODY:
        raise ValueError("the message is too long")
    head = json.loads(_exactly(stream, head_length))
    if not isinstance(head, dict):
        raise ValueError("the message has no head")
    return head, _exactly(stream, body_length)


def _exactly(stream: IO[bytes], length: int) -> bytes:
    data = stream.read(length)
    if len(data) != length:
        raise EOFError
    return data
