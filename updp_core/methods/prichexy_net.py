"""PriCheXy-Net: a U-Net moves pixels by a smooth field so that a verifier no longer knows the patient.

After Packhaeuser et al. (MICCAI 2023), written from the paper: grid = identity - mu * smoothed U(x). Masks of findings
move by the same call (`updp_core.backends.obfuscator.warp`). The paper's own figures come from a frozen verifier; an
attacker that is trained again on warped images does better, and so does any that looks past a few pixels of movement.
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

NAME, TITLE = "prichexy-net", "PriCheXy-Net (learned warp)"


@dataclass(frozen=True)
class Config:
    """The reach of the warp, the image side, and the weights."""

    mu: float = setting(0.03, "Reach of the warp in half image sides; 0 gives the source back (paper: 0.01)", 0, 1)
    size: int = setting(256, "Image side in pixels", 8, 4096)
    model: str = setting("", "Folder of the weights [default: the starter's, trained on phantoms]")


def _warped(net: UNet, image: torch.Tensor, config: Config) -> tuple[torch.Tensor, dict[str, float]]:
    """The source, moved; how far, in pixels."""
    from updp_core.backends.obfuscator import smooth, warp

    field = net(image)
    moved = smooth(field).square().sum(dim=1).sqrt() * config.mu * config.size / 2
    known = {"moved_px_mean": round(float(moved.mean()), 3), "moved_px_max": round(float(moved.max()), 3)}
    return warp(image, field, config.mu), known


ENTRY = Entry(
    name=NAME,
    title=TITLE,
    holds="Hides a patient from the verifier it was trained against; texture and devices stay, and so does much else.",
    releasable=True,
    derivation=lambda settings: obfuscation("moved by a warp", "moved by a smooth displacement field", "PriCheXy-Net"),
    defaults=lambda settings: Config(),
    check=lambda settings: check(NAME),
    make=lambda settings, lexicon, config: Altered.load(NAME, TITLE, "warp", _warped, settings, config),
    sliders=(Slider("mu", (0.01, 0.03, 0.1), 0, 0.1, 0.005),),
)
