"""Intake: from a folder or manifest of studies to frontal chest radiographs with their reports.

`read_source` is the whole interface; `pixels` holds the image helpers that other parts share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from updp_core.domain import Rejection, SourceStudy

__all__ = ["read_source"]


def read_source(
    path: Path, layout: str = "auto", columns: Mapping[str, str] | None = None
) -> Iterator[SourceStudy | Rejection]:
    """See `updp_core.intake.layouts.read_source` (imported on first use: pydicom is slow to import)."""
    from updp_core.intake.layouts import read_source as read

    return read(path, layout, columns)
