"""The generator's text encoder learns to read before the generator learns to draw.

Which findings a caption asserts, through negations, hedges and loose words, is a lesson of its own. From the noisy loss
of a diffusion model it is learned slowly: after 55,000 images a linear reader of the text encoder's states told the
findings of optimised prompts with an AUC of 0.87. Taught directly, a few minutes of text alone do better, and the
UNet finds the findings ready in every state that it attends to.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from .generator import read_texts
from .loop import Run, Schedule, autocast, device_of, train


class _Reader(nn.Module):
    """A text encoder with one linear answer for each finding, read off the mean of its states."""

    def __init__(self, text: Any, findings: int) -> None:
        super().__init__()
        self.text = text
        self.answer = nn.Linear(text.config.hidden_size, findings)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        hidden = self.text(ids, attention_mask=mask).last_hidden_state
        kept = mask[..., None].to(hidden.dtype)
        return self.answer((hidden * kept).sum(dim=1) / kept.sum(dim=1).clamp(min=1))


def train_reader(
    text: Any, caption: Callable[[int, np.random.Generator], str], targets: np.ndarray, probability: np.ndarray,
    tokenizer: Any, length: int, work: Path, schedule: Schedule, batch_size: int = 48, device: str = "auto",
    say: Callable[[str], None] = print,
) -> Run:  # fmt: skip
    """Teach `text` in place to tell targets (N, K) from `caption(i, rng)`, images drawn by `probability` (N,)."""
    place = device_of(device)
    torch.manual_seed(schedule.seed)
    module = _Reader(text, targets.shape[1]).to(place)
    wanted = torch.from_numpy(targets.astype(np.float32)).to(place)

    def batch(rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        index = rng.choice(len(targets), batch_size, p=probability)
        ids, mask = read_texts(tokenizer, [caption(int(i), rng) for i in index], length)
        longest = int(mask.sum(dim=1).max())
        with autocast(place):
            answer = module(ids[:, :longest].to(place), mask[:, :longest].to(place))
        goal = wanted[torch.from_numpy(index).to(place)]
        loss = nn.functional.binary_cross_entropy_with_logits(answer.float(), goal)
        wrong = ((answer > 0) != (goal > 0.5)).float().mean()
        return loss, {"wrong": float(wrong)}

    weights, run = train(module, batch, schedule, work, say)
    module.load_state_dict(weights)
    return run
