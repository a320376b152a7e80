"""The recogniser of names and places: its text, its training, and what the shipped one does in the report filter."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest

from updp_core.errors import ModelUnavailable
from updp_core.lexicon import Lexicon, load_lexicon
from updp_core.report import ner
from updp_core.report.filter import find_spans
from updp_core.report.words import Reading
from updp_core.training import recogniser_phrases, recogniser_text
from updp_core.training.recogniser import (
    RecogniserConfig,
    evaluate,
    finder,
    samples,
    score,
    train_recogniser,
    write_card,
)
from updp_core.training.recogniser_text import LABELS, Sample, pools, write_sample


@pytest.fixture(scope="module", autouse=True)
def _few_locales() -> Iterator[None]:
    """Three locales instead of all: drawing from all of them takes ten seconds."""
    ner.recognise("Loads spaCy without what it need not load.")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recogniser_text, "LOCALES", ("en_US", "de_DE", "pl_PL"))
        pools.cache_clear()
        yield
        pools.cache_clear()


@pytest.mark.parametrize("family", [*recogniser_phrases.FAMILIES, recogniser_phrases.HELD_FAMILY])
def test_generated_text_has_its_entities_where_it_says(family: str) -> None:
    rng = np.random.default_rng(5)
    texts = [write_sample(rng, family=family, noise=False) for _ in range(60)]
    for sample in texts:
        assert not set("{}[]\ue001\ue002") & set(sample.text)
        for start, end, label in sample.entities:
            assert label in LABELS and sample.text[start:end].strip() == sample.text[start:end] != ""
        assert all(a[1] <= b[0] for a, b in pairwise(sample.entities))
    assert any(sample.entities for sample in texts)


def test_the_same_seed_gives_the_same_text_and_another_seed_another() -> None:
    def first(seed: int) -> list[Sample]:
        return list(islice(samples(seed), 30))

    assert first(3) == first(3) != first(4)


def test_names_and_places_of_the_bars_are_kept_out_of_training() -> None:
    for kind in ("family", "town", "street_name"):
        trained = {value for locale in pools("train")[kind] for value in locale}
        held = {value for locale in pools("held")[kind] for value in locale}
        assert held and not trained & held


def test_a_training_can_be_repeated_and_its_card_says_how(tmp_path: Path) -> None:
    config = RecogniserConfig(words=80)
    runs = [train_recogniser(tmp_path / name, 3, None, 7, config, lambda line: None) for name in ("a", "b")]
    weights = [(tmp_path / name / "ner" / "model").read_bytes() for name in ("a", "b")]
    assert weights[0] == weights[1]
    assert train_recogniser(tmp_path / "c", 3, None, 8, config, lambda line: None).steps == runs[0].steps == 3
    assert (tmp_path / "c" / "ner" / "model").read_bytes() != weights[0]
    assert not (tmp_path / "a" / "vocab").exists()  # it would hold every word of the text
    card = write_card(tmp_path / "a", runs[0], 7, config, evaluate(finder(tmp_path / "a"), texts=10))
    assert "train recogniser --steps 3 --seed 7" in card.read_text("utf-8") and "PERSON" in card.read_text("utf-8")


def test_an_entity_counts_as_found_where_all_of_its_letters_are() -> None:
    sample = Sample("seen by Ann Lee in Ayr", ((8, 15, "PERSON"), (19, 22, "LOCATION")))
    scores = score(lambda text: [(8, 11), (12, 22), (0, 4)], [sample])
    assert scores["PERSON"].recall == scores["LOCATION"].recall == 1
    assert scores["all"].precision == 2 / 3
    assert score(lambda text: [(8, 11)], [sample])["PERSON"].recall == 0


def spans(text: str, lexicon: Lexicon, header: dict[str, list[str]] | None = None) -> set[str]:
    return {text[s.start : s.end] for s in find_spans(text, lexicon, header)}


def test_the_shipped_recogniser_is_small_and_reads_no_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sum(file.stat().st_size for file in ner.RECOGNISER.rglob("*") if file.is_file()) < 15 * 2**20

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("the recogniser must hold no pickle")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    ner._recogniser.cache_clear()
    ner.recognise.cache_clear()
    assert ner.recognise("Nurse Kowalczyk was informed.") == ((6, 15, "PERSON"),)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("The nurse Kowalczyk was informed.", "Kowalczyk"),
        ("Patient Przemek Ivanovic, MRN 4410882, has a cough.", "Przemek Ivanovic"),
        ("58-year-old man from Port Alderney with fever.", "Port Alderney"),
        ("Lives at Rue des Tilleuls 14, Quimbrange.", "Quimbrange"),
    ],
)
def test_the_recogniser_finds_what_no_list_knows(text: str, name: str) -> None:
    assert name in {text[start:end] for start, end, _ in ner.recognise(text)}
    assert any(name in span for span in spans(text, load_lexicon()))


def test_a_whitelisted_word_wins_over_the_recogniser_and_over_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "Seen with Atelectasis today."
    at = text.index("Atelectasis")
    monkeypatch.setattr(ner, "recognise", lambda text: ((at, at + 11, "PERSON"),))
    assert spans(text, load_lexicon()) == set()
    other = Lexicon({"names": ("atelectasis",)}, {"findings": ("effusion",)})
    assert "Atelectasis" in spans(text, other)
    assert "Atelectasis" in spans(text, load_lexicon(), {"patient_name": ["Atelectasis^Ann"]})


def test_lower_case_words_that_name_nobody_are_cut_from_an_entity(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "Onset of pain Kowalczyk severe today."
    monkeypatch.setattr(ner, "recognise", lambda text: ((9, 30, "PERSON"),))
    pieces = ner.find(Reading(text, load_lexicon()))
    assert [text[p.start : p.end] for p in pieces] == ["Kowalczyk"]


def test_an_abbreviation_is_a_place_where_it_ends_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, found in (("Sent to Quimbrange, TX by car.", ["TX"]), ("Sent to OR TX by car.", [])):
        at = text.index("TX")
        monkeypatch.setattr(ner, "recognise", lambda text, at=at: ((at, at + 2, "LOCATION"),))
        assert [text[p.start : p.end] for p in ner.find(Reading(text, load_lexicon()))] == found


def test_a_missing_recogniser_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ner, "RECOGNISER", tmp_path)
    ner._recogniser.cache_clear()
    with pytest.raises(ModelUnavailable, match="train recogniser"):
        ner.recognise("Seen by somebody new.")
    ner._recogniser.cache_clear()


def test_a_pickle_as_the_house_model_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(ModelUnavailable, match="pickle"):
        ner.load_ner(str(tmp_path))


@pytest.mark.parametrize("part", ["(", "'", "a-", "Ann Lee "])
def test_no_text_takes_the_recogniser_long(part: str) -> None:
    ner.recognise("Seen by Ann Lee.")
    start = time.process_time()
    ner.recognise(part * 10_000)
    assert time.process_time() - start < 3


def test_a_report_full_of_names_is_read_in_time_that_grows_with_its_length() -> None:
    reading = Reading("Ann Lee of Quimbrange spoke to Kowalczyk. " * 2_500, load_lexicon())
    assert reading.words and ner.recognise(reading.text)
    start = time.process_time()
    assert len(ner.find(reading)) > 2_500
    assert time.process_time() - start < 3
