"""The vision-language encoder: a CLIP pair in open_clip's own format, image tower and small BERT with WordPieces.

Two phantoms with the same findings are no negatives of each other, so the contrastive targets are soft (as in UniCL,
Yang et al. 2022). Besides, each step asks short queries ("right pleural effusion" against "no pleural effusion") of
every image, and two linear heads (dropped afterwards) name the findings from either tower alone: on a few thousand
images both speed the towers up.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .augment import jitter, load
from .captions import query, vary
from .loop import Run, Schedule, autocast, device_of, train
from .tokens import make_tokenizer, words_of

MEAN, STD = 0.5, 0.25


@dataclass(frozen=True)
class EncoderConfig:
    """Shape of the pair. `vision` is open_clip's vision_cfg (default: timm's ResNet-10 at 192 px, mean and maximum
    pooled); on a few thousand images a convolutional tower learns where a ViT of the same cost does not yet."""

    vision: Any = None
    embed_dim: int = 192
    text_width: int = 192
    text_layers: int = 3
    context: int = 128
    batch: int = 40
    read: int = 96
    queries: int = 24

    def vision_cfg(self) -> dict[str, Any]:
        return dict(
            self.vision
            or {
                "image_size": 192,
                "timm_model_name": "resnet10t",
                "timm_model_pretrained": False,
                "timm_pool": "avgmax",
                "timm_proj": "mlp",
            }
        )


class EncoderTrainer(nn.Module):
    """An open_clip CustomTextCLIP with the helper heads of its training."""

    def __init__(self, config: EncoderConfig, vocab: dict[str, int], home: Path, targets: int) -> None:
        super().__init__()
        from open_clip.model import CustomTextCLIP
        from transformers import BertConfig

        BertConfig(
            vocab_size=len(vocab),
            hidden_size=config.text_width,
            num_hidden_layers=config.text_layers,
            num_attention_heads=config.text_width // 48,
            intermediate_size=4 * config.text_width,
            max_position_embeddings=config.context,
            pad_token_id=vocab["[PAD]"],
        ).save_pretrained(home)
        self.cfg: dict[str, Any] = {
            "embed_dim": config.embed_dim,
            "vision_cfg": config.vision_cfg(),
            "text_cfg": {
                "hf_model_name": ".",
                "hf_tokenizer_name": ".",
                "hf_proj_type": "mlp",
                "hf_pooler_type": "mean_pooler",
                "context_length": config.context,
            },
        }
        text_cfg = self.cfg["text_cfg"] | {"hf_model_name": str(home), "hf_model_pretrained": False}
        self.clip = CustomTextCLIP(config.embed_dim, config.vision_cfg(), text_cfg)
        nn.init.normal_(self.clip.text.transformer.get_input_embeddings().weight, std=0.05)
        self.image_head, self.text_head = (nn.Linear(config.embed_dim, targets) for _ in range(2))
        self.query_scale = nn.Parameter(torch.tensor(2.3))
        self.query_bias = nn.Parameter(torch.full((targets,), -1.0))

    def image(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 1, S, S) in 0..1 -> (B, D), not normalised; resized to the tower's own side first."""
        side = self.cfg["vision_cfg"]["image_size"]
        if x.shape[-1] != side:
            x = F.interpolate(x, size=(side, side), mode="bilinear", antialias=True)
        return self.clip.visual(((x - MEAN) / STD).expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last))

    def text(self, ids: torch.Tensor) -> torch.Tensor:
        """Token ids (B, L) -> (B, D), not normalised."""
        return self.clip.text(ids)


def soft_targets(targets: torch.Tensor) -> torch.Tensor:
    """(B, K) -> (B, B), rows summing to 1: images with the same findings are each other's positives."""
    same = (torch.cdist(targets, targets, p=1) < 0.5).float()
    return same / same.sum(dim=1, keepdim=True)


def contrast(a: torch.Tensor, b: torch.Tensor, scale: torch.Tensor, goal: torch.Tensor) -> torch.Tensor:
    """Symmetric cross-entropy of cosines (B, B) against soft targets."""
    logits = scale * F.normalize(a.float(), dim=-1) @ F.normalize(b.float(), dim=-1).T
    forth = -(goal * logits.log_softmax(dim=1)).sum(dim=1).mean()
    back = -(goal.T * logits.T.log_softmax(dim=1)).sum(dim=1).mean()
    return (forth + back) / 2


def train_encoder(
    images: np.ndarray,
    texts: Sequence[Sequence[str]],
    names: Sequence[str],
    targets: np.ndarray,
    vocab: dict[str, int],
    work: Path,
    schedule: Schedule,
    config: EncoderConfig = EncoderConfig(),
    short: Callable[..., str] | None = None,
    start: dict[str, torch.Tensor] | None = None,
    device: str = "auto",
    say: Callable[[str], None] = print,
) -> tuple[EncoderTrainer, Run]:
    """Train on images (N, S, S) uint8 with several texts and targets (N, K) each; returns the averaged model.

    `short(i, rng)`, where given, is a keyword caption of image i that is read in a third of the cases; `start` are
    weights to begin with, as far as they fit.
    """
    place = device_of(device)
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(schedule.seed)
    module = EncoderTrainer(config, vocab, work, len(names)).to(place)
    if start:
        own = module.state_dict()
        module.load_state_dict(own | {k: v for k, v in start.items() if k in own and v.shape == own[k].shape})
    module.clip.visual.to(memory_format=torch.channels_last)
    tokenizer = make_tokenizer(vocab, context=config.context)
    noise = words_of(vocab)

    def ids(batch: Sequence[str], limit: int) -> torch.Tensor:
        out = tokenizer(list(batch), padding=True, truncation=True, max_length=limit, return_tensors="pt")
        return out["input_ids"].to(place)

    def batch(rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        index = rng.choice(len(images), config.batch, replace=len(images) < config.batch)
        goal = torch.from_numpy(targets[index]).to(place)
        read = []
        for i in index:
            if short is not None and rng.random() < 0.33:
                read.append(vary(short(int(i), rng), rng, noise) if rng.random() < 0.5 else short(int(i), rng))
            else:
                read.append(vary(texts[i][int(rng.integers(len(texts[i])))], rng, noise))
        asked = rng.choice(len(names), min(config.queries, len(names)), replace=False)
        pairs = [query(names[k], rng) for k in asked]
        x = jitter(load(images, index).to(place), rng)
        with autocast(place):
            zi, zt = module.image(x), module.text(ids(read, config.read))
            zq = module.text(ids([p for pair in pairs for p in pair], 32))
        zi, zt, zq = zi.float(), zt.float(), zq.float()
        c = contrast(zi, zt, module.clip.logit_scale.exp().clamp(max=100), soft_targets(goal))
        cosines = F.normalize(zi, dim=-1) @ F.normalize(zq, dim=-1).T  # (B, 2Q): asserted, denied, asserted, ...
        logits = module.query_scale.exp() * (cosines[:, 0::2] - cosines[:, 1::2]) + module.query_bias[asked]
        weight = torch.full((len(names),), 4.0, device=place)
        q = F.binary_cross_entropy_with_logits(logits, goal[:, asked], pos_weight=weight[asked])
        h = F.binary_cross_entropy_with_logits(module.image_head(zi), goal, pos_weight=weight)
        t = F.binary_cross_entropy_with_logits(module.text_head(zt), goal, pos_weight=weight)
        loss = c + 3 * q + 3 * h + t
        return loss, {k: float(v.detach()) for k, v in {"clip": c, "query": q, "head": h, "text": t}.items()}

    weights, run = train(module, batch, schedule, work, say)
    module.load_state_dict(weights)
    return module.eval(), run


@torch.no_grad()
def export_encoder(module: EncoderTrainer, vocab: dict[str, int], folder: Path, half: bool = True) -> None:
    """Write an open_clip folder (config, safetensors, tokenizer, text config) that loads with no network."""
    import shutil

    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    make_tokenizer(vocab, folder, module.cfg["text_cfg"]["context_length"])
    module.clip.text.transformer.config.save_pretrained(folder)
    for extra in folder.glob("model.safetensors"):
        shutil.rmtree(extra) if extra.is_dir() else extra.unlink()
    size = module.cfg["vision_cfg"]["image_size"]
    preprocess = {
        "mean": [MEAN] * 3,
        "std": [STD] * 3,
        "interpolation": "bicubic",
        "resize_mode": "shortest",
        "size": size,
    }
    config = {"model_cfg": module.cfg, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    state = {k: v.detach().cpu().contiguous().clone() for k, v in module.clip.state_dict().items()}
    if half:
        state = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    save_file(state, folder / "open_clip_model.safetensors")
