"""How like the reports of radiologists generated ones are: BLEU, ROUGE-L, METEOR, BERTScore, RadGraph F1, and findings.

Each is a kept package's; what is not installed here, or lacks its files, says what it needs. Intervals draw reports
again, of which each patient has one.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from updp_core.evaluation import statistics
from updp_core.evaluation.statistics import Estimate
from updp_core.findings import labeler

BLEU = ("b1", "b2", "b3", "b4")
METRICS = {
    "b1": "BLEU-1",
    "b2": "BLEU-2",
    "b3": "BLEU-3",
    "b4": "BLEU-4",
    "meteor": "METEOR",
    "rouge": "ROUGE-L",
    "bert": "BERTScore",
    "radgraph": "RadGraph F1",
    "findings": "Findings F1",
}
"""Metrics by name, in the order of the paper's table 1, and what the labeler reads in both."""
_EXTRA = "the extra metrics (pip install 'updp[metrics]')"
_DRAWS = 200


class Lacking(Exception):
    """A metric that cannot be measured here; its words say what it needs."""


def metrics(written: Sequence[Sequence[str]], true: Sequence[str], seed: int = 0) -> dict[str, list[Estimate] | str]:
    """Every metric of METRICS of some generators' reports `written` (G, N) against `true` (N,): one figure a generator,
    0..1, or in words what the metric needs."""
    rng = np.random.default_rng([seed, 7060])
    weights = statistics.draws(np.arange(len(true)), rng, _DRAWS).astype(int) if true else np.zeros((0, 0), int)
    found: dict[str, list[Estimate] | str] = {}
    try:
        each = [_bleu(texts, true, weights) for texts in written]
        found |= {name: [row[k] for row in each] for k, name in enumerate(BLEU)}
    except Lacking as error:
        found |= dict.fromkeys(BLEU, str(error))
    for name, measure in _BY_REPORT.items():
        try:
            found[name] = [statistics.mean(measure(texts, true), seed=seed) for texts in written]
        except Lacking as error:
            found[name] = str(error)
    found["findings"] = [_findings(texts, true, weights) for texts in written]
    return {name: found[name] for name in METRICS}


def _bleu(written: Sequence[str], true: Sequence[str], weights: NDArray[Any]) -> list[Estimate]:
    """BLEU-1 to BLEU-4 (Papineni et al. 2002) of the whole set, by sacrebleu, without smoothing."""
    try:
        from sacrebleu.metrics.bleu import BLEU as Metric
    except ImportError:
        raise Lacking(_EXTRA) from None
    metric = Metric(tokenize="none", lowercase=True, smooth_method="none", force=True)

    def orders(index: NDArray[Any]) -> NDArray[np.float64]:
        found: Any = metric.corpus_score([written[i] for i in index], [[true[i] for i in index]])
        precise = np.array(found.precisions) / 100
        with np.errstate(divide="ignore"):
            return np.asarray(found.bp * np.exp(np.cumsum(np.log(precise)) / np.arange(1, 5)), np.float64)

    value = orders(np.arange(len(true)))
    drawn = np.array([orders(np.repeat(np.arange(len(true)), row)) for row in weights])
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    return [(float(v), float(a), float(b)) for v, a, b in zip(value, low, high, strict=True)]


def _rouge(written: Sequence[str], true: Sequence[str]) -> NDArray[np.float64]:
    from torchmetrics.functional.text import rouge_score

    pairs = zip(written, true, strict=True)
    return np.array([float(rouge_score(a, b, rouge_keys="rougeL")["rougeL_fmeasure"]) for a, b in pairs])


def _meteor(written: Sequence[str], true: Sequence[str]) -> NDArray[np.float64]:
    try:
        from nltk.translate.meteor_score import meteor_score
    except ImportError:
        raise Lacking(_EXTRA) from None
    try:
        return np.array([meteor_score([b.split()], a.split()) for a, b in zip(written, true, strict=True)], np.float64)
    except LookupError:
        raise Lacking("nltk's WordNet (nltk.download('wordnet'))") from None


def _bert(written: Sequence[str], true: Sequence[str]) -> NDArray[np.float64]:
    what = "bert-score and its English model"
    _, _, f1 = _heavy("bert_score", what, lambda found: found.score(list(written), list(true), lang="en"))
    return np.asarray(f1, np.float64)


def _radgraph(written: Sequence[str], true: Sequence[str]) -> NDArray[np.float64]:
    what = "radgraph and its model"
    found = _heavy(
        "radgraph", what, lambda m: m.F1RadGraph(reward_level="partial")(refs=list(true), hyps=list(written))
    )
    return np.asarray(found[1], np.float64)


def _heavy(module: str, what: str, call: Callable[[Any], Any]) -> Any:
    """What a package that brings a model of its own says; where the model is not here, it may fail in any way."""
    try:
        found = importlib.import_module(module)
    except ImportError:
        raise Lacking(what) from None
    try:
        return call(found)
    except Exception as error:
        raise Lacking(f"{what} ({type(error).__name__} here)") from None


_BY_REPORT: dict[str, Callable[[Sequence[str], Sequence[str]], NDArray[np.float64]]] = {
    "meteor": _meteor,
    "rouge": _rouge,
    "bert": _bert,
    "radgraph": _radgraph,
}


def _findings(written: Sequence[str], true: Sequence[str], weights: NDArray[Any]) -> Estimate:
    """F1 over all findings that either report asserts."""

    def asserted(text: str) -> set[str]:
        return {name for name, status in labeler.statuses(text).items() if status == "present"}

    both = [(asserted(a), asserted(b)) for a, b in zip(written, true, strict=True)]
    counts = np.array([(len(a & b), len(a) + len(b)) for a, b in both], np.float64).reshape(-1, 2)

    def f1(sums: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(2 * sums[..., 0] / np.maximum(sums[..., 1], 1))

    drawn = f1(weights @ counts)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(f1(counts.sum(axis=0))), float(low), float(high)
