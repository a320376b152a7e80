"""DICOM structured reports (PS3.3 A.35): which files are some, and their text."""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import Dataset

from updp_core.intake.dicom import guarded, read_header
from updp_core.intake.files import SR_CLASSES, clean_text
from updp_core.intake.header import header_values


def structured_report(path: Path) -> tuple[str, str, dict[str, tuple[str, ...]]] | None:
    """(Study Instance UID, text, identifiers of the header) of a structured report; None of any other DICOM file.

    Raises IntakeError where the file cannot be read.
    """
    with guarded():
        ds = read_header(path)
        if not is_structured_report(ds):
            return None
        return str(ds.get("StudyInstanceUID", "")), structured_report_text(ds), header_values(ds)


def is_structured_report(ds: Dataset) -> bool:
    """Whether the data set is a structured report (PS3.3 A.35)."""
    return str(ds.get("SOPClassUID", "")).startswith(SR_CLASSES) or ds.get("Modality") == "SR"


def structured_report_text(ds: Dataset) -> str:
    """The text of a DICOM structured report (PS3.3 A.35): containers become headings, text and codes follow them."""
    lines: list[str] = []

    def visit(item: Dataset) -> None:
        kind = item.get("ValueType", "")
        title = _meaning(item, "ConceptNameCodeSequence")
        relation = item.get("RelationshipType", "CONTAINS")
        if kind == "CONTAINER" and title and item is not ds:
            lines.append(f"{title.upper()}:")
        elif kind == "TEXT" and relation == "CONTAINS":
            text = clean_text(str(item.get("TextValue", ""))).strip()
            is_section = title.lower() in ("findings", "impression", "conclusion", "history", "indication")
            lines.append(f"{title.upper()}: {text}" if is_section and f"{title.upper()}:" not in lines else text)
        elif kind == "CODE" and relation == "CONTAINS":
            lines.append(_meaning(item, "ConceptCodeSequence"))
        for child in item.get("ContentSequence") or ():
            visit(child)

    visit(ds)
    return "\n".join(line for line in lines if line)


def _meaning(item: Dataset, sequence: str) -> str:
    codes = item.get(sequence)
    return str(codes[0].get("CodeMeaning", "")) if codes else ""
