"""Same patient or not: several families of attackers against what a method makes, beside the findings alone."""

from __future__ import annotations

from updp_core.evaluation.recognition import VERIFICATION
from updp_core.evaluation.suites.suite import Bar, Suite

SUITE = Suite(
    name="reid",
    title="Images linked to originals of another visit, by attackers of several families, beside the findings alone.",
    methods={"updp": "UPDP images", "raw-report": "images drawn from the unfiltered report"},
    measures=(VERIFICATION,),
    bars={"reid_same_findings.updp": Bar("at most", 0.55, "high"), "reid_excess.updp": Bar("at most", 0.0, "low")},
)
