"""Small U-Nets that alter a radiograph so that its patient is not recognised: what they compute, and their files.

The architectures follow PriCheXy-Net (Packhaeuser et al., MICCAI 2023) and Privacy-Net (Kim et al., 2021): the first
moves pixels by a smooth displacement field, the second draws the image anew. Both are written from the papers'
descriptions. Images are float (B, 1, S, S) in 0..1.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from updp_core.backends import files
from updp_core.errors import ModelUnavailable

Kind = Literal["warp", "image"]
FIELD_KERNEL, FIELD_SIGMA = 9, 2.0


@dataclass(frozen=True)
class UNetShape:
    """`kind` is "warp" (two outputs, tanh) or "image" (one output, sigmoid). `size` is the side that the network sees;
    `features` doubles on each of `levels` levels. PriCheXy-Net: 256, 32, 4. Privacy-Net: 256, 16, 3. `inputs`
    counts the channels of what it is given."""

    kind: Kind
    size: int = 128
    features: int = 16
    levels: int = 3
    inputs: int = 1


class _Double(nn.Sequential):
    """Conv, batch norm, ReLU, twice."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__(
            nn.Conv2d(before, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
        )


class UNet(nn.Module):
    """(B, inputs, S, S) -> a field (B, 2, S, S) in -1..1, or an image (B, 1, S, S) in 0..1, at the shape's size."""

    def __init__(self, shape: UNetShape) -> None:
        super().__init__()
        self.shape = shape
        widths = [shape.features * 2**n for n in range(shape.levels + 1)]
        self.down = nn.ModuleList(_Double(a, b) for a, b in zip([shape.inputs, *widths[:-2]], widths[:-1], strict=True))
        self.bottom = _Double(widths[-2], widths[-1])
        self.widen = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) for a, b in reversed(list(pairwise(widths))))
        self.up = nn.ModuleList(_Double(2 * a, a) for a in reversed(widths[:-1]))
        self.last = nn.Conv2d(widths[0], 2 if shape.kind == "warp" else 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = resized(x, self.shape.size) - 0.5
        kept: list[torch.Tensor] = []
        for block in self.down:
            y = block(y)
            kept.append(y)
            y = F.max_pool2d(y, 2)
        y = self.bottom(y)
        for widen, block in zip(self.widen, self.up, strict=True):
            y = block(torch.cat([kept.pop(), widen(y)], dim=1))
        y = self.last(y)
        return y.tanh() if self.shape.kind == "warp" else y.sigmoid()


def resized(x: torch.Tensor, size: int) -> torch.Tensor:
    """Images (B, C, H, W) at (size, size), smoothed on the way down."""
    if x.shape[-2:] == (size, size):
        return x
    return F.interpolate(x, (size, size), mode="bilinear", antialias=size < x.shape[-1], align_corners=False)


def smooth(field: torch.Tensor) -> torch.Tensor:
    """A displacement field (B, 2, h, w) under a 9 x 9 Gaussian of sigma 2, edges repeated.

    It is the displacement that is smoothed. Smoothing the whole sampling grid with zeros around it would pull a border
    of four pixels inwards.
    """
    reach = torch.arange(FIELD_KERNEL, device=field.device, dtype=field.dtype) - FIELD_KERNEL // 2
    line = torch.exp(-(reach**2) / (2 * FIELD_SIGMA**2))
    kernel = torch.outer(line, line) / line.sum() ** 2
    padded = F.pad(field, [FIELD_KERNEL // 2] * 4, mode="replicate")
    return F.conv2d(padded, kernel.expand(field.shape[1], 1, -1, -1), groups=field.shape[1])


def warp(images: torch.Tensor, field: torch.Tensor, mu: float, mode: str = "bilinear") -> torch.Tensor:
    """`images` (B, C, H, W) sampled on the grid: identity - mu * smooth(field); `field` (B, 2, h, w) in -1..1.

    `mu` is in units of half the image's side: 0.01 moves a pixel of a 256 px image by at most 1.28 px. With 0 the
    images come back. Masks are moved alike by the same call, with `mode` "nearest".
    """
    moved = F.interpolate(smooth(field), images.shape[-2:], mode="bilinear", align_corners=False).permute(0, 2, 3, 1)
    identity = torch.eye(2, 3, device=images.device, dtype=images.dtype).expand(len(images), -1, -1)
    grid = F.affine_grid(identity, list(images.shape), align_corners=False) - mu * moved.to(images.dtype)
    return F.grid_sample(images, grid, mode=mode, padding_mode="border", align_corners=False)


def redraw(images: torch.Tensor, drawn: torch.Tensor, share: float) -> torch.Tensor:
    """`images` (B, 1, H, W) with `share` (0..1) of the redrawn image (B, 1, h, w) in each pixel's place."""
    return torch.lerp(images, F.interpolate(drawn, images.shape[-2:], mode="bilinear", align_corners=False), share)


def save_unet(net: UNet, folder: Path) -> None:
    """Write config.json and float16 safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(asdict(net.shape), indent=1) + "\n", encoding="utf-8")
    files.write_half(net, folder / "model.safetensors")


def load_unet(folder: Path, name: str, kind: Kind, device: str = "auto") -> UNet:
    """The network in `folder`, ready to use. Raises ModelUnavailable where files are missing, damaged or of another
    kind."""
    try:
        shape = UNetShape(**json.loads((folder / "config.json").read_text(encoding="utf-8")))
        if shape.kind != kind:
            raise ValueError(shape.kind)
        net = UNet(shape)
        files.read_half(net, folder / "model.safetensors")
    except Exception as error:
        raise ModelUnavailable(
            f"The model of {name} cannot be loaded ({type(error).__name__}).",
            f"Run `python -m updp_core train {name}`, or restore its folder.",
        ) from error
    return net.to(files.pick_device(device)).eval().requires_grad_(False)
