"""Privacy-Net: a U-Net draws the source image anew so that a verifier no longer knows the patient.

After Kim et al. (2021), as PriCheXy-Net's paper compares with it; written from the description. The slider mixes the
redrawn image into the source: the weight of the verifier itself is set when the network is trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from updp_core.config import setting
from updp_core.methods.altered import Altered, check
from updp_core.methods.base import Entry, Slider, obfuscation

if TYPE_CHECKING:
    import torch

    from updp_core.backends.obfuscator import UNet

NAME, TITLE = "privacy-net", "Privacy-Net (redrawn by a U-Net)"


@dataclass(frozen=True)
class Config:
    """How much of the redrawn image is taken, the image side, and the weights."""

    share: float = setting(1.0, "Share of the redrawn image in each pixel; 0 gives the source back", 0, 1)
    size: int = setting(256, "Image side in pixels", 8, 4096)
    model: str = setting("", "Folder of the weights [default: the starter's, trained on phantoms]")


def _redrawn(net: UNet, image: torch.Tensor, config: Config) -> tuple[torch.Tensor, dict[str, float]]:
    """The source with its share of the redrawn image; how much a pixel changes."""
    from updp_core.backends.obfuscator import redraw

    made = redraw(image, net(image), config.share)
    return made, {"changed_mean": round(float((made - image).abs().mean()), 4)}


ENTRY = Entry(
    name=NAME,
    title=TITLE,
    holds="Hides what its network does not redraw, fine texture first; shape of chest and heart stays.",
    releasable=True,
    derivation=lambda settings: obfuscation("redrawn by a network", "redrawn by a neural network", "Privacy-Net"),
    defaults=lambda settings: Config(),
    check=lambda settings: check(NAME),
    make=lambda settings, lexicon, config: Altered.load(NAME, TITLE, "image", _redrawn, settings, config),
    sliders=(Slider("share", (0.5, 1.0), 0, 1, 0.05),),
)
