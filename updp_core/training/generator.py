"""The generator: a small latent diffusion model, saved as a diffusers StableDiffusionPipeline.

Velocity prediction (Salimans and Ho 2022) with zero terminal SNR (Lin et al. 2024) and no weights on time steps: what
a chest looks like as a whole, and which findings it has, is decided where the noise is strong, which min-SNR weights
hardly train. The text comes from a small BERT that learned to read before (`reader`) and stays as it is; it reaches the
UNet by cross-attention and, pooled into one vector, with the time step. Captions are dropped in a tenth of the cases
for classifier-free guidance (Ho and Salimans 2022).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from updp_core.backends.generator import latents_of

from .augment import load
from .captions import vary
from .loop import Run, Schedule, autocast, device_of, train
from .tokens import make_tokenizer, words_of


@dataclass(frozen=True)
class GeneratorShape:
    """Shape of UNet and text encoder, and how images and captions are drawn in training: a `balanced` share of the
    images is drawn by choosing a finding first, so that rare ones are seen as often as common ones; time steps are
    drawn as u ** `focus`, below 1 for more of the strong noise at which findings are decided; a latent channel counts
    as its standard deviation ** `loudness`. The shipped model began with 0.65 and 1, which draws findings early and
    leaves ribs for later."""

    latent_channels: int = 48
    latent_size: int = 16
    widths: tuple[int, ...] = (96, 192)
    attend: tuple[bool, ...] = (False, True)
    layers_per_block: int = 1
    head_width: int = 32
    text_width: int = 192
    text_layers: int = 3
    context: int = 128
    read: int = 80
    batch: int = 16
    caption_dropout: float = 0.1
    keyword_share: float = 0.45
    balanced: float = 0.5
    focus: float = 0.9
    loudness: float = 0.3


def noise_schedule() -> Any:
    """Stable Diffusion's noise schedule with velocity prediction, stretched so that it ends in pure noise."""
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        steps_offset=1,
        set_alpha_to_one=False,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
    )


class GeneratorTrainer(nn.Module):
    """The UNet, which is trained, and the text encoder that it listens to."""

    def __init__(self, shape: GeneratorShape, vocab: dict[str, int]) -> None:
        super().__init__()
        from diffusers import UNet2DConditionModel

        down = tuple("CrossAttnDownBlock2D" if a else "DownBlock2D" for a in shape.attend)
        up = tuple("CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(shape.attend))
        self.unet: Any = UNet2DConditionModel(
            sample_size=shape.latent_size,
            in_channels=shape.latent_channels,
            out_channels=shape.latent_channels,
            layers_per_block=shape.layers_per_block,
            block_out_channels=shape.widths,
            down_block_types=down,
            up_block_types=up,
            cross_attention_dim=shape.text_width,
            norm_num_groups=16,
            # diffusers reads this argument as the number of heads
            attention_head_dim=tuple(width // shape.head_width for width in shape.widths),
            addition_embed_type="text",
            addition_embed_type_num_heads=shape.text_width // 48,
        )
        self.text: Any = make_text_encoder(shape, vocab)

    def train(self, mode: bool = True) -> GeneratorTrainer:
        """The UNet alone: dropout would only blur what a text encoder says that does not learn."""
        super().train(mode)
        self.text.eval()
        return self


def make_text_encoder(shape: GeneratorShape, vocab: dict[str, int]) -> Any:
    """A small BERT, not yet trained."""
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=len(vocab),
        hidden_size=shape.text_width,
        num_hidden_layers=shape.text_layers,
        num_attention_heads=shape.text_width // 48,
        intermediate_size=4 * shape.text_width,
        max_position_embeddings=shape.context,
        pad_token_id=vocab["[PAD]"],
    )
    config.use_attention_mask = True  # the pipeline then masks the padding in the text encoder
    return BertModel(config, add_pooling_layer=False)


Caption = Callable[[int, np.random.Generator], str]


def captions(
    texts: Sequence[Sequence[str]], vocab: dict[str, int], shape: GeneratorShape, short: Caption | None = None
) -> Caption:
    """What image i is told to show, another way each time: a keyword caption (`short`) or one of its texts, varied as
    an optimised prompt varies."""
    noise_words = words_of(vocab)

    def caption(i: int, rng: np.random.Generator) -> str:
        if short is not None and rng.random() < shape.keyword_share:
            text = short(i, rng)
            return text if rng.random() < 0.6 else vary(text, rng, noise_words)
        return vary(texts[i][int(rng.integers(len(texts[i])))], rng, noise_words)

    return caption


def read_texts(tokenizer: Any, texts: Sequence[str], length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask, both (B, length), padded as the pipeline pads."""
    out = tokenizer(list(texts), padding="max_length", truncation=True, max_length=length, return_tensors="pt")
    return out["input_ids"], out["attention_mask"]


@torch.no_grad()
def encode_latents(
    vae: Any, images: np.ndarray, index: np.ndarray, batch: int = 32, device: str = "auto"
) -> torch.Tensor:
    """Latents (N, C, S/16, S/16) float16 of uint8 images (N, S, S) at `index`."""
    place = device_of(device)
    vae = vae.to(place).eval()
    out = []
    for start in range(0, len(index), batch):
        x = load(images, index[start : start + batch]).to(place)
        with autocast(place):
            out.append(latents_of(vae, x).half().cpu())
    return torch.cat(out)


def likely(targets: np.ndarray | None, count: int, balanced: float) -> np.ndarray:
    """Probability (N,) of drawing each image: even, but a `balanced` share picks a finding of targets (N, K) first."""
    p = np.full(count, 1 / count)
    known = targets[:, targets.any(axis=0)].astype(float) if targets is not None else np.zeros((count, 0))
    if not known.shape[1]:
        return p
    return (1 - balanced) * p + balanced * (known / known.sum(axis=0)).mean(axis=1)


def train_generator(
    latents: torch.Tensor,
    caption: Caption,
    vocab: dict[str, int],
    work: Path,
    schedule: Schedule,
    shape: GeneratorShape = GeneratorShape(),
    start: dict[str, torch.Tensor] | None = None,
    probability: np.ndarray | None = None,
    emphasis: np.ndarray | None = None,
    device: str = "auto",
    say: Callable[[str], None] = print,
) -> tuple[GeneratorTrainer, Run]:
    """Train on latents (N, C, h, w) with `caption(i, rng)` of each; returns the averaged model.

    `start` gives weights to begin with, where name and shape agree; `probability` (N,) is that of drawing each image;
    `emphasis` (N, h, w) weighs the loss of each latent where the image has its caption (see `emphasis.emphases`).
    The text encoder stays as it starts, having learned to read before (`reader`); that saves a sixth of the time.
    """
    place = device_of(device)
    torch.manual_seed(schedule.seed)
    module = GeneratorTrainer(shape, vocab).to(place)
    own = module.state_dict()
    module.load_state_dict(
        {k: v for k, v in (start or {}).items() if k in own and v.shape == own[k].shape}, strict=False
    )
    module.text.requires_grad_(False)
    # Loud channels count somewhat more: an error in a coarse one moves a chest, one in a fine one is grain.
    loudness = latents.float().std(dim=(0, 2, 3)).to(place) ** shape.loudness
    loudness = (loudness / loudness.mean())[:, None, None]
    tokenizer = make_tokenizer(vocab, context=shape.context)
    noising = noise_schedule()
    alphas = noising.alphas_cumprod.to(place)

    def batch(rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        index = rng.choice(len(latents), shape.batch, p=probability)
        texts = ["" if rng.random() < shape.caption_dropout else caption(int(i), rng) for i in index]
        ids, mask = read_texts(tokenizer, texts, shape.read)
        z = latents[torch.from_numpy(index)].float().to(place)
        noise = torch.randn_like(z)
        # Stratified time steps: one in each part of the range, which steadies the loss of small batches.
        u = (torch.arange(shape.batch) + torch.rand(shape.batch)) / shape.batch
        t = (u**shape.focus * len(alphas)).long().clamp(max=len(alphas) - 1).to(place)
        a = alphas[t][:, None, None, None]
        noisy, goal = a.sqrt() * z + (1 - a).sqrt() * noise, a.sqrt() * noise - (1 - a).sqrt() * z
        with autocast(place):
            hidden = module.text(ids.to(place), attention_mask=mask.to(place)).last_hidden_state
            out = module.unet(noisy, t, encoder_hidden_states=hidden).sample
        error = (out.float() - goal).square()
        weight = loudness
        if emphasis is not None:
            told = torch.tensor([bool(text) for text in texts])[:, None, None]
            weight = loudness * torch.where(told, torch.from_numpy(emphasis[index]).float(), 1.0)[:, None].to(place)
        loss = (weight * error).mean()
        return loss, {"mse": float(error.detach().mean())}

    weights, run = train(module, batch, schedule, work, say)
    module.load_state_dict(weights)
    return module.eval(), run


def export_generator(
    module: GeneratorTrainer, vae: Any, vocab: dict[str, int], folder: Path, context: int, half: bool = True
) -> None:
    """Write a StableDiffusionPipeline folder (float16 safetensors, no safety checker) that loads with no network.

    `context` is the number of tokens that the model was trained to read.
    """
    import copy

    from diffusers import StableDiffusionPipeline

    dtype = torch.float16 if half else torch.float32
    tokenizer = make_tokenizer(vocab, context=context)
    pipeline: Any = StableDiffusionPipeline(
        vae=copy.deepcopy(vae).cpu().to(dtype),
        text_encoder=copy.deepcopy(module.text).cpu().to(dtype),
        tokenizer=tokenizer,
        unet=copy.deepcopy(module.unet).cpu().to(dtype),
        scheduler=noise_schedule(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    # diffusers notes the path that a part was loaded from; it means nothing elsewhere.
    pipeline.vae.register_to_config(_name_or_path="")
    pipeline.save_pretrained(folder, safe_serialization=True)
