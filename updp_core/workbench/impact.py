"""What a change of the lexicon forbids: which candidates, by which terms. Found by the index of words, then checked.

A candidate that is not void is clean under the version in force, so an edit can forbid something in it only by a term
that it adds, or where the report filter now judges a word differently because that left or joined the whitelist.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from updp_core.domain import Span
from updp_core.lexicon.folding import words
from updp_core.store import Transaction, word_index

if TYPE_CHECKING:
    from updp_core.lexicon import Lexicon

CHUNK = 500
# What must hold no forbidden word: what may be approved, and what has left.
IN_QUESTION = (
    "SELECT candidate FROM standing WHERE candidate IS NOT NULL AND error = '' "
    "UNION SELECT p.candidate FROM release_pair p"
)


@dataclass(frozen=True)
class Foreseen:
    """What `new` forbids of the candidates in question, at one moment: candidate -> terms.

    `choice` is the last choice of that moment; what was chosen since is yet to be looked at.
    """

    version: int
    old: Lexicon
    new: Lexicon
    hits: dict[int, list[str]]
    choice: int


def foresee(tx: Transaction, version: int, old: Lexicon, new: Lexicon) -> Foreseen:
    """Look at all candidates in question in one snapshot. `version` is the number of `old`, the version in force."""
    among = {row["candidate"] for row in tx.all(IN_QUESTION)}
    before = void_under(tx, version)
    certain, phrases, judged = _suspects(tx, old, new)
    hits = {c: sorted(terms) for c, terms in certain.items() if c in among and c not in before | phrases}
    hits |= _checked(tx, (phrases | judged | before) & among - hits.keys(), old, new, before, judged | before)
    return Foreseen(version, old, new, hits, tx.value("SELECT coalesce(max(id), 0) FROM choice"))


def catch_up(tx: Transaction, seen: Foreseen) -> dict[int, list[str]]:
    """The hits as they are now, under the lock, the version being the same: only what was chosen since is looked at."""
    chosen = tx.all("SELECT DISTINCT candidate FROM choice WHERE id > :last", last=seen.choice)
    if not chosen:
        return seen.hits
    among = {row["candidate"] for row in tx.all(IN_QUESTION)}
    fresh = {row["candidate"] for row in chosen} & among
    hits = {c: terms for c, terms in seen.hits.items() if c in among and c not in fresh}
    return hits | _checked(tx, fresh, seen.old, seen.new, void_under(tx, seen.version), fresh)


def void_under(tx: Transaction, version: int) -> set[int]:
    """Candidates that a version forbids."""
    rows = tx.all("SELECT candidate FROM violation WHERE lexicon_version = :v", v=version)
    return {row["candidate"] for row in rows}


def _suspects(tx: Transaction, old: Lexicon, new: Lexicon) -> tuple[dict[int, set[str]], set[int], set[int]]:
    """Candidates that hold an added term of one word, with these; that hold all words of another added term; and that
    hold a word which the report filter now judges differently. The text of the latter two must be looked at."""
    certain: dict[int, set[str]] = {}
    phrases: set[int] = set()
    for term in new.forbidden_terms.keys() - old.forbidden_terms.keys():
        if len(words(term)) == 1:
            for candidate in word_index.having(tx, words(term), "said"):
                certain.setdefault(candidate, set()).add(term)
        else:
            phrases |= word_index.having(tx, word_index.parts(term))
    judged: set[int] = set()
    changed = old.allowed_words ^ new.allowed_words
    for word in changed:
        judged |= word_index.having(tx, [word])
    for term in old.preferred_terms.keys() ^ new.preferred_terms.keys():
        if old.allows(term) != new.allows(term) and not changed & set(words(term)):
            judged |= word_index.having(tx, word_index.parts(term))
    return certain, phrases, judged


def _checked(
    tx: Transaction, candidates: Iterable[int], old: Lexicon, new: Lexicon, before: set[int], filtered: set[int]
) -> dict[int, list[str]]:
    """Those of `candidates` that `new` forbids and, unless they are void already, `old` did not: -> terms.

    The report filter, which takes milliseconds for each, runs on those of `filtered` alone.
    """
    hits = {}
    for row in rows(tx, candidates):
        candidate = row["candidate"]
        terms = set(violations(new, row, candidate in filtered))
        if terms and candidate not in before:
            terms -= set(violations(old, row, candidate in filtered))
        if terms:
            hits[candidate] = sorted(terms)
    return hits


def rows(tx: Transaction, candidates: Iterable[int]) -> Iterator[dict[str, Any]]:
    """What `violations` looks at, of candidates that did not fail."""
    ordered = sorted(candidates)
    for start in range(0, len(ordered), CHUNK):
        yield from tx.all(
            f"SELECT c.id AS candidate, c.record, c.lexicon_version, {word_index.TEXTS}, r.header_json "
            "FROM candidate c JOIN record r ON r.id = c.record "
            "WHERE c.error = '' AND c.id IN (SELECT value FROM json_each(:some))",
            some=json.dumps(ordered[start : start + CHUNK]),
        )


def violations(lexicon: Lexicon, row: Mapping[str, Any], filtered: bool = True) -> list[str]:
    """What the lexicon forbids in a candidate (`prompt_text`, `filtered`, `surrogates_json`, `header_json`).

    By term or pattern; where there is none, the categories of what the filter would now remove from the report. The
    stand-ins that the filter wrote itself do not count. Without `filtered` the filter is not asked.
    """
    from updp_core.prompt.constraint import hits_in
    from updp_core.report import residual

    hits = hits_in(lexicon, row["prompt_text"]) + lexicon.terms_in(word_index.report_words(row))
    if hits or not filtered:
        return sorted({hit.term for hit in hits})
    stand_ins = [Span(**span) for span in json.loads(row["surrogates_json"])]
    spans = residual(row["filtered"], lexicon, json.loads(row["header_json"]), stand_ins)
    return sorted({f"{span.category} (in the report)" for span in spans})
