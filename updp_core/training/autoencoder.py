"""The latent space of the generator: diffusers' AutoencoderDC, 16x smaller in each direction, started as a projection.

A small convolutional autoencoder learns for hours what linear algebra knows: the principal components of 16x16 patches.
On phantom radiographs, 48 components reach a structural similarity of 0.96 before the first step of training, where
AutoencoderTiny of as many latent values reached 0.84 after 43 minutes. AutoencoderDC (Chen et al. 2024) can hold such a
projection exactly, because it moves pixels into channels and back instead of resizing. The encoder therefore is the
projection and stays so, and a generator can be trained on its latents at once; training only refines the decoder, which
learns to smooth the seams of patches and to forgive the small errors of a diffusion model.
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

from updp_core.backends.generator import latents_of

from .loop import Run, Schedule, autocast, device_of, train

PATCH = 16
# Value of the channels that hold the last norm of the decoder steady (see `_start_decoder`).
_STEADY = 16.0


@dataclass(frozen=True)
class AutoencoderConfig:
    """Shape of the autoencoder and of the decoder's training crops. `noise` is added to the latents in training, in
    parts of each channel's spread. `flatness` 0 keeps the components' own spread, 1 makes all channels equally loud:
    in between, a diffusion model draws coarse structure first and fine structure last. `size` is the root mean square
    of all latents: below 1, since neighbouring latents are alike and noise hides coarse structure late."""

    latent_channels: int = 48
    decoder_widths: tuple[int, ...] = (12, 16, 64, 256)
    decoder_blocks: tuple[int, ...] = (1, 1, 1, 1)
    flatness: float = 0.5
    size: float = 0.5
    fitted_on: int = 2000
    crop: int = 128
    batch: int = 16
    noise: float = 0.1
    ssim_weight: float = 0.3
    gradient_weight: float = 0.5


@dataclass(frozen=True)
class Projection:
    """Principal components of patches in -1..1: `mean` (256,), `components` (256, C). A latent is a coordinate times
    `gain` (C,); `spread` (C,) is its standard deviation."""

    mean: torch.Tensor
    components: torch.Tensor
    spread: torch.Tensor
    gain: torch.Tensor


def fit_projection(images: Sequence[np.ndarray] | np.ndarray, config: AutoencoderConfig, batch: int = 64) -> Projection:
    """Principal components of the 16x16 patches of up to `fitted_on` uint8 images (N, S, S), evenly chosen.

    A latent is a component's coordinate times `gain` (C,), so that its spread is that of the component to the power of
    1 - flatness, with root mean square `size` over all channels.
    """
    chosen = np.linspace(0, len(images) - 1, min(config.fitted_on, len(images))).astype(int)
    total, products, count = torch.zeros(PATCH**2).double(), torch.zeros(PATCH**2, PATCH**2).double(), 0
    for start in range(0, len(chosen), batch):
        x = torch.from_numpy(np.stack([images[i] for i in chosen[start : start + batch]]))[:, None].float()
        rows = F.unfold(x / 127.5 - 1, PATCH, stride=PATCH).transpose(1, 2).reshape(-1, PATCH**2).double()
        total, products, count = total + rows.sum(0), products + rows.T @ rows, count + len(rows)
    mean = total / count
    values, vectors = torch.linalg.eigh(products / count - mean[:, None] * mean)
    kept = config.latent_channels
    deviation = values.flip(0)[:kept].clamp(min=1e-8).sqrt()
    spread = deviation ** (1 - config.flatness)
    spread = config.size * spread / spread.square().mean().sqrt()
    parts = mean, vectors.flip(1)[:, :kept], spread, spread / deviation
    return Projection(*(part.float() for part in parts))


def make_autoencoder(config: AutoencoderConfig, projection: Projection) -> Any:
    """An AutoencoderDC of this shape whose latents and reconstructions are those of the projection."""
    from diffusers import AutoencoderDC

    widths = config.decoder_widths
    vae: Any = AutoencoderDC(
        in_channels=1,
        latent_channels=config.latent_channels,
        # Widths that only reorder pixels: 1, 4, 16, 64, 256 channels at 256, 128, 64, 32, 16 pixels.
        encoder_block_out_channels=(4, 4, 16, 64, 256),
        encoder_layers_per_block=(0, 1, 1, 1, 0),
        encoder_qkv_multiscales=((),) * 5,
        decoder_qkv_multiscales=((),) * 5,
        decoder_block_out_channels=(widths[0], *widths),
        decoder_layers_per_block=(0, *config.decoder_blocks),
        encoder_out_shortcut=False,
        decoder_in_shortcut=False,
    )
    # StableDiffusionPipeline reads the reduction off this entry, which AutoencoderDC itself does not have.
    vae.register_to_config(block_out_channels=(widths[0], *widths))
    _start_encoder(vae.encoder, projection)
    _start_decoder(vae.decoder, projection, widths)
    return vae


@torch.no_grad()
def _start_encoder(encoder: Any, projection: Projection) -> None:
    """Blocks silent, pixels only moved into channels, then the components."""
    _silence(encoder)
    for module in encoder.modules():
        if type(module).__name__ == "DCDownBlock2d":
            nn.init.zeros_(module.conv.weight)
            nn.init.zeros_(module.conv.bias)
    encoder.conv_in.conv.weight[0, 0, 1, 1] = 1
    nn.init.zeros_(encoder.conv_out.weight)
    pixel = unshuffled_pixels()
    matrix = projection.components * projection.gain
    encoder.conv_out.weight[:, :, 1, 1] = matrix[pixel].T
    encoder.conv_out.bias.copy_(-(projection.mean @ matrix))


@torch.no_grad()
def _start_decoder(decoder: Any, projection: Projection, widths: Sequence[int]) -> None:
    """Blocks silent, the patch's pixels in the first 256 channels, then moved out of the channels again.

    The decoder ends in a norm over channels and a ReLU. A part of the last channels is a large constant, so that the
    norm divides by nearly the same number everywhere; the others carry each pixel and its negative, so that the ReLU
    loses nothing.
    """
    _silence(decoder)
    pixel = unshuffled_pixels()
    matrix = (projection.components / projection.gain)[pixel]
    nn.init.zeros_(decoder.conv_in.weight)
    decoder.conv_in.weight[: PATCH**2, :, 1, 1] = matrix
    nn.init.zeros_(decoder.conv_in.bias)
    decoder.conv_in.bias[: PATCH**2] = projection.mean[pixel]
    for up, carried in zip(_ups(decoder), (256, 64, 16), strict=True):
        wanted = torch.zeros(up.conv.weight.shape[:2])
        wanted[:carried, :carried] = torch.eye(carried)
        nn.init.zeros_(up.conv.bias)
        if carried == 16:
            wanted[16:32, :16] = -torch.eye(16)
            up.conv.bias[32:] = _STEADY
        # What the block's own shortcut adds is taken off again.
        rows = torch.arange(len(wanted))
        wanted[rows, rows // up.repeats] -= 1
        nn.init.zeros_(up.conv.weight)
        up.conv.weight[:, :, 1, 1] = wanted
    steady = widths[0] - 8
    decoder.norm_out.weight.fill_(_STEADY * (steady / widths[0]) ** 0.5)
    nn.init.zeros_(decoder.norm_out.bias)
    last = decoder.conv_out.conv
    last.weight.zero_()
    last.bias.zero_()
    last.weight[:, :4, 1, 1], last.weight[:, 4:8, 1, 1] = torch.eye(4), -torch.eye(4)


def _ups(decoder: Any) -> list[Any]:
    """The blocks that enlarge, coarse to fine, without the last one."""
    return [m for stage in reversed(decoder.up_blocks) for m in stage if type(m).__name__ == "DCUpBlock2d"]


def _silence(part: Any) -> None:
    """Residual blocks start as the identity: their last norm gives nothing."""
    for module in part.modules():
        if type(module).__name__ == "ResBlock":
            nn.init.zeros_(module.norm.weight)
            if module.norm.bias is not None:
                nn.init.zeros_(module.norm.bias)


def unshuffled_pixels() -> torch.Tensor:
    """Which pixel of a 16x16 patch (row-major) each of 256 channels holds after four times `pixel_unshuffle`."""
    x = torch.arange(PATCH**2, dtype=torch.float32).reshape(1, 1, PATCH, PATCH)
    for _ in range(4):
        x = F.pixel_unshuffle(x, 2)
    return x.flatten().long()


def export_autoencoder(vae: Any, folder: Path) -> None:
    """Write a diffusers folder (float16)."""
    import copy

    copy.deepcopy(vae).cpu().half().save_pretrained(folder, safe_serialization=True)


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


def crops(images: Sequence[np.ndarray] | np.ndarray, rng: np.random.Generator, count: int, crop: int) -> torch.Tensor:
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


def train_decoder(
    vae: Any,
    spread: torch.Tensor,
    images: Sequence[np.ndarray] | np.ndarray,
    work: Path,
    schedule: Schedule,
    config: AutoencoderConfig = AutoencoderConfig(),
    device: str = "auto",
    say: Callable[[str], None] = print,
) -> Run:
    """Refine the decoder of `vae` in place on images (N, S, S) uint8; the encoder, and so the latents, stay.

    `spread` (C,) is the usual size of each latent channel: the noise in training is a part of it.
    """
    place = device_of(device)
    vae.to(place).eval()
    vae.decoder.to(memory_format=torch.channels_last)
    spread = spread.to(place)[:, None, None]

    def batch(rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        x = crops(images, rng, config.batch, config.crop).to(place, memory_format=torch.channels_last)
        with torch.no_grad():
            z = latents_of(vae, x)
        # From none to twice the usual noise, so that clean latents stay sharp.
        level = 2 * config.noise * torch.rand(len(z), 1, 1, 1, device=place)
        with autocast(place):
            y = vae.decoder(z + level * spread * torch.randn_like(z))
        y = y.float() / 2 + 0.5
        likeness = ssim(y.clamp(0, 1), x)
        l1 = (y - x).abs().mean()
        loss = l1 + config.ssim_weight * (1 - likeness) + config.gradient_weight * gradient_gap(y, x)
        return loss, {"l1": float(l1.detach()), "ssim": float(likeness.detach())}

    weights, run = train(vae.decoder, batch, schedule, work, say)
    vae.decoder.load_state_dict(weights)
    return run
