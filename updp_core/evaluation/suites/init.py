"""Table 3 of the paper: prompt scores by where the prompt starts, by an encoder that was not optimised."""

from __future__ import annotations

from updp_core.evaluation.ablations import INIT
from updp_core.evaluation.suites.suite import Bar, Suite

SUITE = Suite(
    name="init",
    title="Table 3 of the paper: prompt scores by where the prompt starts, by an encoder that was not optimised.",
    methods={"updp": "UPDP images"},
    measures=(INIT,),
    bars={"prompt_score_order_holds": Bar("at least", True)},
)
