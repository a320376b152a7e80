"""What people type into a verb: bounded, without signs that steer a terminal, reasons from a list."""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from updp_core.domain import STEERING
from updp_core.errors import UsageError

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""How a cell begins that a spreadsheet takes for a formula; it may look past blanks."""
MOST = 4000
"""Characters of a comment."""
REASONS = (
    "Identity visible",
    "Finding lost",
    "Finding invented",
    "Implausible anatomy",
    "Text or mark in image",
    "Report still identifies",
    "Poor image quality",
    "Other",
)
"""Why a pair is rejected or sent back."""
APPROVE_REASONS = (
    "I compared both images myself, finding by finding",
    "Another reader has looked at it with me",
    "Kept for teaching or testing only",
)
"""Why a pair is approved on which the evidence has nothing to say."""
_BY_NAME = {reason.casefold(): reason for reason in (*REASONS, *APPROVE_REASONS)}


def written(text: str, remedy: str = "") -> str:
    """A comment as it is kept: trimmed, with a blank for every sign that steers a terminal or turns the text round.

    Raises UsageError where it is longer than MOST, and, with a `remedy`, where it is empty.
    """
    if len(text) > MOST:
        raise UsageError(f"The comment has {len(text)} characters; {MOST} are the most.")
    text = STEERING.sub(" ", text).strip()
    if remedy and not text:
        raise UsageError(remedy)
    return text


def listed(reasons: Sequence[str]) -> tuple[str, ...]:
    """Reasons as REASONS writes them, once each; `finding_lost` and `finding-lost` are short for one. UsageError for
    any other."""
    names = [str(reason)[:100].replace("_", " ").replace("-", " ").casefold().strip() for reason in reasons[:100]]
    names = [name for name in names if name]
    if any(name not in _BY_NAME for name in names):
        raise UsageError(f"A reason is one of: {', '.join(REASONS)}. Put anything else into the comment.")
    return tuple(dict.fromkeys(_BY_NAME[name] for name in names))


def place_of(path: Path | str) -> Path:
    """A path that somebody has named, absolute, `~` and `~name` read. UsageError for one that no system can have."""
    try:
        found = Path(path).expanduser().absolute()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            os.lstat(found)
    except RuntimeError:
        raise UsageError("There is no such user on this machine: write the folder's whole path.") from None
    except (ValueError, OSError):
        raise UsageError("No file or folder can have this path. Write another.") from None
    return found


def csv_lines(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Rows as lines of a CSV file, of which a spreadsheet takes no cell for a formula."""
    for row in rows:
        line = io.StringIO()
        csv.writer(line).writerow("'" + cell if cell.lstrip(" \u00a0").startswith(FORMULA) else cell for cell in row)
        yield line.getvalue()
