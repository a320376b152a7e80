"""Text as a matcher should see it, with the way back to the original characters.

Unicode offers many ways of writing one word (full-width letters, combining accents, zero-width characters, typographic
dashes and quotes, Cyrillic and Greek letters that look Latin). Matching runs on a folded copy; spans are reported in
the original text.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

_PLAIN = str.maketrans(
    {"‘": "'", "’": "'", "‚": "'", "‛": "'", "ʼ": "'", "“": '"', "”": '"', "„": '"'}
    | dict.fromkeys("‐‑‒–—―−﹘﹣－", "-")
)
# Slashes other than "/", as they are written: the one in the normal form of a fraction ("½") stays as it is.
_SLASHES = str.maketrans(dict.fromkeys("⁄∕⧸╱", "/"))
# Cyrillic and Greek letters whose capital or small form is drawn like a Latin one (Unicode TS 39, confusables); both
# cases of a letter become the same one, so that words of these scripts still match whatever their case.
_LATIN = dict(zip("авеіјкмнорсѕтухһԁԛԝαβεζηικμνορτυχı", "abeijkmhopcstyxhdqwabezhikmnoptyxi", strict=True))
# Small capitals, and letters in black circles and squares or of flags, which have no normal form.
_LATIN |= dict(zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡʏᴢɑɡ", "abcdefghijklmnopqrstuvwyzag", strict=True))
_ENCLOSED = {chr(first + i): chr(65 + i) for first in (0x1F150, 0x1F170, 0x1F1E6) for i in range(26)}
_ALIKE = str.maketrans(
    _LATIN | {a.upper(): b.upper() for a, b in _LATIN.items() if a.upper() not in (a, "I", "Ɑ", "Ɡ")} | _ENCLOSED
)
# Marks that no letter is composed with: they would split words, as invisible characters would.
_MARKS = re.compile(
    r"[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f\ufe00-\ufe0f"
    r"\u180b-\u180f\U000e0100-\U000e01ef\u115f\u1160\u3164\uffa0\u2800]"
)
# Letters whose bare form Unicode does not derive.
_BASES = dict(zip("łŁøØđĐðÐıæÆœŒ", "lLoOdDdDiaAoO", strict=True))
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
# Characters that fold to themselves whatever stands around them; one before a mark may be composed with it.
_SIMPLE = re.compile(r"[\t-\r\x20-\x7e]+(?=[\x00-\x7f]|\Z)")
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Folded:
    """A folded copy of a text; character i stands for original characters starts[i] to ends[i]."""

    text: str
    starts: range | tuple[int, ...]
    ends: range | tuple[int, ...]

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The original [start, end) of a non-empty folded [start, end)."""
        return self.starts[start], self.ends[end - 1]


def _fold_cluster(cluster: str, casefold: bool) -> str:
    text = unicodedata.normalize("NFKC", cluster.translate(_SLASHES)).translate(_PLAIN)
    if casefold:
        text = unicodedata.normalize("NFKC", text.casefold())
    text = _MARKS.sub("", text).translate(_ALIKE)
    if casefold and not text.isascii():
        text = text.casefold()
    # Format and control characters (zero-width joiners, soft hyphens) would split words unseen.
    text = "".join(c for c in text if unicodedata.category(c) not in ("Cf", "Cc") or c in "\t\n\r\f\v")
    return "".join(" " if unicodedata.category(c) == "Zs" else c for c in text)


@lru_cache(maxsize=64)
def fold(text: str, *, casefold: bool = True) -> Folded:
    """NFKC form of `text` with plain quotes, dashes and spaces, Latin letters for those that look Latin, and no
    invisible characters; casefolded on request."""
    if text.isascii() and not _CONTROL.search(text):
        whole = text.lower() if casefold else text
        return Folded(whole, range(len(text)), range(1, len(text) + 1))
    out: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    start = 0
    while start < len(text):
        if run := _SIMPLE.match(text, start):
            out.append(run.group().lower() if casefold else run.group())
            starts.extend(range(start, run.end()))
            ends.extend(range(start + 1, run.end() + 1))
            start = run.end()
            continue
        end = start + 1
        if not (text[start].isascii() and (end == len(text) or text[end].isascii())):
            # A base character and its combining marks are normalised together; runs longer than 32 are not language.
            while end < len(text) and end - start < 32 and unicodedata.combining(text[end]):
                end += 1
        piece = _fold_cluster(text[start:end], casefold)
        out.append(piece)
        starts.extend([start] * len(piece))
        ends.extend([end] * len(piece))
        start = end
    return Folded("".join(out), tuple(starts), tuple(ends))


def unaccented(text: str) -> str:
    """`text` as somebody writes it who has no accents: one character for one."""
    return text if text.isascii() else "".join(map(_base, text))


@lru_cache(maxsize=4096)
def _base(character: str) -> str:
    """One letter for one letter: without its accent, and other scripts' digits as ours."""
    if character in _BASES:
        return _BASES[character]
    if (digit := unicodedata.decimal(character, None)) is not None:
        return str(digit)
    plain = "".join(c for c in unicodedata.normalize("NFD", character) if not unicodedata.combining(c))
    return plain if len(plain) == 1 else character


def fold_term(term: str) -> str:
    """The normal form of a lexicon term: folded, inner white space as single spaces."""
    return " ".join(fold(term).text.split())


def words(folded_text: str) -> list[str]:
    """The words (runs of letters and digits) of a folded text."""
    return _WORD.findall(folded_text)


def word_spans(folded_text: str) -> list[tuple[str, int, int]]:
    """The words of a folded text with their [start, end)."""
    return [(m.group(), m.start(), m.end()) for m in _WORD.finditer(folded_text)]


def word_list(text: str) -> list[str]:
    """The blank-separated words of a block of text: how the modules write their short word lists."""
    return text.split()
