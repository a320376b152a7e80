"""Reports: the columns in which sources keep them, and tables keyed by study."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from updp_core.domain import Rejection
from updp_core.errors import IntakeError
from updp_core.intake.files import clean_text, read_csv
from updp_core.report import sections

_SECTION_COLUMNS = ("indication", "history", "technique", "comparison", "findings", "impression")
_TEXT_COLUMNS = ("report_text", "report", "text", "reporttext")
_KEYS = {
    "study": ("studyinstanceuid", "study_instance_uid", "study_uid", "studyuid"),
    "accession": ("accession", "accession_number", "accessionnumber"),
    "instance": ("sopinstanceuid", "sop_instance_uid", "instance_uid", "dicom_id"),
    "file": ("file", "filename", "path"),
}


def report_flags(report: str, missing: str = "no report: the source has none for this image") -> tuple[str, ...]:
    """Flags for the reviewer: no text at all (`missing`), or MIMIC sections without findings and impression."""
    if not report.strip():
        return (missing,)
    found = sections(report)
    if len(found) > 1 and not any(name and re.search("finding|impression|conclusion", name) for name in found):
        return ("report: it has sections, but neither findings nor an impression",)
    return ()


def join_sections(row: Mapping[str, str]) -> str:
    """A report from section columns ("findings", "impression", ...), or "" where findings and impression are empty."""
    by_name = {name.lower(): clean_text(value or "").strip() for name, value in row.items()}
    if not by_name.get("findings") and not by_name.get("impression"):
        return ""
    return "\n".join(f"{name.upper()}: {by_name[name]}" for name in _SECTION_COLUMNS if by_name.get(name))


@dataclass(frozen=True)
class ReportTable:
    """Reports of CSV files, by (kind of key, value): kind is "study", "accession", "instance" or "file".

    `doubtful` are keys for which different reports are given: none of them is used. `problems` are the files that
    could not be read to their end.
    """

    reports: Mapping[tuple[str, str], str]
    doubtful: frozenset[tuple[str, str]] = frozenset()
    problems: tuple[Rejection, ...] = ()

    def find(self, keys: Iterable[tuple[str, str]]) -> tuple[str, str]:
        """(report, why there is none) of the first key that the table has; ("", "") where it has none of them."""
        key = next((key for key in keys if key[1] and key in self.reports), None)
        if key is None:
            return "", ""
        if key in self.doubtful:
            return "", f"no report: the table holds different reports for this {key[0]}"
        return self.reports[key], "no report: the table's row for this image is empty"


def report_table(paths: Iterable[Path], columns: Mapping[str, str] | None = None) -> ReportTable:
    """Reports of every CSV that has a key column and a report column; other CSV files are left alone.

    `columns` may name them: {"report_text": ..., "accession": ..., "study": ...}.
    """
    reports: dict[tuple[str, str], str] = {}
    doubtful, problems = set(), []
    for path in paths:
        try:
            for key, report in _keyed_rows(path, columns or {}):
                if report.strip() and reports.get(key, "").strip() not in ("", report.strip()):
                    doubtful.add(key)
                reports[key] = reports.get(key) or report
        except IntakeError as error:
            problems.append(Rejection(path.name, str(error)))
    return ReportTable(reports, frozenset(doubtful), tuple(problems))


def _keyed_rows(path: Path, columns: Mapping[str, str]) -> Iterator[tuple[tuple[str, str], str]]:
    """((kind, key), report) of every row of a CSV that has reports; nothing where it has none."""
    if path.stat().st_size == 0:
        return
    names, rows = read_csv(path)
    lower = {name.lower(): name for name in names}
    mapped = {ours: theirs for ours, theirs in columns.items() if theirs in names}
    keys = {
        kind: mapped.get(kind) or next((lower[alias] for alias in aliases if alias in lower), None)
        for kind, aliases in _KEYS.items()
    }
    text = mapped.get("report_text") or next((lower[alias] for alias in _TEXT_COLUMNS if alias in lower), None)
    if not any(keys.values()) or not (text or {"findings", "impression"} & set(lower)):
        return
    for _, row in rows:
        report = clean_text(row[text]) if text else join_sections(row)
        for kind, column in keys.items():
            if column and row[column].strip():
                yield (kind, row[column].strip()), report
