"""How far an image lies from the training images, on the scale on which these lie from each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_CHUNK = 512


@dataclass(frozen=True, eq=False)
class Reference:
    """Features of training images (N, D) with each one's distances to the others, sorted (N,).

    `nearest` holds the distance of each to the nearest other image. Distances are Euclidean; give standardised
    features, so that each counts alike.
    """

    features: NDArray[np.float32]
    nearest: NDArray[np.float32]


def reference_of(features: NDArray[np.float32]) -> Reference:
    """Measure the training images against each other, leaving each out of its own neighbours. Raises ValueError
    for fewer than 20 images."""
    if len(features) < 20:
        raise ValueError(f"A reference of {len(features)} images says nothing; give at least 20.")
    features = np.asarray(features, dtype=np.float32)
    starts = range(0, len(features), _CHUNK)
    near = np.concatenate([_nearest(features[i : i + _CHUNK], features, skip=1) for i in starts])
    return Reference(features, np.sort(near))


def copies(features: NDArray[np.float32], reference: Reference) -> list[dict[str, float]]:
    """For each row of `features` (B, D): distance to the nearest training image, and the percentage of training
    images that have a nearer one among the others (a small percentile means a likely copy)."""
    near = _nearest(features, reference.features, skip=0)
    return [_placed(value, reference.nearest) for value in near]


def _placed(value: float, among: NDArray[np.float32]) -> dict[str, float]:
    percentile = 100.0 * np.searchsorted(among, value, side="left") / len(among)
    return {"distance": round(float(value), 4), "percentile": round(float(percentile), 2)}


def _nearest(rows: NDArray[np.float32], among: NDArray[np.float32], skip: int) -> NDArray[np.float32]:
    """Distance (B,) to the nearest of `among`; `skip` = 1 leaves out the nearest, the image itself."""
    rows = np.asarray(rows, dtype=np.float32)
    squared = (rows**2).sum(1)[:, None] + (among**2).sum(1)[None] - 2.0 * rows @ among.T
    return np.sqrt(np.clip(np.partition(squared, skip, axis=1)[:, skip], 0.0, None))
