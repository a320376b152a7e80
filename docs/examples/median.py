"""Median filter: an example of a method in one file. It blurs the source's own pixels and hides nobody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.ndimage import median_filter

from updp_core.config import setting
from updp_core.domain import MethodInput, Proposal, Step
from updp_core.intake.pixels import letterbox
from updp_core.methods.base import Entry, Slider, obfuscation


@dataclass(frozen=True)
class Config:
    """Each field is a setting of the page (`updp_core.methods.settings`), of `generate --set` and of the policy."""

    window: int = setting(5, "Side of the window in pixels", 1, 31)
    size: int = setting(256, "Image side in pixels", 8, 4096)


@dataclass(frozen=True)
class Median:
    """The method; it has no model, so nothing is loaded."""

    config: Config = Config()
    name: str = "median"
    title: str = "Median filter (example)"
    releasable: bool = False

    def settings(self) -> dict[str, Any]:
        return {"method": self.name, **asdict(self.config)}

    def propose(self, records: Sequence[MethodInput], *, seeds: Sequence[int]) -> Iterator[Step]:
        for n, (record, seed) in enumerate(zip(records, seeds, strict=True), start=1):
            small = letterbox(record.image, self.config.size)
            image = (median_filter(small, self.config.window) >> 8).astype(np.uint8)
            yield Step("image", n, len(records), (Proposal(record.id, seed, image, None, ""),))


ENTRY = Entry(
    name="median",
    title="Median filter (example)",
    holds="Hides fine noise only: anatomy and identity stay.",
    releasable=False,
    derivation=lambda settings: obfuscation("smoothed", "smoothed by a median filter", "median filter"),
    defaults=lambda settings: Config(),
    check=lambda settings: None,
    make=lambda settings, lexicon, config: Median(config),
    sliders=(Slider("window", (3, 7, 15), 1, 31, 2),),
)
