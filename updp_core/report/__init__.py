"""The report filter: finds identifiers (PHI) in a report, takes them out, and checks that none is left.

A kind of finder is a module with `find` and a place in FINDERS (filter.py); a category is a row of CATEGORIES
(categories.py).
"""

from updp_core.report.filter import filter_report, residual
from updp_core.report.sections import sections

__all__ = ["filter_report", "residual", "sections"]
