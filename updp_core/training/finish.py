"""A decoder that finishes what the generator leaves rough: seams of patches, speckles, broken lines.

A decoder that only ever saw latents of films passes on each error of a diffusion model as it is. Here it learns from
redrawn latents: those of a film, noised in part and drawn again by the generator with the film's caption (SDEdit, Meng
et al. 2021), which carry the generator's own errors and still lie on a film that is known. The less noise, the more the
film itself is the goal; the more, the more a critic of patches is (hinge loss, Lim and Ye 2017), which asks only that
it looks like a film. The critic's features also say how far two patches are apart (Larsen et al. 2016). On clean
latents the decoder goes on to give the film back.
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
from torch.func import functional_call

from updp_core.backends.generator import latents_of

from .augment import load
from .autoencoder import AutoencoderConfig, Projection, gradient_gap, make_autoencoder, ssim, unshuffled_pixels
from .distil import few_step_schedule, guided, hidden_of, shards
from .generator import Caption
from .loop import Run, Schedule, autocast, device_of, train


@dataclass(frozen=True)
class FinishConfig:
    """`levels` are the least and the most noise of a redrawn latent, in parts of the noise schedule, taken off in
    `steps` of two passes with `guidance`; `shard` are redrawn at once and kept in one file. A batch holds `clean` and
    `redrawn` crops of `crop` px; a clean latent gets noise of up to `noise` parts of each channel's spread."""

    widths: tuple[int, ...] = (16, 32, 64, 256)
    blocks: tuple[int, ...] = (1, 1, 2, 2)
    levels: tuple[float, float] = (0.3, 0.95)
    steps: int = 3
    guidance: float = 2.5
    shard: int = 16
    crop: int = 128
    clean: int = 4
    redrawn: int = 8
    noise: float = 0.1
    ssim_weight: float = 0.3
    gradient_weight: float = 0.5
    feature_weight: float = 0.03
    critic_weight: float = 0.03


class PatchCritic(nn.Module):
    """Says of each neighbourhood of about 46 px whether it comes from a film; its features compare patches."""

    def __init__(self, widths: Sequence[int] = (24, 48, 96)) -> None:
        super().__init__()
        sides = zip((1, *widths), widths, strict=False)
        self.stages = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in sides)
        self.last = nn.Conv2d(widths[-1], 1, 3, padding=1)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """(B, 1, S, S) in 0..1 -> the features of each stage and, last, the verdicts (B, 1, S/8, S/8)."""
        x, out = x * 2 - 1, []
        for stage in self.stages:
            x = F.leaky_relu(stage(x), 0.2)
            out.append(x)
        return [*out, self.last(x)]


class FinishTrainer(nn.Module):
    """The decoder and the critic that it learns against."""

    def __init__(self, decoder: Any) -> None:
        super().__init__()
        self.decoder, self.critic = decoder, PatchCritic()


@torch.no_grad()
def widened(vae: Any, latents: torch.Tensor, config: FinishConfig = FinishConfig()) -> Any:
    """An autoencoder with the encoder of `vae`, a projection, and a larger decoder that starts as its inverse.

    `latents` (N, C, h, w) of films tell the spread of each channel."""
    last = vae.encoder.conv_out
    matrix = torch.empty_like(last.weight[:, :, 1, 1].T)
    matrix[unshuffled_pixels()] = last.weight[:, :, 1, 1].T
    gain = matrix.norm(dim=0)
    components = matrix / gain
    mean = -(components @ (last.bias / gain))
    spread = latents.float().std(dim=(0, 2, 3))
    shape = AutoencoderConfig(len(gain), config.widths, config.blocks)
    return make_autoencoder(shape, Projection(mean, components, spread, gain))


@torch.no_grad()
def redraw(
    pipeline: Any,
    latents: torch.Tensor,
    texts: Sequence[str],
    level: float,
    seed: int,
    config: FinishConfig,
    device: torch.device,
) -> torch.Tensor:
    """Latents (B, C, h, w) noised up to `level` (0..1) of the schedule and drawn again by DDIM, guided by the texts."""
    scheduler = few_step_schedule()
    alphas = scheduler.alphas_cumprod.to(device)
    times = np.linspace(level * (len(alphas) - 1), 0, config.steps + 1).round().astype(int)[:-1]
    signals = [alphas[int(t)] for t in times] + [torch.tensor(1.0, device=device)]
    hidden = hidden_of(pipeline, [*[""] * len(texts), *texts], device)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(seed)).to(device)
    z = signals[0].sqrt() * latents.to(device) + (1 - signals[0]).sqrt() * noise
    for t, a, b in zip(times, signals, signals[1:], strict=False):
        v = guided(pipeline, z, int(t), hidden, config.guidance)
        clean, rest = a.sqrt() * z - (1 - a).sqrt() * v, (1 - a).sqrt() * z + a.sqrt() * v
        z = b.sqrt() * clean + (1 - b).sqrt() * rest
    return z.cpu()


def redrawn(
    pipeline: Any,
    images: np.ndarray,
    index: np.ndarray,
    caption: Caption,
    folder: Path,
    count: int,
    config: FinishConfig = FinishConfig(),
    seed: int = 0,
    device: str = "auto",
    say: Callable[[str], None] = print,
) -> list[Path]:
    """Files of `config.shard` redrawn latents each, of images (N, S, S) at `index`, at least `count` in all; those
    that are there are not made again."""
    place = device_of(device)
    pipeline.to(place)

    def made(number: int) -> dict[str, Any]:
        rng = np.random.default_rng([seed, 9011, number])
        chosen, level = rng.choice(index, config.shard), float(rng.uniform(*config.levels))
        texts = [caption(int(i), rng) for i in chosen]
        with torch.no_grad():
            z = latents_of(pipeline.vae, load(images, chosen).to(place))
        latents = redraw(pipeline, z, texts, level, seed * 1_000_003 + number, config, place)
        return {"index": torch.from_numpy(chosen), "level": level, "latents": latents.half()}

    return shards(folder, count, config.shard, made, say=say)


def train_finish(
    vae: Any,
    images: np.ndarray,
    index: np.ndarray,
    files: Sequence[Path],
    work: Path,
    schedule: Schedule,
    config: FinishConfig = FinishConfig(),
    device: str = "auto",
    say: Callable[[str], None] = print,
) -> Run:
    """Train the decoder of `vae` in place on images (N, S, S) uint8 at `index` and on `redrawn` latents of them."""
    place = device_of(device)
    torch.manual_seed(schedule.seed)
    vae.to(place).eval()
    stored = [torch.load(file, weights_only=True) for file in files]
    drawn = torch.cat([part["latents"] for part in stored])
    source = torch.cat([part["index"] for part in stored]).numpy()
    level = torch.cat([torch.full((len(part["index"]),), part["level"]) for part in stored])
    spread = drawn.float().std(dim=(0, 2, 3)).to(place)[:, None, None]
    module = FinishTrainer(vae.decoder).to(place)
    patch = images.shape[1] // drawn.shape[-1]
    side = config.crop // patch

    def crop(z: torch.Tensor, x: torch.Tensor, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        corners = rng.integers(z.shape[-1] - side + 1, size=(len(z), 2))
        parts = [
            (
                z[i, :, r : r + side, c : c + side],
                x[i, :, r * patch : (r + side) * patch, c * patch : (c + side) * patch],
            )
            for i, (r, c) in enumerate(corners)
        ]
        return torch.stack([a for a, _ in parts]), torch.stack([b for _, b in parts])

    def batch(rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        rows = rng.integers(len(drawn), size=config.redrawn)
        x = load(images, np.concatenate([rng.choice(index, config.clean), source[rows]])).to(place)
        with torch.no_grad():
            clean = latents_of(vae, x[: config.clean])
        clean = clean + 2 * config.noise * torch.rand(config.clean, 1, 1, 1, device=place) * spread * torch.randn_like(
            clean
        )
        z, x = crop(torch.cat([clean, drawn[rows].float().to(place)]), x, rng)
        # How far the film itself is the goal.
        film = torch.cat([torch.ones(config.clean), 1 - level[rows]]).to(place)
        with autocast(place):
            y = module.decoder(z)
        y = y.float() / 2 + 0.5
        frozen = {name: value.detach() for name, value in module.critic.named_parameters()}
        films = module.critic(x)
        wanted = [stage.detach() for stage in films[:-1]]
        seen = functional_call(module.critic, frozen, (y,))
        features = sum(
            (
                (a - b).abs().mean(dim=(1, 2, 3)) / b.abs().mean().clamp(min=1e-3)
                for a, b in zip(seen[:-1], wanted, strict=True)
            ),
            torch.zeros(len(x), device=place),
        )
        l1 = (y - x).abs().mean(dim=(1, 2, 3))
        alike = torch.stack([ssim(a[None].clamp(0, 1), b[None]) for a, b in zip(y, x, strict=True)])
        edges = torch.stack([gradient_gap(a[None], b[None]) for a, b in zip(y, x, strict=True)])
        per = l1 + config.ssim_weight * (1 - alike) + config.gradient_weight * edges + config.feature_weight * features
        fooled = -seen[-1].mean()
        # The critic learns from films and from what the decoder makes, which it takes as it is.
        real, made = films[-1], module.critic(y.detach())[-1]
        hinge = F.relu(1 - real).mean() + F.relu(1 + made).mean()
        loss = (film * per).mean() + config.critic_weight * fooled + hinge
        told = {
            "clean": l1[: config.clean].mean(),
            "redrawn": l1[config.clean :].mean(),
            "ssim": alike[: config.clean].mean(),
            "features": features.mean(),
            "critic": hinge,
        }
        return loss, {name: float(value.detach()) for name, value in told.items()}

    weights, run = train(module, batch, schedule, work, say)
    module.load_state_dict(weights)
    vae.eval()
    return run
