"""Text with names, places, organisations, numbers and dates in it, made without end for the recogniser.

Sentences, forms, letters and queries come from the grammar of `recogniser_phrases`. Their names, towns, streets and
companies come from Faker's locales, and half of the names are composed of two others, so that a name is known by where
it stands and not by its letters. Hard negatives come from the whitelist, from eponyms, drugs and devices, and from
words composed of medical syllables. No text of an outside source is used.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from updp_core.lexicon import load_lexicon
from updp_core.lexicon.folding import word_list
from updp_core.phantom import sample_patient, sample_visit, write_report
from updp_core.phantom.phi import BAR, CLOSE, OPEN, date_text, mark, time_text
from updp_core.phantom.phrases import expand
from updp_core.phantom.report import Report, caption
from updp_core.report.gazetteer import gazetteer

from . import recogniser_phrases as words

LABELS = ("PERSON", "LOCATION", "ORGANISATION", "ID", "DATE", "CONTACT")
MASK = "\ue000"
"""Stands for each character of a piece that was masked before: how the report filter shows its own placeholders."""
_MASK = "\ue100"  # while a text is made, since the marks of entities use the other one

LOCALES = tuple(
    word_list("""
    en_US en_GB en_IE en_AU en_NZ en_CA en_IN en_KE en_NG en_PK en_PH de_DE de_AT de_CH fr_FR fr_CA fr_CH it_IT
    es_ES es_MX es_AR es_CO es_CL pt_BR pt_PT nl_NL nl_BE da_DK sv_SE no_NO fi_FI is_IS pl_PL cs_CZ sk_SK hu_HU
    ro_RO hr_HR sl_SI tr_TR et_EE lt_LT lv_LV id_ID vi_VN ga_IE yo_NG ig_NG ha_NG zu_ZA tw_GH sw uz_UZ sq_AL ja_JP
    zh_CN ko_KR el_GR bg_BG
""")
)
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f\u1e00-\u1eff][A-Za-z\u00c0-\u024f\u1e00-\u1eff' .\-]{1,30}")
_POOLS = {
    "given": ("first_name", "first_romanized_name"),
    "family": ("last_name", "last_romanized_name"),
    "town": ("city", "city_name"),
    "region": ("state", "administrative_unit", "province", "county"),
    "street_name": ("street_name",),
    "street": ("street_address",),
    "company": ("company",),
    "post": ("postcode",),
}
# The provider of Italian towns draws from a set, whose order changes from run to run.
_UNSTABLE = {("it_IT", "town")}
Split = Literal["train", "held"]


@dataclass(frozen=True)
class Piece:
    """A piece of a text and its label, "" for what is no entity."""

    text: str
    label: str


@dataclass(frozen=True)
class Sample:
    """A text with its entities: (start, end, label), sorted, not overlapping."""

    text: str
    entities: tuple[tuple[int, int, str], ...]


@lru_cache(maxsize=2)
def pools(split: Split, size: int = 240) -> dict[str, tuple[tuple[str, ...], ...]]:
    """Names and places by kind, one tuple a locale; a tenth of the values is kept for `held` and never trained on."""
    from faker import Faker

    result: dict[str, list[tuple[str, ...]]] = {kind: [] for kind in _POOLS}
    for number, locale in enumerate(LOCALES):
        fake = Faker(locale)
        fake.seed_instance(1000 + number)
        for kind, providers in _POOLS.items():
            values: set[str] = set()
            for provider in providers:
                make = getattr(fake, provider, None)
                for _ in range(size if make and (locale, kind) not in _UNSTABLE else 0):
                    value = str(make())  # type: ignore[misc]
                    fits = re.search(r"\d", value) if kind in ("street", "post") else _LATIN.fullmatch(value)
                    if kind == "company":
                        fits = re.fullmatch(r"[^\W_][\w ,.'&\-]{2,50}", value)
                    if fits and all(c < "\u0250" or "\u1e00" <= c < "\u1f00" for c in value):
                        values.add(value)
            chosen = sorted(v for v in values if (zlib.crc32(v.encode()) % 10 == 0) == (split == "held"))
            if chosen:
                result[kind].append(tuple(chosen))
    return {kind: tuple(values) for kind, values in result.items()}


class Draw:
    """Fills the slots of a template: each public method is the slot of its name and gives text with marked entities."""

    def __init__(self, rng: np.random.Generator, split: Split) -> None:
        self.rng, self.pools, self.held = rng, pools(split), split == "held"

    def pick(self, values: Sequence[Any]) -> Any:
        """One of `values`."""
        return values[int(self.rng.integers(len(values)))]

    def one(self, choices: str) -> str:
        """One of the choices that semicolons part."""
        return str(self.pick(choices.split(";")))

    def chance(self, p: float) -> bool:
        """True with probability `p`."""
        return bool(self.rng.random() < p)

    def fill(self, template: str) -> str:
        """A template with its choices made and its slots filled."""
        return re.sub(r"\{(\w+)\}", lambda m: getattr(self, m[1])(), expand(template, self.rng))

    def _value(self, kind: str) -> str:
        # Reports are in English: a quarter of the values come from the six English locales, which stand first.
        locales = self.pools[kind]
        return str(self.pick(self.pick(locales[:6] if self.chance(0.25) else locales)))

    def _invented(self, kind: str) -> str:
        """A new name of two that exist: the head of one and the tail of another."""
        a, b = self._value(kind).split(" ")[0], self._value(kind).split(" ")[-1]
        head, tail = max(2, len(a) // 2 + int(self.rng.integers(0, 2))), max(2, len(b) // 2)
        return (a[:head] + b[-tail:].lower()).strip("'-. ").capitalize()

    def _letter(self) -> str:
        return chr(65 + int(self.rng.integers(26)))

    def _letters(self, least: int, most: int) -> str:
        return "".join(self._letter() for _ in range(int(self.rng.integers(least, most + 1))))

    def _digits(self, n: int) -> str:
        return "".join(str(d) for d in self.rng.integers(0, 10, n))

    def _given(self) -> str:
        return self._invented("given") if self.chance(0.3) else self._value("given")

    def _family(self) -> str:
        if self.chance(0.06):
            return str(self.pick(words.WORD_NAMES))
        name = self._invented("family") if self.chance(0.5) else self._value("family")
        if self.chance(0.05):
            name = f"{name}-{self._value('family')}"
        return self.pick(words.PARTICLES) + name if self.chance(0.05) else name

    def _full(self) -> str:
        given, family = self._given(), self._family()
        forms = (
            (0.72, f"{given} {family}"),
            (0.10, f"{given} {self._letter()}. {family}"),
            (0.04, f"{given} {self._letter()} {family}"),
            (0.06, f"{given} {self._given()} {family}"),
            (0.05, f"{self._letter()}. {family}"),
            (0.03, f"{given}-{self._given()} {family}"),
        )
        return self._likely(forms)

    def _likely(self, forms: Sequence[tuple[float, str]]) -> str:
        """One of the forms, by the probability beside it."""
        at = float(self.rng.random()) * sum(p for p, _ in forms)
        for p, form in forms:
            at -= p
            if at < 0:
                return form
        return forms[-1][1]

    def person(self) -> str:
        return mark("PERSON", self._full())

    def given(self) -> str:
        return mark("PERSON", self._given())

    def family(self) -> str:
        return mark("PERSON", self._family())

    def _last_first(self) -> str:
        middle = self.one("; {}.; {}").format(self._letter()) if self.chance(0.7) else f" {self._given()}"
        return f"{self._family()}{self.one(', ;, ;,; ,')}{self._given()}{middle}"

    def last_first(self) -> str:
        return mark("PERSON", self._last_first())

    def form_name(self) -> str:
        caret = f"{self._family()}^{self._given()}".upper() + (f"^{self._letter()}" if self.chance(0.5) else "")
        last_first = self._last_first()
        forms = ((0.4, self._full()), (0.25, last_first), (0.15, last_first.upper()), (0.1, caret))
        return mark("PERSON", self._likely((*forms, (0.1, f"{self._family()} {self._given()}"))))

    def name_up(self) -> str:
        return mark("PERSON", (self._last_first() if self.chance(0.5) else self._full()).upper())

    def short_name(self) -> str:
        short = f"{self._given()} {self._letter()}."
        return mark(
            "PERSON", self._likely(((0.4, short), (0.1, f"{self._letter()}. {self._family()}"), (0.5, self._full())))
        )

    def initial_name(self) -> str:
        return mark("PERSON", f"{self._letter()}. {self._family()}")

    def initials(self) -> str:
        return mark("PERSON", self._letters(2, 2))

    def initials_low(self) -> str:
        return mark("PERSON", self._letters(2, 2).lower())

    def title(self) -> str:
        return self.one("Mr.;Mrs.;Ms.;Mr;Mrs;Ms;Miss;Dr.;Prof.;Sir;Herr;Frau;Sr.;Mme")

    def doctor(self) -> str:
        title = self.one("Dr.;Dr.;Dr;Doctor;Prof.;Professor;DR.;dr.;Prof. Dr.")
        letters = self.one(", MD;, M.D.; MD;, DO;, RN;, NP;, PA-C;, FRCR;, PhD")
        after = f"{self.person()}{letters}"
        return self._likely(((0.45, f"{title} {self.family()}"), (0.25, f"{title} {self.person()}"), (0.3, after)))

    def kin(self) -> str:
        return self.one("wife;husband;mother;son;daughter;brother")

    def poss(self) -> str:
        return self.one("his;her;their")

    def pron(self) -> str:
        return self.one("he;she;they;we")

    def _town(self) -> str:
        made = self.pick(words.TOWN_STARTS) + self.pick(words.TOWN_ENDS)
        named = self.pick((made, self._value("family"), self._value("given"), self._value("town")))
        tail = f"{self.pick((made, self.pick(words.NATURE), named))} {self.pick(words.PLACE_TAILS)}"
        head = f"{self.pick(words.PLACE_HEADS)} {named}"
        known = self._value("town")
        return self._likely(((0.5, known), (0.1, self._invented("town")), (0.15, made), (0.15, head), (0.1, tail)))

    def town(self) -> str:
        return mark("LOCATION", self._town())

    def region(self) -> str:
        return mark("LOCATION", self._value("region"))

    def country(self) -> str:
        return mark("LOCATION", self.pick(words.COUNTRIES))

    def nation(self) -> str:
        return self.one("Irish;Polish;Kenyan;German;French;Chilean;Welsh;Danish;Turkish;Thai")

    def state(self) -> str:
        return mark("LOCATION", self.pick(words.STATES))

    def zip(self) -> str:
        return mark("LOCATION", f"{self.rng.integers(1000, 99999):05d}")

    def post(self) -> str:
        return mark("LOCATION", self._value("post"))

    def _street_name(self) -> str:
        people = (self._value("family"), self._invented("family"), self._value("given"))
        base = self.pick((self.pick(words.NATURE), *people, self._value("town")))
        forms = ((0.4, f"{base} {self.pick(words.WAYS)}"), (0.08, f"{self.pick(words.WAYS_BEFORE)} {base}"))
        return self._likely((*forms, (0.07, base + self.pick(words.WAY_ENDS)), (0.45, self._value("street_name"))))

    def street_name(self) -> str:
        return mark("LOCATION", self._street_name())

    def _street(self) -> str:
        if self.chance(0.45):
            return self._value("street").replace("\n", ", ")
        number = str(self.rng.integers(1, 9999 if self.chance(0.4) else 200)) + self.one(";;;;A;b;-3;/2")
        name = self._street_name()
        text = f"{number}{self.one(' ; ;, ')}{name}" if self.chance(0.65) else f"{name} {number}"
        flat = self.one(" Apt. {};, Apt {}; Suite {}; Unit {};, Flat {}; #{};, {}. floor; Apt {}")
        return text + flat.format(self.rng.integers(1, 999)) if self.chance(0.2) else text

    def street(self) -> str:
        return apart(self._street())

    def address(self) -> str:
        return self._address(self.pick((", ", ", ", ", ", "\n", " ", ",\n")))

    def address_block(self) -> str:
        return self._address("\n")

    def _address(self, gap: str) -> str:
        street, town, place = self.street(), self.town(), f"{self.state()} {self.zip()}"
        forms = (
            (0.30, f"{street}{gap}{town}, {place}"),
            (0.20, f"{street}{gap}{self.post()} {town}"),
            (0.10, f"{street}{gap}{town} {self.post()}"),
            (0.15, f"{street}{gap}{town}"),
            (0.10, f"{street}{gap}{town}{gap}{self.region()}{gap}{self.country()} {self.post()}"),
            (0.08, f"{street}{gap}{town}{gap}{place}{gap}{self.country()}"),
            (0.07, street),
        )
        return self._likely(forms) + (f"{gap}{self.country()}" if self.chance(0.12) else "")

    def _hospital(self) -> str:
        kind, saint, family = self.pick(words.INSTITUTION), self.pick(words.SAINTS), self._value("family")
        base = self.pick((self._town(), family, self._invented("family"), saint, self.pick(words.NATURE)))
        forms = (
            (0.68, f"{base} {kind}"),
            (0.08, f"{self.pick(words.INSTITUTION_BEFORE)} {self.one('of ;of ;')}{self._town()}"),
            (0.08, saint),
            (0.08, self._letters(3, 4) + self.one(" Medical Center; Hospital; Health;")),
            (0.08, f"{base} & {family} {kind}"),
        )
        return self._likely(forms)

    def hospital(self) -> str:
        return mark("ORGANISATION", self._hospital())

    def hosp_up(self) -> str:
        return mark("ORGANISATION", self._hospital().upper())

    def _coined(self) -> str:
        return self.pick(words.FIRM_STARTS) + self.pick(words.FIRM_ENDS)

    def company(self) -> str:
        forms = (
            (0.45, self._value("company")),
            (0.2, self._coined()),
            (0.1, self._letters(2, 4)),
            (0.25, self._body()),
        )
        return mark("ORGANISATION", self._likely(forms))

    def _body(self) -> str:
        base = self.pick((self._town(), self._family(), self._coined(), self.pick(words.NATURE)))
        return f"{base} {self.pick(words.BODY)}"

    def body(self) -> str:
        return mark("ORGANISATION", self._body())

    def _day(self) -> dt.date:
        return dt.date(1925, 1, 1) + dt.timedelta(days=int(self.rng.integers(0, 38000)))

    def date(self) -> str:
        day = self._day()
        if day.year < 2000 or self.chance(0.35):
            form = self.pick(words.DATES).replace("#", str(day.day)).replace("~", str(day.month))
            return mark("DATE", day.strftime(form))
        return mark("DATE", date_text(day, self.rng))

    def time(self) -> str:
        return mark("DATE", time_text(dt.time(int(self.rng.integers(24)), int(self.rng.integers(60))), self.rng))

    def year(self) -> str:
        return mark("DATE", str(self.rng.integers(1935, 2027)))

    def month(self) -> str:
        return mark("DATE", self._day().strftime("%B"))

    def id(self) -> str:
        return mark("ID", self._number(self.pick(words.IDS)))

    def phone(self) -> str:
        return mark("CONTACT", self._number(self.pick(words.PHONES)))

    def _number(self, form: str) -> str:
        """A form with a digit for each "0", a letter for each "A", and 5 to 10 digits for "N"."""
        form = form.replace("N", "0" * int(self.rng.integers(5, 11)))
        return re.sub("[0A]", lambda m: self._digits(1) if m[0] == "0" else self._letter(), form)

    def room(self) -> str:
        return self._number(self.one("0A;000;5;12;0"))

    def email(self) -> str:
        name = re.sub(r"[^a-z]", "", self._family().lower()) or "office"
        host = f"{self._coined().lower()}.{self.one('com;org;net;de;co.uk')}"
        return mark("CONTACT", f"{self._letter().lower()}{self.one(';.')}{name}@{host}")

    def age(self) -> str:
        form = self.one("{}-year-old;{} year old;{} y/o;{}yo;{} yr old;{}-year-old;{} years old")
        return form.format(self.rng.integers(1, 99))

    def who(self) -> str:
        return f"a {self.age()} {self.one('man;woman;male;female;patient;child;male diabetic;smoker')}"

    def who_cap(self) -> str:
        return _capital(self.who())

    def symptom(self) -> str:
        return str(self.pick(words.SYMPTOMS))

    def symptom_cap(self) -> str:
        return _capital(self.symptom())

    def drug(self) -> str:
        made = self.pick(words.MED_HEADS) + self.pick(words.DRUG_ENDS)
        return made if self.chance(0.35) else str(self.pick(words.DRUGS))

    def drug_cap(self) -> str:
        return _capital(self.drug())

    def device_cap(self) -> str:
        return _capital(self.pick(words.DEVICES))

    def medical(self) -> str:
        eponym, device = self.pick(words.EPONYMS), self.pick(words.DEVICES)
        return self._likely(((0.3, eponym), (0.2, self.medword()), (0.06, device), (0.44, self.term())))

    def medical_cap(self) -> str:
        return _capital(self.medical())

    def medword(self) -> str:
        word = self.pick(words.MED_HEADS) + self.pick(words.MED_TAILS)
        return f"{self.pick(words.MED_HEADS)}o{word}" if self.chance(0.3) else word

    def medword_cap(self) -> str:
        return _capital(self.medword())

    def term(self) -> str:
        term = self.pick(_terms())
        return _titled(term) if self.chance(0.1) else term

    def term_cap(self) -> str:
        return _capital(self.term())

    def trap(self) -> str:
        return str(self.pick(words.TRAPS))

    def salad(self) -> str:
        """Ordinary words in no order, now and then with an entity: a name is one by itself too."""
        salad = [self.pick(_ordinary()) for _ in range(int(self.rng.integers(4, 14)))]
        for k in range(1, len(salad)):
            if self.chance(0.08):
                salad[k] = self.one("CT;MRI;AP;I;TV;US;the;of;and;a;is;in;to;with")
        if self.chance(0.25):
            salad[int(self.rng.integers(len(salad)))] = self.pick((self.person, self.address, self.hospital))()
        return _capital(" ".join(salad)) + self.one(".;.;;?;!")

    def title_case(self) -> str:
        title = [
            self.pick(_ordinary()) if self.chance(0.5) else self.term() for _ in range(int(self.rng.integers(2, 6)))
        ]
        return " ".join(map(_titled, title)) + self.one(";:;\n")

    def radiology(self) -> str:
        sentences = re.split(r"(?<=[.]) +", _caption(int(self.rng.integers(400)), self.held))
        first = int(self.rng.integers(len(sentences)))
        return " ".join(sentences[first : first + int(self.rng.integers(1, 4))])

    def other(self, word: re.Match[str]) -> str:
        """The word, or one time in four another in its place, in the same case."""
        if not self.chance(0.25):
            return word[0]
        a, b = self.pick(_ordinary()), self.pick(_ordinary())
        made = self._likely(((0.6, a), (0.15, self.medword()), (0.25, a[: len(a) // 2 + 1] + b[len(b) // 2 :])))
        return made.upper() if word[0].isupper() else _capital(made) if word[0][0].isupper() else made


def apart(text: str) -> str:
    """An address as the parts that commas and line ends separate, each marked as a location of its own."""
    return re.sub(r"[^,\n]+", lambda m: _mark_inside(m.group(), "LOCATION"), text)


def _mark_inside(text: str, label: str) -> str:
    core = text.strip()
    return text.replace(core, mark(label, core)) if core else text


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _titled(text: str) -> str:
    return " ".join(map(_capital, text.split()))


@lru_cache(maxsize=1)
def _terms() -> tuple[str, ...]:
    return tuple(sorted(load_lexicon().preferred_terms))


@lru_cache(maxsize=1)
def _ordinary() -> tuple[str, ...]:
    from faker.providers.lorem.en_US import Provider as lorem

    return tuple(sorted(set(gazetteer().ordinary) | set(lorem.word_list)))


@lru_cache(maxsize=2000)
def _caption(number: int, held: bool) -> str:
    """Findings and impression of a phantom, without PHI."""
    seed = number + (3_500_000 if held else 3_000_000)
    return caption(sample_visit(sample_patient(seed), number), number)


@lru_cache(maxsize=2000)
def _report(number: int, held: bool) -> Report:
    """The report of a phantom, with the spans that hold PHI."""
    seed = number + (4_500_000 if held else 3_000_000)
    return write_report(sample_visit(sample_patient(seed), number % 7), number)


_PHANTOM_LABELS = {
    "name": "PERSON",
    "personnel": "PERSON",
    "location": "LOCATION",
    "institution": "ORGANISATION",
    "date": "DATE",
    "identifier": "ID",
    "device_serial": "ID",
    "contact": "CONTACT",
}


def _phantom(draw: Draw) -> str:
    """A phantom's report with names, towns, streets and institutions of its own in place of the phantom's."""
    report = _report(int(draw.rng.integers(800)), draw.held)
    out, at = [], 0
    for span in report.spans:
        label = _PHANTOM_LABELS.get(span.category, "")
        out += [report.text[at : span.start], _instead(report.text[span.start : span.end], label, draw)]
        at = span.end
    return "".join([*out, report.text[at:]])


def _instead(old: str, label: str, draw: Draw) -> str:
    if not label or re.search(r"\b(?:Department|ICU|Unit|Service|Room|Bed|Rm|Ward)\b", old):
        return old
    flat = old.replace("\n", " ")
    if label == "PERSON" and len(flat) > 3:
        if "^" in flat or "," in flat:
            new = draw._last_first()
            new = new.replace(", ", "^").replace(",", "^") if "^" in flat else new
        elif " " not in flat:
            new = draw._family()
        else:
            new = draw._full()
        return mark(label, new.upper() if flat.isupper() else new)
    if label == "LOCATION" and not re.fullmatch(r"[A-Z]{2}|[\d\-]+", flat):
        return apart(draw._street() if re.match(r"\d", flat) else draw._town())
    if label == "ORGANISATION":
        return draw.hospital()
    return mark(label, old)


def write_sample(rng: np.random.Generator, split: Split = "train", family: str = "", noise: bool = True) -> Sample:
    """One text of a family ("" draws one of those trained on) of one to six pieces, with its entities.

    `noise` changes case, punctuation, accents and line breaks, and masks some entities as the report filter does.
    """
    draw = Draw(rng, split)
    names = list(words.FAMILIES)
    family = family or names[int(rng.choice(len(names), p=[words.FAMILIES[n][1] for n in names]))]
    if family == "phantom":
        marked = _phantom(draw)
    else:
        templates = words.HANDOVER if family == words.HELD_FAMILY else words.FAMILIES[family][0]
        parts = [draw.fill(draw.pick(templates)) for _ in range(1 if draw.chance(0.45) else int(rng.integers(2, 5)))]
        if family in ("clinical", "letters", "forms") and draw.chance(0.3):
            parts.insert(int(rng.integers(len(parts) + 1)), draw.radiology())
        marked = draw.pick((" ", " ", "\n")).join(parts)
    pieces = _pieces(marked)
    return _sample(_noisy(pieces, draw) if noise else pieces)


def _pieces(marked: str) -> list[Piece]:
    pieces = []
    for part in marked.split(OPEN):
        if BAR in part:
            label, rest = part.split(BAR)
            value, part = rest.split(CLOSE)
            pieces.append(Piece(value, label))
        if part:
            pieces.append(Piece(part, ""))
    return pieces


def _noisy(pieces: list[Piece], draw: Draw) -> list[Piece]:
    """Case, punctuation, accents and line breaks as they come in real reports; and pieces masked before."""
    changes: list[Callable[[Piece], Piece]] = []
    r = draw.rng.random()
    if r < 0.10:
        changes.append(lambda p: Piece(p.text.upper(), p.label))
    elif r < 0.17:
        changes.append(lambda p: Piece(p.text.lower(), p.label))
    elif r < 0.25:
        changes.append(lambda p: Piece(p.text.upper(), p.label) if p.label else p)
    elif r < 0.29:
        changes.append(lambda p: Piece(p.text.lower(), p.label) if p.label else p)
    if draw.chance(0.35):
        # Other words around the same entities: an unknown word is not a name because it is unknown.
        changes.insert(0, lambda p: p if p.label else Piece(re.sub(r"[A-Za-z]{3,}", draw.other, p.text), ""))
    if draw.chance(0.4):
        changes.append(lambda p: Piece(_ascii(p.text), p.label))
    if draw.chance(0.12):
        changes.append(lambda p: p if p.label else Piece(re.sub(r"[,.;:](?=\s|$)", "", p.text), ""))
    if draw.chance(0.05):
        changes.append(lambda p: p if p.label else Piece(re.sub(r"([,.;:]) ", r"\1", p.text), ""))
    if draw.chance(0.10):
        changes.append(lambda p: Piece(_MASK * len(p.text), "") if p.label and draw.chance(0.35) else p)
    if draw.chance(0.12):
        changes.append(lambda p: Piece(re.sub(r" ", lambda m: "\n" if draw.chance(0.12) else " ", p.text), p.label))
    if draw.chance(0.06):
        changes.append(lambda p: Piece(re.sub(r" ", lambda m: "  " if draw.chance(0.2) else " ", p.text), p.label))
    for change in changes:
        pieces = [change(piece) for piece in pieces]
    return pieces


def _ascii(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def _sample(pieces: list[Piece]) -> Sample:
    text, entities = "", []
    for piece in pieces:
        if piece.label:
            core = piece.text.strip()
            start = len(text) + piece.text.index(core) if core else 0
            if core:
                entities.append((start, start + len(core), piece.label))
        text += piece.text.replace(_MASK, MASK)
    return Sample(text, tuple(entities))
