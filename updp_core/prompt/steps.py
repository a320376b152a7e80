"""STEPS (Qiu et al., CVPR 2025): a probability over prompts, kept as a tensor train, is moved towards the best ones.

Written from the paper's description. Each round ranks tokens by the gradient at the present prompt and lays a tensor
train over the choices; batches are drawn from it, and the likelihood of each batch's best is raised (PROTES). Unlike
the published code, forbidden tokens are masked before the ranking, what re-tokenises differently is not scored, and
each batch's update is used. The next round starts from this round's best, even where the record is better.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from updp_core.prompt.mma import promising
from updp_core.prompt.search import Search

if TYPE_CHECKING:
    import torch

TOP, ELITES = 64, 8
BATCH, BEST, BATCHES = 100, 10, 10
RANK, RATE = 5, 0.05
ROUNDS = 20
"""Batches that a small budget is spread over: they are smaller then."""
_DRAWS = 6
"""Batches that are drawn at most to fill one with prompts that may be scored."""


def run(search: Search) -> None:
    """Rounds of gradient, tensor train and batches, until the budget is gone."""
    open_, elites = search.open(), [list(search.start)]
    batch = min(BATCH, max(2 * BEST, search.budget // ROUNDS))
    while search.left > 2:
        pools = promising(search.gradient(elites[0]), open_, TOP)
        choices = [list(dict.fromkeys([*(e[j] for e in elites), *pool])) for j, pool in enumerate(pools)]
        scored = _round(search, choices, batch)
        best = sorted(scored, key=lambda row: -scored[row])[:ELITES]
        elites = [list(row) for row in best] or elites
        search.note()


def _round(search: Search, choices: list[list[int]], batch: int) -> dict[tuple[int, ...], float]:
    """Draw, score, learn, `BATCHES` times: prompts of this round with their scores."""
    import torch

    generator = torch.Generator().manual_seed(int(search.random.integers(2**31)))
    train = TensorTrain([len(choice) for choice in choices], RANK, generator)
    optimiser = torch.optim.Adam(train.cores, lr=RATE)
    scored: dict[tuple[int, ...], float] = {}
    for _ in range(BATCHES):
        if search.left < 1:
            break
        places = _admissible(search, train, choices, min(batch, search.left), scored)
        if not places:
            break
        rows = [tuple(choices[j][i] for j, i in enumerate(place)) for place in places]
        scores = search.score(rows)
        scored |= dict(zip(rows, scores, strict=True))
        order = np.argsort(scores)[::-1][: max(1, batch * BEST // BATCH)]
        loss = -train.log_likelihood(torch.tensor([places[n] for n in order])).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return scored


def _admissible(
    search: Search, train: TensorTrain, choices: list[list[int]], count: int, seen: dict[tuple[int, ...], float]
) -> list[list[int]]:
    found: dict[tuple[int, ...], list[int]] = {}
    for _ in range(_DRAWS):
        before = len(found)
        for place in train.draw(BATCH).tolist():
            row = tuple(choices[j][i] for j, i in enumerate(place))
            if row not in found and row not in seen and search.admissible(row):
                found[row] = place
            if len(found) == count:
                return list(found.values())
        if len(found) == before:  # the space is small, or narrow
            break
    return list(found.values())


class TensorTrain:
    """A probability over (n_1 x ... x n_L) choices: p(i) is proportional to G_1[i_1] G_2[i_2] ... G_L[i_L], G >= 0."""

    def __init__(self, sizes: list[int], rank: int, generator: torch.Generator) -> None:
        import torch

        ranks = [1, *[rank] * (len(sizes) - 1), 1]
        self.generator = generator
        self.cores = [
            torch.rand(a, n, b, generator=generator, dtype=torch.float64).requires_grad_(True)
            for a, n, b in zip(ranks[:-1], sizes, ranks[1:], strict=True)
        ]

    def draw(self, count: int) -> torch.Tensor:
        """(count, L) choices, position by position, each given those before it."""
        import torch

        with torch.no_grad():
            tails = self._tails()
            state, chosen = torch.ones(count, 1, dtype=torch.float64), []
            for core, tail in zip(self.cores, tails, strict=True):
                weights = torch.einsum("ca,anb,b->cn", state, core.abs(), tail)
                place = torch.multinomial(weights, 1, generator=self.generator)[:, 0]
                state = torch.einsum("ca,acb->cb", state, core.abs()[:, place])
                state = state / state.sum(dim=1, keepdim=True)
                chosen.append(place)
        return torch.stack(chosen, dim=1)

    def log_likelihood(self, places: torch.Tensor) -> torch.Tensor:
        """(count,) log p of choices (count, L); differentiable in the cores."""
        import torch

        state, total = torch.ones(len(places), 1, dtype=torch.float64), torch.zeros(len(places), dtype=torch.float64)
        for j, (core, tail) in enumerate(zip(self.cores, self._tails(), strict=True)):
            weights = torch.einsum("ca,anb,b->cn", state, core.abs(), tail)
            here = weights.gather(1, places[:, j : j + 1])[:, 0]
            total = total + (here / weights.sum(dim=1)).log()
            state = torch.einsum("ca,acb->cb", state, core.abs()[:, places[:, j]])
            state = state / state.sum(dim=1, keepdim=True)
        return total

    def _tails(self) -> list[torch.Tensor]:
        """For each position the sum over everything behind it, scaled to 1."""
        import torch

        tail, tails = torch.ones(1, dtype=torch.float64), []
        for core in reversed(self.cores):
            tails.append(tail)
            tail = core.abs().sum(dim=1) @ tail
            tail = tail / tail.sum()
        return tails[::-1]
