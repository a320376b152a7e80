"""The network of `identity-blocking`: which patches identify, and what is drawn in their place.

Inspired by the published abstract of "divide and conquer" de-identification (Tian et al., ICCV 2025), whose method text
we have not seen: identity-bearing regions are blocked, and features of a frozen medical encoder make up for them. Here
patches are ranked by a verifier's saliency, and the features pass a code whose rate (KL in nats, weight beta) is
limited. Images are float (B, 1, S, S) in 0..1.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from updp_core.backends import files
from updp_core.backends.judges import JudgeNetwork, JudgeShape
from updp_core.backends.obfuscator import UNet, UNetShape, resized
from updp_core.errors import ModelUnavailable

BETA = (0.001, 1.0)
"""Weights of the rate that are learned, and so can be set."""
_NEUTRAL = 0.5
_MAPS = 4


@dataclass(frozen=True)
class BlockingShape:
    """`size` is the side that the networks see, of `grid` x `grid` patches; `features` (D) of the frozen `encoder` (its
    digest) pass a code of `code` numbers; `channels` and `levels` are the U-Net's, `widths` the verifier's."""

    encoder: str
    features: int
    findings: int
    size: int = 128
    grid: int = 8
    code: int = 16
    channels: int = 12
    levels: int = 3
    widths: tuple[int, ...] = (16, 32, 64, 128)


def verifier_of(shape: BlockingShape) -> JudgeNetwork:
    """The network whose saliency ranks the patches, untrained."""
    names = tuple(str(n) for n in range(shape.findings))
    return JudgeNetwork(JudgeShape(names, 2, shape.size, shape.widths, (1,) * len(shape.widths), 64, 8, 8))


class Blocker(nn.Module):
    """Verifier, code of the encoder's features, and the decoder that draws in the place of what is blocked."""

    def __init__(self, shape: BlockingShape) -> None:
        super().__init__()
        self.shape = shape
        self.verifier = verifier_of(shape)
        self.reader = nn.Sequential(nn.Linear(shape.features + 1, 64), nn.ReLU(), nn.Linear(64, 2 * shape.code))
        self.spread = nn.Linear(shape.code, _MAPS * shape.grid**2)
        self.decoder = UNet(UNetShape("image", shape.size, shape.channels, shape.levels, 2 + _MAPS))

    def saliency(self, x: torch.Tensor) -> torch.Tensor:
        """(B, grid, grid): how much of the verifier's point hangs on each patch, to first order: the mean over its
        pixels of |gradient of half the point's squared length x what a pixel loses when it turns grey|."""
        training = self.verifier.training
        self.verifier.eval()  # the statistics of a batch are no part of an image's own saliency
        with torch.enable_grad():
            seen = resized(x.detach(), self.shape.size).requires_grad_(True)
            point = self.verifier.identity_head(self.verifier.features(seen))
            (slope,) = torch.autograd.grad(point.square().sum() / 2, seen)
        self.verifier.train(training)
        return F.adaptive_avg_pool2d((slope * (seen.detach() - _NEUTRAL)).abs(), self.shape.grid)[:, 0]

    def code(self, features: torch.Tensor, beta: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log variance (B, code) of the code of features (B, D) at a weight (B,) of its rate."""
        seen = torch.cat([features, beta.log()[:, None] / math.log(BETA[0])], dim=1)
        mean, spread = self.reader(seen).chunk(2, dim=1)
        return mean, spread.clamp(-8, 4)

    def draw(self, x: torch.Tensor, mask: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        """An image (B, 1, size, size) from what is not blocked of `x` and from a code (B, code)."""
        seen, hidden = resized(x, self.shape.size), enlarged(mask, self.shape.size)
        maps = self.spread(code).view(-1, _MAPS, self.shape.grid, self.shape.grid)
        maps = F.interpolate(maps, seen.shape[-2:], mode="bilinear", align_corners=False)
        return self.decoder(torch.cat([torch.lerp(seen, torch.full_like(seen, _NEUTRAL), hidden), hidden, maps], dim=1))


def blocked(saliency: torch.Tensor, rho: float) -> torch.Tensor:
    """(B, 1, g, g): 1 at the share `rho` of patches with the highest saliency (B, g, g), 0 elsewhere."""
    flat = saliency.flatten(1)
    count = round(rho * flat.shape[1])
    mask = torch.zeros_like(flat).scatter(1, flat.argsort(dim=1, descending=True, stable=True)[:, :count], 1.0)
    return mask.view(saliency.shape)[:, None]


def enlarged(mask: torch.Tensor, size: int) -> torch.Tensor:
    """A mask of patches (B, 1, g, g) as pixels (B, 1, size, size)."""
    return F.interpolate(mask, (size, size), mode="nearest")


def composed(x: torch.Tensor, mask: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
    """`x` where nothing is blocked, what was drawn where it is."""
    drawn = F.interpolate(drawn, x.shape[-2:], mode="bilinear", align_corners=False)
    return torch.where(enlarged(mask, x.shape[-1]) > 0, drawn, x)


def rate(mean: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
    """KL (B,) in nats of N(mean, exp(spread)) from N(0, 1): what the code tells of an image at most."""
    return 0.5 * (mean.square() + spread.exp() - 1 - spread).sum(dim=1)


def save_blocker(net: Blocker, folder: Path) -> None:
    """Write config.json and float16 safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(asdict(net.shape), indent=1) + "\n", encoding="utf-8")
    files.write_half(net, folder / "model.safetensors")


def load_blocker(folder: Path, encoder: Callable[[], str], device: str = "auto") -> Blocker:
    """The network in `folder`, ready to use. `encoder()` is the digest of the encoder whose features it will be given.

    Raises ModelUnavailable where files are missing or damaged, or where it learned from another encoder.
    """
    again = "Run `python -m updp_core train identity-blocking`, or restore its folder."
    try:
        told = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        net = Blocker(BlockingShape(**{**told, "widths": tuple(told["widths"])}))
        files.read_half(net, folder / "model.safetensors")
    except Exception as error:
        raise ModelUnavailable(
            f"The model of identity-blocking cannot be loaded ({type(error).__name__}).", again
        ) from error
    if net.shape.encoder != encoder():
        raise ModelUnavailable("The model of identity-blocking learned from features of another encoder.", again)
    return net.to(files.pick_device(device)).eval().requires_grad_(False)
