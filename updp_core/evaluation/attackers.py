"""The attackers of the starter suite: who is this patient, and are these two images of one patient?

Both see all that the judges' network says of an image, which was trained to tell other patients apart, and are trained
on the images that they attack. What they reach on originals shows that they can attack at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from updp_core.evaluation.statistics import Estimate, auc, auc_within, draws

Score = Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]
"""Indices of synthetic images (P,) and of originals (P,) -> how likely each pair shows one patient (P,)."""

# Width of the Siamese head, dropout, weight decay: the attacker takes what does best on patients kept from training.
HEADS = ((64, 0.3, 0.05), (16, 0.5, 0.5))
_MOST_PAIRS = 60_000


def describe(judges: Any, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the attackers see of images (B, S, S) in 0..1: pooled features, identity embedding, finding logits (B, D).

    One pass through the trunk; the embedding is scaled to the features' size."""
    import torch

    features = judges.features(images)
    with torch.no_grad():
        f = torch.from_numpy(features).to(judges.device)
        who = torch.nn.functional.normalize(judges.network.identity_head(f), dim=-1)
        return np.concatenate([features, 4 * who.cpu().numpy(), judges.network.finding_head(f).cpu().numpy()], axis=1)


def identity_classifier(features: NDArray[np.float32], patients: NDArray[np.int64], seed: int = 0) -> Any:
    """A classifier of patients trained on originals' features (N, D): standardised, multinomial logistic regression."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=400, random_state=seed))
    return model.fit(features, patients)


def recognised_among(
    model: Any, features: NDArray[np.float32], patients: NDArray[np.int64], asked: Sequence[Sequence[int]]
) -> NDArray[np.bool_]:
    """Whether an `identity_classifier`, told that image i shows one of `asked[i]`, names its patient (M,)."""
    scores, place = model.predict_log_proba(features), {int(p): k for k, p in enumerate(model.classes_)}
    best = [max(some, key=lambda p: row[place[p]]) for row, some in zip(scores, asked, strict=True)]
    return np.array(best, np.int64) == patients


@dataclass(frozen=True)
class Linkage:
    """Synthetic images and originals that an attacker links. `synthetic` (M, D) and `originals` (N, D) are features;
    `source` (M,) is the original each synthetic image was made from, `patient` (N,) the patient of each original."""

    synthetic: NDArray[np.float32]
    originals: NDArray[np.float32]
    source: NDArray[np.int64]
    patient: NDArray[np.int64]

    def positives(self, patients: NDArray[Any]) -> NDArray[np.int64]:
        """Pairs (P, 2) of a synthetic image and an original of the same patient and another study."""
        out = []
        for i in np.flatnonzero(np.isin(self.patient[self.source], patients)):
            same = np.flatnonzero(self.patient == self.patient[self.source[i]])
            out += [(i, j) for j in same if j != self.source[i]]
        return np.array(out, np.int64).reshape(-1, 2)

    def others(self, patients: NDArray[Any], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Up to `count` pairs (P, 2) of a synthetic image and an original of two different ones of `patients`."""
        i = np.flatnonzero(np.isin(self.patient[self.source], patients))
        j = np.flatnonzero(np.isin(self.patient, patients))
        if len(i) * len(j) <= count:
            pairs = np.stack([part.ravel() for part in np.meshgrid(i, j, indexing="ij")], axis=1)
        else:
            pairs = np.stack([rng.choice(i, count), rng.choice(j, count)], axis=1)
        return pairs[self.patient[self.source[pairs[:, 0]]] != self.patient[pairs[:, 1]]]


def retrained(data: Linkage, test: NDArray[Any], seeds: Sequence[int]) -> list[Score]:
    """Attackers trained on the patients outside `test`, one a seed."""
    return [train_linker(data, np.setdiff1d(data.patient, test), seed) for seed in seeds]


def linked(
    data: Linkage, test: NDArray[Any], scores: Sequence[Score], seed: int = 0, alike: NDArray[Any] | None = None
) -> tuple[Estimate, list[float]]:
    """AUC of `retrained` attackers on pairs of patients in `test`, drawn by `seed`.

    The mean over the attackers with a 95% interval over both them and the patients tested, and each one's AUC. The
    same study is never a pair: what is linked is another visit. With `alike` (N,), what is known of each original, two
    of a patient are compared with two of different patients only where the same is known of all four: nothing of it
    helps then. (Among all such pairs at once it would: rare diseases coincide in one patient more than in two.)
    """
    values, drawn = _resampled(data, test, scores, seed, alike)
    if not values:
        return (float("nan"),) * 3, []
    low, high = np.nanpercentile(np.concatenate(drawn), [2.5, 97.5])
    return (float(np.mean(values)), float(low), float(high)), values


def excess(
    data: Linkage, test: NDArray[Any], scores: Sequence[Score], others: Sequence[Score], seed: int = 0
) -> Estimate:
    """By how much the AUC of `scores` is above that of as many `others`, on the same pairs and draws of patients."""
    values, drawn = _resampled(data, test, scores, seed)
    beside, drawn_beside = _resampled(data, test, others, seed)
    if not values or not beside:
        return (float("nan"),) * 3
    apart = [a - b for a, b in zip(drawn, drawn_beside, strict=True)]
    low, high = np.nanpercentile(np.concatenate(apart), [2.5, 97.5])
    return float(np.mean(values) - np.mean(beside)), float(low), float(high)


def rank_one(data: Linkage, test: NDArray[Any], score: Score, seed: int = 0) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """Of each synthetic image of patients in `test` who were seen twice, whether of a gallery with one original a
    patient, of another visit than the image was made from, the own one scores highest; and whose image it is (M,)."""
    rng = np.random.default_rng(seed)
    place = {int(p): np.flatnonzero(data.patient == p) for p in test}
    probes = [i for i in np.flatnonzero(np.isin(data.patient[data.source], test))]
    probes = [i for i in probes if len(place[int(data.patient[data.source[i]])]) > 1]
    hits = np.zeros(len(probes), bool)
    for n, i in enumerate(probes):
        own = int(data.patient[data.source[i]])
        gallery = [int(rng.choice(place[int(p)][place[int(p)] != data.source[i]])) for p in test]
        scores = score(np.full(len(gallery), i), np.array(gallery))
        mine = [int(p) for p in test].index(own)
        hits[n] = bool((scores[mine] > np.delete(scores, mine)).all())
    return hits, data.patient[data.source[np.array(probes, np.int64)]]


def _resampled(
    data: Linkage, test: NDArray[Any], scores: Sequence[Score], seed: int, alike: NDArray[Any] | None = None
) -> tuple[list[float], list[NDArray[np.float64]]]:
    """The AUC of each attacker, and those that it has when patients are drawn again and again; none without pairs."""
    pairs, truth, weights, strata = tested(data, test, np.random.default_rng(seed), alike)
    if not truth.any() or truth.all():
        return [], []
    values, drawn = [], []
    for n, attacker in enumerate(scores):
        score = attacker(pairs[:, 0], pairs[:, 1])
        values.append(float(auc_within(strata, truth, score)[0]))
        drawn.append(auc_within(strata, truth, score, weights[n :: len(scores)]))
    return values, drawn


def tested(
    data: Linkage, test: NDArray[Any], rng: np.random.Generator, alike: NDArray[Any] | None = None, times: int = 300
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64], NDArray[np.int64]]:
    """What `linked` compares: pairs (P, 2), which are of one patient (P,), how often each counts in `times` draws of
    patients (times, P), and the stratum of each (P,), by what `alike` says of it."""
    positive, negative = data.positives(test), data.others(test, _MOST_PAIRS, rng)
    if alike is not None:
        positive, negative = (
            pairs[alike[data.source[pairs[:, 0]]] == alike[pairs[:, 1]]] for pairs in (positive, negative)
        )
        both = np.intersect1d(alike[positive[:, 1]], alike[negative[:, 1]])
        positive, negative = (pairs[np.isin(alike[pairs[:, 1]], both)] for pairs in (positive, negative))
    pairs = np.concatenate([positive, negative])
    truth = np.arange(len(pairs)) < len(positive)
    people = np.unique(test)
    weights = draws(people, rng, times)  # one column a patient
    left = np.searchsorted(people, data.patient[data.source[pairs[:, 0]]])
    right = np.searchsorted(people, data.patient[pairs[:, 1]])
    # A pair counts as often as both its patients were drawn, one of a single patient as often as he was.
    weights = np.where(truth, weights[:, left], weights[:, left] * weights[:, right])
    strata = np.zeros(len(pairs), int) if alike is None else np.unique(alike[pairs[:, 1]], return_inverse=True)[1]
    return pairs, truth, weights, strata


def train_linker(data: Linkage, patients: NDArray[Any], seed: int, epochs: int = 40) -> Score:
    """The strongest of several attackers, told by the AUC on a fifth of `patients` that no head is trained on.

    Candidates: the plain likeness of the two descriptions, and Siamese heads as in PriCheXy-Net (a projection of each
    image, their absolute difference and product, one linear layer), stopped where they do best.
    """
    import torch

    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(np.unique(patients))
    kept, trained = np.split(shuffled, [max(1, len(shuffled) // 5)])
    used = np.isin(data.patient, trained)
    mean, std = data.originals[used].mean(axis=0), data.originals[used].std(axis=0) + 1e-6
    a, b = (torch.from_numpy(((x - mean) / std).astype(np.float32)) for x in (data.synthetic, data.originals))
    positive, negative = data.positives(kept), data.others(kept, 20_000, rng)
    check = np.concatenate([positive, negative])
    truth = np.arange(len(check)) < len(positive)

    def worth(score: Score) -> float:
        value = float(auc(truth, score(check[:, 0], check[:, 1]))[0]) if len(check) else 0.5
        return value if np.isfinite(value) else 0.5

    likeness = _likeness(a, b)
    best, best_worth = likeness, worth(likeness)
    for head in HEADS:
        for score in _siamese(data, a, b, trained, head, rng, epochs):
            if (value := worth(score)) > best_worth:
                best, best_worth = score, value
    return best


def likeness(data: Linkage, test: NDArray[Any]) -> Score:
    """The cosine of the two descriptions, standardised by the originals of patients outside `test`."""
    import torch

    used = ~np.isin(data.patient, test)
    mean, std = data.originals[used].mean(axis=0), data.originals[used].std(axis=0) + 1e-6
    return _likeness(
        *(torch.from_numpy(((x - mean) / std).astype(np.float32)) for x in (data.synthetic, data.originals))
    )


def _likeness(a: Any, b: Any) -> Score:
    import torch

    x, y = (torch.nn.functional.normalize(part, dim=-1).numpy() for part in (a, b))
    return lambda i, j: np.einsum("nd,nd->n", x[i], y[j])


def _siamese(
    data: Linkage,
    a: Any,
    b: Any,
    patients: NDArray[Any],
    head: tuple[int, float, float],
    rng: np.random.Generator,
    epochs: int,
) -> Any:
    """Train one head on `patients`; yields its score as it stands after every few epochs."""
    import torch
    from torch import nn

    width, dropout, decay = head
    left, right = nn.Linear(a.shape[1], width), nn.Linear(a.shape[1], width)
    right.load_state_dict(left.state_dict())
    judge, drop = nn.Linear(2 * width, 1), nn.Dropout(dropout)
    weights = [*left.parameters(), *right.parameters(), *judge.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=1e-3, weight_decay=decay)
    positive = data.positives(patients)
    if not len(positive):
        return

    def logits(x: Any, y: Any) -> Any:
        return judge(torch.cat([(x - y).abs(), x * y / width**0.5], dim=-1)).squeeze(-1)

    for epoch in range(epochs):
        part = rng.permutation(positive)[:4096]
        for start in range(0, len(part), 128):
            now = part[start : start + 128]
            pairs = np.concatenate([now, data.others(patients, len(now), rng)])
            goal = torch.from_numpy((np.arange(len(pairs)) < len(now)).astype(np.float32))
            x, y = left(drop(a[pairs[:, 0]])), right(drop(b[pairs[:, 1]]))
            loss = nn.functional.binary_cross_entropy_with_logits(logits(x, y), goal)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        if epoch % 4 == 3:
            with torch.no_grad():
                x, y, w, c = left(a), right(b), judge.weight[0].clone(), judge.bias.clone()

            def score(i: NDArray[Any], j: NDArray[Any], x: Any = x, y: Any = y, w: Any = w, c: Any = c) -> NDArray[Any]:
                both = torch.cat([(x[i] - y[j]).abs(), x[i] * y[j] / width**0.5], dim=-1)
                return np.asarray((both @ w + c).numpy())

            yield score
