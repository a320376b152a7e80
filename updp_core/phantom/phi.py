# ruff: noqa: E501, SIM905  (a form of words a line; lists of words)
"""Planting PHI into a report, with its gold spans, and burning it into pixels."""

from __future__ import annotations

import datetime as dt

import cv2
import numpy as np
from numpy.typing import NDArray

from .detector import glyphs
from .people import Encounter, Person
from .phrases import expand
from .rays import Map

OPEN, BAR, CLOSE = "\ue000", "\ue001", "\ue002"  # private characters: no report contains them
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
DAYS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth "
    "seventeenth eighteenth nineteenth twentieth twenty-first twenty-second twenty-third twenty-fourth twenty-fifth twenty-sixth "
    "twenty-seventh twenty-eighth twenty-ninth thirtieth thirty-first"
).split()
ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def mark(category: str, value: str) -> str:
    """`value` as a piece of PHI inside a text that `unmark` will read."""
    return f"{OPEN}{category}{BAR}{value}{CLOSE}"


def unmark(text: str) -> tuple[str, list[tuple[int, int, str]]]:
    """The plain text and the (start, end, category) of its marked pieces."""
    plain: list[str] = []
    spans: list[tuple[int, int, str]] = []
    length = 0
    for piece in text.split(OPEN):
        if BAR in piece:
            category, rest = piece.split(BAR)
            value, after = rest.split(CLOSE)
            spans.append((length, length + len(value), category))
            piece = value + after
        plain.append(piece)
        length += len(piece)
    return "".join(plain), spans


def number_words(n: int) -> str:
    """A whole number under 100 in words."""
    return ONES[n] if n < 20 else TENS[n // 10] + (f"-{ONES[n % 10]}" if n % 10 else "")


def date_text(day: dt.date, rng: np.random.Generator, plain: bool = False) -> str:
    """A date in one of the many forms that reports use; `plain` leaves out those in words."""
    month, short = MONTHS[day.month - 1], MONTHS[day.month - 1][:3]
    forms = [
        day.strftime("%m/%d/%Y"),
        f"{day.month}/{day.day}/{day.year % 100:02d}",
        day.isoformat(),
        day.strftime("%d.%m.%Y"),
        f"{day.day:02d}-{short}-{day.year}",
        f"{day.day:02d}-{short.upper()}-{day.year}",
        f"{month} {day.day}, {day.year}",
        f"{short} {day.day}, {day.year}",
        f"{day.day} {month} {day.year}",
        f"{month} {day.year}",
        f"{day.month}/{day.day}",
        day.strftime("%Y%m%d"),
        f"{short}. {day.day}, {day.year}",
        f"{month} {day.day}{_suffix(day.day)}",
    ]
    if not plain:
        year = f"two thousand {number_words(day.year - 2000)}"
        forms += [
            f"the {DAYS[day.day - 1]} of {month}",
            f"{month} {DAYS[day.day - 1]}",
            f"the {DAYS[day.day - 1]} of {month}, {year}",
            f"{month} {DAYS[day.day - 1]}, {year}",
        ]
    else:
        forms = [f for f in forms if str(day.year) in f and not f.startswith(month + " " + str(day.year))]
    return forms[int(rng.integers(len(forms)))]


def _suffix(n: int) -> str:
    return "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")


def time_text(time: dt.time, rng: np.random.Generator) -> str:
    """A time of day in one of several forms."""
    hour = time.hour % 12 or 12
    half = "AM" if time.hour < 12 else "PM"
    forms = [
        time.strftime("%H:%M"),
        time.strftime("%H:%M:%S"),
        f"{hour}:{time.minute:02d} {half}",
        f"{hour}:{time.minute:02d} {half[0].lower()}.m.",
        time.strftime("%H%M") + " hours",
    ]
    return forms[int(rng.integers(len(forms)))]


def name_text(person: Person, rng: np.random.Generator, header: bool = False) -> str:
    """A patient's name: family name first where it stands in a header."""
    if header:
        forms = [
            f"{person.family}, {person.given}",
            f"{person.family.upper()}, {person.given.upper()} {person.middle}",
            f"{person.given} {person.middle}. {person.family}",
            f"{person.family.upper()}^{person.given.upper()}",
        ]
    else:
        forms = [person.full, f"{person.given} {person.middle}. {person.family}", person.full.upper()]
    return forms[int(rng.integers(len(forms)))]


def doctor(person: Person, rng: np.random.Generator) -> str:
    """A physician with title, marked."""
    full = mark("personnel", person.full)
    middle = mark("personnel", f"{person.given} {person.middle}. {person.family}")
    family, initial = mark("personnel", person.family), mark("personnel", f"{person.given[0]}. {person.family}")
    forms = [
        f"Dr. {family}",
        f"Dr. {full}",
        f"{full}, M.D.",
        f"{middle}, MD",
        f"{full}, MD",
        f"Dr {initial}",
        f"{full}, DO",
    ]
    return forms[int(rng.integers(len(forms)))]


def who(e: Encounter, rng: np.random.Generator) -> str:
    """The patient by age and sex (or by name), marked: how an indication begins."""
    man = e.sex == "M"
    age = [
        f"{e.age}-year-old",
        f"{e.age} year old",
        f"{e.age} y/o",
        f"{e.age}yo",
        f"{number_words(e.age)}-year-old",
        f"{e.age} yr old",
    ][int(rng.integers(6))]
    noun = (["man", "male", "gentleman", "M"] if man else ["woman", "female", "lady", "F"])[int(rng.integers(4))]
    if rng.random() < 0.12:
        return f"{'Mr.' if man else str(rng.choice(['Ms.', 'Mrs.']))} {mark('name', e.patient.family)} is a {mark('demographic', age)} {mark('demographic', noun)}"
    return f"{mark('demographic', age)} {mark('demographic', noun)}"


def header_lines(e: Encounter, rng: np.random.Generator) -> list[str]:
    """The block above a report: institution and patient, each line there or not."""
    city = mark("location", e.city)
    state = mark("location", e.state[int(rng.integers(2))])
    lines: list[tuple[float, str]] = [
        (0.6, mark("institution", e.hospital)),
        (0.35, mark("institution", e.department)),
        (0.3, f"{mark('location', e.address)}, {city}, {state} {mark('location', e.zip_code)}"),
        (
            0.25,
            expand("[Tel|Phone|Telephone|Ph]:", rng)
            + " "
            + mark("contact", e.phone)
            + (f"  Fax: {mark('contact', e.fax)}" if rng.random() < 0.5 else ""),
        ),
        (
            0.75,
            expand("[Patient|Patient Name|Name|PATIENT]:", rng) + " " + mark("name", name_text(e.patient, rng, True)),
        ),
        (
            0.7,
            expand("[MRN|MRN #|Medical Record Number|MR#|Patient ID|Unit No]:", rng) + " " + mark("identifier", e.mrn),
        ),
        (0.5, expand("[DOB|Date of Birth|D.O.B.|Born]:", rng) + " " + mark("date", date_text(e.birth, rng, True))),
        (
            0.35,
            expand("[Age/Sex|Age / Gender]:", rng)
            + " "
            + f"{mark('demographic', str(e.age))}/{mark('demographic', e.sex)}",
        ),
        (0.5, expand("[Accession|Accession Number|Acc #|Accession No.]:", rng) + " " + mark("identifier", e.accession)),
        (0.2, expand("[Order|Order No|Visit number]:", rng) + " " + mark("identifier", e.order)),
        (
            0.6,
            expand("[Date of exam|Exam date|Date of Service|Study date|DATE]:", rng)
            + " "
            + mark("date", date_text(e.date, rng, True))
            + (f" {mark('date', time_text(e.time, rng))}" if rng.random() < 0.4 else ""),
        ),
        (
            0.5,
            expand("[Ordering physician|Referring physician|Requested by|Ordering Provider|Attending]:", rng)
            + " "
            + doctor(e.referrer, rng),
        ),
        (0.25, expand("[Location|Patient location|Unit]:", rng) + " " + mark("location", e.room)),
        (0.12, expand("[Home phone|Patient phone|Emergency contact]:", rng) + " " + mark("contact", e.home_phone)),
        (0.10, expand("[Next of kin|Contact person|Accompanied by]:", rng) + " " + mark("name", e.relative.full)),
        (0.12, expand("[Equipment|Detector|Unit]:", rng) + " " + mark("device_serial", e.serial)),
    ]
    return [text for chance, text in lines if rng.random() < chance]


def comparison(e: Encounter, rng: np.random.Generator, follow_up: bool) -> str:
    """The COMPARISON section, marked."""
    if not follow_up:
        return expand("[None.|None available.|No prior studies.|No comparison available.]", rng)
    day, other = mark("date", date_text(e.prior, rng)), mark("institution", e.other_hospital)
    return expand(
        f"[Chest radiograph [dated|of|from] {day}.|Chest x-ray {day}.|{day}.|Prior chest radiograph from {day} at {other}.|"
        f"CT chest {day} and prior radiographs.|Radiographs {day}, {mark('date', time_text(e.time, rng))}.|Outside study from {other}, {day}.]",
        rng,
    )


def body_lines(e: Encounter, rng: np.random.Generator, follow_up: bool, device: bool) -> list[str]:
    """Sentences with PHI that may stand in the findings."""
    options: list[tuple[float, str]] = []
    if follow_up:
        options.append(
            (
                0.3,
                f"Comparison is made [to|with] the [study|examination|radiograph] of {mark('date', date_text(e.prior, rng))}.",
            )
        )
    if device:
        options.append(
            (0.4, f"Generator {mark('device_serial', e.serial)}[, implanted {mark('date', date_text(e.prior, rng))}|].")
        )
    options += [
        (
            0.07,
            f"The patient was [examined|imaged] in {mark('location', e.room)}[ of the {mark('institution', e.department)}|].",
        ),
        (
            0.06,
            f"[History was provided by the patient's daughter, |The study was reviewed with the patient's spouse, ]{mark('name', e.relative.full)}.",
        ),
        (
            0.06,
            f"{'Mr.' if e.sex == 'M' else 'Mrs.'} {mark('name', e.patient.family)} was [positioned upright|unable to take a deep breath|cooperative].",
        ),
        (
            0.05,
            f"The patient, a resident of {mark('location', e.city)}, [has no prior study here|was transferred from {mark('institution', e.other_hospital)}].",
        ),
    ]
    return [expand(text, rng) for chance, text in options if rng.random() < chance]


def impression_lines(e: Encounter, rng: np.random.Generator) -> list[str]:
    """Sentences with PHI that may close the impression: to whom it was told, when and how."""
    day, time = mark("date", date_text(e.date, rng)), mark("date", time_text(e.time, rng))
    options = [
        (
            0.25,
            f"[Findings|Results|These findings] were [discussed with|communicated to|conveyed to] {doctor(e.referrer, rng)} [by telephone |by phone |in person |]at {time}[ on {day}|].",
        ),
        (0.08, f"[Paged|Dr.'s pager] {mark('contact', e.pager)} at {time}."),
        (0.07, f"Nurse {mark('personnel', e.nurse.full)} [was informed|acknowledged receipt] at {time}."),
        (0.06, f"[Please call|For questions call] {mark('contact', e.phone)}[ or page {mark('contact', e.pager)}|]."),
        (
            0.06,
            f"[Follow-up is scheduled|Repeat study requested] for {mark('date', date_text(e.date + dt.timedelta(days=42), rng))}.",
        ),
    ]
    return [
        expand(text, rng).replace("Dr.'s pager", "Covering physician, pager")
        for chance, text in options
        if rng.random() < chance
    ]


def signature_lines(e: Encounter, rng: np.random.Generator) -> list[str]:
    """The block below a report."""
    day, time = mark("date", date_text(e.date, rng, True)), mark("date", time_text(e.time, rng))
    initials = f"{e.radiologist.given[0]}{e.radiologist.family[0]}"
    options = [
        (
            0.7,
            f"[Electronically signed by|Signed by|Interpreted by|Dictated by|Read by|Report approved by]:[ |] {doctor(e.radiologist, rng)}[ on {day}| {day} {time}|, {day} at {time}|]",
        ),
        (0.25, f"[Resident|Preliminary read|Dictated by]: {doctor(e.resident, rng)}"),
        (0.2, f"{mark('personnel', initials)}/{mark('personnel', e.typist)} {day}"),
        (0.2, f"[Transcribed|Dictated|D|T]: {day} {time}"),
        (0.15, f"cc: {doctor(e.referrer, rng)}[, fax {mark('contact', e.fax)}|]"),
        (0.12, f"[E-mail|Contact]: {mark('contact', e.email)}"),
        (0.12, f"[Images|Study] available at {mark('contact', e.url)}"),
        (0.10, f"{mark('institution', e.hospital)}, {mark('institution', e.department)}"),
        (0.08, f"[Acquired on|Equipment] {mark('identifier', e.station)}[, {mark('device_serial', e.serial)}|]"),
    ]
    return [expand(text, rng) for chance, text in options if rng.random() < chance]


def burned_lines(e: Encounter, rng: np.random.Generator) -> list[str]:
    """Two to four lines as an old modality writes them into the picture."""
    lines = [
        f"{e.patient.family.upper()}, {e.patient.given.upper()}",
        f"MRN {e.mrn}",
        f"DOB {e.birth:%m/%d/%Y}",
        f"{e.date:%m/%d/%Y} {e.time:%H:%M}",
        e.hospital.upper(),
        f"ACC {e.accession}",
    ]
    keep = sorted(rng.choice(len(lines) - 1, int(rng.integers(1, 4)), replace=False) + 1)
    return [lines[0], *(lines[i] for i in keep)]


def burn(
    image: NDArray[np.uint16], lines: list[str], rng: np.random.Generator
) -> tuple[NDArray[np.uint16], list[tuple[int, int, int, int]]]:
    """A copy of a uint16 image with `lines` in a corner, and the box (x0, y0, x1, y1) of each line."""
    n = image.shape[0]
    picture = image.astype(np.float32) / 65535
    height = max(round(n * float(rng.uniform(0.021, 0.027))), 9)
    right, bottom = bool(rng.integers(2)), bool(rng.integers(2))
    y = n - round(len(lines) * height * 1.5) - 6 if bottom else 6
    boxes = []
    for line in lines:
        mask: Map = glyphs(line, height)
        if mask.shape[1] > n - 8:
            mask = cv2.resize(mask, (n - 8, mask.shape[0]), interpolation=cv2.INTER_AREA)
        h, w = mask.shape
        x = n - w - 4 if right else 4
        part = picture[y : y + h, x : x + w]
        # A dark outline keeps the letters legible on white.
        dark = cv2.dilate(mask[: part.shape[0]], np.ones((3, 3)))
        part *= 1 - 0.85 * dark
        part += mask[: part.shape[0]] * (1 - part)
        boxes.append((x, y, x + w, min(y + h, n)))
        y += round(height * 1.5)
    return (np.clip(picture, 0, 1) * 65535).astype(np.uint16), boxes
