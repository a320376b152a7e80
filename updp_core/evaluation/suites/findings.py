"""Each finding on originals and on images of each method; trained on images, tested on originals."""

from __future__ import annotations

from updp_core.evaluation.fidelity import FINDINGS_EACH
from updp_core.evaluation.suites.suite import Bar, Suite

SUITE = Suite(
    name="findings",
    title="Each finding on originals and on images of each method; trained on images, tested on originals.",
    methods={"updp": "UPDP images", "raw-report": "images drawn from the unfiltered report"},
    measures=(FINDINGS_EACH,),
    bars={"finding_auc.updp": Bar("at least", 0.92)},
)
