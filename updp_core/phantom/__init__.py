"""The phantom: synthetic patients whose anatomy, findings and reports are known exactly."""

from .masks import render_masks
from .patient import FINDINGS, Finding, Patient, Visit, sample_patient, sample_visit
from .render import render
from .report import Report, caption, write_report

__all__ = [
    "FINDINGS",
    "Finding",
    "Patient",
    "Report",
    "Visit",
    "caption",
    "render",
    "render_masks",
    "sample_patient",
    "sample_visit",
    "write_report",
]
