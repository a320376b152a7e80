"""How like real films the drawn images are as a set, and what a classifier learns from them.

Distances are between the judges' features, which nothing was optimised for. The reference are originals of patients of
whom nothing was drawn; what originals of the drawn patients reach against it is the best that a method can.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from updp_core.evaluation import statistics
from updp_core.evaluation.measures import Found, Measure, Row, count
from updp_core.evaluation.recognition import thumbnails
from updp_core.evaluation.statistics import UNKNOWN, Estimate
from updp_core.evaluation.testbed import Testbed, in_parts, key_of_method
from updp_core.findings.terms import FINDINGS

NEIGHBOURS = 5
_BLOCKS = 20
_COMPONENTS = 48
_Z = 1.959964


def fidelity(bed: Testbed) -> Found:
    """KID, precision, recall, density and coverage of each method's images, and of originals in their place."""
    data, judges, found = bed.singles, bed.models.judges, Found()
    reference = np.arange(bed.sizes.drawn, len(data))
    real = in_parts(data.images[reference], judges.features)
    sets: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {
        "original": (np.arange(bed.sizes.drawn), data.images[: bed.sizes.drawn])
    }
    for method in bed.methods:
        index = np.arange(bed.sizes.drawn if method == bed.subject else bed.sizes.beside)
        sets[key_of_method(method)] = (index, bed.drawn(method, data, "singles", index).images)
    mean, scale = real.mean(axis=0), real.std(axis=0) + 1e-6
    for name, (index, images) in sets.items():
        seen = (in_parts(images, judges.features) - mean) / scale
        figures = distances((real - mean) / scale, seen, data.patient[reference], data.patient[index], bed.seed)
        n = {"images": len(index), "patients": count(data.patient[index]), "reference": len(reference)}
        for figure, value in figures.items():
            found.put(f"{figure}.{name}", value, chance=0.0 if figure == "kid" else None, **n)
    return found


def distances(
    real: NDArray[np.float32],
    drawn: NDArray[np.float32],
    patients_real: NDArray[Any],
    patients_drawn: NDArray[Any],
    seed: int = 0,
) -> dict[str, Estimate]:
    """Figures of features (N, D) and (M, D): the kernel distance (KID, Binkowski et al. 2018: unbiased, about 0 for two
    sets of one kind), precision and recall (Kynkaanniemi et al. 2019), density and coverage (Naeem et al. 2020), with
    k = 5 neighbours. Unknown where a set has fewer than k + 1 images."""
    from sklearn.metrics import pairwise_distances
    from sklearn.neighbors import NearestNeighbors

    if min(len(real), len(drawn)) <= NEIGHBOURS:
        return dict.fromkeys(("kid", "precision", "recall", "density", "coverage"), UNKNOWN)

    def radii(points: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(NearestNeighbors(n_neighbors=NEIGHBOURS + 1).fit(points).kneighbors(points)[0][:, -1])

    apart = np.asarray(pairwise_distances(real, drawn))
    real_radius, drawn_radius = radii(real), radii(drawn)
    inside = apart <= real_radius[:, None]  # (N, M): drawn image j within the neighbourhood of original i
    return {
        "kid": _jackknifed(statistics.kernel_distance, real, drawn, patients_real, patients_drawn, seed),
        "precision": statistics.share(np.any(inside, axis=0), patients_drawn),
        "recall": statistics.share(np.any(apart <= drawn_radius[None], axis=1), patients_real),
        "density": statistics.mean(inside.sum(axis=0) / NEIGHBOURS, patients_drawn, seed),
        "coverage": statistics.share(np.any(inside, axis=1), patients_real),
    }


def _jackknifed(
    figure: Callable[[NDArray[Any], NDArray[Any]], float],
    real: NDArray[Any],
    drawn: NDArray[Any],
    patients_real: NDArray[Any],
    patients_drawn: NDArray[Any],
    seed: int,
) -> Estimate:
    """A figure of two sets with the interval of a jackknife that leaves out patients of both, block by block: drawing
    them with replacement would put copies into a set, which no unbiased distance bears."""
    rng, value = np.random.default_rng([seed, 7040]), figure(real, drawn)
    blocks = []
    for patients in (patients_real, patients_drawn):
        known, place = np.unique(patients, return_inverse=True)
        blocks.append((rng.permutation(len(known)) % min(_BLOCKS, len(known)))[place])
    times = min(block.max() + 1 for block in blocks)
    if times < 3:
        return value, float("nan"), float("nan")
    left = np.array([figure(real[blocks[0] != k], drawn[blocks[1] != k]) for k in range(times)])
    error = float(np.sqrt((times - 1) / times * ((left - left.mean()) ** 2).sum()))
    return value, value - _Z * error, value + _Z * error


def findings_each(bed: Testbed) -> Found:
    """Each finding by the judges' classifier, on originals and on what is drawn of them, and what a classifier that
    learns from pixels alone is worth on originals of other patients after it has seen nothing but drawn images."""
    data, found = bed.singles, Found()
    sets: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {}
    for method in bed.methods:
        index = np.arange(bed.sizes.drawn if method == bed.subject else bed.sizes.beside)
        sets[key_of_method(method)] = (index, bed.drawn(method, data, "singles", index).images)
    most = max(sets.values(), key=lambda item: len(item[0]))[0]
    sets = {"original": (most, data.images[most])} | sets
    others = np.arange(bed.sizes.drawn, len(data))
    small = in_parts(data.images[others], thumbnails)
    for name, (index, images) in sets.items():
        who, seen = data.patient[index], in_parts(images, bed.models.judges.findings)
        n = {"images": len(index), "patients": count(who)}
        for k, finding in enumerate(FINDINGS):
            truth = data.truth[index][:, [k]]
            figure = statistics.macro_auc(truth, seen[:, [k]], who, bed.seed)
            found.put(f"finding.{name}_{finding}", figure, 0.5, **n, present=int(truth.sum()))
        found.put(f"finding_auc.{name}", statistics.macro_auc(data.truth[index], seen, who, bed.seed), 0.5, **n)
        scores = learned(in_parts(images, thumbnails), data.truth[index], small, bed.seed)
        figure = statistics.macro_auc(data.truth[others], scores, data.patient[others], bed.seed)
        tested = {"trained": len(index), "tested": len(others), "patients": count(data.patient[others])}
        found.put(f"trained_on.{name}", figure, 0.5, **tested)
    return found


def learned(
    train: NDArray[np.float32], truth: NDArray[np.bool_], test: NDArray[np.float32], seed: int = 0
) -> NDArray[np.float64]:
    """Scores (M, F) for `test` (M, D) of a linear classifier a finding, on principal components of `train` (N, D); a
    finding of which the training set does not hold both classes gets the same score everywhere."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression

    parts = PCA(min(_COMPONENTS, len(train) - 1, train.shape[1]), whiten=True, random_state=seed).fit(train)
    seen, asked = parts.transform(train), parts.transform(test)
    scores = np.zeros((len(test), truth.shape[1]))
    for k in range(truth.shape[1]):
        if 0 < truth[:, k].sum() < len(truth):
            model = LogisticRegression(C=0.1, max_iter=500, class_weight="balanced").fit(seen, truth[:, k])
            scores[:, k] = model.decision_function(asked)
    return scores


_SETS = {"original": "originals of the same patients", "{method}": "{images}"}
_FIGURES = {
    "kid": "Distance to originals of other patients (KID; 0: none): {set}",
    "precision": "Inside of what originals look like (precision): {set}",
    "recall": "Originals inside of what these look like (recall): {set}",
    "density": "Density among originals: {set}",
    "coverage": "Originals that have one of these near (coverage): {set}",
}
FIDELITY = Measure(
    "fidelity",
    ("generator", "encoder", "judges"),
    fidelity,
    tuple(
        Row(f"{figure}.{name}", words.replace("{set}", called), "" if figure in ("kid", "density") else "share")
        for figure, words in _FIGURES.items()
        for name, called in _SETS.items()
    ),
)
FINDINGS_EACH = Measure(
    "findings-each",
    ("generator", "encoder", "judges"),
    findings_each,
    (
        *(Row(f"finding_auc.{name}", f"Findings on {called} (AUC, mean)") for name, called in _SETS.items()),
        *(
            Row(f"trained_on.{name}", f"Findings on originals of others, classifier trained on {called} (AUC)")
            for name, called in _SETS.items()
        ),
        *(
            Row(f"finding.{name}_{finding}", f"{finding.replace('_', ' ').capitalize()} on {called} (AUC)")
            for finding in FINDINGS
            for name, called in _SETS.items()
        ),
    ),
)
