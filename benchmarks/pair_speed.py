"""A pair with the starter preset against the settings of version 0.6, in one run: how many times faster, and where.

Version 0.6 optimised prompts for 60 steps in double precision and drew five images of 12 steps. Evidence is measured
by the judges as in the product, without the reader of letters.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from benchmarks.pairs import records

PAIRS = 4


def seconds_per_pair(method: Any, studies: list[Any], judges: Any, lexicon: Any) -> dict[str, float]:
    """Seconds for the prompt, the image and the evidence of one pair."""
    from updp_core.evidence.pair import measure

    started = prompts_done = time.perf_counter()
    proposals = []
    for step in method.propose(studies, seeds=range(len(studies))):
        if step.stage == "prompt":
            prompts_done = time.perf_counter()
        proposals += step.proposals
    drawn = time.perf_counter()
    measure(studies, proposals, lexicon, judges)
    ended = time.perf_counter()
    n = len(studies)
    return {
        "prompt": (prompts_done - started) / n,
        "image": (drawn - prompts_done) / n,
        "evidence": (ended - drawn) / n,
    }


def main(count: int = PAIRS) -> dict[str, Any]:
    """Print both and their ratio."""
    import torch

    from updp_core.backends.judges import load_judges
    from updp_core.backends.presets import PRESETS
    from updp_core.config import Settings
    from updp_core.lexicon import load_lexicon
    from updp_core.methods import make_method

    preset, lexicon, judges, studies = PRESETS["starter"], load_lexicon(), load_judges(device="cpu"), records(count)
    settings = Settings(device="cpu")
    before = make_method(
        "updp",
        settings,
        lexicon,
        replace(preset.prompt, steps=60, learning_rate=0.5),
        replace(preset.generation, steps=12, candidates=5),
    )
    now = make_method("updp", settings, lexicon)
    found: dict[str, Any] = {}
    for name, method in (("now", now), ("0.6", before)):
        double = name == "0.6"
        if double:
            method.encoder.model.double()
            method = replace(method, encoder=replace(method.encoder, token_table=method.encoder.token_table.double()))
        seconds_per_pair(method, studies[:1], judges, lexicon)  # warm up
        found[name] = seconds_per_pair(method, studies, judges, lexicon)
        if double:
            method.encoder.model.float()
    print(f"{count} pairs, CPU, {torch.get_num_threads()} threads")
    for name, parts in found.items():
        print(
            f"{name:>4}: {sum(parts.values()):.2f} s a pair ("
            + ", ".join(f"{k} {v:.2f}" for k, v in parts.items())
            + ")"
        )
    ratio = sum(found["0.6"].values()) / sum(found["now"].values())
    print(f"{ratio:.1f} times as fast as with the settings of version 0.6")
    return found | {"ratio": ratio}


if __name__ == "__main__":
    main()
