"""The sections of a report."""

from __future__ import annotations

import re

_SECTION = re.compile(r"(?m)^[ \t]*([A-Z][A-Za-z /&\-]{2,40}?)[ \t]*:[ \t]*")
_INLINE_SECTION = re.compile(
    r"\b(FINDINGS|IMPRESSION|INDICATION|COMPARISON|TECHNIQUE|HISTORY|CLINICAL HISTORY|CLINICAL INDICATION|EXAMINATION"
    r"|EXAM|CONCLUSION|RECOMMENDATIONS?|NOTIFICATION|FINAL REPORT)[ \t]*:[ \t]*"
)


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
