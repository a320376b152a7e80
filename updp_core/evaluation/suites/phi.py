"""What the report filter finds and what it takes besides, on one's own gold spans or on phantoms' planted ones."""

from __future__ import annotations

from updp_core.evaluation.phi import PHI
from updp_core.evaluation.suites.suite import Suite

SUITE = Suite(
    name="phi",
    title="The report filter against gold spans: recall, precision and over-redaction by kind. `--source` takes a CSV "
    "table or JSON lines with spans of one's own; by default it reads phantom reports with planted PHI.",
    methods={},
    measures=(PHI,),
    bars={},
)
