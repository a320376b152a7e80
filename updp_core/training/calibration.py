"""After the judges' training: a likeness that is blind to findings, and probabilities that mean what they say.

Neither takes a step of training: both are folded into the last layers, so that the network keeps its shape.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from updp_core.backends.judges import JudgeNetwork

WRONG = 0.03
"""Share of originals in which a finding may be invented, and in which it may be lost."""
_REGULARISATION = 10.0
_RANK = 1e-6


@torch.no_grad()
def blind(net: JudgeNetwork, features: NDArray[np.float32], truth: NDArray[np.float32]) -> None:
    """Take out of the identity head of `net` whatever tells findings: features (N, D), truth (N, K) of 0 and 1.

    Two people with the same disease look alike to a judge of likeness that saw chronic findings with their patients.
    Least-squares concept erasure (Belrose et al. 2023, arXiv:2306.03819): the smallest affine change of the embedding
    after which no linear reader can tell any finding from it. It goes into the head's last layer.
    """
    z = net.identity_head(torch.from_numpy(features).to(net.finding_head.weight.device)).double().cpu().numpy()
    mean, goal = z.mean(axis=0), truth - truth.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(z, rowvar=False, bias=True))
    kept = values > _RANK * values.max()
    values, vectors = np.sqrt(values[kept]), vectors[:, kept]
    whiten, back = (vectors / values) @ vectors.T, (vectors * values) @ vectors.T
    tells, size, _ = np.linalg.svd(whiten @ ((z - mean).T @ goal / len(z)), full_matrices=False)
    tells = tells[:, size > _RANK * max(size.max(), _RANK)]
    keep = torch.from_numpy(np.eye(len(mean)) - back @ (tells @ tells.T) @ whiten)
    last: Any = net.identity_head[-1]
    centre = torch.from_numpy(mean)
    bias = keep @ (last.bias.double().cpu() - centre) + centre
    last.weight.copy_((keep @ last.weight.double().cpu()).float())
    last.bias.copy_(bias.float())


@torch.no_grad()
def calibrate(net: JudgeNetwork, features: NDArray[np.float32], truth: NDArray[np.float32]) -> dict[str, float]:
    """Make the finding head's answers probabilities (Platt 1999), on images that it did not learn from.

    `features` (N, D), `truth` (N, F) of 0 and 1. Returns the probability from which a finding counts as seen: the one
    nearest to 0.5 at which at most WRONG of the images have it invented and at most WRONG have it lost; where there is
    none, the one at which the larger of the two is least. A finding that all images have, or none, stays as it is.
    """
    head, limits = net.finding_head, dict[str, float]()
    logits = head(torch.from_numpy(features).to(head.weight.device)).double().cpu().numpy()
    for k, name in enumerate(net.shape.findings):
        there = truth[:, k] > 0.5
        if there.all() or not there.any():
            limits[name] = 0.5
            continue
        line = LogisticRegression(C=_REGULARISATION).fit(logits[:, k : k + 1], there)
        scale, shift = float(line.coef_[0, 0]), float(line.intercept_[0])
        head.weight[k] *= scale
        head.bias[k] = scale * head.bias[k] + shift
        limits[name] = limit(1 / (1 + np.exp(-(scale * logits[:, k] + shift))), there)
    return limits


def limit(probability: NDArray[np.float64], there: NDArray[np.bool_]) -> float:
    """The probability from which a finding counts as seen, see `calibrate`: probability (N,), there (N,)."""
    between = np.unique(np.append(probability, 0.5))
    choices = np.append((between[1:] + between[:-1]) / 2, 0.5)
    seen = probability[None] >= choices[:, None]
    wrong = np.maximum((seen & ~there).mean(axis=1), (~seen & there).mean(axis=1))
    best = np.lexsort((np.abs(choices - 0.5), np.maximum(wrong, WRONG)))[0]
    return round(float(choices[best]), 4)
