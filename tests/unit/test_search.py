"""The prompt optimisers beside ours: one space, one budget, and the promises that each must keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pydicom
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny_models import wordpiece_vocab
from tests.toy_encoder import ToyEncoder, images
from updp_core.backends.encoder import load_encoder
from updp_core.backends.vocabulary import from_word_pieces
from updp_core.config import SAMPLE, STARTER, PromptConfig
from updp_core.lexicon import Lexicon, load_lexicon
from updp_core.methods.updp import OPTIMISERS, what_it_says
from updp_core.prompt.constraint import Constraint
from updp_core.prompt.mma import promising
from updp_core.prompt.search import Search, pools_of, random_search
from updp_core.prompt.start import start_text
from updp_core.prompt.steps import TensorTrain


class Quick(ToyEncoder):
    """The toy encoder, which spells each word once."""

    def encode_ids(self, text: str) -> list[int]:
        return [token for word in text.lower().split() for token in self._word(word)]

    def _word(self, word: str) -> tuple[int, ...]:
        if word not in SPELLED:
            SPELLED[word] = tuple(super().encode_ids(word))
        return SPELLED[word]


SPELLED: dict[str, tuple[int, ...]] = {}
ENCODER = Quick.random(from_word_pieces(list(wordpiece_vocab()), range(5)), seed=3, width=16)
LEXICON = Lexicon({"names": ("john", "smith", "hill street")}, {"findings": ("pleural effusion", "heart", "lungs")})
CONFIG = PromptConfig(length=12, learning_rate=2.0)
REPORT = "cardiomegaly with mild edema the heart is normal in size"
ALL = [*OPTIMISERS.values()]
Run = Callable[[Search], None]


def search(lexicon: Lexicon = LEXICON, budget: int = 120, seed: int = 1, **more: Any) -> Search:
    config, text, meaning = more.get("config", CONFIG), more.get("text", REPORT), more.get("meaning")
    constraint = Constraint(lexicon, ENCODER)
    return Search(ENCODER, constraint, images(seed)[0], text, config, seed, budget, meaning)  # type: ignore[arg-type]


@pytest.mark.parametrize("run", ALL)
def test_the_best_score_never_falls_and_the_budget_holds(run: Run) -> None:
    one = search()
    run(one)
    assert one.trace and all(later <= before for before, later in zip(one.trace, one.trace[1:], strict=False))
    assert 0 < one.used <= one.budget and one.prompt().evaluations == one.used
    assert one.best_score > one.constrained, "nothing better than the start was found"
    text = one.prompt().text
    scored = ENCODER.encode_embeddings(*ENCODER.embed([ENCODER.encode_ids(text)]))[0] @ one.target
    assert float(scored) == pytest.approx(one.best_score, abs=1e-5), "the text scores as its tokens did"


@pytest.mark.parametrize("run", ALL)
def test_the_same_seed_gives_the_same_prompt(run: Run) -> None:
    first, second = search(), search()
    run(first), run(second)
    assert first.prompt() == second.prompt()


@pytest.mark.parametrize("run", [*ALL, random_search])
@given(
    terms=st.lists(
        st.sampled_from(
            [
                "heart",
                "normal",
                "edema",
                "with",
                "size",
                "in",
                "mild",
                "s",
                "he",
                "the heart",
                "is normal",
                "no",
                "lungs",
                "of the",
                "ar",
            ]
        ),
        max_size=8,
        unique=True,
    ),
    seed=st.integers(0, 50),
)
@settings(max_examples=5, deadline=None)
def test_no_forbidden_text_comes_out_whatever_the_lexicon(run: Run, terms: list[str], seed: int) -> None:
    lexicon = Lexicon({"house": tuple(terms)} if terms else {}, {})
    one = search(lexicon, budget=30, seed=seed)
    run(one)
    prompt = one.prompt()
    assert not lexicon.forbidden_in(prompt.text)
    assert ENCODER.encode_ids(prompt.text) == [token.id for token in prompt.tokens], "another text would be read"


def test_what_breaks_the_constraint_is_not_scored() -> None:
    one = search()
    john = ENCODER.encode_ids("john") or ENCODER.encode_ids("smith")
    with pytest.raises(ValueError, match="constraint"):
        one.score([john])
    before = one.used
    assert not one.admissible([]) and one.used == before


@pytest.mark.parametrize("run", ALL)
def test_a_prompt_goes_on_saying_what_the_report_says(run: Run) -> None:
    one = search(meaning=what_it_says)
    run(one)
    assert what_it_says(one.prompt().text) == what_it_says(one.constraint.vocabulary.decode(list(one.start)))


def test_a_forbidden_token_takes_no_place_in_the_ranking() -> None:
    gradient = torch.tensor([[-3.0, -2.0, -1.0, 0.0]])
    open_ = torch.tensor([[False, True, False, True]])
    assert promising(gradient, open_, top=2) == [[1, 3]]


def test_a_tensor_trains_likelihood_is_that_of_its_draws() -> None:
    train = TensorTrain([3, 2, 4], 5, torch.Generator().manual_seed(2))
    every = torch.cartesian_prod(torch.arange(3), torch.arange(2), torch.arange(4))
    p = train.log_likelihood(every).exp().detach()
    assert float(p.sum()) == pytest.approx(1.0)
    full = torch.einsum("aib,bjc,ckd->ijk", *[core.detach().abs() for core in train.cores]).reshape(-1)
    assert torch.allclose(p, full / full.sum())
    drawn = train.draw(4000)
    counts = np.bincount((drawn[:, 0] * 8 + drawn[:, 1] * 4 + drawn[:, 2]).numpy(), minlength=24) / 4000
    assert np.abs(counts - p.numpy()).max() < 0.03


@cache
def starter() -> Any:
    return load_encoder(STARTER / "encoder", "cpu")


@pytest.mark.parametrize("run", [OPTIMISERS["pez"]])
def test_pez_beats_random_search_at_an_equal_budget_on_the_starter_encoder(run: Run) -> None:
    encoder, budget = starter(), 300
    config = replace(PromptConfig(), length=8, whole_words=True)
    image = np.random.default_rng(5).integers(0, 65535, (64, 64), dtype=np.uint16)
    text = "mild cardiomegaly with small left pleural effusion"
    ours, control = (Search(encoder, constraint(), image, text, config, 3, budget) for _ in range(2))
    run(ours), random_search(control)
    assert len(pools_of(control)[0]) > 100 and control.used > 0.9 * budget
    assert ours.used <= budget and ours.best_score > control.best_score


BUDGET, SAMPLES = 300, ("sample-02-1", "sample-03-1")


@cache
def found(name: str, sample: str) -> float:
    """The best cosine that an optimiser finds for a sample study, from its report (its impression if there is one)."""
    study = SAMPLE / "studies" / sample
    pixels = pydicom.dcmread(study.with_suffix(".dcm")).pixel_array.astype(np.float64)
    image = (pixels / pixels.max() * 65535).astype(np.uint16)
    text = study.with_suffix(".txt").read_text(encoding="utf-8").rpartition("IMPRESSION:")[2]
    config = replace(PromptConfig(), length=8)
    one = Search(starter(), constraint(), image, start_text(text, load_lexicon()), config, 3, BUDGET)
    {**OPTIMISERS, "random": random_search}[name](one)
    assert 0.9 * BUDGET < one.used <= BUDGET and max(map(len, pools_of(one))) > 100
    return float(one.best_score)


@cache
def constraint() -> Constraint:
    return Constraint(load_lexicon(), starter())


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("name", ["mma", "steps"])
def test_mma_and_steps_beat_random_search_at_an_equal_budget_on_the_starter_encoder(name: str, sample: str) -> None:
    assert found(name, sample) > found("random", sample)
