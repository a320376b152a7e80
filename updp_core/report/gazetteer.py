"""Names of people and places, read at run time from Faker's and phonenumbers' data (no list is copied here).

A gazetteer hit alone proves little: "May", "Gray" and "Long" are names. Words that are ordinary as well are
`ambiguous` and count only beside other evidence (a title, an initial, a second name).
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from updp_core.config import LEXICONS
from updp_core.lexicon.folding import fold_term

_NICKNAMES = {"NYC", "Philly", "Mass General", "Bay Area", "Silicon Valley", "Long Island", "New England", "Cape Cod"}
_LATIN = re.compile(r"[a-z\u00df-\u024f\u1e00-\u1eff][a-z\u00df-\u024f\u1e00-\u1eff'\-]+")
_ORDINARY_WORDS = LEXICONS / "ordinary_words.txt"

STATES = {
    "AL": "Alabama",
    "AK": "Alaska",
    "AZ": "Arizona",
    "AR": "Arkansas",
    "CA": "California",
    "CO": "Colorado",
    "CT": "Connecticut",
    "DE": "Delaware",
    "DC": "District of Columbia",
    "FL": "Florida",
    "GA": "Georgia",
    "HI": "Hawaii",
    "ID": "Idaho",
    "IL": "Illinois",
    "IN": "Indiana",
    "IA": "Iowa",
    "KS": "Kansas",
    "KY": "Kentucky",
    "LA": "Louisiana",
    "ME": "Maine",
    "MD": "Maryland",
    "MA": "Massachusetts",
    "MI": "Michigan",
    "MN": "Minnesota",
    "MS": "Mississippi",
    "MO": "Missouri",
    "MT": "Montana",
    "NE": "Nebraska",
    "NV": "Nevada",
    "NH": "New Hampshire",
    "NJ": "New Jersey",
    "NM": "New Mexico",
    "NY": "New York",
    "NC": "North Carolina",
    "ND": "North Dakota",
    "OH": "Ohio",
    "OK": "Oklahoma",
    "OR": "Oregon",
    "PA": "Pennsylvania",
    "PR": "Puerto Rico",
    "RI": "Rhode Island",
    "SC": "South Carolina",
    "SD": "South Dakota",
    "TN": "Tennessee",
    "TX": "Texas",
    "UT": "Utah",
    "VT": "Vermont",
    "VA": "Virginia",
    "WA": "Washington",
    "WV": "West Virginia",
    "WI": "Wisconsin",
    "WY": "Wyoming",
}


@dataclass(frozen=True)
class Gazetteer:
    """Folded single words (`given`, `family`, `ordinary`) and place names of one or more words (`places`).

    `major_places` are countries, states and large cities, which count at the beginning of a sentence too.
    """

    given: frozenset[str]
    family: frozenset[str]
    places: frozenset[str]
    major_places: frozenset[str]
    ordinary: frozenset[str]


@lru_cache(maxsize=1)
def gazetteer() -> Gazetteer:
    """The gazetteer of every Faker locale in Latin script, loaded once (about half a second)."""
    from faker.providers import address, person
    from faker.providers.date_time import Provider as dates
    from faker.providers.geo import Provider as geo
    from faker.providers.lorem.en_US import Provider as lorem

    given: set[str] = set()
    family: set[str] = set()
    for provider in _providers(person):
        for attribute in dir(provider):
            if re.match(r"first_(romanized_)?names", attribute):
                given.update(_names(getattr(provider, attribute)))
            elif re.match(r"last_(romanized_)?names", attribute):
                family.update(_names(getattr(provider, attribute)))
    major = {place for _, _, place, *_ in geo.land_coords} | set(STATES.values()) | _NICKNAMES
    for country in dates.countries:
        major |= {country.name, country.capital}
        major |= {zone.split("/")[-1].replace("_", " ") for zone in country.timezones}
    places = _american_towns()
    # Towns of other languages' locales are mostly villages whose names are English words ("Most", "Well").
    for provider in _providers(address, "en"):
        for attribute in ("cities", "city_names", "countries", "states", "provinces", "counties"):
            values = getattr(provider, attribute, ())
            places.update(v for v in (values if isinstance(values, tuple | list) else ()) if isinstance(v, str))
    ordinary = {fold_term(w) for w in lorem.word_list} | set(_ordinary_words())
    return Gazetteer(
        given=frozenset(given),
        family=frozenset(family),
        places=_folded_places(major | places),
        major_places=_folded_places(major),
        ordinary=frozenset(ordinary),
    )


def _folded_places(names: Iterable[str]) -> frozenset[str]:
    return frozenset(p for name in names if len(p := fold_term(name)) > 2 and _LATIN.match(p))


def _american_towns() -> set[str]:
    """Towns of North America, from the area codes in phonenumbers' data (its package as a whole takes seconds)."""
    import phonenumbers

    towns: set[str] = set()
    folder = Path(phonenumbers.__file__).parent / "geodata"
    for number in range(100):
        name = f"phonenumbers.geodata.data{number}"
        spec = importlib.util.spec_from_file_location(name, folder / f"data{number}.py")
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError(f"{name} is missing: reinstall phonenumbers.")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        towns.update(
            place["en"].split(",")[0] for code, place in module.data.items() if code[0] == "1" and "en" in place
        )
        if max(module.data) > "2":
            break
    return towns


def _providers(package: ModuleType, language: str = "") -> list[type]:
    names = [module.name for module in pkgutil.iter_modules(package.__path__) if module.name.startswith(language)]
    return [importlib.import_module(f"{package.__name__}.{name}").Provider for name in names]


def _names(values: object) -> Iterable[str]:
    """Single words of a provider's names; compound names count by each word of three letters or more."""
    if not isinstance(values, Iterable):
        return
    for value in values:
        if isinstance(value, str):
            for word in fold_term(value).split():
                if _LATIN.fullmatch(word) and (len(word) > 2 or " " not in value):
                    yield word


def _ordinary_words() -> list[str]:
    lines = _ORDINARY_WORDS.read_text("utf-8").splitlines()
    return [fold_term(w) for line in lines if not line.startswith("#") for w in line.split()]
