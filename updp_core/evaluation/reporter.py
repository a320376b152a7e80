"""A small report generator: image -> report, for comparing what different training pairs are worth.

A convolutional encoder reads an image as 8 x 8 places, a Transformer decoder (Vaswani et al. 2017) writes words over
them. Both start from nothing, so all that they know is in the pairs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

SIDE = 64
_PAD, _BEGIN, _END, _UNKNOWN = range(4)
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?|[.,:;]")


@dataclass(frozen=True)
class ReporterConfig:
    """Shape and training: `steps` of `batch` pairs; reports are cut after `longest` words, and words that stand in
    fewer than `least` reports are not learned."""

    width: int = 128
    layers: int = 2
    longest: int = 96
    least: int = 2
    steps: int = 1500
    batch: int = 24
    rate: float = 1e-3


def words(report: str) -> list[str]:
    """A report as the generator reads and writes it: lower-case words and points."""
    return _WORD.findall(report.lower())


def small(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Images (B, S, S) in 0..1 as the generator sees them: block means (B, 64, 64), each with mean 0, deviation 1."""
    block = images.shape[-1] // SIDE
    x = images[:, : SIDE * block, : SIDE * block].reshape(len(images), SIDE, block, SIDE, block).mean((2, 4))
    flat = x.reshape(len(x), -1)
    return np.asarray((flat - flat.mean(1, keepdims=True)) / (flat.std(1, keepdims=True) + 1e-6), np.float32).reshape(
        x.shape
    )


class _Network(nn.Module):
    def __init__(self, vocabulary: int, config: ReporterConfig) -> None:
        super().__init__()
        width, sizes = config.width, (1, 32, 64, config.width)
        self.see = nn.Sequential(
            *(layer for a, b in pairwise(sizes) for layer in (nn.Conv2d(a, b, 3, 2, 1), nn.GroupNorm(8, b), nn.GELU()))
        )
        self.place = nn.Parameter(0.02 * torch.randn(1, (SIDE // 8) ** 2, width))
        self.word, self.order = nn.Embedding(vocabulary, width), nn.Embedding(config.longest + 1, width)
        layer = nn.TransformerDecoderLayer(width, 4, 2 * width, 0.1, batch_first=True, norm_first=True)
        self.write = nn.TransformerDecoder(layer, config.layers)
        self.out = nn.Linear(width, vocabulary)

    def forward(self, seen: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Places (B, P, W) and words so far (B, L) -> logits of each next word (B, L, V)."""
        length = ids.shape[1]
        mask = torch.triu(torch.full((length, length), float("-inf"), device=ids.device), 1)
        x = self.word(ids) + self.order(torch.arange(length, device=ids.device))
        return self.out(self.write(x, seen, tgt_mask=mask))

    def look(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 64, 64) -> places (B, P, W)."""
        return self.see(images[:, None]).flatten(2).transpose(1, 2) + self.place


class Reporter:
    """A trained generator of reports."""

    def __init__(self, network: _Network, vocabulary: Sequence[str], config: ReporterConfig) -> None:
        self.network, self.vocabulary, self.config = network.eval(), tuple(vocabulary), config

    @torch.no_grad()
    def write(self, images: NDArray[np.float32], batch: int = 64) -> list[str]:
        """The likeliest report, word by word, of images (B, 64, 64) as `small` gives them."""
        texts: list[str] = []
        for start in range(0, len(images), batch):
            seen = self.network.look(torch.from_numpy(images[start : start + batch]))
            ids = torch.full((len(seen), 1), _BEGIN)
            for _ in range(self.config.longest):
                logits = self.network(seen, ids)[:, -1]
                logits[:, [_PAD, _BEGIN, _UNKNOWN]] = float("-inf")
                now = logits.argmax(dim=1)
                ids = torch.cat([ids, torch.where((ids == _END).any(dim=1), _PAD, now)[:, None]], dim=1)
                if bool((ids == _END).any(dim=1).all()):
                    break
            texts += [" ".join(self.vocabulary[i] for i in row if i > _UNKNOWN) for row in ids.tolist()]
        return texts


def train_reporter(
    images: NDArray[np.float32],
    reports: Sequence[str],
    config: ReporterConfig,
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> Reporter:
    """Train on pairs: images (N, 64, 64) as `small` gives them, and a report each. The same pairs and seed give the
    same generator on one machine. Raises ValueError without pairs."""
    if not len(images) or len(images) != len(reports):
        raise ValueError("Each image needs its report, and there must be one at least.")
    read = [words(report)[: config.longest - 1] for report in reports]
    seen = Counter(word for text in read for word in set(text))
    least = min(config.least, len(read))
    vocabulary = ["", "", "", "", *sorted(word for word, count in seen.items() if count >= least)]
    number = {word: i for i, word in enumerate(vocabulary) if word}
    ids = torch.full((len(read), config.longest + 1), _PAD)
    for row, text in zip(ids, read, strict=True):
        row[: len(text) + 2] = torch.tensor([_BEGIN, *(number.get(word, _UNKNOWN) for word in text), _END])
    torch.manual_seed(seed)
    network, drawn = _Network(len(vocabulary), config), torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.rate, total_steps=config.steps, pct_start=0.1)
    pictures, order = torch.from_numpy(np.ascontiguousarray(images)), torch.zeros(0, dtype=torch.long)
    for step in range(config.steps):
        while len(order) < config.batch:
            order = torch.cat([order, torch.randperm(len(read), generator=drawn)])
        now, order = order[: config.batch], order[config.batch :]
        said = ids[now][:, : int((ids[now] != _PAD).sum(dim=1).max())]
        logits = network(network.look(pictures[now]), said[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), said[:, 1:].flatten(), ignore_index=_PAD)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 100 == 99:
            say(f"reporter: {step + 1} of {config.steps} steps, loss {loss.item():.3f}")
    return Reporter(network, vocabulary, config)
