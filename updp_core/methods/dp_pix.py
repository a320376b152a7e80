"""DP-Pix: pixelisation with differential privacy (Fan, DBSec 2018), the classical baseline without any model.

Each b x b block becomes its mean plus Laplace noise of scale m / (b^2 * epsilon), on [0, 1], clipped: two images that
differ in at most m pixels are then epsilon-indistinguishable. Who knew the noise could subtract it, and seeds are kept
with each candidate: so the noise comes from the operating system's entropy, and no run can be repeated exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from updp_core.domain import Image8, Image16, MethodInput, Proposal, Step
from updp_core.errors import UsageError
from updp_core.intake.pixels import letterbox
from updp_core.methods.base import METHODS, reason_of


@dataclass(frozen=True)
class DpPix:
    """Settings: image side in pixels, block side b, epsilon, and m, the pixels in which neighbours may differ."""

    size: int = 256
    block: int = 8
    epsilon: float = 0.1
    m: int = 1
    name: str = "dp-pix"
    title: str = METHODS["dp-pix"].title
    releasable: bool = True

    def __post_init__(self) -> None:
        if self.block < 1 or self.size < self.block or self.m < 1 or not self.epsilon > 0:
            raise UsageError("DP-Pix needs a block of 1 pixel or more, m of 1 or more and an epsilon above 0.")

    def settings(self) -> dict[str, Any]:
        return {"method": self.name, "size": self.size, "block": self.block, "epsilon": self.epsilon, "m": self.m}

    def propose(self, records: Sequence[MethodInput], *, seeds: Sequence[int]) -> Iterator[Step]:
        """One step of stage "image" for each record, with its proposal; the seeds do not reach the noise."""
        if len(records) != len(seeds):
            raise UsageError("There must be one seed for each record.")
        noise = np.random.default_rng()
        for n, (record, seed) in enumerate(zip(records, seeds, strict=True), start=1):
            image, problem = None, ""
            try:
                image = pixelise(letterbox(record.image, self.size), self.block, self.epsilon, self.m, noise)
            except Exception as error:
                problem = reason_of(error)
            proposal = Proposal(record.id, seed, image, None, "", {"noise_scale": self.noise_scale}, problem)
            yield Step("image", n, len(records), (proposal,))

    @property
    def noise_scale(self) -> float:
        """Scale of the Laplace noise on [0, 1]: m / (b^2 * epsilon)."""
        return self.m / (self.block**2 * self.epsilon)


def pixelise(image: Image16, block: int, epsilon: float, m: int, random: np.random.Generator) -> Image8:
    """DP-Pix of an image (H, W), uint16 over its full range -> (H, W) uint8; blocks at the far edges may be smaller."""
    height, width = image.shape
    values = image.astype(np.float64) / 65535
    rows, columns = np.arange(0, height, block), np.arange(0, width, block)
    sums = np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1)
    counts = np.outer(np.diff([*rows, height]), np.diff([*columns, width]))
    # A smaller block moves more when one pixel changes, so its noise is larger by the same factor.
    noise = random.laplace(0.0, 1.0, sums.shape) * (m / (counts * epsilon))
    means = np.clip(sums / counts + noise, 0, 1)
    full = np.repeat(np.repeat(means, block, axis=0), block, axis=1)[:height, :width]
    return np.asarray(np.round(full * 255), dtype=np.uint8)
