"""Names of persons in a report, without a model: name gazetteer, titles, cues, initials, signatures.

What rests on the gazetteer alone is weak and yields to the whitelist (method: section 3).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from updp_core.lexicon.folding import word_list
from updp_core.report.words import PARTICLES, Origin, Piece, Reading, Strength, Word, before_eponym_noun, joined

_CREDENTIALS = re.compile(
    r",? {0,2}(?:M\.?D|D\.?O|Ph\.?D|R\.?N|N\.?P|P\.?A-?C|MBBS|MB ?BS|FRCR|FRCP|FACR|FRANZCR|MRCP|DNP|CRNP|APRN|ARNP|LPN"
    r"|DDS|Pharm\.?D|D\.?P\.?M|R\.?T\.?(?:\(R\))?|Esq|Jr|Sr|II|III)\b\.?"
)
_TITLE = re.compile(
    r"(?<![\w.])(?P<title>[Dd]rs?|DRS?|Mrs?|Ms|Mx|MRS|Miss|Prof|PROF|Professor|Doctor|Doctors|Nurse|Sister|Sir|Madam"
    r"|Rev|Herr|Frau|Se\u00f1ora?|Signora?|Monsieur|Madame|Mme|[Dd]hr|[Mm]evr|(?:MR|MS|mr|mrs|ms|prof)(?=\.))\b(?P<dot>\.?)"
    r"(?: {0,2}(?:Dr|Prof|med|univ|rer|nat|habil|dent|h\. ?c)\.){0,5} {0,2}\n?(?=[^\W\d_])"
)
_NO_NAME_BEHIND_DR = frozenset(word_list("will may can do see read call page order state grant bill mark sign rush"))
"""Names that are verbs as well: "dr will review"."""
_ROLES = (
    r"patient|pt|physician|doctor|radiologist|attending|resident|fellow|technologist|tech|referring(?: physician"
    r"| provider| md)?|ordering(?: physician| provider)?|provider|pcp|name|patient name|pt name|patient's name"
    r"|surgeon|nurse|cc|attn|attention|from|to|re|signed|dictated|transcribed|read|reviewed|interpreted|finalized|approved"
    r"|author|contact|mother|father|wife|husband|spouse|guardian|emergency contact|next of kin"
)
_ACTS = (
    r"dictated|signed|transcribed|read|interpreted|reviewed|performed|verified|approved|ordered|referred|requested"
    r"|finalized|reported|prepared|typed|cosigned|attested|authenticated|entered|seen|treated|followed|evaluated|examined"
    r"|managed|diagnosed|prescribed|supervised|operated(?: on)?|accompanied|escorted|completed|attended|identified"
)
_TALK = (
    r"(?:discussed|reviewed|consulted|consult|spoke|conversation|appointment|follow(?:ing|ed)?[ -]?up|visit"
    r"|communicated|communication) with|(?:communicated|reported|called|phoned|telephoned|conveyed|relayed"
    r"|given|paged|notified|informed)(?: {1,2}to)?|under the care of|patient of|care of|case of|records? of"
    r"|on behalf of"
)
_STRONG_CUE = re.compile(
    rf"(?<!\w)(?:(?:{_ROLES}) {{0,2}}[:=] {{0,3}}"
    r"|(?:my name is|name is|name was|named|goes by|known as|dear|sincerely,?|regards,?|cc|attn) {1,2}"
    rf"|(?P<act>{_ACTS}|[a-z]{{4,14}}ed)(?: {{1,2}}and {{1,2}}(?:reviewed|signed|verified|approved))? by:? {{1,3}}"
    rf"|(?:{_TALK}) {{1,2}})",
    re.IGNORECASE,
)
_WHO_CUE = re.compile(
    r"\b(?:male|female|man|woman|boy|girl|gentleman|lady|patient|pt|child|infant|teen|[yY]/?[oO]|old|[0-9][MF]|wife"
    r"|husband|son|daughter|mother|father|brother|sister|spouse|named|years?)(?P<comma>,| \(|\()? {1,2}"
    r"(?:named |called )?(?=[A-Z])"
)


class _Kind(NamedTuple):
    """Why a run of words is a name."""

    rule: str
    origin: Origin = "context"
    strength: Strength = "firm"


_LAST_FIRST = _Kind("name: Last, First")
_CREDENTIAL = _Kind("name: credentials")
_INITIAL = _Kind("name: initial")
_TWO_NAMES = _Kind("name: two names")
_TWO_NAMES_PERHAPS = _Kind("name: two names", strength="weak")
_KNOWN_NAME = _Kind("name: gazetteer", "gazetteer", "weak")


def find(reading: Reading) -> list[Piece]:
    """Pieces that name a person."""
    text, words = reading.text, reading.words
    at = {word.start: i for i, word in enumerate(words)}
    found: list[Piece] = []
    for match in _TITLE.finditer(text):
        if (i := at.get(match.end())) is not None and (n := _after_title(words, i, text, bool(match["dot"]))):
            found.append(Piece(match.start(), words[i + n - 1].end, "names", "name: title", "context"))
    for cue, rule in ((_STRONG_CUE, "name: cue"), (_WHO_CUE, "name: patient")):
        for match in cue.finditer(text):
            i = at.get(match.end())
            cue_text = match.group().rstrip().lower()
            acted = "by" in cue_text[-3:] and re.match(_ACTS, cue_text) is not None
            sure = rule == "name: cue" and (acted or cue_text.endswith((":", "=", "name is", "name was", "named")))
            if i is not None and (n := _after_cue(words, i, text, sure or bool(match.groupdict().get("comma")))):
                found.append(Piece(words[i].start, words[i + n - 1].end, "names", rule, "context"))
    i = 0
    while i < len(words):
        n, kind = _name_at(words, i, text)
        if kind:
            found.append(Piece(words[i].start, _with_dot(text, words[i + n - 1]), "names", *kind))
        i += n or 1
    return found


def _run(words: tuple[Word, ...], i: int, text: str, most: int) -> int:
    """How many words from i on look like one name: capitals, initials, particles between them."""
    n = 0
    while n < most and i + n < len(words):
        word = words[i + n]
        particle = n > 0 and word.text in PARTICLES and i + n + 1 < len(words) and words[i + n + 1].capital
        if not (word.capital or particle) or (n and not joined(words, i + n - 1, text)):
            break
        # A name that is whole at the end of its line goes on in the next one only where that begins with a name.
        whole = n > 1 and not words[i + n - 1].initial
        if whole and not word.known and "\n" in text[words[i + n - 1].end : word.start]:
            break
        n += 1
    return n


def _after_title(words: tuple[Word, ...], i: int, text: str, dot: bool) -> int:
    first = words[i]
    if not first.capital:
        if first.plain and first.family and len(first.text) > 2 and first.text not in _NO_NAME_BEHIND_DR:
            return 1  # "dr long"
        return int((dot or not first.plain) and not (first.plain and not first.known))
    keep = 0
    surname = False
    # "Mrs. Bone": behind a written title the first capitalised word is a name, whatever else it means.
    surely = dot and not first.shouted
    for k in range(_run(words, i, text, 4)):
        word = words[i + k]
        if surely and not surname and word.capital and not word.initial:
            surname, keep = True, k + 1
            continue
        particle = word.initial or word.text in PARTICLES
        # A plain word may be the surname ("Dr. Long"); after one, and in a line of capitals, only a clear name goes on.
        follows = surname and not (k and words[i + k - 1].given and not word.shouted)
        if not particle and word.plain and (follows or not word.known or word.text.islower()):
            break
        if not particle and surname and word.shouted and not word.strong:
            break
        surname = surname or not particle
        keep = k + 1
    return keep


def _after_cue(words: tuple[Word, ...], i: int, text: str, sure: bool) -> int:
    n = _run(words, i, text, 4)
    if not n:
        pair = words[i : i + 2]
        lower = len(pair) == 2 and pair[0].given and pair[0].strong and pair[1].strong and joined(words, i, text)
        return 2 if lower else int(words[i].strong and words[i].given)
    while n > 1 and words[i + n - 1].plain and not words[i + n - 1].known and not words[i + n - 1].initial:
        n -= 1
    name = [w for w in words[i : i + n] if not w.initial and w.text not in PARTICLES]
    if not name or not _could_be_names(name) or before_eponym_noun(words, i + n - 1, text):
        return 0
    if name[0].shouted and not any(w.strong for w in name):
        return 0
    strong = any(w.strong for w in name)
    with_initial = any(w.initial for w in words[i : i + n])
    unknown = all(not w.plain for w in name)
    several = len(name) > 1 and not name[0].shouted and any(w.given or not w.plain for w in name)
    return n if strong or (sure and unknown) or several or with_initial else 0


def _could_be_names(name: list[Word]) -> bool:
    """Whether each word may be part of a name: an ordinary word ("Bone") only behind a given name."""
    led = len(name) > 1 and name[0].given and not name[0].shouted
    return all(w.known or not w.plain or (led and w.capital and k > 0) for k, w in enumerate(name))


def _name_at(words: tuple[Word, ...], i: int, text: str) -> tuple[int, _Kind | None]:
    """The longest name that begins at word i: its number of words, and why it is one."""
    first = words[i]
    if not first.capital:
        # All in lower case: two unmistakable names in a row.
        if first.given and first.strong and len(first.text) > 2 and joined(words, i, text):
            second = words[i + 1]
            if second.family and second.strong and len(second.text) > 2 and not second.capital:
                return 2, _TWO_NAMES_PERHAPS
        return 0, None
    if n := _last_first(words, i, text):
        return n, _LAST_FIRST
    run = _run(words, i, text, 5)
    for n in range(run, 0, -1):
        part = words[i : i + n]
        if part[-1].text in PARTICLES or (n > 1 and before_eponym_noun(words, i + n - 1, text)):
            continue
        if _CREDENTIALS.match(text, part[-1].end) and _fits_credentials(part):
            return n, _CREDENTIAL
        if kind := _judge(part, text, words, i):
            return n, kind
    return 0, None


def _fits_credentials(part: tuple[Word, ...]) -> bool:
    name = [w for w in part if not w.initial and w.text not in PARTICLES]
    if not name or not _could_be_names(name):
        return False
    return any(w.strong for w in name) or (len(part) > 1 and not name[0].shouted and not name[0].opens)


def _judge(part: tuple[Word, ...], text: str, words: tuple[Word, ...], i: int) -> _Kind | None:
    name = [w for w in part if not w.initial and w.text not in PARTICLES]
    initials = [w for w in part if w.initial]
    middle = len(part) == 3 and initials == [part[1]] and text[part[1].end] == "."
    if middle and part[0].given and not part[0].shouted and (part[0].strong or not part[0].opens):
        return _INITIAL
    if not name or any(w.plain and not w.known for w in name):
        return None
    strong = [w for w in name if w.strong]
    shouted = name[0].shouted
    if before_eponym_noun(words, i + len(part) - 1, text):
        return None
    if initials:
        dotted = text[initials[-1].end : initials[-1].end + 1] == "."
        if part[0].initial and part[-1].initial:
            return None
        if strong and (dotted or len(name) > 1 or not shouted):
            return _INITIAL
        if dotted and not name[0].opens and name[0].known and not shouted:
            return _INITIAL
        if dotted and not shouted and not part[0].opens and not any(w.plain for w in name) and len(name[0].text) > 2:
            return _INITIAL
        return None
    if len(name) > 1:
        if shouted:
            fits = sum(w.strong for w in name) == len(name) and name[0].given
            return _TWO_NAMES_PERHAPS if fits else None
        if (
            strong
            and (name[0].given or name[-1].family)
            and not (name[0].opens and name[0].plain and not name[0].given)
        ):
            return _TWO_NAMES
        both = name[0].given and name[-1].family and not name[0].opens
        return _TWO_NAMES_PERHAPS if both else None
    word = name[0]
    if shouted or not word.strong or (word.opens and not word.given) or word.text.isupper():
        return None
    return _KNOWN_NAME


def _last_first(words: tuple[Word, ...], i: int, text: str) -> int:
    if i + 1 >= len(words) or text[words[i].end : words[i + 1].start] not in (", ", ",", ",  "):
        return 0
    last, first = words[i], words[i + 1]
    if not first.capital or last.initial:
        return 0
    n = 2
    if first.initial:
        dotted = text[first.end : first.end + 1] == "."
        return n if last.family and last.strong and dotted else 0
    fits = (last.strong and last.family and first.given) or (first.strong and first.given and not last.plain)
    if not fits or (last.opens and not last.strong) or (first.plain and last.shouted):
        return 0
    if i + 2 < len(words) and words[i + 2].initial and joined(words, i + 1, text):
        n = 3
    return n


def _with_dot(text: str, last: Word) -> int:
    return last.end + 1 if last.initial and text[last.end : last.end + 1] == "." else last.end
