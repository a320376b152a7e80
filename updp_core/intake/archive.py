"""A zip file of studies, unpacked into a private folder: nothing leaves it, and nothing grows without bound."""

from __future__ import annotations

import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from updp_core.errors import IntakeError
from updp_core.intake.files import MAX_FILE_BYTES

MOST_FILES = 100_000
MOST_BYTES = 64 * 2**30
MOST_TIMES = 200
"""How many times larger than the archive its content may be: radiographs shrink to a third, bombs a thousandfold."""
SMALL = 256 * 2**20
"""Up to here content may be any number of times larger: a table of reports shrinks well."""
_PIECE = 2**20
_DEPTH = 32
_ENTRY = 256
"""Bytes that a member takes in the archive's directory, generously: the whole of it is read at once."""


def is_zip(path: Path) -> bool:
    """Whether a file is named and begins like a zip archive."""
    return path.suffix.lower() == ".zip" and path.is_file() and zipfile.is_zipfile(path)


def unpack(
    archive: Path,
    folder: Path,
    most_files: int = MOST_FILES,
    most_bytes: int = MOST_BYTES,
    most_times: int = MOST_TIMES,
) -> Iterator[int]:
    """Unpack a zip archive below `folder`, which is empty; yields how many files are there.

    What counts are the bytes that come out, not those that the archive states. Raises IntakeError, and stops at once,
    where a name leads out of the folder, a member is a link, encrypted or damaged, or there is more than the limits.
    """
    allowed = min(most_bytes, max(SMALL, most_times * archive.stat().st_size))
    try:
        if _directory(archive) > most_files * _ENTRY:
            raise IntakeError(f"The archive holds more than {most_files:,} files: import its folder instead.")
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            if len(members) > most_files:
                raise IntakeError(f"The archive holds more than {most_files:,} files: import its folder instead.")
            taken: set[str] = set()
            left = allowed
            for count, member in enumerate((m for m in members if not m.is_dir() and not _noise(m.filename)), 1):
                place = _place(member)
                if place.lower() in taken:
                    raise IntakeError("The archive holds two files of the same name.")
                taken.add(place.lower())
                left -= _write(opened, member, folder / place, min(left, MAX_FILE_BYTES))
                yield count
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, RuntimeError):
        raise IntakeError("The archive is damaged, or packed in a way that is not read: pack it anew as zip.") from None
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise IntakeError("The archive uses one name for a file and for a folder.") from None


def _directory(archive: Path) -> int:
    """Bytes of the directory at an archive's end, as its last record states them (APPNOTE 4.3.14 to 4.3.16)."""
    with archive.open("rb") as file:
        start = max(0, file.seek(0, os.SEEK_END) - 2**16 - 98)
        file.seek(start)
        tail = file.read()
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or len(tail) < at + 22:
            return 0
        size = int(struct.unpack_from("<L", tail, at + 12)[0])
        if at >= 20 and tail[at - 20 : at - 16] == b"PK\x06\x07":
            file.seek(max(0, start + at - 20 - 56))
            record = file.read(56)
            if record[:4] == b"PK\x06\x06":
                size = max(size if size < 2**32 - 1 else 0, int(struct.unpack_from("<Q", record, 40)[0]))
    return size


def _noise(name: str) -> bool:
    """What systems put into archives by themselves."""
    return name.startswith("__MACOSX/") or name.rpartition("/")[2] in (".DS_Store", "Thumbs.db", "desktop.ini")


def _place(member: zipfile.ZipInfo) -> str:
    """The member's name as a path below the folder. Raises IntakeError."""
    name = member.filename.replace("\\", "/")
    parts = name.split("/")
    if (
        name.startswith(("/", "~"))
        or re.match(r"[A-Za-z]:", name)
        or any(part in ("", ".", "..") or len(part.encode()) > 255 or not part.isprintable() for part in parts)
        or len(parts) > _DEPTH
    ):
        raise IntakeError("The archive holds a name that would lead out of its folder, so nothing of it is read.")
    if member.flag_bits & 0x1:
        raise IntakeError("The archive is encrypted: unpack it first.")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise IntakeError("The archive holds a link, so nothing of it is read.")
    return name


def _write(opened: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, most: int) -> int:
    """Write a member, piece by piece; its size in bytes. Raises IntakeError where it has more than `most` bytes."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    size = 0
    with opened.open(member) as source, open(path, "xb") as target:
        while piece := source.read(_PIECE):
            size += len(piece)
            if size > most:
                raise IntakeError("What the archive holds is larger than it may be: import its folder instead.")
            target.write(piece)
    return size
