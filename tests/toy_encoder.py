"""A very small encoder over any vocabulary, for property tests of constraint and projection.

It has every part that the optimisation uses (token table, differentiable text features, image features), with a mean
over tokens in place of a transformer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from updp_core.backends.vocabulary import Vocabulary
from updp_core.domain import Image16


@dataclass(frozen=True)
class ToyEncoder:
    vocabulary: Vocabulary
    token_table: torch.Tensor
    max_content: int = 24

    @classmethod
    def random(cls, vocabulary: Vocabulary, seed: int = 0, width: int = 8) -> ToyEncoder:
        generator = torch.Generator().manual_seed(seed)
        return cls(vocabulary, torch.randn(len(vocabulary), width, generator=generator))

    def encode_ids(self, text: str) -> list[int]:
        """Greedy longest match, word by word, as WordPiece does; words that cannot be spelled are left out."""
        words = self.vocabulary
        ids: list[int] = []
        for word in text.lower().split():
            pieces, at = [], 0
            while at < len(word):
                fits = [
                    i
                    for i, piece in enumerate(words.texts)
                    if piece
                    and word.startswith(piece, at)
                    and (words.joins_left[i] == (at > 0) or not words.joins_left.any())
                    and (words.joins_right[i] == (at + len(piece) < len(word)) or not words.joins_right.any())
                ]
                if not fits:
                    pieces = []
                    break
                best = max(fits, key=lambda i: len(words.texts[i]))
                pieces.append(best)
                at += len(words.texts[best])
            ids += pieces
        return ids

    def embed(self, ids: Sequence[Sequence[int]], length: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
        length = max([length, *map(len, ids)])
        mask = torch.tensor([[n < len(row) for n in range(length)] for row in ids])
        padded = torch.tensor([[*row, *([0] * (length - len(row)))] for row in ids])
        return self.token_table[padded], mask

    def encode_embeddings(self, content: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        weights = (1 + torch.arange(content.shape[1]) / 10)[None, :, None] * mask[..., None]
        return torch.nn.functional.normalize(torch.tanh(content * weights).sum(dim=1) + 1e-3, dim=-1)

    def encode_image(self, images: Sequence[Image16]) -> torch.Tensor:
        seeds = [int(image.sum()) for image in images]
        width = self.token_table.shape[1]
        rows = [torch.randn(width, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        return torch.nn.functional.normalize(torch.stack(rows), dim=-1)


def images(*seeds: int) -> list[Image16]:
    """Small images, each with its own sum."""
    return [np.full((4, 4), 7 * seed + 1, dtype=np.uint16) for seed in seeds]
