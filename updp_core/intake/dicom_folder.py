"""A folder tree of DICOM files (or one file), with reports beside them, in a CSV, or as structured reports."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from updp_core.domain import Rejection, SourceStudy
from updp_core.errors import IntakeError
from updp_core.intake.files import (
    clean_text,
    inside,
    is_dicom,
    may_be_structured_report,
    not_entered,
    read_report,
    shown,
    walk,
)
from updp_core.intake.header import merge
from updp_core.intake.loaded import Afterwards, Loaded, Pending, structured_report
from updp_core.intake.reports import ReportTable, report_flags, report_table

_REPORT_FILES = (".txt", ".csv", ".gz", ".json", ".md", ".html", ".pdf", ".xml")
"""Not images and not meant as such: reports, tables, notes. They are read where needed and not listed."""
_DICOM_NAMES = (".dcm", ".dicom", ".ima")


@dataclass(frozen=True)
class _StructuredReport:
    source: str
    text: str
    header: Mapping[str, Sequence[str]]


def read(source: Path, columns: Mapping[str, str] | None = None) -> Iterator[Pending | Rejection | Afterwards]:
    """Studies of a DICOM file or folder. A report comes from `<stem>.txt` beside the image, else from a CSV keyed by
    accession number, study or instance UID, else from a structured report of the same study, else from the header's
    Interpretation Text.
    """
    root = source.parent if source.is_file() else source
    folder_files = sorted(root.glob("*.csv")) if source.is_file() else (p for p in walk(root) if p.suffix == ".csv")
    tables = [inside(root, path.relative_to(root).as_posix()) for path in folder_files if not path.is_symlink()]
    return _studies(root, [source] if source.is_file() else None, report_table(tables, columns))


def _studies(root: Path, only: list[Path] | None, table: ReportTable) -> Iterator[Pending | Rejection | Afterwards]:
    # A first pass over the heads of the files finds the structured reports, which may come after their images.
    structured: dict[str, _StructuredReport] = {}
    structured_files: set[Path] = set()
    used: set[str] = set()
    yield from table.problems
    for path in only or walk(root):
        if path.is_file() and may_be_structured_report(path) and (pair := _structured_report(root, path)):
            study, found = pair
            earlier = structured.get(study)
            text = f"{earlier.text}\n{found.text}" if earlier else found.text
            structured_files.add(path)
            structured[study] = _StructuredReport(
                found.source, text, merge(earlier.header if earlier else {}, found.header)
            )
    for path in only or walk(root):
        name = path.relative_to(root).as_posix()
        try:
            if path in structured_files or not _is_candidate(path):
                continue
            study_of = functools.partial(_study, root, name, table, structured, used)
            yield Pending(shown(name), inside(root, name), "", study_of, dicom=True)
        except IntakeError as error:
            yield Rejection(shown(name), str(error))
    lonely = "a structured report without a frontal chest image of its study"
    yield lambda: [Rejection(report.source, lonely) for study, report in structured.items() if study not in used]


def _is_candidate(path: Path) -> bool:
    """Whether the file must be taken or listed. Raises IntakeError where the reason is plain from outside."""
    if reason := not_entered(path):
        raise IntakeError(reason)
    if path.name.upper() == "DICOMDIR":
        return False
    if path.is_file() and is_dicom(path):
        return True
    if path.suffix.lower() in _REPORT_FILES or path.name.upper() in ("README", "LICENSE"):
        return False
    if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".tif", ".tiff"):
        raise IntakeError("not a DICOM file: import image files with a manifest, which states view and report")
    return True


def _structured_report(root: Path, path: Path) -> tuple[str, _StructuredReport] | None:
    name = path.relative_to(root).as_posix()
    try:
        if (found := structured_report(inside(root, name))) is None:
            return None
        study, text, header = found
        return study, _StructuredReport(shown(name), text, header)
    except IntakeError:
        return None  # the second pass lists the file with the reason


def _study(
    root: Path,
    name: str,
    table: ReportTable,
    structured: Mapping[str, _StructuredReport],
    used: set[str],
    loaded: Loaded,
) -> SourceStudy:
    path = inside(root, name)
    study = loaded.study_key or f"file:{loaded.sha256}"
    header = loaded.header
    missing = "no report: none beside the file, in a table or in the study"
    # A name such as 1.2.840.113 has no extension: only DICOM's own are taken off.
    stem = path.with_suffix("") if path.suffix.lower() in _DICOM_NAMES else path
    sidecar = next((s for s in (Path(f"{stem}.txt"), Path(f"{path}.txt")) if s.is_file()), None)
    if sidecar is not None:
        report = read_report(root, sidecar.relative_to(root.resolve()).as_posix())
        missing = "no report: the text file beside the image is empty"
    else:
        report, reason = table.find([*loaded.report_keys, ("file", name), ("file", path.name)])
        missing = reason or missing
        if not reason and study in structured:
            report, header = structured[study].text, merge(header, structured[study].header)
        elif not reason:
            report = clean_text(loaded.embedded_report)
    used.add(study)
    return SourceStudy(
        source=name,
        patient_key=loaded.patient_key or f"file:{loaded.sha256}",
        study_key=study,
        view=loaded.view,
        report=report,
        png=loaded.png,
        size=loaded.size,
        bit_depth=loaded.bit_depth,
        sha256=loaded.sha256,
        header=header,
        flags=loaded.flags + report_flags(report, missing),
    )
