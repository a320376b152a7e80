"""A first look at a source, before anything of it is read in: its layout, its columns, its first rows."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from updp_core.errors import IntakeError
from updp_core.intake import csv_manifest
from updp_core.intake.files import EXTRA_CELLS, clean_text, read_csv, shown, walk
from updp_core.intake.layouts import manifest_of, recognise

MOST_COUNTED = 100_000


@dataclass(frozen=True)
class Look:
    """`columns` are the table's own, `matched` our name -> theirs ("": made of findings and impression), `missing` ours
    that nothing tells. `rows` hold, by our names, the first rows, and `problem`, "" where the image was found. `files`
    counts the files of a folder, MOST_COUNTED at most. Layouts without a table have no columns and no rows.
    """

    layout: str
    table: str = ""
    columns: tuple[str, ...] = ()
    matched: Mapping[str, str] | None = None
    missing: tuple[str, ...] = ()
    rows: tuple[Mapping[str, str], ...] = ()
    files: int = 0


def look_at(
    path: Path, layout: str = "auto", columns: Mapping[str, str] | None = None, rows: int = 5, view: str = ""
) -> Look:
    """Look at a source. `view` is one that is assumed. Raises IntakeError where it cannot be read as a whole."""
    layout = recognise(path) if layout == "auto" else layout
    files = sum(1 for _ in itertools.islice(walk(path), MOST_COUNTED)) if path.is_dir() else 1
    if layout != "csv":
        return Look(layout, files=files)
    table = manifest_of(path)
    names, content = read_csv(table)
    matched = csv_manifest.known_columns(names, columns)
    missing = tuple(name for name in csv_manifest.NEEDED if name not in matched and not (name == "view" and view))
    places, shown_rows = csv_manifest.Places(table.parent), []
    for _, row in itertools.islice(content, rows):
        cells = {ours: clean_text(cell) for ours, cell in csv_manifest.cells_of(row, matched).items()}
        shown_rows.append({**cells, "problem": _problem(places, cells, EXTRA_CELLS in row)})
    content.close()  # type: ignore[attr-defined]
    return Look(layout, shown(table.name), tuple(names), matched, missing, tuple(shown_rows), files)


def header_of(path: Path, layout: str = "auto") -> tuple[str, ...]:
    """The columns of a source's table; () where it has none that can be read."""
    try:
        if (recognise(path) if layout == "auto" else layout) != "csv":
            return ()
        names, content = read_csv(manifest_of(path))
        content.close()  # type: ignore[attr-defined]
        return tuple(names)
    except IntakeError:
        return ()


def _problem(places: csv_manifest.Places, cells: Mapping[str, str], more: bool) -> str:
    if more:
        return "more cells than the header"
    if "file" not in cells:
        return ""
    try:
        places.find(cells["file"])
        return ""
    except IntakeError as error:
        return str(error)
