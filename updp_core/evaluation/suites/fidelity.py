"""How like real films the images are as a set: KID, precision, recall, density and coverage."""

from __future__ import annotations

from updp_core.evaluation.fidelity import FIDELITY
from updp_core.evaluation.suites.suite import Suite

SUITE = Suite(
    name="fidelity",
    title="How like real films the images are as a set: KID, precision, recall, density and coverage.",
    methods={"updp": "UPDP images", "raw-report": "images drawn from the unfiltered report"},
    measures=(FIDELITY,),
    bars={},
)
