"""Training sets, texts and the loop: what is promised of every recipe."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from updp_core import imageset
from updp_core.phantom import FINDINGS
from updp_core.training import captions
from updp_core.training.tokens import build_vocabulary, make_tokenizer, words_of

ROWS = imageset.phantom_rows(imageset.TRAIN, 6)


def test_training_validation_and_held_out_patients_never_overlap() -> None:
    ranges = [imageset.TRAIN, imageset.VALIDATION, imageset.HELD_OUT]
    for i, a in enumerate(ranges):
        for b in ranges[i + 1 :]:
            assert a.stop <= b.start or b.stop <= a.start


def test_the_sample_studies_show_patients_that_no_model_was_trained_on() -> None:
    from updp_core.phantom.sample import SAMPLE_VISITS

    assert not [seed for seed, *_ in SAMPLE_VISITS if seed in imageset.TRAIN or seed in imageset.VALIDATION]


def test_more_patients_leave_the_first_ones_as_they_were() -> None:
    assert imageset.phantom_rows(imageset.TRAIN, 9)[: len(ROWS)] == ROWS


def test_a_rendering_that_was_cut_off_goes_on_to_the_same_set(tmp_path) -> None:
    def quiet(_: str) -> None: ...

    whole = imageset.phantom_set(tmp_path / "whole", imageset.TRAIN, 2, 64, say=quiet)
    part = tmp_path / "part"
    imageset.phantom_set(part, imageset.TRAIN, 1, 64, say=quiet)
    with (part / "images.u8").open("ab") as file:  # an image that was half written, and a row without its newline
        file.write(b"x" * 100)
    with (part / "rows.jsonl").open("a") as file:
        file.write('{"patient"')
    again = imageset.phantom_set(part, imageset.TRAIN, 2, 64, say=quiet)
    assert again.rows == whole.rows
    np.testing.assert_array_equal(again.images, whole.images)


def test_letters_are_kept_from_the_generator_only() -> None:
    annotated = [row["annotated"] for row in imageset.phantom_rows(imageset.TRAIN, 300)]
    assert 0.2 < np.mean(annotated) < 0.4


def test_targets_say_what_the_phantom_shows() -> None:
    names, targets = captions.targets_of(ROWS)
    assert names[: len(FINDINGS)] == FINDINGS
    for row, values in zip(ROWS, targets, strict=True):
        visit = imageset.visit_of(row)
        assert {n for n, v in zip(names, values, strict=True) if v and " " not in n} == {f.name for f in visit.findings}
        for side in ("right", "left"):
            index = names.index(f"{side} pleural_effusion")
            effusion = visit.get("pleural_effusion")
            assert bool(values[index]) == (effusion is not None and effusion.side in (side, "bilateral"))


def test_a_keyword_caption_names_every_finding_and_no_side_that_is_not_there() -> None:
    rng = np.random.default_rng(0)
    for row in ROWS * 5:
        visit = imageset.visit_of(row)
        text = captions.keywords(visit, rng)
        sides = {f.side for f in visit.findings}
        for side in ("right", "left"):
            assert side not in text.split() or side in sides
        for finding in visit.findings:
            assert any(name in text for name in captions.NAMES[finding.name])


def test_a_keyword_caption_denies_only_what_is_not_there_and_nothing_else_only_where_nothing_is() -> None:
    rng, alone, among = np.random.default_rng(0), 0, 0
    for row in imageset.phantom_rows(imageset.VALIDATION, 150):
        visit = imageset.visit_of(row)
        parts = re.split("[.;,] | and ", captions.keywords(visit, rng))
        denied = [part for part in parts if part.startswith(captions.DENIALS) and part not in captions.NORMAL]
        for finding in visit.findings:
            for name in captions.NAMES[finding.name]:
                assert not any(re.search(rf"\b{name}\b", part) for part in denied)
        alone += denied == parts and not visit.findings
        assert denied != parts or not visit.findings
        among += bool(visit.findings and denied)
    assert alone > 5 and among > 20


@given(st.integers(0, 10**6), st.sampled_from(range(len(ROWS))))
@settings(max_examples=60, deadline=None)
def test_varied_text_holds_nothing_that_the_caption_does_not(seed: int, i: int) -> None:
    text = captions.texts_of(ROWS[i], 1)[0]
    words = re.findall(r"[a-z\-]+|\d+(?:\.\d+)?", text.lower())
    for word in re.findall(r"[a-z\-]+|\d+(?:\.\d+)?", captions.vary(text, np.random.default_rng(seed)).lower()):
        assert any(known.startswith(word) for known in words)


def test_varied_text_with_an_effusion_still_tells_of_it_most_of_the_time() -> None:
    text = "Moderate right pleural effusion. No pneumothorax. Heart size is normal."
    texts = [captions.vary(text, np.random.default_rng(i), ["chest", "smith"]) for i in range(200)]
    assert np.mean(["effusion" in t.lower() for t in texts]) > 0.75
    assert len(set(texts)) > 60


def test_a_query_asserts_one_finding_and_denies_the_same() -> None:
    rng = np.random.default_rng(0)
    for name in captions.targets_of(ROWS)[0]:
        yes, no = captions.query(name, rng)
        side = name.split(" ")[0] if " " in name else ""
        assert side in yes and re.search(r"\b(no|without)\b", no) and not re.search(r"\b(no|without)\b", yes)


@pytest.fixture(scope="module")
def vocab() -> dict[str, int]:
    return build_vocabulary([text for row in ROWS for text in captions.texts_of(row, 3)], 3000)


def test_the_vocabulary_holds_findings_and_forbidden_words_whole(vocab) -> None:
    for word in ("effusion", "pneumothorax", "january", "hospital", "monday"):
        assert word in vocab
    assert len(vocab) <= 3100 and sorted(vocab.values()) == list(range(len(vocab)))
    assert set(words_of(vocab)) <= set(vocab)


@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_no_word_is_unknown_to_the_tokenizer(vocab, word: str) -> None:
    tokenizer = make_tokenizer(vocab)
    ids = tokenizer(word, add_special_tokens=False)["input_ids"]
    assert vocab["[UNK]"] not in ids and tokenizer.decode(ids).replace(" ", "") == word
