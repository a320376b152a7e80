"""A WordPiece vocabulary for radiology: report language, the lexicons' words and ordinary English.

The lexicons' words are in it whole, forbidden ones included: masking tokens means something only where the vocabulary
holds names, months and institutions too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from updp_core.config import LEXICONS

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def lexicon_words(folder: Path = LEXICONS) -> Counter[str]:
    """Words of all lexicon files, casefolded, with the number of entries that they occur in."""
    words: Counter[str] = Counter()
    for file in sorted(folder.rglob("*.txt")):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                words.update(re.findall(r"[a-z]{2,}", line.casefold()))
    return words


def build_vocabulary(texts: Iterable[str], size: int = 6000, folder: Path = LEXICONS) -> dict[str, int]:
    """A WordPiece vocabulary (token -> id) of at most `size`, lower-case, learned from texts and lexicons."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL),
        show_progress=False,
        initial_alphabet=[*"abcdefghijklmnopqrstuvwxyz0123456789.,:;-/()'%_"],
        min_frequency=3,
    )
    known = lexicon_words(folder)
    corpus = [*texts, *(f"{word} " * (3 + count) for word, count in sorted(known.items()))]
    tokenizer.train_from_iterator(corpus, trainer)
    vocab = tokenizer.get_vocab()
    # Every letter and digit must be able to go on a word, so that no lower-case word becomes [UNK].
    for mark in "abcdefghijklmnopqrstuvwxyz0123456789":
        for token in (mark, f"##{mark}"):
            vocab.setdefault(token, len(vocab))
    return dict(sorted(vocab.items(), key=lambda item: item[1]))


def make_tokenizer(vocab: dict[str, int], folder: Path | None = None, context: int = 96) -> Any:
    """A BertTokenizerFast over `vocab`, saved into `folder` if one is given."""
    from transformers import BertTokenizerFast  # type: ignore[attr-defined]

    tokenizer = BertTokenizerFast(vocab=vocab, model_max_length=context)
    if folder:
        tokenizer.save_pretrained(folder)
    return tokenizer


def words_of(vocab: Iterable[str]) -> list[str]:
    """Whole words of a vocabulary, at least three letters: the noise that texts are varied with."""
    return [token for token in vocab if token.isalpha() and len(token) > 2]
