"""How a stand-in of each shape is drawn: a name for a name, a date in the notation of the date.

Each maker takes the original and a random generator; "" means that the original has no harmless stand-in.
"""

from __future__ import annotations

import random
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from updp_core.lexicon.patterns import MONTHS, ORDINALS, WEEKDAYS

if TYPE_CHECKING:
    from faker import Faker

_FULL_MONTHS = MONTHS.split("|")[:12]
_ORDINAL_WORDS = [word for word in ORDINALS.split("|") if re.fullmatch("[a-z]+", word)]
_TITLE = re.compile(r"(?i)^((?:drs?|mrs?|ms|miss|prof|professor|doctor|nurse)\b\.? ?)(.*)$", re.DOTALL)


@lru_cache(maxsize=1)
def _faker() -> Faker:
    from faker import Faker

    return Faker("en_US")


def _fake(rng: random.Random, kind: str) -> str:
    faker = _faker()
    faker.seed_instance(rng.getrandbits(32))
    return str(getattr(faker, kind)())


def _in_case_of(original: str, text: str) -> str:
    letters = [c for c in original if c.isalpha()]
    if letters and all(c.isupper() for c in letters) and len(letters) > 2:
        return text.upper()
    return text.lower() if letters and all(c.islower() for c in letters) else text


def name(original: str, rng: random.Random) -> str:
    """Another name, written in the same order and case, with the title and the initials that it has."""
    title, rest = "", original
    if match := _TITLE.match(original):
        title, rest = match.groups()
    possessive = "'s" if re.search(r"['’]s$", rest) else ""
    parts = re.findall(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*", rest)
    first, last = _fake(rng, "first_name"), _fake(rng, "last_name")
    if "," in rest or "^" in rest:
        text = f"{last}, {first}"
    elif len(parts) < 2:
        text = last if title else first
    elif len(parts[-1]) == 1:
        text = f"{first} {last[0]}" + ("." if rest.rstrip().endswith(".") else "")
    elif len(parts[0]) == 1:
        text = f"{first[0]}. {last}"
    else:
        text = f"{first} {last}"
    return _in_case_of(rest, text) + possessive


def full_name(original: str, rng: random.Random) -> str:
    """Another name for one of several words; a title alone has no stand-in."""
    return name(original, rng) if " " in original else ""


def place(original: str, rng: random.Random) -> str:
    """Another city; for an address another address, for a number another number."""
    if re.search(r"\d", original):
        words = len(original.split())
        return number(original, rng) if words < 3 else f"{_fake(rng, 'street_address')}, {_fake(rng, 'city')}"
    return _in_case_of(original, _fake(rng, "city"))


def institution(_original: str, rng: random.Random) -> str:
    """An invented institution."""
    return f"{_fake(rng, 'last_name')} Health"


def contact(original: str, rng: random.Random) -> str:
    """An e-mail or web address of a reserved domain, or another telephone number."""
    if "@" in original:
        return _fake(rng, "ascii_safe_email")
    if re.search(r"(?i)^https?:|^www\.|[a-z]\.[a-z]{2}", original):
        return f"https://www.example.com/{rng.randrange(10**6):06d}"
    return number(original, rng) if re.search(r"\d", original) else ""


def number(original: str, rng: random.Random) -> str:
    """The same shape with other letters and digits; a leading cue ("MRN:") goes."""
    tokens = [token for token in original.split() if re.search(r"[0-9]", token)]

    def other(match: re.Match[str]) -> str:
        c = match.group()
        if c.isdigit():
            return rng.choice("0123456789")
        return rng.choice("ABCDEFGHJKLMNPRSTUVWXYZ") if c.isupper() else rng.choice("abcdefghjkmnpqrstuvwxyz")

    return re.sub(r"[0-9A-Za-z]", other, " ".join(tokens))


def date(original: str, rng: random.Random) -> str:
    """The same notation of another day: months, days, years, weekdays and hours are drawn anew."""
    day = rng.randint(4, 20)

    def number(match: re.Match[str]) -> str:
        text = match.group()
        value = int(text)
        if len(text) == 8 and text[:2] in ("19", "20"):
            return f"{rng.randint(1990, 2019)}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}"
        if len(text) == 4:
            new = rng.randint(1990, 2019) if text[:2] in ("19", "20") else rng.randint(0, 23) * 100 + rng.randint(0, 59)
        elif len(text) > 2:
            return "".join(rng.choice("123456789") for _ in text)
        else:
            # A day's suffix ("5th") stays true for 4 to 20; small numbers stay small, so that the notation stays valid.
            new = day if match.string[match.end() : match.end() + 2] in ("st", "nd", "rd", "th") else rng.randint(1, 12)
            if value > 31:
                new = rng.randint(32, 59)
            elif value > 12 and new != day:
                new = rng.randint(13, 23)
        return str(new).zfill(len(text))

    def word(match: re.Match[str]) -> str:
        text = match.group()
        lower = text.lower()
        for names in (_FULL_MONTHS, WEEKDAYS.split("|"), _ORDINAL_WORDS):
            if lower in names:
                new = rng.choice([n for n in names if n != lower])
                break
        else:
            if lower not in MONTHS.split("|"):
                return text
            new = rng.choice([n for n in ("jan", "feb", "apr", "jun", "jul", "aug", "oct", "nov", "dec") if n != lower])
        return new.upper() if text.isupper() else new.title() if text[0].isupper() else new

    changed = re.sub(r"[0-9]+", number, re.sub(r"[A-Za-z]+", word, original))
    # "1st" or "3rd" drawn as another day takes the suffix of 4 to 20.
    changed = re.sub(r"(?<=[0-9])(?:st|nd|rd)\b", "th", changed)
    return changed if changed != original else ""
