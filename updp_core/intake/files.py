"""Files of a source: paths that stay inside it, bounded reading, encodings, hashes."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from updp_core.errors import IntakeError

MAX_FILE_BYTES = 512 * 2**20
MAX_TEXT_BYTES = 2**20
EXTRA_CELLS = "\0more"
"""Key under which a row of `read_csv` says that it has more cells than the header (no column can have this name)."""
MAX_COLUMNS = 1_000
MAX_UNPACKED = 64 * 2**30
"""Bytes that come out of a packed table, and at most this many times its size: a table of text shrinks to a tenth."""
MAX_TIMES = 100
MAX_FIELD = 2**20  # characters of one CSV field; a long report has about 5,000
SR_CLASSES = "1.2.840.10008.5.1.4.1.1.88."
_LOOK = 16 * 2**10
_SR_MODALITY = re.compile(rb"\x08\x00\x60\x00(?:CS\x02\x00|\x02\x00\x00\x00)SR|\x00\x08\x00\x60CS\x00\x02SR")
"""Modality (0008,0060) with the value SR, explicit or implicit little endian, or big endian."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")


def inside(root: Path, name: str) -> Path:
    """The regular file `name` (relative, / or \\ as separator) below `root`; IntakeError for anything that leaves it.

    Refused: empty names, control characters, absolute and drive paths, `..`, links that lead out of `root`, folders,
    devices and pipes.
    """
    name = name.strip().replace("\\", "/")
    if not name or _CONTROL.search(name):
        raise IntakeError("no file name is given" if not name else "the file name holds control characters")
    if name.startswith(("/", "~")) or re.match(r"[A-Za-z]:", name) or "://" in name:
        raise IntakeError("the file name is an absolute path or a URL: write it relative to the source's folder")
    if ".." in name.split("/"):
        raise IntakeError("the file name contains '..': files outside the source's folder are not read")
    try:
        real = (root / name).resolve(strict=True)
        if not real.is_relative_to(root.resolve()):
            raise IntakeError("the file is a link that leads out of the source's folder")
        if not stat.S_ISREG(real.stat().st_mode):
            raise IntakeError("the name does not lead to a regular file")
        if real.stat().st_size > MAX_FILE_BYTES:
            raise IntakeError(f"the file is larger than {MAX_FILE_BYTES // 2**20} MiB")
    except (FileNotFoundError, NotADirectoryError):
        raise IntakeError("the file does not exist") from None
    except (OSError, ValueError, RuntimeError) as error:
        raise IntakeError(f"the file cannot be opened ({type(error).__name__})") from None
    return real


def walk(root: Path) -> Iterator[Path]:
    """Every file below `root`, in a stable order; hidden files and folders are left out, linked folders not followed.

    A linked folder, or one that cannot be read, is yielded itself, so that the caller can say why it was not entered.
    """
    closed: list[str] = []
    for folder, folders, names in os.walk(root, followlinks=False, onerror=lambda e: closed.append(str(e.filename))):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(folder, name) for name in folders if Path(folder, name).is_symlink())
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))
    yield from map(Path, closed)


def not_entered(path: Path) -> str:
    """Why `walk` yields this path though it is no regular file: the reason for the rejection, or ""."""
    if path.is_dir():
        return "the folder is a link: linked folders are not entered" if path.is_symlink() else "the folder is closed"
    return "" if path.is_file() or path.is_symlink() else "not a regular file"


def is_dicom(path: Path) -> bool:
    """Whether the file has the DICOM prefix (PS3.10 section 7.1)."""
    return start(path, 132)[128:] == b"DICM"


def may_be_structured_report(path: Path) -> bool:
    """Whether the first bytes of a DICOM file name a class or the modality of structured reports: a cheap first look.

    The file meta information, which states the class, comes first (PS3.10 section 7.1); images that refer to a
    report may answer yes.
    """
    head = start(path, _LOOK)
    return head[128:132] == b"DICM" and (SR_CLASSES.encode() in head or bool(_SR_MODALITY.search(head)))


def start(path: Path, length: int) -> bytes:
    """The first bytes of a file; b"" where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(length)
    except OSError:
        return b""


def sha256_of(path: Path) -> str:
    """SHA-256 of the file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def shown(name: str) -> str:
    """A file name as a message may show it: one line, no control characters, at most 160 characters."""
    name = "".join(c if c.isprintable() else "?" for c in name)
    return name if len(name) <= 160 else name[:157] + "..."


def decode_text(data: bytes) -> str:
    """Bytes of a report as text: UTF-8 (with or without mark), UTF-16 with mark, else Windows-1252; never fails.

    Control characters other than tab, line ends and form feed are dropped; everything else stays as it is.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16", errors="replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", errors="replace")
    return clean_text(text)


def clean_text(text: str) -> str:
    """Text without control characters (tab, line ends and form feed stay)."""
    return _CONTROL.sub("", text)


def read_report(root: Path, name: str) -> str:
    """A report file below `root` as text (see `inside` and `decode_text`). Raises IntakeError that says "report":
    where the file leads out of `root`, is larger than 1 MiB, or cannot be read.
    """
    try:
        with inside(root, name).open("rb") as file:
            data = file.read(MAX_TEXT_BYTES + 1)
    except IntakeError as error:
        raise IntakeError(f"its report: {error}") from None
    except OSError as error:
        raise IntakeError(f"its report: the file cannot be read ({type(error).__name__})") from None
    if len(data) > MAX_TEXT_BYTES:
        raise IntakeError("its report: the file is larger than 1 MiB")
    return decode_text(data)


def read_csv(path: Path) -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
    """(column names, iterator of (line number of the row, row)) of a CSV file, plain or .gz.

    Comma, semicolon or tab as the header line suggests; encodings as in `decode_text`. A row that has more cells
    than the header carries the key EXTRA_CELLS. Raises IntakeError: at once where there is no header, while
    iterating where a field or line exceeds 1 MiB, after which the rest cannot be told apart.
    """
    try:
        encoding = _encoding(path)
        stream = io.TextIOWrapper(_open(path), encoding=encoding, errors="replace", newline="")
        lines = _bounded_lines(stream)
        first = next(lines, "")
        delimiter = max(",;\t", key=first.count)
        columns = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
    except (OSError, EOFError, ValueError, csv.Error) as error:
        raise IntakeError(f"the CSV file cannot be read ({type(error).__name__})") from None
    if len(columns) > MAX_COLUMNS:
        stream.close()
        raise IntakeError(f"the CSV file has more than {MAX_COLUMNS:,} columns: is its header line whole?")
    if not any(columns):
        stream.close()
        raise IntakeError("the CSV file is empty: a header line with column names is needed")
    return columns, _rows(stream, lines, columns, delimiter)


def _rows(
    stream: IO[str], lines: Iterator[str], columns: Sequence[str], delimiter: str
) -> Iterator[tuple[int, dict[str, str]]]:
    csv.field_size_limit(max(csv.field_size_limit(), MAX_FIELD))
    reader = csv.reader(lines, delimiter=delimiter)
    with stream:
        try:
            while True:
                number = reader.line_num + 2  # the header is line 1
                cells = next(reader, None)
                if cells is None:
                    return
                if not any(cell.strip() for cell in cells):
                    continue
                row = dict(zip(columns, cells, strict=False))
                for name in columns[len(cells) :]:
                    row[name] = ""
                if len(cells) > len(columns):
                    row[EXTRA_CELLS] = "yes"
                yield number, row
        except (csv.Error, OSError, EOFError, ValueError):
            raise IntakeError(
                f"the CSV file is damaged from line {number} on (an unclosed quote or a field over 1 MiB?)"
            ) from None


def _open(path: Path) -> IO[bytes]:
    if path.suffix != ".gz":
        return path.open("rb")
    most = min(MAX_UNPACKED, max(2**26, MAX_TIMES * path.stat().st_size))
    return io.BufferedReader(_Unpacked(gzip.GzipFile(path), most))


class _Unpacked(io.RawIOBase):
    """What comes out of a packed file, up to so many bytes; IntakeError beyond: a small file can hold anything."""

    def __init__(self, file: gzip.GzipFile, most: int) -> None:
        self.file, self.left = file, most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        got = self.file.read(min(len(buffer), 2**16))
        self.left -= len(got)
        if self.left < 0:
            raise IntakeError("the CSV file unpacks to far more than its size: pack it anew, or give it unpacked")
        buffer[: len(got)] = got
        return len(got)

    def close(self) -> None:
        self.file.close()
        super().close()


def _encoding(path: Path) -> str:
    """The first of UTF-16 (by its mark), UTF-8 and Windows-1252 that reads the whole file."""
    with _open(path) as file:
        if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            return "utf-16"
    try:
        with io.TextIOWrapper(_open(path), encoding="utf-8-sig") as text:
            while text.read(MAX_FIELD):
                pass
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def _bounded_lines(stream: IO[str]) -> Iterator[str]:
    """Lines of at most MAX_FIELD characters; csv.Error beyond that, so that no line can fill the memory."""
    while line := stream.readline(MAX_FIELD + 1):
        if len(line) > MAX_FIELD:
            raise csv.Error("line too long")
        yield line.replace("\0", "")
