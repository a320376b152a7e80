"""The phantom: synthetic patients whose anatomy, findings and reports are known exactly."""

from updp_core.findings.terms import FINDINGS

from .masks import render_masks
from .patient import Finding, Patient, Visit, sample_patient, sample_visit
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
