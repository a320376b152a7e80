"""Figure 4 of the paper: prompt score and loss by prompt length, and whether the score is an inverted U."""

from __future__ import annotations

from updp_core.evaluation.ablations import LENGTH
from updp_core.evaluation.suites.suite import Suite

SUITE = Suite(
    name="length",
    title="Figure 4 of the paper: prompt score and loss by prompt length, and whether the score is an inverted U.",
    methods={"updp": "UPDP images"},
    measures=(LENGTH,),
    bars={},
)
