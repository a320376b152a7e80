"""What a diffusion model's noise predictions give away: how well it knows a picture, and how much a prompt steers it.

Both are asked of any pipeline of Stable Diffusion's kind (a UNet that reads a text by cross-attention).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from updp_core.backends.generator import Generator, latents_of

TIMES = (0.2, 0.4, 0.6)
"""Shares of the way to pure noise at which pictures are asked for."""
STEPS = 6
_BATCH = 16


def can_be_asked(generator: Any) -> bool:
    """Whether this generator predicts noise by a UNet from a text."""
    pipeline = getattr(generator, "pipeline", None)
    return all(hasattr(pipeline, part) for part in ("unet", "vae", "scheduler", "encode_prompt"))


def errors(
    generator: Generator, images: NDArray[np.float32], texts: Sequence[str], seed: int = 0
) -> NDArray[np.float32]:
    """Mean squared error (B,) of the model's prediction for images (B, S, S) in 0..1 with their texts, over TIMES: what
    it was trained to make small on the pictures that it was trained on."""
    import torch

    pipeline, out = generator.pipeline, list[NDArray[np.float32]]()
    scheduler, channels = pipeline.scheduler, pipeline.vae.config.in_channels
    scale = float(getattr(pipeline.vae.config, "scaling_factor", 1.0) or 1.0)
    with torch.no_grad():
        for start in range(0, len(images), _BATCH):
            part = torch.from_numpy(images[start : start + _BATCH])[:, None].expand(-1, channels, -1, -1)
            clean = latents_of(pipeline.vae, part.to(generator.device, pipeline.vae.dtype)) * scale
            read = _read(generator, texts[start : start + _BATCH])
            total = torch.zeros(len(clean))
            for k, share in enumerate(TIMES):
                drawn = torch.Generator().manual_seed(1_000 * seed + k)  # the same noise for every picture
                noise = torch.randn(clean.shape[1:], generator=drawn).to(clean).expand_as(clean)
                time = torch.full((len(clean),), int(share * scheduler.config.num_train_timesteps), device=clean.device)
                noisy = scheduler.add_noise(clean, noise, time)
                goal = {"epsilon": noise, "sample": clean}.get(scheduler.config.prediction_type)
                goal = scheduler.get_velocity(clean, noise, time) if goal is None else goal
                seen = pipeline.unet(noisy, time, encoder_hidden_states=read).sample
                total += ((seen - goal) ** 2).mean(dim=(1, 2, 3)).float().cpu()
            out.append((total / len(TIMES)).numpy())
    return np.concatenate(out) if out else np.zeros(0, np.float32)


def steering(generator: Generator, texts: Sequence[str], guidance: float, seed: int = 0) -> NDArray[np.float32]:
    """How far a text moves the prediction away from that without text, (B,), averaged over STEPS of drawing it: what is
    memorised moves it most (Wen et al. 2024)."""
    import torch

    pipeline, out = generator.pipeline, list[NDArray[np.float32]]()
    size, unet = generator.size // pipeline.vae_scale_factor, pipeline.unet
    with torch.no_grad():
        for start in range(0, len(texts), _BATCH):
            part = texts[start : start + _BATCH]
            read, empty = _read(generator, part), _read(generator, [""] * len(part))
            scheduler = type(pipeline.scheduler).from_config(pipeline.scheduler.config)
            scheduler.set_timesteps(STEPS)
            drawn = torch.Generator().manual_seed(seed)
            x = torch.randn((1, unet.config.in_channels, size, size), generator=drawn).to(read)
            x, total = x.repeat(len(part), 1, 1, 1) * scheduler.init_noise_sigma, torch.zeros(len(part))
            for time in scheduler.timesteps:
                given = scheduler.scale_model_input(x, time)
                told, untold = (unet(given, time, encoder_hidden_states=text).sample for text in (read, empty))
                total += (told - untold).flatten(1).norm(dim=1).float().cpu()
                x = scheduler.step(untold + guidance * (told - untold), time, x).prev_sample
            out.append((total / len(scheduler.timesteps)).numpy())
    return np.concatenate(out) if out else np.zeros(0, np.float32)


def _read(generator: Generator, texts: Sequence[str]) -> Any:
    """What the UNet reads of texts, (B, L, D)."""
    fitting = [generator.fit(text)[0] for text in texts]
    return generator.pipeline.encode_prompt(fitting, generator.device, 1, False)[0]
