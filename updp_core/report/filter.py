"""The report filter: where a report holds PHI, the report without it, and the check that nothing is left.

Evidence, strongest first: the lexicon's blacklist, the study's own header, context and patterns, Presidio's
recognisers, the name and place gazetteers, an optional model. A whitelist term survives a gazetteer hit and nothing
else (method: section 3). The filter repeats itself on its own output until the residual check is empty, so "nothing
is left" holds by construction.
"""

from __future__ import annotations

import re
import secrets
from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from updp_core.domain import Span
from updp_core.errors import UsageError
from updp_core.lexicon import Lexicon
from updp_core.lexicon.folding import fold
from updp_core.report import disguise, header_values, left_out, names, ner, patterns, places, recognisers, unknown_words
from updp_core.report.categories import PLACEHOLDER, category_of, rank_of
from updp_core.report.header_values import header_words
from updp_core.report.surrogates import Surrogates
from updp_core.report.words import FILLER, Header, Ner, Origin, Piece, Reading

Policy = Literal["remove", "placeholder", "surrogate"]
POLICIES: tuple[Policy, ...] = ("remove", "placeholder", "surrogate")
_VAGUE: dict[Origin, int] = {"gazetteer": 1, "unlisted": 2}
_BETWEEN = re.compile(r"[ \t:#.\-]{0,3}")


class Finder(Protocol):
    """A module that finds PHI of one kind."""

    def find(self, reading: Reading) -> list[Piece]:
        """Pieces of the reading's text."""
        ...


FINDERS: tuple[Finder, ...] = (header_values, names, places, unknown_words, patterns, recognisers, ner)


@dataclass(frozen=True)
class FilteredReport:
    """A report without PHI: `text`; `spans` of the original that are gone; and how.

    `surrogates` are the [start, end) of `text` that hold invented stand-ins: give them to `residual` wherever the
    text is checked again, since an invented name looks like a real one.
    """

    text: str
    spans: tuple[Span, ...]
    policy: Policy
    surrogates: tuple[Span, ...] = ()


def find_spans(text: str, lexicon: Lexicon, header: Header | None = None, ner: Ner | None = None) -> list[Span]:
    """PHI spans of `text`: sorted, not overlapping, each with the rule that fired.

    `header` maps kinds of identifier (SourceStudy.header) to values. Placeholders of this filter are not PHI.
    """
    return [_span(piece) for piece in _scan(text, lexicon, header, ner)]


def residual(
    text: str | FilteredReport, lexicon: Lexicon, header: Header | None = None, surrogates: Sequence[Span] = ()
) -> list[Span]:
    """What the same rules still find in a filtered report, outside of its stand-ins. Empty on every filtered report."""
    if isinstance(text, FilteredReport):
        return residual(text.text, lexicon, header, text.surrogates)
    return [_span(piece) for piece in _scan(text, lexicon, header, known=_ranges(surrogates))]


def filter_report(
    text: str,
    lexicon: Lexicon,
    header: Header | None = None,
    policy: Policy = "placeholder",
    key: bytes | None = None,
    ner: Ner | None = None,
    hidden: Collection[str] = (),
) -> FilteredReport:
    """`text` with its PHI removed, replaced by a category's placeholder, or by a stand-in of the same shape.

    What tells of findings `hidden` goes too, marked under each policy. Text outside `spans` stays byte for byte. The
    same secret `key` gives the same stand-ins; without one they are drawn anew. Raises UsageError for an unknown
    policy.
    """
    if policy not in POLICIES:
        raise UsageError(f"There is no report policy {policy!r}: choose {', '.join(POLICIES)}.")
    key = key or secrets.token_bytes(32)
    pieces = _scan(text, lexicon, header, ner)
    going = left_out.pieces(text, hidden)
    pieces = _merge([*pieces, *(Piece(*at, "left_out", "privacy level", "context") for at in going)], text)
    for turn in range(len(text) + 1):
        filtered, origins = _apply(text, pieces, policy, key, header, lexicon)
        left = _scan(filtered.text, lexicon, header, known=_ranges(filtered.surrogates))
        if not left:
            return filtered
        # Taking one piece away can make another one readable as PHI: take that too, and its line if this goes on.
        more = [_back(piece, origins) for piece in left]
        pieces = _merge([*pieces, *(more if turn < 8 else (_whole_line(piece, text) for piece in more))], text)
    raise AssertionError("each turn masks more of the text, so one of them must find nothing")


def prompt_text(filtered_text: str, lexicon: Lexicon) -> str:
    """A filtered report as the start of a prompt: no placeholder, no marker, nothing that a prompt may not hold."""
    text = PLACEHOLDER.sub(" ", filtered_text)
    while True:
        cut = [(span.start, span.end) for span in find_spans(text, lexicon)]
        cut += [(hit.start, hit.end) for hit in lexicon.forbidden_in(text)]
        if not cut:
            break
        for start, end in sorted(_unite(cut), reverse=True):
            text = text[:start] + " " + text[end:]
    text = re.sub(r"[\[\](){}<>*_#|]+", " ", text)
    text = re.sub(r"\s+([.,;:!?])", r"\1", " ".join(text.split()))
    text = re.sub(r"([.,;:!?\-])(?:\s*[.,;:!?\-])+", r"\1", text).strip(" ,;:-")
    # Squeezing blanks can bring two harmless pieces together.
    return text if not lexicon.forbidden_in(text) else prompt_text(_without(text, lexicon), lexicon)


def without_stand_ins(text: str, surrogates: Sequence[Span]) -> str:
    """A filtered report with a placeholder in the place of each stand-in."""
    for span in sorted(surrogates, key=lambda span: span.start, reverse=True):
        text = text[: span.start] + category_of(span.category).placeholder + text[span.end :]
    return text


def own_words(text: str, surrogates: Sequence[Span] = ()) -> str:
    """A filtered report, character for character, with a neutral one wherever the filter itself has written."""
    return _shown(text, _ranges(surrogates))


def own_identifiers(text: str, lexicon: Lexicon, header: Header | None) -> list[Span]:
    """Where `text` writes what the study's own header states."""
    folded = fold(text, casefold=False)
    found = header_values.find(Reading(folded.text, lexicon, header))
    return [Span(*folded.original(piece.start, piece.end), piece.rule, piece.category) for piece in found]


def _span(piece: Piece) -> Span:
    return Span(piece.start, piece.end, piece.rule, piece.category)


def _ranges(spans: Sequence[Span]) -> list[tuple[int, int]]:
    return [(span.start, span.end) for span in spans]


def _scan(
    text: str,
    lexicon: Lexicon,
    header: Header | None,
    ner: Ner | None = None,
    known: Sequence[tuple[int, int]] = (),
) -> list[Piece]:
    """PHI of `text` outside of `known` pieces and placeholders, which read as a neutral character."""
    shown = _shown(text, known)
    folded = fold(shown, casefold=False)
    reading = Reading(folded.text, lexicon, header, ner)
    pieces = [
        Piece(hit.start, hit.end, hit.category, f"lexicon: {hit.category}", "blacklist")
        for hit in lexicon.terms_in(shown)
    ]
    pieces += [p for p in disguise.find_in(shown) if not p.yields(shown[p.start : p.end], lexicon)]
    for finder in FINDERS if reading.text.strip() else ():
        for piece in finder.find(reading):
            start, end = folded.original(piece.start, piece.end)
            if not piece.yields(shown[start:end], lexicon):
                pieces.append(replace(piece, start=start, end=end))
    return _merge([clipped for piece in pieces if (clipped := _clip(piece, shown))], shown)


def _shown(text: str, known: Sequence[tuple[int, int]]) -> str:
    readable = list(text)
    for start, end in [*known, *(m.span() for m in PLACEHOLDER.finditer(text))]:
        readable[start:end] = FILLER * (end - start)
    return "".join(readable)


def _clip(piece: Piece, text: str) -> Piece | None:
    """A piece without blanks and placeholders at its ends; None where nothing is left."""
    start, end = piece.start, piece.end
    while start < end and (text[start] == FILLER or text[start].isspace()):
        start += 1
    while end > start and (text[end - 1] == FILLER or text[end - 1].isspace()):
        end -= 1
    return replace(piece, start=start, end=end) if start < end else None


def _merge(pieces: Sequence[Piece], text: str) -> list[Piece]:
    """Overlapping pieces united, and neighbours of one placeholder that only punctuation parts ("MRN: 123")."""
    merged: list[Piece] = []
    for piece in sorted(pieces, key=lambda p: (p.start, -p.end)):
        last = merged[-1] if merged else None
        if last is None or (piece.start >= last.end and not _neighbours(last, piece, text)):
            merged.append(piece)
            continue
        merged[-1] = replace(min(last, piece, key=_telling), start=last.start, end=max(last.end, piece.end))
    return merged


def _telling(piece: Piece) -> tuple[int, int, int]:
    """Sort key: evidence of context before a gazetteer's, the telling category before the vague, the longer first."""
    return _VAGUE.get(piece.origin, 0), rank_of(piece.category), piece.start - piece.end


def _neighbours(a: Piece, b: Piece, text: str) -> bool:
    same = category_of(a.category).placeholder == category_of(b.category).placeholder
    return same and b.start - a.end <= 3 and _BETWEEN.fullmatch(text, a.end, b.start) is not None


def _unite(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    united: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if united and start <= united[-1][1]:
            united[-1] = (united[-1][0], max(end, united[-1][1]))
        else:
            united.append((start, end))
    return united


@dataclass(frozen=True)
class _Origins:
    """Where each piece of a filtered text comes from: starts in the new text, and [start, end) in the original."""

    starts: list[int]
    pieces: list[tuple[int, int]]


def _apply(
    text: str, pieces: Sequence[Piece], policy: Policy, key: bytes, header: Header | None, lexicon: Lexicon
) -> tuple[FilteredReport, _Origins]:
    invent = Surrogates(key, lexicon, (text[p.start : p.end] for p in pieces), header_words(header))
    out: list[str] = []
    origins = _Origins([], [])
    surrogates: list[Span] = []
    length = at = 0

    def put(written: str, start: int, end: int) -> None:
        nonlocal length
        if written:
            origins.starts.append(length)
            origins.pieces.append((start, end))
            out.append(written)
            length += len(written)

    for piece in pieces:
        put(text[at : piece.start], at, piece.start)
        listed = piece.origin == "blacklist"
        instead = "" if policy == "remove" and piece.category != "left_out" else category_of(piece.category).placeholder
        if policy == "surrogate" and (
            made := invent.make(text[piece.start : piece.end], piece.category, listed=listed)
        ):
            instead = made
            surrogates.append(Span(length, length + len(made), "surrogate", piece.category))
        put(instead, piece.start, piece.end)
        at = piece.end
    put(text[at:], at, len(text))
    return FilteredReport("".join(out), tuple(map(_span, pieces)), policy, tuple(surrogates)), origins


def _back(piece: Piece, origins: _Origins) -> Piece:
    """A piece of the filtered text as the original characters that it stands on."""

    def original(position: int) -> tuple[int, int, int]:
        k = bisect_right(origins.starts, position) - 1
        start, end = origins.pieces[k]
        return start, end, start + position - origins.starts[k]

    first_start, first_end, first = original(piece.start)
    last_start, last_end, last = original(piece.end - 1)
    # Inside a replaced piece positions have no counterpart: the whole piece counts.
    start = min(max(first, first_start), first_end)
    end = min(max(last + 1, last_start), last_end)
    return replace(piece, start=start, end=max(end, start))


def _whole_line(piece: Piece, text: str) -> Piece:
    start = text.rfind("\n", 0, piece.start) + 1
    end = text.find("\n", piece.end)
    return replace(piece, start=start, end=len(text) if end < 0 else end)


def _without(text: str, lexicon: Lexicon) -> str:
    for hit in reversed(lexicon.forbidden_in(text)):
        text = text[: hit.start] + " " + text[hit.end :]
    return text
