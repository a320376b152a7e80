"""The judges: one convolutional network with three heads, never seen by what is optimised.

A small ResNet (another architecture, seed and order of data than the encoder) names the findings, maps a patient to a
128-d point for re-identification, and, with a text tower of gated recurrent units, scores image against text. Its
pooled features measure the distance between sets of images.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from updp_core.backends import files
from updp_core.backends.judges import JudgeNetwork, JudgeShape

from .augment import jitter, load
from .captions import query, vary
from .encoder import contrast, soft_targets
from .loop import Run, Schedule, autocast, device_of, train
from .tokens import make_tokenizer, words_of


@dataclass(frozen=True)
class JudgesConfig:
    """`patients` with two images each make a batch. `margin_scale` is the inverse temperature of the identity loss."""

    patients: int = 20
    identity_scale: float = 12.0
    identity_weight: float = 0.5
    read: int = 96
    queries: int = 16


class JudgesTrainer(nn.Module):
    """The network with the loss's own parameters."""

    def __init__(self, shape: JudgeShape) -> None:
        super().__init__()
        self.net = JudgeNetwork(shape)
        self.scale = nn.Parameter(torch.tensor(2.6))
        self.query_scale = nn.Parameter(torch.tensor(2.3))


def pairs_of(patients: np.ndarray, rng: np.random.Generator, count: int, groups: Sequence[np.ndarray]) -> np.ndarray:
    """Indices (2 * count,): two different images of each of `count` patients, side by side."""
    chosen = rng.choice(len(groups), count, replace=len(groups) < count)
    return np.concatenate([rng.choice(groups[g], 2, replace=len(groups[g]) < 2) for g in chosen])


def same_patient_loss(z: torch.Tensor, patient: torch.Tensor, scale: float) -> torch.Tensor:
    """Supervised contrastive loss (Khosla et al. 2020) of l2-normalised (B, D) with patient numbers (B,)."""
    logits = scale * z @ z.T
    self_mask = torch.eye(len(z), dtype=torch.bool, device=z.device)
    logits = logits.masked_fill(self_mask, -1e4)
    same = (patient[:, None] == patient[None]) & ~self_mask
    logp = logits.log_softmax(dim=1)
    return -((logp * same).sum(dim=1) / same.sum(dim=1).clamp_min(1)).mean()


def train_judges(
    images: np.ndarray,
    patients: np.ndarray,
    texts: Sequence[Sequence[str]],
    names: Sequence[str],
    targets: np.ndarray,
    vocab: dict[str, int],
    work: Path,
    schedule: Schedule,
    shape: JudgeShape,
    config: JudgesConfig = JudgesConfig(),
    device: str = "auto",
    say: Callable[[str], None] = print,
) -> tuple[JudgesTrainer, Run]:
    """Train on images (N, S, S) uint8 with patient numbers (N,), texts and targets (N, K); returns the averaged model.

    The first `len(shape.findings)` targets must be the findings themselves.
    """
    place = device_of(device)
    torch.manual_seed(schedule.seed)
    module = JudgesTrainer(shape).to(place)
    module.net.trunk.to(memory_format=torch.channels_last)
    tokenizer = make_tokenizer(vocab, context=config.read)
    noise = words_of(vocab)
    groups = [np.flatnonzero(patients == p) for p in np.unique(patients)]

    def ids(batch: Sequence[str]) -> torch.Tensor:
        return tokenizer(list(batch), padding=True, truncation=True, return_tensors="pt")["input_ids"].to(place)

    def batch(rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        index = pairs_of(patients, rng, config.patients, groups)
        goal = torch.from_numpy(targets[index]).to(place)
        read = [vary(texts[i][int(rng.integers(len(texts[i])))], rng, noise) for i in index]
        asked = rng.choice(len(names), min(config.queries, len(names)), replace=False)
        pairs = [query(names[k], rng) for k in asked]
        x = jitter(load(images, index).to(place), rng).contiguous(memory_format=torch.channels_last)
        with autocast(place):
            features = module.net.features(x)
        features = features.float()
        zt, zq = module.net.read(ids(read)), module.net.read(ids([p for pair in pairs for p in pair]))
        weight = torch.full((len(names),), 3.0, device=place)
        found = module.net.finding_head(features)
        f = F.binary_cross_entropy_with_logits(found, goal[:, : found.shape[1]], pos_weight=weight[: found.shape[1]])
        who = torch.from_numpy(patients[index]).to(place)
        p = same_patient_loss(F.normalize(module.net.identity_head(features), dim=-1), who, config.identity_scale)
        zi = module.net.score_head(features)
        c = contrast(zi, zt, module.scale.exp().clamp(max=100), soft_targets(goal))
        cosines = F.normalize(zi, dim=-1) @ F.normalize(zq, dim=-1).T
        logits = module.query_scale.exp() * (cosines[:, 0::2] - cosines[:, 1::2]) - 1.0
        q = F.binary_cross_entropy_with_logits(logits, goal[:, asked], pos_weight=weight[asked])
        loss = 4 * f + config.identity_weight * p + 0.5 * c + 2 * q
        return loss, {k: float(v.detach()) for k, v in {"find": f, "same": p, "clip": c, "query": q}.items()}

    weights, run = train(module, batch, schedule, work, say)
    module.load_state_dict(weights)
    return module.eval(), run


@torch.no_grad()
def features_of(net: JudgeNetwork, images: np.ndarray, batch: int = 64) -> np.ndarray:
    """Pooled features (N, D) float32 of uint8 images (N, S, S)."""
    place, net = net.finding_head.weight.device, net.eval()
    parts = [np.arange(start, min(start + batch, len(images))) for start in range(0, len(images), batch)]
    return np.concatenate([net.features(load(images, part).to(place)).float().cpu().numpy() for part in parts])


@torch.no_grad()
def export_judges(
    net: JudgeNetwork, vocab: dict[str, int], folder: Path, present: Mapping[str, float] | None = None
) -> None:
    """Write config.json, with what `calibrate` found to be `present`, float16 safetensors and the tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    make_tokenizer(vocab, folder, 96)
    (folder / "config.json").write_text(
        json.dumps(asdict(net.shape) | {"present": dict(present or {})}, indent=1), encoding="utf-8"
    )
    files.write_half(net, folder / "judges.safetensors")
