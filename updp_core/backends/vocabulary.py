"""The tokens of an encoder as text: how they look, how they join into words, and how a prompt reads.

Tokens are not words: WordPieces (`jo` + `##hn`), CLIP's BPE (`jo` + `hn</w>`), byte-level BPE and SentencePiece all
join on decoding. One small form describes them all, so that the constraint can work on the text that people and the
generator read.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
_NO_SPACE_BEFORE = frozenset(".,;:!?)%")


@dataclass(frozen=True)
class Vocabulary:
    """What each of V tokens looks like in text.

    `texts` are the visible characters; `joins_left` (V,) marks tokens that continue the word before them,
    `joins_right` (V,) those that the next token continues; `special` (V,) marks start, end, padding, unknown and mask
    tokens and rows of the table that stand for no token.
    """

    texts: tuple[str, ...]
    joins_left: Mask
    joins_right: Mask
    special: Mask

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def usable(self) -> Mask:
        """(V,) tokens that may stand in a prompt: not special, not `[unused7]`, and readable (see `readable`)."""
        fit = [readable(t) and not (t.startswith("[unused") and t.endswith("]")) for t in self.texts]
        return np.asarray(fit, dtype=bool) & ~self.special

    @cached_property
    def whole(self) -> Mask:
        """(V,) tokens that are a word or a punctuation mark by themselves."""
        return ~self.joins_left & ~self.joins_right

    def layout(self, ids: Sequence[int]) -> tuple[str, list[tuple[int, int]]]:
        """The text that `ids` read as, and each token's [start, end) in it."""
        parts: list[str] = []
        spans: list[tuple[int, int]] = []
        length = 0
        for n, i in enumerate(ids):
            text = self.texts[i]
            if n and not self._joined(ids[n - 1], i) and text not in _NO_SPACE_BEFORE:
                parts.append(" ")
                length += 1
            parts.append(text)
            spans.append((length, length + len(text)))
            length += len(text)
        return "".join(parts), spans

    def decode(self, ids: Sequence[int]) -> str:
        """The text that `ids` read as."""
        return self.layout(ids)[0]

    def words(self, ids: Sequence[int]) -> list[str]:
        """For each token, the whole word that it belongs to."""
        groups: list[list[int]] = []
        for n, i in enumerate(ids):
            if n and self._joined(ids[n - 1], i):
                groups[-1].append(i)
            else:
                groups.append([i])
        return [word for group in groups for word in ["".join(self.texts[i] for i in group)] * len(group)]

    def _joined(self, left: int, right: int) -> bool:
        return bool(self.joins_left[right] or self.joins_right[left])


def readable(text: str) -> bool:
    """Whether a token's text is made of printable ASCII and accented forms of ASCII letters only.

    Other characters are left out because their look-alikes (a Cyrillic "о", a dotless "ı" in a name) read as a word
    that no list of terms would recognise.
    """
    return bool(text) and all((c.isascii() and c.isprintable() and c != " ") or _accented(c) for c in text)


def _accented(character: str) -> bool:
    base = [c for c in unicodedata.normalize("NFD", character) if not unicodedata.combining(c)]
    return character.isalpha() and all(c.isascii() for c in base)


def from_word_pieces(tokens: Sequence[str], special: Sequence[int], prefix: str = "##") -> Vocabulary:
    """A WordPiece vocabulary: `prefix` marks the pieces that continue a word."""
    joins = np.asarray([t.startswith(prefix) and len(t) > len(prefix) for t in tokens], dtype=bool)
    texts = tuple(t[len(prefix) :] if j else t for t, j in zip(tokens, joins, strict=True))
    return Vocabulary(texts, joins, np.zeros(len(tokens), dtype=bool), _special(len(tokens), special))


def from_clip_bpe(tokens: Sequence[str], special: Sequence[int], suffix: str = "</w>") -> Vocabulary:
    """CLIP's byte-level BPE: a token with `suffix` ends its word, any other is continued by the next token."""
    ends = [t.endswith(suffix) for t in tokens]
    texts = tuple(_from_bytes(t.removesuffix(suffix)) for t in tokens)
    joins = ~np.asarray(ends, dtype=bool)
    return Vocabulary(texts, np.zeros(len(tokens), dtype=bool), joins, _special(len(tokens), special))


def from_space_marked(tokens: Sequence[str], special: Sequence[int], mark: str) -> Vocabulary:
    """GPT-2's byte-level BPE (`mark` is "Ġ") or SentencePiece ("▁"): a token with the mark starts a word."""
    starts = np.asarray([t.startswith(mark) for t in tokens], dtype=bool)
    plain = [t.removeprefix(mark) for t in tokens]
    texts = tuple(_from_bytes(t) for t in plain) if mark == "Ġ" else tuple(plain)
    return Vocabulary(texts, ~starts, np.zeros(len(tokens), dtype=bool), _special(len(tokens), special))


def _special(size: int, ids: Sequence[int]) -> Mask:
    mask = np.zeros(size, dtype=bool)
    mask[[i for i in ids if 0 <= i < size]] = True
    return mask


def _byte_alphabet() -> dict[str, int]:
    """The character with which byte-level BPE writes each byte: printable bytes as they are, others from U+0100 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return {chr(b): b for b in printable} | {chr(256 + n): b for n, b in enumerate(others)}


_BYTES = _byte_alphabet()


def _from_bytes(token: str) -> str:
    """The characters of a byte-level token; "" where its bytes are not whole UTF-8 characters."""
    try:
        return bytes(_BYTES[c] for c in token).decode("utf-8")
    except (KeyError, UnicodeDecodeError):
        return ""
