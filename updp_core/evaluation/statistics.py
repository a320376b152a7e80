"""Figures with 95% intervals that hold for few patients and for rare events."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Estimate = tuple[float, float, float]
"""A value and the lower and upper end of its 95% interval; NaN where it could not be measured."""

UNKNOWN: Estimate = (float("nan"),) * 3
DRAWS = 1000
_Z = 1.959964


def draws(groups: NDArray[Any], rng: np.random.Generator, times: int = DRAWS) -> NDArray[np.float64]:
    """How often each row is drawn (times, N) when whole `groups` (N,), patients mostly, are drawn with replacement."""
    _, place = np.unique(groups, return_inverse=True)
    count = int(place.max()) + 1
    return rng.multinomial(count, np.full(count, 1 / count), size=times).astype(np.float64)[:, place]


def auc(truth: NDArray[Any], score: NDArray[Any], weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Area under the ROC curve (B,) for each row of `weights` (B, N); ties count half; NaN where a class lacks."""
    order = np.argsort(score, kind="stable")
    sorted_score, t = np.asarray(score)[order], np.asarray(truth, bool)[order]
    w = np.ones((1, len(t))) if weights is None else weights[:, order]
    positive, negative = w[:, t], np.cumsum(np.where(t, 0.0, w), axis=1)
    negative = np.concatenate([np.zeros((len(w), 1)), negative], axis=1)
    below = negative[:, np.searchsorted(sorted_score, sorted_score[t], "left")]
    up_to = negative[:, np.searchsorted(sorted_score, sorted_score[t], "right")]
    pairs = positive.sum(axis=1) * negative[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((positive * (below + up_to) / 2).sum(axis=1) / pairs)


def kernel_distance(a: NDArray[Any], b: NDArray[Any]) -> float:
    """The squared maximum mean discrepancy of two sets of features (N, D) and (M, D) by the cubic kernel of KID
    (Binkowski et al. 2018): unbiased, also where the sets differ in size; about 0 for two sets of one kind."""
    x, y = (np.asarray(part, np.float64) for part in (a, b))
    xx, yy, xy = ((p @ q.T / p.shape[1] + 1) ** 3 for p, q in ((x, x), (y, y), (x, y)))
    within = ((k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (xx, yy))
    return float(sum(within) - 2 * xy.mean())


def auc_within(
    strata: NDArray[Any], truth: NDArray[Any], score: NDArray[Any], weights: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """`auc` (B,) where cases are compared within their stratum only; strata count by the weight of their positives."""
    w = np.ones((1, len(truth))) if weights is None else weights
    total, mass = np.zeros(len(w)), np.zeros(len(w))
    for stratum in np.unique(strata):
        rows = strata == stratum
        value, positive = auc(truth[rows], score[rows], w[:, rows]), w[:, rows & np.asarray(truth, bool)].sum(axis=1)
        known = np.isfinite(value)
        total += np.where(known, value, 0) * positive
        mass += known * positive
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / mass


def macro_auc(truth: NDArray[Any], scores: NDArray[Any], groups: NDArray[Any] | None = None, seed: int = 0) -> Estimate:
    """Mean AUC over the columns of truth (N, F) that hold both classes, with a bootstrap over `groups`."""
    groups = np.arange(len(truth)) if groups is None else groups
    both = [k for k in range(truth.shape[1]) if 0 < truth[:, k].sum() < len(truth)]
    if not both:
        return UNKNOWN
    weights = draws(groups, np.random.default_rng(seed))
    value = float(np.mean([auc(truth[:, k], scores[:, k])[0] for k in both]))
    drawn = np.nanmean([auc(truth[:, k], scores[:, k], weights) for k in both], axis=0)
    return value, *_ends(drawn)


def mean(values: NDArray[Any], groups: NDArray[Any] | None = None, seed: int = 0) -> Estimate:
    """Mean of values (N,), with a bootstrap over `groups`."""
    if not len(values):
        return UNKNOWN
    weights = draws(np.arange(len(values)) if groups is None else groups, np.random.default_rng(seed))
    return float(np.mean(values)), *_ends(weights @ values / weights.sum(axis=1))


def share(hits: NDArray[np.bool_], groups: NDArray[Any] | None = None) -> Estimate:
    """Share of hits (N,) with Wilson's interval, so that "none of 60" is not reported as certain.

    Images of one patient resemble each other: N is divided by the design effect of the `groups`.
    """
    n = len(hits)
    if not n:
        return UNKNOWN
    p, effective = float(np.mean(hits)), float(n)
    if groups is not None and 0 < p < 1:
        _, place = np.unique(groups, return_inverse=True)
        k = int(place.max()) + 1
        residual = np.bincount(place, weights=np.asarray(hits, float) - p)
        if k > 1:
            effective = n / max(1.0, float((residual**2).sum()) * k / (k - 1) / (n * p * (1 - p)))
    middle = (p + _Z**2 / (2 * effective)) / (1 + _Z**2 / effective)
    half = _Z / (1 + _Z**2 / effective) * np.sqrt(p * (1 - p) / effective + _Z**2 / (4 * effective**2))
    return p, float(max(0.0, middle - half)), float(min(1.0, middle + half))


def _ends(drawn: NDArray[Any]) -> tuple[float, float]:
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return float(low), float(high)
