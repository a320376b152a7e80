"""The categories of PHI, each once: what stands in its place, what the page calls it, what models call it."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from updp_core.report import stand_ins

Maker = Callable[[str, random.Random], str]


@dataclass(frozen=True)
class Category:
    """A category of PHI. Its `name` is that of a blacklist file, if it has one.

    `placeholder` stands in a filtered report, `short` on a mark of the page. `stand_in` draws an invented value of the
    same shape; without one the placeholder stays. `named`: blacklisted terms of this category are names themselves, not
    words such as "MRN" that come before one, and get stand-ins too. `labels`: what token-classification models call it.
    """

    name: str
    placeholder: str
    short: str
    stand_in: Maker | None = None
    named: bool = False
    labels: str = ""


OTHER = "[REMOVED]"
# Where pieces overlap, the category that stands first is kept: it says most.
CATEGORIES: tuple[Category, ...] = (
    Category("left_out", "[LEFT OUT]", "level"),  # no PHI: what the privacy level does not tell
    Category(
        "names",
        "[NAME]",
        "name",
        stand_ins.name,
        named=True,
        labels="patient hcw per person name doctor staff username nurse",
    ),
    Category(
        "contact", "[CONTACT]", "contact", stand_ins.contact, labels="phone fax email url contact phoneorfax ipaddr"
    ),
    Category("dates_and_times", "[DATE]", "date", stand_ins.date, labels="date time date_time"),
    Category(
        "identifiers",
        "[ID]",
        "id",
        stand_ins.number,
        labels="id medicalrecord idnum medical_record ssn account license bioid healthplan",
    ),
    Category("device_serials", "[SERIAL]", "serial", stand_ins.number, labels="device serial"),
    Category(
        "institutions",
        "[INSTITUTION]",
        "place",
        stand_ins.institution,
        named=True,
        labels="hospital org organization organisation vendor institution facility",
    ),
    Category(
        "locations",
        "[LOCATION]",
        "place",
        stand_ins.place,
        named=True,
        labels="loc location gpe city state country zip street address location-other",
    ),
    Category("demographics", "[DEMOGRAPHIC]", "age/sex", labels="age profession sex race"),
    Category("titles_and_names", "[NAME]", "name", stand_ins.full_name),
    Category("personnel", "[PERSONNEL]", "staff"),
    Category("deid_markers", "[REDACTED]", "marker"),
    Category("disguised_text", OTHER, "disguised"),
    Category("hidden_text", "", "hidden"),  # nobody sees it, so nothing needs to stand in its place
)
_BY_NAME = {category.name: category for category in CATEGORIES}
_BY_LABEL = {label: category.name for category in CATEGORIES for label in category.labels.split()}
_RANK = {category.name: rank for rank, category in enumerate(CATEGORIES)}
PLACEHOLDER = re.compile("|".join(map(re.escape, sorted({c.placeholder for c in CATEGORIES} - {""}))))
"""Any placeholder of this filter."""


def category_of(name: str) -> Category:
    """The category of this name; a lexicon may have categories of its own, which have no stand-in."""
    return _BY_NAME.get(name) or Category(name, OTHER, name.replace("_", " "))


def rank_of(name: str) -> int:
    """Its place in the order of telling: a lexicon's own categories say most."""
    return _RANK.get(name, -1)


def of_label(label: str) -> str:
    """The name of the category that a model's label means; an unknown label counts as an identifier."""
    return _BY_LABEL.get(label.lower(), "identifiers")
