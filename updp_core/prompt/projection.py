"""Constrained projection of soft embeddings onto tokens (paper, eq. 4-6, 8, 9; Algorithm 1, lines 11-17).

Scores and top-K are computed for many positions at once; the choice is then made record by record, because the last
word belongs to the check of the whole text: whatever piece completes a forbidden term is refused and replaced by its
next best token, and where none is left the position is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from updp_core.config import PromptConfig
from updp_core.domain import RefusedToken, Token
from updp_core.errors import PromptError
from updp_core.prompt.constraint import Constraint

if TYPE_CHECKING:
    import torch

# How many candidates beyond the top K stand by for positions whose choice is refused by the text check.
SPARE = 48
REFUSED_SHOWN = 3
_POSITIONS_AT_ONCE = 256


@dataclass(frozen=True)
class Choice:
    """A projected record: chosen tokens, the positions (of the soft prompt) that they fill, and their text.

    `refusals` lists (position, token, entry) for tokens that the text check refused.
    """

    ids: tuple[int, ...]
    positions: tuple[int, ...]
    text: str
    refusals: tuple[tuple[int, int, str], ...] = ()


def unit_rows(table: torch.Tensor) -> torch.Tensor:
    """(V, d) with l2-normalised rows, float32."""
    import torch

    return torch.nn.functional.normalize(table.float(), dim=-1)


def candidates(
    soft: torch.Tensor,
    unit_table: torch.Tensor,
    constraint: Constraint,
    config: PromptConfig,
    shapes: Sequence[int] | None = None,
    noise: torch.Tensor | None = None,
) -> list[list[int]]:
    """For each of N soft embeddings (N, d) the token ids it may become, best first (eq. 8, 4, 9, 6).

    The first K are ordered by cosine + lambda for whitelisted tokens: greedily, or as softmax sampling at the
    temperature draws them (`noise` (N, K) holds Gumbel variates: their order is that of drawing without replacement).
    `shapes` are the initial tokens: with `whole_words` a candidate joins its neighbours exactly as they do.
    """
    import torch

    vocabulary, device = constraint.vocabulary, soft.device
    open_ = torch.from_numpy(constraint.allowed).to(device)
    preferred = torch.from_numpy(constraint.preferred).to(device)
    if config.whitelist == "only":
        open_ = open_ & preferred  # Algorithm 1, line 14
    kinds = torch.from_numpy(vocabulary.joins_left * 2 + vocabulary.joins_right * 1).to(device)  # (V,)
    k = min(config.top_k, len(vocabulary))
    reach = min(k + SPARE, len(vocabulary))
    result: list[list[int]] = []
    for start in range(0, len(soft), _POSITIONS_AT_ONCE):
        rows = slice(start, start + _POSITIONS_AT_ONCE)
        scores = torch.nn.functional.normalize(soft[rows].float(), dim=-1) @ unit_table.T  # (n, V), eq. 8
        mask = open_[None]
        if config.whole_words:
            wanted = torch.zeros(len(scores), 1, dtype=kinds.dtype, device=device)
            if shapes is not None:
                wanted = kinds[torch.as_tensor(shapes[rows], device=device)][:, None]
            mask = mask & (kinds[None] == wanted)
        scores = scores.masked_fill(~mask, -torch.inf)  # eq. 4
        values, ids = scores.topk(reach, dim=-1)  # eq. 9
        biased = values[:, :k] + config.bias * preferred[ids[:, :k]]  # eq. 6
        if config.temperature > 0 and noise is not None:
            biased = biased / config.temperature + noise[rows].to(device)
        order = torch.argsort(biased, dim=-1, descending=True, stable=True)
        ranked = torch.cat([ids[:, :k].gather(1, order), ids[:, k:]], dim=1).cpu().numpy()
        counts = torch.isfinite(values).sum(dim=-1).tolist()  # -inf sorts last, in both parts
        result += [row[:count].tolist() for row, count in zip(ranked, counts, strict=True)]
    return result


def choose(ranked: Sequence[Sequence[int]], constraint: Constraint) -> Choice:
    """The best token at each position such that the text as a whole holds nothing forbidden.

    Where the text check fires, the last token that touches the hit (the piece that completes it) gives way to its
    next best. Every round refuses at least one candidate, so the loop ends; at the latest with an empty text.
    """
    vocabulary = constraint.vocabulary
    at = [0] * len(ranked)
    refusals: list[tuple[int, int, str]] = []
    while True:
        kept = [j for j, row in enumerate(ranked) if at[j] < len(row)]
        ids = [ranked[j][at[j]] for j in kept]
        text, spans = vocabulary.layout(ids)
        hits = constraint.check(text)
        if not hits:
            return Choice(tuple(ids), tuple(kept), text, tuple(refusals))
        culprits: dict[int, str] = {}
        for hit in hits:
            touching = [n for n, (start, end) in enumerate(spans) if start < hit.end and hit.start < end]
            culprits.setdefault(touching[-1] if touching else len(kept) - 1, hit.term)
        for n, term in culprits.items():
            refusals.append((kept[n], ids[n], term))
            at[kept[n]] += 1


def provenance(
    soft: torch.Tensor,
    choice: Choice,
    unit_table: torch.Tensor,
    constraint: Constraint,
    report_words: Sequence[str],
) -> tuple[Token, ...]:
    """Where each chosen token comes from: soft (L, d) and the report's word at each of the L positions.

    Rank 1 is the token nearest to the soft embedding among all usable tokens, forbidden ones included.
    """
    import torch

    vocabulary = constraint.vocabulary
    if not choice.ids:
        return ()
    at = torch.as_tensor(choice.positions, device=soft.device)
    scores = torch.nn.functional.normalize(soft[at].float(), dim=-1) @ unit_table.T  # (n, V)
    scores = scores.masked_fill(~torch.from_numpy(vocabulary.usable).to(soft.device), -torch.inf)
    ids = torch.as_tensor(choice.ids, device=soft.device)
    cosines = scores.gather(1, ids[:, None])  # (n, 1)
    ranks = (scores > cosines).sum(dim=1) + 1
    forbidden = scores.masked_fill(~torch.from_numpy(constraint.forbidden).to(soft.device), -torch.inf)
    best, best_ids = forbidden.topk(min(REFUSED_SHOWN, len(vocabulary)), dim=-1)
    words = vocabulary.words(choice.ids)
    tokens = []
    for n, (token, position) in enumerate(zip(choice.ids, choice.positions, strict=True)):
        cosine = float(cosines[n, 0])
        refused = [
            RefusedToken(vocabulary.texts[i], round(score, 4), constraint.entry(i))
            for score, i in zip(best[n].tolist(), best_ids[n].tolist(), strict=True)
            if np.isfinite(score) and score > cosine
        ]
        refused += [
            RefusedToken(vocabulary.texts[i], round(float(scores[n, i]), 4), entry)
            for where, i, entry in choice.refusals
            if where == position
        ]
        liked = bool(constraint.preferred[token]) or constraint.lexicon.allows(words[n])
        tokens.append(
            Token(
                id=int(token),
                text=vocabulary.texts[token],
                role="whitelist" if liked else "neutral",
                cosine=round(cosine, 4),
                rank=int(ranks[n]),
                report_word=report_words[position],
                refused=tuple(refused[: 2 * REFUSED_SHOWN]),
            )
        )
    return tuple(tokens)


def gumbel(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Standard Gumbel variates of a seeded generator on the CPU, the same on every machine."""
    import torch

    uniform = torch.rand(shape, generator=generator, dtype=torch.float64).clamp_min(1e-300)
    return (-(-uniform.log()).log()).float()


def random_start(constraint: Constraint, length: int, generator: torch.Generator, *, preferred_only: bool) -> list[int]:
    """`length` random whole-word tokens: of the whitelist where `preferred_only` and it has any, else of all allowed.

    Raises PromptError where the lexicon leaves no token at all.
    """
    import torch

    whole = constraint.allowed & constraint.vocabulary.whole
    pools: list[NDArray[np.intp]] = [np.flatnonzero(mask) for mask in (whole, constraint.allowed)]
    if preferred_only:
        pools.insert(0, np.flatnonzero(whole & constraint.preferred))
    pool = next((p for p in pools if len(p)), None)
    if pool is None:
        raise PromptError("The lexicon forbids every token of this encoder. Remove terms from the blacklist.")
    drawn = torch.randint(len(pool), (length,), generator=generator).numpy()
    return [int(token) for token in pool[drawn]]
