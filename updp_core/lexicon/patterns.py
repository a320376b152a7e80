"""Patterns of PHI in radiology text: what no list of terms can hold.

`PROMPT_RULES` say what may never stand in a prompt, in any case and with the blanks that WordPieces leave around
punctuation ("03 / 04 / 2021"). They are stricter than what a report needs: a prompt loses nothing without a year.
Every expression is linear-time by construction: bounded repeats, no nested unbounded quantifier.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """A named expression; group "phi", where it exists, is the span (else the whole match).

    A `weak` rule's match is no PHI where the whitelist allows it.
    """

    name: str
    category: str
    regex: re.Pattern[str]
    weak: bool = False


MONTHS = (
    "january|february|march|april|may|june|july|august|september|october|november|december"
    "|jan|feb|mar|apr|jun|jul|aug|sept|sep|oct|nov|dec"
)
OTHER_MONTHS = (
    "januari|januar|janvier|janeiro|enero|gennaio|ianuarie|január|stycznia|ocak|leden|ledna|jänner"
    "|februari|februar|février|febrero|febbraio|fevereiro|februarie|február|lutego|şubat|únor|února"
    "|märz|mars|marzo|março|maart|marts|martie|március|marca|mart|března"
    "|avril|abril|aprile|aprilie|április|kwietnia|nisan|dubna"
    "|mai|mayo|maggio|maio|május|maja|mayıs|mei|maj|května"
    "|juni|juin|junio|giugno|junho|iunie|június|czerwca|haziran|června"
    "|juli|juillet|julio|luglio|julho|iulie|július|lipca|temmuz|července"
    "|août|agosto|augusti|augustus|augusztus|sierpnia|ağustos|srpna"
    "|septembre|septiembre|setiembre|settembre|setembro|septembrie|szeptember|września|eylül|září"
    "|oktober|octobre|octubre|ottobre|outubro|octombrie|október|października|ekim|října"
    "|novembre|noviembre|novembro|noiembrie|listopada|listopadu|kasım"
    "|dezember|décembre|diciembre|dicembre|dezembro|decembrie|desember|grudnia|aralık|prosince"
    "|tammikuuta|helmikuuta|maaliskuuta|huhtikuuta|toukokuuta|kesäkuuta|heinäkuuta|elokuuta|syyskuuta|lokakuuta|marraskuuta"
    "|joulukuuta|févr|janv|mrz|mrt|okt|dez|déc"
)
"""The months in Latin letters of fifteen more languages, as a date writes them (source: Unicode CLDR)."""
WEEKDAYS = "monday|tuesday|wednesday|thursday|friday|saturday|sunday"
ORDINALS = (
    "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth"
    "|sixteenth|seventeenth|eighteenth|nineteenth|twentieth|twenty[ -]{1,3}(?:first|second|third|fourth|fifth|sixth"
    "|seventh|eighth|ninth)|thirtieth|thirty[ -]{1,3}first"
)
NUMBER_WORDS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen"
    "|eighteen|nineteen|(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)"
    "(?:[ -]{1,3}(?:one|two|three|four|five|six|seven|eight|nine))?"
)
DAY = r"(?:3[01]|[12][0-9]|0?[1-9])"
YEAR_WORDS = (
    rf"(?:two thousand(?: and)?(?:[ -]{{1,2}}(?:{NUMBER_WORDS}))?"
    rf"|(?:nineteen|twenty)[ -]{{1,2}}(?:hundred|oh[ -][a-z]{{3,5}}|{NUMBER_WORDS}))"
)
DECADES = "twenties|thirties|forties|fifties|sixties|seventies|eighties|nineties"
YEAR = r"(?:19|20)[0-9]{2}"


def rule(name: str, category: str, pattern: str, flags: int = 0, *, weak: bool = False) -> Rule:
    """A Rule from an expression's text."""
    return Rule(name, category, re.compile(pattern, flags), weak)


PROMPT_RULES: tuple[Rule, ...] = (
    rule(
        "date in digits",
        "dates_and_times",
        r"(?<![0-9])[0-9]{1,4} {0,2}([/.\-]) {0,2}[0-9]{1,2} {0,2}\1 {0,2}[0-9]{1,4}(?![0-9])",
    ),
    rule("year", "dates_and_times", rf"(?<![0-9.]){YEAR}(?![0-9]|\.[0-9])"),
    rule(
        "month and day",
        "dates_and_times",
        rf"\b(?:{MONTHS})\b[. ]{{0,3}}{DAY}(?:st|nd|rd|th)?\b"
        rf"|\b{DAY} {{0,2}}(?:st|nd|rd|th)?[ \-/]{{0,3}}(?:of )?(?:{MONTHS})\b",
    ),
    rule(
        "month and ordinal",
        "dates_and_times",
        rf"\b(?:{MONTHS}) (?:the )?(?:{ORDINALS})\b|\b(?:{ORDINALS}) of (?:{MONTHS})\b",
    ),
    rule(
        "clock time",
        "dates_and_times",
        r"(?<![0-9:])(?:[01]?[0-9]|2[0-3]) ?: ?[0-5][0-9](?![0-9])|\b[0-9]{1,2} ?[ap] ?\.? ?m\b",
    ),
    rule("long digit run", "identifiers", r"(?<![0-9])[0-9](?:[ ./\-]{0,3}[0-9]){5,40}|[0-9]{5,}"),
    rule(
        "letters with digits",
        "identifiers",
        r"\b(?=[a-z]{0,8}[0-9])(?=[0-9]{0,8}[a-z])[a-z]{0,8}[0-9]{4,}[a-z0-9]{0,20}\b",
    ),
    rule("e-mail or web address", "contact", r"[^\s@]{1,64} ?@ ?[^\s@]{1,64}|\bhttps?\b|\bwww\b"),
    rule(
        "age",
        "demographics",
        rf"\b(?:[0-9]{{1,3}}|{NUMBER_WORDS})[ -]{{0,3}}(?:years?|yrs?|months?|weeks?|days?|y)[ ./-]{{0,3}}(?:old|o\b)",
    ),
    rule("age", "demographics", r"\b[0-9]{1,3} ?(?:y/o|yo|y\.o|y)\b|\b(?:age|aged)[ :]{1,3}[0-9]{1,3}\b"),
    rule(
        "decade of life",
        "demographics",
        rf"\bin (?:his|her|their) (?:early[ -]|mid[ -]|late[ -])?(?:teens|{DECADES}|[0-9]{{2}}s)",
    ),
    rule(
        "de-identification marker",
        "deid_markers",
        r"_{2,}(?: ?_)*|(?:_ ){2,}_|\bx{3,}\b|\[ ?\*{2}|\*{2} ?\]|\bredacted\b"
        r"|\[ ?(?:removed|deidentified|de-identified|phi|name|date|id) ?\]",
    ),
)
