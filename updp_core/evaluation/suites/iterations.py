"""Figure 5 of the paper: likeness to the original (SSIM) and prompt score by iteration."""

from __future__ import annotations

from updp_core.evaluation.ablations import ITERATION
from updp_core.evaluation.suites.suite import Suite

SUITE = Suite(
    name="iterations",
    title="Figure 5 of the paper: likeness to the original (SSIM) and prompt score by iteration.",
    methods={"updp": "UPDP images"},
    measures=(ITERATION,),
    bars={},
)
