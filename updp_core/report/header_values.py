"""What the study's own header or manifest row says, searched in the report in every usual way of writing it.

The strongest evidence there is: the header names the very patient, physicians, institution, numbers and dates.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from updp_core.lexicon import Lexicon
from updp_core.lexicon.folding import fold, unaccented, word_list
from updp_core.lexicon.patterns import MONTHS
from updp_core.report.gazetteer import gazetteer
from updp_core.report.words import FILLER, Header, Piece, Reading

CATEGORY_OF = {
    "patient_name": "names",
    "physician": "names",
    "institution": "institutions",
    "patient_id": "identifiers",
    "accession": "identifiers",
    "other_id": "identifiers",
    "date": "dates_and_times",
    "address": "locations",
}
_TITLES = frozenset(word_list("dr mr mrs ms miss prof md do phd jr sr ii iii rn np pa esq mx hr fr"))
_WRITTEN_OUT = {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "oe", "æ": "ae", "å": "aa", "œ": "oe", "þ": "th"}
_MONTHS = tuple(MONTHS.split("|")[:12])
_DATE_FORMATS = ("%Y%m%d", "%Y-%m-%d", "%m/%d/%Y", "%m-%d-%Y", "%d.%m.%Y", "%m/%d/%y", "%Y/%m/%d", "%Y.%m.%d")
_KIND_WORDS = frozenset(
    word_list("""
    hospital clinic medical center centre university health department dept radiology imaging general memorial
    regional of the and for saint st mount institute college school system services associates group care
    community children's inc llc
""")
)


# The letters with a case and the marks that belong to the letter before them, as the inside of a character class.
_UPPER = "".join(c for c in map(chr, range(0x530)) if c.isupper())
_LOWER = "".join(c for c in map(chr, range(0x530)) if c.islower())
_MARKS = "".join(c for c in map(chr, range(0x300, 0x12000)) if unicodedata.category(c)[0] == "M")
_LETTERS = rf"[^\W\d_](?:[^\W\d_]|[{_MARKS}])*"
_WORDS = re.compile(rf"{_LETTERS}(?:['\-]{_LETTERS})*")
_TOKENS = re.compile(rf"[^\W_](?:[^\W_]|[{_MARKS}])*")
# Where a word of a name begins and ends: no letter stands beside it, unless "MrQuispe" changes from small to capital.
# Digits and "_" are edges too: names stand in file and user names.
_CAMEL = rf"(?-i:(?<=[{_LOWER}])(?=[{_UPPER}]))"
_FROM = rf"(?:(?<![^\W\d_])|{_CAMEL})"
_TO = rf"(?:'s?)?(?:(?![^\W\d_])|{_CAMEL})"
# What may part the two halves of a word: a blank, a hyphen, the end of a line.
_BREAK = r"(?:-[ \t]?\n?|[ \t]?\n)[ \t]{0,8}"
_BETWEEN_PARTS = r"[\s·・,^_\-]{0,2}"


@dataclass(frozen=True)
class _Wanted:
    """What is searched for: the kind of value, its writing, and whether the word that holds it goes as a whole."""

    kind: str
    regex: re.Pattern[str]
    whole_word: bool


def find(reading: Reading) -> list[Piece]:
    """Pieces that write a value of the header; the rule names the kind of value."""
    found = []
    text, bare = reading.text, unaccented(reading.text)
    for wanted in _patterns(_frozen(reading.header), reading.lexicon, gazetteer().ordinary):
        category = CATEGORY_OF.get(wanted.kind, "identifiers")
        for written in (text,) if bare == text else (text, bare):
            for match in wanted.regex.finditer(written):
                start, end = _word_around(written, *match.span()) if wanted.whole_word else match.span()
                found.append(Piece(start, end, category, f"header: {wanted.kind}", "header"))
    return found


def _word_around(text: str, start: int, end: int) -> tuple[int, int]:
    while start and text[start - 1].isalpha():
        start -= 1
    while end < len(text) and text[end].isalpha():
        end += 1
    return start, end


def _spellings(name: str) -> tuple[str, ...]:
    """A name as it stands, without accents, and with umlauts written out or taken back ("Mueller", "Muller")."""
    out = "".join(_WRITTEN_OUT.get(c.lower(), c) for c in name)
    bare = unaccented(name)
    back = re.sub(r"(?i)\b(?=\w{5})(\w*?)([aou])e", r"\1\2", bare)
    return tuple(dict.fromkeys((name, bare, unaccented(out), back)))


def _frozen(header: Header | None) -> tuple[tuple[str, tuple[str, ...]], ...]:
    pairs = []
    for kind, values in sorted((header or {}).items()):
        listed = (values,) if isinstance(values, str) else tuple(str(v) for v in values if v is not None)
        composed = (unicodedata.normalize("NFKC", v) for v in listed if v.strip())
        pairs.append((kind, tuple(fold(v, casefold=False).text for v in composed)))
    return tuple(pairs)


@lru_cache(maxsize=256)
def _patterns(
    header: tuple[tuple[str, tuple[str, ...]], ...], lexicon: Lexicon, ordinary: frozenset[str]
) -> tuple[_Wanted, ...]:
    """What is searched for; kept for each header, lexicon and list of ordinary words, since all three decide it."""
    made: dict[tuple[str, str], bool] = {}
    for kind, values in header:
        for value in values:
            inside: list[str] = []
            if kind in ("patient_name", "physician"):
                groups = [written for group in value.split("=") for written in _spellings(group)]
                sources = [s for written in groups for s in _name(written, lexicon)]
                inside = [s for written in groups for s in _name_inside_words(written, lexicon)]
            elif kind == "date":
                sources = _date(value)
            elif kind == "institution":
                sources = _institution(value, lexicon)
            elif kind == "address":
                sources = [s for piece in re.split(r"[,;\n^]", value) for s in _phrase(piece, lexicon)]
            else:
                sources = _number(value)
            made |= {(kind, source): False for source in sources} | {(kind, source): True for source in inside}
    return tuple(_Wanted(kind, re.compile(source), whole) for (kind, source), whole in made.items())


def name_parts(value: str) -> tuple[list[str], list[str]]:
    """Family and given words of one group of a DICOM person name (PS3.5, 6.2.1), "Last, First M" or "First M Last"."""
    if "^" in value:
        pieces = value.split("^")
        family, given = pieces[0], " ".join(pieces[1:3])
    elif "," in value:
        family, given = value.split(",", 1)
    else:
        words = _plain_words(value)
        return (words[-1:], words[:-1]) if words else ([], [])
    return _plain_words(family), _plain_words(given)


def _plain_words(text: str) -> list[str]:
    return [w for w in _WORDS.findall(text) if w.lower() not in _TITLES]


def _caseless(text: str) -> bool:
    """Whether a text is of a script without capitals: most of these part no words, or join particles to them."""
    return any(map(str.isalpha, text)) and text.lower() == text.upper()


@lru_cache(maxsize=4)
def _vocabulary(lexicon: Lexicon, ordinary: frozenset[str]) -> tuple[frozenset[str], str]:
    """The whitelisted and ordinary words, and all of them as one text."""
    words = frozenset(lexicon.allowed_words | ordinary)
    return words, "\n".join(words)


def _name(value: str, lexicon: Lexicon) -> list[str]:
    family, given = name_parts(value)
    if _caseless(value):
        return _name_without_case(family, given)
    sources = []
    if family and given:
        last = _any_of(r"[ \-]{1,2}".join(map(re.escape, family)), *(re.escape(w) for w in family if len(w) > 1))
        first = "|".join(re.escape(w) for w in given if len(w) > 1) or re.escape(given[0])
        short = "|".join(sorted({re.escape(w[0]) for w in given}))
        stop = r"(?![^\W\d_])"
        one = rf"(?:{first}|(?:{short}){stop}\.?)"
        middle = rf"(?:[ \n]{{1,2}}(?:[^\W\d_]{stop}\.?|(?:{first})))?"
        gap = r"(?:\^|,? {0,2}\n?|,|\. ?|[_\-])"
        sources += [
            rf"(?i){_FROM}{last}{gap}{one}{middle}{_TO}",
            rf"(?i){_FROM}{one}{middle}(?:[ \n.]{{1,2}}|[_\-]|\. ){last}{_TO}",
            rf"(?i)(?<!\w)(?:{first})[ ]{re.escape(family[0][0])}\b\.?(?:'s)?",
        ]
        sources += _run_together(family, given, lexicon)
    if len("".join(family)) > 4 and len(family) > 1:
        sources.append(rf"(?i){_FROM}" + r"[ \-']{0,2}".join(map(re.escape, family)) + _TO)
    for word in [*family, *given]:
        sources += _word(word, lexicon)
    # Initials of patient or physician where they sign: "J.D.", "JD/mt".
    initials = "".join(w[0] for w in [*given, *family]).upper()
    if 2 <= len(initials) <= 4:
        dotted = r"\. ?".join(initials)
        sources += [rf"(?<![\w.]){dotted}\.", rf"(?<!\w){initials}(?=[/:][a-zA-Z]{{2,3}}\b)"]
    return sources


def _run_together(family: list[str], given: list[str], lexicon: Lexicon) -> list[str]:
    """As in user and file names: "JaneDoe", "doejane", "jdoe", "drdoe"; none of them a word of its own."""
    listed, _ = _vocabulary(lexicon, gazetteer().ordinary)
    last = re.sub(r"\W", "", "".join(family)).lower()
    firsts = [re.sub(r"\W", "", w).lower() for w in given]
    starts = {first[:k] for first in firsts for k in range(1, len(first) + 1)}
    joined = {text for start in starts for text in (start + last, last + start)} | {t + last for t in _TITLES}
    joined = {text for text in joined if len(text) > 4 and len(last) > 2 and text not in listed}
    if not joined:
        return []
    return [rf"(?i)(?<![^\W\d_])(?:{'|'.join(map(re.escape, sorted(joined)))})(?![^\W\d_])"]


def _name_without_case(family: list[str], given: list[str]) -> list[str]:
    """A name in a script without case, inside whatever word holds it; a single character only beside another part."""
    sources = []
    if family and given:
        parts = [re.escape(w) for w in family], [re.escape(w) for w in given]
        sources += [_BETWEEN_PARTS.join(a + b) for a, b in (parts, parts[::-1])]
    for word in [*family, *given]:
        wide = unicodedata.east_asian_width(word[0]) in "WF"  # a character is a syllable or more
        letters = sum(map(str.isalpha, word))
        bare = re.escape(word) + f"[{_MARKS}]*"
        sources.append(bare if letters > (1 if wide else 2) else rf"(?<!\w){bare}(?!\w)")
    return sources


def _name_inside_words(value: str, lexicon: Lexicon) -> list[str]:
    """Words of a name that no whitelisted or ordinary word holds: they tell the person inside of any other word too."""
    if _caseless(value):
        return []
    family, given = name_parts(value)
    _, vocabulary = _vocabulary(lexicon, gazetteer().ordinary)
    return [f"(?i){re.escape(w)}" for w in [*family, *given] if len(w) > 4 and w.lower() not in vocabulary]


def _word(word: str, lexicon: Lexicon) -> list[str]:
    """A single name. One that is also an ordinary word ("Gray") counts only with a capital inside a sentence, or as a
    part of a file's or user's name ("cxr_gray", "MrGray")."""
    bare = word.strip("'-")
    if len(bare) < 2:
        return []
    listed, _ = _vocabulary(lexicon, gazetteer().ordinary)
    lower = bare.lower()
    body = r"['\- ]?".join(map(re.escape, re.split(r"['\-]", bare)))  # "O'Brien", "OBrien", "O Brien"
    sources = _broken(bare, listed)
    if lower not in listed and len(bare) > 3:
        return [rf"(?i){_FROM}{body}{_TO}", *sources]
    sources += [
        rf"(?i)(?<=_){body}(?:'s?)?(?![^\W\d_])",
        rf"(?i)(?<![^\W\d_]){body}(?=_)",
    ]
    end = r"(?:'s?)?(?!\w)"
    capital = re.escape(bare.capitalize())
    if len(bare) > 3:
        sources.append(rf"(?<=[{_LOWER}]){capital}(?![^\W\d_])")
    if len(bare) == 2:
        return [rf"(?<!\w){capital}{end}", *sources]
    if lower in listed:
        return [rf"(?<=[a-z,;] )(?<!\w){capital}{end}", rf"(?<=[A-Z]\. ){capital}{end}", *sources]
    return [rf"(?i)(?<!\w){body}{end}", *sources]


def _broken(word: str, listed: frozenset[str]) -> list[str]:
    """A name that is broken over two lines, unless both of its halves are words ("an" and "derson")."""
    halves = [(word[:k], word[k:]) for k in range(1, len(word)) if len(word) > 3]
    broken = [
        re.escape(a) + _BREAK + re.escape(b) for a, b in halves if not (a.lower() in listed and b.lower() in listed)
    ]
    return [rf"(?i)(?<![^\W\d_])(?:{'|'.join(broken)})(?:'s)?(?![^\W\d_])"] if broken else []


def _any_of(*sources: str) -> str:
    return "(?:" + "|".join(dict.fromkeys(sources)) + ")"


def _number(value: str) -> list[str]:
    """An identifier with or without its separators and leading zeros."""
    characters = re.findall(r"[^\W_]", value)
    if not characters:
        return []
    body = r"[\s\-./_]?".join(map(re.escape, characters))
    stripped = "".join(characters).lstrip("0")
    if len(characters) >= 4:
        sources = [rf"(?i)(?<![^\W_]){body}(?![^\W_])"]
        if 4 <= len(stripped) < len(characters):
            sources.append(r"(?i)(?<![^\W_])0*" + r"[\s\-./_]?".join(map(re.escape, stripped)) + r"(?![^\W_])")
        return sources
    if not "".join(characters).isdigit() and any(c.isdigit() for c in characters):
        return [rf"(?i)(?<![^\W_]){body}(?![^\W_])"]
    # Two digits stand for a size far more often than for a person: only behind a word that announces a number.
    return [rf"(?i)(?:patient|pt|id|mrn|no|number|case|subject|accession)\b[ .:#]{{0,4}}{body}(?![^\W_])"]


def parse_date(value: str) -> dt.date | None:
    """The date of a DICOM DA or DT value, or of an ISO, US or German notation; None where it is none."""
    text = value.strip()
    for form in _DATE_FORMATS:
        for candidate in (text, text[:10], text[:8]):
            try:
                return dt.datetime.strptime(candidate, form).date()
            except ValueError:
                continue
    return None


def _date(value: str) -> list[str]:
    """A date in digits of every order and in words, with and without its year. A year alone is not an identifier."""
    day = parse_date(value)
    if day is None:
        return _phrase_literal(value) if sum(c.isalnum() for c in value) >= 4 else []
    d, m, y = day.day, day.month, day.year
    year = rf"(?:{y}|'?{y % 100:02d})"
    name = _MONTHS[m - 1]
    month = rf"(?:{name}|{name[:4] if name == 'september' else name[:3]}|{name[:3]})(?![^\W\d_])\.?"
    nth = rf"0?{d} ?(?:st|nd|rd|th)?\.?"
    sep = r"\s?[/._\-\s]\s?"
    edge, stop, word = r"(?<![0-9.])", r"(?![0-9])", r"(?<![^\W_])"
    return [
        rf"{edge}0?{m}{sep}0?{d}{sep}{year}{stop}",
        rf"{edge}0?{d}{sep}0?{m}{sep}{year}{stop}",
        rf"{edge}{y}{sep}0?{m}{sep}0?{d}{stop}",
        rf"{edge}(?:{y}|{y % 100:02d}){m:02d}{d:02d}{stop}",
        rf"{edge}(?:{m:02d}{d:02d}|{d:02d}{m:02d}){y}{stop}",
        rf"{edge}(?:0?{m}/0?{d}|0?{d}/0?{m}){stop}(?![/.])"
        if d > 12 or d == m
        else rf"{edge}{m:02d}/{d:02d}{stop}(?![/.])",
        rf"{edge}0?{m}[/_\-]{y}{stop}",
        rf"(?i){word}{month}[ _\-]{{0,2}}(?:the )?{nth}(?![0-9])(?:,?[ _]{{0,2}}{year}{stop})?",
        rf"(?i){edge}{word}{nth}[ _\-]{{0,2}}(?:of )?{month}(?:,?[ _\-]{{0,2}}{year}{stop})?",
        rf"(?i){word}{month},?[ _]{{0,2}}{y}{stop}",
    ]


def _phrase_literal(value: str) -> list[str]:
    pieces = _TOKENS.findall(value)
    if not pieces:
        return []
    if _caseless(value):
        return [r"[\W_]{0,3}".join(map(re.escape, pieces))]
    body = r"[\W_]{1,3}".join(map(re.escape, pieces))
    return [rf"(?i)(?<![^\W_]){body}(?:'s)?(?![^\W_])"]


def _phrase(value: str, lexicon: Lexicon) -> list[str]:
    """A piece of an address; a single ordinary word or a short number would hit by chance."""
    pieces = _TOKENS.findall(value)
    if not pieces or FILLER in value or sum(map(len, pieces)) < (2 if _caseless(value) else 4):
        return []
    if len(pieces) == 1 and lexicon.allows(pieces[0]):
        return []
    return _phrase_literal(value)


def _institution(value: str, lexicon: Lexicon) -> list[str]:
    """The whole name, its telling part ("Mercy" of "Mercy Hospital"), and its initials ("MGH")."""
    words = [w for piece in _WORDS.findall(value) for w in piece.split("-")]
    sources = _phrase_literal(value)
    telling = [w for w in words if w.lower() not in _KIND_WORDS]
    if len(telling) > 1:
        sources += _phrase_literal(" ".join(telling))
    for word in telling:
        if len(word) > 3 and word.lower() not in gazetteer().ordinary and not lexicon.allows(word):
            sources.append(f"(?i){_FROM}{re.escape(word)}{_TO}")
    letters = "".join(w[0].upper() for w in words if w.lower() not in ("of", "the", "and", "for"))
    if len(letters) > 2 and letters.lower() not in lexicon.allowed_words:
        sources.append(rf"(?<!\w){letters}(?!\w)")
    return sources


def header_words(header: Header | None) -> Iterable[str]:
    """Every word and number of the header in lower case: what a surrogate must not repeat."""
    for _, values in _frozen(header):
        for value in values:
            yield from (w.lower() for w in re.findall(r"[^\W_]+", value))
