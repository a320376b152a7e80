"""Tables 1 and 2 of the paper, with a small generator of reports: what a release is worth to who receives it."""

from __future__ import annotations

from updp_core.evaluation.suites.suite import Bar, Suite
from updp_core.evaluation.utility import UTILITY

SUITE = Suite(
    name="utility",
    title="Report generators trained on transfer only, local only and mixed (the paper's tables 1 and 2, whose "
    "generators are large; IU X-Ray, BLEU-1: 44.4 transfer, 45.5 local, 47.0 mixed).",
    methods={"updp": "UPDP images", "raw-report": "images drawn from the unfiltered report"},
    measures=(UTILITY,),
    bars={
        "utility_mixed_beats_local": Bar("at least", True),
        "utility_transfer_share": Bar("at least", 0.9),
        "utility_updp_beats_raw": Bar("at least", True),
    },
)
