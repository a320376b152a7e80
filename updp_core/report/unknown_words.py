"""Names of people and places that no list knows, by where they stand: the whitelist is the exception, not the rule.

A report is written in a small vocabulary. A word with a capital inside a sentence that is neither an ordinary word nor
on the whitelist, nor the discoverer of a sign, is a name in all likelihood: 500 real reports hold ten such words that
are none. At the beginning of a sentence, in a line of capitals and in lower case a capital says nothing, so there it
takes a cue: a role before the word, a verb of persons behind it, a place where somebody lives.
"""

from __future__ import annotations

import re

from updp_core.lexicon.folding import word_list
from updp_core.report.gazetteer import gazetteer
from updp_core.report.words import FILLER, Piece, Reading, Word, before_eponym_noun

_STAFF = (
    r"nurses?|doctors?|physicians?|surgeons?|radiologists?|radiographers?|technologists?|technicians?|techs?"
    r"|residents?|interns?|fellows?|attendings?|consultants?|registrars?|houseman|matron|midwife|paramedics?|sisters?"
    r"|therapists?|pharmacists?|dentists?|chaplain|secretary|clerk|transcriptionist|interpreter|assistant"
    r"|practitioner|hospitalist|intensivist|anesthesiologist|[a-z]{4,12}ologist|colleagues?|coordinator|professor|prof"
    r"|doctor|dr|drs|mr|mrs|ms|miss|mx|sir|madam|rn|np|pa"
)
_KIN = (
    r"mother|father|mom|dad|parents?|wife|husband|spouse|partner|son|daughter|brother|aunt|uncle|cousin|niece|nephew"
    r"|grand(?:mother|father|son|daughter)|guardian|caregiver|carer|friend|neighbou?r|roommate|employer"
)
_PATIENT = (
    r"patients?|pt|man|woman|male|female|boy|girl|gentleman|lady|child|infant|baby|teenager|adolescent|adult|person"
    r"|individual|client|veteran|inmate|prisoner|driver|farmer|worker|student|visitor|tourist|refugee|immigrant"
)
# A role of staff, of kin or of the patient right before the word.
_ROLE = re.compile(
    rf"(?i)\b(?:{_STAFF}|{_KIN}|{_PATIENT}|named|called|surname|surnamed|alias|a\.?k\.?a)"
    r"\b[.,:;(]? {1,2}[\"'(]?"
)
_STAFF_BEFORE = re.compile(rf"(?:\b(?:{_STAFF})|\b(?:{_STAFF}|{_KIN}|{_PATIENT}) (?:named|called))\.? {{1,2}}")
_SHOUTED_ROLE = re.compile(rf"(?i)\b(?:{_STAFF}|(?:{_KIN}|{_PATIENT}) (?:named|called)|name is|surname)\b[.:]? {{1,2}}")
# Where somebody is at home: any capitalised word behind it is a place.
_HOME = re.compile(
    r"(?i)\b(?:resident of|resid(?:es?|ing) (?:in|at|near)|li(?:ves?|ving|ved) (?:in|at|near)|dwell(?:s|ing) in"
    r"|natives? (?:of|to)|citizen of|born in|born near|raised in|grew up in|home ?town(?: is| of|:)?"
    r"|home (?:in|is)|house in|farm (?:in|near)|hails? from|hailing from|comes? from|coming from|came from"
    r"|is from|was from|are from|originally from|moved (?:here )?(?:from|to)|relocated (?:from|to)"
    r"|(?:e|im)?migrated (?:from|to)|returned (?:from|to)|return(?:ing)? from|arrived from|flown (?:in )?from"
    r"|travell?(?:ed|ing|s)? (?:from|to|in)|travel history to|trip to|journey to|vacation(?:ed|ing)? in|holiday in"
    r"|works? in|working in|worked in|employed in|stay(?:s|ed|ing)? in|settled in|based in|address in"
    r"|commut(?:es|ing) (?:from|to)|retired to|visiting(?: from)?"
    rf"|(?:{_PATIENT}|{_KIN}|family)(?: who (?:is|was|came)| coming| visiting)? from"
    r"|the (?:town|city|village|county|district|suburb|hamlet|parish|borough) of)(?: the)? {1,2}"
)
_FROM = re.compile(r"(?i)\b(?:from|in|near|at|outside|visiting|toward|towards)(?: the)? {1,2}")
_CUES = (_ROLE, _STAFF_BEFORE, _SHOUTED_ROLE, _HOME, _FROM)
_Behind = dict[re.Pattern[str], set[int]]
"""A cue, and where the words behind it begin."""
# Parts of a place's name that are ordinary words as well.
_BEFORE_PLACE = frozenset(
    word_list("""
    port new old lake mount north south east west upper lower great greater little big fort saint st san santa cape bay
    glen grand high long la las los el le villa point rock northern southern eastern western central
""")
)
_AFTER_PLACE = frozenset(
    word_list("""
    falls springs heights city bay beach hills hill valley park creek grove island islands lake harbor harbour river
    town township village county junction crossing point ridge center centre landing ferry green north south east west
    bridge mills rapids field fields woods forest station terrace gardens
""")
)
_PARTICLES = frozenset(word_list("de da das do dos del della di der den van von vom zu ter ten la le el al bin ibn y"))
# What only a person does, behind a word that opens a sentence.
_DOES = re.compile(
    r"(?:'s)? (?:agree[sd]|concur(?:s|red)|called|states|stated|denie[sd]|complain(?:s|ed)|requests|asks|asked|wants"
    r"|lives|works|resides|underwent|came|arrived|tolerated|signed|dictated|thinks|believes|refuse[sd]|consented|smokes"
    r"|(?:was|were|has been) (?:notified|informed|called|contacted|told|paged|scanned|admitted|discharged|transferred"
    r"|brought|referred|consulted|intubated|extubated)|is (?:a|an|the) (?:[0-9]|patient|man|woman|male|female))\b"
)
_SIGNED = re.compile(r"[ \t]*[A-Z][^\W\d_]+(?: [A-Z][\w'.\-]*){0,2},?[ \t]*")
_LABEL = re.compile(r" ?[:=#]")  # "Gender: F" in the middle of a line
_ABBREVIATION = re.compile(r"(?![A-Z]+\b|Mc|Mac|De|Di|La|Le|Van|Von|Fitz)[A-Z][a-z]*[A-Z]")  # "EtOH", "AFib"
_MARKER = re.compile(r"(?i)x{3,}|[a-z]-[a-z]+$")  # de-identified, or "T-spine", "B-lines"
_GROWTH = re.compile(r"[a-z]{3,}omas?$")  # aspergilloma
_INFLECTED = re.compile(r"(?:(?:ly|ed|ing|al|er|ion|ions|s|es|d)|(?:ness|ment|ation)s?)$")
_VERBAL = re.compile(r"(?:ed|ing|ly|ions?)$")


def find(reading: Reading) -> list[Piece]:
    """Pieces that name people or places whom no list knows."""
    words, text, lexicon = reading.words, reading.text, reading.lexicon
    listed = lexicon.allowed_words | gazetteer().ordinary | lexicon.forbidden_terms.keys()
    unknown = [_unknown(word, listed) for word in words]
    behind = {cue: {match.end() for match in cue.finditer(reading.flowing)} for cue in _CUES}
    found = []
    for i in range(len(words)):
        first, last = i, i
        if at_home := _at_home(words[i], behind):
            last = _right(words, i, text, unknown, anything=True)
        elif _names_somebody(words, i, text, unknown, behind):
            first, last = _left(words, i, text, unknown), _right(words, i, text, unknown)
        else:
            continue
        place = at_home or words[first].start in behind[_FROM]
        category, rule = ("locations", "place: unknown word") if place else ("names", "name: unknown word")
        found.append(Piece(words[first].start, words[last].end, category, rule, "unlisted"))
    return found


def _unknown(word: Word, listed: frozenset[str]) -> bool:
    """Whether neither the whitelist nor the ordinary words hold this word, in whatever form, and no list of names."""
    if word.plain or _MARKER.match(word.text):
        return False
    lower = word.text.lower().removesuffix("'s")
    forms = {lower, _INFLECTED.sub("", lower), _INFLECTED.sub("e", lower)}
    if forms & listed or _GROWTH.match(lower):
        return False
    parts = word.text.split("-")
    return len(parts) == 1 or not (parts[-1].islower() or all(part.lower() in listed for part in parts))


def _names_somebody(words: tuple[Word, ...], i: int, text: str, unknown: list[bool], behind: _Behind) -> bool:
    word = words[i]
    if not word.capital or word.shouted:
        return unknown[i] and _told_by_role(word, behind)
    if not word.opens and word.known and word.start in behind[_STAFF_BEFORE]:
        return True  # "nurse Gray"
    if not unknown[i]:
        return False
    cued = word.start in behind[_ROLE]
    if word.text.isupper() and len(word.text) < (3 if cued else 6):
        return False
    if len(word.text) < (2 if cued else 3) or (not cued and before_eponym_noun(words, i, text)):
        return False
    if not cued and (_LABEL.match(text, word.end) or _ABBREVIATION.match(word.text)):
        return False
    return not word.opens or _opens_with_a_name(words, i, text)


def _told_by_role(word: Word, behind: _Behind) -> bool:
    """Whether an unknown word in a line of capitals, or in lower case, stands behind a role ("NURSE KOWALCZYK")."""
    lower = word.text.lower()
    if len(lower) < 4 or _VERBAL.search(lower) or (lower.endswith("s") and not word.shouted):
        return False
    return word.start in behind[_SHOUTED_ROLE]


def _opens_with_a_name(words: tuple[Word, ...], i: int, text: str) -> bool:
    """Whether an unknown word that opens a sentence is a name, by what follows: a verb, an initial, the line's end."""
    end = words[i].end
    if _DOES.match(text, end) or re.match(r", ?[A-Z]\.", text[end : end + 4]):
        return True
    start = text.rfind("\n", 0, words[i].start) + 1
    line = text[start : text.find("\n", end) if "\n" in text[end:] else len(text)]
    return start > 0 and _SIGNED.fullmatch(line) is not None


def _at_home(word: Word, behind: _Behind) -> bool:
    """Whether a word begins the place where somebody lives or comes from."""
    if not word.capital or word.shouted or (word.text.isupper() and len(word.text) < 6):
        return False
    return word.start in behind[_HOME]


def _side_by_side(a: Word, b: Word, text: str) -> bool:
    return text[a.end : b.start] in (" ", "-", ". ", "\n", " & ") and FILLER not in text[a.end : b.start]


def _left(words: tuple[Word, ...], i: int, text: str, unknown: list[bool]) -> int:
    """The first word of the name that holds word i."""
    for _ in range(min(i, 4)):
        before = words[i - 1]
        part = unknown[i - 1] or (before.known and not (before.opens and before.plain)) or before.initial
        prefix = before.text.lower() in _BEFORE_PLACE and not before.opens
        if not before.capital or before.shouted or not (part or prefix) or not _side_by_side(before, words[i], text):
            break
        i -= 1
    return i


def _right(words: tuple[Word, ...], i: int, text: str, unknown: list[bool], *, anything: bool = False) -> int:
    """The last word of the name that holds word i; with `anything` each capitalised word belongs to it."""
    last = i
    for k in range(i + 1, min(i + 4, len(words))):
        if not _side_by_side(words[k - 1], words[k], text):
            break
        word = words[k]
        particle = word.text in _PARTICLES and k + 1 < len(words) and words[k + 1].capital
        part = anything or unknown[k] or word.known or word.initial or word.text.lower() in _AFTER_PLACE
        if not particle and not (word.capital and not word.opens and not word.shouted and part):
            break
        if not particle:
            last = k
    return last
