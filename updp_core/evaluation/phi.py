"""How much PHI the report filter finds, and what it takes besides, by category, on texts with gold spans.

A gold span is found where every letter and digit of it is removed. A removed piece is right where it overlaps a gold
span; a blacklisted word outside of gold spans ("MRN", "Phone") goes by design and is no wrong guess, but it is text
that is lost, so over-redaction counts it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from updp_core.errors import IntakeError
from updp_core.evaluation import statistics
from updp_core.evaluation.measures import Found, Measure, Row
from updp_core.evaluation.testbed import Testbed
from updp_core.imageset import HELD_OUT
from updp_core.intake.files import read_csv
from updp_core.lexicon import Lexicon
from updp_core.phantom import sample_patient, sample_visit, write_report
from updp_core.report.filter import find_spans

KINDS: Mapping[str, str] = {
    "names": "name names person persons patient patient_name doctor staff nurse hcw relative username "
    "titles_and_names personnel",
    "locations": "location locations loc gpe geographic_location place city town state country county zip zip_code "
    "street street_address address institution institutions hospital clinic facility",
    "dates": "date dates date_time time dates_and_times",
    "contact": "contact email email_address phone phone_number fax fax_number telephone url domain_name ip_address",
    "demographics": "age sex gender race nrp nationality profession demographic demographics",
    "organisations": "organisation organization org company vendor",
    "titles": "title titles",
}
"""Kind -> gold labels and categories of the filter, in lower case, that mean it; all others are "ids" (numbers,
serials, accounts). The filter does not aim at organisations and titles."""
_KIND = {label: kind for kind, labels in KINDS.items() for label in labels.split()}
ALL = (*KINDS, "ids")
_WORD = re.compile(r"\w+")
_FORMS = 'a line of JSON {"text": "...", "spans": [{"start": 0, "end": 4, "category": "name"}], "patient": "..."}'
_COLUMNS = ("text", "start", "end", "category")


@dataclass(frozen=True)
class Mark:
    """text[start:end] and what it is called."""

    start: int
    end: int
    category: str


@dataclass(frozen=True)
class Gold:
    """A text, the spans that its authors call PHI, and its patient ("": nobody else's text)."""

    text: str
    spans: tuple[Mark, ...]
    patient: str = ""


@dataclass(frozen=True)
class Removed:
    """A piece that the filter removes: `hit` says whether it overlaps a gold span, `term` that it is a blacklisted word
    outside of any."""

    mark: Mark
    rule: str
    hit: bool
    term: bool


@dataclass(frozen=True)
class Counted:
    """A text as the filter judged it: gold spans with whether all and any of their letters go, removed pieces, and of
    each word outside of gold spans the kind under which it goes ("": it stays)."""

    gold: tuple[tuple[Mark, bool, bool], ...]
    removed: tuple[Removed, ...]
    words: tuple[str, ...]


def kind(label: str) -> str:
    """What a gold label or a category of the filter means, of ALL."""
    return _KIND.get(label.lower(), "ids")


def count(item: Gold, lexicon: Lexicon) -> Counted:
    """Hold what the filter removes of a text against its gold spans; markers that another tool left do not count."""
    spans = [s for s in find_spans(item.text, lexicon) if s.category != "deid_markers"]
    under = {i: kind(s.category) for s in spans for i in range(s.start, s.end)}
    gold = []
    for mark in item.spans:
        letters = {i for i in range(mark.start, mark.end) if item.text[i].isalnum()}
        gold.append((mark, letters <= under.keys(), bool(letters & under.keys())))
    removed = []
    for s in spans:
        hit = any(s.start < g.end and g.start < s.end for g in item.spans)
        removed.append(Removed(Mark(s.start, s.end, s.category), s.rule, hit, not hit and s.rule.startswith("lexicon")))
    inside = {i for g in item.spans for i in range(g.start, g.end)}
    words = [under.get(m.start(), "") for m in _WORD.finditer(item.text) if m.start() not in inside]
    return Counted(tuple(gold), tuple(removed), tuple(words))


def phantoms(seeds: Iterable[int]) -> Iterator[Gold]:
    """Reports of phantoms with planted PHI."""
    for seed in seeds:
        report = write_report(sample_visit(sample_patient(seed), 0), seed, phi=True)
        yield Gold(report.text, tuple(Mark(s.start, s.end, s.category) for s in report.spans))


def read(source: Path, say: Callable[[str], None] = print) -> list[Gold]:
    """Texts with gold spans from a file of one's own.

    JSON lines hold a text each, `spans` with `start`, `end` (characters, from 0, end excluded) and `category` or
    `type`, and `patient` where several texts are one's. A CSV table holds a span a row (`text`, `start`, `end`,
    `category`, optional `patient`), rows of one text next to each other; a row without start is a text without PHI.
    A line that cannot be read is left out and said by its number. Raises IntakeError where nothing can be read.
    """
    if not source.is_file():
        raise IntakeError("There is no such file: give a CSV table or JSON lines with texts and gold spans.")
    table = source.name.lower().removesuffix(".gz").endswith(".csv")
    found: list[Gold] = []
    for number, item in _rows(source) if table else _lines(source):
        if isinstance(item, str):
            say(f"line {number} is left out: {item}")
        else:
            found.append(item)
    if not found:
        raise IntakeError(f"No text with gold spans can be read. Each is {_FORMS}, or rows of {', '.join(_COLUMNS)}.")
    return found


def _lines(source: Path) -> Iterator[tuple[int, Gold | str]]:
    with source.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    row = json.loads(line)
                    yield number, _gold(row["text"], row.get("spans", []), row.get("patient", ""))
                except (ValueError, KeyError, TypeError, AttributeError):
                    yield number, f"it is not {_FORMS} with spans inside of the text."


def _rows(source: Path) -> Iterator[tuple[int, Gold | str]]:
    names, rows = read_csv(source)
    if lacking := [name for name in _COLUMNS if name not in names]:
        raise IntakeError(f"The table lacks the column {lacking[0]}. It needs {', '.join(_COLUMNS)}.")
    part: list[dict[str, str]] = []
    begun = 0
    for number, row in rows:
        if part and (row["text"], row.get("patient")) != (part[0]["text"], part[0].get("patient")):
            yield begun, _of_rows(part)
            part = []
        begun = begun if part else number
        part.append(row)
    if part:
        yield begun, _of_rows(part)


def _of_rows(part: list[dict[str, str]]) -> Gold | str:
    try:
        return _gold(part[0]["text"], [row for row in part if row["start"].strip()], part[0].get("patient", ""))
    except (ValueError, KeyError, TypeError):
        return "start and end are numbers of characters inside of the text, category is a word."


def _gold(text: Any, spans: Any, patient: Any) -> Gold:
    marks = tuple(Mark(int(s["start"]), int(s["end"]), str(s.get("category") or s["type"])) for s in spans)
    if not isinstance(text, str) or any(not 0 <= m.start < m.end <= len(text) for m in marks):
        raise ValueError
    return Gold(text, marks, str(patient or ""))


def phi(bed: Testbed) -> Found:
    """Recall, precision and over-redaction by kind, of one's own gold spans or of phantom reports with planted PHI."""
    first = HELD_OUT.start + 10_000 * (bed.seed % 90) + 7_000
    items = read(bed.source, bed.say) if bed.source else list(phantoms(range(first, first + bed.sizes.singles)))
    whose = [item.patient or f"text {n}" for n, item in enumerate(items)]
    counted = [count(item, bed.lexicon) for item in items]
    gold = [(who, kind(g.category), hit) for who, c in zip(whose, counted, strict=True) for g, hit, _ in c.gold]
    removed = [
        (who, kind(r.mark.category), r.hit)
        for who, c in zip(whose, counted, strict=True)
        for r in c.removed
        if not r.term
    ]
    words = [(who, under) for who, c in zip(whose, counted, strict=True) for under in c.words]
    found, n = Found(), {"texts": len(items), "patients": len(set(whose))}
    for name in (*ALL, "all"):
        for figure, rows, what in (("recall", gold, "spans"), ("precision", removed, "pieces")):
            some = [row for row in rows if name in ("all", row[1])]
            hits, groups = np.array([hit for *_, hit in some], bool), np.array([who for who, *_ in some])
            found.put(f"phi_{figure}.{name}", statistics.share(hits, groups), **{what: len(some)}, **n)
        lost = np.array([bool(under) if name == "all" else under == name for _, under in words], bool)
        figure_ = statistics.share(lost, np.array([who for who, _ in words]))
        found.put(f"phi_over.{name}", figure_, words=len(words), **n)
    return found


def _rows_of(name: str) -> tuple[Row, ...]:
    called = {"all": "all kinds", "ids": "numbers and serials"}.get(name, name)
    return (
        Row(f"phi_recall.{name}", f"PHI removed whole: {called} (recall)", "share"),
        Row(f"phi_precision.{name}", f"Removed pieces that are PHI: {called} (precision)", "share"),
        Row(f"phi_over.{name}", f"Words that are no PHI and go all the same: {called} (over-redaction)", "share"),
    )


PHI = Measure(
    "phi",
    (),
    phi,
    tuple(row for name in ("all", *ALL) for row in _rows_of(name)),
    beside=lambda bed: hashlib.sha256(bed.source.read_bytes()).hexdigest() if bed.source else "phantoms",
)
