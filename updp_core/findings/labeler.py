"""Which findings a radiology report asserts, denies or leaves open: a rule-based labeler over FINDINGS.

A finding's term is looked for sentence by sentence; words before and after it decide whether it is negated or
uncertain, up to the next barrier (the idea of NegEx, Chapman et al. 2001; rules and words are our own, see
findings_terms). Statements of normality ("the lungs are clear") deny what they exclude.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from updp_core.findings import terms as terms
from updp_core.findings.terms import FINDINGS

Status = Literal["present", "absent", "uncertain"]
_REACH = 90  # characters after a term in which a trailing "is not seen" may still speak of it


@dataclass(frozen=True)
class Mention:
    """One place where a sentence speaks of a finding. `side` and `severity` are "" where none is stated."""

    finding: str
    status: Status
    sentence: str
    side: Literal["left", "right", "both", ""] = ""
    severity: Literal["minimal", "mild", "moderate", "severe", ""] = ""


def findings_in(text: str) -> dict[str, bool | None]:
    """For each name of FINDINGS: True where the report asserts it, False where it denies it, else None.

    None stands for "not mentioned" and for "left open" ("possible", "cannot be excluded"); `statuses` tells them apart.
    """
    meaning: dict[Status, bool | None] = {"present": True, "absent": False, "uncertain": None}
    found = statuses(text)
    return {name: meaning[found[name]] if name in found else None for name in FINDINGS}


def statuses(text: str) -> dict[str, Status]:
    """The status of each finding that the report mentions. Present wins over uncertain, uncertain over absent."""
    order: tuple[Status, ...] = ("absent", "uncertain", "present")
    found: dict[str, Status] = {}
    for mention in mentions(text):
        known = found.get(mention.finding, "absent")
        found[mention.finding] = max(known, mention.status, key=order.index)
    return found


def mentions(text: str) -> list[Mention]:
    """Every mention of a finding in the parts of a report that tell what was seen, in the order of the text."""
    return [mention for sentence in sentences(seen_part(text)) for mention in _in_sentence(sentence)]


def seen_part(text: str) -> str:
    """`text` without the sections that tell what was asked or known before (indication, history, technique)."""
    parts = _heading().split(text)
    if len(parts) == 1:
        return text
    kept = [parts[0]]
    for heading, body in zip(parts[1::2], parts[2::2], strict=True):
        if not _not_seen().fullmatch(heading.strip().lower()):
            kept.append(body)
    return "\n\n".join(kept)


def sentences(text: str) -> list[str]:
    """Sentences in lower case with single spaces. A full stop inside a number or an abbreviation ends none."""
    text = re.sub(r"\b(dr|mr|mrs|ms|vs|approx|no|st|cm|mm)\.(?=\s+[a-z0-9(])", r"\1", text.lower())
    text = re.sub(r"(\r?\n){2,}", ". ", text.replace("’", "'"))
    text = re.sub(r"\s+", " ", text)
    return [s for part in re.split(r"(?<=[.!?;])\s+|(?<=\))\s*(?=\d\.)", text) if (s := part.strip(" .;!?-*"))]


def _in_sentence(sentence: str) -> list[Mention]:
    blanked = _any(terms.NOT_THESE).sub(lambda match: " " * len(match[0]), sentence)
    found: list[tuple[int, Mention]] = []
    for pattern, denied in _normal():
        for match in pattern.finditer(blanked):
            if not _is_negated_normal(blanked, match.start()):
                found += [(match.start(), Mention(name, "absent", sentence)) for name in denied]
    marks = _marks(blanked)
    for finding in FINDINGS:
        for match in _term(finding).finditer(blanked):
            if finding == "nodule" and _overlaps(match, _term("granuloma"), blanked):
                continue  # a calcified nodule is a granuloma, not one more nodule
            status = _status(blanked, match.start(), match.end(), marks)
            side, severity = _side_and_severity(blanked, match.start(), match.end(), marks)
            found.append((match.start(), Mention(finding, status, sentence, side, severity)))  # type: ignore[arg-type]
    return [mention for _, mention in sorted(found, key=lambda item: item[0])]


@dataclass(frozen=True)
class _Mark:
    start: int
    end: int
    kind: Literal["pseudo", "uncertain", "negated", "barrier"]


def _marks(sentence: str) -> list[_Mark]:
    """Words before a term that decide its status, left to right, none inside another; the longer kind wins."""
    found: list[_Mark] = []
    for kind, patterns in (
        ("pseudo", terms.PSEUDO),
        ("uncertain", terms.UNCERTAIN_BEFORE),
        ("negated", terms.NEGATED_BEFORE),
        ("barrier", terms.BARRIERS),
    ):
        for match in _any(patterns).finditer(sentence):
            if not any(match.start() < mark.end and mark.start < match.end() for mark in found):
                found.append(_Mark(match.start(), match.end(), kind))  # type: ignore[arg-type]
    return sorted(found, key=lambda mark: mark.start)


def _status(sentence: str, start: int, end: int, marks: list[_Mark]) -> Status:
    before = [mark for mark in marks if mark.end <= start]
    after = sentence[end : end + _REACH]
    barrier = _any(terms.BARRIERS).search(after)
    after = after[: barrier.start()] if barrier else after
    if _follows(_any(terms.UNCERTAIN_AFTER), after):
        return "uncertain"
    if _follows(_any(terms.NEGATED_AFTER), after):
        return "absent"
    for mark in reversed(before):
        if mark.kind in ("barrier", "pseudo"):
            break
        if mark.kind == "uncertain":
            return "uncertain"
        if mark.kind == "negated" and not _new_clause(sentence[mark.end : end]):
            return "absent"
    inside = sentence[start:end]
    if re.search(r"\b(?:borderline|upper limits?)\b", inside):
        return "uncertain"
    return "absent" if re.search(r"\bnot\b", inside) else "present"


def _follows(trigger: re.Pattern[str], after: str) -> bool:
    """Whether a trigger follows with no other verb between: "effusion is small and ... is not seen" is not its own."""
    match = trigger.search(after)
    if match is None:
        return False
    between = after[: match.start()]
    return ":" not in between and not re.search(rf"\b{terms.VERBS}\b", between)


def _new_clause(between: str) -> bool:
    """Whether a clause of its own begins between a negation and a term: "no effusion, the heart is enlarged"."""
    return bool(re.search(rf"(?:,|\band\b)[^,]*\b{terms.VERBS}\b", between))


def _is_negated_normal(sentence: str, start: int) -> bool:
    """ "not" or "otherwise" do not make a statement of normality untrue; a hedge before it does."""
    return bool(re.search(r"\b(?:not|nor|cannot) (?:\w+ ){0,2}$", sentence[:start]))


def _side_and_severity(sentence: str, start: int, end: int, marks: list[_Mark]) -> tuple[str, str]:
    """The nearest side within the clause, and a grade in the five words before or, after a verb, behind the term."""
    low = max((mark.end for mark in marks if mark.kind == "barrier" and mark.end <= start), default=0)
    low = max(low, sentence.rfind(",", 0, start) + 1)
    high = min((mark.start for mark in marks if mark.kind == "barrier" and mark.start >= end), default=len(sentence))
    before, after = sentence[low:start], sentence[end:high]
    near = " ".join(before.split()[-6:]) + " " + sentence[start:end]
    side = _nearest(terms.SIDES, near) or _nearest(terms.SIDES, " ".join(after.split()[:8]), first=True)
    grade = _nearest(terms.SEVERITIES, " ".join(before.split()[-5:]) + " " + sentence[start:end])
    return side, grade or _nearest(terms.SEVERITIES, " ".join(after.split()[:4]), first=True)


def _nearest(table: Iterable[tuple[str, str]], text: str, first: bool = False) -> str:
    places = [(match.start(), value) for pattern, value in table for match in re.finditer(rf"\b(?:{pattern})\b", text)]
    if not places:
        return ""
    return min(places)[1] if first else max(places)[1]


def _overlaps(match: re.Match[str], other: re.Pattern[str], text: str) -> bool:
    return any(match.start() < found.end() and found.start() < match.end() for found in other.finditer(text))


@lru_cache(maxsize=64)
def _any(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(
        "|".join(
            rf"(?<![\w'])(?:{pattern})(?!\w)" if pattern[0] != "," and pattern[0] != ":" else rf"(?:{pattern})(?!\w)"
            for pattern in patterns
        )
    )


@lru_cache(maxsize=64)
def _term(finding: str) -> re.Pattern[str]:
    return _any(tuple(sorted(terms.TERMS[finding], key=len, reverse=True)))


@lru_cache(maxsize=1)
def _normal() -> tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]:
    return tuple((_any((pattern,)), denied) for pattern, denied in terms.NORMAL)


@lru_cache(maxsize=1)
def _heading() -> re.Pattern[str]:
    return re.compile(rf"(?:^|\n|(?<=[.;])\s)[ \t*]*((?i:{terms.NOT_SEEN_SECTIONS}|{terms.SEEN_SECTIONS}))[ \t]*:")


@lru_cache(maxsize=1)
def _not_seen() -> re.Pattern[str]:
    return re.compile(terms.NOT_SEEN_SECTIONS)
