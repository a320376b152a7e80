"""Prompt optimisation: semantic alignment with the image, then constrained projection (paper, Algorithm 1).

Everything is batched over records: their content embeddings H (B, L, d) are padded to the prompt's length and masked,
so that each record's result depends on its own image, text and seed alone, not on its neighbours in the batch. Single
precision keeps this promise on one machine; another processor may round otherwise, and Adam over many steps makes more
of it. So a prompt is stored with its pair, and making it again says whether it came out the same.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from updp_core.config import PromptConfig
from updp_core.domain import Image16, Prompt
from updp_core.errors import PromptError, UsageError
from updp_core.prompt.constraint import Constraint
from updp_core.prompt.projection import Choice, candidates, choose, gumbel, provenance, random_start, unit_rows

if TYPE_CHECKING:
    import torch

    from updp_core.backends.encoder import Encoder


@dataclass
class _Record:
    """One record on its way: the tokens that the next alignment starts from, and the best prompt so far."""

    ids: list[int]
    report_words: list[str]
    fallback: bool
    generator: torch.Generator
    before: float = 0.0
    constrained: float = 0.0
    best_score: float = float("-inf")
    best: Choice | None = None
    best_soft: torch.Tensor | None = None
    best_words: list[str] = field(default_factory=list)
    soft_score: float = float("-inf")
    trace: list[float] = field(default_factory=list)


def optimise(
    encoder: Encoder,
    constraint: Constraint,
    images: Sequence[Image16],
    texts: Sequence[str],
    config: PromptConfig,
    seeds: Sequence[int],
    meaning: Callable[[str], Hashable] | None = None,
) -> list[Prompt]:
    """One prompt per record, of at most `config.length` tokens, that holds nothing the lexicon forbids.

    `images` are (H, W) grayscale, `texts` the filtered reports' prompt texts, `seeds` one int per record. A record
    whose text has no token starts from random whitelist tokens; its prompt says so (`init`). `meaning`, where given, is
    what no token may change while `config.select` is "tokens" (which findings a text asserts, say).

    Raises UsageError for settings that cannot be, PromptError where no allowed text remains for a record.
    """
    import torch

    _check(config, encoder, images, texts, seeds)
    if not images:
        return []
    records = [_start(encoder, constraint, text, config, seed) for text, seed in zip(texts, seeds, strict=True)]
    target = encoder.encode_image(images)  # (B, D)
    table = unit_rows(encoder.token_table)
    with torch.no_grad():
        content, mask = encoder.embed([r.ids for r in records], config.length)
        for record, score in zip(records, _cosine(encoder, content, mask, target), strict=True):
            record.before = score
    start = _project(records, content, table, constraint, config)
    for record, score in zip(records, _keep(records, start, content, encoder, target, config), strict=True):
        record.constrained = score

    for _ in range(config.iterations):
        for soft, losses in align(encoder, content, mask, target, config):
            for record, loss in zip(records, losses, strict=True):
                record.trace += loss
                record.soft_score = max([record.soft_score, *(1 - x for x in loss)])
            choices = _project(records, soft, table, constraint, config)
            if config.select != "tokens":
                _keep(records, choices, soft, encoder, target, config)
        if config.select == "tokens":
            _merge(records, choices, soft, table, constraint, encoder, target, meaning)
            choices = [r.best or choice for r, choice in zip(records, choices, strict=True)]
        # The next alignment starts from the projected tokens.
        for record, choice in zip(records, choices, strict=True):
            if choice.ids and config.iterations > 1:
                _start_again(record, choice)
        with torch.no_grad():
            content, mask = encoder.embed([r.ids for r in records], config.length)
    return [_prompt(record, table, constraint) for record in records]


def align(
    encoder: Encoder, content: torch.Tensor, mask: torch.Tensor, target: torch.Tensor, config: PromptConfig
) -> Iterator[tuple[torch.Tensor, list[list[float]]]]:
    """Minimise 1 - cos(E_T(H), E_I(x)) over H (eq. 7); yields (H (B, L, d), losses since the last yield) to project.

    Yields at `config.projections` evenly spaced steps; the last yield is each record's best H of the whole run.
    """
    import torch

    soft = content.detach().clone().requires_grad_(True)
    rate = config.learning_rate * float(encoder.token_table.std())
    optimizer = torch.optim.Adam([soft], lr=rate) if config.optimizer == "adam" else torch.optim.SGD([soft], lr=rate)
    best, best_loss = soft.detach().clone(), torch.full((len(soft),), torch.inf, device=soft.device)
    pause_after = {config.steps * (n + 1) // config.projections for n in range(config.projections)}
    losses: list[list[float]] = [[] for _ in range(len(soft))]
    for step in range(1, config.steps + 2):
        loss = 1 - (encoder.encode_embeddings(soft, mask) * target).sum(dim=-1)  # (B,)
        with torch.no_grad():
            better = loss < best_loss
            best = torch.where(better[:, None, None], soft, best)
            best_loss = torch.where(better, loss, best_loss)
        for row, value in zip(losses, loss.tolist(), strict=True):
            row.append(value)
        if step > config.steps:  # the loss of the last update
            yield best, losses
            return
        # A sum keeps the records independent: each H meets only its own term.
        (gradient,) = torch.autograd.grad(loss.sum(), soft)
        soft.grad = gradient
        optimizer.step()
        if step in pause_after and step < config.steps:
            yield soft.detach(), losses
            losses = [[] for _ in range(len(soft))]


def _check(config: PromptConfig, encoder: Encoder, *parts: Sequence[object]) -> None:
    if len({len(part) for part in parts}) != 1:
        raise UsageError("Images, texts and seeds must be as many as the records.")
    if not 1 <= config.length <= encoder.max_content:
        raise UsageError(f"The prompt length must be 1 to {encoder.max_content} tokens for this encoder.")
    for name in ("steps", "top_k", "iterations", "projections"):
        if getattr(config, name) < 1:
            raise UsageError(f"The prompt setting {name} must be at least 1.")
    if config.learning_rate <= 0 or config.temperature < 0:
        raise UsageError("The learning rate must be above 0, and the temperature 0 (greedy) or above.")


def _start(encoder: Encoder, constraint: Constraint, text: str, config: PromptConfig, seed: int) -> _Record:
    import torch

    generator = torch.Generator().manual_seed(seed)
    usable = encoder.vocabulary.usable
    ids = [i for i in encoder.encode_ids(text) if usable[i]][: config.length] if config.init == "report" else []
    if ids:
        return _Record(ids, encoder.vocabulary.words(ids), False, generator)
    fallback = config.init == "report"
    ids = random_start(constraint, config.length, generator, preferred_only=fallback)
    return _Record(ids, [""] * len(ids), fallback, generator)


def _project(
    records: Sequence[_Record],
    soft: torch.Tensor,
    table: torch.Tensor,
    constraint: Constraint,
    config: PromptConfig,
) -> list[Choice]:
    """Project every record's soft embeddings (B, L, d) at once, then choose record by record."""
    import torch

    sizes = [len(r.ids) for r in records]
    flat = torch.cat([soft[n, :size] for n, size in enumerate(sizes)]).detach()
    shapes = [i for r in records for i in r.ids]
    noise = None
    if config.temperature > 0:
        noise = torch.cat([gumbel((len(r.ids), min(config.top_k, len(table))), r.generator) for r in records])
    ranked = iter(candidates(flat, table, constraint, config, shapes, noise))
    return [choose([next(ranked) for _ in range(size)], constraint) for size in sizes]


def _keep(
    records: Sequence[_Record],
    choices: Sequence[Choice],
    soft: torch.Tensor,
    encoder: Encoder,
    target: torch.Tensor,
    config: PromptConfig,
) -> list[float]:
    """Remember the choices that align better than what a record has ("best"), or whatever comes last ("last").

    Returns the alignment of each choice.
    """
    import torch

    with torch.no_grad():
        scores = _cosine(encoder, *encoder.embed([c.ids for c in choices], config.length), target)
    for n, (record, choice, score) in enumerate(zip(records, choices, scores, strict=True)):
        if choice.ids and (config.select == "last" or score > record.best_score):
            record.best, record.best_score = choice, score
            record.best_soft = soft[n, : len(record.ids)].detach().clone()
            record.best_words = record.report_words
    return scores


def _merge(
    records: Sequence[_Record],
    choices: Sequence[Choice],
    soft: torch.Tensor,
    table: torch.Tensor,
    constraint: Constraint,
    encoder: Encoder,
    target: torch.Tensor,
    meaning: Callable[[str], Hashable] | None,
) -> None:
    """Take projected tokens one at a time, those that gained most first, where they raise the alignment.

    Replacing all tokens at once often loses what each would gain. One trial per record is scored in each round, for
    all records together; a trial that breaks the constraint or changes the `meaning` is not even scored.
    """
    import torch

    waiting: list[list[tuple[int, int]]] = []
    for n, (record, choice) in enumerate(zip(records, choices, strict=True)):
        now = dict(zip(record.best.positions, record.best.ids, strict=True)) if record.best else {}
        new = [(j, t) for j, t in zip(choice.positions, choice.ids, strict=True) if j in now and now[j] != t]
        places = [j for j, _ in new]
        unit = torch.nn.functional.normalize(soft[n, places].float(), dim=-1)
        gains = (unit * (table[[t for _, t in new]] - table[[now[j] for j in places]])).sum(dim=-1).tolist()
        waiting.append([pair for _, pair in sorted(zip(gains, new, strict=True))])  # the largest gain is popped first
    # Random words mean nothing that could be lost.
    meant = [meaning(r.best.text) if meaning and r.best and any(r.best_words) else None for r in records]
    while any(waiting):
        trials: list[tuple[int, Choice]] = []
        for n, queue in enumerate(waiting):
            best = records[n].best
            while queue and best is not None:
                place, token = queue.pop()
                ids = tuple(token if j == place else i for j, i in zip(best.positions, best.ids, strict=True))
                text = constraint.vocabulary.decode(ids)
                same = meaning is None or meant[n] is None or meaning(text) == meant[n]
                if same and not constraint.check(text):
                    trials.append((n, Choice(ids, best.positions, text, choices[n].refusals)))
                    break
        if not trials:
            return
        rows = [n for n, _ in trials]
        with torch.no_grad():
            scores = _cosine(encoder, *encoder.embed([t.ids for _, t in trials], soft.shape[1]), target[rows])
        for (n, trial), score in zip(trials, scores, strict=True):
            record = records[n]
            if score > record.best_score:
                record.best, record.best_score = trial, score
                record.best_soft = soft[n, : len(record.ids)].detach().clone()


def _start_again(record: _Record, choice: Choice) -> None:
    """Let the next alignment start from `choice`; what was kept is re-numbered with it."""
    places = list(choice.positions)
    words = [record.report_words[j] for j in places]
    if record.best is choice and record.best_soft is not None:
        record.best = Choice(choice.ids, tuple(range(len(choice.ids))), choice.text)
        record.best_soft, record.best_words = record.best_soft[places], words
    record.report_words, record.ids = words, list(choice.ids)


def _cosine(encoder: Encoder, content: torch.Tensor, mask: torch.Tensor, target: torch.Tensor) -> list[float]:
    return (encoder.encode_embeddings(content, mask) * target).sum(dim=-1).tolist()


def _prompt(record: _Record, table: torch.Tensor, constraint: Constraint) -> Prompt:
    choice = record.best
    if choice is None or record.best_soft is None:
        raise PromptError("No token is left that the lexicon allows here. Remove terms from the blacklist.")
    if constraint.check(choice.text):  # cannot be: `choose` returns clean texts only
        raise PromptError("The prompt holds a forbidden term. Report this as a defect; nothing was generated.")
    return Prompt(
        text=choice.text,
        tokens=provenance(record.best_soft, choice, table, constraint, record.best_words),
        alignment_before=record.before,
        alignment_after=record.best_score,
        alignment_soft=record.soft_score,
        trace=tuple(record.trace),
        alignment_constrained=record.constrained,
        init="random" if record.fallback or not any(record.best_words) else "report",
    )
