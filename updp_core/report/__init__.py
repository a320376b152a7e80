"""The report filter: finds identifiers (PHI) in a report, takes them out, and checks that none is left."""

from updp_core.report.filter import filter_report, residual, sections

__all__ = ["filter_report", "residual", "sections"]
