"""Whether an image looks like those on which the starter models were trained, judged by its plain appearance.

Deep features are a poor guide here: a network trained on phantoms maps a real radiograph among the phantoms. The grey
levels, the spectrum and the coarse layout of an image tell the two apart much better. Their Mahalanobis distance to
the training images is placed among the distances of training images that took no part in fitting it.

`python -m updp_core.evidence.appearance IMAGES.npy` fits the reference anew (images (N, 256, 256) uint8).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from updp_core.config import STARTER

FILE = STARTER / "appearance.npz"
SIZE = 256
# Above this percentile of training images an original counts as unknown. Measured: it marks 3 % of other phantoms in
# vain and all of 235 real radiographs. A needless mark costs a look; a missing one misleads.
LIMIT = 97.0
_QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
# Cycles per pixel. Above 0.3 the spectrum tells the size of the source file rather than what is on it.
_BANDS = np.geomspace(1 / SIZE, 0.3, 15)


@dataclass(frozen=True, eq=False)
class Appearance:
    """Mean and spread (K,) of training images, the precision (K, K) of what is standardised by them, and the sorted
    distances of training images that were held out of the fit."""

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    precision: NDArray[np.float32]
    distances: NDArray[np.float32]


def describe(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Images (B, 256, 256) in 0..1 -> (B, 39): quantiles of grey, log power by band, means of a 4 x 4 grid."""
    window = np.hanning(SIZE)[:, None] * np.hanning(SIZE)
    frequency = np.fft.fftfreq(SIZE)
    radius = np.hypot(*np.meshgrid(frequency, frequency))
    bands = [(radius >= low) & (radius < high) for low, high in pairwise(_BANDS)]
    rows = []
    for image in images:
        power = np.abs(np.fft.fft2((image - image.mean()) * window)) ** 2
        rows.append(
            [
                *np.quantile(image, _QUANTILES),
                *(np.log(power[band].mean() + 1e-8) for band in bands),
                *image.reshape(4, SIZE // 4, 4, SIZE // 4).mean((1, 3)).ravel(),
            ]
        )
    return np.asarray(rows, dtype=np.float32)


def fit(images: NDArray[np.uint8], seed: int = 0) -> Appearance:
    """Fit on two thirds of training images (N, 256, 256) uint8 and place the others; raises ValueError below 200."""
    if len(images) < 200:
        raise ValueError(f"{len(images)} images are too few to know a training set by; give at least 200.")
    found = np.concatenate([describe((images[i : i + 64] / 255).astype(np.float32)) for i in range(0, len(images), 64)])
    order = np.random.default_rng(seed).permutation(len(found))
    known, others = found[order[: 2 * len(found) // 3]], found[order[2 * len(found) // 3 :]]
    mean, spread = known.mean(0), known.std(0) + 1e-6
    covariance = np.cov((known - mean) / spread, rowvar=False) + 0.05 * np.eye(found.shape[1])
    fitted = Appearance(mean, spread, np.linalg.inv(covariance).astype(np.float32), np.zeros(1, np.float32))
    return Appearance(mean, spread, fitted.precision, np.sort(distance(others, fitted)).astype(np.float32))


def distance(described: NDArray[np.float32], appearance: Appearance) -> NDArray[np.float32]:
    """Mahalanobis distance (B,) of described images (B, 39)."""
    rows = (described - appearance.mean) / appearance.spread
    return np.asarray(np.sqrt(np.einsum("bi,ij,bj->b", rows, appearance.precision, rows)), np.float32)


def domain(images: NDArray[np.float32], appearance: Appearance) -> list[dict[str, Any]]:
    """For each image (B, 256, 256) in 0..1: distance, its percentile among training images, and whether that is
    above LIMIT, so that the models do not know such images."""
    rows = []
    for value in distance(describe(images), appearance):
        percentile = 100.0 * np.searchsorted(appearance.distances, value) / len(appearance.distances)
        rows.append(
            {
                "distance": round(float(value), 3),
                "percentile": round(float(percentile), 2),
                "outside": bool(percentile > LIMIT),
            }
        )
    return rows


@lru_cache(maxsize=2)
def load_appearance(path: Path = FILE) -> Appearance | None:
    """The reference that comes with the starter models; None where it is missing."""
    if not path.is_file():
        return None
    with np.load(path) as stored:
        return Appearance(*(stored[name] for name in ("mean", "spread", "precision", "distances")))


def save_appearance(appearance: Appearance, path: Path = FILE) -> None:
    """Write the reference as an .npz of a few kilobytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **vars(appearance))


if __name__ == "__main__":
    save_appearance(fit(np.load(sys.argv[1], mmap_mode="r")))
