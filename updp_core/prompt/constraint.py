"""What a lexicon means for one encoder's tokens: the masks F and P of the paper, and the check that has the last word.

Tokens are not words (`jo` + `##hn`; and the generator re-tokenises the text). So the blacklist acts twice: as a mask
over tokens, and as a check of the text of the whole prompt, which any refusal rule of the projection must satisfy.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Protocol

import numpy as np

from updp_core.backends.vocabulary import Mask, Vocabulary
from updp_core.lexicon import Lexicon
from updp_core.lexicon.folding import fold_term
from updp_core.lexicon.lexicon import Hit

# More blank lines than any term or pattern reaches across.
_APART = "\n" * 12
_CHUNK = 2000
# Blanks that a tokenizer puts in or takes out at will: around punctuation and between digits.
_LOOSE = re.compile(r"(?<=[^\w\s])\s+|\s+(?=[^\w\s])|(?<=\d)\s+(?=\d)")


class Tokens(Protocol):
    """The part of an encoder that a constraint needs."""

    @property
    def vocabulary(self) -> Vocabulary: ...

    def encode_ids(self, text: str) -> list[int]: ...


class Constraint:
    """Forbidden and preferred tokens (V,) of a lexicon for one vocabulary, and the check of a whole text.

    `forbidden` is F of eq. 4: every token whose text alone is forbidden, in whatever case, at the start of a word or
    inside. `preferred` is P of eq. 6: whole words of whitelist terms, and pieces of four letters or more into which
    their longer words fall.
    """

    def __init__(self, lexicon: Lexicon, encoder: Tokens) -> None:
        self.lexicon = lexicon
        self.vocabulary = encoder.vocabulary
        self._encode_ids = encoder.encode_ids
        found = _forbidden_texts(lexicon, sorted({t for t, u in zip(self._texts, self._usable, strict=True) if u}))
        self._entry_of_text = found
        self.forbidden: Mask = np.asarray([text in found for text in self._texts], dtype=bool) & self._usable

    @property
    def _texts(self) -> tuple[str, ...]:
        return self.vocabulary.texts

    @property
    def _usable(self) -> Mask:
        return self.vocabulary.usable

    @cached_property
    def preferred(self) -> Mask:
        words = self.lexicon.allowed_words
        chosen = np.asarray([fold_term(t) in words for t in self._texts], dtype=bool) & self.vocabulary.whole
        for word in sorted(words):
            pieces = self._encode_ids(word)
            if len(pieces) > 1:
                chosen[[i for i in pieces if len(self._texts[i]) >= 4]] = True
        return chosen & self._usable & ~self.forbidden

    @cached_property
    def allowed(self) -> Mask:
        """(V,) tokens that may be chosen: usable and not forbidden."""
        return self._usable & ~self.forbidden

    def entry(self, token: int) -> str:
        """The lexicon's term or pattern that forbids a token."""
        return self._entry_of_text[self._texts[token]]

    def check(self, text: str) -> list[Hit]:
        """Everything forbidden in `text`, in all the ways in which a generator's tokenizer may read it (`readings`)."""
        return hits_in(self.lexicon, text)


def hits_in(lexicon: Lexicon, text: str) -> list[Hit]:
    """What `lexicon` forbids in any reading of `text`, with places in `text` itself, sorted."""
    hits = lexicon.forbidden_in(text)
    for reading, origin in readings(text):
        for hit in lexicon.forbidden_in(reading):
            hits.append(Hit(origin[hit.start], origin[hit.end - 1] + 1, hit.term, hit.category))
    return sorted(set(hits), key=lambda hit: (hit.start, -hit.end))


def tokens_that_read_as(lexicon: Lexicon, vocabulary: Vocabulary) -> dict[int, set[str]]:
    """Usable tokens whose text alone holds a term of the blacklist -> these terms: what the terms add to F of eq. 4."""
    terms = lexicon.forbidden_terms.keys()
    by_text: dict[str, set[str]] = {}
    for text in {vocabulary.texts[i] for i in np.flatnonzero(vocabulary.usable)}:
        hits = lexicon.terms_in(text) if text.isascii() else hits_in(lexicon, text)
        if found := {hit.term for hit in hits} & terms:
            by_text[text] = found
    return {int(i): by_text[t] for i in np.flatnonzero(vocabulary.usable) if (t := vocabulary.texts[i]) in by_text}


def readings(text: str) -> Iterator[tuple[str, Sequence[int]]]:
    """Other texts that a tokenizer may take `text` for, each with its characters' places in `text`.

    CLIP's reads "2 0 1 9" and "2019" alike, and blanks around punctuation count for nothing; BERT's drops accents.
    """
    tight, origin = tighten(text)
    if tight != text:
        yield tight, origin
    if not text.isascii():
        pairs = [(c, i) for i, mark in enumerate(text) for c in unicodedata.normalize("NFKD", mark)]
        pairs = [(c, i) for c, i in pairs if not unicodedata.combining(c)]
        plain, places = "".join(c for c, _ in pairs), [i for _, i in pairs]
        tight, origin = tighten(plain)
        yield tight, [places[i] for i in origin]


def tighten(text: str) -> tuple[str, Sequence[int]]:
    """`text` without blanks around punctuation and between digits, and each character's place in the original."""
    keep = [True] * len(text)
    for match in _LOOSE.finditer(text):
        keep[match.start() : match.end()] = [False] * (match.end() - match.start())
    origin = [i for i, kept in enumerate(keep) if kept]
    return "".join(text[i] for i in origin), origin


def _forbidden_texts(lexicon: Lexicon, texts: Sequence[str]) -> dict[str, str]:
    """Those of `texts` that are forbidden by themselves, with the entry that forbids them.

    Most are found innocent in chunks of thousands, far apart in one text; the rest are looked at one by one.
    """
    found: dict[str, str] = {}
    for start in range(0, len(texts), _CHUNK):
        chunk = texts[start : start + _CHUNK]
        ends = np.cumsum([len(text) + len(_APART) for text in chunk])
        hits = lexicon.forbidden_in(_APART.join(chunk))
        suspects = {int(np.searchsorted(ends, at, side="right")) for hit in hits for at in (hit.start, hit.end - 1)}
        suspects |= {n for n, text in enumerate(chunk) if not text.isascii()}
        for n in sorted(suspects):
            if alone := hits_in(lexicon, chunk[n]):
                found[chunk[n]] = alone[0].term
    return found
