"""Names of persons in a report, without a model: name gazetteer, titles, cues, initials, signatures.

Works on text in normal form (see lexicon.folding) and returns `Found` pieces; `weak` ones rest on the gazetteer alone
and yield to the whitelist (method: section 3).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from updp_core.lexicon import Lexicon
from updp_core.lexicon.folding import word_list
from updp_core.report.gazetteer import gazetteer

FILLER = "\ue000"
_TOKEN = re.compile(r"[^\W\d_]+(?:['\-][^\W\d_]+)*")
_PARTICLES = frozenset(
    word_list("""
    de da das do dos del della di der den van von vom zu ter ten la le el al bin ibn y e
""")
)
_LABEL = re.compile(r"[^\n:]{1,30}:")  # "Detector: ..." begins a line of its own
_CREDENTIALS = re.compile(
    r",? {0,2}(?:M\.?D|D\.?O|Ph\.?D|R\.?N|N\.?P|P\.?A-?C|MBBS|MB ?BS|FRCR|FRCP|FACR|FRANZCR|MRCP|DNP|CRNP|APRN|ARNP|LPN"
    r"|DDS|Pharm\.?D|D\.?P\.?M|R\.?T\.?(?:\(R\))?|Esq|Jr|Sr|II|III)\b\.?"
)
_TITLE = re.compile(
    r"(?<![\w.])(?P<title>[Dd]rs?|DRS?|Mrs?|Ms|Mx|MRS|Miss|Prof|PROF|Professor|Doctor|Doctors|Nurse|Sister|Sir|Madam"
    r"|Rev|(?:MR|MS|mr|mrs|ms|prof)(?=\.))\b(?P<dot>\.?) {0,2}\n?(?=[^\W\d_])"
)
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
_MEDICAL = re.compile(
    r"(?:ology|ologist|ologists|itis|osis|emia|ectomy|otomy|ostomy|opathy|plasty|oscopy|graphy|gram|uria|algia|plegia"
    r"|pnea|cillin|mycin|azole|olol|pril|sartan|statin|prazole|parin|azepam|oxacin|cycline|mab|nib|tinib|trexate)s?$"
)
# A name before one of these words is a sign's or a disease's discoverer, not a person of this report.
_EPONYM = frozenset(
    word_list("""
    disease diseases syndrome syndromes sign signs score scores scale criteria criterion classification reflex
    test tests procedure line lines node nodes hernia fracture fractures tumor tumour lymphoma sarcoma index risk
    stage grade system method formula law triad phenomenon palsy chorea thyroiditis cell cells body bodies
    catheter tube valve rod rods drain technique maneuver position view projection angle deformity hump complex
    aneurysm anomaly malformation contracture ulcer esophagus virus fever coma study trial protocol guideline
    guidelines model equation units lesion lesions plaque space point nerve gland pouch fascia canal membrane
    fundoplication operation repair stent filter needle clip prosthesis
""")
)


@dataclass(frozen=True)
class Found:
    """A piece [start, end) of normalised text, the rule that found it, and whether it is gazetteer evidence alone."""

    start: int
    end: int
    rule: str
    category: str
    weak: bool = False


@dataclass(frozen=True)
class Word:
    """A word of the text with what the gazetteer says about it."""

    text: str
    start: int
    end: int
    capital: bool
    opens: bool  # it begins a sentence, a line or an item, where a capital says nothing
    shouted: bool  # its line is in capitals, where a capital says nothing either
    given: bool
    family: bool
    plain: bool  # an ordinary or whitelisted word as well

    @property
    def initial(self) -> bool:
        return self.capital and len(self.text.removesuffix("'s")) == 1

    @property
    def known(self) -> bool:
        return self.given or self.family

    @property
    def strong(self) -> bool:
        return self.known and not self.plain


@lru_cache(maxsize=16)
def analyse(text: str, lexicon: Lexicon) -> tuple[Word, ...]:
    """The words of a normalised text, judged by gazetteer and whitelist."""
    names = gazetteer()
    ordinary = names.ordinary
    allowed = lexicon.allowed_words
    found: list[Word] = []
    for line in re.finditer(r"[^\n]+", text):
        letters = [c for c in line.group() if c.isalpha()]
        shouted = len(letters) > 12 and sum(map(str.isupper, letters)) > 0.7 * len(letters)
        for match in _TOKEN.finditer(text, *line.span()):
            word = match.group()
            lower = word.lower().removesuffix("'s").removesuffix("'")
            parts = lower.split("-") if "-" in lower else [lower]
            before = text[line.start() : match.start()].rstrip(" \"'(*•-")
            found.append(
                Word(
                    word,
                    match.start(),
                    match.end(),
                    capital=word[0].isupper(),
                    opens=not before or before[-1] in ".!?:;" or before[-1] == FILLER,
                    shouted=shouted,
                    given=lower in names.given or (len(parts) > 1 and all(p in names.given for p in parts)),
                    family=lower in names.family
                    or (len(parts) > 1 and all(len(p) > 1 and p in names.family for p in parts)),
                    plain=lower in ordinary or lower in allowed or len(lower) == 1 or bool(_MEDICAL.search(lower)),
                )
            )
    return tuple(found)


def find_people(text: str, lexicon: Lexicon) -> list[Found]:
    """Pieces of `text` (normal form) that name a person."""
    words = analyse(text, lexicon)
    at = {word.start: i for i, word in enumerate(words)}
    found: list[Found] = []
    for match in _TITLE.finditer(text):
        if (i := at.get(match.end())) is not None and (n := _after_title(words, i, text, bool(match["dot"]))):
            found.append(Found(match.start(), words[i + n - 1].end, "name: title", "names"))
    for cue, rule in ((_STRONG_CUE, "name: cue"), (_WHO_CUE, "name: patient")):
        for match in cue.finditer(text):
            i = at.get(match.end())
            cue_text = match.group().rstrip().lower()
            acted = "by" in cue_text[-3:] and re.match(_ACTS, cue_text) is not None
            sure = rule == "name: cue" and (acted or cue_text.endswith((":", "=", "name is", "name was", "named")))
            if i is not None and (n := _after_cue(words, i, text, sure or bool(match.groupdict().get("comma")))):
                found.append(Found(words[i].start, words[i + n - 1].end, rule, "names"))
    i = 0
    while i < len(words):
        n, rule, weak = _name_at(words, i, text)
        if n:
            found.append(Found(words[i].start, _with_dot(text, words[i + n - 1]), rule, "names", weak))
        i += n or 1
    return found


def joined(words: tuple[Word, ...], i: int, text: str) -> bool:
    """Whether word i and word i + 1 stand side by side as the parts of one name do."""
    if i + 1 >= len(words):
        return False
    gap = text[words[i].end : words[i + 1].start]
    if "\n" in gap and _LABEL.match(text, words[i + 1].start):
        return False
    if gap in (" ", "  ", "\n", " \n"):
        return True
    return gap in (". ", ".", ".\n") and (words[i].initial or words[i].text in ("St", "Mt", "Jr", "Ste", "Ft"))


def before_eponym_noun(words: tuple[Word, ...], last: int, text: str) -> bool:
    """Whether the next word makes the name before it the name of a sign, disease, score or device."""
    if last + 1 >= len(words) or text[words[last].end : words[last + 1].start] not in (" ", "-", "  "):
        return False
    return words[last + 1].text.lower() in _EPONYM


def _run(words: tuple[Word, ...], i: int, text: str, most: int) -> int:
    """How many words from i on look like one name: capitals, initials, particles between them."""
    n = 0
    while n < most and i + n < len(words):
        word = words[i + n]
        particle = n > 0 and word.text in _PARTICLES and i + n + 1 < len(words) and words[i + n + 1].capital
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
        particle = word.initial or word.text in _PARTICLES
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
    name = [w for w in words[i : i + n] if not w.initial and w.text not in _PARTICLES]
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


def _name_at(words: tuple[Word, ...], i: int, text: str) -> tuple[int, str, bool]:
    """The longest name that begins at word i: number of words, rule, whether it is gazetteer evidence alone."""
    first = words[i]
    if not first.capital:
        # All in lower case: two unmistakable names in a row.
        if first.given and first.strong and len(first.text) > 2 and joined(words, i, text):
            second = words[i + 1]
            if second.family and second.strong and len(second.text) > 2 and not second.capital:
                return 2, "name: two names", True
        return 0, "", False
    if n := _last_first(words, i, text):
        return n, "name: Last, First", False
    run = _run(words, i, text, 5)
    for n in range(run, 0, -1):
        part = words[i : i + n]
        if part[-1].text in _PARTICLES or (n > 1 and before_eponym_noun(words, i + n - 1, text)):
            continue
        if _CREDENTIALS.match(text, part[-1].end) and _fits_credentials(part):
            return n, "name: credentials", False
        rule, weak = _judge(part, text, words, i)
        if rule:
            return n, rule, weak
    return 0, "", False


def _fits_credentials(part: tuple[Word, ...]) -> bool:
    name = [w for w in part if not w.initial and w.text not in _PARTICLES]
    if not name or not _could_be_names(name):
        return False
    return any(w.strong for w in name) or (len(part) > 1 and not name[0].shouted and not name[0].opens)


def _judge(part: tuple[Word, ...], text: str, words: tuple[Word, ...], i: int) -> tuple[str, bool]:
    name = [w for w in part if not w.initial and w.text not in _PARTICLES]
    initials = [w for w in part if w.initial]
    middle = len(part) == 3 and initials == [part[1]] and text[part[1].end] == "."
    if middle and part[0].given and not part[0].shouted and (part[0].strong or not part[0].opens):
        return "name: initial", False
    if not name or any(w.plain and not w.known for w in name):
        return "", False
    strong = [w for w in name if w.strong]
    shouted = name[0].shouted
    if before_eponym_noun(words, i + len(part) - 1, text):
        return "", False
    if initials:
        dotted = text[initials[-1].end : initials[-1].end + 1] == "."
        if part[0].initial and part[-1].initial:
            return "", False
        if strong and (dotted or len(name) > 1 or not shouted):
            return "name: initial", False
        if dotted and not name[0].opens and name[0].known and not shouted:
            return "name: initial", False
        if dotted and not shouted and not part[0].opens and not any(w.plain for w in name) and len(name[0].text) > 2:
            return "name: initial", False
        return "", False
    if len(name) > 1:
        if shouted:
            fits = sum(w.strong for w in name) == len(name) and name[0].given
            return ("name: two names", True) if fits else ("", False)
        if (
            strong
            and (name[0].given or name[-1].family)
            and not (name[0].opens and name[0].plain and not name[0].given)
        ):
            return "name: two names", False
        both = name[0].given and name[-1].family and not name[0].opens
        return ("name: two names", True) if both else ("", False)
    word = name[0]
    if shouted or not word.strong or (word.opens and not word.given) or word.text.isupper():
        return "", False
    return "name: gazetteer", True


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
