"""What a change of the lexicon forbids: which candidates, by which terms. Found by the index of words, then checked.

A candidate that is not void is clean under the version in force, so an edit can forbid something in it only by a term
that it adds, or where the report filter now judges a word differently because that left or joined the whitelist.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from updp_core.backends import files
from updp_core.backends.presets import load_preset_words, resolve
from updp_core.config import Settings
from updp_core.domain import Actor, Span
from updp_core.lexicon import Lexicon, diff, edit
from updp_core.lexicon.folding import words
from updp_core.prompt.constraint import hits_in, tokens_that_read_as
from updp_core.report import residual
from updp_core.store import Transaction, word_index
from updp_core.workbench import second_reading
from updp_core.workbench.desk import CURRENT_LEXICON, Noun
from updp_core.workbench.roles import READERS, verb
from updp_core.workbench.shapes import Impact, Piece, Pieces, Terms

if TYPE_CHECKING:
    from updp_core.backends.vocabulary import Vocabulary

SHOWN = 200
"""Records that an impact lists by name."""
MOST_TERMS = 200
"""Terms whose word pieces are listed one by one."""
CHUNK = 500
# What must hold no forbidden word: what may be approved, and what has left.
IN_QUESTION = (
    "SELECT candidate FROM standing WHERE candidate IS NOT NULL AND error = '' "
    "UNION SELECT p.candidate FROM release_pair p"
)


@dataclass(frozen=True)
class Held(word_index.Texts):
    """What is held against a lexicon: a candidate's texts, and what its source's header says of the patient."""

    candidate: int
    record: str
    lexicon_version: int
    header_json: str


@dataclass(frozen=True)
class _Stands:
    record: str
    candidate: int | None
    state: str


@dataclass(frozen=True)
class _InState:
    state: str
    n: int


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


class Impacts(Noun):
    """Say what an edit of the lists would do, before it is saved."""

    @verb(READERS)
    def lexicon_impact(self, *, actor: Actor, add: Terms | None = None, remove: Terms | None = None) -> Impact:
        """What an edit would do, before it is saved."""
        with self.desk.store.read() as tx:
            version, old = self.desk.lexicon(tx)
            seen = foresee(tx, version, old, edit(old, add=add, remove=remove))
            return impact(tx, seen, seen.hits, actor)

    @verb(READERS)
    def lexicon_pieces(self, *, actor: Actor, add: Terms | None = None, remove: Terms | None = None) -> Pieces:
        """Which word pieces of the encoder an edit masks or frees. Reads the encoder's tokenizer, no weights.

        ModelUnavailable where it is not on this machine.
        """
        with self.desk.store.read() as tx:
            _, old = self.desk.lexicon(tx)
        new = edit(old, add=add, remove=remove)
        change = diff(old, new)
        encoder = load_preset_words(resolve(self.desk.settings).encoder)
        vocabulary: Vocabulary = encoder.vocabulary

        def turned(terms: Mapping[str, Sequence[str]], other: Lexicon) -> dict[str, list[int]]:
            """Term -> tokens that it alone decides about: `other`, the lexicon without it, does not mask them."""
            by_term: dict[str, list[int]] = {}
            for token, found in tokens_that_read_as(_only(terms), vocabulary).items():
                if not hits_in(other, vocabulary.texts[token]):
                    for term in found:
                        by_term.setdefault(term, []).append(token)
            return by_term

        added, removed = change.added.get("blacklist", {}), change.removed.get("blacklist", {})
        masked, freed = turned(added, old), turned(removed, new)
        asked = sorted(term for terms in added.values() for term in terms)
        return {
            "encoder": _name(self.desk.settings),
            "size": int(vocabulary.usable.sum()),
            "masked": len({token for tokens in masked.values() for token in tokens}),
            "freed": len({token for tokens in freed.values() for token in tokens}),
            "terms": [
                {
                    "term": term,
                    "masked": [_piece(vocabulary, token) for token in masked.get(term, [])],
                    "reads": [_piece(vocabulary, token) for token in encoder.encode_ids(term)],
                }
                for term in asked[:MOST_TERMS]
            ],
            "more": max(0, len(asked) - MOST_TERMS),
            "free_again": [_piece(vocabulary, token) for tokens in freed.values() for token in tokens][:MOST_TERMS],
        }


def foresee(tx: Transaction, version: int, old: Lexicon, new: Lexicon) -> Foreseen:
    """Look at all candidates in question in one snapshot. `version` is the number of `old`, the version in force."""
    among = set(tx.column(IN_QUESTION))
    before = void_under(tx, version)
    certain, phrases, judged = _suspects(tx, old, new)
    hits = {c: sorted(terms) for c, terms in certain.items() if c in among and c not in before | phrases}
    hits |= _checked(tx, (phrases | judged | before) & among - hits.keys(), old, new, before, judged | before)
    return Foreseen(version, old, new, hits, tx.value("SELECT coalesce(max(id), 0) FROM choice"))


def catch_up(tx: Transaction, seen: Foreseen) -> dict[int, list[str]]:
    """The hits as they are now, under the lock, the version being the same: only what was chosen since is looked at."""
    chosen = "SELECT DISTINCT candidate FROM choice WHERE id > :last"
    fresh = set(tx.column(f"SELECT candidate FROM ({IN_QUESTION}) q WHERE candidate IN ({chosen})", last=seen.choice))
    if not fresh:
        return seen.hits
    hits = {c: terms for c, terms in seen.hits.items() if c not in fresh}
    return hits | _checked(tx, fresh, seen.old, seen.new, void_under(tx, seen.version), fresh)


def void_under(tx: Transaction, version: int) -> set[int]:
    """Candidates that a version forbids; of the one in force, also those whose rows are yet to be written."""
    forbidden = (
        "SELECT candidate FROM violation WHERE lexicon_version = :v UNION ALL SELECT candidate FROM violation_due "
        f"WHERE terms_json <> '' AND :v = ({CURRENT_LEXICON})"
    )
    return set(tx.column(forbidden, v=version))


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
        candidate = row.candidate
        terms = set(violations(new, row, candidate in filtered))
        if terms and candidate not in before:
            terms -= set(violations(old, row, candidate in filtered))
        if terms:
            hits[candidate] = sorted(terms)
    return hits


def rows(tx: Transaction, candidates: Iterable[int]) -> Iterator[Held]:
    """What `violations` looks at, of candidates that did not fail."""
    ordered = sorted(candidates)
    for start in range(0, len(ordered), CHUNK):
        yield from tx.rows(
            Held,
            f"SELECT c.id AS candidate, c.record, c.lexicon_version, {word_index.TEXTS}, r.header_json "
            "FROM candidate c JOIN record r ON r.id = c.record "
            f"WHERE c.error = '' AND c.id IN {tx.dialect.each('some', candidate=int)}",
            some=json.dumps(ordered[start : start + CHUNK]),
        )


def violations(lexicon: Lexicon, row: Held, filtered: bool = True) -> list[str]:
    """What the lexicon forbids in a candidate.

    By term or pattern; where there is none, the categories of what the filter would now remove from the report. The
    stand-ins that the filter wrote itself do not count. Without `filtered` the filter is not asked.
    """
    hits = hits_in(lexicon, row.prompt_text) + lexicon.terms_in(word_index.report_words(row))
    if hits or not filtered:
        return sorted({hit.term for hit in hits})
    stand_ins = [Span(**span) for span in json.loads(row.surrogates_json)]
    spans = residual(row.filtered, lexicon, json.loads(row.header_json), stand_ins)
    return sorted({f"{span.category} (in the report)" for span in spans})


def difference(old: Lexicon, new: Lexicon) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `new` has more and less than `old`, each as list name -> category -> terms."""
    found = diff(old, new)
    plain = [
        {name: {c: list(terms) for c, terms in lists.items()} for name, lists in part.items()}
        for part in (found.added, found.removed)
    ]
    return plain[0], plain[1]


def impact(tx: Transaction, seen: Foreseen, hits: Mapping[int, Sequence[str]], actor: Actor) -> Impact:
    """What an edit would do, in the words of the page: `hits` are the candidates that it would forbid."""
    added, removed = difference(seen.old, seen.new)
    fresh = hits.keys() - void_under(tx, seen.version)
    values = {"fresh": json.dumps(sorted(fresh))}
    hit = f"{tx.dialect.each('fresh', candidate=int)} hit"
    listed = f"FROM {hit} JOIN standing s ON s.candidate = hit.candidate"
    states = {
        r.state: r.n for r in tx.rows(_InState, f"SELECT s.state, count(*) AS n {listed} GROUP BY s.state", **values)
    }
    released = tx.value(
        f"SELECT count(DISTINCT p.candidate) FROM {hit} JOIN release_pair p ON p.candidate = hit.candidate",
        **values,
    )
    named = diff(seen.old, seen.new).added.get("blacklist", {})
    forbidden = {term for terms in named.values() for term in terms}
    swallowed = sorted(
        term
        for term in seen.new.preferred_terms
        if any(hit.term in forbidden for hit in seen.new.terms_in(term, "blacklist"))
    )
    return {
        "version": seen.version,
        "added": added,
        "removed": removed,
        "pending": states.get("pending", 0),
        "approved": states.get("approved", 0),
        "released": released,
        "other": sum(n for state, n in states.items() if state not in ("pending", "approved")),
        "conflicts": sorted(forbidden & seen.old.preferred_terms.keys()),
        "swallowed": swallowed[:SHOWN],
        "where": _where(tx, seen.new, sorted(fresh)[:SHOWN], actor),
    }


def _where(tx: Transaction, new: Lexicon, candidates: Sequence[int], actor: Actor) -> list[dict[str, Any]]:
    """Each pair by record: how it stands, what would be forbidden, and in which of its texts."""
    standings = {
        row.record: row
        for row in tx.rows(
            _Stands,
            "SELECT record, candidate, state FROM standing WHERE record IN "
            f"(SELECT record FROM candidate WHERE id IN {tx.dialect.each('some', candidate=int)})",
            some=json.dumps(candidates),
        )
    }
    blind = second_reading.among(tx, standings, actor)
    found = []
    for row in rows(tx, candidates):
        now_is = standings[row.record]
        state = "pending" if row.record in blind else now_is.state
        in_prompt, in_report = violations(new, replace(row, filtered="")), violations(new, replace(row, prompt_text=""))
        found.append(
            {
                "record": row.record,
                # a candidate that left in a release may have been replaced in the queue since
                "state": state if now_is.candidate == row.candidate else "replaced",
                "terms": sorted({*in_prompt, *in_report}),
                "in": [name for name, terms in (("prompt", in_prompt), ("report", in_report)) if terms],
            }
        )
    return found


def _only(terms: Mapping[str, Sequence[str]]) -> Lexicon:
    return Lexicon(blacklist={category: tuple(some) for category, some in terms.items()})


def _piece(words: Vocabulary, token: int) -> Piece:
    return {
        "text": words.texts[token],
        "joins_left": bool(words.joins_left[token]),
        "joins_right": bool(words.joins_right[token]),
    }


def _name(settings: Settings) -> str:
    """How the page names the encoder. A folder is not told: its path may name people."""
    source = resolve(settings).encoder
    if files.local_folder(source) is None:
        return source.removeprefix(files.HUB)
    return "your own encoder" if settings.encoder else f"{settings.preset} encoder"
