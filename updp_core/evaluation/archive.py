"""What the reports of an archive tell, visit by visit: a table is read alone, other layouts as an import reads them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from updp_core.domain import Rejection
from updp_core.errors import IntakeError
from updp_core.evaluation.findings_alone import Told
from updp_core.findings import labeler
from updp_core.findings.terms import FINDINGS
from updp_core.intake.files import inside, read_csv
from updp_core.intake.layouts import MANIFEST, read_source, recognise
from updp_core.intake.reports import join_sections

_PATIENT = ("patient_id", "patientid", "patient", "subject_id")
_LABELS = ("finding_labels", "labels", "findings_labels")
_REPORT = ("report_text", "report", "text")
_NONE = ("", "no finding", "no findings", "no_findings", "normal")


def told(source: Path, layout: str = "auto") -> Told:
    """Findings of each visit of an archive, with its patient.

    Of a CSV, the column `finding_labels` ("Effusion|Mass", as in ChestX-ray14; any names) or else the report's text;
    of other layouts the reports that an import reads. Visits without patient or report are left out. Raises
    IntakeError where nothing is left, or a table has no such columns.
    """
    if not source.exists():
        raise IntakeError("The source does not exist: give a CSV table or a folder.")
    layout = recognise(source) if layout == "auto" else layout
    if layout == "csv":
        found = _table(inside(source, MANIFEST) if source.is_dir() else source)
    else:
        studies = (s for s in read_source(source, layout) if not isinstance(s, Rejection))
        found = [(s.patient_key, labels_of(s.report)) for s in studies if s.patient_key and s.report.strip()]
    if not found:
        raise IntakeError(
            "No row of the source names a patient and says what was found: a report or labels are needed."
        )
    return as_told(found)


def as_told(visits: Iterable[tuple[str, frozenset[str]]]) -> Told:
    """(patient, findings) of each visit as arrays; patients become numbers in order of first sight."""
    known = list(visits)
    names = tuple(sorted({name for _, labels in known for name in labels})) or FINDINGS
    numbers: dict[str, int] = {}
    patient = np.array([numbers.setdefault(key, len(numbers)) for key, _ in known], np.int64)
    findings = np.array([[name in labels for name in names] for _, labels in known], bool)
    return Told(findings, patient, names)


def labels_of(report: str) -> frozenset[str]:
    """The findings that a report asserts."""
    return frozenset(name for name, there in labeler.findings_in(report).items() if there)


def _table(file: Path) -> list[tuple[str, frozenset[str]]]:
    names, rows = read_csv(file)
    lower = {name.lower().replace(" ", "_"): name for name in reversed(names)}
    patient, labels, report = (
        next((lower[n] for n in some if n in lower), None) for some in (_PATIENT, _LABELS, _REPORT)
    )
    if patient is None or not (labels or report or {"findings", "impression"} & set(lower)):
        raise IntakeError(
            f"The table needs a column with the patient ({', '.join(_PATIENT)}) and one with labels "
            f"({', '.join(_LABELS)}; several with | between) or reports ({', '.join(_REPORT)})."
        )
    found = []
    column = labels or report
    for _, row in rows:
        text = row[column] if column else join_sections(row)
        if labels:
            told_ = frozenset(p for part in text.split("|") if (p := part.strip()).lower() not in _NONE)
        else:
            told_ = labels_of(text)
        if row[patient].strip() and text.strip():
            found.append((row[patient].strip(), told_))
    return found


def phantoms(seeds: Iterable[int]) -> Told:
    """What the reports of the clinic's phantoms tell: all visits of the patients with these seeds."""
    from updp_core.phantom import clinic

    visits = ((s, clinic.present(s, v)) for s in seeds for v in range(clinic.visits(s)))
    return as_told((str(s), frozenset(found)) for s, found in visits)
