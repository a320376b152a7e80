"""Which layout a source has, a first look at it, and its studies."""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from updp_core.domain import NOTHING_ASSUMED, Assume, Rejection, SourceStudy
from updp_core.errors import IntakeError
from updp_core.intake import csv_manifest, dicom_folder, iu_xray, mimic_cxr
from updp_core.intake.files import EXTRA_CELLS, clean_text, inside, is_dicom, read_csv, shown, walk
from updp_core.intake.loaded import Afterwards, Pending, decoded

LAYOUTS = ("csv", "dicom", "iu-xray", "mimic-cxr")
MANIFEST = "manifest.csv"
TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
MOST_COUNTED = 100_000
_LOOK_AT = 2000  # files that recognition opens at most


def read_source(
    path: Path,
    layout: str = "auto",
    columns: Mapping[str, str] | None = None,
    assume: Assume = NOTHING_ASSUMED,
    only: Container[str] | None = None,
) -> Iterator[SourceStudy | Rejection]:
    """Every image of a source, in a stable order, as a study that goes on or a rejection with its reason.

    Images are read by decoder processes, a few ahead of the one that is handed over. Images without a report go on
    with report "" and a flag that starts with "no report". `columns` maps our column names to those of a CSV; `assume`
    is what the importer says where the source is silent; of `only`, the sources as rejections name them, nothing else
    is read. Raises IntakeError at once where the source as a whole cannot be read: missing, of no known layout, or
    without the columns that it needs.
    """
    path = Path(path)
    if not path.exists():
        raise IntakeError("The source does not exist: give a CSV manifest, a DICOM file, or a folder.")
    if layout == "auto":
        layout = recognise(path)
    if layout not in LAYOUTS:
        raise IntakeError(f"Unknown layout '{layout}'. Known are: auto, {', '.join(LAYOUTS)}.")
    items = _read(path, layout, columns, assume)
    if only is not None:
        items = (item for item in items if getattr(item, "source", "") in only)
    return map(_storable, decoded(items, assume=assume))


def _read(
    path: Path, layout: str, columns: Mapping[str, str] | None, assume: Assume
) -> Iterator[Pending | Rejection | Afterwards] | Iterator[Pending | Rejection]:
    if layout == "csv":
        return csv_manifest.read(manifest_of(path), columns, assume)
    if layout == "dicom":
        return dicom_folder.read(path, columns)
    if not path.is_dir():
        raise IntakeError(f"The layout {layout} needs a folder.")
    return iu_xray.read(path) if layout == "iu-xray" else mimic_cxr.read(path)


def _storable(item: SourceStudy | Rejection) -> SourceStudy | Rejection:
    """The item without lone surrogates (of file names that are not UTF-8, of JSON escapes): no database takes them."""
    if isinstance(item, Rejection):
        return Rejection(_whole(item.source), _whole(item.reason))
    return replace(
        item,
        # as escapes, so that different keys stay different
        source=_whole(item.source, "backslashreplace"),
        patient_key=_whole(item.patient_key, "backslashreplace"),
        study_key=_whole(item.study_key, "backslashreplace"),
        report=_whole(item.report),
        header={kind: tuple(map(_whole, values)) for kind, values in item.header.items()},
        flags=tuple(map(_whole, item.flags)),
        split=_whole(item.split),
    )


def _whole(text: str, errors: str = "replace") -> str:
    return text if text.isascii() else text.encode("utf-8", errors).decode()


def recognise(path: Path) -> str:
    """The layout of a file or folder. Raises IntakeError that says what is missing where it has none."""
    if path.is_file():
        if is_dicom(path) or path.suffix.lower() in (".dcm", ".dicom"):
            return "dicom"
        if is_table(path):
            return "csv"
        raise IntakeError(
            "A single image says nothing of its view, patient and report. Import a manifest.csv that names it "
            f"(columns: {', '.join(csv_manifest.ALIASES)})."
        )
    if (path / MANIFEST).is_file():
        return "csv"
    if mimic_cxr.metadata_table(path) or any(path.glob("files/p[0-9][0-9]")):
        return "mimic-cxr"
    if iu_xray.tables(path) or (path / "annotation.json").is_file() or (path / "indiana_reports.csv").is_file():
        return "iu-xray"
    images = 0
    for file in itertools.islice(walk(path), _LOOK_AT):
        if file.is_file() and (is_dicom(file) or file.suffix.lower() == ".dcm"):
            return "dicom"
        images += file.suffix.lower() in (".png", ".jpg", ".jpeg", ".tif", ".tiff")
    if any(path.glob("*reports.csv")):
        return "iu-xray"
    if _tables(path):
        return "csv"  # reading it says which columns it lacks
    if images:
        raise IntakeError(
            f"The folder holds images but nothing says their view, patient and report. Add a {MANIFEST} with the "
            f"columns {', '.join(csv_manifest.ALIASES)}."
        )
    raise IntakeError(f"The folder holds no DICOM files and no {MANIFEST}. Choose a folder of studies or a manifest.")


def manifest_of(path: Path) -> Path:
    """The table of a CSV source: the file itself, the folder's manifest.csv, or the one table that lies in it. Raises
    IntakeError where it has none, or several and no manifest.csv.
    """
    if not path.is_dir():
        if not is_table(path):
            raise IntakeError(f"{shown(path.name)} is no table: its name ends in {', '.join(TABLES)}.")
        return path
    tables = _tables(path)
    if (path / MANIFEST).exists() or not tables:
        return inside(path, MANIFEST)
    likely = [table for table in tables if _is_manifest(table)] or tables
    if len(likely) > 1:
        names = ", ".join(shown(table.name) for table in likely[:5])
        raise IntakeError(f"The folder holds several tables ({names}): choose the one that names the images.")
    return inside(path, likely[0].name)


def _tables(folder: Path) -> list[Path]:
    """Tables that lie in a folder itself, whatever they are called."""
    return [file for file in sorted(folder.iterdir()) if is_table(file) and file.is_file() and not file.is_symlink()]


def is_table(path: Path) -> bool:
    """Whether a name is that of a table."""
    return path.name.lower().endswith(TABLES) and not path.name.startswith(".")


def _is_manifest(table: Path) -> bool:
    """Whether the header of a table names all that a manifest must."""
    try:
        names, rows = read_csv(table)
        rows.close()  # type: ignore[attr-defined]
        return bool(csv_manifest.match_columns(names))
    except IntakeError:
        return False


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
