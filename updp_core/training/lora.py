"""LoRA fine-tuning of a diffusers pipeline on an archive: a generator for users without gated weights.

Low-rank adapters (Hu et al. 2021) on the attention projections of the UNet; autoencoder and text encoder stay as they
are. The result is the whole pipeline with the adapters merged in, so that it loads like any other folder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from .augment import load
from .loop import Run, Schedule, autocast, device_of, train


@dataclass(frozen=True)
class LoraConfig:
    """Rank and scale of the adapters (alpha / rank multiplies them), and the batch."""

    rank: int = 16
    alpha: int = 16
    batch: int = 4
    caption_dropout: float = 0.1


class _Adapted(nn.Module):
    """The UNet with adapters as the trained module."""

    def __init__(self, unet: nn.Module) -> None:
        super().__init__()
        self.unet = unet


def train_lora(
    pipeline: Any,
    images: np.ndarray,
    texts: Sequence[Sequence[str]],
    work: Path,
    schedule: Schedule,
    config: LoraConfig = LoraConfig(),
    device: str = "auto",
    say: Callable[[str], None] = print,
) -> Run:
    """Fine-tune the UNet of a StableDiffusionPipeline in place on images (N, S, S) uint8 with several texts each.

    The noise schedule and the kind of prediction (noise or velocity) are the pipeline's own. Raises ValueError for a
    kind of prediction that is neither.
    """
    from diffusers import DDPMScheduler
    from peft import LoraConfig as Adapters

    place = device_of(device)
    kind = pipeline.scheduler.config.prediction_type
    if kind not in ("epsilon", "v_prediction"):
        raise ValueError(f"LoRA training knows epsilon and v_prediction, not {kind}.")
    pipeline.to(place)
    for part in (pipeline.vae, pipeline.text_encoder, pipeline.unet):
        part.requires_grad_(False).eval()
    torch.manual_seed(schedule.seed)
    pipeline.unet.add_adapter(
        Adapters(r=config.rank, lora_alpha=config.alpha, target_modules=["to_q", "to_k", "to_v", "to_out.0"])
    )
    module = _Adapted(pipeline.unet)
    noising = DDPMScheduler.from_config(pipeline.scheduler.config)
    channels, scale = pipeline.vae.config.in_channels, pipeline.vae.config.scaling_factor
    mask_read = bool(getattr(pipeline.text_encoder.config, "use_attention_mask", False))

    def batch(rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        index = rng.choice(len(images), config.batch, replace=len(images) < config.batch)
        read = [
            "" if rng.random() < config.caption_dropout else texts[i][int(rng.integers(len(texts[i])))] for i in index
        ]
        out = pipeline.tokenizer(
            read,
            padding="max_length",
            truncation=True,
            max_length=pipeline.tokenizer.model_max_length,
            return_tensors="pt",
        ).to(place)
        with torch.no_grad():
            code = pipeline.vae.encode((load(images, index).to(place) * 2 - 1).expand(-1, channels, -1, -1))
            z = (code.latents if hasattr(code, "latents") else code.latent_dist.sample()) * scale
            hidden = pipeline.text_encoder(out.input_ids, attention_mask=out.attention_mask if mask_read else None)[0]
        noise = torch.randn_like(z)
        t = torch.randint(0, noising.config.num_train_timesteps, (len(z),), device=place)
        noisy = noising.add_noise(z, noise, t)
        goal = noise if kind == "epsilon" else noising.get_velocity(z, noise, t)
        with autocast(place):
            found = module.unet(noisy, t, encoder_hidden_states=hidden).sample
        return (found.float() - goal).square().mean(), {}

    weights, run = train(module, batch, schedule, work, say)
    module.load_state_dict(weights)
    return run


def export_lora(pipeline: Any, folder: Path) -> None:
    """Merge the adapters into the UNet and write the whole pipeline."""
    pipeline.unet.fuse_lora()
    pipeline.unet.unload_lora()
    pipeline.save_pretrained(folder, safe_serialization=True)
