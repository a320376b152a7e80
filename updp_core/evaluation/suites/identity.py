"""Who is it among 50 patients: attackers trained on originals and on what a method makes, beside the findings alone."""

from __future__ import annotations

from updp_core.evaluation.measures import IDENTITY, IDENTITY_OF_ORIGINALS
from updp_core.evaluation.recognition import RETRAINED
from updp_core.evaluation.suites.suite import Bar, Suite

SUITE = Suite(
    name="identity",
    title="Patients recognised among 50 (paper: originals 97.21%, raw reports 13.69%, UPDP 4.57%, chance 2%).",
    methods={"updp": "UPDP images", "raw-report": "images drawn from the unfiltered report"},
    measures=(IDENTITY_OF_ORIGINALS, IDENTITY, RETRAINED),
    bars={"identity_accuracy.updp": Bar("at most", 0.0457), "identity_excess.updp": Bar("at most", 0.0, "low")},
)
