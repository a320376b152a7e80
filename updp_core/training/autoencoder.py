"""The latent space of the generator: diffusers' AutoencoderTiny, 16x smaller in each direction.

A plain convolutional autoencoder (no norms, no attention) was chosen by measurement over AutoencoderKL: on two CPU
cores in bfloat16 it trains 2.6 times faster at the same number of latent values. Full-resolution convolutions carry
no residual blocks: the work is done at a quarter of the resolution and below.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .loop import Run, Schedule, autocast, device_of, train


@dataclass(frozen=True)
class AutoencoderConfig:
    """Shape of the autoencoder and of its training crops. `noise` is added to unit-variance latents in training,
    so that the decoder forgives the small errors of a diffusion model."""

    channels: int = 48
    encoder_blocks: tuple[int, ...] = (0, 0, 1, 3, 4)
    decoder_blocks: tuple[int, ...] = (6, 4, 2, 0, 0)
    latent_channels: int = 32
    crop: int = 128
    batch: int = 9
    noise: float = 0.05
    ssim_weight: float = 0.3
    gradient_weight: float = 0.5


class LatentAutoencoder(nn.Module):
    """AutoencoderTiny with a batch norm on the latent, which `export` folds into the encoder's last convolution."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        from diffusers import AutoencoderTiny

        width: tuple[int, ...] = (config.channels,) * len(config.encoder_blocks)
        self.model: Any = AutoencoderTiny(
            in_channels=1, out_channels=1, encoder_block_out_channels=width, decoder_block_out_channels=width,
            num_encoder_blocks=config.encoder_blocks, num_decoder_blocks=config.decoder_blocks,
            latent_channels=config.latent_channels,
        )  # fmt: skip
        # Plain convolutions keep the variance, residual blocks start as the identity: the signal passes from the start.
        parts: Any = self.model
        for layer in (*parts.encoder.layers, *parts.decoder.layers):
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
            elif hasattr(layer, "conv"):
                for conv in layer.conv[:-1:2]:
                    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
                nn.init.zeros_(layer.conv[-1].weight)
        self.norm = nn.BatchNorm2d(config.latent_channels, affine=False, momentum=0.01)

    def forward(self, images: torch.Tensor, noise: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
        """images (B, 1, S, S) in 0..1 -> reconstruction, same shape, and latents (B, C, S/16, S/16)."""
        z = self.norm(self.model.encoder(images * 2 - 1))
        out = self.model.decoder(z + noise * torch.randn_like(z))
        return (out + 1) / 2, z

    @torch.no_grad()
    def export(self, folder: Path) -> None:
        """Write a diffusers folder whose latents have zero mean and unit variance per channel (float16)."""
        import copy

        model = copy.deepcopy(self.model).float().cpu()
        last = model.encoder.layers[-1]
        mean, variance = (b.detach().float().cpu() for b in (self.norm.running_mean, self.norm.running_var))  # type: ignore[union-attr]
        scale = (variance + self.norm.eps).rsqrt()
        last.weight.mul_(scale[:, None, None, None])
        last.bias.sub_(mean).mul_(scale)
        model.half().save_pretrained(folder, safe_serialization=True)


def ssim(a: torch.Tensor, b: torch.Tensor, sigma: float = 1.5) -> torch.Tensor:
    """Mean structural similarity (Wang et al. 2004) of images (B, 1, H, W) in 0..1, Gaussian window of 11 pixels."""
    x = torch.arange(-5.0, 6.0, device=a.device)
    g = torch.exp(-(x**2) / (2 * sigma**2))
    g = g / g.sum()
    stack = torch.cat([a, b, a * a, b * b, a * b], dim=1)
    n = stack.shape[1]
    stack = F.conv2d(stack, g.view(1, 1, 1, 11).expand(n, 1, 1, 11), groups=n)
    stack = F.conv2d(stack, g.view(1, 1, 11, 1).expand(n, 1, 11, 1), groups=n)
    ma, mb, aa, bb, ab = stack.chunk(5, dim=1)
    c1, c2 = 0.01**2, 0.03**2
    va, vb, cov = aa - ma * ma, bb - mb * mb, ab - ma * mb
    return (((2 * ma * mb + c1) * (2 * cov + c2)) / ((ma * ma + mb * mb + c1) * (va + vb + c2))).mean()


def gradient_gap(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of the image gradients: edges, which an L1 alone blurs."""
    dx = (a[..., 1:] - a[..., :-1]) - (b[..., 1:] - b[..., :-1])
    dy = (a[..., 1:, :] - a[..., :-1, :]) - (b[..., 1:, :] - b[..., :-1, :])
    return dx.abs().mean() + dy.abs().mean()


def crops(images: Sequence[np.ndarray], rng: np.random.Generator, count: int, crop: int) -> torch.Tensor:
    """`count` random crops (B, 1, crop, crop) in 0..1 of uint8 images (N, S, S), half of them mirrored.

    Mirroring is right for an autoencoder only: it must not know left from right.
    """
    out = np.empty((count, 1, crop, crop), np.float32)
    for i in range(count):
        image = images[int(rng.integers(len(images)))]
        y, x = (int(rng.integers(s - crop + 1)) for s in image.shape)
        patch = image[y : y + crop, x : x + crop]
        out[i, 0] = patch[:, ::-1] if rng.random() < 0.5 else patch
    return torch.from_numpy(out).div_(255)


class _Decoder(nn.Module):
    """The decoder alone as the trained module, behind an encoder that stays as it is."""

    def __init__(self, whole: LatentAutoencoder) -> None:
        super().__init__()
        self.decoder = whole.model.decoder
        self.whole = [whole]  # in a list: not a submodule, so neither trained nor put into train mode

    def forward(self, images: torch.Tensor, noise: float) -> tuple[torch.Tensor, torch.Tensor]:
        whole = self.whole[0]
        with torch.no_grad():
            z = whole.norm(whole.model.encoder(images * 2 - 1))
        return (self.decoder(z + noise * torch.randn_like(z)) + 1) / 2, z


def train_autoencoder(
    sets: Sequence[Any],
    work: Path,
    schedule: Schedule,
    config: AutoencoderConfig = AutoencoderConfig(),
    device: str = "auto",
    say: Callable[[str], None] = print,
    start: dict[str, torch.Tensor] | None = None,
    decoder_only: bool = False,
) -> tuple[LatentAutoencoder, Run]:
    """Train on one or more image arrays (N, S, S) uint8, each drawn from equally often; returns the averaged model.

    With `decoder_only` the encoder stays as `start` has it, so the latents that a generator was trained on stay valid.
    """
    place = device_of(device)
    torch.manual_seed(schedule.seed)
    whole = LatentAutoencoder(config).to(place).to(memory_format=torch.channels_last)
    if start:
        whole.load_state_dict(start)
    whole.eval()
    module: nn.Module = _Decoder(whole) if decoder_only else whole

    def batch(rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        share = -(-config.batch // len(sets))
        x = torch.cat([crops(images, rng, share, config.crop) for images in sets])[: config.batch]
        x = x.to(place, memory_format=torch.channels_last)
        with autocast(place):
            y, z = module(x, config.noise)
        y = y.float()
        likeness = ssim(y.clamp(0, 1), x)
        l1 = (y - x).abs().mean()
        loss = l1 + config.ssim_weight * (1 - likeness) + config.gradient_weight * gradient_gap(y, x)
        return loss, {"l1": float(l1.detach()), "ssim": float(likeness.detach()), "z": float(z.detach().float().std())}

    weights, run = train(module, batch, schedule, work, say)
    module.load_state_dict(weights)
    return whole.eval(), run
