"""Recall and precision of the report filter by category, on text with planted PHI, and what it costs real reports.

python -m benchmarks.report_phi [--data FOLDER] [--reports FILE.csv] [--phantom N] [--misses N]
    [--kept-out N] [--without-recogniser]

What is counted, `updp_core.evaluation.phi` says; beside it, where any letter of a gold span goes ("touched") and
blacklisted words outside of gold spans ("terms"). The shipped recogniser is one of the finders. Values of gold spans
are printed only with --misses, for synthetic data.
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
from itertools import islice
from pathlib import Path

from updp_core.evaluation.phi import Gold, Mark, count, kind, phantoms
from updp_core.lexicon import Lexicon, load_lexicon
from updp_core.report import filter_report, ner, residual
from updp_core.report.filter import find_spans

_TEXTS = Path(os.environ.get("UPDP_TEST_DATA") or "no-test-data")


def asq(path: Path) -> Iterator[Gold]:
    """ASQ-PHI: clinical queries with tagged identifiers."""
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        spans = [Mark(s["start"], s["end"], s["type"]) for s in row["spans"] if s["start"] >= 0]
        yield Gold(row["text"], tuple(spans))


def presidio(path: Path) -> Iterator[Gold]:
    """presidio-research, synthetic sentences (not clinical)."""
    for row in json.loads(path.read_text("utf-8")):
        spans = [Mark(s["start_position"], s["end_position"], s["entity_type"]) for s in row["spans"]]
        yield Gold(row["full_text"], tuple(spans))


def kept_out(count: int) -> Iterator[Gold]:
    """Sentences of the template family that the recogniser was not trained on, with names and places it never saw."""
    from updp_core.report.light import light_imports

    with light_imports():
        from updp_core.training.recogniser import samples
        from updp_core.training.recogniser_phrases import HELD_FAMILY

    for sample in islice(samples(1234, "held", HELD_FAMILY), count):
        yield Gold(sample.text, tuple(Mark(start, end, label) for start, end, label in sample.entities))


def score(name: str, items: list[Gold], lexicon: Lexicon, misses: int) -> dict[str, dict[str, float]]:
    """Print and return recall, touch rate and precision by category over `items`."""
    found, touched, total = Counter[str](), Counter[str](), Counter[str]()
    right, predicted, terms = Counter[str](), Counter[str](), Counter[str]()
    missed, wrong = defaultdict(list), defaultdict(list)
    start = time.process_time()
    for item in items:
        counted = count(item, lexicon)
        for gold, whole, some in counted.gold:
            label = kind(gold.category)
            total[label] += 1
            found[label] += whole
            touched[label] += some
            if not whole:
                missed[label].append(
                    item.text[max(0, gold.start - 30) : gold.start]
                    + "<<"
                    + item.text[gold.start : gold.end]
                    + ">>"
                    + item.text[gold.end : gold.end + 20]
                )
        for piece in counted.removed:
            label = kind(piece.mark.category)
            terms[label] += piece.term
            predicted[label] += not piece.term
            right[label] += piece.hit
            if not piece.hit and not piece.term:
                wrong[label].append(f"[{piece.rule}] {item.text[piece.mark.start : piece.mark.end]}")
    seconds = time.process_time() - start
    print(f"\n{name}: {len(items)} texts, {1000 * seconds / max(len(items), 1):.1f} ms of processor time each")
    print(f"{'category':32}{'gold':>7}{'recall':>9}{'touched':>9}{'found':>8}{'precision':>11}{'terms':>7}")
    result = {}
    for label in [*sorted(total.keys() | predicted.keys()), "all"]:
        n = total[label] if label != "all" else total.total()
        p = predicted[label] if label != "all" else predicted.total()
        f, t, r = (c[label] if label != "all" else c.total() for c in (found, touched, right))
        result[label] = {"gold": n, "recall": f / n if n else float("nan"), "precision": r / p if p else float("nan")}
        shown = [f"{x / y:9.1%}" if y else f"{'-':>9}" for x, y in ((f, n), (t, n))]
        print(f"{label:32}{n:7}{shown[0]}{shown[1]}{p:8}{f'{r / p:.1%}' if p else '-':>11}{terms[label] or '':>7}")
    for title, lists in (("missed", missed), ("wrong", wrong)) if misses else ():
        for label, values in sorted(lists.items()):
            print(f"-- {title}, {label}: {len(values)}")
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
        score("phantom reports", list(phantoms(range(options.phantom))), lexicon, options.misses)
    if options.kept_out:
        score("kept-out templates", list(kept_out(options.kept_out)), lexicon, options.misses)
    if options.reports.exists():
        keep(options.reports, lexicon, options.misses)


if __name__ == "__main__":
    main()
