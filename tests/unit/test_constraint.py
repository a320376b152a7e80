"""What a lexicon means for a tokenizer, and that no prompt can hold what it forbids."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.toy_encoder import ToyEncoder, images
from updp_core.backends.vocabulary import Vocabulary, from_clip_bpe, from_word_pieces
from updp_core.config import PromptConfig
from updp_core.errors import LexiconError, PromptError
from updp_core.lexicon import Lexicon, load_lexicon
from updp_core.prompt.constraint import Constraint, _forbidden_texts, tighten
from updp_core.prompt.optimise import optimise

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


def word_pieces(*tokens: str) -> Vocabulary:
    return from_word_pieces([*SPECIAL, *tokens], [0, 1, 2, 3])


def lexicon(*blacklist: str, whitelist: tuple[str, ...] = ()) -> Lexicon:
    return Lexicon({"names": blacklist}, {"findings": whitelist})


def test_a_forbidden_word_is_masked_in_any_case_and_inside_words() -> None:
    words = word_pieces("john", "John", "##john", "lung", "jo", "##hn")
    constraint = Constraint(lexicon("john"), ToyEncoder.random(words))
    assert [t for t, f in zip(words.texts, constraint.forbidden, strict=True) if f] == ["john", "John", "john"]
    assert constraint.entry(4) == "john"


def test_special_unused_and_unreadable_tokens_are_never_allowed() -> None:
    words = word_pieces("[unused7]", "lung", "иван", "jo\u200bhn", "two words", "naïve", "smıth", "ｊ")
    allowed = Constraint(lexicon(), ToyEncoder.random(words)).allowed
    assert [t for t, a in zip(words.texts, allowed, strict=True) if a] == ["lung", "naïve"]


def test_whitelist_words_and_long_pieces_of_them_are_preferred() -> None:
    words = word_pieces("pleural", "effusion", "of", "dextro", "##scoliosis", "##s", "hat")
    constraint = Constraint(lexicon(whitelist=("pleural effusion", "dextroscoliosis")), ToyEncoder.random(words))
    preferred = {t for t, p in zip(words.texts, constraint.preferred, strict=True) if p}
    assert preferred == {"pleural", "effusion", "dextro", "scoliosis"}


def test_nothing_is_both_forbidden_and_preferred() -> None:
    words = word_pieces("may", "year", "2019", "lung")
    constraint = Constraint(lexicon(whitelist=("may", "year 2019", "lung")), ToyEncoder.random(words))
    assert not (constraint.forbidden & constraint.preferred).any()
    assert constraint.forbidden[words.texts.index("2019")]


def test_the_check_reads_digits_and_punctuation_as_any_tokenizer_may_join_them() -> None:
    check = Constraint(lexicon("o'brien"), ToyEncoder.random(word_pieces("x"))).check
    for text in ("seen 2 0 1 9 .", "on 3 / 4 / 2 0 1 9", "o ' brien", "o'brien"):
        assert check(text), text
    hit = check("seen 2 0 1 9 .")[0]
    assert "seen 2 0 1 9 ."[hit.start : hit.end] == "2 0 1 9"
    assert not check("no effusion . heart size is normal , ribs 5 , 6")


def test_an_accent_hides_nothing_because_some_tokenizers_drop_it() -> None:
    constraint = Constraint(lexicon("john"), ToyEncoder.random(word_pieces("jöhn", "lung", "jö", "##hn")))
    assert constraint.forbidden[4]
    assert [constraint.vocabulary.texts[i] for i in np.flatnonzero(constraint.allowed)] == ["lung", "jö", "hn"]
    (hit,) = constraint.check("lung jöhn - rib")
    assert (hit.start, hit.end, hit.term) == (5, 9, "john")


@given(st.text(alphabet="ab1 -.'", max_size=30))
def test_tightening_keeps_every_visible_character_and_its_place(text: str) -> None:
    tight, origin = tighten(text)
    assert "".join(text[i] for i in origin) == tight
    assert tight.replace(" ", "") == text.replace(" ", "")


def test_looking_at_thousands_of_tokens_at_once_finds_what_looking_at_each_finds() -> None:
    shipped = load_lexicon()
    texts = sorted(
        {t for t in shipped.forbidden_terms if " " not in t}
        | shipped.allowed_words
        | set(["12", "2019", "-", "'", ".", "___", "xxxx"])
    )
    together = _forbidden_texts(shipped, texts)
    assert set(together) == {t for t in texts if shipped.forbidden_in(t)}


# --- the invariant, for arbitrary vocabularies and lexicons -----------------------------------------------------------

letters = st.text(alphabet="abcJ1'-", min_size=1, max_size=4)
piece_lists = st.lists(letters, min_size=1, max_size=24, unique=True)
term_lists = st.lists(st.lists(letters, min_size=1, max_size=3).map(" ".join), max_size=12)


@st.composite
def vocabularies(draw: st.DrawFn) -> Vocabulary:
    pieces = draw(piece_lists)
    if draw(st.booleans()):
        continued = [f"##{p}" for p in draw(piece_lists)]
        return word_pieces(*pieces, *continued)
    return from_clip_bpe(["<s>", *pieces, *(f"{p}</w>" for p in draw(piece_lists))], [0])


@settings(max_examples=150, deadline=None)
@given(
    words=vocabularies(),
    black=term_lists,
    white=term_lists,
    seed=st.integers(0, 2**31),
    whole=st.booleans(),
    mode=st.sampled_from(["bias", "only"]),
    temperature=st.sampled_from([0.0, 1.0]),
    init=st.sampled_from(["report", "random"]),
    text=st.text(alphabet="abcJ1'- ", max_size=30),
)
def test_no_prompt_ever_holds_what_the_lexicon_forbids(
    words: Vocabulary, black, white, seed: int, whole: bool, mode, temperature: float, init, text: str
) -> None:
    try:
        lists = Lexicon({"names": tuple(black)}, {"findings": tuple(white)})
    except LexiconError:
        return  # a term that is no term, or in both lists
    encoder = ToyEncoder.random(words, seed)
    constraint = Constraint(lists, encoder)
    config = PromptConfig(
        init=init,
        length=8,
        steps=3,
        learning_rate=1.0,
        top_k=4,
        whole_words=whole,
        whitelist=mode,
        temperature=temperature,
        projections=2,
    )
    try:
        prompts = optimise(encoder, constraint, images(1, 2), [text, ""], config, [seed, seed + 1])  # type: ignore[arg-type]
    except PromptError:
        return  # nothing allowed is left, and it says so
    for prompt in prompts:
        assert prompt.text
        assert not lists.forbidden_in(prompt.text)
        assert not lists.forbidden_in(tighten(prompt.text)[0])
        assert all(constraint.allowed[token.id] for token in prompt.tokens)
        assert words.decode([token.id for token in prompt.tokens]) == prompt.text


def test_the_piece_that_would_complete_a_term_gives_way_to_its_next_best() -> None:
    words = word_pieces("jo", "##hn", "##y", "lung", "smith")
    table = torch.eye(len(words))
    encoder = ToyEncoder(words, table)
    constraint = Constraint(lexicon("john", "lung smith"), encoder)
    from updp_core.prompt.projection import choose

    jo, hn, y, lung, smith = (words.texts.index(t) for t in ("jo", "hn", "y", "lung", "smith"))
    assert choose([[jo], [hn, y]], constraint).text == "joy"
    choice = choose([[jo], [hn]], constraint)
    assert (choice.text, choice.positions) == ("jo", (0,))
    assert choice.refusals == ((1, hn, "john"),)
    assert choose([[lung], [smith, jo]], constraint).text == "lung jo"


def test_an_error_says_so_when_the_lexicon_leaves_nothing() -> None:
    encoder = ToyEncoder.random(word_pieces("john"))
    constraint = Constraint(lexicon("john"), encoder)
    with pytest.raises(PromptError, match="Remove terms from the blacklist"):
        optimise(encoder, constraint, images(1), ["john"], PromptConfig(length=4, steps=2), [0])  # type: ignore[arg-type]


def test_the_masks_have_one_entry_per_token() -> None:
    words = word_pieces("lung", "rib")
    constraint = Constraint(load_lexicon(), ToyEncoder.random(words))
    for mask in (constraint.forbidden, constraint.preferred, constraint.allowed):
        assert mask.shape == (len(words),) and mask.dtype == np.bool_
