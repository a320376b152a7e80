"""PEZ (Wen et al., NeurIPS 2023): gradients at the projected prompt move soft embeddings, under our constraint.

Written from the paper's description. The projection is UPDP's own: forbidden tokens are masked, and whatever completes
a forbidden term gives way to its next best.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from updp_core.prompt.projection import Choice, candidates, choose
from updp_core.prompt.search import Search

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


def run(search: Search) -> None:
    """Project, take the gradient there, move the soft embeddings by it; the best projected prompt is kept."""
    import torch

    encoder, config, open_ = search.encoder, search.config, search.open().cpu().numpy()
    soft = encoder.token_table[list(search.start)].detach().clone().requires_grad_(True)
    optimiser = torch.optim.AdamW([soft], lr=config.learning_rate * float(encoder.token_table.std()), weight_decay=0.0)
    while search.left >= 2:
        choice = _project(search, soft.detach(), open_)
        if not choice.ids:
            return
        score, slope = search.slope(choice.ids)
        search.keep(choice, score, soft)
        gradient = torch.zeros_like(soft)
        gradient[list(choice.positions)] = slope.to(gradient.dtype)
        soft.grad = gradient
        optimiser.step()
        search.note()


def _project(search: Search, soft: torch.Tensor, open_: NDArray[np.bool_]) -> Choice:
    """The nearest tokens that may stand at each position; where none is near enough, the start's own."""
    ranked = candidates(soft, search.table, search.constraint, search.config, search.start)
    rows = [[token for token in row if open_[j, token]] or [search.start[j]] for j, row in enumerate(ranked)]
    return choose(rows, search.constraint)
