"""Files that are there whole or not at all, and what equal values have in common: one JSON text and one digest."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def canonical(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no blanks, so that equal values have equal digests."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256(content: str | bytes) -> str:
    """sha256 in hex; text as UTF-8."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


@contextlib.contextmanager
def whole(path: Path, sync: bool = True) -> Iterator[Path]:
    """A temporary file beside `path`, mode 0600, to be written; it takes the name `path` when the block ends well and
    is gone when it does not. With `sync`, content and name are on the disk then, and survive a power cut."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".part-")
    os.close(handle)
    part = Path(name)
    try:
        yield part
        if sync:
            with part.open("rb+") as file:
                os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if sync:
        sync_folder(path.parent)


def write_file(path: Path, content: bytes, sync: bool = True) -> None:
    """Write a file `whole`."""
    with whole(path, sync) as part:
        part.write_bytes(content)


def sync_folder(folder: Path) -> None:
    """Make the names in this folder survive a power cut (no-op where folders cannot be opened: Windows)."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
