"""A text as the finders read it (`Reading`), what they find (`Piece`), and its words with what is known of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

from updp_core.domain import Span
from updp_core.lexicon import Lexicon
from updp_core.lexicon.folding import word_list
from updp_core.report.gazetteer import gazetteer

FILLER = "\ue000"
"""Stands in a reading for each character that the filter itself has written."""
Header = Mapping[str, Sequence[str]]
"""Kinds of identifier (SourceStudy.header) and the values that the study's own header states."""
Ner = Callable[[str], list[Span]]
"""A token-classification model: a text to the spans that it takes for PHI."""
Origin = Literal["blacklist", "header", "context", "pattern", "recogniser", "model", "gazetteer", "unlisted"]
"""What a piece rests on; "unlisted": no list holds the word, and it stands where names stand."""
Strength = Literal["firm", "doubtful", "weak"]
"""Whether the whitelist saves a piece: never, where it is written in lower case, or always."""

PARTICLES = frozenset(
    word_list("""
    de da das do dos del della di der den van von vom zu ter ten la le el al bin ibn y e
""")
)
"""Words in lower case that may stand inside a name."""

_TOKEN = re.compile(r"[^\W\d_]+(?:['\-][^\W\d_]+)*")
_LABEL = re.compile(r"[^\n:]{1,30}:")  # "Detector: ..." begins a line of its own
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
class Piece:
    """A piece [start, end) of a text that is PHI: its category, the rule that found it, what it rests on, how firm."""

    start: int
    end: int
    category: str
    rule: str
    origin: Origin
    strength: Strength = "firm"

    def yields(self, written: str, lexicon: Lexicon) -> bool:
        """Whether the whitelist saves this piece, which is `written` so in the report."""
        if self.strength == "firm" or "^" in written:
            return False
        return (self.strength == "weak" or written.islower()) and lexicon.allows(written)


@dataclass(frozen=True, eq=False)
class Reading:
    """A text in normal form (lexicon.folding), with all that a finder may want to know beside it."""

    text: str
    lexicon: Lexicon
    header: Header | None = None
    model: Ner | None = None

    @cached_property
    def flowing(self) -> str:
        """The text without its line breaks: a date or a number may be broken over two lines, a form's line may not."""
        return self.text.replace("\n", " ")

    @property
    def words(self) -> tuple[Word, ...]:
        """The words of the text."""
        return analyse(self.text, self.lexicon)


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
                    opens=not before
                    or before[-1] in ".!?:;"
                    or (before[-1] == FILLER and text[match.start() - 1] != FILLER),
                    shouted=shouted,
                    given=lower in names.given or (len(parts) > 1 and all(p in names.given for p in parts)),
                    family=lower in names.family
                    or (len(parts) > 1 and all(len(p) > 1 and p in names.family for p in parts)),
                    plain=lower in ordinary or lower in allowed or len(lower) == 1 or bool(_MEDICAL.search(lower)),
                )
            )
    return tuple(found)


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
