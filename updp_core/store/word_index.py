"""Which words stand in a candidate's prompt and filtered report, so that a changed term is looked up, not searched for.

A full-text index of two columns. `said` holds exactly the words that a lexicon's terms are compared with: a term of one
word forbids something in a candidate if, and only if, it stands there. `near` holds more, so that whatever a rule of
the report filter may take for a word is found: words without their accents, runs of letters, signs. All are in ASCII,
since the index would fold other scripts in its own way. Rows are written once, as candidates are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from updp_core.domain import Span
from updp_core.lexicon.folding import fold, unaccented, words
from updp_core.prompt.constraint import readings
from updp_core.report.filter import own_words

if TYPE_CHECKING:
    from updp_core.store import Transaction

TEXTS: Final = "c.prompt_text, c.filtered, c.surrogates_json"
"""The columns of `candidate c` that make its row."""


@dataclass(frozen=True)
class Texts:
    """What is indexed of a candidate: its prompt, its filtered report, and where the filter wrote stand-ins there."""

    prompt_text: str
    filtered: str
    surrogates_json: str


@dataclass(frozen=True)
class _Indexed(Texts):
    id: int


@dataclass(frozen=True)
class _Checked(Texts):
    id: int
    error: str


_LETTERS = re.compile(r"[^\W\d_]+")
_SIGN = re.compile(r"[\W_]")


def add(tx: Transaction, candidate: int, texts: Texts) -> None:
    """Index a new candidate."""
    tx.dialect.index_words(tx, candidate, *indexed(texts))


def remove(tx: Transaction, candidate: int, texts: Texts) -> None:
    """Take a candidate out; `texts` are those that it was indexed with."""
    tx.dialect.unindex_words(tx, candidate, *indexed(texts))


def add_all(tx: Transaction) -> None:
    """Index every candidate anew."""
    tx.dialect.forget_words(tx)
    last = 0
    some = f"SELECT c.id, {TEXTS} FROM candidate c WHERE c.error = '' AND c.id > :last ORDER BY c.id LIMIT 500"
    while rows := tx.rows(_Indexed, some, last=last):
        for row in rows:
            add(tx, row.id, row)
        last = rows[-1].id


def differing(tx: Transaction) -> list[int]:
    """Candidates whose words in the index are not those that follow from their texts."""
    marks: dict[int, int] = {}  # combined by exclusive or, since an index tells its words in an order of its own
    for candidate, column, word in tx.dialect.words_indexed(tx):
        marks[candidate] = marks.get(candidate, 0) ^ hash((column, word))
    last = 0
    some = f"SELECT c.id, c.error, {TEXTS} FROM candidate c WHERE c.id > :last ORDER BY c.id LIMIT 500"
    while rows := tx.rows(_Checked, some, last=last):
        for row in rows:
            for column, found in zip(("said", "near"), ([], []) if row.error else indexed(row), strict=True):
                for word in {tx.dialect.as_indexed(word) for word in found}:
                    marks[row.id] = marks.get(row.id, 0) ^ hash((column, word))
        last = rows[-1].id
    return sorted(candidate for candidate, mark in marks.items() if mark)


def indexed(row: Texts) -> tuple[list[str], list[str]]:
    """What is kept of a candidate: the words that are `said`, and what is `near` besides."""
    said = {word for text in compared(row) for word in words(fold(text).text)}
    near = set(said)
    for text in compared(row):
        folded = fold(text).text
        near |= set(_LETTERS.findall(folded)) | {sign for sign in _SIGN.findall(folded) if not sign.isspace()}
        if not text.isascii():
            bare = fold(unaccented(fold(text, casefold=False).text)).text
            near |= set(words(bare)) | set(_LETTERS.findall(bare))
    return _ascii(said), _ascii(near - said)


def compared(row: Texts) -> Iterator[str]:
    """The texts of a candidate that a lexicon is held against: all readings of the prompt, the report's own words."""
    yield row.prompt_text
    yield from (text for text, _ in readings(row.prompt_text))
    yield report_words(row)


def report_words(row: Texts) -> str:
    """The filtered report without what the filter itself wrote there."""
    return own_words(row.filtered, [Span(**span) for span in json.loads(row.surrogates_json)])


def having(tx: Transaction, sought: Iterable[str], where: Literal["said", "anywhere"] = "anywhere") -> set[int]:
    """Candidates that hold all of these words and signs."""
    return tx.dialect.candidates_with(tx, _ascii(sought), where)


def parts(term: str) -> set[str]:
    """What to look up for a term in normal form: its words, or its signs where it has no word."""
    return set(words(term)) or {sign for sign in term if not sign.isspace()}


def _ascii(found: Iterable[str]) -> list[str]:
    return sorted(set(map(_coded, found)))


def _coded(word: str) -> str:
    plain = word.isascii() and word.isalnum() and not word.startswith("x")  # two words never share a code
    return word if plain else "x" + word.encode("utf-8", "surrogatepass").hex()
