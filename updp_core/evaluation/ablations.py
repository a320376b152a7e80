"""What the prompt's start, its length and the number of iterations do (paper, table 3 and figures 4 and 5).

Scores are those of the judges' pair, which no prompt was optimised for; what the optimised encoder says stands beside
them only to show how far the two part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from updp_core.config import PromptConfig
from updp_core.domain import Prompt
from updp_core.evaluation import statistics
from updp_core.evaluation.measures import PROMPT_SCORES, Found, Measure, Row, order_holds, random_prompts
from updp_core.evaluation.statistics import UNKNOWN
from updp_core.evaluation.studies import as_float, similarity
from updp_core.evaluation.testbed import Testbed
from updp_core.methods.updp import what_it_says
from updp_core.prompt.constraint import Constraint
from updp_core.prompt.optimise import optimise
from updp_core.prompt.start import start_text

LENGTHS = (4, 8, 16, 24, 32, 48, 64, 96, 128)
ITERATIONS = (1, 2, 3, 4)
STARTS = {"random": "random words", "report": "the report"}
_AT_ONCE = 16


def _optimised(bed: Testbed, index: NDArray[np.int64], config: PromptConfig, seed: int) -> list[Prompt]:
    """Prompts of the studies at `index`, as the subject makes them with these settings."""
    constraint, prompts = Constraint(bed.lexicon, bed.models.encoder), list[Prompt]()
    for start in range(0, len(index), _AT_ONCE):
        records = bed.singles.inputs(index[start : start + _AT_ONCE], bed.lexicon)
        random = config.init == "random"
        texts = ["" if random else start_text(r.filtered_report, bed.lexicon) for r in records]
        seeds = [seed * 100_003 + int(r.id) for r in records]
        images, meaning = [r.image for r in records], None if random else what_it_says
        prompts += optimise(bed.models.encoder, constraint, images, texts, config, seeds, meaning)
    return prompts


def _scores(bed: Testbed, index: NDArray[np.int64], texts: list[str]) -> NDArray[np.float64]:
    """Cosine (N,) of originals and texts by the judges, times 100."""
    parts = range(0, len(index), 64)
    images = bed.singles.images
    scored = [
        bed.models.judges.score(as_float(np.asarray(images[index[i : i + 64]])), texts[i : i + 64]) for i in parts
    ]
    return 100 * np.concatenate(scored).astype(np.float64)


def init(bed: Testbed) -> Found:
    """Table 3: the score of random words and of reports, as they are and optimised; each study counts by its mean over
    the seeds."""
    index, base = np.arange(bed.sizes.prompts), bed.models.preset.prompt
    seeds = range(bed.sizes.attacker_seeds)
    constraint = Constraint(bed.lexicon, bed.models.encoder)
    reports = [bed.singles.report(int(i)) for i in index]
    rows: dict[str, list[NDArray[np.float64]]] = {name: [] for name in PROMPT_SCORES}
    for k in seeds:
        seed = bed.seed * 100 + k
        words = random_prompts(bed.models.encoder, constraint, len(index), base.length, seed)
        made = {
            start: [p.text for p in _optimised(bed, index, replace(base, init=start), seed)]
            for start in ("random", "report")
        }
        for name, texts in zip(PROMPT_SCORES, (words, made["random"], reports, made["report"]), strict=True):
            rows[name].append(_scores(bed, index, texts))
        bed.say(f"init: seed {k + 1} of {len(seeds)}")
    found, scores = Found(), {name: np.mean(some, axis=0) for name, some in rows.items()}
    n = {"studies": len(index), "patients": len(index), "seeds": len(seeds)}
    for name, values in scores.items():
        found.put(f"prompt_score.{name}", statistics.mean(values, seed=bed.seed), **n)
        for end, value in (("low", values.min()), ("high", values.max())):
            found.put(f"prompt_score_{end}.{name}", (float(value), np.nan, np.nan), **n)
    random, optimised, report, both = scores.values()
    gains = {"optimised_random": optimised - random, "optimised_report": both - report, "report": both - optimised}
    for name, gain in gains.items():
        found.put(f"init_gain.{name}", statistics.mean(gain, seed=bed.seed), chance=0.0, **n)
    return found


def length(bed: Testbed) -> Found:
    """Figure 4: score and loss by prompt length. Longer prompts always lower the loss of the encoder that is
    optimised; whether the score of another falls again is asked of studies that did not choose the best length."""
    index, base, found = np.arange(bed.sizes.prompts), bed.models.preset.prompt, Found()
    n = {"studies": len(index), "patients": len(index), "seeds": 1}
    most = bed.models.encoder.max_content
    for start in ("random", "report"):
        table: list[NDArray[np.float64]] = []
        for tokens in LENGTHS:
            if tokens > most:
                for figure in ("score", "loss"):
                    found.put(f"length_{figure}.{start}_{tokens}", UNKNOWN, **n)
                continue
            made = _optimised(bed, index, replace(base, init=start, length=tokens), bed.seed)
            table.append(_scores(bed, index, [p.text for p in made]))
            loss = np.array([1 - p.alignment_soft for p in made])
            found.put(f"length_score.{start}_{tokens}", statistics.mean(table[-1], seed=bed.seed), **n)
            found.put(f"length_loss.{start}_{tokens}", statistics.mean(loss, seed=bed.seed), **n)
            bed.say(f"length: {tokens} tokens from {STARTS[start]}")
        for side, gain in bend(np.stack(table, axis=1)).items():
            found.put(f"length_{side}.{start}", statistics.mean(gain, seed=bed.seed), chance=0.0, **n)
    return found


def bend(scores: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """By how much (N,) the best inner length of scores (N, L) is above the shortest ("rise") and the longest ("fall").

    Each half of the studies is measured at the length that was best on the other half, so that the choice of the best
    raises nothing. No values where there is no inner length or only one study.
    """
    count, lengths = scores.shape
    if lengths < 3 or count < 2:
        return {"rise": np.zeros(0), "fall": np.zeros(0)}
    odd = np.arange(count) % 2 == 1
    best = np.where(odd, *(1 + int(scores[half, 1:-1].mean(axis=0).argmax()) for half in (~odd, odd)))
    top = scores[np.arange(count), best]
    return {"rise": top - scores[:, 0], "fall": top - scores[:, -1]}


def iterations(bed: Testbed) -> Found:
    """Figure 5: likeness of image and original (SSIM), and the prompt's score, by iteration; beside it the likeness to
    another patient's original, which no figure of this patient can be below by chance."""
    data, index, found = bed.singles, np.arange(bed.sizes.prompts), Found()
    n = {"images": len(index), "patients": len(index), "seeds": 1}
    originals = as_float(np.asarray(data.images[index]))
    likeness: dict[int, NDArray[np.float64]] = {}
    for count in ITERATIONS:
        made = bed.drawn(bed.subject, data, "singles", index, {"prompt.iterations": count})
        drawn = as_float(np.asarray(made.images))
        likeness[count] = similarity(drawn, originals)
        strangers = similarity(drawn, np.roll(originals, 1, axis=0))
        chance = float(strangers.mean())
        found.put(f"iteration_ssim.{count}", statistics.mean(likeness[count], seed=bed.seed), chance, **n)
        excess = statistics.mean(likeness[count] - strangers, seed=bed.seed)
        found.put(f"iteration_excess.{count}", excess, chance=0.0, **n)
        score = _scores(bed, index, [str(row["prompt"]) for row in made.rows])
        found.put(f"iteration_score.{count}", statistics.mean(score, seed=bed.seed), **n)
    gain = statistics.mean(likeness[ITERATIONS[-1]] - likeness[ITERATIONS[0]], seed=bed.seed)
    found.put("iteration_gain", gain, chance=0.0, **n)
    return found


def _seen(start: str) -> Any:
    def both(result: Mapping[str, Any], subject: str) -> bool | None:
        ends = [result.get("intervals", {}).get(f"length_{side}.{start}") for side in ("rise", "fall")]
        return None if None in ends else all(low > 0 for low, _ in ends)

    return both


_SCORED = {
    "random": "random words",
    "random_updp": "random words, optimised",
    "raw_report": "unfiltered report",
    "raw_report_updp": "filtered report, optimised",
}
INIT = Measure(
    "init",
    ("encoder", "judges"),
    init,
    (
        *(Row(f"prompt_score.{name}", f"Prompt score: {words}", "score") for name, words in _SCORED.items()),
        *(
            Row(f"prompt_score_{end}.{name}", f"Prompt score, {end}est study: {words}", "score")
            for name, words in _SCORED.items()
            for end in ("low", "high")
        ),
        Row("init_gain.optimised_random", "What optimising adds to random words", "score"),
        Row("init_gain.optimised_report", "What optimising adds to the unfiltered report", "score"),
        Row("init_gain.report", "What starting from the report adds to starting from random words", "score"),
        Row("prompt_score_order_holds", "Order of the four prompt scores above", "order", order_holds),
    ),
)
LENGTH = Measure(
    "length",
    ("encoder", "judges"),
    length,
    tuple(
        row
        for start, words in STARTS.items()
        for row in (
            *(Row(f"length_score.{start}_{k}", f"Prompt score, {k} tokens from {words}", "score") for k in LENGTHS),
            *(
                Row(f"length_loss.{start}_{k}", f"Loss of the optimised encoder, {k} tokens from {words}")
                for k in LENGTHS
            ),
            Row(f"length_rise.{start}", f"Best inner length above the shortest, from {words}", "score"),
            Row(f"length_fall.{start}", f"Best inner length above the longest, from {words}", "score"),
            Row(f"length_inverted_u.{start}", f"Inverted U of length, from {words}", "seen", _seen(start)),
        )
    ),
)
ITERATION = Measure(
    "iterations",
    ("generator", "encoder", "judges"),
    iterations,
    (
        *(Row(f"iteration_ssim.{k}", f"Image like its original (SSIM), {k} iterations") for k in ITERATIONS),
        *(
            Row(f"iteration_excess.{k}", f"The same above the likeness to another patient's, {k} iterations")
            for k in ITERATIONS
        ),
        *(Row(f"iteration_score.{k}", f"Prompt score, {k} iterations", "score") for k in ITERATIONS),
        Row("iteration_gain", f"Likeness (SSIM) at {ITERATIONS[-1]} iterations above that at {ITERATIONS[0]}"),
    ),
)
