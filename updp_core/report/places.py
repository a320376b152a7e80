"""Hospitals, towns and other places in a report, without a model."""

from __future__ import annotations

import re

from updp_core.lexicon.folding import word_list
from updp_core.report.gazetteer import STATES, gazetteer
from updp_core.report.words import Piece, Reading, Word, before_eponym_noun

# Nouns that make the capitalised words before them an institution, in any case ...
_KINDS = re.compile(
    r"\b(?:hospitals?|hosp|clinics?|polyclinic|infirmary|hospice|sanatorium|university|college|institute|nursing home"
    r"|(?:medical|med\.?|health|healthcare|cancer|imaging|surgery|heart|trauma|rehab(?:ilitation)?|care|radiology|diagnostic"
    r"|women's|community) (?:center|centre|ctr|group|associates|campus|system|services|school|college|network|plaza"
    r"|park|partners)|health ?care|urgent care|emergency (?:room|department)|imaging|facility|office|practice|ward"
    r"|branch|location)\b",
    re.IGNORECASE,
)
_LOWER_NEEDS_PLACE = re.compile(r"(?i:imaging|facility|office|practice|ward|branch|location|emergency)")
# ... and those that do so only with a capital of their own.
_CAPITAL_KINDS = re.compile(
    r"\b(?:General|Memorial|Methodist|Presbyterian|Baptist|Lutheran|Adventist|Mercy|Health|Medical|Medicine|Regional"
    r"|Children's|Childrens|Center|Centre|Oncology|Radiology|Cardiology|Orthopedics|Associates|Pieceation|School|Church|Med|VA|VAMC)\b"
)
_FACILITY = re.compile(
    r"(?i)hosp|clinic|infirmary|hospice|sanatorium|universit|college|(?:medical|med|health|cancer) c|nursing"
)
_NAMED_AFTER = re.compile(
    r"(?:University|Hospital|Children's|College|Institute|Clinic)(?: Hospital)?(?: (?:of|at)|,) [A-Z]"
)
_CONTINUED = re.compile(r"(?: (?:of|at|for|-)(?: the)?)? (?=[A-Z])| (?=hospital|clinic|center|medical|office)")
_DETERMINERS = frozenset(
    word_list("""
    the our this that a an at in from outside local any each my your his her their other another nearest no
    for to and by on with via same new referring pediatric outpatient inpatient via
""")
)
_GENERIC = frozenset(
    word_list("""
    the our this that a an at in from outside local any each my your his her their other another nearest area
    mental public world national primary home no for to and of by on with via same new emergency general community
    county state city teaching referring outpatient inpatient day oral women men occupational behavioral global
    digital holistic heart electronic clinical medical health department dept pediatric adult internal family
    sports nuclear
""")
)
_CONNECTORS = frozenset(word_list("of the and & for at de la del los"))
_AT = re.compile(r"\b(?P<at>at|At|from|in|In|near|to|visiting|via|outside|by) (?:our |the |a |an )?(?=[A-Z])")
_HOME = re.compile(
    r"\b(?:resident of|resid(?:es|ing) (?:in|at)|li(?:ves|ving|ved) in|native of|born in|moved (?:here )?(?:from|to)"
    r"|citizen of|transferred (?:from|to)|travell?ed (?:from|to)|hometown(?: is|:)?|visiting(?: from)?)"
    r"(?: the)? {0,2}(?=[A-Z])"
)
_VISIT = re.compile(r" (?:on|last|in) (?:the )?(?:[0-9]|[A-Z][a-z]{2,8}\b)")
_SAINT = frozenset(word_list("st saint ste san santa santo mount mt fort ft los las"))
_NOT_A_PLACE = frozenset(
    word_list("""
    icu ed er or pacu nicu micu sicu picu ccu cvicu mri ct ekg ecg echo osh us pcp pet cta ir or ot pt snf ltac
    nyha acc aha discharge admission home baseline presentation rest night today diagnosis who cdc nih fda icd iv
    po im bid tid ad hiv aids copd chf cad ckd esrd gerd uti dvt pe mi cva tia ms als ra sle ibd nsaid nsaids ace
    arb ssri ssris
""")
)
_STATE_CODE = re.compile(
    rf"(?P<comma>,? )(?P<code>{'|'.join([*STATES, *STATES.values()])})\b(?P<zip>,? {{1,2}}[0-9]{{5}}(?:-[0-9]{{4}})?)?"
)


def find(reading: Reading) -> list[Piece]:
    """Pieces that name an institution or a place."""
    text, words = reading.text, reading.words
    starts = {word.start: i for i, word in enumerate(words)}
    found = _towns(words, text)
    ends = {word.end: i for i, word in enumerate(words)}
    towns = {piece.start: piece.end for piece in found}
    for kinds in (_KINDS, _CAPITAL_KINDS):
        for match in kinds.finditer(text):
            if (i := starts.get(match.start())) is None:
                continue
            lower_kind = kinds is _KINDS and bool(_LOWER_NEEDS_PLACE.match(match.group())) and match.group().islower()
            if piece := _institution(words, i, match.end(), text, starts, towns, town_only=lower_kind):
                found.append(piece)
    for match in _AT.finditer(text):
        if (i := starts.get(match.end())) is not None and (end := _after_at(words, i, text, match["at"].lower())):
            found.append(Piece(words[i].start, end, "institutions", "place: after at", "context"))
    for match in _HOME.finditer(reading.flowing):
        if (i := starts.get(match.end())) is not None and (not words[i].plain or words[i].known):
            found.append(Piece(words[i].start, _cap_run_end(words, i, text), "locations", "place: home", "context"))
    for i, word in enumerate(words[:-1]):
        nxt = words[i + 1]
        gap = text[word.end : nxt.start]
        if (
            word.capital
            and not word.shouted
            and nxt.capital
            and word.text.lower() in _SAINT
            and gap in (" ", ". ", ".")
        ):
            found.append(Piece(word.start, _cap_run_end(words, i + 1, text), "locations", "place: saint", "context"))
    for match in _STATE_CODE.finditer(text):
        if (i := ends.get(match.start())) is not None and (piece := _city_state(words, i, match, towns)):
            found.append(piece)
    return found


def _phrase(words: tuple[Word, ...], i: int, n: int, text: str) -> str:
    gaps_fit = all(text[words[k].end : words[k + 1].start] in (" ", "-", ". ", "\n") for k in range(i, i + n - 1))
    return " ".join(w.text.lower().removesuffix("'s").replace("-", " ") for w in words[i : i + n]) if gaps_fit else ""


def _towns(words: tuple[Word, ...], text: str) -> list[Piece]:
    """Gazetteer places of one to four words that stand capitalised in running text."""
    places = gazetteer().places
    found = []
    i = 0
    while i < len(words):
        step = 1
        for n in range(min(4, len(words) - i), 0, -1):
            part = words[i : i + n]
            if not part[0].capital or not part[-1].capital or (phrase := _phrase(words, i, n, text)) not in places:
                continue
            if before_eponym_noun(words, i + n - 1, text) or (n == 1 and (part[0].plain or part[0].shouted)):
                continue
            if n == 1 and part[0].opens and (part[0].known or phrase not in gazetteer().major_places):
                continue
            if phrase:
                found.append(Piece(part[0].start, part[-1].end, "locations", "place: gazetteer", "gazetteer", "weak"))
                step = n
                break
        i += step
    return found


def _cap_run_end(words: tuple[Word, ...], i: int, text: str, most: int = 4) -> int:
    """The end of the capitalised words from i on."""
    end = words[i].end
    for k in range(i + 1, min(i + most, len(words))):
        gap = text[end : words[k].start]
        connector = words[k].text in ("of", "and", "de", "la", "del") and k + 1 < len(words) and words[k + 1].capital
        if gap not in (" ", "-", " & ") or not (words[k].capital or connector):
            break
        end = words[k].end
    return end


def _institution(
    words: tuple[Word, ...],
    i: int,
    end: int,
    text: str,
    starts: dict[int, int],
    towns: dict[int, int],
    *,
    town_only: bool,
) -> Piece | None:
    """The institution whose kind ("Hospital") begins at word i and ends at character `end`."""
    first = i
    while first > 0 and i - first < 6:
        previous = words[first - 1]
        gap = text[previous.end : words[first].start]
        saint = gap == ". " and previous.text in ("St", "Mt", "Ste", "Ft", "Dr")
        if not (gap in (" ", " & ", "-", "  ") or saint):
            break
        if not (previous.capital or previous.text.lower() in _CONNECTORS):
            break
        first -= 1
    while first < i and (
        words[first].text.lower() in _CONNECTORS
        or words[first].text.lower() in _DETERMINERS
        or (words[first].opens and words[first].plain and not words[first].known)
    ):
        first += 1
    body = [w for w in words[first:i] if w.text.lower() not in _CONNECTORS]
    capital_kind = words[i].capital and not words[i].shouted
    if body:
        telling = [w for w in body if w.text.lower() not in _GENERIC and not (w.plain and not w.known)]
        # "General Hospital" and "City Clinic" name a place where the whole phrase has capitals of its own.
        titled = (
            capital_kind
            and all(w.capital and not w.opens for w in body)
            and bool(_FACILITY.match(text, words[i].start))
        )
        if not (telling or titled) or (words[i].shouted and not any(w.strong for w in body)):
            return None
        if town_only and not any(w.start in towns for w in words[first:i]):
            return None
        if not capital_kind and len(telling) == 1 and telling[0].text.isupper() and len(telling[0].text) < 3:
            return None
    elif not capital_kind or not _NAMED_AFTER.match(text, words[i].start):
        return None
    # "... of Philadelphia", "... at Dallas", a further kind ("Medical Center"), and a town after a comma.
    while more := _CONTINUED.match(text, end):
        k = starts.get(more.end())
        if k is None or end - words[i].end > 120 or (words[k].opens and not words[k].capital):
            break
        kind = _KINDS.match(text, words[k].start) or _CAPITAL_KINDS.match(text, words[k].start)
        if kind:
            end = kind.end()
        elif " of" in more.group() or " at" in more.group() or " for" in more.group():
            end = _cap_run_end(words, k, text, 3)
        elif words[k].start in towns or not words[k].plain:
            end = words[k].end
        else:
            break
    for gap in (", ", " ", " in "):
        if text.startswith(gap, end) and end + len(gap) in towns:
            end = towns[end + len(gap)]
            break
    return Piece(words[first].start, end, "institutions", "institution: kind", "context")


def _after_at(words: tuple[Word, ...], i: int, text: str, preposition: str) -> int:
    """The end of the place that follows a preposition, or 0."""
    first = words[i]
    end = _cap_run_end(words, i, text)
    part = [w for w in words[i : i + 4] if w.end <= end]
    if first.shouted or before_eponym_noun(words, i + len(part) - 1, text):
        return 0
    telling = [w for w in part if not w.plain and w.text.lower() not in _GENERIC and len(w.text) > 1]
    if not telling or any(w.text.lower() in _NOT_A_PLACE for w in part):
        return 0
    if preposition == "at":
        return end if len(telling) == len(part) or any(w.strong for w in part) or len(part) > 1 else 0
    # Other prepositions govern drugs and diseases too: only a capitalised name that a date or a visit follows.
    visit = _VISIT.match(text, end)
    return end if visit and preposition in ("from", "in", "near", "to", "visiting", "outside", "via") else 0


def _city_state(words: tuple[Word, ...], last: int, match: re.Match[str], towns: dict[int, int]) -> Piece | None:
    first = last
    while first > 0 and last - first < 2 and words[first - 1].capital:
        if match.string[words[first - 1].end : words[first].start] not in (" ", ". "):
            break
        if words[first - 1].plain and not words[first - 1].known:
            break
        first -= 1
    city = words[first : last + 1]
    code = match["code"]
    if not city[-1].capital or (city[-1].plain and not match["zip"]):
        return None
    town = any(towns.get(w.start, 0) >= city[-1].end for w in words[max(0, last - 3) : last + 1])
    # "Smith, MD", "Chest PA", "Thorax CT": a code that means something else needs a known town or a ZIP code.
    if (
        len(code) == 2
        and not match["zip"]
        and not town
        and (
            code
            in ("MD", "PA", "CT", "OR", "IN", "ME", "MS", "DO", "AL", "ID", "LA", "HI", "OK", "CO", "PR", "DE", "AR")
            or "," not in match["comma"]
        )
    ):
        return None
    return Piece(city[0].start, match.end(), "locations", "place: city and state", "context")
