"""What findings alone give away, before any image is drawn: who is linked, named and singled out by them.

Nothing but the findings that each visit's report asserts is read. So it is the floor of every privacy figure of images
that show these findings, and what a method is at fault for is the excess over it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from updp_core.evaluation.statistics import UNKNOWN, Estimate, auc_within, draws

PEOPLE, LEAST = 50, 30
"""Patients to choose one of, and the visits that each of them has at least."""
_PAIRS = 10  # pairs of visits of a patient at most: who is seen often counts no more than that
_MOST_PATIENTS = 20_000
_SETS = 10


@dataclass(frozen=True)
class Told:
    """What reports tell: findings (N, F) of each visit by `names`, and its patient (N,) as a number."""

    findings: NDArray[np.bool_]
    patient: NDArray[np.int64]
    names: tuple[str, ...]

    @property
    def combinations(self) -> list[frozenset[str]]:
        """The findings of each visit as a set (N,)."""
        return [frozenset(n for n, there in zip(self.names, row, strict=True) if there) for row in self.findings]


def measure(told: Told, k: int = 10, seed: int = 0, often: Told | None = None) -> dict[str, Any]:
    """The figures as JSON: linkage (AUC), naming (share), combinations that fewer than `k` patients share.

    `often` are those to be named where they are not among the patients of `told`."""
    linked, tested = linkage(told, seed)
    named, people, images = naming(often or told, seed)
    return {
        "visits": len(told.patient),
        "patients": len(np.unique(told.patient)),
        "link_auc": figure(linked) | {"chance": 0.5, "patients": tested},
        "named": figure(named)
        | {"chance": round(1 / people, 4) if people else None, "patients": people, "visits_each": images},
        "seed": seed,
        "combinations": rare(told, k),
    }


def figure(value: Estimate) -> dict[str, Any]:
    """A figure for JSON: null where it is unknown."""
    known = np.isfinite(value[0])
    ends = [round(value[1], 4), round(value[2], 4)] if known and np.isfinite(value[1] + value[2]) else None
    return {"value": round(value[0], 4) if known else None, "interval": ends}


def rare(told: Told, k: int) -> dict[str, int]:
    """Distinct combinations of findings, those of one patient alone, and those of fewer than `k` patients, with their
    visits."""
    shared = patients_by_combination(told.combinations, told.patient.tolist())
    few = {c for c, n in shared.items() if n < k}
    return {
        "distinct": len(shared),
        "unique": sum(n == 1 for n in shared.values()),
        "k": k,
        "fewer_than_k": len(few),
        "visits_fewer_than_k": sum(c in few for c in told.combinations),
    }


def patients_by_combination(combinations: Sequence[frozenset[str]], patients: Sequence[Any]) -> Counter[frozenset[str]]:
    """How many patients have each combination of findings."""
    return Counter(c for c, _ in set(zip(combinations, patients, strict=True)))


def linkage(told: Told, seed: int = 0, most: int = _MOST_PATIENTS) -> tuple[Estimate, int]:
    """How well findings tell two visits of a patient from visits of two (AUC), and of how many patients.

    A gradient-boosted attacker, trained on half of the patients who were seen twice and tested on the other half, then
    the other way round. Each patient counts by at most ten pairs. The interval draws patients. Unknown below 20;
    `most` patients are asked at most.
    """
    rng = np.random.default_rng([seed, 7020])
    order = np.argsort(told.patient, kind="stable")
    _, first, count = np.unique(told.patient[order], return_index=True, return_counts=True)
    twice = rng.permutation(np.flatnonzero(count > 1))[:most]
    if len(twice) < 20:
        return UNKNOWN, len(twice)
    from sklearn.ensemble import HistGradientBoostingClassifier  # slow: not before there is something to learn

    folds, scores, truths, owners, strata = (twice[::2], twice[1::2]), [], [], [], []
    for fold, (train, test) in enumerate((folds, folds[::-1])):
        learned, tested = (_pairs(order, first, count, part, rng) for part in (train, test))
        model = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=8, learning_rate=0.15, random_state=seed)
        model.fit(_seen(told, learned[0]), learned[1])
        scores.append(model.predict_proba(_seen(told, tested[0]))[:, 1])
        truths.append(tested[1])
        owners.append(tested[2])
        strata.append(np.full(len(tested[1]), fold))
    truth, score, owner, stratum = map(np.concatenate, (truths, scores, owners, strata))
    place = np.unique(owner, return_inverse=True)[1].reshape(owner.shape)
    times = draws(np.arange(place.max() + 1), rng, 200)
    # A pair counts as often as both its patients were drawn, one of a single patient as often as he was.
    weights = np.where(truth, times[:, place[:, 0]], times[:, place[:, 0]] * times[:, place[:, 1]])
    value = float(auc_within(stratum, truth, score)[0])
    low, high = np.nanpercentile(auc_within(stratum, truth, score, weights), [2.5, 97.5])
    return (value, float(low), float(high)), len(twice)


def _pairs(
    order: NDArray[Any], first: NDArray[Any], count: NDArray[Any], people: NDArray[Any], rng: np.random.Generator
) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[Any]]:
    """Visits (P, 2) of one patient and as many of two, which they are (P,), and whose (P, 2)."""
    whose = np.repeat(people, np.minimum(count[people] * (count[people] - 1) // 2, _PAIRS))
    a = rng.integers(0, count[whose])
    b = (a + rng.integers(1, count[whose])) % count[whose]
    a, b = order[first[whose] + a], order[first[whose] + b]
    mixed = rng.permutation(len(whose))
    apart = whose != whose[mixed]
    pairs = np.concatenate([np.stack([a, b], 1), np.stack([a, b[mixed]], 1)[apart]])
    owners = np.concatenate([np.stack([whose, whose], 1), np.stack([whose, whose[mixed]], 1)[apart]])
    return pairs, np.arange(len(pairs)) < len(whose), owners


def _seen(told: Told, pairs: NDArray[Any]) -> NDArray[np.int8]:
    """What the attacker sees of a pair: each finding in none, one or both, and how many are shared and differ."""
    x, y = (told.findings[pairs[:, side]].astype(np.int8) for side in (0, 1))
    sums = [(x * y).sum(1), (x != y).sum(1), (x + y).sum(1)]
    return np.hstack([x + y, np.stack(sums, 1).astype(np.int8)])


def naming(told: Told, seed: int = 0) -> tuple[Estimate, int, float]:
    """Share of visits whose patient naive Bayes names among PEOPLE who have LEAST visits or more, how many people that
    were, and their visits each.

    A fifth of each one's visits is kept from it. Where more people have so many visits, several sets of them are drawn.
    The interval draws patients. Unknown below ten such patients.
    """
    from sklearn.naive_bayes import BernoulliNB

    rng = np.random.default_rng([seed, 7021])
    who, count = np.unique(told.patient, return_counts=True)
    often = who[count >= LEAST]
    people = min(PEOPLE, len(often))
    if people < 10:
        return UNKNOWN, 0, 0.0
    hits: list[NDArray[Any]] = []
    owners: list[NDArray[Any]] = []
    for _ in range(_SETS if len(often) > people else 1):
        chosen = rng.choice(often, people, replace=False)
        rows = np.flatnonzero(np.isin(told.patient, chosen))
        kept = np.zeros(len(rows), bool)
        for one in chosen:
            mine = np.flatnonzero(told.patient[rows] == one)
            kept[rng.permutation(mine)[: len(mine) // 5]] = True
        x, y = told.findings[rows], told.patient[rows]
        model = BernoulliNB(fit_prior=False).fit(x[~kept], y[~kept])
        hits.append(model.predict(x[kept]) == y[kept])
        owners.append(y[kept])
    hit, owner = np.concatenate(hits).astype(float), np.concatenate(owners)
    weights = draws(owner, rng)
    low, high = np.percentile(weights @ hit / weights.sum(axis=1), [2.5, 97.5])
    each = float(count[np.isin(who, owner)].mean())
    return (float(hit.mean()), float(low), float(high)), people, round(each, 1)
