"""The words of a filtered report that start its prompt: what it says of the chest, the conclusion first.

A prompt holds a few dozen tokens, and a report spends many on who called whom and on earlier studies.
"""

from __future__ import annotations

import re

from updp_core.lexicon import Lexicon
from updp_core.report import sections
from updp_core.report.filter import prompt_text

_CONCLUSIONS = ("impression", "impressions", "conclusion", "conclusions", "opinion", "summary")
_FINDINGS = ("findings", "finding", "report", "observations")
# Whitelist categories whose terms say how an image was made or compared, not what it shows.
_ABOUT_THE_IMAGE = frozenset({"modality", "views", "descriptors", "negation"})
_NUMBERING = re.compile(r"(?:^|(?<=[.:;,] ))\(?[0-9]{1,2}[.)] +")
_SENTENCE_END = re.compile(r"(?<=[.!?]) +")


def start_text(filtered_report: str, lexicon: Lexicon) -> str:
    """The text that initialises a prompt; "" where the report has no word that a prompt may hold.

    Conclusion and findings sections where there are any, else the whole report; of these the sentences that name
    anatomy, a finding, a device or normality (by the whitelist), else all; nothing twice.
    """
    found = sections(filtered_report)
    parts = [found[name] for name in (*_CONCLUSIONS, *_FINDINGS) if found.get(name)] or [filtered_report]
    sentences = list(dict.fromkeys(sentence for part in parts for sentence in _sentences(part)))
    shown = [sentence for sentence in sentences if _describes_the_chest(sentence, lexicon)]
    return prompt_text(" ".join(shown or sentences), lexicon)


def _sentences(text: str) -> list[str]:
    plain = _NUMBERING.sub("", " ".join(text.split()))
    return [sentence for sentence in _SENTENCE_END.split(plain) if sentence]


def _describes_the_chest(sentence: str, lexicon: Lexicon) -> bool:
    return any(hit.category not in _ABOUT_THE_IMAGE for hit in lexicon.terms_in(sentence, "whitelist"))
