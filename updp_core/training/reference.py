"""Reference statistics of a training set in the judges' features: for the domain gate and against memorisation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from updp_core.imageset import ImageSet


def write_reference(judges: Any, data: ImageSet, folder: Path, index: np.ndarray | None = None) -> dict[str, float]:
    """Write `reference.npz` into `folder` and return its scalars.

    `mean`, `std` (D,) and `cov` (D, D) of the features of the images at `index` (all without it); `bank` (N, D),
    the standardised features; `train_nearest_p1`, the 1st percentile of the distance of a training image to the nearest
    one of another patient.
    """
    index = np.arange(len(data)) if index is None else index
    parts = [judges.features(data.images[index[i : i + 64]].astype(np.float32) / 255) for i in range(0, len(index), 64)]
    features = np.concatenate(parts)
    mean, std = features.mean(axis=0), features.std(axis=0) + 1e-6
    bank = ((features - mean) / std).astype(np.float32)
    patients = data.patients[index]
    near = np.empty(len(bank), np.float32)
    norms = (bank**2).sum(axis=1)
    for start in range(0, len(bank), 256):
        part = slice(start, start + 256)
        d2 = norms[part, None] + norms[None] - 2 * bank[part] @ bank.T
        d2[patients[part, None] == patients[None]] = np.inf
        near[part] = np.sqrt(np.maximum(d2.min(axis=1), 0))
    scalars = {"train_nearest_p1": float(np.percentile(near, 1)), "train_nearest_median": float(np.median(near))}
    arrays: dict[str, Any] = dict(
        mean=mean.astype(np.float32),
        std=std.astype(np.float32),
        cov=np.cov(features, rowvar=False).astype(np.float16),
        bank=bank.astype(np.float16),
        **{k: np.float32(v) for k, v in scalars.items()},
    )
    np.savez_compressed(folder / "reference.npz", **arrays)
    return scalars
