"""Lexicons: the terms that may never leave (blacklist) and the terms worth keeping (whitelist).

A lexicon is data: plain text files, a category a file, one term a line. Terms are compared in folded form
(NFKC, casefolded) and as whole words, so that neither spelling variants nor a tokenizer's re-joined pieces slip
through (method: paper section 3.3, eq. 4, plus patterns that no list of terms can hold).
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from updp_core.config import LEXICONS
from updp_core.errors import LexiconError
from updp_core.lexicon import patterns
from updp_core.lexicon.folding import fold, fold_term, word_spans, words

ListName = Literal["blacklist", "whitelist"]
Terms = Mapping[str, tuple[str, ...]]
Entries = Mapping[str, Mapping[str, Iterable[str]]]

LISTS: tuple[ListName, ListName] = ("blacklist", "whitelist")
MAX_TERM = 120
_CATEGORY = re.compile(r"[a-z][a-z0-9_]{0,39}")
# Words of a term may stand apart by a little punctuation: "date-of-birth", or "date - of - birth" from WordPieces.
_GAP = re.compile(r"[\W_]{1,4}")


@dataclass(frozen=True)
class Hit:
    """A forbidden piece of a text: [start, end) in characters, the term or pattern, and its category."""

    start: int
    end: int
    term: str
    category: str


@dataclass(frozen=True)
class LexiconDiff:
    """What one lexicon has more (`added`) and less (`removed`) than another: list -> category -> terms."""

    added: dict[str, dict[str, tuple[str, ...]]]
    removed: dict[str, dict[str, tuple[str, ...]]]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


@dataclass(frozen=True)
class Lexicon:
    """Blacklist and whitelist, category -> terms, in normal form (folded, sorted, no repeats). Immutable.

    Raises LexiconError where a term is empty, too long, holds control characters, or stands in both lists.
    """

    blacklist: Terms = field(default_factory=dict)
    whitelist: Terms = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in LISTS:
            normal = {
                _category(category): tuple(sorted({_normal(term, f"{name}/{category}") for term in terms}))
                for category, terms in sorted(getattr(self, name).items())
            }
            object.__setattr__(self, name, MappingProxyType({c: t for c, t in normal.items() if t}))
        if both := self.forbidden_terms.keys() & self.preferred_terms.keys():
            term = min(both)
            raise LexiconError(
                f"The term {term!r} is on the blacklist ({self.forbidden_terms[term]}) and on the whitelist "
                f"({self.preferred_terms[term]}). Remove it from one of them."
            )

    def __hash__(self) -> int:
        return hash(self.digest)

    def __reduce__(self) -> tuple[Any, ...]:
        return Lexicon, (dict(self.blacklist), dict(self.whitelist))

    @cached_property
    def digest(self) -> str:
        """sha256 of the canonical JSON of `to_dict()`: the same terms give the same digest everywhere."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(canonical.encode()).hexdigest()

    @cached_property
    def forbidden_terms(self) -> dict[str, str]:
        """Blacklist term -> its category."""
        return {term: category for category, terms in self.blacklist.items() for term in terms}

    @cached_property
    def preferred_terms(self) -> dict[str, str]:
        """Whitelist term -> its category."""
        return {term: category for category, terms in self.whitelist.items() for term in terms}

    @cached_property
    def allowed_words(self) -> frozenset[str]:
        """Every single word that occurs in a whitelist term and is not itself blacklisted."""
        return frozenset(w for term in self.preferred_terms for w in words(term)) - self.forbidden_terms.keys()

    def allows(self, text: str) -> bool:
        """Whether `text` is a whitelist term, or consists of words of whitelist terms only."""
        folded = fold_term(text)
        found = words(folded)
        return folded in self.preferred_terms or (bool(found) and all(w in self.allowed_words for w in found))

    def terms_in(self, text: str, which: ListName = "blacklist") -> list[Hit]:
        """Every whole-word occurrence of a term of one list in `text`, longest match first at each place."""
        terms = self.forbidden_terms if which == "blacklist" else self.preferred_terms
        return _find_terms(text, _matcher(tuple(terms.items())))

    def forbidden_in(self, text: str) -> list[Hit]:
        """What of `text` may never stand in a prompt: blacklist terms, dates, ages, long digit runs, markers.

        Hits are sorted by position; hits of terms and of patterns may overlap.
        """
        folded = fold(text)
        hits = self.terms_in(text)
        for rule in patterns.PROMPT_RULES:
            for match in rule.regex.finditer(folded.text):
                hits.append(Hit(*folded.original(*match.span()), rule.name, rule.category))
        return sorted(hits, key=lambda hit: (hit.start, -hit.end))

    def to_dict(self) -> dict[str, dict[str, list[str]]]:
        """JSON-able form; `from_dict` gives an equal lexicon back."""
        return {name: {c: list(terms) for c, terms in getattr(self, name).items()} for name in LISTS}

    @classmethod
    def from_dict(cls, data: Mapping[str, Mapping[str, Iterable[str]]]) -> Lexicon:
        """The lexicon of a `to_dict()` form. Raises LexiconError for an unknown list or a bad term."""
        if unknown := set(data) - set(LISTS):
            raise LexiconError(f"A lexicon holds {' and '.join(LISTS)}, not {min(unknown)!r}.")
        return cls(*({c: tuple(terms) for c, terms in data.get(name, {}).items()} for name in LISTS))


def load_lexicon(folder: Path = LEXICONS) -> Lexicon:
    """The lexicon of `folder`/blacklist/*.txt and `folder`/whitelist/*.txt.

    Raises LexiconError naming file and line where a file is empty or not UTF-8, a term is not valid, or a term
    stands in both lists.
    """
    folder = Path(folder)
    lists: dict[str, dict[str, list[str]]] = {}
    seen: dict[str, tuple[str, str]] = {}
    for name in LISTS:
        files = sorted((folder / name).glob("*.txt"))
        if not files:
            raise LexiconError(f"{folder / name} holds no .txt file. Put one file there for each category of terms.")
        lists[name] = {path.stem: _read_terms(path, name, seen) for path in files}
    return Lexicon.from_dict(lists)


def edit(lexicon: Lexicon, *, add: Entries | None = None, remove: Entries | None = None) -> Lexicon:
    """A new lexicon with terms removed, then added: {"blacklist": {category: [term, ...]}, "whitelist": {...}}.

    A term that is added to the blacklist leaves the whitelist by itself: the safe list wins. The other way round is
    an error, as is removing a term that is not there: both could hide a mistake.
    """
    lists: dict[str, dict[str, set[str]]] = {
        name: {c: set(terms) for c, terms in getattr(lexicon, name).items()} for name in LISTS
    }
    for name, category, term in _entries(remove):
        if term not in lists[name].get(category, ()):
            raise LexiconError(f"{name}/{category} has no term {term!r}, so it cannot be removed.")
        lists[name][category].discard(term)
    for name, category, term in _entries(add):
        if name == "blacklist":
            for terms in lists["whitelist"].values():
                terms.discard(term)
        elif holder := next((c for c, terms in lists["blacklist"].items() if term in terms), None):
            raise LexiconError(f"{term!r} is on the blacklist ({holder}). Remove it there before allowing it.")
        lists[name].setdefault(category, set()).add(term)
    return Lexicon.from_dict(lists)


def diff(old: Lexicon, new: Lexicon) -> LexiconDiff:
    """The terms that `new` has more and less than `old`; `edit(old, add=d.added, remove=d.removed) == new`."""

    def beyond(a: Lexicon, b: Lexicon) -> dict[str, dict[str, tuple[str, ...]]]:
        extra = {
            name: {c: rest for c, terms in getattr(a, name).items() if (rest := _without(terms, getattr(b, name), c))}
            for name in LISTS
        }
        return {name: categories for name, categories in extra.items() if categories}

    return LexiconDiff(added=beyond(new, old), removed=beyond(old, new))


def _without(terms: tuple[str, ...], other: Terms, category: str) -> tuple[str, ...]:
    known = set(other.get(category, ()))
    return tuple(term for term in terms if term not in known)


def _entries(entries: Entries | None) -> list[tuple[ListName, str, str]]:
    flat: list[tuple[ListName, str, str]] = []
    for name, categories in (entries or {}).items():
        if name not in LISTS:
            raise LexiconError(f"There is no list {name!r}: choose blacklist or whitelist.")
        which: ListName = "blacklist" if name == "blacklist" else "whitelist"
        for category, terms in categories.items():
            flat += [(which, _category(category), _normal(term, f"{name}/{category}")) for term in terms]
    return flat


def _category(name: str) -> str:
    if not _CATEGORY.fullmatch(name):
        raise LexiconError(
            f"{name!r} is not a category name: use 1 to 40 lower-case letters, digits and _, beginning with a letter."
        )
    return name


def _normal(term: str, where: str) -> str:
    """The normal form of a term; `where` names its place in the error message."""
    if any(unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn") for c in term):
        raise LexiconError(f"{where}: a term holds a control or unassigned character. Retype the line.")
    normal = fold_term(term)
    if not normal:
        raise LexiconError(f"{where}: a term is empty.")
    if len(normal) > MAX_TERM:
        raise LexiconError(f"{where}: a term has {len(normal)} characters; {MAX_TERM} are the most.")
    return normal


def _read_terms(path: Path, name: ListName, seen: dict[str, tuple[str, str]]) -> list[str]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = error.object[: error.start].count(b"\n") + 1
        raise LexiconError(f"{path}, line {number}: not UTF-8. Save the file as UTF-8.") from None
    terms = []
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.removesuffix("\r")
        content = "" if line.lstrip().startswith("#") else line.split(" #", 1)[0].strip(" \t")
        if not content:
            continue
        where = f"{path}, line {number}"
        term = _normal(content, where)
        if (other := seen.setdefault(term, (name, where)))[0] != name:
            raise LexiconError(f"{where}: {term!r} is also on the {other[0]} ({other[1]}). Remove it from one list.")
        terms.append(term)
    if not terms:
        raise LexiconError(f"{path}: holds no term. Add one, or delete the file.")
    return terms


@dataclass(frozen=True)
class _Matcher:
    by_first_word: dict[str, list[tuple[tuple[str, ...], str, str]]]
    symbols: list[tuple[str, str]]


@lru_cache(maxsize=8)
def _matcher(terms: tuple[tuple[str, str], ...]) -> _Matcher:
    by_first_word: dict[str, list[tuple[tuple[str, ...], str, str]]] = {}
    symbols = []
    for term, category in terms:
        parts = tuple(words(term))
        if parts:
            by_first_word.setdefault(parts[0], []).append((parts, term, category))
        else:
            symbols.append((term, category))
    for candidates in by_first_word.values():
        candidates.sort(key=lambda c: -len(c[0]))
    return _Matcher(by_first_word, symbols)


def _find_terms(text: str, matcher: _Matcher) -> list[Hit]:
    folded = fold(text)
    found = word_spans(folded.text)
    hits = []
    for i, (word, start, _) in enumerate(found):
        for parts, term, category in matcher.by_first_word.get(word, ()):
            span = found[i : i + len(parts)]
            if tuple(w for w, _, _ in span) != parts:
                continue
            if all(_GAP.fullmatch(folded.text, a[2], b[1]) for a, b in pairwise(span)):
                hits.append(Hit(*folded.original(start, span[-1][2]), term, category))
                break
    for term, category in matcher.symbols:
        at = folded.text.find(term)
        while at >= 0:
            hits.append(Hit(*folded.original(at, at + len(term)), term, category))
            at = folded.text.find(term, at + len(term))
    return sorted(hits, key=lambda hit: (hit.start, -hit.end))
