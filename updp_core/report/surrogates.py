"""Realistic stand-ins for PHI: keyed, of the same shape, consistent inside one report, and never real PHI of it.

A stand-in follows from its original under a key. Who had the key could try names until one gives the stand-in: so it is
drawn from the workspace's secret, or from entropy, and never leaves.
"""

from __future__ import annotations

import hmac
import random
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from updp_core.lexicon.patterns import MONTHS, WEEKDAYS
from updp_core.report.categories import category_of
from updp_core.report.words import FILLER

if TYPE_CHECKING:
    from updp_core.lexicon import Lexicon

ATTEMPTS = 60


class Surrogates:
    """Stand-ins for one report. The same original of the same category gives the same stand-in.

    `forbidden` holds the words of every original and of the header, in lower case; a stand-in that repeats one is
    drawn again, as is one that holds a blacklisted term. `make` returns None where a category has no harmless
    stand-in (age, sex, words like "MRN").
    """

    def __init__(self, key: bytes, lexicon: Lexicon, originals: Iterable[str], header_words: Iterable[str]) -> None:
        self._key = key
        self._lexicon = lexicon
        self._forbidden = {w for text in originals for w in _telling(text)} | {w for w in header_words if len(w) > 2}
        self._made: dict[tuple[str, str], str | None] = {}

    def make(self, original: str, category: str, *, listed: bool = False) -> str | None:
        """A stand-in for `original`, or None. `listed`: it is a term of the blacklist."""
        kind = category_of(category)
        if listed and not kind.named:
            return None
        maker = kind.stand_in
        key = (category, " ".join(original.casefold().split()))
        if maker is None or FILLER in original:
            return None
        if key not in self._made:
            rng = random.Random(hmac.digest(self._key, "\0".join(key).encode(), "sha256"))
            drawn = (maker(original, rng) for _ in range(ATTEMPTS))
            self._made[key] = next((text for text in drawn if text and not self._repeats(text)), None)
        return self._made[key]

    def _repeats(self, text: str) -> bool:
        return any(word in self._forbidden for word in _telling(text)) or bool(self._lexicon.terms_in(text))


def _telling(text: str) -> list[str]:
    """The words of a text that could identify: names and longer numbers, not "Dr", "Hospital" or a day's number."""
    common = {"hospital", "medical", "center", "clinic", "street", "com", "org", "example", "https", "www", "ext"}
    found = re.findall(r"[^\W\d_]{3,}|[0-9]{4,}", text.lower())
    return [w for w in found if w not in common and w not in MONTHS.split("|") and w not in WEEKDAYS.split("|")]
