"""What a release discloses of people, and the generator of those it was trained on."""

from __future__ import annotations

from updp_core.evaluation.disclosure import INFERENCE, LINKABILITY, SINGLING_OUT
from updp_core.evaluation.remembered import MARKERS, MEMBERSHIP, MEMORISED
from updp_core.evaluation.suites.suite import Suite

SUITE = Suite(
    name="disclosure",
    title="Singling out, linkability and inference, each as attack, control and naive baseline; what the generator "
    "gives away of its training images. `--source` takes an archive in which patients have two studies.",
    methods={"updp": "UPDP images", "raw-report": "images drawn from the unfiltered report"},
    measures=(SINGLING_OUT, LINKABILITY, INFERENCE, MEMBERSHIP, MEMORISED, MARKERS),
    bars={},
)
