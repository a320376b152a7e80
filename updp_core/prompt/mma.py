"""MMA-Diffusion's prompt search (Yang et al., CVPR 2024), towards an image and under our constraint.

Written from the paper's description. Three things differ from it. The target is the image's embedding and not that of
a target text, which is how the UPDP paper uses it. Each position is swapped by its own gradient; the published code
takes the left neighbour's. The start is the report and not random letters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from updp_core.prompt.search import Search

if TYPE_CHECKING:
    import torch

SWAPS = 512
"""Prompts tried a step, each with one token swapped; the positions take turns. A small budget has fewer a step, so that
there are `ROUNDS` steps all the same."""
ROUNDS = 16
TOP = 256


def run(search: Search) -> None:
    """Step by step: rank tokens by the gradient, try swaps, move to the best of them even where it is worse."""
    now, open_ = list(search.start), search.open()
    swaps = min(SWAPS, max(ROUNDS, search.budget // ROUNDS))
    while search.left > 2:
        pools = promising(search.gradient(now), open_)
        rows: list[list[int]] = []
        for n in range(min(swaps, search.left)):
            j = n * len(now) // swaps if swaps >= len(now) else int(search.random.integers(len(now)))
            row = [*now[:j], int(search.random.choice(pools[j])), *now[j + 1 :]]
            if row != now and row not in rows and search.admissible(row):
                rows.append(row)
        if rows:
            scores = search.score(rows)
            now = rows[int(np.argmax(scores))] if scores else now
        search.note()


def promising(gradient: torch.Tensor, open_: torch.Tensor, top: int = TOP) -> list[list[int]]:
    """For each position the tokens whose row-normalised gradient (L, V) promises most, of those that may stand there.

    The mask acts before the ranking: a forbidden token cannot take a place in it.
    """
    import torch

    unit = torch.nn.functional.normalize(gradient, dim=-1).masked_fill(~open_, torch.inf)
    values, ids = unit.topk(min(top, unit.shape[1]), dim=-1, largest=False)
    return [row[finite].tolist() for row, finite in zip(ids, torch.isfinite(values), strict=True)]
