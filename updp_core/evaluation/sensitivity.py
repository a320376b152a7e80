"""Which findings the judges see where they are: counted on held-out phantom patients, once for each version of them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np

from updp_core.backends.judges import SENSITIVITY, Judges, load_judges
from updp_core.evaluation.studies import as_float
from updp_core.phantom import render, sample_patient, sample_visit

HELD_OUT = 9_000_000
"""The first seed of the patients on whom nothing was trained or tuned."""
BATCH = 16


def measure(
    judges: Judges, patients: int, say: Callable[[str], None] = lambda text: None
) -> dict[str, tuple[int, int]]:
    """Finding -> (originals that show it, those of them in which the judges see it), one visit a patient."""
    truth: list[list[bool]] = []
    seen: list[np.ndarray] = []
    limits = np.array([judges.present.get(name, 0.5) for name in judges.finding_names])
    for start in range(0, patients, BATCH):
        numbers = range(start, min(start + BATCH, patients))
        visits = [sample_visit(sample_patient(HELD_OUT + n), 0) for n in numbers]
        images = as_float(np.stack([image for image in render(visits, 256)]))
        truth += [[bool(visit.labels[name]) for name in judges.finding_names] for visit in visits]
        seen.append(judges.findings(images) >= limits)
        say(f"{numbers.stop} of {patients} patients")
    there, found = np.array(truth), np.concatenate(seen)
    counts = zip(there.sum(axis=0), (there & found).sum(axis=0), strict=True)
    return {name: (int(n), int(k)) for name, (n, k) in zip(judges.finding_names, counts, strict=True)}


def write(folder: Path, patients: int, say: Callable[[str], None] = lambda text: None) -> dict[str, tuple[int, int]]:
    """Measure the judges of a folder and write what was found beside them."""
    judges = load_judges(folder, "cpu", reference=False)
    found = measure(judges, patients, say)
    with (folder / SENSITIVITY).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["finding", "originals", "seen", "judges"])
        table.writerows([name, n, k, judges.digest] for name, (n, k) in found.items())
    return found
