"""The patients of a clinic: how often each is seen, and which findings a visit shows.

Calibrated to what was counted on ChestX-ray14 (Wang et al., CVPR 2017: 112,120 films of 30,805 patients, 14 labels):
each label's share of films and of first films, how often it is there again at the next and at any other visit and new
at the next, which labels go together, how many a film has, and films per patient. How near it comes is in
`tests/unit/test_clinic.py`. It was fitted on seeds of the training range and is frozen.

A label is there where a leaning of the patient and a chance of the visit add up to more than nothing. A patient's
leaning grows with his morbidity, which also says how often he is seen; what a visit drew holds on to the next ones
until it is drawn anew. Any visit follows from the seeds alone, without those before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Course:
    """How a label comes and goes: the `finding` it becomes in the phantom; the `base` of its leaning, what a unit of
    the patient's `morbidity` adds, the `spread` between patients, and the chance that a visit `keeps` the last one's
    draw. All but the last in standard deviations of the chance of a visit."""

    finding: str
    base: float
    morbidity: float
    spread: float
    keeps: float


# label, finding of the phantom, base, morbidity, spread, keeps. The phantom's words for consolidation are those of
# infiltration and pneumonia too, a nodule may be a mass.
_LABELS = """
atelectasis        atelectasis         -1.73  0.28  0.26  0.25
cardiomegaly       cardiomegaly        -2.72 -0.01  0.97  0.16
consolidation      consolidation       -2.48  0.39  0.35  0.20
edema              edema               -3.43  0.72  0.05  0.24
effusion           pleural_effusion    -2.09  0.51  0.39  0.31
emphysema          emphysema           -3.23  0.39  0.83  0.33
fibrosis           fibrosis            -2.37 -0.08  0.55  0.16
hernia             hernia              -6.03 -0.15  1.84  0.26
infiltration       consolidation       -1.39  0.26  0.49  0.13
mass               nodule              -2.26  0.10  0.81  0.27
nodule             nodule              -1.92  0.02  0.64  0.19
pleural_thickening pleural_thickening  -2.24  0.08  0.52  0.17
pneumonia          consolidation       -2.68  0.24  0.24  0.11
pneumothorax       pneumothorax        -3.48  0.79  0.69  0.41
"""
# Correlation of the chances of one visit: each label with those above it.
_TOGETHER = """
 0.13
 0.26  0.14
-0.19  0.33 -0.07
 0.30  0.60  0.21 -0.02
 0.07 -0.34 -0.16 -0.49 -0.11
 0.11  0.07  0.07 -0.10  0.03  0.01
 0.30  0.12 -0.27 -0.01  0.04 -0.11  0.38
 0.19  0.10  0.07  0.26  0.21 -0.13  0.08 -0.01
 0.06 -0.10  0.32 -0.06  0.23  0.16  0.12  0.38  0.03
-0.05 -0.12  0.17 -0.01  0.08 -0.06  0.16  0.01  0.17  0.47
 0.10  0.08  0.15 -0.10  0.31  0.22  0.36  0.19  0.08  0.37  0.28
 0.10  0.05  0.08  0.59  0.02 -0.37 -0.03  0.05  0.28 -0.03 -0.03  0.01
-0.03 -0.63 -0.28 -0.80 -0.20  0.58  0.11  0.13 -0.24  0.14  0.05  0.16 -0.50
"""
# Findings that ChestX-ray14 does not count. Shares: 500 Open-i reports that assert them, read by `findings.labeler`;
# tubes 1 %, assumed. No source tells how often they are asserted again: SPREAD and KEEPS are those of a middling label.
_OTHERS: Mapping[str, float] = {
    "scoliosis": 0.034,
    "rib_fracture": 0.020,
    "granuloma": 0.132,
    "pacemaker": 0.008,
    "sternotomy_wires": 0.036,
    "central_line": 0.014,
    "endotracheal_tube": 0.010,
}
SPREAD, KEEPS = 0.55, 0.25
# Share of visits with fluid or air in the pleural space that show a tube for it: 1 % of all.
CHEST_TUBE = 0.064
# Films per patient: the share of patients who have at most so many.
_SHARE = np.array([0, 0.568, 0.66, 0.755, 0.84, 0.905, 0.95, 0.98, 0.9905, 0.9985, 1])
_FILMS = np.array([1, 1, 1.9, 2.9, 4, 7.5, 11.5, 22, 34.8, 80, 184])
_BEFORE = 40  # visits that a draw may hold on from; the longest-lived label keeps 1 of 10^16 so long


def _courses() -> dict[str, Course]:
    rows = [line.split() for line in _LABELS.strip().splitlines()]
    counted = {name: Course(finding, *map(float, numbers)) for name, finding, *numbers in rows}
    wide = (1 + SPREAD**2) ** 0.5
    others = {n: Course(n, NormalDist().inv_cdf(p) * wide, 0.0, SPREAD, KEEPS) for n, p in _OTHERS.items()}
    return counted | others


COURSES: Mapping[str, Course] = _courses()
_FINDING = [course.finding for course in COURSES.values()]
_BASE, _MORBIDITY, _SPREAD, _KEEPS = (
    np.array([getattr(course, name) for course in COURSES.values()])
    for name in ("base", "morbidity", "spread", "keeps")
)


@cache
def _root() -> NDArray[np.float64]:
    """Root (K, K) of the labels' correlation."""
    together = np.eye(len(COURSES))
    for i, line in enumerate(_TOGETHER.strip().splitlines(), 1):
        for j, value in enumerate(line.split()):
            together[i, j] = together[j, i] = float(value)
    return np.asarray(np.linalg.cholesky(together), np.float64)


def visits(seed: int) -> int:
    """How many visits the patient of this seed has (1 to 184): his morbidity is the first that is drawn of him."""
    share = NormalDist().cdf(np.random.default_rng([seed, 7010]).normal())
    return int(np.ceil(np.exp(np.interp(share, _SHARE, np.log(_FILMS))) - 1e-9))


def frequent(first: int, count: int, least: int) -> list[int]:
    """The first `count` seeds from `first` on whose patients have at least `least` visits."""
    found: list[int] = []
    while len(found) < count:
        found += [first] if visits(first) >= least else []
        first += 1
    return found


def present(seed: int, visit: int) -> dict[str, int]:
    """The findings of a visit, and for each the visit since which it is there: its form has not changed since."""
    rng = np.random.default_rng([seed, 7010])
    leaning = _BASE + _MORBIDITY * rng.normal() + _SPREAD * rng.normal(size=len(COURSES))
    waiting = np.ones(len(COURSES), bool)
    found: dict[str, int] = {}
    for then in range(visit, visit - _BEFORE, -1):
        draw = np.random.default_rng([seed, 7011, then + _BEFORE])
        last = then == visit - _BEFORE + 1
        drawn = waiting & (last | (draw.random() < 1 - _KEEPS))
        for k in np.flatnonzero(drawn & (leaning + _root() @ draw.normal(size=len(COURSES)) > 0)):
            found.setdefault(_FINDING[k], then)
        waiting &= ~drawn
        if not waiting.any():
            break
    reasons = [found[name] for name in ("pneumothorax", "pleural_effusion") if name in found]
    if reasons and np.random.default_rng([seed, 7012, max(reasons) + _BEFORE]).random() < CHEST_TUBE:
        found["chest_tube"] = max(reasons)
    return found
