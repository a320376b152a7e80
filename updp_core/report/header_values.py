"""What the study's own header or manifest row says, searched in the report in every usual way of writing it.

The strongest evidence there is: the header names the very patient, physicians, institution, numbers and dates.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
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


def find(reading: Reading) -> list[Piece]:
    """Pieces that write a value of the header; the rule names the kind of value."""
    found = []
    text, bare = reading.text, unaccented(reading.text)
    for kind, pattern in _patterns(_frozen(reading.header), reading.lexicon):
        category = CATEGORY_OF.get(kind, "identifiers")
        for written in (text,) if bare == text else (text, bare):
            found += [Piece(*m.span(), category, f"header: {kind}", "header") for m in pattern.finditer(written)]
    return found


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
        pairs.append((kind, tuple(fold(v, casefold=False).text for v in listed if v.strip())))
    return tuple(pairs)


@lru_cache(maxsize=256)
def _patterns(
    header: tuple[tuple[str, tuple[str, ...]], ...], lexicon: Lexicon
) -> tuple[tuple[str, re.Pattern[str]], ...]:
    made = []
    for kind, values in header:
        for value in values:
            if kind in ("patient_name", "physician"):
                sources = [s for written in _spellings(value) for s in _name(written, lexicon)]
            elif kind == "date":
                sources = _date(value)
            elif kind == "institution":
                sources = _institution(value, lexicon)
            elif kind == "address":
                sources = [s for piece in re.split(r"[,;\n^]", value) for s in _phrase(piece, lexicon)]
            else:
                sources = _number(value)
            made += [(kind, re.compile(source)) for source in sources]
    return tuple(made)


def name_parts(value: str) -> tuple[list[str], list[str]]:
    """Family and given words of a DICOM person name (PS3.5, 6.2.1), "Last, First M" or "First M Last"."""
    value = value.split("=")[0]
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
    found = re.findall(r"[^\W\d_]+(?:['\-][^\W\d_]+)*", text)
    return [w for w in found if w.lower() not in _TITLES]


def _name(value: str, lexicon: Lexicon) -> list[str]:
    family, given = name_parts(value)
    sources = []
    if family and given:
        last = _any_of(r"[ \-]{1,2}".join(map(re.escape, family)), *(re.escape(w) for w in family if len(w) > 1))
        first = "|".join(re.escape(w) for w in given if len(w) > 1) or re.escape(given[0])
        short = "|".join(sorted({re.escape(w[0]) for w in given}))
        one = rf"(?:{first}|(?:{short})\b\.?)"
        middle = r"(?:[ \n]{1,2}(?:[^\W\d_]\b\.?|(?:" + first + r")))?"
        gap = r"(?:\^|,? {0,2}\n?|,|\. ?|[_\-])"
        sources += [
            rf"(?i)(?<!\w){last}{gap}{one}{middle}(?:'s)?(?!\w)",
            rf"(?i)(?<!\w){one}{middle}(?:[ \n.]{{1,2}}|[_\-]|\. ){last}(?:'s)?(?!\w)",
            rf"(?i)(?<!\w)(?:{first})[ ]{re.escape(family[0][0])}\b\.?(?:'s)?",
        ]
        # Run together, as in user names and file names: "JaneDoe", "doejane".
        run = [("".join(family), w) for w in given if len(w) > 2]
        joined = [re.sub(r"\W", "", text) for a, b in run for text in (a + b, b + a)]
        sources += [rf"(?i)(?<![^\W\d_]){re.escape(text)}(?![^\W\d_])" for text in joined if len(text) > 5]
    if len("".join(family)) > 4 and len(family) > 1:
        sources.append(r"(?i)(?<!\w)" + r"[ \-']{0,2}".join(map(re.escape, family)) + r"(?:'s?)?(?!\w)")
    for word in [*family, *given]:
        sources += _word(word, lexicon)
    # Initials of patient or physician where they sign: "J.D.", "JD/mt".
    initials = "".join(w[0] for w in [*given, *family]).upper()
    if 2 <= len(initials) <= 4:
        dotted = r"\. ?".join(initials)
        sources += [rf"(?<![\w.]){dotted}\.", rf"(?<!\w){initials}(?=[/:][a-zA-Z]{{2,3}}\b)"]
    return sources


def _word(word: str, lexicon: Lexicon) -> list[str]:
    """A single name. One that is also an ordinary word ("Gray") counts only with a capital inside a sentence."""
    bare = word.strip("'-")
    if len(bare) < 2:
        return []
    lower = bare.lower()
    end = r"(?:'s?)?(?!\w)"
    if lower in lexicon.allowed_words or lower in gazetteer().ordinary or len(bare) == 2:
        inside = rf"(?<=[a-z,;] )(?<!\w){re.escape(bare.capitalize())}{end}"
        shouted = rf"(?<=[A-Z]\. ){re.escape(bare.capitalize())}{end}"
        return [inside, shouted] if len(bare) > 2 else [rf"(?<!\w){re.escape(bare.capitalize())}{end}"]
    body = r"['\- ]?".join(map(re.escape, re.split(r"['\-]", bare)))  # "O'Brien", "OBrien", "O Brien"
    return [rf"(?i)(?<!\w){body}{end}"]


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
    month = rf"(?:{name}|{name[:4] if name == 'september' else name[:3]}|{name[:3]})\b\.?"
    nth = rf"0?{d} ?(?:st|nd|rd|th)?"
    sep = r" ?[/.\- ] ?"
    edge, stop = r"(?<![0-9.])", r"(?![0-9])"
    return [
        rf"{edge}0?{m}{sep}0?{d}{sep}{year}{stop}",
        rf"{edge}0?{d}{sep}0?{m}{sep}{year}{stop}",
        rf"{edge}{y}{sep}0?{m}{sep}0?{d}{stop}",
        rf"{edge}{y}{m:02d}{d:02d}{stop}",
        rf"{edge}{m:02d}{d:02d}{y}{stop}",
        rf"{edge}(?:0?{m}/0?{d}|0?{d}/0?{m}){stop}(?![/.])"
        if d > 12 or d == m
        else rf"{edge}{m:02d}/{d:02d}{stop}(?![/.])",
        rf"{edge}0?{m}[/\-]{y}{stop}",
        rf"(?i)\b{month}[ \-]{{0,2}}(?:the )?{nth}(?![0-9.])(?:,? {{0,2}}{year}{stop})?",
        rf"(?i){edge}\b{nth}[ \-]{{0,2}}(?:of )?{month}(?:,?[ \-]{{0,2}}{year}{stop})?",
        rf"(?i)\b{month},? {{0,2}}{y}{stop}",
    ]


def _phrase_literal(value: str) -> list[str]:
    pieces = re.findall(r"[^\W_]+", value)
    body = r"[\W_]{1,3}".join(map(re.escape, pieces))
    return [rf"(?i)(?<!\w){body}(?:'s)?(?!\w)"] if pieces else []


def _phrase(value: str, lexicon: Lexicon) -> list[str]:
    """A piece of an address; a single ordinary word or a short number would hit by chance."""
    pieces = re.findall(r"[^\W_]+", value)
    if not pieces or FILLER in value or sum(map(len, pieces)) < 4:
        return []
    if len(pieces) == 1 and lexicon.allows(pieces[0]):
        return []
    return _phrase_literal(value)


def _institution(value: str, lexicon: Lexicon) -> list[str]:
    """The whole name, its telling part ("Mercy" of "Mercy Hospital"), and its initials ("MGH")."""
    words = [w for w in re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", value)]
    sources = _phrase_literal(value)
    telling = [w for w in words if w.lower() not in _KIND_WORDS]
    if len(telling) > 1:
        sources += _phrase_literal(" ".join(telling))
    for word in telling:
        if len(word) > 3 and word.lower() not in gazetteer().ordinary and not lexicon.allows(word):
            sources.append(rf"(?i)(?<!\w){re.escape(word)}(?:'s)?(?!\w)")
    letters = "".join(w[0].upper() for w in words if w.lower() not in ("of", "the", "and", "for"))
    if len(letters) > 2 and letters.lower() not in lexicon.allowed_words:
        sources.append(rf"(?<!\w){letters}(?!\w)")
    return sources


def header_words(header: Header | None) -> Iterable[str]:
    """Every word and number of the header in lower case: what a surrogate must not repeat."""
    for _, values in _frozen(header):
        for value in values:
            yield from (w.lower() for w in re.findall(r"[^\W_]+", value))
