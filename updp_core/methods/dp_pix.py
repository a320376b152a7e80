"""DP-Pix: pixelisation with differential privacy (Fan, DBSec 2018), the classical baseline without any model.

Each b x b block becomes its mean plus Laplace noise of scale m / (b^2 * epsilon), on [0, 1], clipped: two images that
differ in at most m pixels are then epsilon-indistinguishable. Who knew the noise could subtract it, and seeds are kept
with each candidate: so the noise comes from the operating system's entropy, and no run can be repeated exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from updp_core.config import setting
from updp_core.domain import Image8, Image16, MethodInput, Proposal, Step
from updp_core.errors import UsageError
from updp_core.intake.pixels import letterbox
from updp_core.methods.base import Entry, Slider, obfuscation, reason_of

NAME, TITLE = "dp-pix", "DP-Pix (pixelisation with Laplace noise)"


@dataclass(frozen=True)
class Config:
    """Block side b, epsilon, m, and the image side. Small blocks need more noise: its scale is m / (b^2 * epsilon)."""

    b: int = setting(8, "Side of a block in pixels; 1 to 8 in the papers", 1, 512)
    epsilon: float = setting(0.1, "Privacy budget: the smaller, the more noise", 1e-6, 1e12)
    m: int = setting(1, "Pixels in which two images may differ and still be told apart by epsilon at most", 1, 65536)
    size: int = setting(256, "Image side in pixels", 8, 4096)

    def __post_init__(self) -> None:
        if self.b < 1 or self.size < self.b or self.m < 1 or not self.epsilon > 0:
            raise UsageError("DP-Pix needs a block of 1 pixel or more, m of 1 or more and an epsilon above 0.")

    @property
    def noise_scale(self) -> float:
        """Scale of the Laplace noise on [0, 1]: m / (b^2 * epsilon)."""
        return self.m / (self.b**2 * self.epsilon)


@dataclass(frozen=True)
class DpPix:
    """The method; it has no model."""

    config: Config = Config()
    name: str = NAME
    title: str = TITLE
    releasable: bool = True

    def settings(self) -> dict[str, Any]:
        return {"method": self.name, **asdict(self.config)}

    def propose(self, records: Sequence[MethodInput], *, seeds: Sequence[int]) -> Iterator[Step]:
        """One step of stage "image" for each record, with its proposal; the seeds do not reach the noise."""
        if len(records) != len(seeds):
            raise UsageError("There must be one seed for each record.")
        noise, config = np.random.default_rng(), self.config
        for n, (record, seed) in enumerate(zip(records, seeds, strict=True), start=1):
            image, problem = None, ""
            try:
                image = pixelise(letterbox(record.image, config.size), config.b, config.epsilon, config.m, noise)
            except Exception as error:
                problem = reason_of(error)
            proposal = Proposal(record.id, seed, image, None, "", {"noise_scale": config.noise_scale}, problem)
            yield Step("image", n, len(records), (proposal,))


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


ENTRY = Entry(
    name=NAME,
    title=TITLE,
    holds="Hides detail smaller than a block; with a block small enough to show findings, anatomy shows as well.",
    releasable=True,
    derivation=lambda settings: obfuscation("averaged and noised", "averaged in blocks and noise was added", "DP-Pix"),
    defaults=lambda settings: Config(),
    check=lambda settings: None,
    make=lambda settings, lexicon, config: DpPix(config),
    sliders=(Slider("b", (4, 8, 16, 32), 1, 32, 1), Slider("epsilon", (0.05, 0.1, 1), 0.05, 2, 0.05)),
)
