# ruff: noqa: E501, SIM905  (lists of words)
"""Invented people and places behind a visit: everything that HIPAA calls an identifier, drawn from seeds."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np

from .patient import Visit

FAMILY = tuple(
    "Abara Adeyemi Aguilar Alvarado Anders Antonelli Baker Barlow Bauer Beckett Bell Bergstrom Bishop Blake Bone Brandt Brooks "
    "Calloway Campbell Carver Castillo Chandra Chen Cho Clarke Cohen Cole Cooper Cruz Dang Davies Delgado Dubois Ellis Espinoza "
    "Farouk Fischer Fitzgerald Foster Fox Frost Gallagher Garcia Gibson Gonzalez Grant Gray Greene Gupta Haddad Hall Hand Harper "
    "Hayes Henderson Hill Hoffman Hughes Hussain Ibrahim Ivanov Jackson Jensen Johnson Joshi Kaplan Keller Khan Kim Klein Kowalski "
    "Lambert Larsen Le Lindqvist Long Lopez MacDonald Marsh Martinez May McCarthy Mehta Mendoza Miller Moon Morales Moreau Morgan "
    "Nakamura Nguyen Novak O'Brien O'Connor Okafor Olsen Ortiz Osei Park Parker Patel Pereira Petrov Phillips Price Quinn Ramirez "
    "Reed Reyes Rhodes Rivera Rose Rossi Russo Salazar Sanchez Santos Sato Schneider Sharma Short Silva Singh Small Smith Stone "
    "Strong Sullivan Tanaka Thomas Thompson Torres Tran Underwood Vance Vargas Vasquez Wagner Walker Ward Waters Weber White "
    "Whitfield Williams Wolfe Wong Wood Wright Yamamoto Young Zhang Zimmerman Achterberg-Lowe St.Clair Van-Houten".split()
)
MEN = tuple(
    "Aaron Ahmed Albert Andre Anthony Arjun Benjamin Carlos Charles Chidi Christopher Daniel David Diego Dmitri Edward Emeka Eric "
    "Francis Frank Gabriel George Grant Harold Hassan Henry Hiroshi Isaac Ivan Jack James Javier Joel John Jorge Joseph Julian "
    "Kenneth Kevin Lars Leon Louis Luis Marcus Mark Martin Matthew Miguel Nathan Noah Oliver Omar Oscar Patrick Paul Peter Rafael "
    "Raj Raymond Richard Robert Samuel Scott Sean Simon Stephen Theodore Thomas Victor Walter Wei William Xavier Yusuf".split()
)
WOMEN = tuple(
    "Abigail Aisha Alice Amara Amelia Ana Angela Anita April Beatrice Bianca Carmen Caroline Catherine Chloe Clara Daisy Deborah "
    "Diana Dolores Eleanor Elena Elizabeth Emily Esther Eva Fatima Faith Florence Frances Grace Hannah Helen Hope Ingrid Irene "
    "Isabel Iris Jane Joan Joy Julia June Karen Keiko Laura Leila Lena Linda Lucia Margaret Maria Marisol Martha May Mei Miriam "
    "Nadia Natalie Nina Nora Olga Olivia Patricia Priya Rachel Rebecca Rosa Rose Ruth Sandra Sara Sofia Susan Teresa Valerie "
    "Vera Victoria Violet Wanjiru Yolanda Zainab Zoe".split()
)
PLACE = (
    "Ashford",
    "Bellmont",
    "Cedar Falls",
    "Crestview",
    "Dunmore",
    "Eastbrook",
    "Fairhaven",
    "Glen Rock",
    "Harrow Point",
    "Kingsport",
    "Lakemont",
    "Larkspur",
    "Maple Grove",
    "Millbrook",
    "Northgate",
    "Oakdale",
    "Pine Bluff",
    "Quarry Hill",
    "Redwater",
    "Riverton",
    "Silver Lake",
    "Stonebridge",
    "Thornbury",
    "Westhaven",
    "Willow Creek",
)
STATE = (
    ("MA", "Massachusetts"),
    ("OH", "Ohio"),
    ("TX", "Texas"),
    ("WA", "Washington"),
    ("IN", "Indiana"),
    ("GA", "Georgia"),
    ("NY", "New York"),
    ("MN", "Minnesota"),
    ("CO", "Colorado"),
    ("PA", "Pennsylvania"),
)
STREET = (
    "Alder",
    "Birch",
    "Chestnut",
    "Elm",
    "Franklin",
    "Garden",
    "Harbor",
    "Jefferson",
    "Laurel",
    "Main",
    "Meadow",
    "Orchard",
    "Park",
    "Prospect",
    "River",
    "Summit",
    "Union",
    "Vine",
    "Walnut",
    "Washington",
)
WAY = ("Street", "St.", "Avenue", "Ave", "Road", "Rd", "Lane", "Drive", "Blvd", "Court")
SAINT = ("St. Agnes", "St. Brendan's", "Holy Trinity", "Mercy", "Good Shepherd", "Mount Carmel", "St. Lucy's")
DEPARTMENT = (
    "Emergency Department",
    "Cardiology Clinic",
    "Medical Intensive Care Unit",
    "Surgical ICU",
    "Department of Radiology",
    "Oncology Infusion Center",
    "Thoracic Surgery Service",
    "Pulmonary Clinic",
    "Family Medicine Center",
)
ENDING = ("berg", "ski", "mann", "ova", "ares", "idis", "ayan", "uk", "well", "sson", "elli", "oya")
START = (
    "Bra",
    "Kel",
    "Dor",
    "Vin",
    "Tam",
    "Hol",
    "Mar",
    "Ost",
    "Pel",
    "Quim",
    "Ras",
    "Sten",
    "Tor",
    "Ul",
    "Wes",
    "Zab",
)
MIDDLE = ("", "en", "ar", "ti", "lo", "vi", "da")


@dataclass(frozen=True)
class Person:
    """A person's name in parts."""

    given: str
    middle: str
    family: str

    @property
    def full(self) -> str:
        """Given name and family name."""
        return f"{self.given} {self.family}"


@dataclass(frozen=True)
class Encounter:
    """Whom and what a visit's header, report and pixels may name."""

    patient: Person
    sex: str
    age: int
    birth: dt.date
    mrn: str
    address: str
    city: str
    state: tuple[str, str]
    zip_code: str
    home_phone: str
    date: dt.date
    time: dt.time
    prior: dt.date
    accession: str
    order: str
    hospital: str
    other_hospital: str
    department: str
    room: str
    referrer: Person
    radiologist: Person
    resident: Person
    nurse: Person
    relative: Person
    typist: str
    phone: str
    fax: str
    pager: str
    email: str
    url: str
    serial: str
    station: str


def person(rng: np.random.Generator, sex: str = "") -> Person:
    """A name; every seventh family name is composed of syllables, so that no list holds it."""
    sex = sex or ("M" if rng.random() < 0.5 else "F")
    given = str(rng.choice(MEN if sex == "M" else WOMEN))
    family = str(rng.choice(FAMILY))
    if rng.random() < 1 / 7:
        family = str(rng.choice(START)) + str(rng.choice(MIDDLE)) + str(rng.choice(ENDING))
    return Person(given, chr(65 + int(rng.integers(26))), family)


def _phone(rng: np.random.Generator) -> str:
    area, mid, last = int(rng.integers(201, 989)), int(rng.integers(200, 999)), int(rng.integers(0, 9999))
    form = rng.integers(4)
    return (f"({area}) {mid}-{last:04d}", f"{area}-{mid}-{last:04d}", f"{area}.{mid}.{last:04d}", f"{mid}-{last:04d}")[
        form
    ]


def _hospital(rng: np.random.Generator) -> str:
    place, saint = str(rng.choice(PLACE)), str(rng.choice(SAINT))
    return str(
        rng.choice(
            [
                f"{place} General Hospital",
                f"{saint} Medical Center",
                f"{place} Regional Medical Center",
                f"{saint} Hospital",
                f"{place} Veterans Hospital",
                f"University Hospital of {place}",
                f"{place} Imaging Center",
                f"{place} Community Hospital",
            ]
        )
    )


def encounter(visit: Visit) -> Encounter:
    """The people and places of a visit; the patient's own stay the same over the visits."""
    p = visit.patient
    rng = np.random.default_rng([p.seed, 7101])
    name = person(rng, p.sex)
    first = dt.date(2012, 1, 1) + dt.timedelta(days=int(rng.integers(0, 3600)))
    birth = first - dt.timedelta(days=int(p.age * 365.25 + rng.integers(5, 355)))
    mrn = str(rng.integers(10**6, 10**8))
    street = f"{rng.integers(1, 4999)} {rng.choice(STREET)} {rng.choice(WAY)}"
    if rng.random() < 0.3:
        street += f", Apt {rng.integers(1, 60)}{rng.choice(['', 'A', 'B', 'C'])}"
    city, state, zip_code = (
        str(rng.choice(PLACE)),
        STATE[int(rng.integers(len(STATE)))],
        f"{rng.integers(10000, 99999)}",
    )
    home, hospital = _phone(rng), _hospital(rng)
    relative = person(rng)
    v = np.random.default_rng([p.seed, visit.seed, 7102])
    date = first + dt.timedelta(days=(visit.seed % 60) * 45 + int(v.integers(0, 30)))
    radiologist, domain = person(v), hospital.lower().replace("'", "").replace(".", "").replace(" ", "")
    device = str(v.choice(["SN", "S/N ", "Serial ", "REF "])).strip()
    return Encounter(
        name,
        p.sex,
        p.age,
        birth,
        mrn,
        street,
        city,
        state,
        zip_code,
        home,
        date,
        dt.time(int(v.integers(0, 24)), int(v.integers(0, 60))),
        date - dt.timedelta(days=int(v.integers(1, 900))),
        str(v.choice(["ACC", "A", "CR", ""])) + str(v.integers(10**6, 10**8)),
        f"{v.integers(10**5, 10**7)}",
        hospital,
        _hospital(v),
        str(v.choice(DEPARTMENT)),
        str(
            v.choice(
                [
                    f"Room {v.integers(100, 999)}",
                    f"Bed {v.integers(1, 40)}{v.choice(['A', 'B'])}",
                    f"Rm {v.integers(1, 12)}-{v.integers(100, 400)}",
                    f"Ward {v.integers(2, 9)}{v.choice(['East', 'West', 'North'])}",
                ]
            )
        ),
        person(v),
        radiologist,
        person(v),
        person(v),
        relative,
        "".join(chr(97 + int(i)) for i in v.integers(0, 26, 2)),
        _phone(v),
        _phone(v),
        f"{v.integers(1000, 99999)}",
        f"{radiologist.given[0].lower()}{radiologist.family.lower().replace(chr(39), '')}@{domain[:18]}.{v.choice(['org', 'edu', 'com'])}",
        f"https://pacs.{domain[:18]}.org/study/{v.integers(10**5, 10**7)}",
        f"{device} {chr(65 + int(v.integers(26)))}{chr(65 + int(v.integers(26)))}{chr(65 + int(v.integers(26)))}{v.integers(10**5, 10**7)}{v.choice(['', 'H', 'S'])}",
        f"XR{v.integers(1, 30):02d}",
    )
