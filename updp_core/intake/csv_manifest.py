"""A CSV manifest: one row an image, with patient, study, view and report."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from updp_core.domain import NOTHING_ASSUMED, Assume, Rejection, SourceStudy
from updp_core.errors import IntakeError
from updp_core.intake.files import EXTRA_CELLS, clean_text, inside, read_csv, shown, walk
from updp_core.intake.header import merge, other_id, patient_id
from updp_core.intake.loaded import Loaded, Pending
from updp_core.intake.reports import join_sections, report_flags

ALIASES: dict[str, tuple[str, ...]] = {
    "file": ("file", "filename", "file_name", "path", "image", "image_file", "image_path"),
    "patient_id": ("patient_id", "patientid", "patient", "subject_id"),
    "study_id": ("study_id", "studyid", "study", "accession", "accession_number"),
    "view": ("view", "view_position", "viewposition", "projection"),
    "report_text": ("report_text", "report", "text"),
}
NEEDED = ("file", "patient_id", "view", "report_text")
IMAGES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm", ".dicom", ".ima")
MOST_FILES = 1_000_000
MAX_REPORT = 200_000  # characters
_NAME_LIKE = re.compile(r"[A-Za-z][A-Za-z_ .-]{0,39}\Z")


def read(
    manifest: Path, columns: Mapping[str, str] | None = None, assume: Assume = NOTHING_ASSUMED
) -> Iterator[Pending | Rejection]:
    """Studies of a manifest; files are relative to its folder, else the one of that name anywhere below it. `columns`
    maps our names to the file's.

    Columns: file, patient_id, study_id (optional), view (unless one is assumed), report_text (or findings and
    impression); others are ignored. Raises IntakeError, before the first row, where a column is missing.
    """
    names, rows = read_csv(manifest)
    return _studies(manifest, rows, match_columns(names, columns, assume))


def match_columns(
    names: Sequence[str], columns: Mapping[str, str] | None = None, assume: Assume = NOTHING_ASSUMED
) -> dict[str, str]:
    """Our column name -> the file's ("": made of findings and impression), by `columns` or by alias. Raises IntakeError
    that says what was found.
    """
    matched = known_columns(names, columns)
    needed = [name for name in NEEDED if name != "view" or not assume.view]
    if missing := [name for name in needed if name not in matched]:
        raise IntakeError(
            f"The manifest lacks the column {' and '.join(missing)}. {_found(names)} "
            f"Name yours in the mapping, for example {missing[0]}=YOUR_COLUMN."
            + (" If no column tells the view, say it of all images yourself." if "view" in missing else "")
        )
    return matched


def has_header(names: Sequence[str]) -> bool:
    """Whether one of these is a name that a column has: else the first line may be somebody's data."""
    known = {"findings", "impression", *itertools.chain(*ALIASES.values())}
    return any(name.lower() in known for name in names)


def known_columns(names: Sequence[str], columns: Mapping[str, str] | None = None) -> dict[str, str]:
    """As `match_columns`, of those that are there. Raises IntakeError for a mapping that cannot be."""
    columns = dict(columns or {})
    if unknown := sorted(set(columns) - set(ALIASES)):
        raise IntakeError(f"Unknown column {', '.join(unknown)} in the mapping. Known are: {', '.join(ALIASES)}.")
    lower = {name.lower(): name for name in reversed(names)}
    if absent := sorted(theirs for theirs in columns.values() if theirs.lower() not in lower):
        raise IntakeError(f"The mapping names columns that the manifest lacks: {', '.join(absent)}. {_found(names)}")
    matched = {}
    for ours, aliases in ALIASES.items():
        candidates = (columns[ours].lower(),) if ours in columns else aliases
        if theirs := next((lower[a] for a in candidates if a in lower), None):
            matched[ours] = theirs
    if "report_text" not in matched and {"findings", "impression"} & set(lower):
        matched["report_text"] = ""
    return matched


class Places:
    """Where the files that a manifest names lie: at the path that it gives, else the one file of that name below its
    folder, with or without ending. The folder is walked when it is first needed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._by_name: dict[str, list[str]] | None = None

    def find(self, name: str) -> Path:
        """The file. Raises IntakeError where there is none, where there are several, or where the name leads out."""
        try:
            return inside(self.root, name)
        except IntakeError as error:
            base = name.strip().replace("\\", "/").rpartition("/")[2]
            if ".." in name or not base:  # a name that tries to leave is not given a second chance
                raise
            found = self._walked().get(base.lower(), [])
            if not found:
                raise error from None
            if len(found) > 1:
                raise IntakeError(
                    f"{len(found)} files of the folder have this name: write the folder of the one that is meant"
                ) from None
            return inside(self.root, found[0])

    def _walked(self) -> dict[str, list[str]]:
        if self._by_name is None:
            self._by_name = {}
            for path in itertools.islice(walk(self.root), MOST_FILES):
                place = path.relative_to(self.root).as_posix()
                for name in (
                    {path.name.lower(), path.stem.lower()} if path.suffix.lower() in IMAGES else {path.name.lower()}
                ):
                    self._by_name.setdefault(name, []).append(place)
        return self._by_name


def _found(names: Sequence[str]) -> str:
    """The header line as a message may show it: only what looks like a column name (it may be a row of data)."""
    shown_names = [name for name in names if has_header(names) and _NAME_LIKE.match(name)][:20]
    hidden = len(names) - len(shown_names)
    more = f" and {hidden} more that do not look like names (is the header line missing?)" if hidden else ""
    return f"Found: {', '.join(shown_names) or 'none'}{more}."


def _studies(
    manifest: Path, rows: Iterator[tuple[int, dict[str, str]]], names: Mapping[str, str]
) -> Iterator[Pending | Rejection]:
    first_rows: dict[str, tuple[int, int]] = {}
    places = Places(manifest.parent)
    try:
        for number, row in rows:
            cells = cells_of(row, names)
            file = cells["file"].strip()
            source = f"{manifest.name} row {number}" + (f": {shown(file)}" if _harmless(file) else "")
            try:
                if EXTRA_CELLS in row:
                    raise IntakeError("the row has more cells than the header: is a comma or quote not quoted?")
                key, content = file.replace("\\", "/"), hash(tuple(cells.values()))
                seen, first = first_rows.setdefault(key, (content, number))
                if seen != content:
                    raise IntakeError(f"row {first} names the same file with other values: keep one of them")
                if len(cells["report_text"]) > MAX_REPORT:
                    raise IntakeError(f"the report has more than {MAX_REPORT:,} characters: is a quote left open?")
                yield Pending(source, places.find(file), cells.get("view", ""), functools.partial(_study, cells))
            except IntakeError as error:
                yield Rejection(source, str(error))
    except IntakeError as error:
        yield Rejection(manifest.name, str(error))


def cells_of(row: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    """Our column name -> the cell of a row, by what `match_columns` found."""
    return {ours: row[theirs] if theirs else join_sections(row) for ours, theirs in names.items()}


def _harmless(file: str) -> bool:
    """Whether the cell is the plain relative name of an image; anything else (a path out, another column's words) is
    not repeated."""
    named = file.lower().endswith(IMAGES) and len(file) <= 160 and file.isprintable()
    return named and not re.search(r"\.\.|^[/\\~]|:", file)


def _study(cells: Mapping[str, str], loaded: Loaded) -> SourceStudy:
    report = clean_text(cells["report_text"])
    patient, study = cells["patient_id"].strip(), cells.get("study_id", "").strip()
    flags = loaded.flags + report_flags(report, "no report: the manifest's row has none")
    if not patient and not loaded.patient_key:
        flags += ("patient: not stated; the image is treated as a patient of its own",)
    elif patient and loaded.patient_key and patient not in loaded.patient_key:
        flags += ("patient: the manifest and the DICOM header state different ids; the manifest's was used",)
    own = {"patient_id": [patient_id(patient)], "other_id": [other_id(study)]}
    return SourceStudy(
        source=cells["file"].strip().replace("\\", "/"),
        patient_key=patient or loaded.patient_key or f"file:{loaded.sha256}",
        study_key=study or loaded.study_key or f"file:{loaded.sha256}",
        view=loaded.view,
        report=report,
        png=loaded.png,
        size=loaded.size,
        bit_depth=loaded.bit_depth,
        sha256=loaded.sha256,
        header=merge(own, loaded.header),
        flags=flags,
    )
