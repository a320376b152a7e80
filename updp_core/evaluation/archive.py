"""What the reports of an archive tell, visit by visit: a table is read alone, other layouts as an import reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from updp_core.domain import MethodInput, Rejection, SourceStudy
from updp_core.errors import IntakeError
from updp_core.evaluation.arena import LEAST, near_duplicates
from updp_core.evaluation.findings_alone import Told
from updp_core.findings import labeler
from updp_core.findings.terms import FINDINGS
from updp_core.intake.files import inside, read_csv
from updp_core.intake.layouts import MANIFEST, read_source, recognise
from updp_core.intake.pixels import decode_png, letterbox
from updp_core.intake.reports import join_sections
from updp_core.lexicon import Lexicon
from updp_core.report import filter_report

_PATIENT = ("patient_id", "patientid", "patient", "subject_id")
_LABELS = ("finding_labels", "labels", "findings_labels")
_REPORT = ("report_text", "report", "text")
_SEX = ("sex", "patient_sex", "patientsex", "gender", "patient_gender")
_AGE = ("age", "patient_age", "patientage")
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


@dataclass(frozen=True)
class Couples:
    """Two studies of each of some patients of an archive, as the arena draws them: images (N, S, S) uint16, patient
    (N,) as a number, findings of the reports (N, F), and the studies as methods see them."""

    images: NDArray[np.uint16]
    patient: NDArray[np.int64]
    truth: NDArray[np.bool_]
    stated: NDArray[np.str_]
    studies: tuple[SourceStudy, ...]
    private: ClassVar[bool] = True

    def inputs(self, index: Sequence[int] | NDArray[Any], lexicon: Lexicon) -> list[MethodInput]:
        """The studies at `index`; the record's name is the index."""
        chosen = {int(i): self.studies[int(i)] for i in index}
        return [
            MethodInput(str(i), self.images[i], s.report, filter_report(s.report, lexicon, s.header).text)
            for i, s in chosen.items()
        ]


def couples(source: Path, layout: str, most: int, size: int) -> Couples:
    """The first two studies of `most` patients of an archive who have two, at `size` px.

    Pictures that are all but the same do not count as two. Raises IntakeError where fewer than ten patients have two.
    """
    if not source.exists():
        raise IntakeError("The source does not exist: give a CSV table or a folder.")
    by_patient: dict[str, list[tuple[SourceStudy, NDArray[np.uint16]]]] = {}
    for study in read_source(source, layout):
        if isinstance(study, Rejection) or not study.patient_key:
            continue
        known = by_patient.setdefault(study.patient_key, [])
        if len(known) < 2 and all(study.study_key != other.study_key for other, _ in known):
            image = letterbox(np.asarray(decode_png(study.png), np.uint16), size)
            if not known or not near_duplicates(np.stack([known[0][1], image])):
                known.append((replace(study, png=b""), image))
        if sum(len(some) == 2 for some in by_patient.values()) >= most:
            break
    twice = [some for some in by_patient.values() if len(some) == 2]
    if len(twice) < LEAST:
        raise IntakeError(
            f"The arena links two studies of a patient: it takes {LEAST} patients with two, and here are {len(twice)}."
        )
    studies = tuple(study for some in twice for study, _ in some)
    labels = [labels_of(study.report) for study in studies]
    return Couples(
        np.stack([image for some in twice for _, image in some]),
        np.repeat(np.arange(len(twice)), 2),
        np.array([[name in some for name in FINDINGS] for some in labels], bool),
        np.array([", ".join(sorted(some)) for some in labels], np.str_),
        studies,
    )


def demographics(source: Path) -> dict[str, tuple[str, int | None]]:
    """Patient -> sex ("M", "F" or "") and age in years (None: not said), as columns of a CSV table state them; nothing
    of other layouts."""
    file = inside(source, MANIFEST) if source.is_dir() else source
    if recognise(source) != "csv":
        return {}
    names, rows = read_csv(file)
    patient, sex, age = _columns(names, _PATIENT, _SEX, _AGE)
    found: dict[str, tuple[str, int | None]] = {}
    for _, row in rows if patient and (sex or age) else ():
        said = (row[sex] if sex else "").strip().upper()[:1]
        years = "".join(c for c in (row[age] if age else "") if c.isdigit())
        found.setdefault(row[patient].strip(), (said if said in ("M", "F") else "", int(years) if years else None))  # type: ignore[index]
    return found


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


def _columns(names: Sequence[str], *asked: Sequence[str]) -> Iterator[str | None]:
    """For each of what is asked, the table's first column that bears one of its names."""
    lower = {name.lower().replace(" ", "_"): name for name in reversed(names)}
    return (next((lower[name] for name in some if name in lower), None) for some in asked)


def _table(file: Path) -> list[tuple[str, frozenset[str]]]:
    names, rows = read_csv(file)
    patient, labels, report, section = _columns(names, _PATIENT, _LABELS, _REPORT, ("findings", "impression"))
    if patient is None or not (labels or report or section):
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
