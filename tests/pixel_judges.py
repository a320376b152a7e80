"""Small judges that compute from pixels, for tests of the evidence and for stores that are made in seconds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


class PixelJudges:
    """Identity and features are a coarse thumbnail, findings the corners; the protocol is evidence.pair.Judges."""

    finding_names = ("cardiomegaly", "pleural_effusion", "edema", "nodule")
    present: Mapping[str, float] = {}
    sensitivity: Mapping[str, float] = {}

    def __init__(self, training: np.ndarray | None = None) -> None:
        self.reference = {}
        if training is not None:
            found = self.features(training)
            mean, std = found.mean(0), found.std(0)
            self.reference = {"mean": mean, "std": std, "bank": ((found - mean) / std).astype(np.float16)}

    def features(self, images):
        small = images.reshape(len(images), 8, 32, 8, 32).mean((2, 4)).reshape(len(images), -1)
        return small - small.mean(1, keepdims=True)

    def identity(self, images):
        f = self.features(images)
        return f / np.linalg.norm(f, axis=1, keepdims=True)

    def findings(self, images):
        return np.stack([images[:, y, x] for y, x in ((0, 0), (0, -1), (-1, 0), (-1, -1))], axis=1)

    def score(self, images, texts):
        return np.array([image.mean() * len(text) / 100 for image, text in zip(images, texts, strict=True)])
