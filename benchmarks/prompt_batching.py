"""Prompt optimisation in batches against the literal loop of Algorithm 1: the same greedy tokens, how much faster.

The loop below follows the paper's pseudocode line by line: record by record, and position by position over the whole
vocabulary. It shares with the product only the encoder and the check of the text.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from updp_core.config import PromptConfig

if TYPE_CHECKING:
    from updp_core.backends.encoder import Encoder
    from updp_core.domain import Image16
    from updp_core.prompt.constraint import Constraint

RECORDS = 32
# Algorithm 1 as it stands: one projection after T steps, greedy, the last prompt.
LITERAL = replace(PromptConfig(), projections=1, select="last", temperature=0.0, iterations=1, whole_words=False)


def literal_loop(
    encoder: Encoder, constraint: Constraint, image: Image16, text: str, config: PromptConfig
) -> list[int]:
    """Algorithm 1 for one record: the greedy tokens."""
    import torch
    from torch.nn.functional import cosine_similarity

    table, rate = encoder.token_table, config.learning_rate * float(encoder.token_table.std())
    usable = encoder.vocabulary.usable
    words = [i for i in encoder.encode_ids(text) if usable[i]][: config.length]  # line 3
    soft = table[words][None].clone().requires_grad_(True)
    mask = torch.ones(1, len(words), dtype=torch.bool)
    image_feature = encoder.encode_image([image])[0]  # line 4
    optimizer = torch.optim.Adam([soft], lr=rate)
    best, least = soft.detach().clone(), float("inf")
    for step in range(config.steps + 1):  # lines 5-9
        loss = 1 - cosine_similarity(encoder.encode_embeddings(soft, mask)[0], image_feature, dim=0)
        if loss.item() < least:
            best, least = soft.detach().clone(), loss.item()
        if step < config.steps:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    ranked: list[list[int]] = []
    for j in range(len(words)):  # lines 11-16
        scores = cosine_similarity(best[0, j][None], table, dim=-1)
        closed = torch.from_numpy(~constraint.allowed)
        scores[closed] = -torch.inf
        values, tokens = scores.topk(config.top_k)
        order = (values + config.bias * torch.from_numpy(constraint.preferred)[tokens]).argsort(descending=True)
        rest = scores.topk(config.top_k + 48).indices[config.top_k :]
        ranked.append([*tokens[order].tolist(), *rest.tolist()])
    chosen = [0] * len(ranked)
    while True:  # the text has the last word: refuse the piece that completes a forbidden term
        tokens_now = [row[n] for row, n in zip(ranked, chosen, strict=True)]
        text_now, spans = encoder.vocabulary.layout(tokens_now)
        hits = constraint.check(text_now)
        if not hits:
            return tokens_now
        last = {max(n for n, (s, e) in enumerate(spans) if s < h.end and h.start < e) for h in hits}
        for n in last:
            chosen[n] += 1


def phantom_records(count: int, first_seed: int = 100) -> tuple[list[Image16], list[str]]:
    """Phantom radiographs (256 px) and the prompt texts of their reports, filtered as the product filters them."""
    from updp_core.lexicon import load_lexicon
    from updp_core.phantom import render, sample_patient, sample_visit, write_report
    from updp_core.prompt.start import start_text
    from updp_core.report import filter_report

    lexicon = load_lexicon()
    visits = [sample_visit(sample_patient(first_seed + n), n) for n in range(count)]
    images = list(render(visits, 256))
    reports = [write_report(visit, n).text for n, visit in enumerate(visits)]
    return images, [start_text(filter_report(report, lexicon).text, lexicon) for report in reports]


def compare(
    encoder: Encoder, constraint: Constraint, images: Sequence[Image16], texts: Sequence[str], config: PromptConfig
) -> dict[str, Any]:
    """Seconds of the loop, of one batch, and of batches of one; and how many records have equal tokens."""
    from updp_core.prompt.optimise import optimise

    optimise(encoder, constraint, images[:1], texts[:1], config, [0])  # warm up
    started = time.perf_counter()
    batched = optimise(encoder, constraint, images, texts, config, range(len(images)))
    batch_seconds = time.perf_counter() - started
    started = time.perf_counter()
    for n, (image, text) in enumerate(zip(images, texts, strict=True)):
        optimise(encoder, constraint, [image], [text], config, [n])
    single_seconds = time.perf_counter() - started
    started = time.perf_counter()
    literal = [literal_loop(encoder, constraint, i, t, config) for i, t in zip(images, texts, strict=True)]
    loop_seconds = time.perf_counter() - started
    equal = sum([t.id for t in p.tokens] == tokens for p, tokens in zip(batched, literal, strict=True))
    return {
        "records": len(images),
        "steps": config.steps,
        "vocabulary": len(encoder.vocabulary),
        "equal": equal,
        "loop_s": loop_seconds,
        "one_by_one_s": single_seconds,
        "batched_s": batch_seconds,
        "ratio_to_loop": loop_seconds / batch_seconds,
        "ratio_to_one_by_one": single_seconds / batch_seconds,
    }


def main() -> dict[str, Any]:
    """With the starter encoder on phantoms, on the CPU."""
    import torch

    from updp_core.backends.presets import PRESETS, load_preset_encoder
    from updp_core.lexicon import load_lexicon
    from updp_core.prompt.constraint import Constraint

    encoder = load_preset_encoder(PRESETS["starter"], "cpu")
    constraint = Constraint(load_lexicon(), encoder)
    images, texts = phantom_records(RECORDS)
    result = compare(encoder, constraint, images, texts, LITERAL)
    print(f"{result['records']} records, {result['steps']} steps, {result['vocabulary']} tokens, ", end="")
    print(f"{torch.get_num_threads()} threads, CPU")
    print(f"equal greedy tokens: {result['equal']} of {result['records']} records")
    for name, label in (("loop_s", "literal loop"), ("one_by_one_s", "one by one"), ("batched_s", "one batch")):
        print(f"{label:>13}: {result[name]:7.2f} s")
    print(f"one batch is {result['ratio_to_loop']:.1f} x the loop, {result['ratio_to_one_by_one']:.1f} x one by one")
    return result


if __name__ == "__main__":
    main()
