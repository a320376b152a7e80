"""A report with its marks: the identifying pieces of the original, and what stands in their place in the filtered one.

Both come from the spans that were stored when the report was filtered; nothing is compared, so a long report takes no
longer than reading it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from markupsafe import Markup

from ui.show import render, titled, words

_PLACEHOLDER = re.compile(r"\[[^\[\]\n]*\]")
DISGUISES = ("disguised_text", "hidden_text")
"""Categories of text that hides text: a reader is told of it in words, whoever wrote it."""
Spans = Iterable[Mapping[str, Any]]


def apart(spans: Spans) -> list[Mapping[str, Any]]:
    """Spans in order; of those that overlap, the first and longest."""
    kept: list[Mapping[str, Any]] = []
    for span in sorted(spans, key=lambda s: (s["start"], -s["end"])):
        if not kept or span["start"] >= kept[-1]["end"]:
            kept.append(span)
    return kept


def original_pieces(text: str, spans: Spans) -> Iterator[tuple[str, dict[str, str] | None]]:
    """(piece, its mark: tooltip and short name; None: plain text) of the source report."""
    at = 0
    for span in apart(spans):
        yield text[at : span["start"]], None
        tip = f"{titled(span['category'])}\nRule: {span['rule']}"
        short = span.get("short") or words(span["category"])
        yield text[span["start"] : span["end"]], {"tip": tip, "short": short}
        at = span["end"]
    yield text[at:], None


def filtered_pieces(original: str | None, filtered: str, spans: Spans) -> Iterator[tuple[str, bool]]:
    """(piece, whether it stands in place of a span; "": the span was removed) of the report that leaves the house.

    What lies between two spans was taken over byte for byte: it is looked for from where the piece before it ended.
    """
    at, ends = 0, apart(spans) if original is not None else []
    if original is None or not ends or not filtered.startswith(original[: ends[0]["start"]]):
        yield filtered, False
        return
    at = ends[0]["start"]
    yield filtered[:at], False
    for n, span in enumerate(ends):
        last = n + 1 == len(ends)
        kept = original[span["end"] :] if last else original[span["end"] : ends[n + 1]["start"]]
        start = _found(filtered, kept, at, last)
        if start < 0:  # the texts do not belong together: shown as it is, without marks
            break
        yield filtered[at:start], True
        yield kept, False
        at = start + len(kept)
    yield filtered[at:], False


def _found(filtered: str, kept: str, at: int, last: bool) -> int:
    """Where the text that was kept goes on after what stands in place of a span; -1: nowhere."""
    if last:
        start = len(filtered) - len(kept)
        return start if start >= at and filtered.endswith(kept) else -1
    placeholder = _PLACEHOLDER.match(filtered, at)
    if placeholder and filtered.startswith(kept, placeholder.end()):
        return placeholder.end()
    return filtered.find(kept, at)


def original_report(text: str, spans: Spans) -> Markup:
    """The source report with its PHI marked; a mark's tooltip names the rule that fired."""
    return render("review/original.html", pieces=original_pieces(text, spans))


def filtered_report(original: str | None, filtered: str, spans: Spans = ()) -> Markup:
    """The report that leaves the house; what stands in place of PHI is marked."""
    return render("review/filtered.html", pieces=filtered_pieces(original, filtered, spans))


def reports(report: Mapping[str, Any]) -> Markup:
    """Both reports side by side."""
    original, spans = report["original"], report["spans"]
    return render(
        "review/reports.html",
        left=None if original is None else original_report(original, spans),
        right=None if report["filtered"] is None else filtered_report(original, report["filtered"], spans),
        number=len(spans),
        disguised=sorted({span["rule"] for span in spans if span["category"] in DISGUISES}),
    )
