"""The attackers of the starter suite: who is this patient, and are these two images of one patient?

Both start from the judges' features, which were trained to tell patients apart on other patients, and are retrained on
the images that they attack.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def describe(judges: Any, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the attackers see of images (B, S, S) in 0..1: pooled features and identity embedding, (B, D)."""
    return np.concatenate([judges.features(images), 4 * judges.identity(images)], axis=1)


def identity_classifier(features: NDArray[np.float32], patients: NDArray[np.int64], seed: int = 0) -> Any:
    """A classifier of patients trained on originals' features (N, D): standardised, multinomial logistic regression."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=400, random_state=seed))
    return model.fit(features, patients)


def same_patient_auc(
    synthetic: NDArray[np.float32], originals: NDArray[np.float32], patients: NDArray[np.int64],
    train: NDArray[np.bool_], seed: int, epochs: int = 60,
) -> float:  # fmt: skip
    """AUC of an attacker who links a synthetic image to an original of the same patient.

    `synthetic` (N, D) are features of the images made from studies 0..N-1 and `originals` (N, D) those of these
    studies. Pairs join the synthetic image of one study with the original of another study of the same patient
    (positive) or of another patient (negative): the same visit is never a pair. The attacker is a Siamese head (two
    projections to 64 dimensions, absolute difference, linear; as in PriCheXy-Net) trained on the patients marked in
    `train` (N,) and tested on the others.
    """
    import torch
    from sklearn.metrics import roc_auc_score
    from torch import nn

    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    mean, std = originals[train].mean(axis=0), originals[train].std(axis=0) + 1e-6
    a, b = (torch.from_numpy(((x - mean) / std).astype(np.float32)) for x in (synthetic, originals))
    width = a.shape[1]
    left, right = nn.Linear(width, 64), nn.Linear(width, 64)
    right.load_state_dict(left.state_dict())
    judge, drop = nn.Linear(64, 1), nn.Dropout(0.3)
    weights = [*left.parameters(), *right.parameters(), *judge.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=1e-3, weight_decay=0.05)

    def logits(i: NDArray[Any], j: NDArray[Any]) -> torch.Tensor:
        return judge(drop((left(a[i]) - right(b[j])).abs())).squeeze(-1)

    index = np.flatnonzero(train)
    positive = _pairs(index, patients)
    for _ in range(epochs if len(positive) else 0):
        rng.shuffle(positive)
        for start in range(0, len(positive), 128):
            part = positive[start : start + 128]
            i = np.concatenate([part[:, 0], part[:, 0]])
            j = np.concatenate([part[:, 1], rng.choice(index, len(part))])
            goal = torch.from_numpy((patients[i] == patients[j]).astype(np.float32))
            loss = nn.functional.binary_cross_entropy_with_logits(logits(i, j), goal)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    drop.eval()
    test = np.flatnonzero(~train)
    i, j = (g.ravel() for g in np.meshgrid(test, test, indexing="ij"))
    i, j = i[i != j], j[i != j]
    with torch.no_grad():
        score = logits(i, j).numpy()
    return float(roc_auc_score(patients[i] == patients[j], score))


def _pairs(index: NDArray[Any], patients: NDArray[np.int64]) -> NDArray[np.int64]:
    """All ordered pairs (P, 2) of different studies of one patient."""
    i, j = (g.ravel() for g in np.meshgrid(index, index, indexing="ij"))
    keep = (patients[i] == patients[j]) & (i != j)
    return np.stack([i[keep], j[keep]], axis=1)
