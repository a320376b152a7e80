"""Recall and precision of the report filter by category, on text with planted PHI, and what it costs real reports.

python -m benchmarks.report_phi [--data FOLDER] [--reports FILE.csv] [--phantom N] [--misses N]
    [--kept-out N] [--without-recogniser]

A gold span is found where every letter and digit of it is removed ("recall"), touched where any is. A predicted span
is right where it overlaps a gold span ("precision"); blacklisted words outside of gold spans ("MRN", "Phone") go by
design and are counted apart ("terms"). The shipped recogniser is one of the finders. Values of gold spans are printed
only with --misses, for synthetic data.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from updp_core.domain import Span
from updp_core.lexicon import Lexicon, load_lexicon
from updp_core.report import filter_report, ner, residual
from updp_core.report.filter import find_spans

_TEXTS = Path(os.environ.get("UPDP_TEST_DATA") or "no-test-data")
OURS = {
    "LOCATION": "locations",
    "ORGANISATION": "locations",
    "CONTACT": "contact",
    "NAME": "names",
    "PERSON": "names",
    "names": "names",
    "titles_and_names": "names",
    "personnel": "names",
    "GEOGRAPHIC_LOCATION": "locations",
    "STREET_ADDRESS": "streets",
    "GPE": "towns",
    "ZIP_CODE": "locations",
    "locations": "locations",
    "institutions": "locations",
    "ORGANIZATION": "organisations (not targeted)",
    "DATE": "dates",
    "DATE_TIME": "dates",
    "dates_and_times": "dates",
    "EMAIL_ADDRESS": "contact",
    "PHONE_NUMBER": "contact",
    "FAX_NUMBER": "contact",
    "DOMAIN_NAME": "contact",
    "IP_ADDRESS": "contact",
    "contact": "contact",
    "AGE": "demographics",
    "NRP": "demographics",
    "demographics": "demographics",
    "TITLE": "titles (not targeted)",
    "deid_markers": "markers",
    "name": "names",
    "location": "locations",
    "institution": "locations",
    "date": "dates",
    "time": "dates",
    "demographic": "demographics",
    "identifier": "ids",
    "device": "ids",
}


@dataclass(frozen=True)
class Gold:
    """A text with the spans that its authors call PHI."""

    text: str
    spans: tuple[Span, ...]


def category(name: str) -> str:
    """The benchmark's category of a gold label or of one of our categories."""
    return OURS.get(name, "ids")


def asq(path: Path) -> Iterator[Gold]:
    """ASQ-PHI: clinical queries with tagged identifiers."""
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        spans = [Span(s["start"], s["end"], "gold", s["type"]) for s in row["spans"] if s["start"] >= 0]
        yield Gold(row["text"], tuple(spans))


def presidio(path: Path) -> Iterator[Gold]:
    """presidio-research, synthetic sentences (not clinical)."""
    for row in json.loads(path.read_text("utf-8")):
        spans = [Span(s["start_position"], s["end_position"], "gold", s["entity_type"]) for s in row["spans"]]
        yield Gold(row["full_text"], tuple(spans))


def phantoms(count: int) -> Iterator[Gold]:
    """Our own phantom reports with planted PHI."""
    from updp_core.phantom import sample_patient, sample_visit, write_report

    for seed in range(count):
        report = write_report(sample_visit(sample_patient(seed), seed), seed, phi=True)
        spans = tuple(Span(s.start, s.end, "gold", s.category) for s in report.spans)
        yield Gold(report.text, spans)


def kept_out(count: int) -> Iterator[Gold]:
    """Sentences of the template family that the recogniser was not trained on, with names and places it never saw."""
    from updp_core.report.light import light_imports

    with light_imports():
        from updp_core.training.recogniser import samples
        from updp_core.training.recogniser_phrases import HELD_FAMILY

    for sample in islice(samples(1234, "held", HELD_FAMILY), count):
        yield Gold(sample.text, tuple(Span(start, end, "gold", label) for start, end, label in sample.entities))


def score(name: str, items: list[Gold], lexicon: Lexicon, misses: int) -> dict[str, dict[str, float]]:
    """Print and return recall, touch rate and precision by category over `items`."""
    found, touched, total = Counter[str](), Counter[str](), Counter[str]()
    right, predicted, terms = Counter[str](), Counter[str](), Counter[str]()
    missed, wrong = defaultdict(list), defaultdict(list)
    start = time.process_time()
    for item in items:
        spans = [s for s in find_spans(item.text, lexicon) if s.category != "deid_markers"]
        covered = {i for s in spans for i in range(s.start, s.end)}
        for gold in item.spans:
            kind = category(gold.category)
            letters = {i for i in range(gold.start, gold.end) if item.text[i].isalnum()}
            total[kind] += 1
            found[kind] += letters <= covered
            touched[kind] += bool(letters & covered)
            if not letters <= covered:
                missed[kind].append(
                    item.text[max(0, gold.start - 30) : gold.start]
                    + "<<"
                    + item.text[gold.start : gold.end]
                    + ">>"
                    + item.text[gold.end : gold.end + 20]
                )
        for span in spans:
            kind = category(span.category)
            hit = any(span.start < g.end and g.start < span.end for g in item.spans)
            if not hit and span.rule.startswith("lexicon"):
                terms[kind] += 1
                continue
            predicted[kind] += 1
            right[kind] += hit
            if not hit:
                wrong[kind].append(f"[{span.rule}] {item.text[span.start : span.end]}")
    seconds = time.process_time() - start
    print(f"\n{name}: {len(items)} texts, {1000 * seconds / max(len(items), 1):.1f} ms of processor time each")
    print(f"{'category':32}{'gold':>7}{'recall':>9}{'touched':>9}{'found':>8}{'precision':>11}{'terms':>7}")
    result = {}
    for kind in [*sorted(total.keys() | predicted.keys()), "all"]:
        n = total[kind] if kind != "all" else total.total()
        p = predicted[kind] if kind != "all" else predicted.total()
        f, t, r = (c[kind] if kind != "all" else c.total() for c in (found, touched, right))
        result[kind] = {"gold": n, "recall": f / n if n else float("nan"), "precision": r / p if p else float("nan")}
        shown = [f"{x / y:9.1%}" if y else f"{'-':>9}" for x, y in ((f, n), (t, n))]
        print(f"{kind:32}{n:7}{shown[0]}{shown[1]}{p:8}{f'{r / p:.1%}' if p else '-':>11}{terms[kind] or '':>7}")
    for title, lists in (("missed", missed), ("wrong", wrong)) if misses else ():
        for kind, values in sorted(lists.items()):
            print(f"-- {title}, {kind}: {len(values)}")
            for value, n in Counter(values).most_common(misses):
                print(f"   {n} x {value!r}")
    return result


def keep(path: Path, lexicon: Lexicon, misses: int) -> float:
    """Print and return the share of whitelisted words that the filter takes from real reports (a CSV file)."""
    kept, lost = Counter[str](), Counter[str]()
    left = 0
    start = time.process_time()
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    for row in rows:
        text = "\n".join(f"{k.upper()}: {row[k]}" for k in ("indication", "findings", "impression") if row.get(k))
        filtered = filter_report(text, lexicon)
        left += len(residual(filtered, lexicon))
        gone = {i for s in filtered.spans for i in range(s.start, s.end)}
        for match in re.finditer(r"[^\W_]+", text):
            word = match.group().lower()
            if word in lexicon.allowed_words:
                (lost if match.start() in gone else kept)[word] += 1
    seconds = time.process_time() - start
    share = lost.total() / max(1, lost.total() + kept.total())
    total = lost.total() + kept.total()
    print(
        f"\n{path.name}: {len(rows)} reports in {seconds:.1f} s of processor time; {lost.total()} of {total}", end=" "
    )
    print(f"whitelisted words lost ({share:.3%}); residual spans after filtering: {left}")
    if misses:
        print("   ", lost.most_common(misses))
    return share


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=_TEXTS / "text_phi")
    parser.add_argument("--reports", type=Path, default=_TEXTS / "reports_iu" / "iu_reports.csv")
    parser.add_argument("--phantom", type=int, default=300, help="number of phantom reports")
    parser.add_argument("--misses", type=int, default=0, help="print so many missed and wrong spans a category")
    parser.add_argument("--kept-out", type=int, default=300, help="number of texts of the kept-out template family")
    parser.add_argument("--without-recogniser", action="store_true", help="the rules alone, to compare")
    options = parser.parse_args()
    lexicon = load_lexicon()
    if options.without_recogniser:
        ner.recognise = lambda text: ()  # type: ignore[assignment]
    find_spans("warm up", lexicon)
    for name, read in (("asq_phi.jsonl", asq), ("presidio_synth_v2_by_template.json", presidio)):
        if (options.data / name).exists():
            score(name, list(read(options.data / name)), lexicon, options.misses)
        else:
            print(f"\n{name}: not in {options.data}, skipped")
    if options.phantom:
        score("phantom reports", list(phantoms(options.phantom)), lexicon, options.misses)
    if options.kept_out:
        score("kept-out templates", list(kept_out(options.kept_out)), lexicon, options.misses)
    if options.reports.exists():
        keep(options.reports, lexicon, options.misses)


if __name__ == "__main__":
    main()
