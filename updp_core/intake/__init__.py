"""Intake: from a folder or manifest of studies to frontal chest radiographs with their reports.

`read_source` is the whole interface; `pixels` holds the image helpers that other parts share.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from updp_core.domain import NOTHING_ASSUMED, Assume

if TYPE_CHECKING:
    from updp_core.domain import Rejection, SourceStudy
    from updp_core.intake.layouts import Look

__all__ = ["header_of", "look_at", "read_source"]


def read_source(
    path: Path,
    layout: str = "auto",
    columns: Mapping[str, str] | None = None,
    assume: Assume = NOTHING_ASSUMED,
    only: Container[str] | None = None,
) -> Iterator[SourceStudy | Rejection]:
    """See `updp_core.intake.layouts.read_source` (imported on first use: pydicom is slow to import)."""
    from updp_core.intake.layouts import read_source as read

    return read(path, layout, columns, assume, only)


def look_at(
    path: Path, layout: str = "auto", columns: Mapping[str, str] | None = None, rows: int = 5, view: str = ""
) -> Look:
    """See `updp_core.intake.layouts.look_at`."""
    from updp_core.intake.layouts import look_at as look

    return look(path, layout, columns, rows, view)


def header_of(path: Path, layout: str = "auto") -> tuple[str, ...]:
    """See `updp_core.intake.layouts.header_of`."""
    from updp_core.intake.layouts import header_of as header

    return header(path, layout)
