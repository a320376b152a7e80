"""The network of `identity-blocking`: a decoder for blocked patches, against a verifier and beside a classifier.

The duel of `obfuscator.py`, with a share of patches blocked that differs from image to image, ranked by the saliency of
the verifier as it stands, and with a code of the frozen encoder's features whose rate is paid for: the weight beta
differs from image to image too, and the network is told it, so that both can be set when it is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from updp_core.backends.blocking import BETA, Blocker, BlockingShape, blocked, composed, enlarged, rate
from updp_core.backends.encoder import Encoder

from .augment import load
from .judges import pairs_of
from .loop import Run, Schedule, autocast, device_of, train
from .obfuscator import Critic, ObfuscatorConfig, duel, shrunk


@dataclass(frozen=True)
class BlockingConfig:
    """`patients` with two images each make a batch. `verify` is the weight of the verification loss, `likeness` that of
    the mean absolute difference to the source in blocked patches."""

    patients: int = 8
    verify: float = 1.0
    likeness: float = 8.0


class BlockingTrainer(nn.Module):
    """The network with its adversary, whose trunk is the network's own verifier."""

    def __init__(self, shape: BlockingShape) -> None:
        super().__init__()
        self.critic = Critic(shape.findings, ObfuscatorConfig(size=shape.size, widths=shape.widths))
        self.blocker = Blocker(shape)
        self.blocker.verifier = self.critic.net


def features_of(encoder: Encoder, images: np.ndarray, file: Path) -> np.ndarray:
    """What the frozen encoder sees of images (N, S, S) uint8: (N, D), kept in `file` and gone on from there."""
    known = [np.load(file)] if file.is_file() else []
    done = len(known[0]) if known else 0
    parts = [
        encoder.encode_image(list(images[i : i + 32])).float().numpy(force=True) for i in range(done, len(images), 32)
    ]
    found = np.concatenate([*known, *parts])
    if parts:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, found)
    return found[: len(images)]


def train_blocker(
    images: np.ndarray,
    features: np.ndarray,
    patients: np.ndarray,
    targets: np.ndarray,
    work: Path,
    schedule: Schedule,
    shape: BlockingShape,
    config: BlockingConfig = BlockingConfig(),
    device: str = "auto",
    say: Callable[[str], None] = print,
) -> tuple[Blocker, Run]:
    """Train on images (N, S, S) uint8, their features (N, D), patient numbers (N,) and findings (N, F); returns the
    averaged network."""
    place = device_of(device)
    torch.manual_seed(schedule.seed)
    module = BlockingTrainer(shape).to(place)
    groups = [g for p in np.unique(patients) if len(g := np.flatnonzero(patients == p)) > 1]
    images = shrunk(images, shape.size)

    def batch(rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        index = pairs_of(patients, rng, config.patients, groups)
        first, second = index[0::2], index[1::2]
        goal = torch.from_numpy(targets[first]).float().to(place)
        x, other = (load(images, part).to(place) for part in (first, second))
        seen = torch.from_numpy(features[first]).float().to(place)
        saliency = module.blocker.saliency(x)
        shares = rng.uniform(0, 1, len(x))
        mask = torch.cat([blocked(saliency[i : i + 1], float(share)) for i, share in enumerate(shares)])
        low, high = map(math.log, BETA)
        beta = torch.from_numpy(np.exp(rng.uniform(low, high, len(x)))).float().to(place)
        with autocast(place):
            mean, spread = module.blocker.code(seen, beta)
            drawn = module.blocker.draw(x, mask, mean + (spread / 2).exp() * torch.randn_like(mean)).float()
        made = composed(x, mask, drawn)
        told = duel(module.critic, x, other, made, goal)
        hidden = enlarged(mask, x.shape[-1])
        told["likeness"] = ((drawn - x).abs() * hidden).sum() / hidden.sum().clamp_min(1)
        nats = rate(mean.float(), spread.float())
        told["rate"] = (beta * nats).mean() / shape.code
        loss = told["attack"] + told["read"] + told["utility"] + config.verify * told["privacy"]
        loss = loss + config.likeness * told["likeness"] + told["rate"]
        return loss, {name: float(value.detach()) for name, value in told.items()} | {
            "nats": float(nats.detach().mean())
        }

    weights, run = train(module, batch, schedule, work, say)
    module.load_state_dict(weights)
    return module.blocker.eval(), run
