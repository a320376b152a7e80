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
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from updp_core.domain import Span
from updp_core.errors import UsageError
from updp_core.lexicon import Lexicon
from updp_core.lexicon.folding import fold
from updp_core.report.header import Header, find_header, header_words
from updp_core.report.names import FILLER, Found, find_people
from updp_core.report.patterns import LINE_RULES, REPORT_RULES
from updp_core.report.places import find_places
from updp_core.report.recognisers import Ner, find_presidio
from updp_core.report.surrogates import Surrogates

Policy = Literal["remove", "placeholder", "surrogate"]
POLICIES: tuple[Policy, ...] = ("remove", "placeholder", "surrogate")

PLACEHOLDERS = {
    "names": "[NAME]",
    "titles_and_names": "[NAME]",
    "personnel": "[PERSONNEL]",
    "contact": "[CONTACT]",
    "locations": "[LOCATION]",
    "institutions": "[INSTITUTION]",
    "dates_and_times": "[DATE]",
    "demographics": "[DEMOGRAPHIC]",
    "identifiers": "[ID]",
    "device_serials": "[SERIAL]",
    "deid_markers": "[REDACTED]",
}
OTHER = "[REMOVED]"
_PLACEHOLDER = re.compile("|".join(map(re.escape, sorted({*PLACEHOLDERS.values(), OTHER}))))
# Where spans overlap, the category of the one that says most is kept.
_RANK = {
    name: rank
    for rank, name in enumerate(
        (
            "names",
            "contact",
            "dates_and_times",
            "identifiers",
            "device_serials",
            "institutions",
            "locations",
            "demographics",
            "titles_and_names",
            "personnel",
            "deid_markers",
        )
    )
}
_BETWEEN = re.compile(r"[ \t:#.\-]{0,3}")
_SECTION = re.compile(r"(?m)^[ \t]*([A-Z][A-Za-z /&\-]{2,40}?)[ \t]*:[ \t]*")
_INLINE_SECTION = re.compile(
    r"\b(FINDINGS|IMPRESSION|INDICATION|COMPARISON|TECHNIQUE|HISTORY|CLINICAL HISTORY|CLINICAL INDICATION|EXAMINATION"
    r"|EXAM|CONCLUSION|RECOMMENDATIONS?|NOTIFICATION|FINAL REPORT)[ \t]*:[ \t]*"
)


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
    return _scan(text, lexicon, header, ner, known=())


def residual(
    text: str | FilteredReport, lexicon: Lexicon, header: Header | None = None, surrogates: Sequence[Span] = ()
) -> list[Span]:
    """What the same rules still find in a filtered report, outside of its stand-ins. Empty on every filtered report."""
    if isinstance(text, FilteredReport):
        return residual(text.text, lexicon, header, text.surrogates)
    return _scan(text, lexicon, header, None, known=[(s.start, s.end) for s in surrogates])


def filter_report(
    text: str,
    lexicon: Lexicon,
    header: Header | None = None,
    policy: Policy = "placeholder",
    key: bytes | None = None,
    ner: Ner | None = None,
) -> FilteredReport:
    """`text` with its PHI removed, replaced by a category's placeholder, or by a stand-in of the same shape.

    Text outside `spans` stays byte for byte. The same secret `key` gives the same stand-ins; without one
    they are drawn anew. Raises UsageError for an unknown policy.
    """
    if policy not in POLICIES:
        raise UsageError(f"There is no report policy {policy!r}: choose {', '.join(POLICIES)}.")
    key = key or secrets.token_bytes(32)
    spans = find_spans(text, lexicon, header, ner)
    for turn in range(len(text) + 1):
        filtered, origins = _apply(text, spans, policy, key, header, lexicon)
        left = residual(filtered, lexicon, header)
        if not left:
            return filtered
        # Taking one piece away can make another one readable as PHI: take that too, and its line if this goes on.
        more = [_back(span, origins) for span in left]
        spans = _merge([*spans, *(more if turn < 8 else (_whole_line(span, text) for span in more))], text)
    raise AssertionError("each turn masks more of the text, so one of them must find nothing")


def prompt_text(filtered_text: str, lexicon: Lexicon) -> str:
    """A filtered report as the start of a prompt: no placeholder, no marker, nothing that a prompt may not hold."""
    text = _PLACEHOLDER.sub(" ", filtered_text)
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
        text = text[: span.start] + PLACEHOLDERS.get(span.category, OTHER) + text[span.end :]
    return text


def own_words(text: str, surrogates: Sequence[Span] = ()) -> str:
    """A filtered report, character for character, with a neutral one wherever the filter itself has written."""
    return _shown(text, [(s.start, s.end) for s in surrogates])


def sections(text: str) -> dict[str, str]:
    """The sections of a report by lower-case heading ("findings", "impression"); text before any heading is "".

    A heading is a capitalised line start that ends in a colon, or one of the usual headings in capitals anywhere.
    """
    marks = {m.start(1): m for m in _SECTION.finditer(text)} | {m.start(1): m for m in _INLINE_SECTION.finditer(text)}
    ordered = [marks[start] for start in sorted(marks)]
    parts = {"": text[: ordered[0].start()].strip()} if ordered else {"": text.strip()}
    for match, following in zip(ordered, [*ordered[1:], None] if ordered else [], strict=True):
        body = text[match.end() : following.start() if following else len(text)].strip()
        name = " ".join(match[1].lower().split())
        parts[name] = f"{parts[name]}\n{body}".strip() if parts.get(name) else body
    return {name: body for name, body in parts.items() if name or body}


def _scan(
    text: str, lexicon: Lexicon, header: Header | None, ner: Ner | None, known: Sequence[tuple[int, int]]
) -> list[Span]:
    """PHI of `text` outside of `known` pieces and placeholders, which read as a neutral character."""
    shown = _shown(text, known)
    plain = fold(shown, casefold=False)
    spans = [Span(hit.start, hit.end, f"lexicon: {hit.category}", hit.category) for hit in lexicon.terms_in(shown)]
    for found in _find(plain.text, lexicon, header):
        start, end = plain.original(found.start, found.end)
        if found.weak and lexicon.allows(shown[start:end]) and "^" not in shown[start:end]:
            continue
        spans.append(Span(start, end, found.rule, found.category))
    for span in ner(text) if ner else ():
        # A model's hit on report vocabulary in lower case is a slip, not a name.
        if not (shown[span.start : span.end].islower() and lexicon.allows(shown[span.start : span.end])):
            spans.append(span)
    return _merge([clipped for span in spans if (clipped := _clip(span, shown))], shown)


def _shown(text: str, known: Sequence[tuple[int, int]]) -> str:
    readable = list(text)
    for start, end in [*known, *(m.span() for m in _PLACEHOLDER.finditer(text))]:
        readable[start:end] = FILLER * (end - start)
    return "".join(readable)


def _find(text: str, lexicon: Lexicon, header: Header | None) -> list[Found]:
    if not text.strip():
        return []
    found = find_header(text, header, lexicon) + find_people(text, lexicon) + find_places(text, lexicon)
    # A date or a number may be broken over two lines; a form's line may not.
    flowing = text.replace("\n", " ")
    for rules, readable in ((REPORT_RULES, flowing), (LINE_RULES, text)):
        for rule in rules:
            group = "phi" if "phi" in rule.regex.groupindex else 0
            found += [
                Found(*m.span(group), rule.name, rule.category, weak=rule.name.endswith("field"))
                for m in rule.regex.finditer(readable)
            ]
    return found + find_presidio(flowing)


def _clip(span: Span, text: str) -> Span | None:
    """A span without blanks and placeholders at its ends; None where nothing is left."""
    start, end = span.start, span.end
    while start < end and (text[start] == FILLER or text[start].isspace()):
        start += 1
    while end > start and (text[end - 1] == FILLER or text[end - 1].isspace()):
        end -= 1
    return Span(start, end, span.rule, span.category) if start < end else None


def _merge(spans: Sequence[Span], text: str) -> list[Span]:
    """Overlapping spans united, and neighbours of one placeholder that only punctuation parts ("MRN: 123")."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.start, -s.end)):
        last = merged[-1] if merged else None
        if last is None or (span.start >= last.end and not _neighbours(last, span, text)):
            merged.append(span)
            continue
        best = min((last, span), key=_strength)
        merged[-1] = Span(last.start, max(last.end, span.end), best.rule, best.category)
    return merged


def _strength(span: Span) -> tuple[bool, int, int]:
    """Sort key: evidence of context before a gazetteer's, the telling category before the vague, the longer first."""
    return "gazetteer" in span.rule, _RANK.get(span.category, -1), span.start - span.end


def _neighbours(a: Span, b: Span, text: str) -> bool:
    same = PLACEHOLDERS.get(a.category, OTHER) == PLACEHOLDERS.get(b.category, OTHER)
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
    text: str, spans: Sequence[Span], policy: Policy, key: bytes, header: Header | None, lexicon: Lexicon
) -> tuple[FilteredReport, _Origins]:
    invent = Surrogates(key, lexicon, (text[s.start : s.end] for s in spans), header_words(header))
    out: list[str] = []
    origins = _Origins([], [])
    surrogates: list[Span] = []
    length = at = 0

    def put(piece: str, start: int, end: int) -> None:
        nonlocal length
        if piece:
            origins.starts.append(length)
            origins.pieces.append((start, end))
            out.append(piece)
            length += len(piece)

    for span in spans:
        put(text[at : span.start], at, span.start)
        piece = "" if policy == "remove" else PLACEHOLDERS.get(span.category, OTHER)
        if policy == "surrogate" and (made := invent.make(text[span.start : span.end], span.category, span.rule)):
            piece = made
            surrogates.append(Span(length, length + len(made), "surrogate", span.category))
        put(piece, span.start, span.end)
        at = span.end
    put(text[at:], at, len(text))
    return FilteredReport("".join(out), tuple(spans), policy, tuple(surrogates)), origins


def _back(span: Span, origins: _Origins) -> Span:
    """A span of the filtered text as the original characters that it stands on."""

    def original(position: int) -> tuple[int, int, int]:
        k = bisect_right(origins.starts, position) - 1
        start, end = origins.pieces[k]
        return start, end, start + position - origins.starts[k]

    first_start, first_end, first = original(span.start)
    last_start, last_end, last = original(span.end - 1)
    # Inside a replaced piece positions have no counterpart: the whole piece counts.
    start = min(max(first, first_start), first_end)
    end = min(max(last + 1, last_start), last_end)
    return Span(start, max(end, start), span.rule, span.category)


def _whole_line(span: Span, text: str) -> Span:
    start = text.rfind("\n", 0, span.start) + 1
    end = text.find("\n", span.end)
    return Span(start, len(text) if end < 0 else end, span.rule, span.category)


def _without(text: str, lexicon: Lexicon) -> str:
    for hit in reversed(lexicon.forbidden_in(text)):
        text = text[: hit.start] + " " + text[hit.end :]
    return text
