"""What the optimisers beside UPDP's own share: the space of allowed prompts, its score, and a budget.

An optimiser is one function `run(search)`: it asks for scores and gradients until the budget is gone. What it may
score is decided here: allowed tokens only, a text in which nothing is forbidden and that says what the report says, and
that the encoder's tokenizer reads as the very same tokens (else another prompt would be scored than is generated from).
The budget counts passes of one prompt through the text encoder: a forward pass 1, a backward pass 1 more.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from updp_core.config import PromptConfig
from updp_core.domain import Image16, Prompt
from updp_core.errors import PromptError
from updp_core.prompt.constraint import Constraint
from updp_core.prompt.projection import Choice, candidates, choose, provenance, random_start, unit_rows

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from updp_core.backends.encoder import Encoder

_AT_ONCE = 128
_TRIES = 64


class Search:
    """One record's search. `best` (token ids) and `best_score` (cosine with the image) never get worse.

    `start` is the constrained report, or random words where it has none. `open` (L, V) says which token may stand at
    which position: allowed, of the start token's shape (with `whole_words`), without a finding of its own; a position
    that carries a finding keeps its token.
    """

    def __init__(
        self,
        encoder: Encoder,
        constraint: Constraint,
        image: Image16,
        text: str,
        config: PromptConfig,
        seed: int,
        budget: int,
        meaning: Callable[[str], Hashable] | None = None,
    ) -> None:
        import torch

        self.encoder, self.constraint, self.config = encoder, constraint, config
        self.budget, self.used = budget, 0
        self.random = np.random.default_rng(seed)
        self.table = unit_rows(encoder.token_table)
        self.target = encoder.encode_image([image])[0]  # (D,)
        self.meaning = meaning
        self._known: dict[tuple[int, ...], bool] = {}
        usable = encoder.vocabulary.usable
        report = [i for i in encoder.encode_ids(text) if usable[i]][: config.length] if config.init == "report" else []
        generator = torch.Generator().manual_seed(seed)
        self.start, self.words = self._start(report, generator)
        self._said = self._says(self.start) if any(self.words) else None
        self.best, self.best_positions, self.best_score = tuple(self.start), tuple(range(len(self.start))), -np.inf
        self.best_soft = encoder.token_table[list(self.start)]
        self.trace: list[float] = []
        self.before = self._cosines([report])[0] if report else 0.0
        self.constrained = self.score([self.start])[0]

    @property
    def left(self) -> int:
        """Passes that the budget still holds."""
        return self.budget - self.used

    def note(self) -> None:
        """End a round: the best loss so far goes into the trace."""
        self.trace.append(1 - float(self.best_score))

    def admissible(self, ids: Sequence[int]) -> bool:
        """Whether a prompt may be scored, and so may come out. Costs nothing of the budget."""
        key = tuple(ids)
        if key not in self._known:
            self._known[key] = self._may(key)
        return self._known[key]

    def score(self, rows: Sequence[Sequence[int]]) -> list[float]:
        """Cosines of prompts with the image, as many as the budget holds; the best is kept. ValueError for a prompt
        that is not admissible."""
        if not all(map(self.admissible, rows)):
            raise ValueError("A prompt that breaks the constraint must not be scored.")
        rows = list(rows)[: max(0, self.left)]
        scores = self._cosines(rows)
        for row, score in zip(rows, scores, strict=True):
            self._keep(row, tuple(range(len(row))), score)
        return scores

    def gradient(self, ids: Sequence[int]) -> torch.Tensor:
        """(L, V): how the loss 1 - cos changes, to first order, with each token's share at each position."""
        _, slope = self.slope(ids)
        return slope.float() @ self.encoder.token_table.float().T

    def slope(self, ids: Sequence[int]) -> tuple[float, torch.Tensor]:
        """(cosine, gradient (L, d) of 1 - cos) at the embeddings of a prompt. Scores it as well, where it may be."""
        import torch

        content, mask = self.encoder.embed([list(ids)])
        content = content.detach().clone().requires_grad_(True)
        loss = 1 - (self.encoder.encode_embeddings(content, mask) * self.target).sum()
        (slope,) = torch.autograd.grad(loss, content)
        self.used += 2
        return 1 - float(loss.detach()), slope[0, : len(ids)]

    def open(self) -> torch.Tensor:
        """(L, V) bool: tokens that may stand at each position."""
        import torch

        vocabulary, start = self.constraint.vocabulary, list(self.start)
        free = self.constraint.allowed & np.asarray([self._silent(n) for n in range(len(vocabulary))])
        if self.config.whitelist == "only":
            free = free & self.constraint.preferred
        shape = vocabulary.joins_left * 2 + vocabulary.joins_right * 1
        rows = np.repeat(free[None], len(start), axis=0)
        for j, token in enumerate(start):
            if self.config.whole_words:
                rows[j] &= shape == shape[token]
            if self._carries(j):
                rows[j] = False
            rows[j, token] = True
        return torch.from_numpy(rows).to(self.encoder.token_table.device)

    def keep(self, choice: Choice, score: float, soft: torch.Tensor) -> None:
        """Remember a projected prompt with the soft embeddings (L, d) it came from, if it is admissible and better."""
        if choice.ids and self.admissible(choice.ids):
            self._keep(choice.ids, choice.positions, score, soft)

    def prompt(self) -> Prompt:
        """The best prompt with its provenance. Raises PromptError where none may be shown."""
        text = self.constraint.vocabulary.decode(self.best)
        if self.constraint.check(text):  # cannot be: only admissible prompts are kept
            raise PromptError("The prompt holds a forbidden term. Report this as a defect; nothing was generated.")
        choice = Choice(self.best, self.best_positions, text)
        return Prompt(
            text=text,
            tokens=provenance(self.best_soft.detach(), choice, self.table, self.constraint, self.words),
            alignment_before=self.before,
            alignment_after=float(self.best_score),
            alignment_soft=float(self.best_score),
            trace=tuple(self.trace),
            alignment_constrained=self.constrained,
            init="report" if any(self.words) else "random",
            evaluations=self.used,
        )

    def _keep(
        self, ids: Sequence[int], positions: tuple[int, ...], score: float, soft: torch.Tensor | None = None
    ) -> None:
        if score > self.best_score:
            self.best, self.best_positions, self.best_score = tuple(ids), positions, score
            self.best_soft = self.encoder.token_table[list(self.start)] if soft is None else soft.detach().clone()

    def _cosines(self, rows: Sequence[Sequence[int]]) -> list[float]:
        import torch

        scores: list[float] = []
        with torch.no_grad():
            for at in range(0, len(rows), _AT_ONCE):
                features = self.encoder.encode_embeddings(*self.encoder.embed(rows[at : at + _AT_ONCE]))
                scores += (features * self.target).sum(dim=-1).tolist()
        self.used += len(rows)
        return scores

    def _may(self, ids: tuple[int, ...]) -> bool:
        if not ids or not self.constraint.allowed[list(ids)].all():
            return False
        text = self.constraint.vocabulary.decode(ids)
        if self.encoder.encode_ids(text) != list(ids) or self.constraint.check(text):
            return False
        return self._said is None or self.meaning is None or self.meaning(text) == self._said

    def _says(self, ids: Sequence[int]) -> Hashable:
        return self.meaning(self.constraint.vocabulary.decode(list(ids))) if self.meaning else None

    def _silent(self, token: int) -> bool:
        return self.meaning is None or self.meaning(self.constraint.vocabulary.texts[token]) == self.meaning("")

    def _carries(self, position: int) -> bool:
        """Whether the prompt would say something else without the token at `position`."""
        if self._said is None or self.meaning is None:
            return False
        rest = [token for j, token in enumerate(self.start) if j != position]
        return self._says(rest) != self._said

    def _start(self, report: list[int], generator: torch.Generator) -> tuple[list[int], list[str]]:
        """Token ids that may be scored, and the report's word at each."""
        self._said = None
        words = self.constraint.vocabulary.words(report)
        if report:
            ranked = candidates(self.encoder.token_table[report], self.table, self.constraint, self.config, report)
            choice = choose(ranked, self.constraint)
            ids, from_words = list(choice.ids), [words[j] for j in choice.positions]
            # What re-tokenises differently is left out, from the end, until the text reads as its own tokens.
            while ids and not self._may(tuple(ids)):
                ids, from_words = ids[:-1], from_words[:-1]
            if len(ids) >= max(1, len(report) // 2):
                return ids, from_words
        for _ in range(_TRIES):
            ids = random_start(
                self.constraint, self.config.length, generator, preferred_only=self.config.init == "report"
            )
            while len(ids) > 1 and not self._may(tuple(ids)):
                ids = ids[:-1]
            if self._may(tuple(ids)):
                return ids, [""] * len(ids)
        raise PromptError("No text is left that the lexicon allows here. Remove terms from the blacklist.")


def random_search(search: Search) -> None:
    """The control: prompts drawn evenly from the same space, the same number of evaluations."""
    pools = pools_of(search)
    misses = 0
    while search.left > 0 and misses < 10_000:
        row = [int(search.random.choice(pool)) for pool in pools]
        if search.admissible(row):
            search.score([row])
            search.note()
        else:
            misses += 1


def pools_of(search: Search) -> list[NDArray[np.int64]]:
    """The tokens that may stand at each position."""
    rows = search.open().cpu().numpy()
    return [np.flatnonzero(row) for row in rows]
