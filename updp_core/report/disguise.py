"""Text that hides text: characters nobody sees, letters in costume, and encodings. Read as written, not in normal form.

What folding undoes (full-width letters, accents, look-alikes) the other finders read by themselves. Here goes what
carries words past a reader: it is taken out whatever it says, since a chest report has no use for it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable

from updp_core.report.words import Piece

# Format characters, tags, variation selectors, fillers, private use and what Unicode has not assigned to anything.
_UNSEEN = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\ue001-\uf8ff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0000-\U000e0fff\U000f0000-\U0010ffff"
)
_HIDDEN = re.compile(rf"[{_UNSEEN}\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]+")
# Marks that strike letters through, or ring them; and stacks of any marks, which no language has.
_STRUCK = re.compile(r"[\u0334-\u0338\u0488\u0489\u20d0-\u20f0]+|(?<=[\u0300-\u036f]{3})[\u0300-\u036f]+")
_REVERSED = re.compile(r"[\u202d\u202e][^\u202c\n]*\u202c?")
# Small capitals, mathematical and enclosed letters, regional indicators.
_COSTUME = (
    r"\u1d00-\u1d2b\u0262\u026a\u0274\u0280\u028f\u0299\u029c\u029f\ua730\ua731\ua7af\u2460-\u24ff"
    r"\U0001d400-\U0001d7ff\U0001f110-\U0001f189\U0001f1e6-\U0001f1ff"
)
_DRESSED = re.compile(rf"[{_COSTUME}](?:[ .'\-]?[\w{_COSTUME}])+")
_SPACED = re.compile(
    r"(?<![^\W_])(?P<letters>[^\W\d_](?P<gap>[ .\-_*|·•/+~]|  )[^\W\d_](?:(?P=gap)[^\W\d_]){2,60})(?![^\W_])"
)
_SPACED_DIGITS = re.compile(r"(?<![0-9.])[0-9](?P<gap>[ _*|·•/+~])[0-9](?:(?P=gap)[0-9]){3,40}(?![0-9.])")
_ENCODED = re.compile(
    r"[\w.+\-]{0,40}(?:%[0-9A-Fa-f]{2}[\w.+\-]{0,40}){2,200}"  # percent encoding
    r"|[^\W\d_][\w.+\-]{0,40}%[0-9A-Fa-f]{2}[^\W_][\w.+\-]{0,40}"
    r"|\w{0,40}(?:&#(?:[0-9]{1,7}|[xX][0-9A-Fa-f]{1,6});?\w{0,40}){1,200}"  # character references
    r"|\w{0,40}(?:\\(?:u\{?[0-9A-Fa-f]{4,6}\}?|x[0-9A-Fa-f]{2}|[0-7]{3})\w{0,40}){1,200}"  # escapes
    r"|=\?[\w\-]{1,30}\?[BbQq]\?[^?\s]{1,400}\?="  # MIME words
    r"|\bxn--[a-z0-9\-]{1,60}"  # Punycode
)
_BASE = re.compile(r"(?<![A-Za-z0-9+/=_\-])[A-Za-z0-9+/_\-]{6,4000}={0,6}(?![A-Za-z0-9+/=_])")


def find_in(written: str) -> list[Piece]:
    """Pieces of a text, as it is written, that hide text; letters in costume yield to the whitelist."""
    found = [Piece(*m.span(), "disguised_text", "text in reverse", "pattern") for m in _REVERSED.finditer(written)]
    for regex in (_HIDDEN, _STRUCK):
        found += [Piece(*m.span(), "hidden_text", "hidden characters", "pattern") for m in regex.finditer(written)]
    for rule, regex in (("letters in costume", _DRESSED), ("spaced digits", _SPACED_DIGITS), ("encoded", _ENCODED)):
        found += [Piece(*m.span(), "disguised_text", rule, "pattern", "weak") for m in regex.finditer(written)]
    for match in _SPACED.finditer(written):
        found.append(Piece(*match.span(), "disguised_text", "spaced letters", "pattern"))
    for match in _BASE.finditer(written):
        if _says_something(match.group()):
            found.append(Piece(*match.span(), "disguised_text", "encoded", "pattern"))
    return found


def _says_something(token: str) -> bool:
    """Whether a token is text in base 64, 32 or 16: words hardly ever decode to text, and hold no capital inside."""
    body = token.rstrip("=")
    padded = body != token
    mixed = bool(re.search(r"[a-z0-9][A-Z]|[A-Za-z][0-9]|[0-9][A-Za-z]", body))
    if not (mixed or padded) or (len(body) < 10 and not padded):
        return False
    plain = body.translate(str.maketrans("-_", "+/"))
    decoders = ((base64.b64decode, plain, 4), (base64.b32decode, plain.upper(), 8), (bytes.fromhex, plain, 1))
    return any(_is_text(_decoded(*each)) for each in decoders)


def _decoded(decode: Callable[[str], bytes], body: str, group: int) -> bytes:
    try:
        return decode(body + "=" * (-len(body) % group))
    except (binascii.Error, ValueError):
        return b""


def _is_text(data: bytes) -> bool:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return len(text) > 2 and text.replace("\n", " ").isprintable() and sum(map(str.isalnum, text)) > 0.7 * len(text)
