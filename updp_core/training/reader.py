"""The generator's text encoder learns to read before the generator learns to draw.

Which findings a caption asserts, through negations, hedges and loose words, is a lesson of its own. The noisy loss of a
diffusion model teaches it slowly and says nothing of what was not learned: a finding that the text encoder cannot tell
from its denial ("hiatal hernia", "no hiatal hernia") is never drawn, however long the UNet trains. Taught directly it
takes minutes, and what is still read badly is said by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from updp_core.evaluation.statistics import auc

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
    text: Any,
    caption: Callable[[int, np.random.Generator], str],
    names: Sequence[str],
    targets: np.ndarray,
    probability: np.ndarray,
    tokenizer: Any,
    length: int,
    work: Path,
    schedule: Schedule,
    batch_size: int = 96,
    device: str = "auto",
    say: Callable[[str], None] = print,
) -> Run:
    """Teach `text` in place to tell targets (N, K), called `names`, from `caption(i, rng)`, images drawn by
    `probability` (N,)."""
    place = device_of(device)
    torch.manual_seed(schedule.seed)
    module = _Reader(text, targets.shape[1]).to(place)
    wanted = torch.from_numpy(targets.astype(np.float32)).to(place)

    def answers(rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        index = rng.choice(len(targets), batch_size, p=probability)
        ids, mask = read_texts(tokenizer, [caption(int(i), rng) for i in index], length)
        longest = int(mask.sum(dim=1).max())
        with autocast(place):
            answer = module(ids[:, :longest].to(place), mask[:, :longest].to(place))
        return answer, wanted[torch.from_numpy(index).to(place)]

    def batch(rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        answer, goal = answers(rng)
        loss = nn.functional.binary_cross_entropy_with_logits(answer.float(), goal)
        wrong = ((answer > 0) != (goal > 0.5)).float().mean()
        return loss, {"wrong": float(wrong)}

    weights, run = train(module, batch, schedule, work, say)
    module.load_state_dict(weights)
    module.eval()
    rng = np.random.default_rng([schedule.seed, 7006])
    with torch.no_grad():
        seen = [[part.float().cpu().numpy() for part in answers(rng)] for _ in range(10)]
    score, truth = (np.concatenate(part) for part in zip(*seen, strict=True))
    told = {name: float(auc(truth[:, k], score[:, k])[0]) for k, name in enumerate(names)}
    worst = sorted((value, name) for name, value in told.items() if np.isfinite(value))[:3]
    say("reads worst: " + ", ".join(f"{name} {value:.3f}" for value, name in worst) + " (AUC on new captions)")
    return run
