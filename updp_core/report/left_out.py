"""Findings that a privacy level leaves out of a report: which pieces of its text have to go."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from updp_core.findings import labeler
from updp_core.lexicon import Lexicon, edit
from updp_core.report.categories import category_of

_MARK = category_of("left_out").placeholder
_SENTENCE = re.compile(r"(?:[^.!?;\n]|\.(?=\w)|\n(?=[a-z]))+[.!?;]*")
_CLAUSE = re.compile(r",\s*(?:and\s+|with\s+)?|\s+(?:and|with|but|as well as|in addition to)\s+", re.IGNORECASE)
_HEADING = re.compile(r"^\s*[A-Za-z][A-Za-z /]{2,40}:\s*")


def told_of(text: str, names: Collection[str]) -> set[str]:
    """Which findings of `names` a text asserts or leaves open, in whatever section it stands."""
    found: set[str] = set()
    for piece in [text, *(m[0] for m in _SENTENCE.finditer(text))]:
        said = labeler.statuses(_HEADING.sub("", piece))
        found |= {name for name in names if said.get(name) in ("present", "uncertain")}
    return found


def pieces(text: str, names: Collection[str]) -> list[tuple[int, int]]:
    """[start, end) of what tells of findings `names` in a report; what is left tells of none of them.

    A sentence that asserts one of them and nothing else goes; of one that tells more, the clause. Denials stay.
    """
    if not names:
        return []
    out: list[tuple[int, int]] = []
    for sentence in _SENTENCE.finditer(text):
        if not told_of(sentence[0], names):
            continue
        heading = _HEADING.match(sentence[0])
        start = sentence.start() + (heading.end() if heading else len(sentence[0]) - len(sentence[0].lstrip()))
        end = sentence.end()
        others = {n for n, s in labeler.statuses(text[start:end]).items() if s == "present"} - set(names)
        clauses = _clauses(text, start, end, names) if others else []
        out += clauses or [(start, end)]
    if told_of(_without(text, out), names):  # what only the whole tells, as across a line's end
        return [(0, len(text))]
    return out


def _clauses(text: str, start: int, end: int, names: Collection[str]) -> list[tuple[int, int]]:
    """The clauses of a sentence that tell of `names`; none where the others cannot stand alone."""
    stop = end - len(text[start:end]) + len(text[start:end].rstrip(".!?; "))
    cuts = [(m.start() + start, m.end() + start) for m in _CLAUSE.finditer(text[start:stop])]
    bounds = zip([start, *(e for _, e in cuts)], [*(s for s, _ in cuts), stop], strict=True)
    going = [(a, b) for a, b in bounds if told_of(text[a:b], names)]
    left = _without(text[start:end], [(a - start, b - start) for a, b in going])
    return going if going and not told_of(left, names) else []


def _without(text: str, ranges: list[tuple[int, int]]) -> str:
    for start, end in sorted(ranges, reverse=True):
        text = text[:start] + _MARK + text[end:]
    return text


def words_of(lexicon: Lexicon, names: frozenset[str], prompt: str) -> list[str]:
    """The words that tell of findings `names`: those of the whitelist, and those that `prompt` used."""

    def says(words: str) -> bool:
        return bool(names & labeler.statuses(words).keys())

    words = prompt.lower().split()
    used = [" ".join(words[i : i + n]) for n in (1, 2, 3) for i in range(len(words) - n + 1)]
    least = {term for term in used if says(term) and not any(says(part) for part in term.split() if part != term)}
    return sorted({term for term in lexicon.preferred_terms if says(term)} | least)


def denied(lexicon: Lexicon, words: Iterable[str]) -> Lexicon:
    """The lexicon with `words` forbidden besides."""
    return edit(lexicon, add={"blacklist": {"left_out": words}})
