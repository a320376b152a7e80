"""Networks that hide the patient and keep the findings: a U-Net against a verifier, with a classifier beside it.

The losses follow PriCheXy-Net (Packhaeuser et al., MICCAI 2023): binary cross-entropy of a classifier of findings on
the altered image, and mean(-log(1 - p)) where p is the verifier's belief that the altered image and another image show
one patient. The papers' verifier and classifier are trained once and frozen; ours go on learning from altered images,
pairs of one patient and of two, so that the loss cannot be met by a shift of all their answers. They are networks of
the judges' kind, smaller, with weights of their own: a judge must not have taken part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from updp_core.backends.judges import JudgeNetwork, JudgeShape
from updp_core.backends.obfuscator import UNet, UNetShape, redraw, resized, warp

from .augment import load
from .judges import pairs_of
from .loop import Run, Schedule, autocast, device_of, train


@dataclass(frozen=True)
class ObfuscatorConfig:
    """`patients` with two images each make a batch. `mu` is the reach of a warp while training, `verify` the weight of
    the verification loss, `size` the side in pixels at which verifier and classifier look, `widths` their channels."""

    patients: int = 8
    mu: float = 0.03
    verify: float = 1.0
    size: int = 128
    widths: tuple[int, ...] = (16, 32, 64, 128)


class Critic(nn.Module):
    """Verifier and classifier on one trunk."""

    def __init__(self, findings: int, config: ObfuscatorConfig) -> None:
        super().__init__()
        names = tuple(str(n) for n in range(findings))
        blocks = (1,) * len(config.widths)
        self.net = JudgeNetwork(JudgeShape(names, 2, config.size, config.widths, blocks, 64, 8, 8))
        self.same = nn.Linear(64, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, 1, S, S) in 0..1 -> logits of findings (B, F), points of patients (B, 64)."""
        features = self.net.features(x)
        return self.net.finding_head(features), self.net.identity_head(features)

    def alike(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Logit (B,) that two points belong to one patient, of their absolute difference."""
        return self.same((a - b).abs())[:, 0]


class ObfuscatorTrainer(nn.Module):
    """The network with those that it is trained against."""

    def __init__(self, shape: UNetShape, findings: int, config: ObfuscatorConfig) -> None:
        super().__init__()
        self.unet = UNet(shape)
        self.critic = Critic(findings, config)


def verification_loss(logits: torch.Tensor) -> torch.Tensor:
    """mean(-log(1 - p)) of the logits that altered image and other image show one patient."""
    return F.softplus(logits).mean()


def duel(
    critic: Critic, x: torch.Tensor, other: torch.Tensor, made: torch.Tensor, goal: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Both sides' losses on images `x` (B, 1, S, S), others of the same patients, and what was made of the first.

    "attack" and "read" teach the critic alone (patients, findings (B, F)), which takes `made` as it is; "utility" and
    "privacy" what made the images, which takes the critic as it is.
    """

    def findings(logits: torch.Tensor) -> torch.Tensor:
        return F.binary_cross_entropy_with_logits(logits, goal, pos_weight=torch.full_like(goal[0], 3.0))

    # The critic learns: real and altered images of one patient, and each with the next patient's.
    seen, z = critic(torch.cat([x, other, made.detach()]))
    a, b, c = z.chunk(3)
    pairs = [(a, b, 1.0), (a, b.roll(1, 0), 0.0), (c, b, 1.0), (c, b.roll(1, 0), 0.0)]
    logits = torch.cat([critic.alike(u, v) for u, v, _ in pairs])
    same = torch.cat([torch.full((len(u),), s, device=u.device) for u, _, s in pairs])
    attack = F.binary_cross_entropy_with_logits(logits, same)
    read = findings(seen[: len(x)]) + findings(seen[2 * len(x) :])
    # What makes the images learns: the critic's weights are constants here.
    frozen = {name: value.detach() for name, value in critic.named_parameters()}
    held = {name: value.detach().clone() for name, value in critic.named_buffers()}
    kept, hidden = functional_call(critic, (frozen, held), (made,))
    alike = F.linear((hidden - b.detach()).abs(), critic.same.weight.detach(), critic.same.bias.detach())[:, 0]
    return {"attack": attack, "read": read, "utility": findings(kept), "privacy": verification_loss(alike)}


def altered(unet: UNet, x: torch.Tensor, config: ObfuscatorConfig) -> torch.Tensor:
    """Images (B, 1, S, S) as the method makes them while training."""
    out = unet(x).float()
    return warp(x, out, config.mu) if unet.shape.kind == "warp" else redraw(x, out, 1.0)


def shrunk(images: np.ndarray, size: int) -> np.ndarray:
    """Images (N, S, S) uint8 at (N, size, size), once for the whole training."""
    if images.shape[1] == size:
        return images
    parts = (resized(load(images, np.arange(i, min(i + 64, len(images)))), size) for i in range(0, len(images), 64))
    return np.concatenate([(part[:, 0] * 255).round().to(torch.uint8).numpy() for part in parts])


def train_obfuscator(
    images: np.ndarray,
    patients: np.ndarray,
    targets: np.ndarray,
    work: Path,
    schedule: Schedule,
    shape: UNetShape,
    config: ObfuscatorConfig = ObfuscatorConfig(),
    device: str = "auto",
    say: Callable[[str], None] = print,
) -> tuple[UNet, Run]:
    """Train on images (N, S, S) uint8 with patient numbers (N,) and findings (N, F); returns the averaged network.

    Each step teaches both sides: the critic on real and altered images (which it takes as they are), the U-Net against
    the critic (whose weights it takes as they are).
    """
    place = device_of(device)
    torch.manual_seed(schedule.seed)
    module = ObfuscatorTrainer(shape, targets.shape[1], config).to(place)
    groups = [g for p in np.unique(patients) if len(g := np.flatnonzero(patients == p)) > 1]
    images = shrunk(images, config.size)

    def batch(rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        index = pairs_of(patients, rng, config.patients, groups)
        first, second = index[0::2], index[1::2]
        goal = torch.from_numpy(targets[first]).float().to(place)
        x, other = (load(images, part).to(place) for part in (first, second))
        with autocast(place):
            made = altered(module.unet, x, config)
        told = duel(module.critic, x, other, made, goal)
        loss = told["attack"] + told["read"] + told["utility"] + config.verify * told["privacy"]
        if shape.kind == "image":  # from nothing, the losses alone would not lead to a radiograph
            likeness = F.l1_loss(made, x)
            loss, told["likeness"] = loss + 4 * likeness, likeness
        return loss, {name: float(value.detach()) for name, value in told.items()}

    weights, run = train(module, batch, schedule, work, say)
    module.load_state_dict(weights)
    return module.unet.eval(), run
