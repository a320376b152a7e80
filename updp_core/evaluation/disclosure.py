"""What a release discloses: singling out, linkability and inference (the three questions of the European guidelines on
anonymisation, WP29 05/2014), each as attack, control and naive baseline.

The attack's share of successes says nothing by itself. The control is the same attack without what is asked about:
people who are not in the release (singling out), or the report's findings without the image (linkability, inference:
these leave the house anyway). The naive baseline guesses. The risk is what the attack adds, (attack - control) /
(1 - control), as in Giomi et al. 2023.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from updp_core.domain import MethodInput
from updp_core.evaluation import archive, attackers, statistics
from updp_core.evaluation.arena import LEAST
from updp_core.evaluation.attackers import Linkage, Score
from updp_core.evaluation.measures import Found, Measure, Part, Row, attacker_seeds, count, describe_by
from updp_core.evaluation.statistics import UNKNOWN, Estimate
from updp_core.evaluation.studies import SIDE, Source, Studies, code_digest
from updp_core.evaluation.testbed import Testbed, in_parts, key_of_method
from updp_core.findings.terms import FINDINGS
from updp_core.report import filter_report
from updp_core.report.left_out import denied, told_of, words_of

AGES = (50, 65)
"""Years from which the second and the third age band go."""
_COMPONENTS, _PARTS = 32, 16


@dataclass(frozen=True)
class Cases:
    """Two studies of each patient, one after the other: images (N, S, S) uint16, patient (N,), findings of the reports
    (N, F), sex and age band (N,), "" where they are not known. `name` tells them apart in the testbed's folder."""

    data: Source
    name: str
    images: NDArray[np.uint16]
    patient: NDArray[np.int64]
    truth: NDArray[np.bool_]
    sex: NDArray[np.str_]
    age: NDArray[np.str_]

    @property
    def halves(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Every second patient, and the others."""
        people = np.unique(self.patient)
        return people[::2], people[1::2]

    @property
    def first(self) -> NDArray[np.int64]:
        """Each patient's first study."""
        return np.unique(self.patient, return_index=True)[1]


@dataclass(frozen=True)
class _Silenced:
    """Studies whose reports do not tell of the findings `hidden`, as at a privacy level."""

    data: Studies
    hidden: frozenset[str]

    @property
    def private(self) -> bool:
        return False

    def inputs(self, index: Sequence[int] | NDArray[Any], lexicon: Any) -> list[MethodInput]:
        made = self.data.inputs(index, lexicon)
        texts = (filter_report(item.report, lexicon, hidden=self.hidden).text for item in made)
        return [replace(item, filtered_report=text) for item, text in zip(made, texts, strict=True)]


def cases(bed: Testbed) -> Cases:
    """The couples of the testbed, or of the archive that it names. Raises IntakeError for one without ten couples."""
    if "cases" not in bed.shared:
        bed.shared["cases"] = _of_archive(bed) if bed.source else _of_phantoms(bed)
    return bed.shared["cases"]


def _of_phantoms(bed: Testbed) -> Cases:
    data = bed.couples
    people = [visit.patient for visit in data.visits]
    name = f"couples-{bed.sizes.population}"
    sex, age = np.array([p.sex for p in people]), np.array([_band(p.age) for p in people])
    return Cases(data, name, data.images, data.patient, data.truth, sex, age)


def _of_archive(bed: Testbed) -> Cases:
    assert bed.source
    films = archive.couples(bed.source, "auto", max(LEAST, bed.sizes.couples), SIDE)
    known = archive.demographics(bed.source)
    who = [known.get(study.patient_key, ("", None)) for study in films.studies]
    sex, age = np.array([sex for sex, _ in who]), np.array([_band(age) for _, age in who])
    digest = hashlib.sha256("".join(study.sha256 for study in films.studies).encode()).hexdigest()[:12]
    return Cases(films, f"own-{digest}", films.images, films.patient, films.truth, sex, age)


def _band(age: int | None) -> str:
    return "" if age is None else ("younger", "middle", "older")[sum(age >= limit for limit in AGES)]


# Singling out


def singling_out(bed: Testbed) -> Found:
    """Of each released image a predicate, the fewest of its most striking features that no other released image shares;
    how often exactly one original of the release fulfils it. Control: originals of as many people who are not in the
    release. Baseline: random predicates of the same length."""
    found, data = Found(), cases(bed)
    seen = in_parts(data.images[data.first], describe_by(bed))
    who = data.patient[data.first]
    for method in bed.methods:
        drawn = in_parts(bed.drawn(method, data.data, data.name, np.arange(len(data.patient))).images, describe_by(bed))
        drawn = drawn[data.first]
        hits: dict[str, list[NDArray[np.bool_]]] = {"attack": [], "control": [], "naive": []}
        for fold, half in enumerate(data.halves):
            inside = np.isin(who, half)
            released, others = drawn[inside], seen[~inside][: inside.sum()]
            for part, found_ in singled(released, seen[inside], others, bed.seed + fold).items():
                hits[part].append(found_)
        told = {part: statistics.share(np.concatenate(values)) for part, values in hits.items()}
        n = {"patients": len(who), "images": len(who)}
        _put(found, f"singled_out.{key_of_method(method)}", told, **n)
    return found


def singled(
    released: NDArray[np.float32], inside: NDArray[np.float32], outside: NDArray[np.float32], seed: int = 0
) -> dict[str, NDArray[np.bool_]]:
    """Which predicates (M,) of released features (M, D) exactly one row of `inside` fulfils ("attack"), of `outside`
    ("control"), and which random ones one of `inside` ("naive"). Whoever attacks sees the released features alone."""
    from sklearn.decomposition import PCA

    rng = np.random.default_rng([seed, 7050])
    mean, scale = released.mean(axis=0), released.std(axis=0) + 1e-6
    parts = PCA(min(_PARTS, *released.shape), random_state=seed).fit((released - mean) / scale)
    a, b, c = (
        parts.transform((x - mean) / scale) / np.sqrt(parts.explained_variance_ + 1e-9)
        for x in (released, inside, outside)
    )
    out: dict[str, list[bool]] = {"attack": [], "control": [], "naive": []}
    for row in a:
        order = np.argsort(-np.abs(row))
        length = next((k for k in range(1, len(order) + 1) if _fulfil(a, row, order[:k]).sum() == 1), len(order))
        out["attack"].append(bool(_fulfil(b, row, order[:length]).sum() == 1))
        out["control"].append(bool(_fulfil(c, row, order[:length]).sum() == 1))
        columns = rng.permutation(len(order))[:length]
        random = a[rng.integers(len(a), size=a.shape[1]), np.arange(a.shape[1])]
        out["naive"].append(bool(_fulfil(b, random, columns).sum() == 1))
    return {part: np.array(values, bool) for part, values in out.items()}


def _fulfil(rows: NDArray[Any], example: NDArray[Any], columns: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows lie as far out as the example in all of these columns."""
    sign = np.sign(example[columns])
    return np.asarray((rows[:, columns] * sign >= example[columns] * sign).all(axis=1))


# Linkability


def linkability(bed: Testbed) -> Found:
    """Whether the image's own patient comes first in a gallery of originals of another visit, to attackers retrained on
    what the method makes of other patients. Control: an attacker retrained on the reports' findings alone."""
    found, data, seeds = Found(), cases(bed), attacker_seeds(bed)
    index = np.arange(len(data.patient))
    films = in_parts(data.images, describe_by(bed))
    told = data.truth.astype(np.float32)
    control = _first(Linkage(told, told, index, data.patient), data, seeds)
    chances = np.array([1 / len(half) for half in data.halves for _ in range(2 * len(half))])
    for method in bed.methods:
        drawn = in_parts(bed.drawn(method, data.data, data.name, index).images, describe_by(bed))
        hits, whose = _first(Linkage(drawn, films, index, data.patient), data, seeds)
        figures = {
            "attack": statistics.share(hits, whose),
            "control": statistics.share(*control),
            "naive": statistics.mean(chances),
        }
        n = {"patients": count(data.patient), "images": len(whose), "gallery": len(data.halves[0])}
        _put(found, f"linked.{key_of_method(method)}", figures, **n)
    return found


def _first(linkage: Linkage, data: Cases, seeds: Sequence[int]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Hits and whose they are, of both halves, by the first seed's attacker; equal scores are broken by chance."""
    hits, whose = list[NDArray[np.bool_]](), list[NDArray[np.int64]]()
    for half in data.halves:
        (score,) = attackers.retrained(linkage, half, seeds[:1])
        found = attackers.rank_one(linkage, half, _by_chance(score, seeds[0]), seeds[0])
        hits.append(found[0])
        whose.append(found[1])
    return np.concatenate(hits), np.concatenate(whose)


def _by_chance(score: Score, seed: int) -> Score:
    rng = np.random.default_rng([seed, 7051])
    return lambda i, j: score(i, j).astype(np.float64) + 1e-9 * rng.random(len(i))


# Inference


def inference(bed: Testbed) -> Found:
    """Sex, age band, and a finding that the report does not tell, guessed of a released pair by who has learned from
    pairs of other patients. Control: the same guess from the report's findings alone. Baseline: the most frequent
    answer. What is left out is the most frequent finding; the asked are balanced, as many with it as without."""
    found, data = Found(), cases(bed)
    index, told = np.arange(len(data.patient)), data.truth.astype(np.float32)
    answers = {"sex": data.sex, "age": data.age}
    for method in bed.methods:
        drawn = in_parts(bed.drawn(method, data.data, data.name, index).images, describe_by(bed))
        for what, answer in answers.items():
            name, known = f"inferred_{what}.{key_of_method(method)}", answer != ""
            if count(answer[known]) < 2:
                _lack(found, name, f"a CSV table with the column {what}")
                continue
            figures, n = guessed(drawn[known], told[known], answer[known], data.patient[known], data.halves, bed.seed)
            _put(found, name, figures, **n)
    _unreported(bed, data, found)
    return found


def _unreported(bed: Testbed, data: Cases, found: Found) -> None:
    name = f"inferred_unreported.{key_of_method(bed.subject)}"
    whose = [count(data.patient[data.truth[:, k]]) for k in range(len(FINDINGS))]
    hidden, first = FINDINGS[int(np.argmax(whose))], data.first
    if not isinstance(data.data, Studies):
        _lack(found, name, "phantoms: what a prompt gives away is not kept of an archive")
        return
    out, lexicon = frozenset({hidden}), denied(bed.lexicon, words_of(bed.lexicon, frozenset({hidden}), ""))
    made = bed.drawn(
        bed.subject,
        _Silenced(data.data, out),
        f"{data.name}-without-{hidden}",
        first,
        lexicon=lexicon,
        note=lambda prompt: {"tells": bool(told_of(prompt, out))},
    )
    kept = np.array([not row["tells"] for row in made.rows], bool)  # UPDP makes no pair whose prompt tells it
    drawn = in_parts(made.images, describe_by(bed))[kept]
    truth, who = data.truth[first][kept], data.patient[first][kept]
    column = FINDINGS.index(hidden)
    rest = np.delete(truth, column, axis=1).astype(np.float32)
    answer = np.where(truth[:, column], "yes", "no")
    if min((answer == each).sum() for each in ("yes", "no")) < 4:
        _lack(found, name, "four patients with a finding that is left out, and four without")
        return
    figures, n = guessed(drawn, rest, answer, who, data.halves, bed.seed, balanced=True)
    _put(found, name, figures, **n)


def guessed(
    drawn: NDArray[np.float32],
    told: NDArray[np.float32],
    answer: NDArray[np.str_],
    patient: NDArray[np.int64],
    halves: Sequence[NDArray[np.int64]],
    seed: int = 0,
    balanced: bool = False,
) -> tuple[dict[str, Estimate], dict[str, int]]:
    """Shares of right guesses of `answer` (N,) from drawn features (N, D) and told findings (N, F), from the findings
    alone, and by the most frequent answer, each half of the patients by who has learned from the other; and N.

    `balanced`: each answer is asked for, and counts in learning, equally often.
    """
    rng = np.random.default_rng([seed, 7052])
    right: dict[str, list[NDArray[np.bool_]]] = {"attack": [], "control": [], "naive": []}
    whose: list[NDArray[np.int64]] = []
    for half in halves:
        test = np.isin(patient, half)
        if count(answer[~test]) < 2:
            continue
        asked = np.flatnonzero(test)
        if balanced:
            each = [asked[answer[asked] == value] for value in np.unique(answer)]
            asked = np.concatenate([rng.permutation(part)[: min(map(len, each))] for part in each])
        if not len(asked):
            continue
        train = np.flatnonzero(~test)
        most = max(np.unique(answer[train]), key=lambda value: (answer[train] == value).sum())
        for part, guess in (
            ("attack", _learned(drawn[train], told[train], answer[train], balanced)(drawn[asked], told[asked])),
            ("control", _learned(None, told[train], answer[train], balanced)(None, told[asked])),
            ("naive", np.full(len(asked), most)),
        ):
            right[part].append(guess == answer[asked])
        whose.append(patient[asked])
    if not whose:
        return dict.fromkeys(right, UNKNOWN), {}
    groups = np.concatenate(whose)
    n = {"patients": count(groups), "images": len(groups)}
    return {part: statistics.share(np.concatenate(hits), groups) for part, hits in right.items()}, n


def _learned(
    drawn: NDArray[np.float32] | None, told: NDArray[np.float32], answer: NDArray[np.str_], balanced: bool
) -> Callable[[NDArray[np.float32] | None, NDArray[np.float32]], NDArray[np.str_]]:
    """A guess of the answer from drawn features, if any, and told findings."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    parts = None
    if drawn is not None:
        least = min(_COMPONENTS, len(drawn) - 1, drawn.shape[1])
        parts = make_pipeline(StandardScaler(), PCA(least, whiten=True, random_state=0)).fit(drawn)

    def given(images: NDArray[np.float32] | None, reports: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.concatenate([reports] if parts is None else [parts.transform(images), reports], axis=1)

    weights = "balanced" if balanced else None
    model = LogisticRegression(C=0.1, max_iter=500, class_weight=weights).fit(given(drawn, told), answer)
    return lambda images, reports: np.asarray(model.predict(given(images, reports)))


def risk(attack: Estimate, control: Estimate) -> Estimate:
    """What an attack adds to its control, (attack - control) / (1 - control), with the interval that both intervals
    give (Newcombe's way); unknown where the control always succeeds."""
    (a, low_a, high_a), (c, low_c, high_c) = attack, control
    if not c < 1:
        return UNKNOWN
    by_a, by_c = 1 / (1 - c), (1 - a) / (1 - c) ** 2
    value = (a - c) * by_a
    low = value - float(np.hypot(by_a * (a - low_a), by_c * (high_c - c)))
    high = value + float(np.hypot(by_a * (high_a - a), by_c * (c - low_c)))
    return value, low, high


def _put(found: Found, name: str, figures: dict[str, Estimate], **n: int) -> None:
    for part in ("attack", "control", "naive"):
        found.put(f"{name}_{part}", figures[part], figures["naive"][0], **n)
    found.put(f"{name}_risk", risk(figures["attack"], figures["control"]), 0.0, **n)


def _lack(found: Found, name: str, what: str) -> None:
    for part in ("attack", "control", "naive", "risk"):
        found.lack(f"{name}_{part}", what)


def _rows(name: str, words: str, control: str, naive: str) -> tuple[Row, ...]:
    return (
        Row(f"{name}_attack", f"{words}: attack", "share"),
        Row(f"{name}_control", f"{words}: control, {control}", "share"),
        Row(f"{name}_naive", f"{words}: naive baseline, {naive}", "share"),
        Row(f"{name}_risk", f"{words}: what the attack adds", "share"),
    )


def beside(bed: Testbed) -> Any:
    code = code_digest("evaluation/archive.py", "evaluation/denoising.py")
    return [cases(bed).name if bed.source else "phantoms", code]


NEEDED: tuple[Part, ...] = ("generator", "encoder", "judges")
_FINDINGS, _FREQUENT = "the report's findings without the image", "the most frequent answer"
SINGLING_OUT = Measure(
    "singling-out",
    NEEDED,
    singling_out,
    _rows("singled_out.{method}", "Singled out by {images}", "people not in the release", "random predicates"),
    beside=beside,
)
LINKABILITY = Measure(
    "linkability",
    NEEDED,
    linkability,
    _rows("linked.{method}", "Own patient first in a gallery, {images}", _FINDINGS, "chance"),
    beside=beside,
)
INFERENCE = Measure(
    "inference",
    NEEDED,
    inference,
    (
        *_rows("inferred_sex.{method}", "Sex guessed, {images}", _FINDINGS, _FREQUENT),
        *_rows("inferred_age.{method}", "Age band guessed, {images}", _FINDINGS, _FREQUENT),
        *_rows("inferred_unreported.{subject}", "Finding that is left out guessed, {images}", _FINDINGS, _FREQUENT),
    ),
    beside=beside,
)
