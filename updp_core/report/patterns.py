"""Patterns of PHI in reports: dates, numbers, contacts, addresses, ages, marks of earlier de-identification.

Case is information there, and "2021" alone, "4/5" or "120/80" are no identifiers.
Every expression is linear-time by construction: bounded repeats and no nested unbounded quantifier.
"""

# ruff: noqa: E501  (a rule a line reads better than a rule in pieces)

from __future__ import annotations

import re

from updp_core.lexicon.folding import unaccented
from updp_core.lexicon.patterns import (
    DAY,
    DECADES,
    MONTHS,
    NUMBER_WORDS,
    ORDINALS,
    OTHER_MONTHS,
    WEEKDAYS,
    YEAR,
    YEAR_WORDS,
    Rule,
    rule,
)
from updp_core.report.gazetteer import STATES
from updp_core.report.words import Piece, Reading, Strength

_I = re.IGNORECASE
# "May" and "March" are verbs too, and "mar" or "dec" may end a sentence: alone they need a year or an ordinal.
_SAFE_MONTHS = "|".join(m for m in MONTHS.split("|") if m not in ("march", "may", "mar"))
_OTHER_MONTHS = f"{OTHER_MONTHS}|{unaccented(OTHER_MONTHS)}"
_SHORT_YEAR = rf"(?:{YEAR}|'?[0-9]{{2}})"
_SUFFIX = r"(?:st|nd|rd|th)"
_AGE_UNIT = r"(?:years?|yrs?|yr|months?|mos?|weeks?|wks?|days?)"
_SEX = r"(?:m|f|male|female|man|woman|boy|girl|gentleman|lady)"
_RACE = r"(?:white|black|brown|asian|caucasian|hispanic|latin[oax]|african|indian|native|arab|jewish|biracial)"
_STATE = "|".join(STATES)
_STATE_NAME = "|".join(STATES.values())
_CAP = r"[A-Z\u00c0-\u00de][\w'\-]{0,30}"
_STREET = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Way|Terrace|Ter|Circle|Cir"
    r"|Highway|Hwy|Parkway|Pkwy|Square|Sq|Alley|Trail|Trl|Loop|Plaza|Crescent|Close|Grove|Row|Route|Broadway|Turnpike)"
)
_UP = r"[A-Z\u00c0-\u00de\u0100-\u017f]"
# A street's kind at the end of its name (Germanic, Finnish), and before it (Romance, Slavic).
_STREET_ENDS = (
    r"(?:[Ss]tr\.|[Ss]tra(?:\u00df|ss)e|gasse|weg|allee|platz|ufer|straat|laan|gracht|plein|gatan|gata|v(?:\u00e4|a)gen"
    r"|veien|katu)"
)
_STREET_BEGINS = (
    r"(?:ulica|ul\.|ulice|aleja|plac|osiedle|calle|c/|avenida|avda?\.|plaza|paseo|carrera|rua|travessa|pra(?:\u00e7|c)a"
    r"|via|viale|piazza|corso|vicolo|rue|avenue|av\.|boulevard|bd|place|impasse|chemin|quai|all(?:\u00e9|e)e|faubourg)"
)
_STREET_PARTICLES = (
    r"(?:(?i:de la|de las|de los|del|della|dei|delle|de|du|des|das|dos|do|da|la|le|les|el) |(?i:de l|d|l)')?"
)
_STREET_NAME = rf"{_STREET_PARTICLES}{_UP}[^\W\d_]+(?:[ \-]{_STREET_PARTICLES}{_UP}[^\W\d_]+){{0,3}}"
_HOUSE = r"[0-9]{1,5} ?[a-zA-Z]?(?![A-Za-z0-9])(?:/[0-9]{1,4})?(?! ?(?i:mm|cm|fr|f|french|ml|cc)\b)"
_LETTER_ID_CUE = (
    r"(?:mrn|m\.r\.n\.?|medical record|patient id|pt id|accession|account|acct|csn|chart (?:number|no)|case (?:number|no)"
    r"|record (?:number|no)|identifier|id (?:number|no))"
)
_ID_VALUE = r"(?=[A-Za-z]{0,8}[\-/.]?[A-Za-z]{0,8}#?[0-9])#?[A-Za-z0-9](?:[\-/._]?[A-Za-z0-9]){2,40}"
_ID_CUE = (
    r"(?:mrn?|m\.r\.n|mr ?#|medical record|record|chart|acc(?:ession)?|acct|account|patient id|pt id|id|identifier|case"
    r"|encounter|visit|csn|fin|order|requisition|exam id|study id|insurance|policy|member|beneficiary|subscriber"
    r"|health plan|plan|group|medicare|medicaid|hmo|ppo|hpn|hpbn|ssn|social security|license|licence|certificate|cert"
    r"|passport|dea|npi|tax id|badge|employee|student|room|bed|plate|vin|nhs|hospital)"
)
_ID_LINK = r"(?:[ :#.=\-]|\b(?:number|num|nr|no|id|is|was|of|code|card)\b){0,8}"
_SERIAL_CUE = r"(?:serial|s/n|sn|lot|model|device id|udi|ref|catalog|station|asset)"

_NAME_FIELD = (
    r"(?:patient(?:'s)? name|pt name|name|contact person|referring(?: physician| provider| md| dr)?|ordering(?: physician| provider| md)?"
    r"|requesting(?: physician| provider)?|requested by|attending(?: physician| radiologist)?|radiologist|physician"
    r"|technologist|provider|pcp|primary care(?: physician| provider)?|surgeon|attn|dictated by|dictating(?: physician)?"
    r"|interpreted by|interpreting(?: physician)?|read by|signed by|electronically signed by|finalized by|approved by"
    r"|reported by|report approved by|transcribed by|transcriptionist|completed by|verified by|reviewed by|performed by|prepared by"
    r"|preliminary read|next of kin|emergency contact|accompanied by|spouse|guardian)"
)
_NAME_WORD = (
    r"(?:(?:[A-Z]\.){2,4}|[^\W\d_a-z][^\W\d_]*(?:['\-][^\W\d_]+)*\.?|(?:de|da|del|der|van|von|la|le|bin|al)(?= ))"
)
_NAMES = rf"(?:(?:[Dd]rs?|Mr|Mrs|Ms|Prof)\b\.?[ ]?)?(?P<phi>{_NAME_WORD}(?:(?:, ?|\^+| )(?:{_NAME_WORD})){{0,4}})"
# Words behind "Patient:" may describe the patient instead ("Patient: supine").
_LOOSE_FIELD = r"(?:patient|pt|contact|cc|signed|resident|fellow|tech|nurse)"
_PLACE_FIELD = r"(?:patient location|location|ward|department|dept|facility|institution|hospital|site|clinic|address|city|unit|service|floor)"

# These read a form line by line: "Name: STRONG, INGRID I". Line breaks mean something to them alone.
LINE_RULES: tuple[Rule, ...] = (
    rule("name: labelled", "names", rf"(?im:(?<![^\s|;(,.])(?:{_NAME_FIELD})[ \t]*[:=][ \t]*){_NAMES}"),
    rule("name: field", "names", rf"(?im:(?<![^\s|;(,.])(?:{_LOOSE_FIELD})[ \t]*[:=][ \t]*){_NAMES}", weak=True),
    rule(
        "name: DICOM notation",
        "names",
        r"(?<!\w)[^\W\d_]{1,30}(?:[ '\-][^\W\d_]{1,30})?\^[^\W\d_]{1,30}(?:[\^ '\-.]{1,2}[^\W\d_]{0,30}){0,4}",
    ),
    rule("name: signing initials", "names", r"(?<![\w/])[A-Z]{2,3}[/:][a-z]{2,3}(?![\w/])|(?m:(?<=\s)/[a-z]{2,3}$)"),
    rule(
        "place: field",
        "locations",
        rf"(?im:^[ \t]*(?:{_PLACE_FIELD})[ \t]*[:=][ \t]*)(?P<phi>[A-Z0-9][^\n:;.]{{1,60}})(?m:$)",
        weak=True,
    ),
)

REPORT_RULES: tuple[Rule, ...] = (
    # Dates and times
    rule(
        "date: digits",
        "dates_and_times",
        rf"(?<![0-9/.\-])(?:0?[1-9]|[12][0-9]|3[01])([/.\-])(?:0?[1-9]|[12][0-9]|3[01])\1(?:{YEAR}|[0-9]{{2}})(?![0-9/]|[.\-][0-9])(?:[ T]{{1,2}}(?:[01][0-9]|2[0-3])[0-5][0-9]\b)?",
    ),
    rule(
        "date: ISO",
        "dates_and_times",
        rf"(?<![0-9]){YEAR}([/.\-])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12][0-9]|3[01])(?:[T ][0-2][0-9]:?[0-5][0-9](?::?[0-5][0-9])?(?:\.[0-9]+)?Z?)?(?![0-9])",
    ),
    rule(
        "date: digits apart",
        "dates_and_times",
        rf"(?<![0-9/.\-])(?:0?[1-9]|[12][0-9]|3[01]) {{0,2}}([/.\-]) {{0,2}}(?:0?[1-9]|[12][0-9]|3[01]) {{0,2}}\1 {{0,2}}{YEAR}(?![0-9])",
    ),
    rule(
        "date: day and month of an examination",
        "dates_and_times",
        r"\b(?:exam|examination|study|film|radiographs?|x-?ray|cxr|ct|prior|comparison) (?:of|from|on|dated|vom) {0,2}(?P<phi>(?:0?[1-9]|[12][0-9]|3[01])\.(?:0?[1-9]|1[0-2])\.)(?![0-9])",
        _I,
    ),
    rule("date: compact", "dates_and_times", rf"(?<![0-9]){YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?![0-9])"),
    rule("date: month/year", "dates_and_times", rf"(?<![0-9/.\-])(?:0?[1-9]|1[0-2])[/\-]{YEAR}(?![0-9/\-])"),
    rule(
        "date: month in words",
        "dates_and_times",
        rf"\b(?:(?:{WEEKDAYS}),? {{1,2}})?(?:{MONTHS})\b\.?[ \-]{{0,2}}(?:the )?(?:{DAY} ?{_SUFFIX}?|{ORDINALS})\b(?:,? {{0,2}}(?:of )?{_SHORT_YEAR}\b|-[0-9]{{2,4}}\b|,(?= {{0,2}}{YEAR}))?(?:,? {{0,2}}(?:{YEAR}|{YEAR_WORDS})\b)?",
        _I,
    ),
    rule(
        "date: day first",
        "dates_and_times",
        rf"\b(?:the )?(?:{DAY} ?{_SUFFIX}|{ORDINALS}) {{0,2}}(?:day )?(?:of )?(?:{MONTHS})\b(?:\.?,? {{0,2}}(?:{_SHORT_YEAR}|{YEAR_WORDS})\b)?",
        _I,
    ),
    rule(
        "date: day first",
        "dates_and_times",
        rf"\b{DAY}[ \-/]{{0,2}}(?:(?:{_SAFE_MONTHS})\b|(?:{MONTHS})\b(?=\.?,?[ \-/]{{0,2}}[0-9]))(?:\.?,?[ \-/]{{0,2}}{_SHORT_YEAR}\b)?",
        _I,
    ),
    rule(
        "date: month and year",
        "dates_and_times",
        rf"\b(?:(?:early|mid|late)[ \-])?(?:{MONTHS})\b\.?,? {{0,2}}(?:of )?(?:{YEAR}\b|'[0-9]{{2}}\b)",
        _I,
    ),
    rule(
        "date: month after preposition",
        "dates_and_times",
        rf"\b(?:(?:in|since|until|on|from|by) )?(?P<phi>(?:(?:last|this|next|early|late|mid)[ \-])(?:{MONTHS.title()})|(?<=in )(?:{MONTHS.title()})|(?<=since |until )(?:{MONTHS.title()})|(?<=from )(?:{MONTHS.title()})|(?<=by )(?:{MONTHS.title()}))\b",
    ),
    rule(
        "date: month of another language",
        "dates_and_times",
        rf"(?<![0-9.])(?:{DAY}(?:\.|er|º|°)?[ \-]{{0,2}}(?:de )?(?:{_OTHER_MONTHS})\b"
        rf"|(?<!\w)(?:{_OTHER_MONTHS})\b(?=\.?,? {{0,2}}(?:del? )?{YEAR}))(?:\.?,? {{0,2}}(?:del? )?{_SHORT_YEAR}\b)?",
        _I,
    ),
    rule(
        "date: weekday",
        "dates_and_times",
        rf"\b(?:last |next |this |past )?(?:{WEEKDAYS})s?\b(?: (?:morning|afternoon|evening|night))?",
        _I,
    ),
    rule(
        "date: season or quarter",
        "dates_and_times",
        rf"\b(?:spring|summer|fall|autumn|winter) (?:of )?{YEAR}\b|\bQ[1-4] ?{YEAR}\b",
        _I,
    ),
    rule(
        "date: year after cue",
        "dates_and_times",
        rf"\b(?:dob|born|birth|year of birth|dated?|in the year)[ :,.(=]{{1,4}}(?:in |is |was |of )?(?P<phi>{YEAR})\b",
        _I,
    ),
    rule(
        "date: day and month after cue",
        "dates_and_times",
        r"\b(?:on|from|dated?|since|until|exam|study|film|radiographs?|x-?ray|cxr|ct|prior|comparisons?|compared (?:to|with)|of|implanted|placed|performed|obtained|for|due|scheduled|(?:Hospital|Center|Clinic),) {0,2}:?(?: the)? {0,2}(?P<phi>(?:0?[1-9]|1[0-2])[/\-](?:[12][0-9]|3[01]|0?[1-9]))(?![0-9/]|[ ]?(?:mm|cm|mg|ml|th\b|vertebr|rib|in\b))",
        _I,
    ),
    # Without a cue, fractions, pain scales and strengths ("1/2", "7/10", "4/5") must not read as dates.
    rule(
        "date: day and month",
        "dates_and_times",
        r"(?<![0-9/.\-A-Za-z])(?:0?[1-9]|1[0-2])/(?:0[1-9]|7|9|1[1-57-9]|2[0-9]|3[01])(?![0-9/]|[.\-][0-9]| ?(?:mm|cm|mg|ml|%))",
    ),
    rule(
        "date: initials and stamp",
        "dates_and_times",
        r"(?<![\w/])(?:[A-Z]{2,3}|[A-Za-z]{2,4}[/:][A-Za-z]{2,4}(?:[/:][A-Za-z]{2,4})?|/[A-Za-z]{2,4})[ :/]{1,2}[0-9]{1,2}/[0-9]{1,2}(?:/[0-9]{2,4})?(?![0-9/])",
    ),
    rule(
        "time of day",
        "dates_and_times",
        r"(?<![0-9:.])(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?(?: {0,2}(?:a\.?m\b\.?|p\.?m\b\.?|hours|hrs|h\b))?(?![0-9:])(?: {0,2}(?:E|C|M|P)[SD]?T\b)?",
        _I,
    ),
    rule(
        "time of day",
        "dates_and_times",
        r"(?<![0-9.])(?:0?[1-9]|1[0-2]) {0,2}(?:a\.m\.?|p\.m\.?|am\b|pm\b)(?: {0,2}(?:E|C|M|P)[SD]?T\b)?",
        _I,
    ),
    rule(
        "time of day",
        "dates_and_times",
        r"\b(?:at|time:?) {1,2}(?P<phi>(?:[01][0-9]|2[0-3])[0-5][0-9](?: {0,2}(?:hours|hrs|h\b))?)(?![0-9]| ?(?:ml|cc|mg|mm))",
        _I,
    ),
    rule("time of day", "dates_and_times", r"(?<![0-9.,:/])(?:[01][0-9]|2[0-3])[0-5][0-9] {0,2}(?:hours|hrs|h)\b", _I),
    rule("time of day", "dates_and_times", r"(?<![\w.])(?:[01]?[0-9]|2[0-3]) ?h ?[0-5][0-9](?:min)?(?!\w)", _I),
    # Numbers of records, accounts, plans, licences; serial numbers
    rule("id: social security number", "identifiers", r"(?<![0-9\-])[0-9]{3}[\- ][0-9]{2}[\- ][0-9]{4}(?![0-9\-])"),
    rule(
        "id: after cue", "identifiers", rf"(?<![A-Za-z]){_ID_CUE}s?\b{_ID_LINK}(?<![A-Za-z0-9])(?P<phi>{_ID_VALUE})", _I
    ),
    rule(
        "id: letters after cue",
        "identifiers",
        rf"(?<![A-Za-z])(?i:{_LETTER_ID_CUE})\b{_ID_LINK.replace('|of|code|card', '')}(?<![A-Za-z0-9])"
        r"(?P<phi>[A-Z](?:[\-/._ ][A-Z]){2,12}|[A-Z]{3,16}(?:[\-/._][A-Z]{1,16}){0,4})(?![A-Za-z0-9])",
        weak=True,
    ),
    rule("id: after number sign", "identifiers", rf"(?<![A-Za-z0-9])#(?P<phi>{_ID_VALUE})"),
    rule(
        "id: digit groups",
        "identifiers",
        r"(?<![0-9A-Za-z.\-])(?=[0-9A-Za-z\-]{0,24}[0-9]{2}-?[0-9A-Z]{0,8}-?[0-9])(?:[A-Z]{1,8}-)?[0-9]{2,}[A-Z]{0,6}(?:-(?:[0-9]{2,}[A-Z]{0,8}|[A-Z]{1,8}(?:[0-9]{1,12})?)){1,5}(?![0-9A-Za-z])",
    ),
    rule(
        "id: letters and digits",
        "identifiers",
        r"(?<![A-Za-z0-9.])(?=[A-Za-z0-9\-]{0,24}[0-9]{3})(?=[0-9\-]{0,12}[A-Za-z])[A-Za-z0-9]{1,12}(?:-[A-Za-z0-9]{1,20}){0,4}(?<=[A-Za-z0-9]{2})(?![A-Za-z0-9])",
    ),
    rule("id: long number", "identifiers", r"(?<![0-9.,])[0-9]{5,}(?![0-9]|,[0-9]{3}|\.[0-9])|[0-9]{9,}"),
    rule("id: dotted number", "identifiers", r"(?<![0-9.])[0-9]{2,6}(?:\.[0-9]{2,6}){2,6}(?![0-9])"),
    rule(
        "file path",
        "identifiers",
        r"(?<!\w)(?:[A-Za-z]:|\\)\\[^\s\"<>|]{1,300}|(?<![\w/.])~?/[A-Za-z][\w.\-]{1,64}(?:/[\w.\-]{1,64}){1,20}",
    ),
    rule(
        "file name",
        "identifiers",
        r"(?<![\w.\-])[\w.\-]{1,64}\.(?:dcm|nii|png|jpe?g|tiff?|bmp|pdf|docx?|txt|rtf|xml|csv|zip)\b",
        _I,
    ),
    rule("id: DICOM UID", "identifiers", r"(?<![0-9.])[0-2](?:\.[0-9]{1,39}){4,}"),
    rule("serial number", "device_serials", rf"\b{_SERIAL_CUE}\b{_ID_LINK}(?<![A-Za-z0-9]){_ID_VALUE}", _I),
    rule(
        "equipment",
        "device_serials",
        r"\b(?:equipment|acquired on|detector|scanner|console|unit|workstation|x-?ray room|machine)[ :#]{1,3}(?P<phi>[A-Z]{1,5}[\-_ ]?[0-9]{1,5}[A-Z]?)(?![A-Za-z0-9])",
        _I,
    ),
    # Contact
    rule(
        "phone",
        "contact",
        r"(?<![0-9A-Za-z])(?:\+?[0-9]{1,3}[ .\-])?(?:\([0-9]{3}\) ?|[0-9]{3}[ .\-])[0-9]{3}[ .\-][0-9]{4}(?:[ ,;]{0,3}(?:x|ext\.?|extension) ?[0-9]{1,6})?(?![0-9])",
        _I,
    ),
    rule(
        "phone after cue",
        "contact",
        r"\b(?:phone|telephone|tel|cell|mobile|fax|pager|beeper|paged?|ext|extension|phone number|(?:call(?:ed)?|reach(?:ed)?|answering)(?: (?:me|us|him|her|them))?(?: back)?(?: at| on))\b[ .:#\n]{1,4}(?:(?:number|no|is|at)\b[ .:#]{0,3}){0,2}(?P<phi>\+?[0-9(][0-9 ()./\-]{2,18}[0-9])(?![0-9])",
        _I,
    ),
    rule("e-mail", "contact", r"[A-Za-z0-9._%+\-]{1,64} {0,1}@ {0,1}[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,63}){1,6}"),
    rule("user name", "contact", r"(?<![\w@.])@[A-Za-z_][\w.\-]{2,30}"),
    rule("web address", "contact", r"\b(?:https?://|www\.)[^\s<>\"')]{2,300}", _I),
    # Places
    rule(
        "street address",
        "locations",
        rf"(?<![0-9A-Za-z])[0-9]{{1,6}}[A-Z]?,? (?:(?:{_CAP}\.?|[0-9]{{1,3}}(?:st|nd|rd|th)) ){{1,4}}{_STREET}\b\.?(?:,? (?:Apt|Apartment|Suite|Ste|Unit|Floor|Fl|Room|Rm|#)\.? ?[0-9A-Za-z\-]{{1,6}})?(?:,? (?:{_CAP} ?){{1,3}})?(?:, ?(?:{_STATE}|{_STATE_NAME})\b)?(?:,? [0-9]{{5}}(?:-[0-9]{{4}})?)?",
    ),
    rule(
        "street of another country",
        "locations",
        rf"(?<!\w)(?:{_UP}[^\W\d_]+[ \-])?{_UP}(?:[^\W\d_]{{2,30}})?{_STREET_ENDS},? {{1,2}}{_HOUSE}",
    ),
    rule(
        "street of another country",
        "locations",
        rf"(?<![\w/])(?i:{_STREET_BEGINS}) {{0,2}}{_STREET_NAME},? {{1,2}}(?:n[.\u00ba\u00b0o]{{1,2}} ?)?{_HOUSE}",
    ),
    rule(
        "street of another country",
        "locations",
        rf"(?<![0-9A-Za-z.])[0-9]{{1,5}}(?: ?(?:bis|ter)\b)?,? (?i:{_STREET_BEGINS}|route|cours|square|passage) {_STREET_NAME}",
    ),
    rule(
        "room or ward",
        "locations",
        r"\b(?:[Rr]oom|Rm|[Bb]ed|[Ww]ard|[Bb]ay|[Ff]loor|Pod|Cubicle)\.? ?#? ?(?:[0-9]{1,4}(?:-?[0-9]{1,4})?[A-Za-z]{0,8}|[A-Z]-?[0-9]{1,4}[A-Za-z]?)(?![A-Za-z0-9])(?! (?:mm|cm))",
    ),
    rule(
        "department",
        "locations",
        rf"(?:\b{_CAP} ){{1,4}}(?:ICU|Intensive Care Unit|Infusion Center|Clinic|Department|Dept|Service|Center|Centre|Ward|Emergency Room|Laboratory|Step-?[Dd]own(?: Unit)?|Suite)\b|\bEmergency (?:Department|Room)\b",
    ),
    rule("post office box", "locations", r"\bP\.? ?O\.? ?Box [0-9]{1,8}", _I),
    rule("ZIP code", "locations", rf"\b(?:{_STATE}) [0-9]{{5}}(?:-[0-9]{{4}})?\b"),
    rule(
        "ZIP code",
        "locations",
        r"\b(?:zip(?: ?code)?|postal code|postcode)\b[ :#]{0,3}(?:is |of )?(?P<phi>[0-9]{5}(?:-[0-9]{4})?|[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9])",
        _I,
    ),
    # Age, sex and race in a demographic phrase
    rule(
        "age",
        "demographics",
        rf"(?<![0-9.\-])(?:[0-9]{{1,3}}|\b(?:{NUMBER_WORDS}))[ \-]{{0,2}}{_AGE_UNIT}[ \-]{{1,2}}old(?:er)?\b(?:[ \-]{{1,2}}(?:{_RACE}[ \-])?{_SEX}\b)?",
        _I,
    ),
    rule(
        "age",
        "demographics",
        rf"(?<![0-9.\-])[0-9]{{1,3}} ?(?:y\.?/?o\b\.?|y\.o\.?|yo\b|y/o\b|yrs?\b|yr\b)(?:[ \-]{{0,2}}(?:{_RACE}[ \-])?{_SEX}\b)?",
        _I,
    ),
    rule("age", "demographics", r"(?<![0-9.\-A-Za-z/])[0-9]{1,3} ?(?:[MF]|[YMWD] ?/ ?[MF])(?![A-Za-z0-9])"),
    rule(
        "age",
        "demographics",
        rf"\b(?:ages?|aged)[ :]{{1,3}}(?:of |is )?(?:[0-9]{{1,3}}|{NUMBER_WORDS})\b(?:[ \-]{_AGE_UNIT}\b)?",
        _I,
    ),
    rule(
        "age in another language",
        "demographics",
        r"\b[0-9]{1,3}[ \-]{0,2}(?:j\u00e4hrige[rnsm]?|jaehrige[rnsm]?|jahrige[rnsm]?|jarige|Jahre(?: alt)?|ans|a\u00f1os|anni|anos|jaar|lat|\u00e9ves|vuotias)\b",
        _I,
    ),
    rule(
        "decade of life",
        "demographics",
        rf"\b(?:his|her|their|the|in)(?: early| mid| late)?[ \-](?:teens|{DECADES}|[2-9]0'?s)\b",
        _I,
    ),
    rule(
        "race",
        "demographics",
        rf"\b{_RACE}(?:[ \-](?:american|non-hispanic))?[ \-](?={_SEX}\b|patient\b|child\b|adult\b|person\b|americans?\b)",
        _I,
    ),
    rule(
        "age and sex",
        "demographics",
        r"\b(?:age|sex|gender|dob)(?: ?/ ?(?:age|sex|gender))? ?[:=] {0,3}(?P<phi>[0-9]{1,3} ?(?:y|yrs?|years)?(?: ?[/,] ?(?:male|female|m|f)\b)?|(?:male|female|m|f) ?/ ?[0-9]{1,3})(?![0-9/])",
        _I,
    ),
    rule("sex", "demographics", r"\b(?:sex|gender)[ :]{1,3}(?:male|female|m|f|other|unknown)\b", _I),
    # What earlier de-identification left behind
    rule(
        "de-identification marker",
        "deid_markers",
        r"_{2,}|\b[Xx]{3,}\b|\[\*{2}[^\[\]]{0,200}\*{2}\]|\[(?:REDACTED|REMOVED|DEIDENTIFIED|DE-IDENTIFIED|PHI)\]|<(?:REDACTED|REMOVED|PHI|NAME|DATE|ID)>",
    ),
)


# Letters of other scripts than the Latin; a Greek letter alone is a unit or an index.
_LATIN = r"\W\d_A-Za-z\u00aa-\u02af\u1d00-\u1dbf\u1e00-\u1eff\ua720-\ua7ff\uab30-\uab6f"
_FOREIGN = re.compile(
    rf"(?=[^\W\d_]{{2}})[^\W\d_]{{0,40}}?(?:[^{_LATIN}\u0370-\u03ff]|[\u0370-\u03ff]{{2}})[^\W\d_]{{0,40}}"
)


def find(reading: Reading) -> list[Piece]:
    """What the rules match: the report's rules in running text, a form's rules line by line; and foreign words."""
    found = _foreign_words(reading.text)
    for rules, text in ((REPORT_RULES, _with_our_digits(reading.flowing)), (LINE_RULES, reading.text)):
        for each in rules:
            group = "phi" if "phi" in each.regex.groupindex else 0
            strength: Strength = "weak" if each.weak else "firm"
            found += [
                Piece(*match.span(group), each.category, each.name, "pattern", strength)
                for match in each.regex.finditer(text)
            ]
    return found


def _with_our_digits(text: str) -> str:
    """The text with each digit of another script as ours: one character for one."""
    return text if text.isascii() else "".join(str(int(c)) if c.isdecimal() else c for c in text)


def _foreign_words(text: str) -> list[Piece]:
    """Words of another script in a report that is mostly Latin: no list judges them, and most are names."""
    letters = sum(map(str.isalpha, text))
    if text.isascii() or 2 * sum(c.isalpha() and c.isascii() for c in text) <= letters:
        return []
    return [Piece(*m.span(), "disguised_text", "word of another script", "pattern") for m in _FOREIGN.finditer(text)]
