"""Alignment and projection: what each setting promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny_models import wordpiece_vocab
from tests.toy_encoder import ToyEncoder, images
from updp_core.backends.vocabulary import from_word_pieces
from updp_core.config import PromptConfig
from updp_core.errors import UsageError
from updp_core.lexicon import Lexicon
from updp_core.prompt.constraint import Constraint
from updp_core.prompt.optimise import optimise
from updp_core.prompt.projection import candidates, choose, gumbel, unit_rows

TOKENS = list(wordpiece_vocab())
WORDS = from_word_pieces(TOKENS, range(5))
ENCODER = ToyEncoder.random(WORDS, seed=3, width=16)
LEXICON = Lexicon(
    {"names": ("john", "smith", "hill street")},
    {"findings": ("pleural effusion", "cardiomegaly", "heart", "lungs", "normal", "clear", "edema")},
)
CONSTRAINT = Constraint(LEXICON, ENCODER)
REPORTS = [
    "no pleural effusion the heart is normal in size",
    "cardiomegaly with mild edema",
    "john smith has consolidation of the right lower lobe and a fracture",
]
FAST = PromptConfig(length=12, steps=12, learning_rate=0.3)


def run(config: PromptConfig = FAST, reports: list[str] = REPORTS, first: int = 1, meaning=None):
    seeds = list(range(first, first + len(reports)))
    return optimise(ENCODER, CONSTRAINT, images(*seeds), reports, config, seeds, meaning)  # type: ignore[arg-type]


def test_the_same_seeds_give_the_same_prompts() -> None:
    for config in (FAST, replace(FAST, temperature=0.5), replace(FAST, init="random")):
        assert run(config) == run(config)


@pytest.mark.parametrize("config", [FAST, replace(FAST, temperature=0.5), replace(FAST, init="random")])
def test_a_record_gets_the_same_prompt_alone_as_in_a_batch(config: PromptConfig) -> None:
    together = run(config)
    for n, report in enumerate(REPORTS):
        alone = run(config, [report], first=n + 1)[0]
        assert [t.id for t in alone.tokens] == [t.id for t in together[n].tokens]
        assert alone.alignment_after == pytest.approx(together[n].alignment_after, abs=1e-5)


def test_another_seed_draws_another_random_start() -> None:
    config = replace(FAST, init="random")
    assert run(config, REPORTS[:1], first=1)[0].text != run(config, REPORTS[:1], first=9)[0].text


@pytest.mark.parametrize("config", [FAST, replace(FAST, select="best", projections=3)])
def test_alignment_rises_and_the_kept_prompt_is_no_worse_than_the_constrained_start(config: PromptConfig) -> None:
    for prompt in run(config):
        assert prompt.alignment_soft > prompt.alignment_before
        assert prompt.alignment_after >= prompt.alignment_constrained
        assert min(prompt.trace) == pytest.approx(1 - prompt.alignment_soft, abs=1e-6)
        assert len(prompt.trace) == FAST.steps + 1


def test_taking_tokens_one_by_one_aligns_at_least_as_well_and_each_is_the_starts_or_the_projections() -> None:
    config = replace(FAST, learning_rate=2.0)
    singly, whole = run(config), run(replace(config, select="last"))
    start = run(replace(config, learning_rate=1e-6))
    assert any(p.text != s.text for p, s in zip(singly, start, strict=True))
    for prompt, other, first in zip(singly, whole, start, strict=True):
        assert prompt.alignment_after >= prompt.alignment_constrained
        for token, projected, initial in zip(prompt.tokens, other.tokens, first.tokens, strict=True):
            assert token.id in (projected.id, initial.id)


def test_no_token_changes_what_the_text_means_where_a_meaning_is_given() -> None:
    config = replace(FAST, learning_rate=2.0, iterations=2)
    clinical = {"pleural", "effusion", "cardiomegaly", "edema", "consolidation", "fracture", "right"}

    def meaning(text: str) -> list[str]:
        return [word for word in text.split() if word in clinical]

    free, held = run(config), run(config, meaning=meaning)
    start = run(replace(config, learning_rate=1e-6, iterations=1))
    assert [meaning(p.text) for p in held] == [meaning(p.text) for p in start]
    assert [meaning(p.text) for p in free] != [meaning(p.text) for p in start]
    assert any(p.text != s.text for p, s in zip(held, start, strict=True))


def test_last_takes_what_the_final_projection_gives_as_algorithm_1_does() -> None:
    config = replace(FAST, select="last", projections=1, learning_rate=2.0, steps=40)
    changed = [p.text for p in run(config)]
    assert changed != [p.text for p in run(replace(config, learning_rate=1e-6))]


def test_a_plain_gradient_step_is_a_setting_and_a_tiny_one_changes_no_token() -> None:
    prompts = run(replace(FAST, optimizer="gradient", learning_rate=1e-6, bias=0.0))
    for prompt, report in zip(prompts[:2], REPORTS, strict=False):
        assert [t.text for t in prompt.tokens] == report.split()[: FAST.length]


def test_iterations_start_from_the_projected_tokens_and_never_lose_alignment() -> None:
    once, thrice = run(), run(replace(FAST, iterations=3))
    assert all(b.alignment_after >= a.alignment_after for a, b in zip(once, thrice, strict=True))
    assert all(len(p.trace) == 3 * (FAST.steps + 1) for p in thrice)


def test_a_report_without_words_starts_from_whitelist_tokens_and_says_so() -> None:
    prompt = run(replace(FAST, learning_rate=1e-6, whitelist="only"), [""])[0]
    assert prompt.init == "random"
    assert len(prompt.tokens) == FAST.length
    assert {t.role for t in prompt.tokens} == {"whitelist"}
    assert run()[0].init == "report"


def test_whitelist_only_chooses_whitelisted_tokens_only() -> None:
    for prompt in run(replace(FAST, whitelist="only", learning_rate=2.0, steps=30)):
        assert all(CONSTRAINT.preferred[t.id] for t in prompt.tokens)


def test_a_prompt_is_at_most_as_long_as_asked() -> None:
    for prompt in run(replace(FAST, length=4)):
        assert 1 <= len(prompt.tokens) <= 4


def test_each_token_says_what_stood_there_and_what_was_refused() -> None:
    prompt = run(replace(FAST, learning_rate=1e-6))[2]
    first = prompt.tokens[0]
    assert first.report_word == "john"
    assert first.text != "john"
    assert first.refused[0].text == "john" and first.refused[0].entry == "john"
    assert first.refused[0].cosine > first.cosine
    assert first.rank > 1
    kept = next(t for t in prompt.tokens if t.report_word == "lobe")
    assert (kept.text, kept.rank, kept.refused) == ("lobe", 1, ())
    assert kept.cosine == pytest.approx(1.0, abs=1e-4)


def test_pieces_stand_only_where_the_report_has_pieces() -> None:
    for prompt in run(replace(FAST, learning_rate=3.0, steps=30), REPORTS[:2]):
        assert all(WORDS.whole[t.id] for t in prompt.tokens)
    joined = run(replace(FAST, learning_rate=1e-6, bias=0), ["dextroscoliosis seen"])[0]
    assert joined.text == "dextroscoliosis seen"
    assert [t.report_word for t in joined.tokens] == ["dextroscoliosis"] * 3 + ["seen"]


def test_impossible_settings_are_refused() -> None:
    for bad in (
        {"length": 0},
        {"length": 999},
        {"steps": 0},
        {"top_k": 0},
        {"learning_rate": 0.0},
        {"temperature": -1},
    ):
        with pytest.raises(UsageError):
            run(replace(FAST, **bad))
    with pytest.raises(UsageError, match="as many"):
        optimise(ENCODER, CONSTRAINT, images(1), ["a", "b"], FAST, [1])  # type: ignore[arg-type]
    assert optimise(ENCODER, CONSTRAINT, [], [], FAST, []) == []  # type: ignore[arg-type]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    k=st.integers(1, 40),
    bias=st.sampled_from([0.0, 0.05, 0.4]),
    whole=st.booleans(),
    only=st.booleans(),
)
def test_projection_equals_a_brute_force_search_where_the_text_check_is_silent(
    seed: int, k: int, bias: float, whole: bool, only: bool
) -> None:
    soft = torch.randn(6, 16, generator=torch.Generator().manual_seed(seed))
    shapes = [TOKENS.index(t) for t in ("heart", "jo", "##hn", "lobe", "##s", "the")]
    config = PromptConfig(top_k=k, bias=bias, whole_words=whole, whitelist="only" if only else "bias")
    ranked = candidates(soft, unit_rows(ENCODER.token_table), CONSTRAINT, config, shapes)

    table = ENCODER.token_table.double().numpy()
    for j, row in enumerate(ranked):
        h = soft[j].double().numpy()
        scores = {}
        for t in range(len(TOKENS)):  # eq. 8 and 4, token by token
            if not CONSTRAINT.allowed[t] or (only and not CONSTRAINT.preferred[t]):
                continue
            if whole and WORDS.joins_left[t] != WORDS.joins_left[shapes[j]]:
                continue
            scores[t] = float(h @ table[t] / np.linalg.norm(h) / np.linalg.norm(table[t]))
        top = sorted(scores, key=lambda t: -scores[t])[:k]  # eq. 9
        expected = max(top, key=lambda t: scores[t] + bias * CONSTRAINT.preferred[t], default=None)  # eq. 6
        assert (row[0] if row else None) == expected
    silent = not CONSTRAINT.check(WORDS.decode([row[0] for row in ranked if row]))
    if silent:
        assert choose(ranked, CONSTRAINT).ids == tuple(row[0] for row in ranked if row)


def test_sampling_follows_the_softmax_of_the_scores() -> None:
    soft = torch.randn(1, 16, generator=torch.Generator().manual_seed(4))
    config = PromptConfig(top_k=4, bias=0.0, temperature=0.2)
    table = unit_rows(ENCODER.token_table)
    greedy = candidates(soft, table, CONSTRAINT, replace(config, temperature=0.0))[0][:4]
    scores = (torch.nn.functional.normalize(soft, dim=-1) @ table[greedy].T)[0]
    expected = torch.softmax(scores / config.temperature, dim=-1).numpy()
    n = 4000
    noise = gumbel((n, 4), torch.Generator().manual_seed(1))
    drawn = candidates(soft.expand(n, -1), table, CONSTRAINT, config, None, noise)
    counts = np.asarray([sum(row[0] == t for row in drawn) for t in greedy]) / n
    assert np.abs(counts - expected).max() < 0.03
